/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * query-mtree and query-qtree: what the machine is made of, from texts of the human monitor. Both
 * texts are trees, and both are long: a thousand lines for a small machine.
 */

#include "added/human.h"
#include "added/info_mtree.h"
#include "added/info_qtree.h"
#include "added/rows.h"

static void
query_mtree(VpCall *call)
{
    static const VpHumanQuery query = { "info mtree -D", vp_info_mtree_convert };

    vp_human_query(call, &query);
}

static const VpField mtree_result[] = {
    { "address-spaces", "[str]", true, "Names of the address spaces that have this tree." },
    { "memory-region", "str", true, "Name of the region that is the root of this tree, which no "
      "address space has but an alias points into." },
    { "root", "any", false, "A region: 'name', 'start' and 'end' (the last address), 'priority', "
      "'kind' (i/o, ram, rom, romd ...), 'nonvolatile' if it is, 'enabled' if it is not, 'alias' "
      "('region', 'start', 'end' of what it shows), 'regions' (those in it)." },
    { NULL, NULL, false, NULL },
};

const VpCommandRow vp_row_query_mtree = {
    .name = "query-mtree",
    .text = "The memory regions of each address space. QEMU 7.2 to 11.1.",
    .result = mtree_result,
    .result_is_array = true,
    .handler = query_mtree,
};

static void
query_qtree(VpCall *call)
{
    static const VpHumanQuery query = { "info qtree", vp_info_qtree_convert };

    vp_human_query(call, &query);
}

static const VpField qtree_result[] = {
    { "name", "str", false, "The bus." },
    { "type", "str", false, "Its type." },
    { "devices", "any", false, "Objects: 'type', 'id' if it has one, 'gpio-in' and 'gpio-out' "
      "('name', 'count'), 'properties' ('name', 'value' as QEMU prints it), 'text' (other lines "
      "of QEMU's about it: addresses, resources), 'buses' (objects like this one)." },
    { NULL, NULL, false, NULL },
};

const VpCommandRow vp_row_query_qtree = {
    .name = "query-qtree",
    .text = "The devices of the machine, by the buses that they are on. QEMU 7.2 to 11.1.",
    .result = qtree_result,
    .result_is_array = true,
    .handler = query_qtree,
};
