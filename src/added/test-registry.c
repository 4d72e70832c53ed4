/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A registry for test-added.c, in the place of the real one: commands that do one thing each.
 */

#include "added/registry.h"

#include <string.h>

/* query-test: what it was asked, and QEMU's status. */
static void
on_status(VpCall *call, const VpJsonNode *reply, gpointer data G_GNUC_UNUSED)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autofree char *text = NULL;

    if (vp_json_get(reply, "error")) {
        vp_call_fail_reply(call, "no status", reply);
        return;
    }
    vp_json_begin_object(&writer, NULL);
    vp_json_add_string(&writer, "text", vp_json_get_string(vp_call_arguments(call), "text"));
    vp_json_add_string(&writer, "status",
                       vp_json_get_string(vp_json_get(reply, "return"), "status"));
    vp_json_end(&writer);
    text = vp_json_writer_steal(&writer);
    vp_call_return(call, text);
}

static void
query_test(VpCall *call)
{
    vp_call_ask(call, "{\"execute\":\"query-status\"}", on_status, NULL);
}

static const VpField test_arguments[] = {
    { "text", "str", false, "A text." },
    { "count", "int", true, "A number." },
    { "words", "[str]", true, "Some words." },
    { "loud", "bool", true, "A choice." },
    { NULL, NULL, false, NULL },
};

static const VpField test_result[] = {
    { "text", "str", false, "The text." },
    { "status", "str", false, "QEMU's." },
    { NULL, NULL, false, NULL },
};

static const VpCommandRow query_test_row = {
    .name = "query-test", .text = "Tests.", .arguments = test_arguments, .result = test_result,
    .handler = query_test,
};

/* test-now: answers without asking anybody. */
static void
test_now(VpCall *call)
{
    vp_call_return(call, "{}");
}

static const VpCommandRow test_now_row = { .name = "test-now", .handler = test_now };

/* test-hang: until an event END comes. */
static void
on_event(VpCall *call, const VpQmpEvent *event, gpointer data)
{
    if (strcmp(event->name, data) == 0)
        vp_call_fail(call, "DeviceNotFound", "%s has come", event->name);
}

static void
count_destroy(gpointer state)
{
    ++*(guint *)state;
}

guint vp_test_destroyed;

static void
test_hang(VpCall *call)
{
    vp_call_set_state(call, &vp_test_destroyed, count_destroy);
    vp_call_watch(call, on_event, (gpointer)"END");
}

static const VpCommandRow test_hang_row = { .name = "test-hang", .handler = test_hang };

/* test-many: asks 3 things, or none. */
static void
on_many(VpCall *call, const GPtrArray *replies, gpointer data)
{
    g_autofree char *text = g_strdup_printf("%u", replies->len);

    g_assert_cmpstr(data, ==, "data");
    for (guint i = 0; i < replies->len; i++)
        g_assert_nonnull(g_ptr_array_index(replies, i));
    vp_call_return(call, text);
}

static void
test_many(VpCall *call)
{
    static const char *const commands[] = {
        "{\"execute\":\"a\"}", "{\"execute\":\"b\"}", "{\"execute\":\"c\"}", NULL,
    };
    const VpJsonNode *arguments = vp_call_arguments(call);

    vp_call_ask_all(call, commands + (vp_json_get_bool(arguments, "none") ? 3 : 0),
                    vp_json_get_bool(arguments, "tolerant"), on_many, (gpointer)"data");
}

static const VpField many_arguments[] = {
    { "none", "bool", true, "Asks nothing." },
    { "tolerant", "bool", true, "Takes errors." },
    { NULL, NULL, false, NULL },
};

static const VpField many_result[] = {
    { "n", "int", false, "How many." },
    { "what", "any", true, "More." },
    { NULL, NULL, false, NULL },
};

static const VpCommandRow test_many_row = {
    .name = "test-many", .arguments = many_arguments, .result = many_result,
    .result_is_array = true, .handler = test_many,
};

/* test-keep: stores what it was given, and returns what it loads. */
static void
on_loaded(VpCall *call, const char *text, const GError *error, gpointer data G_GNUC_UNUSED)
{
    if (error)
        vp_call_fail(call, "GenericError", "%s", error->message);
    else
        vp_call_return(call, text);
}

static void
on_stored(VpCall *call, const char *text, const GError *error, gpointer data)
{
    g_assert_null(text);
    if (error)
        on_loaded(call, text, error, data);
    else
        vp_call_load(call, "test", on_loaded, data);
}

static void
test_keep(VpCall *call)
{
    vp_call_emit(call, "TEST", "{\"a\": 1}");
    vp_call_store(call, "test", vp_json_get_string(vp_call_arguments(call), "text"), on_stored,
                  NULL);
}

static const VpCommandRow test_keep_row = {
    .name = "test-keep", .arguments = test_arguments, .handler = test_keep,
};

/* test-hear: the names of libvirt's snapshots. */
static void
on_heard(VpCall *call, const GPtrArray *list, gpointer data)
{
    g_autoptr(GString) names = g_string_new("\"");

    g_assert_cmpstr(data, ==, "data");
    for (guint i = 0; list && i < list->len; i++)
        g_string_append(names, ((const VpLibvirtSnapshot *)g_ptr_array_index(list, i))->name);
    g_string_append(names, list ? "\"" : "nothing\"");
    vp_call_return(call, names->str);
}

static void
test_hear(VpCall *call)
{
    vp_call_libvirt_snapshots(call, on_heard, (gpointer)"data");
}

static const VpCommandRow test_hear_row = { .name = "test-hear", .handler = test_hear };

/* Two that QEMU has as well. */
static const VpCommandRow stop_row = { .name = "stop", .handler = test_now };
static const VpCommandRow always_row = { .name = "cont", .handler = test_now, .always = true };

static const VpCommandRow *const rows[] = {
    &query_test_row, &test_now_row, &test_hang_row, &test_many_row, &test_keep_row, &test_hear_row,
    &stop_row, &always_row, NULL,
};

const VpCommandRow *
vp_registry_find(const char *name)
{
    for (guint i = 0; rows[i]; i++) {
        if (strcmp(rows[i]->name, name) == 0)
            return rows[i];
    }
    return NULL;
}

const VpCommandRow *const *
vp_registry_rows(void)
{
    return rows;
}
