/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Names of users and groups.
 *
 * They may be on a server that does not answer, and the C library waits for it as long as it likes.
 * So a thread asks. Nothing depends on a name: libvirtd judges by number, and shows the name to
 * people. So nobody waits for one longer than a second, and a client whose names do not come is
 * served without. A thread that waits on is charged to the peer's user, who has no more than his
 * share of them.
 */

#include "qemu_passthrough/names.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

/* Local names come within a millisecond, those of a server that is there within some ten. */
#define WAIT_MS 1000

/* What the C library puts an entry into. A group's members are in it: some have thousands. */
#define ENTRY_MIN 1024u
#define ENTRY_MAX (1024u * 1024)

struct VpNamesLook {
    VpWork *work;   /* NULL: over */
    GSource *timer;
    VpNamesFunc func;
    gpointer data;
};

/* The thread's, until it has returned. */
typedef struct Job {
    VpNamesLook *look; /* the loop's thread's only */
    uid_t uid;
    gid_t gid;
    char *user;
    char *group;
} Job;

static void
job_free(gpointer data)
{
    Job *job = data;

    g_free(job->user);
    g_free(job->group);
    g_free(job);
}

static char *
user_name(uid_t uid)
{
    for (gsize size = ENTRY_MIN; size <= ENTRY_MAX; size *= 2) {
        g_autofree char *space = g_malloc(size);
        struct passwd entry = { 0 }, *found = NULL;
        int why = getpwuid_r(uid, &entry, space, size, &found);

        if (why != ERANGE)
            return why == 0 && found ? g_strdup(found->pw_name) : NULL;
    }
    return NULL;
}

static char *
group_name(gid_t gid)
{
    for (gsize size = ENTRY_MIN; size <= ENTRY_MAX; size *= 2) {
        g_autofree char *space = g_malloc(size);
        struct group entry = { 0 }, *found = NULL;
        int why = getgrgid_r(gid, &entry, space, size, &found);

        if (why != ERANGE)
            return why == 0 && found ? g_strdup(found->gr_name) : NULL;
    }
    return NULL;
}

static void
run(gpointer data)
{
    Job *job = data;

    job->user = user_name(job->uid);
    job->group = group_name(job->gid);
}

static void
finish(VpNamesLook *look, const char *user, const char *group)
{
    VpNamesFunc func = look->func;
    gpointer data = look->data;

    vp_names_cancel(look);
    func(user, group, data);
}

static void
on_found(gpointer data)
{
    const Job *job = data;

    job->look->work = NULL;
    finish(job->look, job->user, job->group);
}

static gboolean
on_timer(gpointer data)
{
    finish(data, NULL, NULL);
    return G_SOURCE_REMOVE;
}

VpNamesLook *
vp_names_look(VpLoop *loop, VpWorkers *workers, const char *owner, const VpPeer *peer,
              VpNamesFunc func, gpointer data)
{
    VpNamesLook *look = g_new0(VpNamesLook, 1);
    Job *job = g_new0(Job, 1);

    *job = (Job){ .look = look, .uid = peer->uid, .gid = peer->gid };
    look->func = func;
    look->data = data;
    look->timer = vp_loop_timer(loop, WAIT_MS, on_timer, look);
    look->work = vp_work_start(workers, owner, run, on_found, job, job_free);
    return look;
}

void
vp_names_cancel(VpNamesLook *look)
{
    if (!look)
        return;
    vp_work_cancel(look->work);
    vp_loop_cancel(&look->timer);
    g_free(look);
}
