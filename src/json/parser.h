/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <yajl/yajl_parse.h>

/* A yajl parser that takes its memory from GLib, which ends the process where yajl would go on
 * with NULL. Never NULL; yajl_free(). @callbacks is borrowed. */
yajl_handle vp_json_parser_new(const yajl_callbacks *callbacks, void *data);

/* Whether @text is one whole JSON value to yajl and to all callbacks. *ret_stopped (may be NULL) is
 * set to the bytes it took to see that. Once a parser. */
bool vp_json_parser_run(yajl_handle parser, const char *text, gsize size, gsize *ret_stopped);

/* What yajl has to say of a text it did not pass: one line, or several that show the place.
 * g_free(). */
char *vp_json_parser_message(yajl_handle parser, bool show_place, const char *text, gsize size);
