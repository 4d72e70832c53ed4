/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values in JSON: keys in dotted form, types, and that white space, order and spelling of what is
 * not changed stay.
 */

#include "argv/test-value.h"

#include "base/limits.h"

#define SPACED "{ \"driver\" : \"e1000\",\n  \"id\": \"n\" ,\"mq\":true , \"v\":[ 1 , 2 ] }"
#define NESTED                                                                                     \
    "{\"node-name\":\"n\",\"driver\":\"raw\",\"file\":{\"driver\":\"nbd\",\"server\":"             \
    "{\"type\":\"inet\",\"port\":\"10809\"}},\"backing\":null,\"hosts\":[{\"h\":\"a\"},"           \
    "{\"h\":\"b\"}]}"

static void
test_get(void)
{
    static const ValueRow rows[] = {
        GET("device", SPACED, "driver", "e1000"),
        GET("device", SPACED, "id", "n"),
        GET("device", SPACED, "mq", "on"),
        GET("device", SPACED, "v.1", "2"),
        GET("device", SPACED, "v", "[ 1 , 2 ]"),
        GET("device", SPACED, "v.2", NULL),
        GET("device", SPACED, "v.01", NULL),
        GET("device", SPACED, "v.", NULL),
        GET("device", SPACED, "mq.a", NULL),
        GET("device", SPACED, "i", NULL),
        GET("device", SPACED, "idx", NULL),
        GET("device", SPACED, "", NULL),
        GET("blockdev", NESTED, "file.server.port", "10809"),
        GET("blockdev", NESTED, "file.driver", "nbd"),
        GET("blockdev", NESTED, "backing", ""),
        GET("blockdev", NESTED, "hosts.1.h", "b"),
        GET("blockdev", NESTED, "hosts.1", "{\"h\":\"b\"}"),
        GET("blockdev", NESTED, "file.server.host", NULL),
        GET("device", "{\"a\":\"\\u00e9\\n\\\"\",\"b\":-1.5e3,\"c\":false}", "a", "é\n\""),
        GET("device", "{\"a\":\"\",\"b\":-1.5e3,\"c\":false}", "b", "-1.5e3"),
        GET("device", "{\"a\":\"\",\"b\":-1.5e3,\"c\":false}", "c", "off"),
        GET("device", "{\"a\":\"\",\"b\":-1.5e3,\"c\":false}", "a", ""),
        GET("device", "{\"\\u0061b\":\"x\"}", "ab", "x"),
        GET("device", "{\"\\u0000\":\"x\"}", "", NULL),
        GET("device", "{\"a\\u0000b\":\"x\"}", "a", NULL),
        GET("device", "{\"a.b\":\"x\",\"a\":{\"c\":\"y\"}}", "a.b", "x"),
        GET("device", "{\"a.b\":\"x\",\"a\":{\"c\":\"y\"}}", "a.c", "y"),
        GET("device", "{\"a\":1,\"a.b\":2}", "a.b", "2"),
        GET("device", "{", "a", NULL),
        GET("device", "{}", "a", NULL),
        /* a text that is no JSON where there can be none */
        GET("chardev", "{\"backend\":\"x\"}", "backend", "{\"backend\":\"x\"}"),
        GET("drive", "{\"a\":\"x\"}", "a", NULL),
        GET("incoming", "{\"channel-type\":\"main\"}", "channel-type", "main"),
    };

    CHECK_ROWS(rows, check_get);
}

static void
test_set_in_place(void)
{
    static const ValueRow rows[] = {
        SET("device", SPACED, "id", "m",
            "{ \"driver\" : \"e1000\",\n  \"id\": \"m\" ,\"mq\":true , \"v\":[ 1 , 2 ] }"),
        SET("device", SPACED, "mq", "off",
            "{ \"driver\" : \"e1000\",\n  \"id\": \"n\" ,\"mq\":false , \"v\":[ 1 , 2 ] }"),
        SET("device", SPACED, "v.1", "0x10",
            "{ \"driver\" : \"e1000\",\n  \"id\": \"n\" ,\"mq\":true , \"v\":[ 1 , 16 ] }"),
        SET("device", SPACED, "v", "[3]",
            "{ \"driver\" : \"e1000\",\n  \"id\": \"n\" ,\"mq\":true , \"v\":[3] }"),
        SET("device", "{\"a\":\"1\"}", "a", "2", "{\"a\":\"2\"}"),
        SET("device", "{\"a\":\"on\"}", "a", "off", "{\"a\":\"off\"}"),
        SET("device", "{\"a\":1}", "a", "1M", "{\"a\":1048576}"),
        SET("device", "{\"a\":1}", "a", "0.5", "{\"a\":0.5}"),
        SET("device", "{\"a\":null}", "a", "x", "{\"a\":\"x\"}"),
        SET("device", "{\"a\":{}}", "a", "{\"b\": 1}", "{\"a\":{\"b\": 1}}"),
        SET_AS(STRING, "device", "{\"a\":1}", "a", "1", "{\"a\":\"1\"}"),
        SET_AS(BOOL, "device", "{\"a\":\"on\"}", "a", "on", "{\"a\":true}"),
        SET_AS(INT, "device", "{\"a.b\":1,\"a\":{\"b\":2}}", "a.b", "3",
               "{\"a.b\":3,\"a\":{\"b\":2}}"),
        SET("device", "{\"a\":true}", "a", "auto", NULL),
        SET("device", "{\"a\":1}", "a", "on", NULL),
        SET("device", "{\"a\":[1]}", "a", "1", NULL),
    };

    CHECK_ROWS(rows, check_set);
}

static void
test_set_new(void)
{
    static const ValueRow rows[] = {
        SET("device", "{}", "a", "x", "{\"a\":\"x\"}"),
        SET("device", "{ }", "a", "x", "{\"a\":\"x\" }"),
        SET("device", "{\"b\":1 } ", "a", "x", "{\"b\":1,\"a\":\"x\" } "),
        SET("device", "{\"b\":1}", "a", "on", "{\"b\":1,\"a\":true}"),
        SET("device", "{\"b\":1}", "a", "off", "{\"b\":1,\"a\":false}"),
        SET("device", "{\"b\":1}", "a", "yes", "{\"b\":1,\"a\":\"yes\"}"),
        SET("device", "{\"b\":1}", "a", "4", "{\"b\":1,\"a\":4}"),
        SET("device", "{\"b\":1}", "a", "-4", "{\"b\":1,\"a\":-4}"),
        SET("device", "{\"b\":1}", "a", "4k", "{\"b\":1,\"a\":\"4k\"}"),
        SET("device", "{\"b\":1}", "a", "", "{\"b\":1,\"a\":\"\"}"),
        SET("device", "{\"b\":1}", "a", "x\"\\\n", "{\"b\":1,\"a\":\"x\\\"\\\\\\n\"}"),
        SET_AS(BOOL, "device", "{\"b\":1}", "a", "yes", "{\"b\":1,\"a\":true}"),
        SET_AS(OTHER, "device", "{\"b\":1}", "a", "[1,2]", "{\"b\":1,\"a\":[1,2]}"),
        SET("blockdev", NESTED, "file.server.host", "h",
            "{\"node-name\":\"n\",\"driver\":\"raw\",\"file\":{\"driver\":\"nbd\",\"server\":"
            "{\"type\":\"inet\",\"port\":\"10809\",\"host\":\"h\"}},\"backing\":null,\"hosts\":"
            "[{\"h\":\"a\"},{\"h\":\"b\"}]}"),
        SET("blockdev", "{\"a\":[]}", "a.0", "x", "{\"a\":[\"x\"]}"),
        SET("blockdev", "{\"a\":[1, 2 ]}", "a.2", "3", "{\"a\":[1, 2,3 ]}"),
        SET("blockdev", "{\"a\":[1]}", "a.1.b", "x", "{\"a\":[1,{\"b\":\"x\"}]}"),
        SET("blockdev", "{}", "a.b.c", "x", "{\"a\":{\"b\":{\"c\":\"x\"}}}"),
        /* In a device a dot is a letter, but where there is something for it to lead into. */
        SET("device", "{}", "sse4.1", "on", "{\"sse4.1\":true}"),
        SET("device", "{\"zoned\":true}", "zoned.zasl", "4", "{\"zoned\":true,\"zoned.zasl\":4}"),
        SET("device", "{\"zoned.zasl\":1}", "zoned.zasl", "4", "{\"zoned.zasl\":4}"),
        SET("device", "{\"a\":[{\"b\":1}]}", "a.0.c", "x", "{\"a\":[{\"b\":1,\"c\":\"x\"}]}"),
        SET("blockdev", "{}", "a.0.c", "x", "{\"a\":[{\"c\":\"x\"}]}"),
        SET("blockdev", "{\"a\":{}}", "a.b.0", "x", "{\"a\":{\"b\":[\"x\"]}}"),
        /* no place for it */
        SET("blockdev", "{\"a\":[1]}", "a.2", "x", NULL),
        SET("blockdev", "{\"a\":[1]}", "a.b", "x", NULL),
        SET("blockdev", "{\"a\":1}", "a.b", "x", NULL),
        SET("blockdev", "{\"a\":\"s\"}", "a.b.c", "x", NULL),
        SET("blockdev", "{}", "", "x", NULL),
        SET("blockdev", "{}", "a..b", "x", NULL),
        SET("blockdev", "{}", ".a", "x", NULL),
        SET("blockdev", "{}", "a.", "x", NULL),
        /* no JSON before, or not any more */
        SET("device", "{", "a", "x", NULL),
        SET("device", "{\"b\":1", "a", "x", NULL),
        SET("device", "{\"b\":1}}", "a", "x", NULL),
        SET("device", "{1}", "a", "5", NULL),
        SET("device", "{\"b\":{1}}", "b.a", "5", NULL),
        SET("device", "{\"b\":1,}", "a", "x", NULL),
        SET("device", "{\"b\":1,\"b\":2}", "a", "x", NULL),
        SET("device", "{\"b\":1,\"b\":2}", "b", "3", NULL),
        SET("device", "{\"b\":1}", "a", "\xff", NULL),
        SET("device", "{\"b\":1}", "a", "\xef\xbf\xbe", NULL),
        SET("device", "{\"b\":1}", "\xff", "a", NULL),
    };

    CHECK_ROWS(rows, check_set);
}

static void
test_remove(void)
{
    static const ValueRow rows[] = {
        REMOVE("device", SPACED, "driver",
               "{ \"id\": \"n\" ,\"mq\":true , \"v\":[ 1 , 2 ] }"),
        REMOVE("device", SPACED, "id",
               "{ \"driver\" : \"e1000\" ,\"mq\":true , \"v\":[ 1 , 2 ] }"),
        REMOVE("device", SPACED, "v",
               "{ \"driver\" : \"e1000\",\n  \"id\": \"n\" ,\"mq\":true }"),
        REMOVE("device", SPACED, "v.0",
               "{ \"driver\" : \"e1000\",\n  \"id\": \"n\" ,\"mq\":true , \"v\":[ 2 ] }"),
        REMOVE("blockdev", NESTED, "file",
               "{\"node-name\":\"n\",\"driver\":\"raw\",\"backing\":null,\"hosts\":[{\"h\":\"a\"},"
               "{\"h\":\"b\"}]}"),
        REMOVE("device", "{\"a\":{\"b\":1}}", "a.b", "{\"a\":{}}"),
        REMOVE("device", "{\"a\":1}", "a", "{}"),
        REMOVE("device", "{\"a\":1}", "b", NULL),
        REMOVE("device", "{\"a\":1}", "", NULL),
        REMOVE("device", "{", "a", NULL),
    };

    CHECK_ROWS(rows, check_remove);
}

static bool
check(const char *value, GError **error)
{
    return vp_value_check(vp_option_find("device"), value, error);
}

static void
test_check(void)
{
    static const char *const good[] = { "{}", "{ \"a\" : [ ] } ", SPACED, NESTED,
                                        "{\"a\":\"\\u0001\"}", "{\"a\":\"\\ud83d\\ude00\"}" };
    static const char *const bad[] = {
        "{", "{]", "{\"a\"}", "{\"a\":1,}", "{\"a\":1}x", "{\"a\":1} \"", "{\"a\":1}{}",
        "{\"a\":1,\"a\":1}", "{'a':1}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\xff\"}", "{\"\":1}", "{\"a\":{\"\":1}}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_true(check(good[i], &error));
        g_assert_no_error(error);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(check(bad[i], &error));
        g_assert_nonnull(strstr(error->message, "-device"));
    }
}

/* A key at its limit and one past it; what cannot be read is not touched by canonical(). */
static void
test_key_limit(void)
{
    g_autofree char *fits = g_strnfill(VP_ARGV_KEY_MAX - 2, 'k');
    g_autofree char *value = g_strdup_printf("{\"a\":{\"%s\":1}}", fits);
    g_autofree char *longer = g_strdup_printf("{\"a\":{\"%sk\":1}}", fits);
    g_autofree char *key = g_strdup_printf("a.%s", fits), *over = g_strconcat(key, "k", NULL);
    g_autofree char *expected = g_strdup_printf("%s=1", key), *canonical = NULL, *kept = NULL;
    const VpOptionRow *device = vp_option_find("device");
    g_autoptr(GError) error = NULL;
    g_autofree char *set = NULL;

    g_assert_true(check(value, NULL));
    canonical = vp_value_canonical(device, value);
    g_assert_cmpstr(canonical, ==, expected);
    g_assert_false(check(longer, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, "VP_ARGV_KEY_MAX"));
    kept = vp_value_canonical(device, longer);
    g_assert_cmpstr(kept, ==, longer);
    set = vp_value_set(vp_option_find("blockdev"), "{}", key, "1", VP_TYPE_INT, NULL);
    g_assert_cmpstr(set, ==, value);
    g_assert_null(vp_value_set(device, "{}", over, "1", VP_TYPE_INT, NULL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/argv/value-json/get", test_get);
    g_test_add_func("/argv/value-json/set-in-place", test_set_in_place);
    g_test_add_func("/argv/value-json/set-new", test_set_new);
    g_test_add_func("/argv/value-json/remove", test_remove);
    g_test_add_func("/argv/value-json/check", test_check);
    g_test_add_func("/argv/value-json/key-limit", test_key_limit);
    return g_test_run();
}
