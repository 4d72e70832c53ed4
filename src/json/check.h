/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/scan.h"

typedef enum VpJsonType {
    VP_JSON_OBJECT,
    VP_JSON_ARRAY,
    VP_JSON_STRING,
    VP_JSON_NUMBER,
    VP_JSON_BOOLEAN,
    VP_JSON_NULL,
} VpJsonType;

/* What is known of a text that passed. */
typedef struct VpJsonFacts {
    VpJsonType type;   /* of the one value that it is */
    VpJsonSlice value; /* where that is in the text. What follows need not be white space only:
                        * yajl lets a string pass there that does not end. */
    guint depth;       /* brackets open at a time, 0 for a plain value */
    /* A string holds what QEMU's parser refuses or may refuse although libvirt's takes it:
     * U+0000, half a surrogate pair, bytes that are no UTF-8, a noncharacter. */
    bool doubtful;
} VpJsonFacts;

/*
 * Whether @text is one JSON value as libvirt 9.0 judges it: with yajl, white space around the
 * value allowed, nothing else behind it, no key twice in an object. If not, *ret_message is the
 * text that libvirt writes behind "cannot parse json TEXT: "; g_free().
 *
 * A text that is nested deeper than VP_QMP_NESTING_MAX or has more than VP_QMP_TOKENS_MAX values,
 * keys and brackets does not pass either: QEMU would answer what is far longer or deeper with more
 * errors than one.
 */
bool vp_json_check(const char *text, gsize size, VpJsonFacts *ret_facts, char **ret_message);
