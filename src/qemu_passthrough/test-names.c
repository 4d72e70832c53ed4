/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names from a name service that answers, is slow, or has none. The C library's is replaced. */

#include "qemu_passthrough/names.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

/* Users, and groups of the same numbers. */
enum {
    KNOWN = 1,
    HANGS,
    LONG,    /* its entry does not fit into what is offered first */
    ENDLESS, /* nor into anything else */
    UNKNOWN,
};

#define LONG_SIZE 5000

static gint released; /* atomic: what hangs may go on */

static int
entry_of(guint id, size_t size)
{
    while (id == HANGS && !g_atomic_int_get(&released))
        g_usleep(1000);
    if (id == ENDLESS || (id == LONG && size < LONG_SIZE))
        return ERANGE;
    return 0;
}

int
getpwuid_r(uid_t uid, struct passwd *entry, char *space, size_t size, struct passwd **ret)
{
    int why = entry_of(uid, size);

    *ret = why == 0 && uid != UNKNOWN ? entry : NULL;
    g_strlcpy(space, "user", size);
    entry->pw_name = space;
    return why;
}

int
getgrgid_r(gid_t gid, struct group *entry, char *space, size_t size, struct group **ret)
{
    int why = entry_of(gid, size);

    *ret = why == 0 && gid != UNKNOWN ? entry : NULL;
    g_strlcpy(space, "group", size);
    entry->gr_name = space;
    return why;
}

/* --- one look ------------------------------------------------------------------ */

typedef struct Answer {
    bool here;
    char *user;
    char *group;
} Answer;

static VpLoop *loop;
static VpWorkers *workers;

static void
on_names(const char *user, const char *group, gpointer data)
{
    Answer *answer = data;

    g_assert_false(answer->here);
    *answer = (Answer){ true, g_strdup(user), g_strdup(group) };
}

static VpNamesLook *
look(guint id, Answer *answer)
{
    const VpPeer peer = { .uid = id, .gid = id };
    g_autofree char *owner = g_strdup_printf("uid %u", id);

    return vp_names_look(loop, workers, owner, &peer, on_names, answer);
}

static void
expect(Answer *answer, const char *user, const char *group)
{
    while (!answer->here)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpstr(answer->user, ==, user);
    g_assert_cmpstr(answer->group, ==, group);
    g_clear_pointer(&answer->user, g_free);
    g_clear_pointer(&answer->group, g_free);
}

static void
start(void)
{
    g_autoptr(GError) error = NULL;

    g_atomic_int_set(&released, FALSE);
    loop = vp_loop_new(NULL, &error);
    workers = vp_workers_new(loop, 2, &error);
    g_assert_no_error(error);
}

static void
finish(void)
{
    g_atomic_int_set(&released, TRUE);
    g_clear_pointer(&workers, vp_workers_free);
    g_clear_pointer(&loop, vp_loop_free);
}

static void
check_one(guint id, const char *user, const char *group)
{
    Answer answer = { false };

    start();
    look(id, &answer);
    g_assert_false(answer.here);
    expect(&answer, user, group);
    finish();
}

static void
check_answers(void)
{
    check_one(KNOWN, "user", "group");
    check_one(LONG, "user", "group");
    check_one(ENDLESS, NULL, NULL);
    check_one(UNKNOWN, NULL, NULL);
}

/* Who hangs is served without a name after a while, others with theirs meanwhile. */
static void
check_hanging(void)
{
    Answer slow[4] = { 0 }, quick = { 0 };

    start();
    for (guint i = 0; i < G_N_ELEMENTS(slow); i++)
        look(HANGS, &slow[i]);
    look(KNOWN, &quick);
    expect(&quick, "user", "group");
    for (guint i = 0; i < G_N_ELEMENTS(slow); i++) {
        g_assert_false(i == 0 && slow[i].here);
        expect(&slow[i], NULL, NULL);
    }
    finish();
}

static void
check_cancel(void)
{
    Answer never = { false }, other = { false };
    VpNamesLook *cancelled = NULL;

    start();
    cancelled = look(HANGS, &never);
    vp_names_cancel(cancelled);
    vp_names_cancel(NULL);
    g_atomic_int_set(&released, TRUE);
    look(KNOWN, &other);
    expect(&other, "user", "group");
    g_assert_false(never.here);
    finish();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/names/answers", check_answers);
    g_test_add_func("/names/hanging", check_hanging);
    g_test_add_func("/names/cancel", check_cancel);
    return g_test_run();
}
