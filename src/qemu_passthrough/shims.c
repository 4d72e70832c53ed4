/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which of the shim's links are needed.
 *
 * A round reads all definitions that libvirtd lists, running and stored, one after the other, for
 * libvirtd does no more than a few calls of a connection at a time and other domains' questions are
 * on the same one. It takes place when our connection opens for the first time, and when there is
 * no room for a link. Links that are used and missing are made again: a tree that was not restored
 * with /etc/libvirt from a backup, say.
 *
 * What is not used is removed only where nothing can be lost by it. libvirtd does not list what
 * people saved to files of their own, nor what they may define again, and these name the shim's
 * path too. So a link goes if libvirtd never accepted a definition with it, or, when room is
 * needed, if there is nothing any more that it could start. Whatever libvirtd does not answer ends
 * the round without any consequence.
 *
 * Long definitions are read in a thread, and emulators looked at in another; one that is on a share
 * whose server has gone holds up the round, and nothing else.
 */

#include "qemu_passthrough/shims.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "build-config.h"
#include "plan/shim.h"
#include "probe/look.h"
#include "rpc/rpc_error.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* From our connection's opening to the first round: sessions to running guests come first, which
 * libvirtd is asked about as well. */
#define DELAY_MS 3000

/* Between two rounds for want of room. */
#define PAUSE_US (60 * G_USEC_PER_SEC)

/* A domain that is asked about, with both of its documents. */
typedef struct Listed {
    vp_domain wire; /* the name is owned */
    bool inactive;  /* which of them is next */
} Listed;

static const char *const tree_names[VP_SHIM_KINDS] = { VP_SHIM_TREE, VP_SHIM_SESSION_TREE };

struct VpShims {
    VpShimTree *trees[VP_SHIM_KINDS];
    VpLoop *loop;
    VpWorkers *workers;
    VpUpstream *upstream;
    GSource *later;       /* begins the first round */
    bool done;            /* a round has come to its end */
    bool running;         /* a round is under way */
    bool full;            /* it is to make room */
    gint64 room_wanted;   /* when the last one for that began; 0: there was none */
    GPtrArray *listed;    /* of Listed: still to be asked about, the last one first */
    GHashTable *used[VP_SHIM_KINDS]; /* emulators of links that definitions name: sets of char *,
                                      * owned */
    GPtrArray *unsure;    /* of char *: those of links that none names, to be looked at */
    GHashTable *gone;     /* those of them that do not exist; a set like `used` */
    VpLook *look;
    VpWork *reading;      /* a definition, in a thread; NULL: none is */
};

static void ask_next(VpShims *shims);
static void look_at_next(VpShims *shims);

static void
free_listed(gpointer data)
{
    Listed *listed = data;

    g_free(listed->wire.name);
    g_free(listed);
}

static void
end_round(VpShims *shims)
{
    shims->running = false;
    g_ptr_array_set_size(shims->listed, 0);
    g_ptr_array_set_size(shims->unsure, 0);
    for (guint kind = 0; kind < VP_SHIM_KINDS; kind++)
        g_hash_table_remove_all(shims->used[kind]);
    g_hash_table_remove_all(shims->gone);
}

static void
give_up(VpShims *shims, const char *why)
{
    vp_log_debug("links of virtpass-emulator stay as they are: %s", why);
    end_round(shims);
}

/* --- what is not used ------------------------------------------------------------- */

static void
sweep(VpShims *shims)
{
    guint removed = 0;

    for (guint kind = 0; kind < VP_SHIM_KINDS; kind++)
        removed += vp_shim_sweep(shims->trees[kind], shims->used[kind], shims->gone);
    if (removed > 0)
        vp_log_info("%u links to virtpass-emulator that nothing uses removed", removed);
    shims->done = true;
    end_round(shims);
}

static void
on_looked(VpLookResult *result, gpointer data)
{
    VpShims *shims = data;
    g_autofree char *emulator = g_ptr_array_steal_index(shims->unsure, shims->unsure->len - 1);

    shims->look = NULL;
    if (!result->stamp && (result->errnum == ENOENT || result->errnum == ENOTDIR))
        g_hash_table_add(shims->gone, g_steal_pointer(&emulator));
    look_at_next(shims);
}

static void
look_at_next(VpShims *shims)
{
    const guint n = shims->unsure->len;

    if (n == 0)
        sweep(shims);
    else
        shims->look = vp_look_for_state("links", shims->unsure->pdata[n - 1], NULL, NULL, on_looked,
                                        shims);
}

static void
find_unused(VpShims *shims, guint kind)
{
    g_autoptr(GHashTable) links = vp_shim_list(shims->trees[kind], NULL);
    GHashTableIter iter;
    gpointer emulator = NULL;

    if (!links)
        return;
    g_hash_table_iter_init(&iter, links);
    while (g_hash_table_iter_next(&iter, &emulator, NULL)) {
        if (!g_hash_table_contains(shims->used[kind], emulator))
            g_ptr_array_add(shims->unsure, g_strdup(emulator));
    }
}

/* All definitions have been read. */
static void
conclude(VpShims *shims)
{
    for (guint kind = 0; shims->full && kind < VP_SHIM_KINDS; kind++)
        find_unused(shims, kind);
    look_at_next(shims);
}

/* --- what definitions use --------------------------------------------------------- */

static void
make_again(VpShimTree *tree, const char *path)
{
    g_autoptr(GError) error = NULL;
    VpShimLink *link = vp_shim_make(tree, path, NULL, &error);

    if (link)
        vp_shim_settle(link, true);
    else
        vp_log_warning("a domain is to be started by %s: %s", path, error->message);
}

static void
take_path(VpShims *shims, guint kind, const char *path)
{
    g_autofree char *emulator = vp_shim_own_emulator(shims->trees[kind], path);

    if (emulator && g_hash_table_add(shims->used[kind], g_steal_pointer(&emulator)))
        make_again(shims->trees[kind], path);
}

/* A definition that is being read; @text and @path are the thread's meanwhile. */
typedef struct Reading {
    VpShims *shims;
    char *text;
    char *path; /* of the emulator that it names, or NULL */
} Reading;

static void
reading_free(gpointer data)
{
    Reading *reading = data;

    g_free(reading->text);
    g_free(reading->path);
    g_free(reading);
}

static void
read_definition(gpointer data)
{
    Reading *reading = data;

    if (strstr(reading->text, "/" VP_SHIM_NAME)) /* not in most, which need not be parsed */
        reading->path = vp_xml_read_emulator(reading->text);
}

static void
take_definition(const Reading *reading)
{
    for (guint kind = 0; reading->path && kind < VP_SHIM_KINDS; kind++)
        take_path(reading->shims, kind, reading->path);
    ask_next(reading->shims);
}

static void
on_definition(gpointer data)
{
    Reading *reading = data;

    reading->shims->reading = NULL;
    take_definition(reading);
}

/* Takes @text. */
static void
start_reading(VpShims *shims, char *text)
{
    Reading *reading = g_new0(Reading, 1);

    *reading = (Reading){ .shims = shims, .text = text };
    if (strlen(text) > VP_INLINE_XML_MAX) {
        shims->reading = vp_work_start(shims->workers, VP_DEFINITIONS_OWNER, read_definition,
                                       on_definition, reading, reading_free);
        return;
    }
    read_definition(reading);
    take_definition(reading);
    reading_free(reading);
}

static bool
is_gone(const VpCallReply *reply)
{
    return reply->outcome == VP_CALL_ERROR && reply->error->code == VP_RPC_NO_DOMAIN;
}

static void
on_xml(const VpCallReply *reply, gpointer data)
{
    VpShims *shims = data;
    vp_get_xml_ret ret = { 0 };

    if (reply->outcome == VP_CALL_OK &&
        vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_get_xml_ret, &ret)) {
        start_reading(shims, g_strdup(ret.xml));
        vp_xdr_clear(xdr_vp_get_xml_ret, &ret);
    } else if (is_gone(reply)) {
        ask_next(shims);
    } else {
        give_up(shims, "libvirtd does not tell a domain's definition");
    }
}

static void
ask_next(VpShims *shims)
{
    GPtrArray *all = shims->listed;
    Listed *listed = all->len > 0 ? all->pdata[all->len - 1] : NULL;
    vp_get_xml_args args = { 0 };
    bool sent = false;

    if (!listed) {
        conclude(shims);
        return;
    }
    args.dom = listed->wire;
    args.flags = listed->inactive ? VP_XML_INACTIVE : 0;
    sent = vp_upstream_call(shims->upstream, VP_REMOTE_PROGRAM, VP_REMOTE_DOMAIN_GET_XML_DESC,
                            xdr_vp_get_xml_args, &args, on_xml, shims);
    if (!sent)
        give_up(shims, "libvirtd is not there");
    else if (listed->inactive)
        g_ptr_array_remove_index(all, all->len - 1);
    else
        listed->inactive = true;
}

static void
on_list(const VpCallReply *reply, gpointer data)
{
    VpShims *shims = data;
    vp_list_domains_ret ret = { 0 };

    if (reply->outcome != VP_CALL_OK ||
        !vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_list_domains_ret, &ret)) {
        give_up(shims, "libvirtd does not list its domains");
        return;
    }
    for (guint i = 0; i < ret.domains.domains_len; i++) {
        Listed *listed = g_new0(Listed, 1);

        listed->wire = ret.domains.domains_val[i];
        listed->wire.name = g_strdup(listed->wire.name);
        g_ptr_array_add(shims->listed, listed);
    }
    vp_xdr_clear(xdr_vp_list_domains_ret, &ret);
    ask_next(shims);
}

static void
begin_round(VpShims *shims, bool full)
{
    vp_list_domains_args args = { .need_results = 1 };

    if (shims->running)
        return;
    shims->full = full;
    shims->running = vp_upstream_call(shims->upstream, VP_REMOTE_PROGRAM,
                                      VP_REMOTE_CONNECT_LIST_ALL_DOMAINS,
                                      xdr_vp_list_domains_args, &args, on_list, shims);
}

static gboolean
on_later(gpointer data)
{
    VpShims *shims = data;

    vp_loop_cancel(&shims->later);
    begin_round(shims, false);
    return G_SOURCE_REMOVE;
}

void
vp_shims_upstream_opened(VpShims *shims)
{
    if (!shims->done && !shims->later)
        shims->later = vp_loop_timer(shims->loop, DELAY_MS, on_later, shims);
}

/* There is no room for another link: a round makes some, at most one in a minute. The next client
 * may be luckier. */
static void
make_room(VpShims *shims)
{
    gint64 now = g_get_monotonic_time();

    if (shims->room_wanted != 0 && now - shims->room_wanted < PAUSE_US)
        return;
    begin_round(shims, true);
    if (shims->full)
        shims->room_wanted = now;
}

/* --- for definitions -------------------------------------------------------------- */

bool
vp_shims_make(VpShims *shims, GHashTable *paths, GPtrArray **ret_links, GError **error)
{
    g_autoptr(GPtrArray) links = NULL;
    g_autoptr(GError) why = NULL;
    gpointer path = NULL, changed = NULL;
    GHashTableIter iter;

    *ret_links = NULL;
    g_hash_table_iter_init(&iter, paths);
    while (!why && g_hash_table_iter_next(&iter, &path, &changed)) {
        VpShimKind kind = vp_shim_adds_session(path) ? VP_SHIM_ADDS_SESSION : VP_SHIM_ALTERS;
        VpShimLink *link = vp_shim_make(shims->trees[kind], path, changed, &why);

        links = links ? links : g_ptr_array_new();
        if (link)
            g_ptr_array_add(links, link);
    }
    if (!why) {
        *ret_links = g_steal_pointer(&links);
        return true;
    }
    vp_shims_settle(g_steal_pointer(&links), false);
    if (g_error_matches(why, VP_ERROR, VP_ERROR_LIMIT))
        make_room(shims);
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

void
vp_shims_settle(GPtrArray *links, bool accepted)
{
    if (!links)
        return;
    for (guint i = 0; i < links->len; i++)
        vp_shim_settle(g_ptr_array_index(links, i), accepted);
    g_ptr_array_unref(links);
}

VpShimTree *
vp_shims_tree(VpShims *shims, VpShimKind kind)
{
    return shims->trees[kind];
}

bool
vp_shims_check_program(const VpConfig *config, GError **error)
{
    if (access(config->shim, X_OK) == 0)
        return true;
    vp_error_set_errno(error, errno, "[emulator] shim: %s cannot be executed", config->shim);
    return false;
}

VpShims *
vp_shims_new(VpLoop *loop, VpWorkers *workers, VpUpstream *upstream, const VpConfig *config)
{
    g_autoptr(GError) error = NULL;
    VpShims *shims = g_new0(VpShims, 1);

    if (!vp_shims_check_program(config, &error))
        vp_log_error("no domain starts whose command line is altered: %s", error->message);
    for (guint kind = 0; kind < VP_SHIM_KINDS; kind++) {
        shims->trees[kind] = vp_shim_tree_new(tree_names[kind], VP_LIBDIR, config->shim_dir,
                                              config->shim);
        shims->used[kind] = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    }
    shims->loop = loop;
    shims->workers = workers;
    shims->upstream = upstream;
    shims->listed = g_ptr_array_new_with_free_func(free_listed);
    shims->unsure = g_ptr_array_new_with_free_func(g_free);
    shims->gone = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return shims;
}

void
vp_shims_free(VpShims *shims)
{
    if (!shims)
        return;
    vp_loop_cancel(&shims->later);
    vp_look_cancel(shims->look);
    vp_work_cancel(shims->reading);
    for (guint kind = 0; kind < VP_SHIM_KINDS; kind++) {
        vp_shim_tree_unref(shims->trees[kind]);
        g_hash_table_unref(shims->used[kind]);
    }
    g_ptr_array_unref(shims->listed);
    g_ptr_array_unref(shims->unsure);
    g_hash_table_unref(shims->gone);
    g_free(shims);
}
