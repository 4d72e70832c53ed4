/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/bus.h"
#include "plan/plan.h"

/* What the places of added devices depend on. Borrowed. */
typedef struct VpPlacing {
    const VpCmdline *generated; /* what libvirt writes for the domain, without anything added;
                                 * NULL: not known */
    const GPtrArray *apart;     /* of VpApart: its devices that are not in that; NULL: none */
    bool altered;               /* that is going to be altered: what clashes with it now need not
                                 * clash then */
    bool running;               /* a guest is there already: what had no place has none now */
    const GPtrArray *previous;  /* of char *: devices that were added in the definition that this
                                 * one replaces, with their places; NULL: none */
    const VpTypeSource *types;  /* with device_bus */
} VpPlacing;

/*
 * Gives each device of @added (of VpOption, -device) that sits on a bus the bus and the
 * place there which it has from now on, unless it says them itself. What is not known to have
 * places, or is on a bus that is not known, stays as it is. Without @generated a device only keeps
 * the place that it had.
 *
 * false and @error (VP_ERROR_FAILED, names both): two of them want the same place, or one of them
 * and one of libvirt's; or there is no free place. VP_ERROR_LIMIT: the budget is used up.
 */
bool vp_place(const VpPlacing *placing, const GPtrArray *added, VpBudget *budget, GError **error);

/* Whether it is by this property that a device says where it is. */
bool vp_place_key_find(const char *key, VpBusKind *ret_kind);

/*
 * Gives places to devices of the command line that have lost theirs, from the same ends. @lost:
 * VpOption -> VpBusKind; those that are not on the command line any more, or have got a place
 * since, are passed over. false and @error: there is no free place.
 */
bool vp_place_again(const VpCmdline *cmdline, GHashTable *lost, GError **error);
