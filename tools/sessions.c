/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass sessions: the running domains and the monitor session of each.
 *
 * virtpassd answers __org.virtpass_query-session for a domain; a libvirtd without
 * virtpassd in front has no such command, and then we say so.
 */

#include "command.h"

#include "json/members.h"
#include "json/text.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUERY "{\"execute\": \"__org.virtpass_query-session\"}"

static gboolean json;

static const GOptionEntry options[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print a JSON array for programs", NULL },
    { NULL },
};

/* Columns for people: members of the answer. */
static const struct {
    const char *title;
    const char *member;
    int width;          /* negative: text, to the left */
} columns[] = {
    { "DOMAIN", "domain", -20 },
    { "SESSION", "session", -9 },
    { "STATE", "state", -11 },
    { "CLIENTS", "clients", 7 },
    { "COMMANDS", "commands", 9 },
    { "FLYING", "in_flight", 6 },
    { "EVENTS", "events", 7 },
    { "IN", "bytes_in", 9 },
    { "OUT", "bytes_out", 9 },
    { "P50", "latency_p50_us", 8 },
    { "P99", "latency_p99_us", 8 },
};

/* Microseconds as a person reads them; "-" where there is no sample. */
static char *
format_latency(const char *number)
{
    gint64 us = g_ascii_strtoll(number, NULL, 10);

    if (us < 0)
        return g_strdup("-");
    if (us < 10000)
        return g_strdup_printf("%" G_GINT64_FORMAT " us", us);
    return g_strdup_printf("%" G_GINT64_FORMAT " ms", us / 1000);
}

static char *
format_member(VpJsonSlice object, const char *member)
{
    VpJsonSlice value = vp_json_member(object, member);
    g_autofree char *text = NULL;

    if (!value.text)
        return g_strdup("?");
    if (value.text[0] == '"')
        return vp_json_decode_string(value.text, value.size);
    text = g_strndup(value.text, value.size);
    if (g_str_has_suffix(member, "_us"))
        return format_latency(text);
    return g_steal_pointer(&text);
}

static void
print_titles(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(columns); i++)
        printf("%*s%s", columns[i].width, columns[i].title,
               i + 1 < G_N_ELEMENTS(columns) ? "  " : "\n");
}

/* The SESSION of people: they like to know what virtpassd has done to a running guest. */
static char *
format_session(VpJsonSlice object)
{
    g_autofree char *added = format_member(object, "added");

    return g_strcmp0(added, "true") == 0 ? g_strdup("added") : format_member(object, "session");
}

static void
print_row(VpJsonSlice object)
{
    g_autofree char *reason = format_member(object, "reason");
    g_autofree char *state = format_member(object, "state");

    for (gsize i = 0; i < G_N_ELEMENTS(columns); i++) {
        bool is_session = strcmp(columns[i].member, "session") == 0;
        g_autofree char *text = is_session ? format_session(object)
                                           : format_member(object, columns[i].member);

        printf("%*s%s", columns[i].width, text ?: "?",
               i + 1 < G_N_ELEMENTS(columns) ? "  " : "\n");
    }
    if (g_strcmp0(state, "ready") != 0 && reason && *reason)
        printf("  no dedicated session now: %s\n", reason);
}

typedef enum VpAnswer {
    VP_ANSWER_OK,
    VP_ANSWER_STOPPED,  /* the domain has stopped since the listing */
    VP_ANSWER_FAILED,   /* printed why */
} VpAnswer;

/* The answer's "return", in @reply, which the caller frees. */
static VpAnswer
ask(virDomainPtr domain, char **reply, VpJsonSlice *ret_object)
{
    const char *name = virDomainGetName(domain); /* first: it resets libvirt's last error */
    VpJsonSlice whole = { 0 };

    if (virDomainQemuMonitorCommand(domain, QUERY, reply, 0) < 0) {
        int code = virGetLastErrorCode();

        if (code == VIR_ERR_OPERATION_INVALID || code == VIR_ERR_NO_DOMAIN)
            return VP_ANSWER_STOPPED;
        vp_fail_libvirt("domain '%s'", name);
        return VP_ANSWER_FAILED;
    }
    whole = (VpJsonSlice){ *reply, strlen(*reply) };
    *ret_object = vp_json_member(whole, "return");
    if (ret_object->text)
        return VP_ANSWER_OK;
    fprintf(stderr, "error: domain '%s': what answers at this URI is not virtpassd\n", name);
    return VP_ANSWER_FAILED;
}

static void
print_answer(VpJsonSlice object, int *printed)
{
    if (json)
        printf("%s\n  %.*s", (*printed)++ ? "," : "", (int)object.size, object.text);
    else
        print_row(object);
}

static int
run(char **arguments G_GNUC_UNUSED)
{
    virConnectPtr conn = vp_connect();
    virDomainPtr *domains = NULL;
    int status = VP_EXIT_OK;
    int printed = 0;
    int n = 0;

    if (!conn)
        return VP_EXIT_FAILED;
    n = virConnectListAllDomains(conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (n < 0)
        return vp_fail_libvirt("cannot list domains");
    if (json)
        fputs("[", stdout);
    else
        print_titles();
    for (int i = 0; i < n; i++) {
        g_autofree char *reply = NULL;
        VpJsonSlice object = { 0 };

        switch (ask(domains[i], &reply, &object)) {
        case VP_ANSWER_OK:
            print_answer(object, &printed);
            break;
        case VP_ANSWER_STOPPED:
            break;
        case VP_ANSWER_FAILED:
            status = VP_EXIT_FAILED;
            break;
        }
        virDomainFree(domains[i]);
    }
    if (json)
        puts(printed ? "\n]" : "]");
    free(domains);
    return status;
}

const VpCommand vp_command_sessions = {
    .name = "sessions",
    .summary = "Show the running domains and their monitor sessions",
    .options = options,
    .run = run,
};
