/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The door to each domain's monitor.
 *
 * A socket exists as long as there is something behind it: it is made when the domain's dedicated
 * session becomes ready and removed when that ends, and its clients' connections end with it. So
 * who can connect is served.
 *
 * Who may: whoever can reach the socket, for its mode and group are those of our libvirt socket; of
 * these, everybody but root and our own user is judged by libvirtd first, and again as long as they
 * are connected (qmp_rights.c). While there is no verdict that is new enough they are paused, and
 * when they may not any more they are told so and their connection is closed.
 *
 * Each of those takes one of its user's places (places.c), of which there are so many for all
 * domains together; who has none left is told so.
 *
 * Nothing is locked here. Where the listener holds the lock of its directory (listener.c), what is
 * found in it is stale; under socket activation the service manager sees to it that we are one.
 */

#include "qemu_passthrough/qmp_sockets.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/socket.h"
#include "json/text.h"
#include "json/write.h"
#include "qemu_passthrough/admission.h"
#include "qemu_passthrough/places.h"
#include "qemu_passthrough/qmp_rights.h"
#include "qmp_server/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Until it is tried again to accept a client, after that was not possible. */
#define REST_MS 1000

/* What a socket is called while it is being made. */
#define NEW_NAME ".new"

/* Of a link; a longer name is no file name. */
#define LINK_NAME_MAX 255

struct VpQmpSockets {
    VpDaemon *daemon;
    char *directory;
    char *like;          /* path of the socket whose mode and group are taken over */
    GHashTable *doors;   /* VpDomain -> Door, owned */
};

/* The socket of one domain. */
typedef struct Door {
    VpQmpSockets *sockets;
    VpDomain *domain;    /* a reference */
    char *path;
    char *link;          /* path; NULL: none */
    int fd;
    VpWatch watch;
    GSource *rest;       /* nobody is accepted until then */
    VpQmpServer *server;
    GPtrArray *untrusted; /* of Untrusted, owned */
    guint n_pending;      /* of these, clients without a first verdict */
} Door;

/* A client that libvirtd is asked about. */
typedef struct Untrusted {
    Door *door;
    VpPlace *place;      /* of the user's */
    VpQmpRights *rights;
    int fd;              /* the connection, until it is the client's */
    VpQmpClient *client; /* of door->server; NULL until it is let in */
    uid_t uid;
} Untrusted;

/* --- the session's users -------------------------------------------------- */

static gpointer
user_new(gpointer data)
{
    Door *door = data;

    return vp_added_user_new(door->domain->added);
}

static void
user_free(gpointer user)
{
    vp_added_user_free(user);
}

static VpQmpVerdict
user_send(gpointer user, const char *json, gsize size, const int *fds, guint n_fds,
          VpQmpReplyFunc func, gpointer func_data, char **ret_message)
{
    return vp_added_send(user, json, size, fds, n_fds, func, func_data, ret_message);
}

static VpQmpVerdict
user_send_raw(gpointer user, const char *bytes, gsize size, VpQmpReplyFunc func,
              gpointer func_data)
{
    return vp_added_send_raw(user, bytes, size, func, func_data);
}

static void open_or_close(Door *door);

static void
on_left(VpQmpServer *server G_GNUC_UNUSED, gpointer owner, gpointer data)
{
    Door *door = data;

    if (owner)
        g_ptr_array_remove_fast(door->untrusted, owner);
    open_or_close(door);
}

static const VpQmpServerOps server_ops = {
    .user_new = user_new, .user_free = user_free, .send = user_send, .send_raw = user_send_raw,
    .left = on_left,
};

/* --- who comes ------------------------------------------------------------ */

/* Accepts as long as there is a place. */
static void
open_or_close(Door *door)
{
    bool open = !door->rest && !vp_qmp_server_is_full(door->server) &&
                door->n_pending < VP_QMP_VISITORS_MAX &&
                door->untrusted->len < VP_QMP_UNTRUSTED_MAX;

    vp_watch_set(&door->watch, open ? EPOLLIN : 0);
}

static void
untrusted_free(gpointer data)
{
    Untrusted *untrusted = data;

    vp_qmp_rights_free(untrusted->rights);
    vp_place_free(untrusted->place);
    vp_clear_fd(&untrusted->fd);
    g_free(untrusted);
}

static void
let_in(Untrusted *untrusted)
{
    Door *door = untrusted->door;

    door->n_pending--;
    untrusted->client = vp_qmp_server_add(door->server, vp_steal_fd(&untrusted->fd), untrusted);
    if (!untrusted->client)
        g_ptr_array_remove_fast(door->untrusted, untrusted);
}

static GString *
print_denial(const char *reason)
{
    g_autofree char *desc = g_strconcat("access denied: ", reason, NULL);
    GString *text = g_string_new("{\"error\": {\"class\": \"GenericError\", \"desc\": ");

    vp_json_append_quoted(text, desc);
    g_string_append(text, "}}");
    return text;
}

/* To who is no client yet, as far as the socket takes it. */
static void
say_denial(int fd, const char *text)
{
    g_autofree char *line = g_strconcat(text, "\r\n", NULL);

    if (send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        vp_log_debug("a QMP client that was not let in is gone already");
}

static void
turn_away(Untrusted *untrusted)
{
    Door *door = untrusted->door;
    const char *reason = vp_qmp_rights_reason(untrusted->rights);
    g_autoptr(GString) text = print_denial(reason);

    vp_log_info("domain '%s': user %u is %s at its QMP socket: %s", door->domain->name,
                (unsigned)untrusted->uid, untrusted->client ? "no longer served" : "not let in",
                reason);
    if (untrusted->client)
        vp_qmp_client_end(untrusted->client, text->str);
    else
        say_denial(untrusted->fd, text->str);
    door->n_pending -= !untrusted->client;
    g_ptr_array_remove_fast(door->untrusted, untrusted);
}

static void
on_right(VpQmpRights *rights G_GNUC_UNUSED, VpQmpRight right, gpointer data)
{
    Untrusted *untrusted = data;
    Door *door = untrusted->door;

    if (right == VP_QMP_RIGHT_DENIED)
        turn_away(untrusted);
    else if (!untrusted->client)
        let_in(untrusted); /* there was no verdict before, so this one allows it */
    else if (right == VP_QMP_RIGHT_UNKNOWN)
        vp_qmp_client_pause(untrusted->client);
    else
        vp_qmp_client_resume(untrusted->client);
    open_or_close(door);
}

/* Its user has as many connections as are his, over all domains and sockets. */
static void
refuse(int fd)
{
    g_autoptr(GString) text = print_denial("you have as many connections as one user may have");

    say_denial(fd, text->str);
}

/* Takes over @fd. */
static void
receive(Door *door, int fd)
{
    VpDaemon *daemon = door->sockets->daemon;
    g_autoptr(GError) error = NULL;
    vp_autofd int owned = fd;
    VpPeer peer = { 0 };
    VpPlace *place = NULL;
    Untrusted *untrusted = NULL;

    if (!vp_socket_peer(fd, &peer, &error)) {
        vp_log_error("domain '%s': a QMP client cannot be served: %s", door->domain->name,
                     error->message);
        return;
    }
    if (!vp_admission_matters(daemon, &peer)) {
        vp_qmp_server_add(door->server, vp_steal_fd(&owned), NULL);
        return;
    }
    place = vp_places_take_qmp(daemon->places, fd);
    if (!place) {
        refuse(fd);
        return;
    }
    untrusted = g_new0(Untrusted, 1);
    untrusted->place = place;
    untrusted->door = door;
    untrusted->fd = vp_steal_fd(&owned);
    untrusted->uid = peer.uid;
    untrusted->rights = vp_qmp_rights_new(daemon, door->domain, untrusted->fd, &peer, on_right,
                                          untrusted);
    g_ptr_array_add(door->untrusted, untrusted);
    door->n_pending++;
}

static gboolean
on_rested(gpointer data)
{
    Door *door = data;

    vp_loop_cancel(&door->rest);
    open_or_close(door);
    return G_SOURCE_REMOVE;
}

static void
on_connection(VpWatch *watch, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    Door *door = data;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) {
        receive(door, fd);
    } else if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
        vp_log_error("domain '%s': cannot accept QMP clients: %s", door->domain->name,
                     g_strerror(errno));
        door->rest = vp_loop_timer(door->sockets->daemon->loop, REST_MS, on_rested, door);
    }
    open_or_close(door);
}

/* --- names ---------------------------------------------------------------- */

char *
vp_qmp_sockets_link_name(const char *name)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (const char *at = name; *at; at++) {
        bool plain = (guint8)*at > ' ' && *at != 0x7f && *at != '/' && *at != '%' &&
                     !(*at == '.' && at == name);

        if (plain)
            g_string_append_c(out, *at);
        else
            g_string_append_printf(out, "%%%02X", (guint8)*at);
    }
    if (out->len == 0 || out->len > LINK_NAME_MAX || g_uuid_string_is_valid(out->str))
        return NULL;
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static bool
is_link(const char *path)
{
    struct stat st = { 0 };

    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* A link is a convenience: without it the socket serves as well. */
static void
make_link(Door *door)
{
    g_autofree char *name = vp_qmp_sockets_link_name(door->domain->name);

    if (!name)
        return;
    door->link = g_build_filename(door->sockets->directory, name, NULL);
    if (is_link(door->link))
        unlink(door->link);
    if (symlink(door->domain->uuid_text, door->link) == 0)
        return;
    vp_log_warning("domain '%s': no link '%s' to its QMP socket: %s", door->domain->name,
                   door->link, g_strerror(errno));
    g_clear_pointer(&door->link, g_free);
}

/* The link may have become another domain's that has the name now. */
static void
remove_link(const Door *door)
{
    g_autofree char *target = door->link ? g_file_read_link(door->link, NULL) : NULL;

    if (target && strcmp(target, door->domain->uuid_text) == 0)
        unlink(door->link);
}

/* --- doors ---------------------------------------------------------------- */

static void
door_free(gpointer data)
{
    Door *door = data;

    vp_watch_remove(&door->watch);
    vp_loop_cancel(&door->rest);
    if (door->fd >= 0) {
        unlink(door->path);
        remove_link(door);
    }
    vp_clear_fd(&door->fd);
    vp_qmp_server_free(door->server);
    g_ptr_array_unref(door->untrusted);
    vp_domain_unref(door->domain);
    g_free(door->path);
    g_free(door->link);
    g_free(door);
}

/* Under another name until it is complete, so that who sees a socket can connect to it. */
static bool
listen_at(Door *door, GError **error)
{
    VpQmpSockets *sockets = door->sockets;
    g_autofree char *path = g_build_filename(sockets->directory, NEW_NAME, NULL);
    struct stat like = { 0 };

    if (stat(sockets->like, &like) < 0) {
        vp_error_set_errno(error, errno, "cannot tell who may connect: '%s'", sockets->like);
        return false;
    }
    if (g_mkdir_with_parents(sockets->directory, 0755) < 0) {
        vp_error_set_errno(error, errno, "cannot make directory '%s'", sockets->directory);
        return false;
    }
    unlink(path); /* of one that was killed in between */
    door->fd = vp_socket_listen(path, like.st_mode & 0777, like.st_gid, error);
    if (door->fd < 0 || !vp_watch_add(&door->watch, sockets->daemon->loop, door->fd, EPOLLIN,
                                      on_connection, door, error))
        return false;
    if (rename(path, door->path) < 0) {
        vp_error_set_errno(error, errno, "cannot make socket '%s'", door->path);
        return false;
    }
    return true;
}

void
vp_qmp_sockets_ready(VpQmpSockets *sockets, VpDomain *domain)
{
    VpQmpSession *session = domain->session;
    g_autoptr(GError) error = NULL;
    Door *door = NULL;

    vp_qmp_sockets_ended(sockets, domain);
    if (!sockets->daemon->config.qmp_sockets)
        return;
    door = g_new0(Door, 1);
    door->sockets = sockets;
    door->domain = vp_domain_ref(domain);
    door->fd = -1;
    door->watch = (VpWatch)VP_WATCH_INIT;
    door->path = g_build_filename(sockets->directory, domain->uuid_text, NULL);
    door->untrusted = g_ptr_array_new_with_free_func(untrusted_free);
    door->server = vp_qmp_server_new(sockets->daemon->loop, domain->name,
                                     vp_qmp_session_greeting(session),
                                     vp_qmp_session_has_oob(session), &server_ops, door);
    if (!listen_at(door, &error)) {
        vp_log_warning("domain '%s' has no QMP socket: %s", domain->name, error->message);
        door_free(door);
        return;
    }
    make_link(door);
    g_hash_table_insert(sockets->doors, domain, door);
}

void
vp_qmp_sockets_ended(VpQmpSockets *sockets, VpDomain *domain)
{
    g_hash_table_remove(sockets->doors, domain);
}

/* An event that is not QEMU's has no text yet. */
static char *
write_event(const VpQmpEvent *event)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();

    vp_json_begin_object(&writer, NULL);
    vp_json_begin_object(&writer, "timestamp");
    vp_json_add_int(&writer, "seconds", event->seconds);
    vp_json_add_int(&writer, "microseconds", event->microseconds);
    vp_json_end(&writer);
    vp_json_add_string(&writer, "event", event->name);
    if (event->data)
        vp_json_add_raw(&writer, "data", event->data, event->data_size);
    vp_json_end(&writer);
    return vp_json_writer_steal(&writer);
}

void
vp_qmp_sockets_event(VpQmpSockets *sockets, VpDomain *domain, const VpQmpEvent *event)
{
    Door *door = g_hash_table_lookup(sockets->doors, domain);
    g_autofree char *text = NULL;

    if (!door)
        return;
    if (event->message) {
        vp_qmp_server_event(door->server, event->message, event->message_size);
        return;
    }
    text = write_event(event);
    vp_qmp_server_event(door->server, text, strlen(text));
}

/* --- all of them ---------------------------------------------------------- */

/* Sockets and links that nobody serves any more. */
static void
remove_stale(const char *directory)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name = NULL;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(directory, name, NULL);

        if (g_uuid_string_is_valid(name) || strcmp(name, NEW_NAME) == 0 || is_link(path))
            unlink(path);
    }
}

VpQmpSockets *
vp_qmp_sockets_new(VpDaemon *daemon, const char *like)
{
    VpQmpSockets *sockets = g_new0(VpQmpSockets, 1);

    sockets->daemon = daemon;
    sockets->directory = g_build_filename(daemon->config.listen_dir, "qmp", NULL);
    sockets->like = g_strdup(like);
    sockets->doors = g_hash_table_new_full(NULL, NULL, NULL, door_free);
    remove_stale(sockets->directory);
    return sockets;
}

void
vp_qmp_sockets_free(VpQmpSockets *sockets)
{
    if (!sockets)
        return;
    g_hash_table_unref(sockets->doors);
    rmdir(sockets->directory); /* unless something else is in it */
    g_free(sockets->directory);
    g_free(sockets->like);
    g_free(sockets);
}
