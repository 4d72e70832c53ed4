/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * A JSON text as a tree, for who looks at most of it. (Who wants one member of a long text takes
 * json/members.h.) The tree is one allocation-friendly arena that is freed as a whole; nodes are
 * borrowed from it. All accessors take NULL and nodes of another type and then give the "nothing"
 * value, so that what is missing can be looked into.
 */

typedef struct VpJsonTree VpJsonTree;
typedef struct VpJsonNode VpJsonNode;

typedef enum VpJsonKind {
    VP_JSON_NODE_NULL,
    VP_JSON_NODE_BOOL,
    VP_JSON_NODE_NUMBER,
    VP_JSON_NODE_STRING,
    VP_JSON_NODE_ARRAY,
    VP_JSON_NODE_OBJECT,
} VpJsonKind;

/* @size -1: @text is NUL-terminated. NULL: not one JSON value; *ret_message (may be NULL) says in
 * one line what is wrong and where; g_free(). Nesting deeper than VP_JSON_DEPTH_MAX and more values
 * than VP_JSON_VALUES_MAX are refused. */
VpJsonTree *vp_json_tree_parse(const char *text, gssize size, char **ret_message);
void vp_json_tree_free(VpJsonTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpJsonTree, vp_json_tree_free)

const VpJsonNode *vp_json_root(const VpJsonTree *tree);

VpJsonKind vp_json_kind(const VpJsonNode *node);             /* NULL: VP_JSON_NODE_NULL */
bool vp_json_is(const VpJsonNode *node, VpJsonKind kind);    /* NULL: false */

/* Member of an object; of equal keys the last. NULL: there is none. */
const VpJsonNode *vp_json_get(const VpJsonNode *object, const char *key);
/* The same, several members deep: vp_json_path(root, "return", "inserted", "image", NULL). */
const VpJsonNode *vp_json_path(const VpJsonNode *object, ...) G_GNUC_NULL_TERMINATED;

/* Strings and keys end at their first NUL, as in libvirt, and half a surrogate pair is U+FFFD. They
 * are not always valid UTF-8. */
const char *vp_json_string(const VpJsonNode *node);                       /* NULL: no string */
const char *vp_json_get_string(const VpJsonNode *object, const char *key);
bool vp_json_bool(const VpJsonNode *node);                                /* false: none */
bool vp_json_get_bool(const VpJsonNode *object, const char *key);
/* The number of a member if it is an integer in range and written as one ("1e3" is not), else
 * @nothing. */
gint64 vp_json_get_int(const VpJsonNode *object, const char *key, gint64 nothing);
/* A number as it was written ("1e3", "0.5"); NULL: no number. */
const char *vp_json_number_text(const VpJsonNode *node);

/* Elements of an array or members of an object, in order. */
guint vp_json_length(const VpJsonNode *node);
const VpJsonNode *vp_json_at(const VpJsonNode *node, guint i);            /* the value */
const char *vp_json_key_at(const VpJsonNode *object, guint i);            /* its key */

/* The bytes of the value in the text that was parsed (a copy in the tree), for passing it on as it
 * is. */
const char *vp_json_text(const VpJsonNode *node, gsize *ret_size);
