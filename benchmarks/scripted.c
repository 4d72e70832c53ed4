/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * More domains than a machine can run: a libvirtd and its QEMUs, all played by one process.
 *
 *     scripted UPSTREAM-SOCKET SESSION-DIR TEMPLATE N
 *
 * libvirtd's side answers what virtpassd and an idle client ask: authentication, features, OPEN,
 * registrations, the list of N running domains, and each one's XML, which is the file TEMPLATE with
 * @NAME@ and @UUID@ replaced. QEMU's side is N listening sockets, each a monitor that greets and
 * negotiates, at SESSION-DIR/virtpass-libvirt-UUID. That we are the domains' process is noted as
 * libvirt does it, in qemu/run beside UPSTREAM-SOCKET.
 *
 * What it is for is to see from outside when all sessions are ready: whenever the last of the N has
 * got its answer to qmp_capabilities it prints "ready" and the time (CLOCK_MONOTONIC, nanoseconds),
 * and "idle" when all are gone. "listening" comes first. It runs until it is killed.
 */

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/socket.h"
#include "json/members.h"
#include "rpc/payload.h"
#include "rpc/rpc_error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Asked by clients and only forwarded by virtpassd, hence not in its protocol file. */
#define REMOTE_CONNECT_SUPPORTS_FEATURE 60

/* Longer than any line that virtpassd sends by itself. */
#define LINE_LENGTH_MAX 65536

typedef struct Scripted Scripted;

/* A domain's QEMU: its monitor, which serves one client. */
typedef struct Monitor {
    Scripted *scripted;
    char uuid[VP_UUID_TEXT_SIZE];
    VpWatch listener;
    VpWatch client;
    GString *line;     /* what has come of the next command */
    bool ready;        /* its client has negotiated */
} Monitor;

struct Scripted {
    VpLoop *loop;
    VpWatch listener;
    char *template;
    guint n;           /* domains */
    vp_domain *domains;
    Monitor *monitors;
    guint ready;       /* monitors that are */
};

static void
print_line(const char *format, ...) G_GNUC_PRINTF(1, 2);

static void
print_line(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

/* --- QEMU's side ---------------------------------------------------------- */

static void
set_ready(Monitor *monitor, bool ready)
{
    Scripted *scripted = monitor->scripted;
    struct timespec time = { 0 };

    if (monitor->ready == ready)
        return;
    monitor->ready = ready;
    scripted->ready += ready ? 1 : -1;
    if (scripted->ready == 0)
        print_line("idle");
    if (scripted->ready < scripted->n)
        return;
    clock_gettime(CLOCK_MONOTONIC, &time);
    print_line("ready %lld%09ld", (long long)time.tv_sec, time.tv_nsec);
}

static void
hang_up(Monitor *monitor)
{
    int fd = monitor->client.fd;

    vp_watch_remove(&monitor->client);
    vp_clear_fd(&fd);
    g_string_truncate(monitor->line, 0);
    set_ready(monitor, false);
}

/* The few lines of a handshake always find room in the socket. */
static void
say(Monitor *monitor, const char *text)
{
    if (send(monitor->client.fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        vp_log_warning("monitor of %s: %s", monitor->uuid, g_strerror(errno));
}

static void
answer_command(Monitor *monitor, const char *line, gsize size)
{
    VpJsonSlice whole = { line, size };
    VpJsonSlice id = vp_json_member(whole, "id");
    g_autoptr(GString) text = g_string_new("{\"return\": {}");

    if (id.text)
        g_string_append_printf(text, ", \"id\": %.*s", (int)id.size, id.text);
    g_string_append(text, "}\r\n");
    say(monitor, text->str);
    if (vp_json_string_is(vp_json_member(whole, "execute"), "qmp_capabilities"))
        set_ready(monitor, true);
}

static void
on_monitor_ready(VpWatch *watch, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    Monitor *monitor = data;
    char bytes[4096];
    gssize n = recv(watch->fd, bytes, sizeof(bytes), 0);
    const char *end = NULL;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || monitor->line->len > LINE_LENGTH_MAX) {
        hang_up(monitor);
        return;
    }
    g_string_append_len(monitor->line, bytes, n);
    while ((end = memchr(monitor->line->str, '\n', monitor->line->len))) {
        gsize size = end - monitor->line->str;

        answer_command(monitor, monitor->line->str, size);
        g_string_erase(monitor->line, 0, size + 1);
    }
}

/* QEMU would let a second client wait; virtpassd makes one only when the first is gone. */
static void
on_monitor_client(VpWatch *watch, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    static const char greeting[] =
        "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
        "\"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n";
    Monitor *monitor = data;
    vp_autofd int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (monitor->client.loop)
        hang_up(monitor);
    if (!vp_watch_add(&monitor->client, monitor->scripted->loop, fd, EPOLLIN, on_monitor_ready,
                      monitor, NULL))
        return;
    vp_steal_fd(&fd);
    say(monitor, greeting);
}

/* Listens at @path and hears about clients. */
static bool
listen_at(VpLoop *loop, VpWatch *watch, const char *path, VpWatchFunc func, gpointer data,
          GError **error)
{
    vp_autofd int fd = vp_socket_listen(path, 0600, -1, error);

    if (fd < 0 || !vp_watch_add(watch, loop, fd, EPOLLIN, func, data, error))
        return false;
    vp_steal_fd(&fd);
    return true;
}

/* Number and lock stay as long as we do. */
static bool
note_process(const char *state_dir, const char *name, GError **error)
{
    g_autofree char *path = g_strdup_printf("%s/%s.pid", state_dir, name);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd >= 0 && dprintf(fd, "%d\n", (int)getpid()) > 0 && fcntl(fd, F_SETLK, &lock) == 0)
        return true;
    vp_error_set_errno(error, errno, "%s", path);
    return false;
}

static bool
add_domain(Scripted *scripted, guint number, const char *session_dir, const char *state_dir,
           GError **error)
{
    Monitor *monitor = &scripted->monitors[number];
    vp_domain *domain = &scripted->domains[number];
    g_autofree char *path = NULL;

    monitor->scripted = scripted;
    monitor->line = g_string_new(NULL);
    g_snprintf(monitor->uuid, sizeof(monitor->uuid), "5c21b7ed-0000-4000-8000-%012x", number);
    vp_uuid_parse(monitor->uuid, (guint8 *)domain->uuid);
    domain->name = g_strdup_printf("scripted-%u", number);
    domain->id = number + 1;
    path = g_strdup_printf("%s/virtpass-libvirt-%s", session_dir, monitor->uuid);
    return note_process(state_dir, domain->name, error) &&
           listen_at(scripted->loop, &monitor->listener, path, on_monitor_client, monitor, error);
}

/* --- libvirtd's side ------------------------------------------------------ */

static void
reply(VpLink *link, const VpFrame *call, void *func, void *object)
{
    VpHeader header = vp_rpc_reply_header(&call->header, VP_STATUS_OK);
    g_autoptr(GByteArray) frame = vp_xdr_frame(&header, func, object);

    vp_link_send(link, frame->data, frame->len);
}

static void
answer_with_nothing(Scripted *scripted G_GNUC_UNUSED, VpLink *link, const VpFrame *call)
{
    reply(link, call, NULL, NULL);
}

/* Of features: they are there. Of a registration: its number, which nobody uses. */
static void
answer_with_one(Scripted *scripted G_GNUC_UNUSED, VpLink *link, const VpFrame *call)
{
    int one = 1;

    reply(link, call, xdr_int, &one);
}

/* A list of one: no authentication is needed (0). */
static void
answer_auth_list(Scripted *scripted G_GNUC_UNUSED, VpLink *link, const VpFrame *call)
{
    guint64 list = G_GUINT64_CONSTANT(1) << 32;

    reply(link, call, xdr_uint64_t, &list);
}

static void
answer_list(Scripted *scripted, VpLink *link, const VpFrame *call)
{
    vp_list_domains_ret ret = { .ret = scripted->n };

    ret.domains.domains_len = scripted->n;
    ret.domains.domains_val = scripted->domains;
    reply(link, call, xdr_vp_list_domains_ret, &ret);
}

static const vp_domain *
find_domain(const Scripted *scripted, const char *uuid)
{
    for (guint i = 0; i < scripted->n; i++) {
        if (memcmp(scripted->domains[i].uuid, uuid, sizeof(vp_uuid)) == 0)
            return &scripted->domains[i];
    }
    return NULL;
}

static void
answer_xml(Scripted *scripted, VpLink *link, const VpFrame *call)
{
    vp_get_xml_args args = { 0 };
    const vp_domain *domain = NULL;
    g_autoptr(GString) xml = g_string_new(scripted->template);
    char uuid[VP_UUID_TEXT_SIZE] = "";

    if (vp_xdr_decode(call->payload, call->payload_size, xdr_vp_get_xml_args, &args)) {
        domain = find_domain(scripted, args.dom.uuid);
        vp_xdr_clear(xdr_vp_get_xml_args, &args);
    }
    if (!domain) {
        vp_rpc_send_error(link, &call->header, VP_RPC_INVALID_ARG, VP_RPC_FROM_QEMU,
                          "no such domain");
        return;
    }
    vp_uuid_format((const guint8 *)domain->uuid, uuid);
    g_string_replace(xml, "@NAME@", domain->name, 0);
    g_string_replace(xml, "@UUID@", uuid, 0);
    reply(link, call, xdr_vp_get_xml_ret, &(vp_get_xml_ret){ .xml = xml->str });
}

static const struct {
    gint32 procedure;
    void (*answer)(Scripted *scripted, VpLink *link, const VpFrame *call);
} procedures[] = {
    { VP_REMOTE_AUTH_LIST, answer_auth_list },
    { REMOTE_CONNECT_SUPPORTS_FEATURE, answer_with_one },
    { VP_REMOTE_CONNECT_OPEN, answer_with_nothing },
    { VP_REMOTE_CONNECT_SET_IDENTITY, answer_with_nothing },
    { VP_REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, answer_with_one },
    { VP_REMOTE_CONNECT_LIST_ALL_DOMAINS, answer_list },
    { VP_REMOTE_DOMAIN_GET_XML_DESC, answer_xml },
};

static VpLinkNext
on_call(VpLink *link, const VpFrame *frame, gpointer data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(procedures); i++) {
        if (frame->header.program != VP_REMOTE_PROGRAM ||
            frame->header.procedure != procedures[i].procedure)
            continue;
        procedures[i].answer(data, link, frame);
        return VP_LINK_TAKEN;
    }
    vp_rpc_send_error(link, &frame->header, VP_RPC_RPC, VP_RPC_FROM_RPC, "unknown procedure: %d",
                      frame->header.procedure);
    return VP_LINK_TAKEN;
}

static void
on_drained(VpLink *link G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
}

static void
on_ended(VpLink *link, gpointer data G_GNUC_UNUSED)
{
    vp_link_free(link);
}

static void
on_failed(VpLink *link, const char *reason G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
    vp_link_free(link);
}

static const VpLinkOps link_ops = {
    .frame = on_call, .drained = on_drained, .ended = on_ended, .failed = on_failed,
};

static void
on_client(VpWatch *watch, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    Scripted *scripted = data;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    VpLink *link = NULL;

    if (fd >= 0)
        link = vp_link_new(scripted->loop, fd, VP_INBOX_FROM_CLIENT, &link_ops, scripted, NULL);
    if (link)
        vp_link_resume(link);
}

/* --- both ----------------------------------------------------------------- */

static bool
start(Scripted *scripted, char **argv, GError **error)
{
    g_autofree char *upstream_dir = g_path_get_dirname(argv[1]);
    g_autofree char *state_dir = g_build_filename(upstream_dir, "qemu/run", NULL);
    guint64 n = 0;

    g_mkdir_with_parents(state_dir, 0700);
    if (!g_ascii_string_to_unsigned(argv[4], 10, 0, VP_DOMAINS_MAX, &n, error) ||
        !g_file_get_contents(argv[3], &scripted->template, NULL, error))
        return false;
    scripted->loop = vp_loop_new(NULL, error);
    if (!scripted->loop)
        return false;
    scripted->n = n;
    scripted->domains = g_new0(vp_domain, n);
    scripted->monitors = g_new0(Monitor, n);
    for (guint i = 0; i < n; i++) {
        if (!add_domain(scripted, i, argv[2], state_dir, error))
            return false;
    }
    return listen_at(scripted->loop, &scripted->listener, argv[1], on_client, scripted, error);
}

int
main(int argc, char **argv)
{
    Scripted scripted = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(GMainLoop) main_loop = g_main_loop_new(NULL, FALSE);

    if (argc != 5) {
        fprintf(stderr, "usage: %s UPSTREAM-SOCKET SESSION-DIR TEMPLATE N\n", argv[0]);
        return 2;
    }
    vp_raise_fd_limit();
    if (!start(&scripted, argv, &error)) {
        vp_log_error("%s", error->message);
        return EXIT_FAILURE;
    }
    print_line("listening");
    g_main_loop_run(main_loop);
    return EXIT_SUCCESS;
}
