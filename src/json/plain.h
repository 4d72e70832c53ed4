/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/check.h"

/* The most bytes, brackets open at a time, and keys of the open objects that a plain text has:
 * commands that are typed or that management programs send have a fraction of these. */
#define VP_JSON_PLAIN_SIZE_MAX 4096u
#define VP_JSON_PLAIN_DEPTH_MAX 16u
#define VP_JSON_PLAIN_KEYS_MAX 32u

/*
 * Whether @text is certain to pass vp_json_check(): an object, of printable ASCII without escapes,
 * with whole numbers, within the limits above. *ret_facts is set then, to the same. false: who
 * wants to know has to ask the parser.
 */
bool vp_json_check_plain(const char *text, gsize size, VpJsonFacts *ret_facts);
