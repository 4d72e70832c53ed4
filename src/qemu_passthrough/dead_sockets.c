/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A QEMU that ends removes its sockets; one that crashes or is killed leaves them, and when its
 * domain is not started again, or is undefined, they stay for good.
 *
 * A socket is dead if nobody listens at it: the kernel says so to whoever connects. A QEMU listens
 * as long as it lives, also while it serves somebody. It binds its socket a moment before it
 * listens, so that a young one is left alone. Whose domain it is makes no difference.
 *
 * The directory may be written by the user as whom all QEMUs run. What has been looked at is what
 * has been connected to, through a descriptor of the file itself, and what is removed is a name in
 * that directory which only sessions have. Links are not followed.
 */

#include "qemu_passthrough/dead_sockets.h"

#include "base/backlog.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/socket.h"
#include "xml/session_words.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* From bind() to listen() QEMU takes microseconds; the machine may be very busy. */
#define YOUNG_S 60

/* After the start, when running guests come first, and from then on. */
#define FIRST_MS 5000
#define PAUSE_MS (10 * 60 * 1000)

struct VpDeadSockets {
    VpLoop *loop;
    VpWorkers *workers;
    const VpConfig *config;
    GSource *timer;
    VpWork *work;
};

static bool
has_session_name(const char *name)
{
    g_autofree char *path = g_strconcat("/", name, NULL);

    return vp_xml_is_session_path(path);
}

/* Whether nobody listens at the socket @name any more. A connection stays in the queue of a QEMU
 * that serves somebody else, also when it has been closed, and the queue has room for two; so where
 * the kernel knows who listens nobody connects. */
static bool
is_dead(const char *directory, int fd, const char *name, gint64 now)
{
    vp_autofd int place = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    vp_autofd int connection = -1;
    g_autofree char *bound = g_build_filename(directory, name, NULL);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", place);
    struct stat found = { 0 };
    guint others = 0;
    guint32 ino = 0;
    int errnum = 0;

    if (place < 0 || fstat(place, &found) < 0 || !S_ISSOCK(found.st_mode)
        || now - found.st_mtim.tv_sec < YOUNG_S)
        return false;
    if (vp_backlog_others(&found, bound, place, &others, &ino, NULL))
        return false;
    connection = vp_socket_connect(path, &errnum, NULL);
    return connection < 0 && errnum == ECONNREFUSED;
}

guint
vp_dead_sockets_sweep(const char *directory, gint64 now)
{
    DIR *dir = opendir(directory);
    const struct dirent *entry = NULL;
    guint looked_at = 0, removed = 0;

    while (dir && looked_at < VP_DEAD_SOCKETS_MAX && (entry = readdir(dir))) {
        if (!has_session_name(entry->d_name))
            continue;
        looked_at++;
        if (is_dead(directory, dirfd(dir), entry->d_name, now)
            && unlinkat(dirfd(dir), entry->d_name, 0) == 0)
            removed++;
    }
    if (dir)
        closedir(dir);
    return removed;
}

/* --- now and then ----------------------------------------------------------------- */

typedef struct Round {
    VpDeadSockets *sockets;
    char *directory;
    guint removed;
} Round;

static gboolean on_time(gpointer data);

static void
free_round(gpointer data)
{
    Round *round = data;

    g_free(round->directory);
    g_free(round);
}

static void
run_round(gpointer data)
{
    Round *round = data;

    round->removed = vp_dead_sockets_sweep(round->directory,
                                           g_get_real_time() / G_USEC_PER_SEC);
}

static void
on_round_done(gpointer data)
{
    Round *round = data;
    VpDeadSockets *sockets = round->sockets;

    sockets->work = NULL;
    if (round->removed > 0)
        vp_log_info("%u sockets of guests that have crashed removed from '%s'", round->removed,
                    round->directory);
    sockets->timer = vp_loop_timer(sockets->loop, PAUSE_MS, on_time, sockets);
}

static gboolean
on_time(gpointer data)
{
    VpDeadSockets *sockets = data;
    Round *round = g_new0(Round, 1);

    vp_loop_cancel(&sockets->timer);
    *round = (Round){ .sockets = sockets,
                      .directory = g_strdup(sockets->config->session_dir) };
    sockets->work = vp_work_start(sockets->workers, "sockets", run_round, on_round_done, round,
                                  free_round);
    return G_SOURCE_REMOVE;
}

VpDeadSockets *
vp_dead_sockets_new(VpLoop *loop, VpWorkers *workers, const VpConfig *config)
{
    VpDeadSockets *sockets = g_new0(VpDeadSockets, 1);

    *sockets = (VpDeadSockets){ .loop = loop, .workers = workers, .config = config };
    sockets->timer = vp_loop_timer(loop, FIRST_MS, on_time, sockets);
    return sockets;
}

void
vp_dead_sockets_free(VpDeadSockets *sockets)
{
    if (!sockets)
        return;
    vp_loop_cancel(&sockets->timer);
    vp_work_cancel(sockets->work);
    g_free(sockets);
}
