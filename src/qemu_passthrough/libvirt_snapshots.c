/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What libvirtd knows of a domain's snapshots: a list of their names, then the document of each.
 *
 * The calls are our own, on our own connection; whoever made us send them has been found to be
 * allowed to write to the domain, who may read all of it. Documents are asked for one after the
 * other: libvirtd does no more than a few calls of a connection at a time, and other domains'
 * questions are on the same one.
 */

#include "qemu_passthrough/libvirt_snapshots.h"

#include "added/lineage.h"
#include "base/limits.h"
#include "rpc/rpc_error.h"
#include "xml/passthrough.h"

#include <string.h>

typedef struct Listing {
    VpUpstream *upstream;
    vp_domain wire;       /* whose; the name is owned */
    GPtrArray *names;     /* of char *: still to be asked for, the last one first */
    GPtrArray *list;      /* of VpLibvirtSnapshot */
    VpAddedSnapshotsFunc func;
    gpointer data;
    GSource *later;       /* reports that there is nothing to ask */
} Listing;

static void
listing_free(Listing *listing)
{
    vp_loop_cancel(&listing->later);
    g_ptr_array_unref(listing->names);
    g_ptr_array_unref(listing->list);
    g_free(listing->wire.name);
    g_free(listing);
}

/* @known: not a failure. */
static void
end(Listing *listing, bool known)
{
    listing->func(known ? listing->list : NULL, listing->data);
    listing_free(listing);
}

static gboolean
on_later(gpointer data)
{
    end(data, false);
    return G_SOURCE_REMOVE;
}

/* --- the documents -------------------------------------------------------- */

static void ask_next(Listing *listing);

static void
take(Listing *listing, const char *xml)
{
    g_auto(VpXmlSnapshot) snapshot = { 0 };
    VpLibvirtSnapshot *taken = NULL;

    if (!vp_xml_read_snapshot(xml, VP_LINEAGE_KEY, &snapshot))
        return;
    taken = g_new0(VpLibvirtSnapshot, 1);
    taken->name = g_steal_pointer(&snapshot.name);
    taken->parent = g_steal_pointer(&snapshot.parent);
    taken->created = snapshot.created;
    taken->internal = snapshot.internal;
    taken->kept = g_steal_pointer(&snapshot.kept);
    g_ptr_array_add(listing->list, taken);
}

static void
on_xml(const VpCallReply *reply, gpointer data)
{
    Listing *listing = data;
    vp_get_xml_ret ret = { 0 };

    if (reply->outcome == VP_CALL_BROKEN || reply->payload_size > VP_LIBVIRT_SNAPSHOT_XML_MAX) {
        end(listing, false);
        return;
    }
    if (reply->outcome == VP_CALL_OK &&
        vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_get_xml_ret, &ret)) {
        take(listing, ret.xml);
        vp_xdr_clear(xdr_vp_get_xml_ret, &ret);
    }
    ask_next(listing);
}

static void
ask_next(Listing *listing)
{
    vp_get_snapshot_xml_args args = { 0 };
    g_autofree char *name = NULL;

    if (listing->names->len == 0) {
        end(listing, true);
        return;
    }
    name = g_ptr_array_steal_index(listing->names, listing->names->len - 1);
    args.snapshot.name = name;
    args.snapshot.dom = listing->wire;
    if (!vp_upstream_call(listing->upstream, VP_REMOTE_PROGRAM,
                          VP_REMOTE_DOMAIN_SNAPSHOT_GET_XML_DESC, xdr_vp_get_snapshot_xml_args,
                          &args, on_xml, listing))
        end(listing, false);
}

/* --- the list ------------------------------------------------------------- */

static void
on_list(const VpCallReply *reply, gpointer data)
{
    Listing *listing = data;
    vp_list_snapshots_ret ret = { 0 };
    bool fine = reply->outcome == VP_CALL_OK &&
                vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_list_snapshots_ret,
                              &ret);

    if (fine && ret.snapshots.snapshots_len > VP_LIBVIRT_SNAPSHOTS_MAX) {
        vp_log_debug("domain '%s': libvirt has %u snapshots, is not asked for more than %u",
                     listing->wire.name, ret.snapshots.snapshots_len, VP_LIBVIRT_SNAPSHOTS_MAX);
        vp_xdr_clear(xdr_vp_list_snapshots_ret, &ret);
        fine = false;
    }
    if (!fine) {
        end(listing, false);
        return;
    }
    for (guint i = 0; i < ret.snapshots.snapshots_len; i++)
        g_ptr_array_add(listing->names, g_strdup(ret.snapshots.snapshots_val[i].name));
    vp_xdr_clear(xdr_vp_list_snapshots_ret, &ret);
    ask_next(listing);
}

void
vp_libvirt_snapshots_list(VpUpstream *upstream, VpLoop *loop, const VpDomain *domain,
                          VpAddedSnapshotsFunc func, gpointer data)
{
    Listing *listing = g_new0(Listing, 1);
    vp_list_snapshots_args args = { .need_results = 1 };

    listing->upstream = upstream;
    listing->wire.name = g_strdup(domain->name);
    memcpy(listing->wire.uuid, domain->uuid, sizeof(domain->uuid));
    listing->wire.id = domain->id;
    listing->names = g_ptr_array_new_with_free_func(g_free);
    listing->list = g_ptr_array_new_with_free_func((GDestroyNotify)vp_libvirt_snapshot_free);
    listing->func = func;
    listing->data = data;
    args.dom = listing->wire;
    if (!upstream ||
        !vp_upstream_call(upstream, VP_REMOTE_PROGRAM, VP_REMOTE_DOMAIN_LIST_ALL_SNAPSHOTS,
                          xdr_vp_list_snapshots_args, &args, on_list, listing))
        listing->later = vp_loop_timer(loop, 0, on_later, listing);
}
