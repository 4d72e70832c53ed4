/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Encodings, attributes as text, and the count that protects libxml2. */

#include "xml/text.h"

#include <string.h>

static void
test_encodings(void)
{
    static const struct {
        const char *xml;
        const char *utf8; /* NULL: refused */
        bool converted;
    } cases[] = {
        { "<a/>", "<a/>", false },
        { "<?xml version='1.0'?><a/>", "<?xml version='1.0'?><a/>", false },
        { "<?xml version='1.0' encoding='utf-8'?><a>\xc3\xa9</a>",
          "<?xml version='1.0' encoding='utf-8'?><a>\xc3\xa9</a>", false },
        { "<?xml version='1.0' encoding='UTF8'?><a/>",
          "<?xml version='1.0' encoding='UTF8'?><a/>", false },
        { "<?xml version='1.0' encoding=\"ISO-8859-1\" standalone='yes'?><a>\xe9</a>",
          "<?xml version='1.0' encoding=\"UTF-8\" standalone='yes'?><a>\xc3\xa9</a>", true },
        { "<?xml version='1.0' encoding='US-ASCII'?><a/>",
          "<?xml version='1.0' encoding='UTF-8'?><a/>", true },
        { "\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?><a/>",
          "\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?><a/>", false },
        /* not what is declared, not known, not even a name */
        { "<a>\xe9</a>", NULL, false },
        { "<?xml version='1.0' encoding='US-ASCII'?><a>\xe9</a>", NULL, false },
        { "<?xml version='1.0' encoding='X-NONE'?><a/>", NULL, false },
        { "<?xml version='1.0' encoding='ISO-8859-1//IGNORE'?><a/>", NULL, false },
        { "<?xml version='1.0' encoding=''?><a/>", NULL, false },
        /* a NUL that the encoding hides */
        { "<?xml version='1.0' encoding='UTF-7'?><a>+AAA-</a>", NULL, false },
        /* nothing but a declaration counts */
        { "<?xmlx encoding='ISO-8859-1'?><a/>", "<?xmlx encoding='ISO-8859-1'?><a/>", false },
        { "<?xml version='1.0 encoding=\"ISO-8859-1\"'?><a/>",
          "<?xml version='1.0 encoding=\"ISO-8859-1\"'?><a/>", false },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VpXmlText) text = { 0 };

        g_assert_cmpint(vp_xml_text_init(&text, cases[i].xml), ==, cases[i].utf8 != NULL);
        if (!cases[i].utf8)
            continue;
        g_assert_cmpstr(text.bytes, ==, cases[i].utf8);
        g_assert_cmpuint(text.len, ==, strlen(cases[i].utf8));
        g_assert_cmpint(text.converted != NULL, ==, cases[i].converted);
    }
}

static void
test_find_attribute(void)
{
    static const struct {
        const char *tag;
        const char *name;
        const char *whole; /* NULL: not there */
        const char *value;
    } cases[] = {
        { "<a b='1' c='2'>", "c", " c='2'", "2" },
        { "<a b='1' c='2'>", "b", " b='1'", "1" },
        { "<a\n\tb = \"x'y>/\"\n c='2'/>", "c", "\n c='2'", "2" },
        { "<a\n\tb = \"x'y>/\"\n c='2'/>", "b", "\n\tb = \"x'y>/\"", "x'y>/" },
        { "<a b='c=\"1\"'/>", "c", NULL, NULL },
        { "<a bb='1'/>", "b", NULL, NULL },
        { "<a b='1'/>", "bb", NULL, NULL },
        { "<a/>", "a", NULL, NULL },
        { "<p:a xmlns:p=''>", "xmlns:p", " xmlns:p=''", "" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *bytes = g_strconcat("b='0'>", cases[i].tag, NULL);
        VpXmlRange whole = { 0 };
        VpXmlRange value = { 0 };
        bool found = vp_xml_find_attribute(bytes, strlen("b='0'>"), cases[i].name, &whole, &value);

        g_assert_cmpint(found, ==, cases[i].whole != NULL);
        if (!found)
            continue;
        g_assert_cmpmem(bytes + whole.from, whole.to - whole.from, cases[i].whole,
                        strlen(cases[i].whole));
        g_assert_cmpmem(bytes + value.from, value.to - value.from, cases[i].value,
                        strlen(cases[i].value));
    }
}

static void
test_attributes_max(void)
{
    static const struct {
        const char *xml;
        guint most;
    } cases[] = {
        { "", 0 },
        { "text = text", 0 },
        { "<a/>", 0 },
        { "<a b='1' c=\"2\"><d e='3'/></a>", 2 },
        { "<a><d e='3' f='' g=''/></a>", 3 },
        { "<a b='== >' c=\"'='\"/>", 2 },
        { "<a>= = =</a>", 0 },
        { "<!-- <a b='' c=''> --><a b=''/>", 1 },
        { "<a><![CDATA[<b c='' d=''/>]]></a>", 0 },
        { "<?pi <a b='' c=''?><a/>", 0 },
        { "<!-- > -> <a b=''/> --><a/>", 0 },
        { "<!--><a b=''/>--><a/>", 0 },
        { "<!----><a b=''/>", 1 },
        /* cut off anywhere: the count still ends */
        { "<a b='", 1 },
        { "<a b", 0 },
        { "<!-- ", 0 },
        { "<", 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VpXmlText) text = { 0 };

        g_assert_true(vp_xml_text_init(&text, cases[i].xml));
        g_assert_cmpuint(vp_xml_text_attributes_max(&text), ==, cases[i].most);
    }
}

static void
test_escape(void)
{
    g_autofree char *all = vp_xml_escape("a<b>&'\"\t\n\r\xc3\xa9");

    g_assert_cmpstr(all, ==, "a&lt;b&gt;&amp;&apos;&quot;&#9;&#10;&#13;\xc3\xa9");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/text/encodings", test_encodings);
    g_test_add_func("/xml/text/find-attribute", test_find_attribute);
    g_test_add_func("/xml/text/attributes-max", test_attributes_max);
    g_test_add_func("/xml/text/escape", test_escape);
    return g_test_run();
}
