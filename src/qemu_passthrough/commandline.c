/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Jobs about a domain's command line: a few questions to libvirtd one after the other, each
 * answer leading to the next (the functions named on_...).
 *
 *   alter    GET_XML_DESC (persistent) -> change the author's form -> what has to be known of QEMU
 *            (facts.c) -> translate -> XML_TO_NATIVE -> unless dry: DEFINE_XML_FLAGS
 *   get      of a process that we have a session with: its own record, or /proc; else
 *            GET_XML_DESC -> XML_TO_NATIVE
 *
 * All calls go over the client's own connection, so libvirtd judges them by the client's rights
 * and its refusals are passed on as they are. A job has one question under way at a time; freeing
 * it cancels that one. (Not so the question of access.c: a job that waits for it lives as long as
 * its client, whose questions end with it.) What documents and expressions can make long is done in
 * threads (Task), which own all that they reach.
 *
 * Somebody else may define the domain between our reading and our defining it, as with virsh edit;
 * the later one wins there too.
 */

#include "qemu_passthrough/commandline.h"

#include "base/error.h"
#include "base/log.h"
#include "qemu_passthrough/access.h"
#include "qemu_passthrough/facts.h"
#include "qemu_passthrough/native.h"
#include "qemu_passthrough/process.h"
#include "qemu_passthrough/shims.h"
#include "qemu_passthrough/translation.h"
#include "xml/alterations.h"

#include <string.h>

typedef void (*AnswerFunc)(VpCommandline *job, const VpCallReply *reply);
typedef void (*JudgedFunc)(VpCommandline *job);

struct VpCommandline {
    VpClient *client;
    VpCommandlineWish wish;
    VpCommandlineFunc func;
    gpointer data;
    bool asking;             /* a question is under way: `serial`, `next` */
    guint32 serial;
    AnswerFunc next;
    JudgedFunc judged;       /* what comes when libvirtd has said that the client may */
    GSource *later;          /* what needs no question is done in the next turn of the loop */
    VpWork *work;            /* a thread's, or NULL */
    VpFacts *facts;          /* being gathered, or at hand; NULL: neither */
    char *replaced;          /* ALTER: the definition as it is, upstream form, until it is used */
    char *upstream;          /* ALTER: the new definition, upstream form */
    GPtrArray *links;        /* of VpShimLink, for that; NULL: none */
    bool defining;           /* it is with libvirtd, who may accept it */
    VpCommandlineResult result;
};

void
vp_commandline_wish_clear(VpCommandlineWish *wish)
{
    g_free(wish->name);
    g_free(wish->xml);
    *wish = (VpCommandlineWish){ 0 };
}

static void
clear_result(VpCommandlineResult *result)
{
    g_free(result->xml);
    g_strfreev(result->generated);
    g_strfreev(result->altered);
    g_strfreev(result->environment);
    g_ptr_array_unref(result->warnings);
}

/* --- ends ----------------------------------------------------------------- */

static void
succeed(VpCommandline *job)
{
    static char *nothing[] = { NULL };
    VpCommandlineResult result = job->result;

    result.generated = result.generated ?: nothing;
    result.altered = result.altered ?: nothing;
    result.environment = result.environment ?: nothing;
    job->func(&result, NULL, NULL, job->data);
}

static void
fail(VpCommandline *job, const GError *error)
{
    job->func(NULL, error, NULL, job->data);
}

/* --- questions ------------------------------------------------------------ */

static void
on_answer(const VpCallReply *reply, gpointer data)
{
    VpCommandline *job = data;
    g_autoptr(GError) error = NULL;

    job->asking = false;
    switch (reply->outcome) {
    case VP_CALL_OK:
        job->next(job, reply);
        break;
    case VP_CALL_ERROR:
        vp_shims_settle(g_steal_pointer(&job->links), false);
        job->func(NULL, NULL, reply->error, job->data);
        break;
    case VP_CALL_BROKEN:
        error = g_error_new(VP_ERROR, VP_ERROR_CLOSED, "libvirtd closed the connection");
        fail(job, error);
        break;
    }
}

static void
ask(VpCommandline *job, gint32 procedure, void *args_func, void *args, AnswerFunc next)
{
    job->asking = true;
    job->next = next;
    job->serial = vp_calls_send(job->client->calls, job->client->up, VP_REMOTE_PROGRAM, procedure,
                                args_func, args, on_answer, job);
}

static void
ask_definition(VpCommandline *job, guint flags, AnswerFunc next)
{
    vp_get_xml_args args = { .dom = { .name = job->wish.name, .id = -1 }, .flags = flags };

    memcpy(args.dom.uuid, job->wish.uuid, sizeof(args.dom.uuid));
    ask(job, VP_REMOTE_DOMAIN_GET_XML_DESC, xdr_vp_get_xml_args, &args, next);
}

static void
ask_native(VpCommandline *job, const char *xml, AnswerFunc next)
{
    vp_xml_to_native_args args = { .native_type = (char *)"qemu-argv", .xml = (char *)xml };

    ask(job, VP_REMOTE_CONNECT_DOMAIN_XML_TO_NATIVE, xdr_vp_xml_to_native_args, &args, next);
}

/* The string that is all of a reply. NULL: the job has failed. */
static char *
read_string(VpCommandline *job, const VpCallReply *reply)
{
    vp_get_xml_ret ret = { 0 };
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    if (!vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_get_xml_ret, &ret)) {
        error = g_error_new(VP_ERROR, VP_ERROR_FAILED, "libvirtd's reply is not understood");
        fail(job, error);
        return NULL;
    }
    text = g_strdup(ret.xml);
    vp_xdr_clear(xdr_vp_get_xml_ret, &ret);
    return text;
}

/* --- in a thread ---------------------------------------------------------- */

/* What a thread does for a job. Which fields are used depends on what. */
typedef struct Task {
    VpCommandline *job;      /* the loop's thread's only */
    VpFacts *facts;          /* a reference; NULL: none are needed */
    char *text;              /* what libvirtd has said, or the definition in author's form */
    char *change;            /* <qemu:commandline> */
    char *replaced;          /* the definition that is replaced; NULL: none is */
    guint mode;
    char *result;            /* what comes of it: a document, */
    GPtrArray *needs;        /* what its translation needs, */
    VpNative native;         /* a command line, */
    GError *error;           /* or a failure */
} Task;

static void
task_free(gpointer data)
{
    Task *task = data;

    vp_facts_unref(task->facts);
    g_free(task->text);
    g_free(task->change);
    g_free(task->replaced);
    g_free(task->result);
    g_clear_pointer(&task->needs, g_ptr_array_unref);
    vp_native_clear(&task->native);
    g_clear_error(&task->error);
    g_free(task);
}

/* Takes @facts and @text. */
static Task *
task_new(VpCommandline *job, VpFacts *facts, char *text)
{
    Task *task = g_new0(Task, 1);

    task->job = job;
    task->facts = facts;
    task->text = text;
    task->change = g_strdup(job->wish.xml);
    task->mode = job->wish.mode;
    return task;
}

static void
run(Task *task, VpWorkFunc work, VpWorkFunc done)
{
    VpClient *client = task->job->client;

    task->job->work = vp_work_start(client->daemon->workers, vp_client_owner(client), work, done,
                                    task, task_free);
}

/* The task is over; true unless the job has failed with it. */
static bool
take(Task *task)
{
    task->job->work = NULL;
    if (task->error)
        fail(task->job, task->error);
    return !task->error;
}

/* --- the command line of a definition ------------------------------------- */

static void
read_native(gpointer data)
{
    Task *task = data;

    vp_native_read(task->text, &task->native, &task->error);
}

static void
take_native(VpCommandline *job, VpNative *native)
{
    for (guint i = 0; native->warnings && i < native->warnings->len; i++)
        g_ptr_array_add(job->result.warnings, g_strdup(g_ptr_array_index(native->warnings, i)));
    if (native->refusal)
        g_ptr_array_add(job->result.warnings, g_strdup(native->refusal->message));
    job->result.generated = g_steal_pointer(&native->generated);
    job->result.altered = g_steal_pointer(&native->altered);
    job->result.environment = g_steal_pointer(&native->environment);
}

/* @done gets the command line in libvirtd's @reply. */
static void
run_native(VpCommandline *job, const VpCallReply *reply, VpWorkFunc done)
{
    char *text = read_string(job, reply);

    if (text)
        run(task_new(job, NULL, text), read_native, done);
}

/* --- alter ---------------------------------------------------------------- */

static void
on_defined(VpCommandline *job, const VpCallReply *reply G_GNUC_UNUSED)
{
    vp_shims_settle(g_steal_pointer(&job->links), true);
    succeed(job);
}

static void
on_new_words(gpointer data)
{
    Task *task = data;
    VpCommandline *job = task->job;
    vp_define_xml_args args = { .xml = job->upstream };

    if (!take(task))
        return;
    take_native(job, &task->native);
    if (job->wish.dry_run) {
        succeed(job);
        return;
    }
    job->defining = true;
    ask(job, VP_REMOTE_DOMAIN_DEFINE_XML_FLAGS, xdr_vp_define_xml_args, &args, on_defined);
}

static void
on_new_native(VpCommandline *job, const VpCallReply *reply)
{
    run_native(job, reply, on_new_words);
}

static void
translate(gpointer data)
{
    Task *task = data;
    g_autoptr(GPtrArray) devices = vp_added_devices(task->replaced);
    VpXmlRules rules = vp_facts_rules(task->facts);

    rules.previous = devices;
    if (vp_xml_translate(&rules, task->text, &task->result, &task->error) && !task->result)
        task->result = g_strdup(task->text);
}

static void
on_translated(gpointer data)
{
    Task *task = data;
    VpCommandline *job = task->job;
    g_autoptr(GError) error = NULL;

    if (!take(task))
        return;
    job->upstream = g_steal_pointer(&task->result);
    if (vp_shims_make(job->client->daemon->shims, vp_facts_links(task->facts), &job->links,
                      &error))
        ask_native(job, job->upstream, on_new_native);
    else
        fail(job, error);
}

static void
on_facts(VpFacts *facts, gpointer data)
{
    VpCommandline *job = data;
    const vp_error_body *denied = vp_facts_denied(facts);
    Task *task = NULL;

    if (denied) {
        job->func(NULL, NULL, denied, job->data);
        return;
    }
    task = task_new(job, vp_facts_ref(facts), g_strdup(job->result.xml));
    task->replaced = g_steal_pointer(&job->replaced);
    run(task, translate, on_translated);
}

static void
change(gpointer data)
{
    Task *task = data;
    VpXmlRules rules = vp_facts_rules(task->facts);
    g_autofree char *author = NULL;

    if (vp_xml_restore(task->text, &author, &task->error) &&
        vp_xml_change_alterations(author ?: task->text, (VpXmlChange)task->mode, task->change,
                                  &task->result, &task->error))
        task->needs = vp_xml_needs(&rules, task->result, &task->error);
}

static void
on_changed(gpointer data)
{
    Task *task = data;
    VpCommandline *job = task->job;

    if (!take(task))
        return;
    job->result.xml = g_steal_pointer(&task->result);
    job->facts = vp_facts_gather(job->client, g_steal_pointer(&task->needs), job->wish.uuid,
                                 on_facts, job);
}

static void
on_definition(VpCommandline *job, const VpCallReply *reply)
{
    char *xml = read_string(job, reply);

    if (!xml)
        return;
    job->replaced = g_strdup(xml);
    run(task_new(job, vp_facts_new(job->client->daemon), xml), change, on_changed);
}

/* --- get ------------------------------------------------------------------ */

static void
on_words(gpointer data)
{
    Task *task = data;
    VpCommandline *job = task->job;
    g_autoptr(GError) error = NULL;

    if (!take(task))
        return;
    take_native(job, &task->native);
    if (job->wish.form == VP_COMMANDLINE_ALTERED && !job->result.altered) {
        error = g_error_new(VP_ERROR, VP_ERROR_UNSUPPORTED, "the domain would not start: %s",
                            (char *)g_ptr_array_index(job->result.warnings,
                                                      job->result.warnings->len - 1));
        fail(job, error);
        return;
    }
    succeed(job);
}

static void
on_native(VpCommandline *job, const VpCallReply *reply)
{
    run_native(job, reply, on_words);
}

static void
on_any_definition(VpCommandline *job, const VpCallReply *reply)
{
    g_autofree char *xml = read_string(job, reply);

    if (xml)
        ask_native(job, xml, on_native);
}

/* The process that our session is with; 0: there is none. */
static pid_t
process_of(const VpCommandline *job)
{
    const VpDomain *domain = vp_domains_find(job->client->daemon->domains, job->wish.uuid);

    return domain && domain->session ? vp_qmp_session_pid(domain->session) : 0;
}

static void judge(VpCommandline *job, JudgedFunc next);

/* What the process was started with: what the shim wrote down, or, where no shim was needed, its
 * own words. */
static void
on_process(VpProcessWords *found, gpointer data)
{
    VpCommandline *job = data;
    VpCommandlineResult *result = &job->result;

    job->work = NULL;
    if (!found->words) {
        fail(job, found->error);
        return;
    }
    if (job->wish.form == VP_COMMANDLINE_RUNNING || !found->generated || !*found->generated) {
        result->generated = g_strdupv(found->words);
        result->altered = g_steal_pointer(&found->words);
    } else {
        result->generated = g_steal_pointer(&found->generated);
        result->altered = g_steal_pointer(&found->altered);
        /* libvirt started the shim, which stands for the emulator. */
        g_free(result->generated[0]);
        result->generated[0] = g_strdup(found->words[0] ?: "");
    }
    judge(job, succeed); /* a thread may have taken longer than the verdict is good for */
}

static void
fail_without_process(VpCommandline *job)
{
    g_autoptr(GError) error = NULL;

    error = g_error_new(VP_ERROR, VP_ERROR_UNSUPPORTED,
                        "domain '%s' has no dedicated session through which its process is known; "
                        "it does not run, or was not started through virtpassd",
                        job->wish.name);
    fail(job, error);
}

static void
get(VpCommandline *job)
{
    pid_t pid = process_of(job);

    if (pid > 0) {
        job->work = vp_process_look(job->client->daemon->file_workers,
                                    vp_client_owner(job->client), pid, on_process, job);
        return;
    }
    if (job->wish.form != VP_COMMANDLINE_RUNNING)
        ask_definition(job, 0, on_any_definition);
    else
        fail_without_process(job);
}

static void
on_access(bool allowed, gpointer data)
{
    VpCommandline *job = data;
    g_autoptr(GError) error = NULL;

    if (allowed) {
        job->judged(job);
        return;
    }
    error = g_error_new(VP_ERROR, VP_ERROR_UNSUPPORTED,
                        "libvirtd does not allow this client to write to domain '%s', which it "
                        "takes to see its process",
                        job->wish.name);
    fail(job, error);
}

/* Goes on with @next if the client may write to the domain. One that does not run any more has
 * nothing to be written to, and nobody to be asked about. */
static void
judge(VpCommandline *job, JudgedFunc next)
{
    VpDomain *domain = vp_domains_find(job->client->daemon->domains, job->wish.uuid);

    job->judged = next;
    if (!domain) {
        fail_without_process(job);
        return;
    }
    switch (vp_access_check(job->client, domain, on_access, job)) {
    case VP_ACCESS_ALLOWED:
        on_access(true, job);
        break;
    case VP_ACCESS_DENIED:
        on_access(false, job);
        break;
    case VP_ACCESS_ASKING:
        break;
    }
}

static gboolean
begin_get(gpointer data)
{
    VpCommandline *job = data;

    vp_loop_cancel(&job->later);
    if (process_of(job) > 0)
        judge(job, get);
    else
        get(job);
    return G_SOURCE_REMOVE;
}

/* --- a job ---------------------------------------------------------------- */

VpCommandline *
vp_commandline_start(VpClient *client, VpCommandlineWish *wish, VpCommandlineFunc func,
                     gpointer data)
{
    VpCommandline *job = g_new0(VpCommandline, 1);

    job->client = client;
    job->wish = *wish;
    *wish = (VpCommandlineWish){ 0 };
    job->func = func;
    job->data = data;
    job->result.warnings = g_ptr_array_new_with_free_func(g_free);
    if (job->wish.kind == VP_WISH_ALTER)
        ask_definition(job, VP_XML_INACTIVE | VP_XML_SECURE, on_definition);
    else
        job->later = vp_loop_timer(client->daemon->loop, 0, begin_get, job);
    return job;
}

void
vp_commandline_free(VpCommandline *job)
{
    if (!job)
        return;
    if (job->asking)
        vp_calls_cancel(job->client->calls, job->serial);
    vp_loop_cancel(&job->later);
    vp_work_cancel(job->work);
    vp_facts_cancel(job->facts);
    vp_facts_unref(job->facts);
    vp_commandline_wish_clear(&job->wish);
    vp_shims_settle(job->links, job->defining);
    g_free(job->replaced);
    g_free(job->upstream);
    clear_result(&job->result);
    g_free(job);
}
