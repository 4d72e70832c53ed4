/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/tree.h"
#include "probe/schema.h"

#include <glib.h>
#include <stdbool.h>

/*
 * Puts QEMU's answers together to the one value that facts are made of and that the cache keeps.
 */
typedef struct VpFactsBuilder VpFactsBuilder;

/* What it holds: version; properties (name, type, default, description), each once; sets of them
 * by index, each once; devices (name, bus, alias, description, category, creatable, broken, set);
 * groups (name, keys (name, type)); the schema, see schema.h. Absent texts are empty. */
#define VP_FACTS_TYPE "(sa(ssss)aaua(sssssbsu)a(sa(ss))" VP_SCHEMA_TYPE ")"

VpFactsBuilder *vp_facts_builder_new(void);
void vp_facts_builder_free(VpFactsBuilder *builder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpFactsBuilder, vp_facts_builder_free)

/* Each takes the value of an answer's "return" (of the greeting's "QMP") and is false when that is
 * not what it should be. Nothing is added then. */
bool vp_facts_add_greeting(VpFactsBuilder *builder, const VpJsonNode *greeting);
bool vp_facts_add_groups(VpFactsBuilder *builder, const VpJsonNode *groups); /* ...-line-options */
bool vp_facts_add_schema(VpFactsBuilder *builder, const VpJsonNode *schema); /* query-qmp-schema */
bool vp_facts_add_types(VpFactsBuilder *builder, const VpJsonNode *types);   /* qom-list-types */
bool vp_facts_add_qdm(VpFactsBuilder *builder, const VpJsonNode *text);      /* info qdm */

/* The types that vp_facts_add_types() has added, numbered from 0. */
guint vp_facts_n_types(const VpFactsBuilder *builder);
const char *vp_facts_type_name(const VpFactsBuilder *builder, guint type);

/* device-list-properties of one of them, or why it has no answer. */
bool vp_facts_add_properties(VpFactsBuilder *builder, guint type, const VpJsonNode *properties);
void vp_facts_set_broken(VpFactsBuilder *builder, guint type, const char *reason);

/* All of it. No reference is owned by the builder; g_variant_unref(). */
GVariant *vp_facts_builder_end(VpFactsBuilder *builder);
