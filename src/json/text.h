/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Appends @text as a JSON string with its quotes. Bytes above 0x7f stay as they are. */
void vp_json_append_quoted(GString *out, const char *text);

/* Appends @text, valid JSON, without the white space outside of its strings. */
void vp_json_append_compact(GString *out, const char *text, gsize size);

/*
 * Appends what the string means whose @size bytes between the quotes are at @raw. Half a
 * surrogate pair becomes U+FFFD. False when an escape is wrong or unfinished; @out is then as
 * long as before.
 */
bool vp_json_append_decoded(GString *out, const char *raw, gsize size);

/* The text of @value, one JSON string with its quotes; NULL when it is no such thing. A text with
 * a NUL character in it ends there, as it does in libvirt. */
char *vp_json_decode_string(const char *value, gsize size);

/* The code point of the \u escape at @at, of both halves where two belong together; *ret_size is
 * set to the bytes it took, 0 when it is no valid escape. A half without its other one is
 * returned as it is. */
guint32 vp_json_read_unicode_escape(const char *at, const char *end, gsize *ret_size);
