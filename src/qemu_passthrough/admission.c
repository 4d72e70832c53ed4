/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Would libvirtd let this user in?
 *
 * A client's connection to libvirtd is made by us, and libvirtd asks root for nothing: neither for
 * the mode and the directory of its socket, nor for the authentication that it may want there
 * (auth_unix_ro, auth_unix_rw). So before a client is served, libvirtd is asked by somebody who is
 * the client as far as the kernel and libvirtd can see: a thread of our own with the client's user,
 * group and groups (SO_PEERCRED, SO_PEERGROUPS) connects to the socket that the client would use,
 * and sends AUTH_LIST. "None" lets the client in. At "polkit" polkit is asked what libvirtd would
 * ask it about the client (polkit.c), in a thread with our own rights, for only root may ask that
 * about others; whom it would ask for a password is not let in. No other answer lets anybody in.
 * Our own socket's mode and group can therefore let in less than libvirtd's, never more.
 *
 * The identity is that of the thread alone, for which the system calls are made directly: those of
 * the C library change all threads. Only the effective one is changed, so that the user cannot
 * send signals to the thread, which are the process's; capabilities are dropped as well, for
 * they would pass by the socket's mode. The thread is made for one question, never goes back, and
 * ends. All that it uses is its task's: a caller that leaves only says so.
 *
 * Such a change makes the process one that leaves no core; that is taken back when no thread is
 * left that asks.
 *
 * A limited number asks at a time, each with a time limit; others wait for their turn.
 */

#include "qemu_passthrough/admission.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/limits.h"
#include "qemu_passthrough/identity.h"
#include "qemu_passthrough/polkit.h"
#include "qemu_passthrough/upstream.h"
#include "rpc/payload.h"

#include <errno.h>
#include <gio/gio.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* libvirtd answers within milliseconds; one that is being started, when it has. */
#define TIMEOUT_S 5

/* Until it is tried again to make a thread. */
#define RETRY_MS 1000

/* An answer has some 40 bytes, an error some 200. */
#define ANSWER_MAX 4096

struct VpAdmission {
    VpLoop *loop;
    GTask *task;        /* a reference, which becomes the thread's */
    char *path;         /* of libvirtd's socket */
    bool read_only;
    VpPeer peer;
    gid_t *groups;
    gsize n_groups;
    bool polkit;        /* libvirtd would ask polkit; the first thread's until it has returned */
    VpWorkers *workers;
    VpWork *work;       /* which asks polkit, and @task is a reference again; NULL: none does */
    VpAdmissionVerdict verdict; /* this and @reason are the thread's until it has returned */
    char *reason;
    VpAdmissionFunc func;       /* NULL: nobody wants to know any more */
    gpointer data;
};

static GQueue waiting = G_QUEUE_INIT; /* of VpAdmission */
static guint running;
static GSource *retry; /* no thread could be made; NULL: it could */
static int dumpable; /* as it was before the first of those that run */

/* --- the thread ----------------------------------------------------------- */

static void
conclude(VpAdmission *admission, VpAdmissionVerdict verdict, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void
conclude(VpAdmission *admission, VpAdmissionVerdict verdict, const char *format, ...)
{
    va_list args;

    admission->verdict = verdict;
    va_start(args, format);
    admission->reason = g_strdup_vprintf(format, args);
    va_end(args);
}

static bool
become_peer(const VpAdmission *admission)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    const struct __user_cap_data_struct none[2] = { 0 };

    return syscall(VP_SYS_SETGROUPS, admission->n_groups, admission->groups) == 0 &&
           syscall(VP_SYS_SETRESGID, -1, admission->peer.gid, -1) == 0 &&
           syscall(VP_SYS_SETRESUID, -1, admission->peer.uid, -1) == 0 &&
           syscall(SYS_capset, &header, none) == 0;
}

/* As nobody but this thread waits for it, this may block. */
static int
connect_there(VpAdmission *admission)
{
    const struct timeval timeout = { .tv_sec = TIMEOUT_S };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    vp_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int why = 0;

    if (g_strlcpy(address.sun_path, admission->path, sizeof(address.sun_path)) >=
        sizeof(address.sun_path))
        errno = ENAMETOOLONG;
    else if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
             setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0 &&
             connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return vp_steal_fd(&fd);
    why = errno;
    if (why == ENOENT || why == ECONNREFUSED)
        conclude(admission, VP_ADMISSION_ABSENT, "cannot connect to '%s': %s", admission->path,
                 g_strerror(why));
    else
        conclude(admission, VP_ADMISSION_REFUSED,
                 "user %u cannot connect to libvirtd's own socket '%s': %s; virtpassd lets nobody "
                 "in whom libvirtd does not", (unsigned)admission->peer.uid, admission->path,
                 g_strerror(why));
    return -1;
}

static bool
send_call(int fd, gint32 procedure)
{
    VpHeader call = { .program = VP_REMOTE_PROGRAM, .version = 1, .procedure = procedure };
    g_autoptr(GByteArray) frame = vp_xdr_frame(&call, NULL, NULL);

    return send(fd, frame->data, frame->len, MSG_NOSIGNAL) == (gssize)frame->len;
}

/* The whole reply to AUTH_LIST. 0: there is none within the time. */
static gsize
ask(int fd, guint8 *answer, VpHeader *ret_header)
{
    gint64 end = g_get_monotonic_time() + TIMEOUT_S * G_USEC_PER_SEC;
    gsize n = 0;

    if (!send_call(fd, VP_REMOTE_AUTH_LIST))
        return 0;
    while (g_get_monotonic_time() < end && n < ANSWER_MAX) {
        gssize more = TEMP_FAILURE_RETRY(recv(fd, answer + n, ANSWER_MAX - n, 0));

        if (more <= 0)
            return 0;
        n += more;
        if (vp_header_decode(answer, n, ret_header) == VP_FRAME_OK && n >= ret_header->length)
            return ret_header->length;
    }
    return 0;
}

/* What libvirtd wants to be shown; NULL if the answer makes no sense. */
static char *
read_types(const guint8 *answer, gsize n, const VpHeader *header)
{
    static const char *const names[] = {
        [VP_AUTH_NONE] = "none", [VP_AUTH_SASL] = "sasl", [VP_AUTH_POLKIT] = "polkit",
    };
    g_autoptr(GString) text = g_string_new(NULL);
    vp_auth_list_ret ret = { 0 };

    if (header->type != VP_FRAME_REPLY || header->status != VP_STATUS_OK ||
        header->procedure != VP_REMOTE_AUTH_LIST ||
        !vp_xdr_decode(answer + VP_FRAME_MIN, n - VP_FRAME_MIN, xdr_vp_auth_list_ret, &ret))
        return NULL;
    for (guint i = 0; i < ret.types.types_len; i++) {
        guint type = ret.types.types_val[i];

        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "",
                               type < G_N_ELEMENTS(names) ? names[type] : "unknown");
    }
    vp_xdr_clear(xdr_vp_auth_list_ret, &ret);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* libvirtd logs the end of a connection as an error, but for one that it closes itself. */
static void
take_leave(int fd)
{
    guint8 rest[ANSWER_MAX];
    gssize n = send_call(fd, VP_REMOTE_CONNECT_CLOSE) ? 1 : 0;

    while (n > 0)
        n = recv(fd, rest, sizeof(rest), 0);
}

static void
judge(VpAdmission *admission, int fd)
{
    guint8 answer[ANSWER_MAX];
    VpHeader header = { 0 };
    gsize n = ask(fd, answer, &header);
    g_autofree char *types = n > 0 ? read_types(answer, n, &header) : NULL;

    if (!types) {
        conclude(admission, VP_ADMISSION_REFUSED, "libvirtd does not say at '%s' whether it lets "
                 "user %u in", admission->path, (unsigned)admission->peer.uid);
    } else if (strcmp(types, "none") == 0) {
        admission->verdict = VP_ADMISSION_GIVEN;
        take_leave(fd);
    } else if (strcmp(types, "polkit") == 0) {
        admission->polkit = true;
    } else {
        conclude(admission, VP_ADMISSION_REFUSED,
                 "libvirtd asks user %u for authentication (%s) at '%s', which virtpassd cannot "
                 "pass on: connect to libvirtd itself, or let the administrator set %s = \"none\" "
                 "in its configuration", (unsigned)admission->peer.uid, types, admission->path,
                 admission->read_only ? "auth_unix_ro" : "auth_unix_rw");
    }
}

static gpointer
run_thread(gpointer data)
{
    g_autoptr(GTask) task = data;
    VpAdmission *admission = g_task_get_task_data(task);
    vp_autofd int fd = -1;

    if (become_peer(admission))
        fd = connect_there(admission);
    else
        conclude(admission, VP_ADMISSION_REFUSED, "virtpassd cannot find out whether libvirtd lets "
                 "user %u in: %s", (unsigned)admission->peer.uid, g_strerror(errno));
    if (fd >= 0)
        judge(admission, fd);
    g_task_return_boolean(task, TRUE);
    return NULL;
}

/* --- polkit --------------------------------------------------------------- */

/* Owned by its work. */
typedef struct Question {
    VpAdmission *admission; /* the loop's thread's only */
    VpPeer peer;
    bool read_only;
    bool allowed;
    GError *error;
} Question;

static void
free_question(gpointer data)
{
    Question *question = data;

    g_clear_error(&question->error);
    g_free(question);
}

static void
ask_polkit(gpointer data)
{
    Question *question = data;

    question->allowed = vp_polkit_allows(&question->peer,
                                         question->read_only ? "org.libvirt.unix.monitor"
                                                             : "org.libvirt.unix.manage",
                                         TIMEOUT_S, &question->error);
}

static void
report(VpAdmission *admission)
{
    if (admission->func)
        admission->func(admission->verdict, admission->reason, admission->data);
}

static void
on_polkit(gpointer data)
{
    const Question *question = data;
    VpAdmission *admission = question->admission;
    g_autoptr(GTask) task G_GNUC_UNUSED = admission->task;

    admission->work = NULL;
    if (question->allowed)
        admission->verdict = VP_ADMISSION_GIVEN;
    else
        conclude(admission, VP_ADMISSION_REFUSED,
                 "libvirtd asks user %u for authentication (polkit) at '%s': %s; virtpassd cannot "
                 "ask him for anything: connect to libvirtd itself, or let the administrator write "
                 "a rule for polkit, or set %s = \"none\" in libvirtd's configuration",
                 (unsigned)admission->peer.uid, admission->path, question->error->message,
                 admission->read_only ? "auth_unix_ro" : "auth_unix_rw");
    report(admission);
}

/* Takes a reference of the task, which owns the admission. */
static void
start_polkit(VpAdmission *admission, GTask *task)
{
    g_autofree char *owner = vp_identity_owner(&admission->peer);
    Question *question = g_new0(Question, 1);

    *question = (Question){ .admission = admission, .peer = admission->peer,
                            .read_only = admission->read_only };
    admission->task = g_object_ref(task);
    admission->work = vp_work_start(admission->workers, owner, ask_polkit, on_polkit, question,
                                    free_question);
}

/* --- turns ---------------------------------------------------------------- */

static void
free_admission(gpointer data)
{
    VpAdmission *admission = data;

    g_free(admission->path);
    g_free(admission->groups);
    g_free(admission->reason);
    g_free(admission);
}

static void start_waiting(void);

static gboolean
on_retry(gpointer data G_GNUC_UNUSED)
{
    vp_loop_cancel(&retry);
    start_waiting();
    return G_SOURCE_REMOVE;
}

/* false: there is no thread to be had now, and the admission keeps its turn. */
static bool
start_thread(VpAdmission *admission)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GThread) thread = NULL;

    if (running == 0)
        dumpable = prctl(PR_GET_DUMPABLE);
    thread = g_thread_try_new("admission", run_thread, admission->task, &error);
    if (!thread) {
        vp_log_error("libvirtd cannot be asked about a client: %s", error->message);
        retry = vp_loop_timer(admission->loop, RETRY_MS, on_retry, NULL);
        return false;
    }
    running++;
    return true;
}

static void
start_waiting(void)
{
    while (!retry && running < VP_ADMISSIONS_RUNNING_MAX && !g_queue_is_empty(&waiting)) {
        VpAdmission *admission = g_queue_peek_head(&waiting);

        if (!start_thread(admission))
            return;
        g_queue_pop_head(&waiting);
    }
}

static void
on_concluded(GObject *source G_GNUC_UNUSED, GAsyncResult *task, gpointer data G_GNUC_UNUSED)
{
    VpAdmission *admission = g_task_get_task_data(G_TASK(task));

    running--;
    start_waiting();
    if (running == 0)
        prctl(PR_SET_DUMPABLE, dumpable);
    if (admission->func && admission->polkit)
        start_polkit(admission, G_TASK(task));
    else
        report(admission);
}

/* --- for the others ------------------------------------------------------- */

bool
vp_admission_matters(const VpDaemon *daemon, const VpPeer *peer)
{
    return peer->uid != 0 && peer->uid != geteuid() && vp_identity_matters(&daemon->config);
}

/* The peer's groups when it connected. Without the kernel's word it has none. */
static void
learn_groups(VpAdmission *admission, int fd)
{
    socklen_t size = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0 || errno != ERANGE)
        return;
    admission->groups = g_malloc0(size);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, admission->groups, &size) == 0)
        admission->n_groups = size / sizeof(gid_t);
}

VpAdmission *
vp_admission_new(VpDaemon *daemon, int fd, const VpPeer *peer, bool read_only, VpAdmissionFunc func,
                 gpointer data)
{
    VpAdmission *admission = g_new0(VpAdmission, 1);

    admission->loop = daemon->loop;
    admission->workers = daemon->file_workers;
    admission->path = vp_upstream_path(&daemon->address, read_only);
    admission->read_only = read_only;
    admission->peer = *peer;
    learn_groups(admission, fd);
    admission->func = func;
    admission->data = data;
    admission->task = g_task_new(NULL, NULL, on_concluded, NULL);
    g_task_set_task_data(admission->task, admission, free_admission);
    g_queue_push_tail(&waiting, admission);
    start_waiting();
    return admission;
}

void
vp_admission_free(VpAdmission *admission)
{
    if (!admission)
        return;
    admission->func = NULL;
    if (admission->work)
        vp_work_cancel(g_steal_pointer(&admission->work));
    else if (!g_queue_remove(&waiting, admission))
        return; /* the thread has it */
    g_object_unref(admission->task);
}
