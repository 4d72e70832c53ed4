/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is asked, in which order, and what becomes of the process on the way.
 *
 * QEMU answers in order, so that questions need no ids: those that are open are a queue. First come
 * the general ones, all at once, then device-list-properties of each type, some at a time. Only
 * commands that read are used. Two of them load modules, qom-list-types and device-list-properties;
 * so it is a process of its own that is asked.
 *
 * Some types end the process, when the module that they need is not installed. Then it was the
 * first question without an answer: all answers before it are here, for few are open at a time and
 * the socket has room for them. The type is marked, the next process goes on behind it. One that is
 * silent for too long is treated in the same way.
 */

#include "probe/inquiry.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "json/text.h"
#include "probe/child.h"
#include "probe/facts_build.h"

#include <string.h>

/* Types that are asked for at a time: enough that QEMU never waits for us. */
#define WINDOW 4u

/* What types get that were not asked for because too many before them ended the process. */
#define NOT_ASKED "not asked for: too many other types end the process"

const VpInquiryTimes vp_inquiry_times = { .silence_ms = 10000, .total_ms = 60000 };

struct VpInquiry {
    VpLoop *loop;
    const VpSandbox *sandbox;
    char *emulator;
    const VpInquiryTimes *times;
    VpInquiryFunc func;
    gpointer data;
    VpProbeChild *child;     /* NULL: not started yet, or at its end */
    VpFactsBuilder *builder;
    char *program;
    bool greeted;            /* by this process */
    bool general_done;       /* the general questions are answered */
    guint general;           /* how many of these have been answered */
    guint asked;             /* types that this process or one before was asked for */
    guint answered;          /* types that are answered or marked */
    guint deaths;            /* processes that ended while they were asked */
    GSource *begin;          /* starts the first one, in the next turn of the loop */
    GSource *silence;        /* ends one that does not answer */
    GSource *total;          /* ends the inquiry */
};

/* The general questions; the first two of them open the session. */
static const struct {
    const char *command;
    bool (*add)(VpFactsBuilder *builder, const VpJsonNode *answer); /* NULL: nothing is told */
} general[] = {
    { "{\"execute\":\"qmp_capabilities\"}", NULL },
    { "{\"execute\":\"qom-list-types\","
      "\"arguments\":{\"implements\":\"device\",\"abstract\":false}}", vp_facts_add_types },
    { "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"info qdm\"}}",
      vp_facts_add_qdm },
    { "{\"execute\":\"query-command-line-options\"}", vp_facts_add_groups },
    { "{\"execute\":\"query-qmp-schema\"}", vp_facts_add_schema },
};

static void start_child(VpInquiry *inquiry);
static void on_ended(VpProbeChild *child, const char *reason, gpointer data);

static void
stop(VpInquiry *inquiry)
{
    vp_loop_cancel(&inquiry->begin);
    vp_loop_cancel(&inquiry->silence);
    vp_loop_cancel(&inquiry->total);
    g_clear_pointer(&inquiry->child, vp_probe_child_free);
}

/* The last thing that is done with the inquiry: it may be freed in it. */
static void
fail(VpInquiry *inquiry, const char *reason)
{
    g_autoptr(GError) error = g_error_new(VP_ERROR, VP_ERROR_FAILED,
                                          "cannot find out what '%s' can do: %s",
                                          inquiry->emulator, reason);

    stop(inquiry);
    inquiry->func(NULL, NULL, error, inquiry->data);
}

/* Likewise. */
static void
finish(VpInquiry *inquiry)
{
    g_autoptr(GVariant) facts = vp_facts_builder_end(inquiry->builder);
    g_autofree char *program = g_strdup(inquiry->program);

    stop(inquiry);
    inquiry->func(facts, program, NULL, inquiry->data);
}

static gboolean
on_silence(gpointer data)
{
    VpInquiry *inquiry = data;

    vp_loop_cancel(&inquiry->silence);
    on_ended(inquiry->child, "it does not answer", inquiry);
    return G_SOURCE_REMOVE;
}

static gboolean
on_total(gpointer data)
{
    VpInquiry *inquiry = data;

    vp_loop_cancel(&inquiry->total);
    fail(inquiry, "it takes too long");
    return G_SOURCE_REMOVE;
}

static void
watch_silence(VpInquiry *inquiry)
{
    vp_loop_cancel(&inquiry->silence);
    inquiry->silence = vp_loop_timer(inquiry->loop, inquiry->times->silence_ms, on_silence,
                                     inquiry);
}

static void
ask_type(VpInquiry *inquiry, guint type)
{
    g_autoptr(GString) command =
        g_string_new("{\"execute\":\"device-list-properties\",\"arguments\":{\"typename\":");

    vp_json_append_quoted(command, vp_facts_type_name(inquiry->builder, type));
    g_string_append(command, "}}");
    vp_probe_child_send(inquiry->child, command->str);
}

/* Asks for further types, so that there always is a question open. False: there are none left, and
 * it is over. */
static bool
ask_types(VpInquiry *inquiry)
{
    guint n = vp_facts_n_types(inquiry->builder);

    if (inquiry->answered == n) {
        finish(inquiry);
        return false;
    }
    while (inquiry->asked < n && inquiry->asked - inquiry->answered < WINDOW)
        ask_type(inquiry, inquiry->asked++);
    return true;
}

/* What the first process is asked; later ones need only open their session. */
static void
ask_general(VpInquiry *inquiry)
{
    gsize n = inquiry->general_done ? 1 : G_N_ELEMENTS(general);

    inquiry->general = 0;
    for (gsize i = 0; i < n; i++)
        vp_probe_child_send(inquiry->child, general[i].command);
}

static bool
take_greeting(VpInquiry *inquiry, const VpJsonNode *message)
{
    const VpJsonNode *greeting = vp_json_get(message, "QMP");

    if (!greeting || !vp_facts_add_greeting(inquiry->builder, greeting)) {
        fail(inquiry, "it does not speak as QEMU does");
        return false;
    }
    inquiry->greeted = true;
    if (!inquiry->program)
        inquiry->program = vp_probe_child_program(inquiry->child);
    ask_general(inquiry);
    return true;
}

static bool
take_general(VpInquiry *inquiry, const VpJsonNode *answer)
{
    guint n = inquiry->general_done ? 1 : G_N_ELEMENTS(general);
    guint which = inquiry->general++;

    if (general[which].add && !general[which].add(inquiry->builder, answer)) {
        g_autofree char *reason = g_strdup_printf("it has no useful answer to %s",
                                                  general[which].command);

        fail(inquiry, reason);
        return false;
    }
    if (inquiry->general < n)
        return true;
    inquiry->general_done = true;
    return ask_types(inquiry);
}

static bool
take_properties(VpInquiry *inquiry, const VpJsonNode *message)
{
    const VpJsonNode *answer = vp_json_get(message, "return");
    guint type = inquiry->answered;

    inquiry->answered++;
    if (!answer || !vp_facts_add_properties(inquiry->builder, type, answer))
        vp_facts_set_broken(inquiry->builder, type,
                            vp_json_get_string(vp_json_get(message, "error"), "desc")
                                ?: "its properties are not what they should be");
    return ask_types(inquiry);
}

static bool
on_message(VpProbeChild *child G_GNUC_UNUSED, const char *text, gsize size, gpointer data)
{
    VpInquiry *inquiry = data;
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(text, size, NULL);
    const VpJsonNode *message = tree ? vp_json_root(tree) : NULL;

    watch_silence(inquiry);
    if (!inquiry->greeted)
        return take_greeting(inquiry, message);
    if (vp_json_get(message, "event"))
        return true;
    if (inquiry->general < (inquiry->general_done ? 1 : G_N_ELEMENTS(general)))
        return take_general(inquiry, vp_json_get(message, "return"));
    return take_properties(inquiry, message);
}

/* Marks the type that has ended the process, and all others if there were too many. */
static void
mark_broken(VpInquiry *inquiry, const char *reason)
{
    guint n = vp_facts_n_types(inquiry->builder);

    vp_log_info("%s: asking for device type '%s' ends the process: %s", inquiry->emulator,
                vp_facts_type_name(inquiry->builder, inquiry->answered), reason);
    vp_facts_set_broken(inquiry->builder, inquiry->answered++, reason);
    while (inquiry->deaths >= VP_PROBE_DEATHS_MAX && inquiry->answered < n)
        vp_facts_set_broken(inquiry->builder, inquiry->answered++, NOT_ASKED);
    inquiry->asked = inquiry->answered;
}

static void
on_ended(VpProbeChild *child G_GNUC_UNUSED, const char *reason, gpointer data)
{
    VpInquiry *inquiry = data;
    bool asking = inquiry->greeted && inquiry->general_done && inquiry->general > 0 &&
                  inquiry->asked > inquiry->answered;

    if (!asking) {
        fail(inquiry, reason);
        return;
    }
    inquiry->deaths++;
    mark_broken(inquiry, reason);
    g_clear_pointer(&inquiry->child, vp_probe_child_free);
    if (inquiry->answered == vp_facts_n_types(inquiry->builder))
        finish(inquiry);
    else
        start_child(inquiry);
}

static const VpProbeChildOps child_ops = { .message = on_message, .ended = on_ended };

static void
start_child(VpInquiry *inquiry)
{
    g_autoptr(GError) error = NULL;

    inquiry->greeted = false;
    inquiry->general = 0;
    inquiry->child = vp_probe_child_start(inquiry->loop, inquiry->sandbox, inquiry->emulator,
                                          &child_ops, inquiry, &error);
    if (inquiry->child)
        watch_silence(inquiry);
    else
        fail(inquiry, error->message);
}

static gboolean
on_begin(gpointer data)
{
    VpInquiry *inquiry = data;

    vp_loop_cancel(&inquiry->begin);
    start_child(inquiry);
    return G_SOURCE_REMOVE;
}

VpInquiry *
vp_inquiry_new(VpLoop *loop, const VpSandbox *sandbox, const char *emulator,
               const VpInquiryTimes *times, VpInquiryFunc func, gpointer data)
{
    VpInquiry *inquiry = g_new0(VpInquiry, 1);

    inquiry->loop = loop;
    inquiry->sandbox = sandbox;
    inquiry->emulator = g_strdup(emulator);
    inquiry->times = times;
    inquiry->func = func;
    inquiry->data = data;
    inquiry->builder = vp_facts_builder_new();
    inquiry->begin = vp_loop_timer(loop, 0, on_begin, inquiry);
    inquiry->total = vp_loop_timer(loop, times->total_ms, on_total, inquiry);
    return inquiry;
}

void
vp_inquiry_free(VpInquiry *inquiry)
{
    if (!inquiry)
        return;
    stop(inquiry);
    vp_facts_builder_free(inquiry->builder);
    g_free(inquiry->emulator);
    g_free(inquiry->program);
    g_free(inquiry);
}
