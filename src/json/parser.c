/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What all users of yajl here have in common: where its memory comes from, that a text is handed
 * over in one piece, and how its message is taken. It keeps nothing.
 */

#include "json/parser.h"

static void *
allocate(void *data G_GNUC_UNUSED, size_t size)
{
    return g_malloc(size);
}

static void *
reallocate(void *data G_GNUC_UNUSED, void *block, size_t size)
{
    return g_realloc(block, size);
}

static void
release(void *data G_GNUC_UNUSED, void *block)
{
    g_free(block);
}

static yajl_alloc_funcs memory = { .malloc = allocate, .realloc = reallocate, .free = release };

yajl_handle
vp_json_parser_new(const yajl_callbacks *callbacks, void *data)
{
    return yajl_alloc(callbacks, &memory, data);
}

bool
vp_json_parser_run(yajl_handle parser, const char *text, gsize size, gsize *ret_stopped)
{
    bool passed = yajl_parse(parser, (const unsigned char *)text, size) == yajl_status_ok;

    /* At the end yajl starts to count anew. */
    if (ret_stopped)
        *ret_stopped = passed ? size : yajl_get_bytes_consumed(parser);
    return passed && yajl_complete_parse(parser) == yajl_status_ok;
}

char *
vp_json_parser_message(yajl_handle parser, bool show_place, const char *text, gsize size)
{
    unsigned char *message = yajl_get_error(parser, show_place, (const unsigned char *)text, size);
    char *copy = g_strdup((const char *)message);

    yajl_free_error(parser, message);
    return copy;
}
