/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass qmp: a QMP monitor on standard input and output, over whatever connection there is.
 *
 * The monitor behind it is one that others use too and that has negotiated long ago. What makes it
 * one's own is what virtpassd's QMP sockets do as well: input is cut as QEMU cuts it
 * (qmp_server/intake.h), and commands are adapted so that QEMU itself gives the answer that it
 * would give this client (qmp_server/adapt.h). libvirt passes on nothing that is no JSON, so that
 * is answered here (qmp_judge.c), and ids stay here: libvirt's own monitor has some of its own.
 *
 * In-band commands are sent one after the other. Their answers, and our own between them, go out in
 * the order of the commands; out-of-band ones have a thread of their own and overtake. While
 * qmp_capabilities has no answer, or VP_CLIENT_COMMANDS_MAX commands have none, nothing is read.
 */

#include "ask.h"
#include "command.h"
#include "event_text.h"
#include "live.h"
#include "qmp_judge.h"
#include "worker.h"

#include "base/limits.h"
#include "json/members.h"
#include "json/text.h"
#include "qmp_server/adapt.h"
#include "qmp_server/intake.h"

#include <errno.h>
#include <libvirt/libvirt-qemu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_CHUNK 65536

typedef struct Stage {
    VpWorker *in_band;
    VpWorker *out_of_band;
    VpQmpStanding standing;
    VpQmpIntake intake;
    GByteArray *input;    /* read, and not looked at yet */
    GQueue order;         /* of Pending: in-band commands, oldest first */
    guint pending;        /* commands without an answer */
    bool oob;             /* the session can */
    bool newer;           /* QEMU is 11.1 or newer, for qmp_judge.h */
    bool negotiating;     /* qmp_capabilities has no answer yet */
    bool ended;           /* standard input has */
    int watch;            /* of standard input */
} Stage;

/* A command that was taken. */
typedef struct Pending {
    Stage *stage;
    char *id;             /* JSON text; NULL: none */
    VpQmpTreatment treatment;
    bool wants_oob;
    bool overtaking;
    char *answer;         /* waits for its turn */
} Pending;

static void take_input(Stage *stage);

/* --- answers --------------------------------------------------------------- */

static void
say(const char *line)
{
    if (printf("%s\r\n", line) < 0 || fflush(stdout) != 0)
        vp_live_stop(VP_EXIT_FAILED);
}

static void
pending_free(Pending *pending)
{
    pending->stage->pending--;
    g_free(pending->id);
    g_free(pending->answer);
    g_free(pending);
}

/* Takes over @answer. */
static void
complete(Pending *pending, char *answer)
{
    Stage *stage = pending->stage;

    pending->answer = answer;
    if (pending->overtaking) {
        say(answer);
        pending_free(pending);
    }
    while ((pending = g_queue_peek_head(&stage->order)) && pending->answer) {
        g_queue_pop_head(&stage->order);
        say(pending->answer);
        pending_free(pending);
    }
}

static VpJsonSlice
id_of(const Pending *pending)
{
    return (VpJsonSlice){ pending->id, pending->id ? strlen(pending->id) : 0 };
}

static void
refuse(Pending *pending, const char *reason)
{
    g_autoptr(GString) quoted = g_string_new(NULL);

    vp_json_append_quoted(quoted, reason);
    g_string_truncate(quoted, quoted->len - 1);
    complete(pending, g_string_free(vp_qmp_say_error(id_of(pending), quoted->str + 1), FALSE));
}

static void
finish_negotiation(Pending *pending)
{
    Stage *stage = pending->stage;

    if (pending->wants_oob && !stage->oob) {
        refuse(pending, "Capability oob not available");
        return;
    }
    stage->standing.negotiated = true;
    stage->standing.oob = pending->wants_oob;
    complete(pending, g_string_free(vp_qmp_say_return(id_of(pending)), FALSE));
}

/* @answer with the client's id, or none, in the place of any other. */
static char *
with_own_id(const Pending *pending, VpJsonSlice answer)
{
    VpJsonSlice error = vp_json_member(answer, "error");
    VpJsonSlice value = vp_json_member(answer, "return");
    GString *out = g_string_new("{");

    if (error.text && pending->id)
        g_string_append_printf(out, "\"id\": %s, ", pending->id);
    g_string_append(out, error.text ? "\"error\": " : "\"return\": ");
    g_string_append_len(out, error.text ? error.text : value.text,
                        error.text ? error.size : value.size);
    if (!error.text && pending->id)
        g_string_append_printf(out, ", \"id\": %s", pending->id);
    g_string_append_c(out, '}');
    return g_string_free(out, FALSE);
}

static void
treat(Pending *pending, VpJsonSlice answer)
{
    Stage *stage = pending->stage;
    g_autoptr(GString) text = NULL;

    if (pending->treatment == VP_QMP_CAPABILITIES && vp_qmp_is_negotiated(answer)) {
        finish_negotiation(pending);
        return;
    }
    text = vp_qmp_adapt_answer(&stage->standing, pending->treatment, answer);
    complete(pending, with_own_id(pending, (VpJsonSlice){ text->str, text->len }));
}

static void
on_reply(const char *reply, const char *error, gpointer data)
{
    Pending *pending = data;
    Stage *stage = pending->stage;
    VpJsonSlice answer = { reply, reply ? strlen(reply) : 0 };

    if (pending->treatment == VP_QMP_CAPABILITIES)
        stage->negotiating = false;
    if (!reply)
        refuse(pending, error);
    else if (!vp_json_member(answer, "return").text && !vp_json_member(answer, "error").text)
        refuse(pending, "the answer is no answer of QEMU's");
    else
        treat(pending, answer);
    take_input(stage);
}

/* --- commands -------------------------------------------------------------- */

static Pending *
pending_new(Stage *stage, bool overtaking)
{
    Pending *pending = g_new0(Pending, 1);

    pending->stage = stage;
    pending->overtaking = overtaking;
    stage->pending++;
    if (!overtaking)
        g_queue_push_tail(&stage->order, pending);
    return pending;
}

/* @text without its "id". */
static char *
without_id(VpJsonSlice text)
{
    GString *out = g_string_new_len(text.text, text.size);
    VpJsonItems items;
    VpJsonItem item;

    vp_json_items_init(&items, text.text, text.size);
    while (vp_json_items_next(&items, &item) == VP_JSON_ITEM) {
        if (vp_json_raw_is(item.key, "id")) {
            g_string_erase(out, item.cut.text - text.text, item.cut.size);
            break;
        }
    }
    return g_string_free(out, FALSE);
}

static void
take_object(Stage *stage, VpJsonSlice text)
{
    g_auto(VpQmpAdapted) adapted = { 0 };
    g_autofree char *command = NULL;
    Pending *pending = NULL;

    vp_qmp_adapt_command(&stage->standing, text, &adapted);
    pending = pending_new(stage, adapted.out_of_band);
    pending->treatment = adapted.treatment;
    pending->wants_oob = adapted.wants_oob;
    if (adapted.id.text)
        pending->id = g_strndup(adapted.id.text, adapted.id.size);
    if (adapted.treatment == VP_QMP_CAPABILITIES)
        stage->negotiating = true;
    if (adapted.text)
        text = (VpJsonSlice){ adapted.text->str, adapted.text->len };
    command = without_id(text);
    vp_worker_send(adapted.out_of_band ? stage->out_of_band : stage->in_band, command, 0, on_reply,
                   pending);
}

/* What has made a value of its tokens. */
static void
take_value(Stage *stage, const VpQmpUnit *unit)
{
    g_autoptr(GString) json = unit->dialect ? vp_qmp_unit_to_json(unit) : NULL;
    VpJsonSlice text = { json ? json->str : unit->text, json ? json->len : unit->size };

    while (text.size > 0 && g_ascii_isspace(text.text[text.size - 1]))
        text.size--;
    if (*text.text == '{')
        take_object(stage, text);
    else
        refuse(pending_new(stage, false), "QMP input must be a JSON object");
}

static void
take_unit(Stage *stage, VpQmpIntakeVerdict verdict, const VpQmpUnit *unit)
{
    static const char *const limits[] = {
        [VP_QMP_UNIT_TOO_LONG] = "JSON token size limit exceeded",
        [VP_QMP_UNIT_TOO_DEEP] = "JSON nesting depth limit exceeded",
        [VP_QMP_UNIT_TOO_MANY] = "JSON token count limit exceeded",
    };
    g_autofree char *complaint = NULL;

    if (verdict != VP_QMP_UNIT_VALUE && verdict != VP_QMP_UNIT_BROKEN) {
        refuse(pending_new(stage, false), limits[verdict]);
        return;
    }
    complaint = vp_qmp_judge(unit, verdict == VP_QMP_UNIT_BROKEN, stage->newer);
    if (complaint)
        refuse(pending_new(stage, false), complaint);
    else
        take_value(stage, unit);
}

/* --- input ----------------------------------------------------------------- */

static bool
may_take(const Stage *stage)
{
    return !stage->negotiating && stage->pending < VP_CLIENT_COMMANDS_MAX && !vp_live_is_over();
}

/* What was read, as far as it may be looked at now; then more is read, or this is the end. */
static void
take_input(Stage *stage)
{
    const char *bytes = (const char *)stage->input->data;
    gsize left = stage->input->len;

    while (left > 0 && may_take(stage)) {
        VpQmpUnit unit = { 0 };
        VpQmpIntakeVerdict verdict = vp_qmp_intake_next(&stage->intake, &bytes, &left, &unit);

        if (verdict != VP_QMP_UNIT_MORE)
            take_unit(stage, verdict, &unit);
    }
    g_byte_array_remove_range(stage->input, 0, stage->input->len - left);
    virEventUpdateHandle(stage->watch, left == 0 && !stage->ended && may_take(stage)
                                           ? VIR_EVENT_HANDLE_READABLE : 0);
    if (stage->ended && left == 0 && stage->pending == 0)
        vp_live_stop(VP_EXIT_OK);
}

static void
on_input(int watch G_GNUC_UNUSED, int fd, int events G_GNUC_UNUSED, void *opaque)
{
    Stage *stage = opaque;
    guint8 bytes[READ_CHUNK];
    gssize n = read(fd, bytes, sizeof(bytes));

    if (n > 0)
        g_byte_array_append(stage->input, bytes, n);
    else
        stage->ended = n == 0 || errno != EAGAIN;
    take_input(stage);
}

/* --- the whole -------------------------------------------------------------- */

static void
on_event(const VpLiveEvent *event, gpointer data)
{
    const Stage *stage = data;
    g_autofree char *line = vp_event_to_qmp(event);

    if (stage->standing.negotiated)
        say(line);
}

static void
on_stopped(gpointer data G_GNUC_UNUSED)
{
    vp_live_stop(VP_EXIT_OK);
}

/* Whether the domain has a session of its own, on which exec-oob is what it is. */
static bool
has_oob(virDomainPtr domain)
{
    char *reply = NULL;
    g_autoptr(VpJsonTree) tree = NULL;
    const VpJsonNode *session = NULL;

    if (virDomainQemuMonitorCommand(domain, "{\"execute\":\"__org.virtpass_query-session\"}",
                                    &reply, 0) < 0)
        return false;
    tree = vp_json_tree_parse(reply, -1, NULL);
    free(reply);
    session = vp_json_get(vp_json_root(tree), "return");
    return vp_json_get_bool(session, "oob") &&
           g_strcmp0(vp_json_get_string(session, "state"), "ready") == 0;
}

static bool
is_newer(const VpJsonNode *version)
{
    const VpJsonNode *qemu = vp_json_get(version, "qemu");
    gint64 major = vp_json_get_int(qemu, "major", 0);

    return major > 11 || (major == 11 && vp_json_get_int(qemu, "minor", 0) >= 1);
}

static bool
greet(Stage *stage, virDomainPtr domain)
{
    g_autoptr(VpJsonTree) tree = NULL;
    const VpJsonNode *version = vp_ask(domain, "{\"execute\":\"query-version\"}", &tree);
    g_autofree char *line = NULL;
    gsize size = 0;
    const char *text = vp_json_text(version, &size);

    if (!version)
        return false;
    stage->oob = has_oob(domain);
    stage->newer = is_newer(version);
    line = g_strdup_printf("{\"QMP\": {\"version\": %.*s, \"capabilities\": [%s]}}", (int)size,
                           text, stage->oob ? "\"oob\"" : "");
    say(line);
    return true;
}

static int
serve(Stage *stage, virDomainPtr domain)
{
    int status = VP_EXIT_FAILED;

    snprintf(stage->standing.prefix, sizeof(stage->standing.prefix), "__org.virtpass_t%d_",
             (int)getpid());
    stage->in_band = vp_worker_new(domain);
    stage->out_of_band = vp_worker_new(domain);
    stage->input = g_byte_array_new();
    stage->watch = virEventAddHandle(STDIN_FILENO, VIR_EVENT_HANDLE_READABLE, on_input, stage,
                                     NULL);
    status = vp_live_run();
    virEventRemoveHandle(stage->watch);
    vp_worker_free(stage->in_band);
    vp_worker_free(stage->out_of_band);
    vp_qmp_intake_clear(&stage->intake);
    g_byte_array_unref(stage->input);
    return status;
}

static int
run(char **arguments)
{
    g_autoptr(VpDomainRef) domain = NULL;
    Stage stage = { 0 };

    vp_live_prepare();
    if (!vp_live_connect())
        return VP_EXIT_FAILED;
    domain = vp_find_domain(arguments[0]);
    if (!domain || !vp_live_listen(domain, NULL, on_event, &stage) ||
        !vp_live_on_stopped(domain, on_stopped, NULL) || !greet(&stage, domain))
        return VP_EXIT_FAILED;
    return serve(&stage, domain);
}

const VpCommand vp_command_qmp = {
    .name = "qmp",
    .arguments = "DOMAIN",
    .summary = "Be a QMP monitor of a running domain on standard input and output",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
