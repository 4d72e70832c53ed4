/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The words of a session: how they are written and what is taken for them. */

#include "xml/session_words.h"

#include "xml/test-helpers.h"

static void
test_uuid(void)
{
    static const struct {
        const char *text;
        const char *canonical; /* NULL: no uuid */
    } cases[] = {
        { UUID, UUID },
        { "C7A5FDBD-CDAF-9455-926A-D65C16DB1809", UUID },
        { "c7a5fdbdcdaf9455926ad65c16db1809", UUID },
        { "\n  c7-a5-fd-bd cd af--9455926ad65c16db1809 \n", UUID },
        { "", NULL },
        { "c7a5fdbd-cdaf-9455-926a-d65c16db180", NULL },
        { "c7a5fdbd-cdaf-9455-926a-d65c16db18090", NULL },
        { "c-7a5fdbd-cdaf-9455-926a-d65c16db1809", NULL },
        { "g7a5fdbd-cdaf-9455-926a-d65c16db1809", NULL },
        { UUID "-", NULL },
        { UUID " x", NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        char uuid[37] = "";

        g_assert_cmpint(vp_xml_uuid_canonical(cases[i].text, uuid), ==,
                        cases[i].canonical != NULL);
        if (cases[i].canonical)
            g_assert_cmpstr(uuid, ==, cases[i].canonical);
    }
}

static void
test_path(void)
{
    g_autofree char *path = vp_xml_session_path("/run/s", UUID);
    g_autofree char *same = vp_xml_session_path("/run/s/", UUID);

    g_assert_cmpstr(path, ==, SOCKET);
    g_assert_cmpstr(same, ==, SOCKET);
}

/* A document with one <qemu:commandline>, and the sessions in it. */
typedef struct Found {
    char *xml;
    VpXmlIndex *index;
    const VpXmlNode *commandline;
    GArray *words;
    GHashTable *ours;
} Found;

static void
find(Found *found, const char *args)
{
    found->xml = g_strconcat(OPEN_QEMU "  <qemu:commandline>", args, "</qemu:commandline>\n" CLOSE,
                             NULL);
    found->index = vp_xml_index_new(found->xml, NULL);
    found->commandline = found->index->root->last;
    found->words = g_array_new(FALSE, FALSE, sizeof(VpXmlSessionWords));
    found->ours = g_hash_table_new(NULL, NULL);
    vp_xml_session_words_find(found->commandline, found->words);
    for (guint i = 0; i < found->words->len; i++) {
        for (guint k = 0; k < VP_XML_SESSION_WORDS; k++)
            g_hash_table_add(
                found->ours,
                (gpointer)g_array_index(found->words, VpXmlSessionWords, i).args[k]);
    }
}

static void
clear(Found *found)
{
    vp_xml_index_free(found->index);
    g_free(found->xml);
    g_array_unref(found->words);
    g_hash_table_unref(found->ours);
}

static void
test_find(void)
{
    static const struct {
        const char *args;
        const char *path; /* of the first session; NULL: there is none */
        guint n;
        bool clash;
    } cases[] = {
        { WORDS, SOCKET, 1, false },
        { WORD_LINES, SOCKET, 1, false },
        { WORDS_AT("", "/virtpass-libvirt-" OTHER_UUID, ""), "/virtpass-libvirt-" OTHER_UUID, 1,
          false },
        { WORDS_AT("", "/a,,b,,,,&lt;&amp;/virtpass-libvirt-" UUID, ""),
          "/a,b,,<&/virtpass-libvirt-" UUID, 1, false },
        { WORDS_AT("", "/run/s/virtpass-" UUID, ""), "/run/s/virtpass-" UUID, 1, false }, /* old */
        { "<qemu:arg value='-S'/>" WORDS "<qemu:env name='a'/>", SOCKET, 1, false },
        { "<qemu:arg value='-chardev'/>" WORDS, SOCKET, 1, false },
        { WORDS WORDS, SOCKET, 2, false },
        /* somebody else's */
        { "<qemu:arg value='-chardev'/><qemu:arg value='socket,id=mine,path=" SOCKET
          ",server=on,wait=off'/><qemu:arg value='-mon'/><qemu:arg value='chardev=mine'/>",
          NULL, 0, false },
        { "<qemu:arg value='-device'/><qemu:arg value='lsi,id=virtpass-qmp2'/>", NULL, 0, false },
        { "<qemu:arg value='-mon'/><qemu:arg value='chardev=virtpass-qmp,mode=control'/>", NULL, 0,
          false },
        /* the id, but not the form: directory, name, comma, options, order, gap, element */
        { WORDS_AT("", "virtpass-libvirt-" UUID, ""), NULL, 0, true },
        { WORDS_AT("", "/run/s/" UUID, ""), NULL, 0, true },
        { WORDS_AT("", "/run/s/virtpass-libvirt-", ""), NULL, 0, true },
        { WORDS_AT("", "/run/s/virtpass-libvirt-libvirt-" UUID, ""), NULL, 0, true },
        { WORDS_AT("", "/run/s/virtpass-C7A5FDBD-CDAF-9455-926A-D65C16DB1809", ""), NULL, 0, true },
        { WORDS_AT("", "/run,s/virtpass-libvirt-" UUID, ""), NULL, 0, true },
        { WORDS_AT("", "/run/s/virtpass-libvirt-" UUID ",,", ""), NULL, 0, true },
        { WORDS_AT("", SOCKET ",reconnect=1", ""), NULL, 0, true },
        { WORDS_AT("", SOCKET, "<qemu:env name='a'/>"), NULL, 0, true },
        { "<qemu:arg value='-chardev'/><qemu:arg value='null,id=virtpass-qmp'/>", NULL, 0, true },
        { "<qemu:arg value='-chardev'/><qemu:arg value='socket,id=virtpass-qmp,path=" SOCKET
          ",server=on,wait=off'/>",
          NULL, 0, true },
        { "<qemu:arg value='-chardev'/>" WORDS
          "<qemu:arg value='socket,id=virtpass-qmp,path=" SOCKET ",server=on,wait=off'/>",
          SOCKET, 1, true },
        /* what libvirt does not take for a word */
        { "<arg value='-chardev'/><arg value='null,id=virtpass-qmp'/>", NULL, 0, false },
        { "<qemu:arg/><qemu:arg qemu:value='null,id=virtpass-qmp'/>", NULL, 0, false },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Found found = { 0 };
        g_autofree char *path = NULL;

        find(&found, cases[i].args);
        g_assert_cmpuint(found.words->len, ==, cases[i].n);
        if (cases[i].path)
            path = vp_xml_session_words_path(&g_array_index(found.words, VpXmlSessionWords, 0));
        g_assert_cmpstr(path, ==, cases[i].path);
        g_assert_cmpint(vp_xml_session_words_clash(found.commandline, found.ours) != NULL, ==,
                        cases[i].clash);
        clear(&found);
    }
}

/* What is printed is found again, with the path that it was printed for. */
static void
test_print(void)
{
    static const char *const dirs[] = { "/run/s", "/", "/a,b,,c,", "/<&>'\"", "/\xc3\xa9 \t\n\r" };

    for (gsize i = 0; i < G_N_ELEMENTS(dirs); i++) {
        g_autofree char *path = vp_xml_session_path(dirs[i], UUID);
        g_autofree char *args = NULL;
        g_autofree char *read = NULL;
        g_autoptr(VpXmlBlock) block = vp_xml_block_new();
        Found found = { 0 };

        vp_xml_session_words_print(block, 0, "qemu:", path);
        args = vp_xml_block_join(block);
        find(&found, args);
        g_assert_cmpuint(found.words->len, ==, 1);
        read = vp_xml_session_words_path(&g_array_index(found.words, VpXmlSessionWords, 0));
        g_assert_cmpstr(read, ==, path);
        clear(&found);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/session-words/uuid", test_uuid);
    g_test_add_func("/xml/session-words/path", test_path);
    g_test_add_func("/xml/session-words/find", test_find);
    g_test_add_func("/xml/session-words/print", test_print);
    return g_test_run();
}
