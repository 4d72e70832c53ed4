/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whoever writes alterations hears nothing before the domain is started, and the operator may want
 * to know earlier. libvirtd makes the command line (domxml-to-native) on the client's connection,
 * as the client, who may not be allowed that: then there is nothing to say. What the alterations
 * make of it is found out in a thread, for they have regular expressions in them.
 */

#include "qemu_passthrough/definition.h"

#include "qemu_passthrough/native.h"

#include <string.h>

/* The words after "-name"; NULL: none. */
static const char *
name_of(char **words)
{
    for (guint i = 0; words[i] && words[i + 1]; i++) {
        if (g_str_equal(words[i], "-name"))
            return words[i + 1];
    }
    return NULL;
}

/* Owned by the thread's work. */
typedef struct Job {
    VpDefinitionCheck *check; /* the loop's thread's only */
    char *text;
    VpNative native;
} Job;

struct VpDefinitionCheck {
    VpClient *client;
    VpDefinitionFunc func;
    gpointer data;
    guint32 serial;           /* of the question, until it is answered; 0: none is under way */
    VpWork *work;             /* NULL: none */
};

static void
job_free(gpointer data)
{
    Job *job = data;

    vp_native_clear(&job->native);
    g_free(job->text);
    g_free(job);
}

static void
run(gpointer data)
{
    Job *job = data;

    vp_native_read(job->text, &job->native, NULL);
}

static void
on_read(gpointer data)
{
    const Job *job = data;
    VpDefinitionCheck *check = job->check;

    check->work = NULL;
    if (job->native.refusal)
        vp_log_warning("domain '%s' has been defined, but would not start: %s",
                       name_of(job->native.generated) ?: "?", job->native.refusal->message);
    check->func(check->data);
}

static void
on_native(const VpCallReply *reply, gpointer data)
{
    VpDefinitionCheck *check = data;
    vp_xml_to_native_ret ret = { 0 };
    Job *job = NULL;

    check->serial = 0;
    if (reply->outcome != VP_CALL_OK ||
        !vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_xml_to_native_ret, &ret)) {
        check->func(check->data);
        return;
    }
    job = g_new0(Job, 1);
    job->check = check;
    job->text = g_strdup(ret.native);
    vp_xdr_clear(xdr_vp_xml_to_native_ret, &ret);
    check->work = vp_work_start(check->client->daemon->workers, vp_client_owner(check->client),
                                run, on_read, job, job_free);
}

VpDefinitionCheck *
vp_definition_check(VpClient *client, const char *xml, VpDefinitionFunc func, gpointer data)
{
    vp_xml_to_native_args args = { .native_type = (char *)"qemu-argv", .xml = (char *)xml };
    VpDefinitionCheck *check = g_new0(VpDefinitionCheck, 1);

    *check = (VpDefinitionCheck){ .client = client, .func = func, .data = data };
    check->serial = vp_calls_send(client->calls, client->up, VP_REMOTE_PROGRAM,
                                  VP_REMOTE_CONNECT_DOMAIN_XML_TO_NATIVE,
                                  xdr_vp_xml_to_native_args, &args, on_native, check);
    return check;
}

void
vp_definition_check_free(VpDefinitionCheck *check)
{
    if (!check)
        return;
    if (check->serial != 0)
        vp_calls_cancel(check->client->calls, check->serial);
    vp_work_cancel(check->work);
    g_free(check);
}
