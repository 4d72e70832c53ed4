/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The shim's links, made and removed below one directory.
 *
 * The names come from clients' documents and the one who makes them is root, so no name is ever
 * resolved by the kernel as a path: each part is opened in the directory that was opened before it,
 * where it has to be a directory, no link to one, that belongs to us and that nobody else can write
 * to. Such a directory has in it only what we or an administrator put there. What we remove besides
 * is a symbolic link of our own uid to a shim; anything else at its place is an error.
 *
 * A link has to be there before libvirtd reads the definition, and may have been made for nothing,
 * for libvirtd may refuse it, or we may be killed before it answers. So until it has been settled a
 * link has 1970 as the time of its last change: no state but the link itself, and libvirt looks at
 * the file at its end. Two definitions that wait for libvirtd at a time share one link, which goes
 * when the last of them has been refused.
 *
 * Several processes may have one tree. Who has unsettled links holds a shared lock on its
 * directory, who sweeps an exclusive one; the kernel gives them back for whoever dies.
 *
 * A settled link stays as long as its emulator: a file of "virsh save", a snapshot or a backup of
 * /etc/libvirt may name it, of which nobody has a list. Their number is bounded instead.
 */

#include "plan/shim_tree.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"
#include "plan/shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A link that replaces another is made under this name. */
#define TEMPORARY VP_SHIM_NAME ".new"

#define MODE 0755

struct VpShimTree {
    gint refs;              /* atomic */
    const char *name;       /* of its directory */
    char *package;          /* may be NULL */
    char *own;
    char *program;
    GMutex mutex;           /* held while links are made, settled or removed */
    GHashTable *unsettled;  /* emulator -> VpShimLink */
    int lock;               /* on our tree; open while something is unsettled */
};

struct VpShimLink {
    VpShimTree *tree;
    char *emulator;         /* NULL: the link is not in our tree */
    guint uses;
    bool made;              /* by us, and nobody has accepted it yet */
};

/* --- directories ---------------------------------------------------------------- */

/* A directory in @dir; no link. Kernels before 5.6 and some sandboxes have no openat2(); @name has
 * no slash, so that the other call cannot lead out of @dir either. */
static int
open_part(int dir, const char *name)
{
    struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    int fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));

    return fd >= 0 || (errno != ENOSYS && errno != EPERM) ? fd : openat(dir, name, how.flags);
}

/* @others: root's will do as well, for it is only read. */
static bool
is_trusted(int fd, bool others)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (st.st_uid == geteuid() || (others && st.st_uid == 0)) &&
           !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static int
enter(int dir, const char *name, bool make)
{
    int fd = open_part(dir, name);

    if (fd >= 0 || errno != ENOENT || !make)
        return fd;
    if (mkdirat(dir, name, MODE) < 0 && errno != EEXIST)
        return -1;
    fd = open_part(dir, name);
    if (fd >= 0 && fchmod(fd, MODE) < 0) /* whatever the umask: QEMU's user has to get through */
        vp_clear_fd(&fd);
    return fd;
}

typedef struct Place {
    const char *directory; /* that has the tree */
    const char *tree;      /* its name there */
    bool make;             /* what is missing */
    bool others;           /* see is_trusted() */
} Place;

/* The directory with the tree. The path to it is the operator's, links and all. */
static int
open_root(const Place *place)
{
    if (place->make && g_mkdir_with_parents(place->directory, MODE) < 0)
        return -1;
    return open(place->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int
distrust(const char *path, GError **error)
{
    vp_refuse(error, VP_ERROR_FAILED, "%s belongs to another user than that of virtpassd, or "
              "others may write to it: no links are made there (its mode has to be 0755)", path);
    errno = EPERM;
    return -1;
}

/*
 * Opens the directory @parts below the tree in @place, "" for the tree itself. -1: @error and
 * errno, ENOENT when it is not there.
 */
static int
open_below(const Place *place, const char *parts, GError **error)
{
    g_autofree char *below = g_strconcat(place->tree, parts, NULL);
    g_auto(GStrv) names = g_strsplit(below, "/", -1);
    g_autoptr(GString) path = g_string_new(place->directory);
    vp_autofd int fd = open_root(place);
    bool trusted = fd >= 0 && (place->others || is_trusted(fd, false));

    for (char **name = names; *name && trusted; name++) {
        int next = enter(fd, *name, place->make);

        g_string_append_printf(path, "/%s", *name);
        vp_clear_fd(&fd);
        fd = next;
        trusted = fd >= 0 && is_trusted(fd, place->others);
    }
    if (trusted)
        return vp_steal_fd(&fd);
    if (fd >= 0)
        return distrust(path->str, error);
    vp_error_set_errno(error, errno, "cannot open the directory %s, in which virtpass-emulator is "
                       "to have a link", path->str);
    return -1;
}

static Place
own_place(const VpShimTree *tree, bool make)
{
    return (Place){ tree->own, tree->name, make, false };
}

/* Directories that have nothing in them any more, upwards. */
static void
prune(const VpShimTree *tree, const char *emulator)
{
    const Place place = own_place(tree, false);
    g_autofree char *path = g_strdup(emulator);
    bool removed = true;

    while (*path && removed) {
        char *slash = strrchr(path, '/');
        vp_autofd int parent = -1;

        *slash = '\0';
        parent = open_below(&place, path, NULL);
        removed = parent >= 0 && unlinkat(parent, slash + 1, AT_REMOVEDIR) == 0;
    }
}

/* --- one link ------------------------------------------------------------------- */

typedef enum LinkState {
    LINK_NONE,
    LINK_OURS,
    LINK_OUTDATED, /* ours, and leads to where a shim was before */
    LINK_FOREIGN,
} LinkState;

static bool
is_named_alike(const char *target, const char *program)
{
    const char *target_name = strrchr(target, '/'), *name = strrchr(program, '/');

    return target_name && (strcmp(target_name, "/" VP_SHIM_NAME) == 0 ||
                           g_strcmp0(target_name, name) == 0);
}

static LinkState
look_at_link(const VpShimTree *tree, int dir, struct stat *ret_stat)
{
    char target[PATH_MAX] = "";

    if (fstatat(dir, VP_SHIM_NAME, ret_stat, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? LINK_NONE : LINK_FOREIGN;
    if (!S_ISLNK(ret_stat->st_mode) || ret_stat->st_uid != geteuid() ||
        readlinkat(dir, VP_SHIM_NAME, target, sizeof(target) - 1) < 0)
        return LINK_FOREIGN;
    if (strcmp(target, tree->program) == 0)
        return LINK_OURS;
    return is_named_alike(target, tree->program) ? LINK_OUTDATED : LINK_FOREIGN;
}

static bool
is_settled(const struct stat *st)
{
    return st->st_mtim.tv_sec != 0;
}

static bool
mark(int dir, const char *name, bool settled)
{
    const struct timespec times[2] = {
        { .tv_nsec = UTIME_OMIT }, { .tv_sec = 0, .tv_nsec = settled ? UTIME_NOW : 0 },
    };

    return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool
make_link(const VpShimTree *tree, int dir)
{
    if (symlinkat(tree->program, dir, VP_SHIM_NAME) == 0 && mark(dir, VP_SHIM_NAME, false))
        return true;
    return errno == EEXIST; /* another process was faster */
}

static bool
replace_link(const VpShimTree *tree, int dir, const struct stat *before)
{
    if (unlinkat(dir, TEMPORARY, 0) < 0 && errno != ENOENT)
        return false;
    return symlinkat(tree->program, dir, TEMPORARY) == 0 &&
           mark(dir, TEMPORARY, is_settled(before)) &&
           renameat(dir, TEMPORARY, dir, VP_SHIM_NAME) == 0;
}

/* If it is there and ours. */
static bool
remove_link(const VpShimTree *tree, const char *emulator)
{
    const Place place = own_place(tree, false);
    struct stat st;
    bool removed = false;
    vp_autofd int dir = open_below(&place, emulator, NULL);

    removed = dir >= 0 && look_at_link(tree, dir, &st) == LINK_OURS &&
              unlinkat(dir, VP_SHIM_NAME, 0) == 0;
    prune(tree, emulator);
    return removed;
}

static void
settle_link(const VpShimTree *tree, const char *emulator)
{
    const Place place = own_place(tree, false);
    struct stat st;
    vp_autofd int dir = open_below(&place, emulator, NULL);

    if (dir >= 0 && look_at_link(tree, dir, &st) == LINK_OURS && !is_settled(&st))
        mark(dir, VP_SHIM_NAME, true);
}

/* --- all links ------------------------------------------------------------------ */

/* A link that was found. @emulator: what it stands for. */
typedef void (*LinkFunc)(const char *emulator, const struct stat *st, gpointer data);

typedef struct Walk {
    const VpShimTree *tree;
    LinkFunc func;
    gpointer data;
    guint depth;
    guint left; /* directories that may still be entered */
} Walk;

static void walk_below(Walk *walk, int dir, const char *parts);

static void
walk_entry(Walk *walk, int dir, const char *parts, const char *name)
{
    g_autofree char *below = g_strdup_printf("%s/%s", parts, name);
    vp_autofd int sub = -1;
    struct stat st;

    if (strcmp(name, VP_SHIM_NAME) == 0 && *parts) {
        LinkState state = look_at_link(walk->tree, dir, &st);

        if (state == LINK_OURS || state == LINK_OUTDATED)
            walk->func(parts, &st, walk->data);
        return;
    }
    sub = walk->depth < VP_EMULATOR_PARTS_MAX && walk->left > 0 ? open_part(dir, name) : -1;
    if (sub < 0 || !is_trusted(sub, false))
        return;
    walk->left--;
    walk->depth++;
    walk_below(walk, sub, below);
    walk->depth--;
}

static void
walk_below(Walk *walk, int dir, const char *parts)
{
    vp_autofd int copy = dup(dir);
    DIR *stream = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *entry = NULL;

    if (!stream)
        return;
    vp_steal_fd(&copy); /* the stream's */
    while ((entry = readdir(stream))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            walk_entry(walk, dir, parts, entry->d_name);
    }
    closedir(stream);
}

/* false: there is a tree, but it cannot be read. */
static bool
walk_some(Walk *walk, GError **error)
{
    const Place place = own_place(walk->tree, false);
    g_autoptr(GError) why = NULL;
    vp_autofd int root = open_below(&place, "", &why);

    if (root >= 0)
        walk_below(walk, root, "");
    else if (errno != ENOENT)
        g_propagate_error(error, g_steal_pointer(&why));
    return root >= 0 || why;
}

static bool
walk_tree(const VpShimTree *tree, LinkFunc func, gpointer data, GError **error)
{
    Walk walk = { tree, func, data, 0, G_MAXUINT };

    return walk_some(&walk, error);
}

static void
count_link(const char *emulator G_GNUC_UNUSED, const struct stat *st G_GNUC_UNUSED, gpointer data)
{
    guint *n = data;

    (*n)++;
}

static bool
has_room(const VpShimTree *tree, GError **error)
{
    guint n = 0;
    Walk walk = { tree, count_link, &n, 0, VP_SHIM_DIRECTORIES_MAX };

    if (!walk_some(&walk, error))
        return false;
    if (n < VP_SHIM_LINKS_MAX && walk.left > 0)
        return true;
    return vp_refuse(error, VP_ERROR_LIMIT, "<emulator> is one more than the %u for which %s/%s "
                     "has a link; an administrator may remove there what no domain and no saved "
                     "guest uses", n, tree->own, tree->name);
}

static void
list_link(const char *emulator, const struct stat *st G_GNUC_UNUSED, gpointer data)
{
    g_hash_table_add(data, g_strdup(emulator));
}

GHashTable *
vp_shim_list(VpShimTree *tree, GError **error)
{
    g_autoptr(GHashTable) links = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    return walk_tree(tree, list_link, links, error) ? g_steal_pointer(&links) : NULL;
}

/* --- the lock ------------------------------------------------------------------- */

/* Who fails has nothing to lose: sweeps are rare, and over in milliseconds. */
static int
lock_tree(const VpShimTree *tree, bool make, int operation, GError **error)
{
    const Place place = own_place(tree, make);
    vp_autofd int fd = open_below(&place, "", error);

    if (fd < 0 || flock(fd, operation | LOCK_NB) == 0)
        return vp_steal_fd(&fd);
    vp_error_set_errno(error, errno, "%s/%s is being swept by another virtpassd", tree->own,
                       tree->name);
    return -1;
}

/* --- making --------------------------------------------------------------------- */

/* false: @error. *ret_made: there was none before. */
static bool
provide(const VpShimTree *tree, const char *emulator, bool *ret_made, GError **error)
{
    const Place present = own_place(tree, false), wanted = own_place(tree, true);
    struct stat st;
    vp_autofd int dir = open_below(&present, emulator, NULL);
    LinkState state = dir >= 0 ? look_at_link(tree, dir, &st) : LINK_NONE;
    bool done = true;

    if (state == LINK_NONE && !has_room(tree, error))
        return false;
    if (dir < 0)
        dir = open_below(&wanted, emulator, error);
    if (dir < 0)
        return false;
    if (state == LINK_FOREIGN)
        return vp_refuse(error, VP_ERROR_FAILED, "%s/%s%s/" VP_SHIM_NAME " is in the way: it is "
                         "no link to %s that virtpassd has made", tree->own, tree->name, emulator,
                         tree->program);
    if (state == LINK_NONE)
        done = make_link(tree, dir);
    else if (state == LINK_OUTDATED)
        done = replace_link(tree, dir, &st);
    if (!done)
        vp_error_set_errno(error, errno, "cannot make %s/%s%s/" VP_SHIM_NAME ", a link to %s",
                           tree->own, tree->name, emulator, tree->program);
    *ret_made = state == LINK_NONE || (state == LINK_OURS && !is_settled(&st));
    return done;
}

/* One that is unsettled already. */
static VpShimLink *
use_again(VpShimTree *tree, const char *emulator)
{
    VpShimLink *link = g_hash_table_lookup(tree->unsettled, emulator);

    if (link)
        link->uses++;
    return link;
}

static void
free_link(VpShimLink *link)
{
    g_free(link->emulator);
    g_free(link);
}

static VpShimLink *
new_link(VpShimTree *tree, const char *emulator)
{
    VpShimLink *link = g_new0(VpShimLink, 1);

    link->tree = tree;
    link->emulator = g_strdup(emulator);
    link->uses = 1;
    return link;
}

static void
unlock_if_settled(VpShimTree *tree)
{
    if (g_hash_table_size(tree->unsettled) == 0)
        vp_clear_fd(&tree->lock);
}

static VpShimLink *
make_unlocked(VpShimTree *tree, const char *emulator, GError **error)
{
    VpShimLink *link = NULL;
    bool made = false;

    if (tree->lock < 0)
        tree->lock = lock_tree(tree, true, LOCK_SH, error);
    if (tree->lock < 0)
        return NULL;
    if (provide(tree, emulator, &made, error)) {
        link = use_again(tree, emulator) ?: new_link(tree, emulator);
        link->made = link->made || made;
        g_hash_table_insert(tree->unsettled, link->emulator, link);
    } else {
        prune(tree, emulator);
    }
    unlock_if_settled(tree);
    return link;
}

VpShimLink *
vp_shim_make(VpShimTree *tree, const char *path, const struct timespec *changed, GError **error)
{
    g_autofree char *emulator = vp_shim_own_emulator(tree, path);
    VpShimLink *link = NULL;

    g_mutex_lock(&tree->mutex);
    link = emulator ? make_unlocked(tree, emulator, error) : new_link(tree, NULL);
    g_mutex_unlock(&tree->mutex);
    if (link)
        vp_shim_touch(path, changed);
    return link;
}

static void
settle_unlocked(VpShimTree *tree, VpShimLink *link, bool accepted)
{
    if (accepted && link->made) {
        settle_link(tree, link->emulator);
        link->made = false;
    }
    if (--link->uses > 0)
        return;
    g_hash_table_remove(tree->unsettled, link->emulator);
    if (link->made)
        remove_link(tree, link->emulator);
    free_link(link);
    unlock_if_settled(tree);
}

void
vp_shim_settle(VpShimLink *link, bool accepted)
{
    VpShimTree *tree = link ? link->tree : NULL;

    if (!link)
        return;
    if (!link->emulator) {
        free_link(link);
        return;
    }
    g_mutex_lock(&tree->mutex);
    settle_unlocked(tree, link, accepted);
    g_mutex_unlock(&tree->mutex);
}

/* --- finding -------------------------------------------------------------------- */

static bool
package_has(const VpShimTree *tree, const char *emulator)
{
    const Place place = { tree->package, tree->name, false, true };
    vp_autofd int dir = tree->package ? open_below(&place, emulator, NULL) : -1;

    return dir >= 0 && faccessat(dir, VP_SHIM_NAME, X_OK, 0) == 0;
}

char *
vp_shim_path_for(VpShimTree *tree, const char *emulator, GError **error)
{
    g_autofree char *own = vp_shim_path(tree->own, tree->name, emulator, error);
    g_autofree char *normal = own ? vp_shim_normal(emulator, error) : NULL;

    if (normal && package_has(tree, normal))
        return vp_shim_path(tree->package, tree->name, normal, error);
    return g_steal_pointer(&own);
}

char *
vp_shim_own_emulator(const VpShimTree *tree, const char *path)
{
    g_autofree char *emulator = vp_shim_emulator(path);
    g_autofree char *own = emulator ? vp_shim_path(tree->own, tree->name, emulator, NULL) : NULL;

    return g_strcmp0(own, path) == 0 ? g_steal_pointer(&emulator) : NULL;
}

/* --- sweeping ------------------------------------------------------------------- */

typedef struct Sweep {
    const VpShimTree *tree;
    GHashTable *used;
    GHashTable *gone;     /* may be NULL */
    GPtrArray *unneeded;  /* of char * */
} Sweep;

static void
judge_link(const char *emulator, const struct stat *st, gpointer data)
{
    Sweep *sweep = data;
    bool gone = sweep->gone && g_hash_table_contains(sweep->gone, emulator);

    if (g_hash_table_contains(sweep->used, emulator))
        settle_link(sweep->tree, emulator);
    else if (gone || !is_settled(st))
        g_ptr_array_add(sweep->unneeded, g_strdup(emulator));
}

static guint
sweep_unlocked(VpShimTree *tree, GHashTable *used, GHashTable *gone)
{
    g_autoptr(GPtrArray) unneeded = g_ptr_array_new_with_free_func(g_free);
    Sweep sweep = { tree, used, gone, unneeded };
    guint removed = 0;

    walk_tree(tree, judge_link, &sweep, NULL);
    for (guint i = 0; i < unneeded->len; i++) {
        if (remove_link(tree, unneeded->pdata[i]))
            removed++;
    }
    return removed;
}

guint
vp_shim_sweep(VpShimTree *tree, GHashTable *used, GHashTable *gone)
{
    guint removed = 0;
    vp_autofd int lock = -1;

    g_mutex_lock(&tree->mutex);
    lock = lock_tree(tree, false, LOCK_EX, NULL); /* not while anything of ours is unsettled */
    if (lock >= 0)
        removed = sweep_unlocked(tree, used, gone);
    g_mutex_unlock(&tree->mutex);
    return removed;
}

/* --- life ----------------------------------------------------------------------- */

VpShimTree *
vp_shim_tree_new(const char *name, const char *package, const char *own, const char *program)
{
    VpShimTree *tree = g_new0(VpShimTree, 1);

    tree->refs = 1;
    tree->name = name;
    tree->package = g_strdup(package);
    tree->own = g_strdup(own);
    tree->program = g_strdup(program);
    g_mutex_init(&tree->mutex);
    tree->unsettled = g_hash_table_new(g_str_hash, g_str_equal);
    tree->lock = -1;
    return tree;
}

VpShimTree *
vp_shim_tree_ref(VpShimTree *tree)
{
    g_atomic_int_inc(&tree->refs);
    return tree;
}

void
vp_shim_tree_unref(VpShimTree *tree)
{
    if (!tree || !g_atomic_int_dec_and_test(&tree->refs))
        return;
    g_assert(g_hash_table_size(tree->unsettled) == 0);
    g_hash_table_unref(tree->unsettled);
    g_mutex_clear(&tree->mutex);
    vp_clear_fd(&tree->lock);
    g_free(tree->package);
    g_free(tree->own);
    g_free(tree->program);
    g_free(tree);
}
