/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls about a domain's command line, from either form to a job (commandline.c) and back.
 *
 * A call is in client->own_calls until its job has ended. There are never more than
 * VP_CLIENT_OWN_CALLS_MAX: then the client's next one is held, and with it the client.
 */

#include "qemu_passthrough/own_calls.h"

#include "added/arguments.h"
#include "base/error.h"
#include "base/limits.h"
#include "json/members.h"
#include "json/tree.h"
#include "json/write.h"
#include "qemu_passthrough/commandline.h"
#include "qemu_passthrough/monitor.h"
#include "rpc/rpc_error.h"

#include <string.h>

typedef struct VpOwnCall {
    VpClient *client;
    VpHeader header;     /* of the call */
    bool monitor;        /* it came as a monitor command */
    char *id;            /* the command's "id", JSON text; NULL: it had none */
    guint form;          /* of a query, for its answer */
    VpCommandline *job;
} VpOwnCall;

static const char *const mode_names[] = {
    [VP_COMMANDLINE_ADD] = "add",
    [VP_COMMANDLINE_REPLACE] = "replace",
    [VP_COMMANDLINE_CLEAR] = "clear",
};

static const char *const form_names[] = {
    [VP_COMMANDLINE_GENERATED] = "generated",
    [VP_COMMANDLINE_ALTERED] = "altered",
    [VP_COMMANDLINE_RUNNING] = "running",
};

/* --- answering ------------------------------------------------------------ */

static void
finish(VpOwnCall *call)
{
    VpClient *client = call->client;
    bool was_full = client->own_calls->len >= VP_CLIENT_OWN_CALLS_MAX;

    g_ptr_array_remove_fast(client->own_calls, call);
    if (was_full)
        vp_client_go_on(client);
}

static void
send_monitor_reply(const VpOwnCall *call, VpJsonWriter *writer)
{
    g_autofree char *text = NULL;

    if (call->id)
        vp_json_add_raw(writer, "id", call->id, strlen(call->id));
    vp_json_end(writer);
    text = vp_json_writer_steal(writer);
    vp_monitor_send_result(call->client, &call->header, text, strlen(text));
}

static void
send_monitor_error(const VpOwnCall *call, const char *text)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();

    vp_json_begin_object(&writer, NULL);
    vp_json_begin_object(&writer, "error");
    vp_json_add_string(&writer, "class", "GenericError");
    vp_json_add_string(&writer, "desc", text);
    vp_json_end(&writer);
    send_monitor_reply(call, &writer);
}

static void
add_words(VpJsonWriter *writer, const char *key, char **words)
{
    vp_json_add_strings(writer, key, (const char *const *)words, -1);
}

static char **
words_of(const VpCommandlineResult *result, guint form)
{
    return form == VP_COMMANDLINE_GENERATED ? result->generated : result->altered;
}

static void
send_monitor_result(const VpOwnCall *call, const VpCommandlineResult *result)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();

    vp_json_begin_object(&writer, NULL);
    vp_json_begin_object(&writer, "return");
    if (result->xml) {
        vp_json_add_string(&writer, "xml", result->xml);
        add_words(&writer, "generated", result->generated);
        add_words(&writer, "altered", result->altered);
        vp_json_add_strings(&writer, "warnings", (const char *const *)result->warnings->pdata,
                            result->warnings->len);
    } else {
        vp_json_add_string(&writer, "form", form_names[call->form]);
        add_words(&writer, "words", words_of(result, call->form));
        add_words(&writer, "environment", result->environment);
    }
    vp_json_end(&writer);
    send_monitor_reply(call, &writer);
}

static void
send_object(const VpOwnCall *call, void *func, void *object)
{
    vp_client_reply(call->client, &call->header, func, object, "the command line");
}

static void
send_result(const VpOwnCall *call, const VpCommandlineResult *result)
{
    vp_commandline_alter_ret alter = { .xml = result->xml };
    vp_commandline_get_ret get = { 0 };

    if (result->xml) {
        alter.generated.generated_val = result->generated;
        alter.generated.generated_len = g_strv_length(result->generated);
        alter.altered.altered_val = result->altered;
        alter.altered.altered_len = g_strv_length(result->altered);
        alter.warnings.warnings_val = (char **)result->warnings->pdata;
        alter.warnings.warnings_len = result->warnings->len;
        send_object(call, xdr_vp_commandline_alter_ret, &alter);
    } else {
        get.words.words_val = words_of(result, call->form);
        get.words.words_len = g_strv_length(get.words.words_val);
        get.environment.environment_val = result->environment;
        get.environment.environment_len = g_strv_length(result->environment);
        send_object(call, xdr_vp_commandline_get_ret, &get);
    }
}

static void
on_ended(const VpCommandlineResult *result, const GError *error, const vp_error_body *body,
         gpointer data)
{
    VpOwnCall *call = data;

    if (body)
        vp_rpc_send_body(call->client->down, &call->header, body);
    else if (error && call->monitor)
        send_monitor_error(call, error->message);
    else if (error)
        vp_rpc_send_gerror(call->client->down, &call->header, error);
    else if (call->monitor)
        send_monitor_result(call, result);
    else
        send_result(call, result);
    finish(call);
}

/* --- calls ---------------------------------------------------------------- */

static void
call_free(gpointer data)
{
    VpOwnCall *call = data;

    vp_commandline_free(call->job);
    g_free(call->id);
    g_free(call);
}

static bool
is_full(const VpClient *client)
{
    return client->own_calls && client->own_calls->len >= VP_CLIENT_OWN_CALLS_MAX;
}

static VpOwnCall *
call_new(VpClient *client, const VpHeader *header)
{
    VpOwnCall *call = g_new0(VpOwnCall, 1);

    if (!client->own_calls)
        client->own_calls = g_ptr_array_new_with_free_func(call_free);
    call->client = client;
    call->header = *header;
    g_ptr_array_add(client->own_calls, call);
    return call;
}

static void
start(VpOwnCall *call, VpCommandlineWish *wish, const vp_domain *domain)
{
    memcpy(wish->uuid, domain->uuid, sizeof(wish->uuid));
    wish->name = g_strdup(domain->name);
    call->form = wish->form;
    call->job = vp_commandline_start(call->client, wish, on_ended, call);
}

static bool
check_alter(const VpCommandlineWish *wish, GError **error)
{
    if (wish->mode >= G_N_ELEMENTS(mode_names))
        return vp_refuse(error, VP_ERROR_UNSUPPORTED, "unknown mode %u", wish->mode);
    if (wish->mode == VP_COMMANDLINE_CLEAR && wish->xml)
        return vp_refuse(error, VP_ERROR_UNSUPPORTED, "mode 'clear' goes without XML");
    if (wish->mode != VP_COMMANDLINE_CLEAR && !wish->xml)
        return vp_refuse(error, VP_ERROR_UNSUPPORTED, "mode '%s' takes a <qemu:commandline> "
                         "element", mode_names[wish->mode]);
    return true;
}

/* --- as monitor commands -------------------------------------------------- */

static bool
read_name(const VpJsonNode *arguments, const char *key, const char *const *names, guint n_names,
          guint *ret_value, GError **error)
{
    const char *text = vp_json_get_string(arguments, key);

    for (*ret_value = 0; *ret_value < n_names; ++*ret_value) {
        if (g_str_equal(text, names[*ret_value]))
            return true;
    }
    return vp_refuse(error, VP_ERROR_UNSUPPORTED, "Parameter '%s' does not accept value '%s'", key,
                     text);
}

static bool
read_alter(const VpJsonNode *arguments, VpCommandlineWish *wish, GError **error)
{
    wish->kind = VP_WISH_ALTER;
    wish->xml = g_strdup(vp_json_get_string(arguments, "xml"));
    wish->dry_run = vp_json_get_bool(arguments, "dry-run");
    return read_name(arguments, "mode", mode_names, G_N_ELEMENTS(mode_names), &wish->mode, error) &&
           check_alter(wish, error);
}

static bool
read_get(const VpJsonNode *arguments, VpCommandlineWish *wish, GError **error)
{
    wish->kind = VP_WISH_GET;
    return read_name(arguments, "form", form_names, G_N_ELEMENTS(form_names), &wish->form, error);
}

/* Described in own_calls.h. */
static const VpField alter_fields[] = {
    { .name = "mode", .type = "str" },
    { .name = "xml", .type = "str", .optional = true },
    { .name = "dry-run", .type = "bool", .optional = true },
    { NULL },
};

static const VpField get_fields[] = {
    { .name = "form", .type = "str" },
    { NULL },
};

typedef struct OwnCommand {
    const char *name;
    const VpField *fields;
    /* Of arguments that have the fields' types. */
    bool (*read)(const VpJsonNode *arguments, VpCommandlineWish *wish, GError **error);
} OwnCommand;

static const OwnCommand commands[] = {
    { "__org.virtpass_commandline-alter", alter_fields, read_alter },
    { "__org.virtpass_query-commandline", get_fields, read_get },
};

static const OwnCommand *
find_command(const char *name)
{
    for (gsize i = 0; name && i < G_N_ELEMENTS(commands); i++) {
        if (g_str_equal(name, commands[i].name))
            return &commands[i];
    }
    return NULL;
}

static bool
read_arguments(const OwnCommand *command, const VpJsonNode *arguments, VpCommandlineWish *wish,
               GError **error)
{
    g_autofree char *message = NULL;

    if (!vp_arguments_check(command->fields, arguments, &message))
        return vp_refuse(error, VP_ERROR_UNSUPPORTED, "%s", message);
    return command->read(arguments, wish, error);
}

/* Whether it is worth a tree, which costs the most of all that is done to a command. */
static bool
may_be_ours(const char *json)
{
    VpJsonSlice name = vp_json_member((VpJsonSlice){ json, strlen(json) }, "execute");

    for (gsize i = 0; name.text && i < G_N_ELEMENTS(commands); i++) {
        if (vp_json_string_is(name, commands[i].name))
            return true;
    }
    return false;
}

VpIntercepted
vp_own_monitor_call(VpClient *client, const VpHeader *header, const vp_domain *domain,
                    const char *json)
{
    g_autoptr(VpJsonTree) tree = may_be_ours(json) ? vp_json_tree_parse(json, -1, NULL) : NULL;
    const VpJsonNode *root = tree ? vp_json_root(tree) : NULL;
    const OwnCommand *command = find_command(vp_json_get_string(root, "execute"));
    const VpJsonNode *id = vp_json_get(root, "id");
    g_auto(VpCommandlineWish) wish = { 0 };
    g_autoptr(GError) error = NULL;
    VpOwnCall *call = NULL;
    gsize size = 0;

    if (!command)
        return VP_PASS;
    if (is_full(client))
        return VP_HOLD;
    call = call_new(client, header);
    call->monitor = true;
    if (id) {
        const char *text = vp_json_text(id, &size);

        call->id = g_strndup(text, size);
    }
    if (read_arguments(command, vp_json_get(root, "arguments"), &wish, &error)) {
        start(call, &wish, domain);
    } else {
        send_monitor_error(call, error->message);
        finish(call);
    }
    return VP_DONE;
}

/* --- as procedures -------------------------------------------------------- */

static void
start_or_refuse(VpOwnCall *call, VpCommandlineWish *wish, const vp_domain *domain, guint flags,
                guint known_flags)
{
    g_autoptr(GError) error = NULL;

    if (flags & ~known_flags)
        g_set_error(&error, VP_ERROR, VP_ERROR_LIMIT, "unsupported flags (0x%x)",
                    flags & ~known_flags);
    else if (wish->kind == VP_WISH_ALTER)
        check_alter(wish, &error);
    else if (wish->form >= G_N_ELEMENTS(form_names))
        g_set_error(&error, VP_ERROR, VP_ERROR_LIMIT, "unknown form %u", wish->form);
    if (!error) {
        start(call, wish, domain);
        return;
    }
    vp_rpc_send_gerror(call->client->down, &call->header, error);
    finish(call);
}

/* Whether the client may call procedures of ours at all; else libvirtd says that it knows none. */
static bool
may_call(const VpClient *client)
{
    return client->state == VP_CLIENT_OPEN && client->is_qemu && !client->read_only;
}

VpIntercepted
vp_commandline_alter_call(VpClient *client, const VpFrame *frame,
                          const VpIntercept *row G_GNUC_UNUSED)
{
    g_auto(VpCommandlineWish) wish = { .kind = VP_WISH_ALTER };
    vp_commandline_alter_args args = { 0 };

    if (!may_call(client))
        return VP_PASS;
    if (is_full(client))
        return VP_HOLD;
    if (!vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_commandline_alter_args, &args))
        return VP_PASS;
    wish.mode = args.mode;
    wish.xml = args.xml ? g_strdup(*args.xml) : NULL;
    wish.dry_run = args.flags & VP_COMMANDLINE_DRY_RUN;
    start_or_refuse(call_new(client, &frame->header), &wish, &args.dom, args.flags,
                    VP_COMMANDLINE_DRY_RUN);
    vp_xdr_clear(xdr_vp_commandline_alter_args, &args);
    return VP_DONE;
}

VpIntercepted
vp_commandline_get_call(VpClient *client, const VpFrame *frame,
                        const VpIntercept *row G_GNUC_UNUSED)
{
    g_auto(VpCommandlineWish) wish = { .kind = VP_WISH_GET };
    vp_commandline_get_args args = { 0 };

    if (!may_call(client))
        return VP_PASS;
    if (is_full(client))
        return VP_HOLD;
    if (!vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_commandline_get_args, &args))
        return VP_PASS;
    wish.form = args.form;
    start_or_refuse(call_new(client, &frame->header), &wish, &args.dom, args.flags, 0);
    vp_xdr_clear(xdr_vp_commandline_get_args, &args);
    return VP_DONE;
}

void
vp_own_calls_forget_client(VpClient *client)
{
    g_clear_pointer(&client->own_calls, g_ptr_array_unref);
}
