/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The documents of tests/qemuxml2argvdata: readers and schema judge them alike, and the laws of the
 * layer hold for them. What command lines they give is seen elsewhere.
 */

#include "xml/test-laws.h"
#include "xml/test-schema.h"

static void
test_data(void)
{
    static const char *const beyond_the_schema[] = {
        "error-extra-quote.xml", "error-regular-expression.xml", "error-replacement.xml", NULL,
    };
    g_autoptr(GDir) directory = g_dir_open(VIRTPASS_DATA, 0, NULL);
    guint n = 0;

    g_assert_nonnull(directory);
    for (const char *name = g_dir_read_name(directory); name; name = g_dir_read_name(directory)) {
        g_autofree char *path = g_build_filename(VIRTPASS_DATA, name, NULL);
        g_autofree char *xml = NULL;
        bool valid = false;

        if (!g_str_has_suffix(name, ".xml"))
            continue;
        g_assert_true(g_file_get_contents(path, &xml, NULL, NULL));
        g_test_message("%s", name);
        valid = vp_xml_validate(xml, NULL);
        g_assert_cmpint(is_valid_document(xml), ==,
                        valid || g_strv_contains(beyond_the_schema, name));
        if (!g_str_has_prefix(name, "error-"))
            g_assert_true(check_laws(xml));
        n++;
    }
    g_assert_cmpuint(n, >, 60);
}

int
main(int argc, char **argv)
{
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    load_schema();
    g_test_add_func("/xml/data/documents", test_data);
    status = g_test_run();
    xmlRelaxNGFree(schema);
    return status;
}
