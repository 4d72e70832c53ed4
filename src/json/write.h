/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Writing JSON: commas and quotes are the writer's business, the order of members the caller's.
 * The text is as QEMU and libvirt space it, "key": value, "key": value.
 *
 *     g_auto(VpJsonWriter) writer = vp_json_writer();
 *
 *     vp_json_begin_object(&writer, NULL);
 *     vp_json_add_string(&writer, "device", "net0");
 *     vp_json_begin_array(&writer, "fds");
 *     vp_json_add_int(&writer, NULL, 3);
 *     vp_json_end(&writer);
 *     vp_json_end(&writer);
 *     text = vp_json_writer_steal(&writer);
 *
 * @key is NULL in an array and for the outermost value, and only there.
 */
typedef struct VpJsonWriter {
    GString *out;
    GString *open;  /* the closing brackets that are due */
    bool first;     /* nothing written yet in the innermost bracket */
    bool compact;   /* no spaces */
} VpJsonWriter;

VpJsonWriter vp_json_writer(void);
VpJsonWriter vp_json_writer_compact(void);
void vp_json_writer_clear(VpJsonWriter *writer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpJsonWriter, vp_json_writer_clear)

void vp_json_begin_object(VpJsonWriter *writer, const char *key);
void vp_json_begin_array(VpJsonWriter *writer, const char *key);
void vp_json_end(VpJsonWriter *writer); /* the innermost that is open */

void vp_json_add_string(VpJsonWriter *writer, const char *key, const char *value); /* NULL: null */
void vp_json_add_given(VpJsonWriter *writer, const char *key, const char *value); /* NULL: none */
void vp_json_add_int(VpJsonWriter *writer, const char *key, gint64 value);
void vp_json_add_uint(VpJsonWriter *writer, const char *key, guint64 value);
void vp_json_add_bool(VpJsonWriter *writer, const char *key, bool value);
void vp_json_add_null(VpJsonWriter *writer, const char *key);
/* An array. @n: how many; -1: they end with NULL. @strings may be NULL where there are none. */
void vp_json_add_strings(VpJsonWriter *writer, const char *key, const char *const *strings,
                         gssize n);
/* @json: a valid JSON value, written as it is. */
void vp_json_add_raw(VpJsonWriter *writer, const char *key, const char *json, gsize size);

/* The text; the writer is empty afterwards. All brackets must have been closed. */
char *vp_json_writer_steal(VpJsonWriter *writer);
