/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/types.h"
#include "probe/facts.h"
#include "probe/schema.h"

/* A source of types over facts. Borrows both. */
typedef struct VpFactsTypes {
    VpTypeSource source;
    const VpQemuFacts *facts;
    const VpSchema *schema;
} VpFactsTypes;

void vp_facts_types_init(VpFactsTypes *types, const VpQemuFacts *facts, const VpSchema *schema);
