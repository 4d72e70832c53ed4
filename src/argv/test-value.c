/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What holds for values of all syntaxes: which syntax there is, one canonical form for what means
 * the same, types of what is set in JSON, what a type is looked up by.
 */

#include "argv/test-value.h"
#include "argv/value_type.h"

static void
test_syntax(void)
{
    static const struct {
        const char *option;
        const char *value;
        VpSyntax syntax;
    } rows[] = {
        { "S", NULL, VP_SYNTAX_NONE },
        { "kernel", "{", VP_SYNTAX_PLAIN },
        { "newer", "{", VP_SYNTAX_PLAIN },
        { "device", NULL, VP_SYNTAX_OPTS },
        { "device", "", VP_SYNTAX_OPTS },
        { "device", "e1000", VP_SYNTAX_OPTS },
        { "device", "{", VP_SYNTAX_JSON },
        { "device", " {}", VP_SYNTAX_OPTS },
        { "drive", "{}", VP_SYNTAX_OPTS },
        { "object", "a", VP_SYNTAX_KEYVAL },
        { "object", "{}", VP_SYNTAX_JSON },
        { "machine", "{}", VP_SYNTAX_KEYVAL },
        { "incoming", "tcp:0:1", VP_SYNTAX_PLAIN },
        { "incoming", "{}", VP_SYNTAX_JSON },
        { "cpu", "host", VP_SYNTAX_CPU },
        { "global", "a.b=c", VP_SYNTAX_GLOBAL },
        { "global", "driver=a,property=b,value=c", VP_SYNTAX_OPTS },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpint(vp_value_syntax(vp_option_find(rows[i].option), rows[i].value), ==,
                        rows[i].syntax);
}

static void
test_canonical(void)
{
    static const struct {
        const char *option;
        const char *value;
        const char *canonical;
    } rows[] = {
        { "device", "e1000,id=n,mac=a", "e1000,id=n,mac=a" },
        { "device", "id=n,driver=e1000,mac=a", "e1000,id=n,mac=a" },
        { "device", "{\"id\":\"n\", \"driver\":\"e1000\",\"mac\":\"a\"}", "e1000,id=n,mac=a" },
        { "device", "e1000,multifunction,nobootindex", "e1000,multifunction=on,bootindex=off" },
        { "device", "{\"driver\":\"a,b\",\"c\":\"d,e=\",\"f\":true,\"g\":false,\"h\":16}",
          "a,,b,c=d,,e=,f=on,g=off,h=16" },
        { "device", "a,,b,c=d,,e=,f=on,g=off,h=16", "a,,b,c=d,,e=,f=on,g=off,h=16" },
        { "device", "{\"driver\":\"a=b\"}", "driver=a=b" },
        { "device", "driver=a=b", "driver=a=b" },
        { "device", "e1000,", "e1000" },
        { "device", "e1000,driver=lsi,id=n", "lsi,id=n" },
        { "device", "{\"id\":\"n\"}", "id=n" },
        { "device", "{", "{" },
        { "device", "{\"a\":[}", "{\"a\":[}" },
        { "device", "", "" },
        { "device", NULL, "" },
        { "object", "{\"qom-type\":\"m\",\"host-nodes\":[0,1],\"x\":{\"y\":[]}}",
          "m,host-nodes.0=0,host-nodes.1=1,x.y=[]" },
        { "object", "m,host-nodes.0=0,host-nodes.1=1", "m,host-nodes.0=0,host-nodes.1=1" },
        { "object", "{\"qom-type\":\"a,b\"}", "qom-type=a,,b" },
        { "blockdev", "{\"driver\":\"raw\",\"file\":{\"driver\":\"file\"},\"backing\":null}",
          "raw,file.driver=file,backing=" },
        { "blockdev", "driver=raw,file.driver=file,backing=", "raw,file.driver=file,backing=" },
        { "netdev", "{\"type\":\"user\",\"id\":\"u\"}", "user,id=u" },
        { "netdev", "user,id=u", "user,id=u" },
        { "cpu", "qemu64,+a,-b,c_d=on,e,,", "qemu64,a=on,b=off,c-d=on,e=on" },
        { "cpu", "host", "host" },
        { "global", "a.b=c,d", "a.b=c,d" },
        { "global", "driver=a,property=b,value=c,,d", "a.b=c,d" },
        { "global", "value=c,property=b,driver=a", "a.b=c" },
        { "global", "driver=a.x,property=b,value=c", "driver=a.x,property=b,value=c" },
        { "global", "driver=a,property=b", "driver=a,property=b" },
        { "kernel", "a=b,,c", "a=b,,c" },
        { "newer", "a=b,,c", "a=b,,c" },
        { "S", NULL, "" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const VpOptionRow *row = vp_option_find(rows[i].option);
        g_autofree char *canonical = vp_value_canonical(row, rows[i].value);

        g_assert_cmpstr(canonical, ==, rows[i].canonical);
    }
}

/* What becomes of @text as @type in JSON; NULL: it is refused. */
static const struct {
    VpValueType type;
    const char *text;
    const char *json;
} conversions[] = {
    { VP_TYPE_BOOL, "on", "true" },
    { VP_TYPE_BOOL, "yes", "true" },
    { VP_TYPE_BOOL, "true", "true" },
    { VP_TYPE_BOOL, "y", "true" },
    { VP_TYPE_BOOL, "off", "false" },
    { VP_TYPE_BOOL, "no", "false" },
    { VP_TYPE_BOOL, "false", "false" },
    { VP_TYPE_BOOL, "n", "false" },
    { VP_TYPE_BOOL, "On", NULL },
    { VP_TYPE_BOOL, "1", NULL },
    { VP_TYPE_BOOL, "auto", NULL },
    { VP_TYPE_BOOL, "", NULL },
    { VP_TYPE_INT, "0", "0" },
    { VP_TYPE_INT, "4", "4" },
    { VP_TYPE_INT, "-4", "-4" },
    { VP_TYPE_INT, "-0", "0" },
    { VP_TYPE_INT, "0x10", "16" },
    { VP_TYPE_INT, "0XfF", "255" },
    { VP_TYPE_INT, "-0x10", "-16" },
    { VP_TYPE_INT, "010", "8" },
    { VP_TYPE_INT, "18446744073709551615", "18446744073709551615" },
    { VP_TYPE_INT, "18446744073709551616", NULL },
    { VP_TYPE_INT, "-9223372036854775808", "-9223372036854775808" },
    { VP_TYPE_INT, "-9223372036854775809", NULL },
    { VP_TYPE_INT, "4k", "4096" }, /* its setter may take a size */
    { VP_TYPE_INT, "4.0", "4" },
    { VP_TYPE_INT, "1.5M", "1572864" },
    { VP_TYPE_INT, "4.5", NULL },
    { VP_TYPE_INT, "-4k", NULL },
    { VP_TYPE_INT, "4kB", NULL },
    { VP_TYPE_INT, " 4", "4" },
    { VP_TYPE_INT, " \t-4", "-4" },
    { VP_TYPE_INT, "- 4", NULL },
    { VP_TYPE_INT, "4 ", NULL },
    { VP_TYPE_INT, "0x", NULL },
    { VP_TYPE_INT, "08", "8" },
    { VP_TYPE_INT, "+4", "4" },
    { VP_TYPE_INT, "--4", NULL },
    { VP_TYPE_INT, "+-4", NULL },
    { VP_TYPE_INT, "on", NULL },
    { VP_TYPE_INT, "", NULL },
    { VP_TYPE_SIZE, "0", "0" },
    { VP_TYPE_SIZE, "512", "512" },
    { VP_TYPE_SIZE, "512B", "512" },
    { VP_TYPE_SIZE, "1k", "1024" },
    { VP_TYPE_SIZE, "1K", "1024" },
    { VP_TYPE_SIZE, "1M", "1048576" },
    { VP_TYPE_SIZE, "1g", "1073741824" },
    { VP_TYPE_SIZE, "1T", "1099511627776" },
    { VP_TYPE_SIZE, "1P", "1125899906842624" },
    { VP_TYPE_SIZE, "15E", "17293822569102704640" },
    { VP_TYPE_SIZE, "15.5E", "17870283321406128128" },
    { VP_TYPE_SIZE, "16E", NULL },
    { VP_TYPE_SIZE, "1.5G", "1610612736" },
    { VP_TYPE_SIZE, "1.G", "1073741824" },
    { VP_TYPE_SIZE, "0.5K", "512" },
    { VP_TYPE_SIZE, "1.0", "1" },
    { VP_TYPE_SIZE, "1.5", NULL },
    { VP_TYPE_SIZE, "1.5B", NULL },
    { VP_TYPE_SIZE, ".5K", "512" },
    { VP_TYPE_SIZE, "+.5K", "512" },
    { VP_TYPE_SIZE, ".5", NULL },
    { VP_TYPE_SIZE, ".", NULL },
    { VP_TYPE_SIZE, ".K", NULL },
    { VP_TYPE_SIZE, "-.5K", NULL },
    { VP_TYPE_SIZE, "..5K", NULL },
    { VP_TYPE_SIZE, "1.9999999999999999999K", "2048" },
    { VP_TYPE_SIZE, "15.9999999999999999999E", NULL },
    { VP_TYPE_SIZE, "0x1000", "4096" },
    { VP_TYPE_SIZE, "+1K", "1024" },
    { VP_TYPE_SIZE, "+", NULL },
    { VP_TYPE_SIZE, "1.0004K", "1024" },
    { VP_TYPE_SIZE, "1.0005K", "1025" },
    { VP_TYPE_SIZE, "0.3E", "345876451382054080" },
    { VP_TYPE_SIZE, "0.123456789123456789E", "142335987070146016" },
    { VP_TYPE_SIZE, "0.1k", "102" },
    { VP_TYPE_SIZE, "0.0005K", "1" },
    { VP_TYPE_SIZE, "0.0000001K", "0" },
    { VP_TYPE_SIZE, "0.00000000000000000000000000001", "0" },
    { VP_TYPE_SIZE, "\t5", "5" },
    { VP_TYPE_SIZE, "-0", NULL },
    { VP_TYPE_SIZE, "0x10B", "267" },
    { VP_TYPE_SIZE, "0x10K", NULL },
    { VP_TYPE_SIZE, "0x1.8K", NULL },
    { VP_TYPE_SIZE, "08", "8" },
    { VP_TYPE_SIZE, "010", "10" },
    { VP_TYPE_SIZE, "18446744073709551615", "18446744073709551615" },
    { VP_TYPE_SIZE, "18446744073709551616", NULL },
    { VP_TYPE_SIZE, "-1", NULL },
    { VP_TYPE_SIZE, "1MB", NULL },
    { VP_TYPE_SIZE, "1MiB", NULL },
    { VP_TYPE_SIZE, "1 M", NULL },
    { VP_TYPE_SIZE, "1Z", NULL },
    { VP_TYPE_SIZE, "1.5e3", NULL },
    { VP_TYPE_SIZE, "M", NULL },
    { VP_TYPE_SIZE, "", NULL },
    { VP_TYPE_NUMBER, "0.5", "0.5" },
    { VP_TYPE_NUMBER, "-1e6", "-1e6" },
    { VP_TYPE_NUMBER, "3", "3" },
    { VP_TYPE_NUMBER, ".5", "0.5" },
    { VP_TYPE_NUMBER, " 5.", "5" },
    { VP_TYPE_NUMBER, "0x1p3", "8" },
    { VP_TYPE_NUMBER, "inf", NULL },
    { VP_TYPE_NUMBER, "nan", NULL },
    { VP_TYPE_NUMBER, "1 ", NULL },
    { VP_TYPE_NUMBER, "\"1\"", NULL },
    { VP_TYPE_NUMBER, "", NULL },
    { VP_TYPE_STRING, "on", "\"on\"" },
    { VP_TYPE_STRING, "4", "\"4\"" },
    { VP_TYPE_STRING, "", "\"\"" },
    { VP_TYPE_STRING, "a\"b\\c\x01", "\"a\\\"b\\\\c\\u0001\"" },
    { VP_TYPE_STRING, "\xc3\x28", NULL },
    { VP_TYPE_OTHER, "[1,2]", "[1,2]" },
    { VP_TYPE_OTHER, "{\"a\": {}}", "{\"a\": {}}" },
    { VP_TYPE_OTHER, "[1,2", NULL },
    { VP_TYPE_OTHER, "[1]]", NULL },
    { VP_TYPE_OTHER, "[1],\"b\":2", NULL },
    { VP_TYPE_OTHER, "1", NULL },
    { VP_TYPE_OTHER, "on", NULL },
    { VP_TYPE_OTHER, "", NULL },
};

static void
test_types(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(conversions); i++) {
        const char *json = conversions[i].json;
        g_autofree char *expected = json ? g_strdup_printf("{\"key\":%s}", json) : NULL;
        const ValueRow row = { "device", "{}", "key", conversions[i].text, expected,
                               conversions[i].type };

        check_set(&row);
    }
}

/* What JSON can say as QEMU reads it, what QEMU has to read itself, and what it cannot. */
static void
test_readings(void)
{
    static const struct {
        VpValueType type;
        const char *text;
        VpTextReading reading;
    } rows[] = {
        { VP_TYPE_STRING, "010", VP_TEXT_CLEAR },
        { VP_TYPE_STRING, "\xef\xb7\x90", VP_TEXT_DOUBTFUL }, /* U+FDD0, not for QEMU's JSON */
        { VP_TYPE_BOOL, "on", VP_TEXT_CLEAR },
        { VP_TYPE_BOOL, "1", VP_TEXT_WRONG },
        { VP_TYPE_INT, "10", VP_TEXT_CLEAR },
        { VP_TYPE_INT, "0x10", VP_TEXT_CLEAR },
        { VP_TYPE_INT, "-1", VP_TEXT_CLEAR },
        { VP_TYPE_INT, "128K", VP_TEXT_CLEAR },
        { VP_TYPE_INT, "08", VP_TEXT_CLEAR },
        { VP_TYPE_INT, "07", VP_TEXT_CLEAR },
        { VP_TYPE_INT, "010", VP_TEXT_DOUBTFUL },
        { VP_TYPE_INT, "0x10K", VP_TEXT_DOUBTFUL },
        { VP_TYPE_INT, "0x10KB", VP_TEXT_WRONG },
        { VP_TYPE_INT, "0b101", VP_TEXT_DOUBTFUL },
        { VP_TYPE_INT, "0b102", VP_TEXT_WRONG },
        { VP_TYPE_INT, "-18446744073709551615", VP_TEXT_DOUBTFUL },
        { VP_TYPE_INT, "-18446744073709551616", VP_TEXT_WRONG },
        { VP_TYPE_INT, "18446744073709551616", VP_TEXT_WRONG },
        { VP_TYPE_INT, "on", VP_TEXT_WRONG },
        { VP_TYPE_INT, "", VP_TEXT_WRONG },
        { VP_TYPE_SIZE, "1.5G", VP_TEXT_CLEAR },
        { VP_TYPE_SIZE, "010", VP_TEXT_DOUBTFUL },
        { VP_TYPE_SIZE, "0x10k", VP_TEXT_DOUBTFUL },
        { VP_TYPE_SIZE, "1KB", VP_TEXT_WRONG },
        { VP_TYPE_NUMBER, ".5", VP_TEXT_CLEAR },
        { VP_TYPE_NUMBER, "x", VP_TEXT_WRONG },
        { VP_TYPE_OTHER, "[]", VP_TEXT_CLEAR },
        { VP_TYPE_OTHER, "a", VP_TEXT_WRONG },
        { VP_TYPE_UNKNOWN, "a", VP_TEXT_DOUBTFUL },
        { VP_TYPE_UNKNOWN, "1", VP_TEXT_DOUBTFUL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpint(vp_value_read_text(rows[i].text, rows[i].type), ==, rows[i].reading);
}

/* The message has all that a person needs. */
static void
test_type_messages(void)
{
    static const struct {
        VpValueType type;
        const char *expected;
    } rows[] = {
        { VP_TYPE_BOOL, "on or off" },       { VP_TYPE_INT, "whole number" },
        { VP_TYPE_SIZE, "number of bytes" }, { VP_TYPE_NUMBER, "a number" },
        { VP_TYPE_OTHER, "list or an object" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(vp_value_set(vp_option_find("device"), "{}", "a-key", "a text",
                                   rows[i].type, &error));
        g_assert_nonnull(strstr(error->message, "'a-key'"));
        g_assert_nonnull(strstr(error->message, "'a text'"));
        g_assert_nonnull(strstr(error->message, rows[i].expected));
    }
}

static void
test_driver(void)
{
    static const struct {
        const char *option;
        const char *value;
        const char *driver;
    } rows[] = {
        { "device", "e1000,id=n", "e1000" },
        { "device", "{\"driver\":\"e1000\"}", "e1000" },
        { "device", "id=n", NULL },
        { "object", "{\"qom-type\":\"secret\"}", "secret" },
        { "netdev", "user,id=u", "user" },
        { "blockdev", "{\"driver\":\"raw\",\"file\":{\"driver\":\"file\"}}", "raw" },
        { "audiodev", "none,id=a", "none" },
        { "name", "guest=a", NULL },
        { "compat", "a=b", NULL },
        { "kernel", "x", NULL },
        { "newer", "x", NULL },
        { "S", NULL, NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *driver = vp_value_driver(vp_option_find(rows[i].option), rows[i].value);

        g_assert_cmpstr(driver, ==, rows[i].driver);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/argv/value/syntax", test_syntax);
    g_test_add_func("/argv/value/canonical", test_canonical);
    g_test_add_func("/argv/value/types", test_types);
    g_test_add_func("/argv/value/readings", test_readings);
    g_test_add_func("/argv/value/type-messages", test_type_messages);
    g_test_add_func("/argv/value/driver", test_driver);
    return g_test_run();
}
