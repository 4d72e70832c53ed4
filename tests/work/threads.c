/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The layers below the daemon in several threads at once: each thread gives what one alone gave.
 * Under ThreadSanitizer this also finds what they share. */

#include "argv/compile.h"
#include "json/check.h"
#include "xml/passthrough.h"

#include <string.h>

#define THREADS 4
#define ROUNDS 20

static const char document[] =
    "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>a</name>"
    "<uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid>"
    "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices><qemu:commandline>"
    "<qemu:arg value='-S'/><qemu:alter option='device'><qemu:match key='id'>n.t\\d</qemu:match>"
    "<qemu:modify>rombar=0</qemu:modify><qemu:replace match='(a+)b'>\\1</qemu:replace>"
    "</qemu:alter></qemu:commandline><qemu:chardev id='c'><backend>null</backend></qemu:chardev>"
    "</domain>";

static VpValueType
lookup(const VpTypeSource *source, const char *option, const char *driver, const char *key)
{
    return VP_TYPE_INT;
}

static void
collect(const VpTypeSource *source, const char *option, const char *key, GPtrArray *types)
{
    g_ptr_array_add(types, vp_key_type_new(option, NULL, key, VP_TYPE_INT));
}

static bool
compile(const VpPlan *wishes, char ***ret_words, char **ret_plan, gpointer data, GError **error)
{
    static const VpTypeSource source = { .lookup = lookup, .collect = collect };
    g_auto(VpCompiled) compiled = { 0 };
    g_autoptr(VpPlan) read = NULL;

    if (!vp_compile(wishes, &source, NULL, &compiled, error))
        return false;
    *ret_plan = vp_plan_to_json(compiled.shim, error);
    read = *ret_plan ? vp_plan_from_json(*ret_plan, error) : NULL;
    *ret_words = g_steal_pointer(&compiled.words);
    return read != NULL;
}

static char *
find_shim(const char *emulator, gpointer data, GError **error)
{
    return g_strdup("/opt/virtpass-emulators/q/virtpass-emulator");
}

static const VpXmlRules rules = {
    .policy = VP_POLICY_ALL, .session_dir = "/run/s", .compile = compile, .shim = find_shim,
};

static char *
translate(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *restored = NULL;
    char *translated = NULL;

    vp_xml_translate(&rules, document, &translated, &error);
    g_assert_no_error(error);
    vp_xml_restore(translated, &restored, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(restored, ==, document);
    return translated;
}

static gpointer
work(gpointer data)
{
    const char *expected = data;

    for (guint i = 0; i < ROUNDS; i++) {
        g_autofree char *translated = translate();
        g_autofree char *wrong = NULL, *message = NULL;
        g_autoptr(GError) error = NULL;
        VpJsonFacts facts = { 0 };

        if (expected)
            g_assert_cmpstr(translated, ==, expected);
        g_assert_false(vp_xml_translate(&rules, "<domain type='kvm' xmlns:qemu='"
                                        VP_XML_QEMU_NS "'><qemu:monitorpassthrough a='b'/>"
                                        "</domain>", &wrong, &error));
        g_assert_nonnull(error);
        g_assert_false(vp_json_check("{\"a\":}", 6, &facts, &message));
    }
    return NULL;
}

static void
start(gpointer data)
{
    GThread *threads[THREADS];

    for (guint i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("work", work, data);
    work(data);
    for (guint i = 0; i < THREADS; i++)
        g_thread_join(threads[i]);
}

/* Nothing has been used before: the threads are the first ones. */
static void
test_first(void)
{
    start(NULL);
}

static void
test_same(void)
{
    g_autofree char *expected = translate();

    start(expected);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/threads/first", test_first);
    g_test_add_func("/threads/same", test_same);
    return g_test_run();
}
