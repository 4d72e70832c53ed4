/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/added.h"
#include "base/loop.h"
#include "json/tree.h"
#include "json/write.h"
#include "qmp/session.h"

#include <sys/types.h>

/*
 * One added command being carried out: what a handler works with.
 *
 * A handler asks QEMU, answers by answer, and ends the call by exactly one of vp_call_return() and
 * vp_call_fail(). It must not touch the call after that. Nothing blocks. When the session is lost
 * the call ends by itself; when whoever sent the command is gone, it goes on to its end (a
 * half-done savevm helps nobody) and its result is dropped.
 */

typedef struct VpCall VpCall;
typedef void (*VpHandler)(VpCall *call);

/* @reply: {"return": ...} or {"error": ...}, valid during the call. Not called when the session is
 * lost. */
typedef void (*VpAnswerFunc)(VpCall *call, const VpJsonNode *reply, gpointer data);

/* "arguments" of the command; NULL: none. Checked against the registry's row already: no unknown
 * keys, the mandatory ones there, kinds right. */
const VpJsonNode *vp_call_arguments(const VpCall *call);

/* State of the handler's own, freed with the call. */
void vp_call_set_state(VpCall *call, gpointer state, GDestroyNotify destroy);
gpointer vp_call_state(const VpCall *call);

/* The loop, for timers: its owner must remove them in the state's destroy function. */
VpLoop *vp_call_loop(const VpCall *call);

/* Sends @command, a QMP command without id, on the caller's turn in the session; the answer comes
 * later. Several may be under way; they are answered in order. */
void vp_call_ask(VpCall *call, const char *command, VpAnswerFunc func, gpointer data);

/* The same for a command of the human monitor: @func gets {"return": "TEXT"}. */
void vp_call_ask_human(VpCall *call, const char *line, VpAnswerFunc func, gpointer data);

/* The command that this sends, for vp_call_ask_all(); g_free(). */
char *vp_call_human_command(const char *line);

/* Asks several at once, @func is called once when all are answered; @replies: of VpJsonNode const
 * *, in order, valid during the call. @commands ends with NULL and may be empty. The call fails by
 * itself, with QEMU's error, when one of them is an error and @tolerant is false. */
typedef void (*VpAnswersFunc)(VpCall *call, const GPtrArray *replies, gpointer data);
void vp_call_ask_all(VpCall *call, const char *const *commands, bool tolerant, VpAnswersFunc func,
                     gpointer data);

/* From now on until the call ends @func gets every event of the session ("timestamp" and all).
 * It may end the call. NULL: no longer. */
typedef void (*VpCallEventFunc)(VpCall *call, const VpQmpEvent *event, gpointer data);
void vp_call_watch(VpCall *call, VpCallEventFunc func, gpointer data);

/* Takes @what, a static string, for this call alone until it ends. False: another call of the
 * session has it. */
bool vp_call_claim(VpCall *call, const char *what);

/* A text that is the same as at another time only if the guest has not been stopped in between: it
 * changes with each STOP event and whenever one may have been missed. g_free(). */
char *vp_call_epoch(const VpCall *call);

/* Sends an event of our own to everybody who listens to the domain. @data: JSON object. */
void vp_call_emit(VpCall *call, const char *name, const char *data);

/* Ends the call: @json is the value of "return", valid JSON. */
void vp_call_return(VpCall *call, const char *json);

/* Ends the call with an error as QEMU writes them. @error_class: "GenericError", "DeviceNotFound",
 * "CommandNotFound", "DeviceNotActive" ... */
void vp_call_fail(VpCall *call, const char *error_class, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* Ends it with the error of a reply of QEMU's, its class unchanged; the text is "@prefix: TEXT", or
 * QEMU's alone if @prefix is NULL. */
void vp_call_fail_reply(VpCall *call, const char *prefix, const VpJsonNode *reply);

/* What there is to find out what a QEMU binary can do; NULL: nothing. */
VpProbe *vp_call_probe(const VpCall *call);

/* On whose behalf, see vp_probe_get(). */
const char *vp_call_owner(const VpCall *call);

/* What is known of the domain outside of QMP. */
const char *vp_call_domain_name(const VpCall *call);
const char *vp_call_emulator(const VpCall *call); /* path of the running QEMU's binary, or NULL */
pid_t vp_call_pid(const VpCall *call);            /* of its process, 0 if not known */

/* What lasts for the domain: one JSON text per @key, kept in the domain's own metadata, so that it
 * goes where the definition goes. @func gets the text, or NULL when there is none; both are
 * asynchronous. */
typedef void (*VpKeepFunc)(VpCall *call, const char *text, const GError *error, gpointer data);
void vp_call_load(VpCall *call, const char *key, VpKeepFunc func, gpointer data);
void vp_call_store(VpCall *call, const char *key, const char *text, VpKeepFunc func,
                   gpointer data);

/* What libvirt itself knows of the domain's snapshots. @list: of VpLibvirtSnapshot, valid during
 * the call; NULL: not to be had. */
typedef void (*VpHearFunc)(VpCall *call, const GPtrArray *list, gpointer data);
void vp_call_libvirt_snapshots(VpCall *call, VpHearFunc func, gpointer data);
