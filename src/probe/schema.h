/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/tree.h"
#include "plan/types.h"

#include <glib.h>
#include <stdbool.h>

/*
 * The part of QEMU's schema that says which JSON an option takes: the types that can be reached
 * from the arguments of object-add, netdev_add and blockdev-add and from what query-audiodevs and
 * query-display-options return.
 *
 * As kept: roots (option, type) and types (kind, tag, members (name, type), variants (case, type)).
 * A type is a number: a VpSchemaKind below VP_SCHEMA_FIRST, else VP_SCHEMA_FIRST plus the place
 * in the list. Of arrays and alternates the members have no names.
 */
#define VP_SCHEMA_TYPE "(a(su)a(ysa(su)a(su)))"

typedef enum VpSchemaKind {
    VP_SCHEMA_STRING,    /* enums too */
    VP_SCHEMA_BOOL,
    VP_SCHEMA_INT,
    VP_SCHEMA_NUMBER,
    VP_SCHEMA_ANY,
    VP_SCHEMA_FIRST,     /* number of the first type of the list */
    VP_SCHEMA_OBJECT = VP_SCHEMA_FIRST,
    VP_SCHEMA_ARRAY,
    VP_SCHEMA_ALTERNATE,
} VpSchemaKind;

/* What is needed of query-qmp-schema's answer, of type VP_SCHEMA_TYPE and with a floating
 * reference; NULL when it is no such answer. */
GVariant *vp_schema_digest(const VpJsonNode *answer);

typedef struct VpSchema VpSchema;

/* NULL when a number in @variant names no type. */
VpSchema *vp_schema_new(GVariant *variant);
void vp_schema_free(VpSchema *schema);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpSchema, vp_schema_free)

/* Whether there is a root for @option. */
bool vp_schema_has(const VpSchema *schema, const char *option);

/* The type of the dotted @key. @driver: value of the tag, NULL: any. Where deeper unions are on
 * the way, the first of their variants that has the key decides. */
VpValueType vp_schema_lookup(const VpSchema *schema, const char *option, const char *driver,
                             const char *key);

/* Calls @func for each driver that has @key; with driver NULL when all have it. */
typedef void (*VpSchemaFunc)(const char *driver, VpValueType type, gpointer data);
void vp_schema_each(const VpSchema *schema, const char *option, const char *key, VpSchemaFunc func,
                    gpointer data);
