/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From where the lineage of snapshots comes: our own record first, and libvirt only where that is
 * not enough. For most domains, and most of the time, libvirt is therefore not asked at all, and a
 * domain without snapshots of libvirt's costs one question.
 */

#include "added/lineage_load.h"

#include "base/log.h"

void
vp_lineage_load_clear(VpLineageLoad *load)
{
    g_clear_pointer(&load->lineage, vp_lineage_free);
    g_clear_pointer(&load->epoch, g_free);
}

static void
on_heard(VpCall *call, const GPtrArray *list, gpointer data)
{
    VpLineageLoad *load = data;
    g_autoptr(VpHearsay) hearsay = list ? vp_hearsay_new(list, load->snapshots) : NULL;

    vp_lineage_adopt(load->lineage, load->snapshots, hearsay, load->epoch);
    load->func(call, g_steal_pointer(&load->lineage), load->data);
}

static void
on_kept(VpCall *call, const char *text, const GError *error, gpointer data)
{
    VpLineageLoad *load = data;

    if (error) {
        vp_log_warning("domain '%s': the parents of its snapshots cannot be read: %s",
                       vp_call_domain_name(call), error->message);
        load->func(call, NULL, load->data);
        return;
    }
    load->lineage = vp_lineage_parse(text);
    if (vp_lineage_knows_all(load->lineage, load->snapshots))
        on_heard(call, NULL, load);
    else
        vp_call_libvirt_snapshots(call, on_heard, load);
}

void
vp_lineage_load(VpLineageLoad *load, VpCall *call, VpSnapshots *snapshots,
                VpLineageFunc func, gpointer data)
{
    load->snapshots = snapshots;
    load->epoch = vp_call_epoch(call);
    load->func = func;
    load->data = data;
    vp_call_load(call, VP_LINEAGE_KEY, on_kept, load);
}
