/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Places in parse errors.
 *
 * Those that QEMU tells are places in what it has read from all of a session's users. Who sent the
 * broken bytes knows nothing of the others, so the place is moved twice: by mux.c into the bytes
 * that were sent raw, and by the QMP server to where its client has sent them.
 *
 * QEMU writes JSON in one way, so the place is found by the text in front of it.
 */

#include "qmp/position.h"

#include <string.h>

#define HEAD "{\"error\": {\"class\": \"GenericError\", \"desc\": \""
#define TAIL ": JSON parse error"

/* Takes @text off the beginning. */
static bool
skip(VpJsonSlice *rest, const char *text)
{
    gsize size = strlen(text);

    if (rest->size < size || memcmp(rest->text, text, size) != 0)
        return false;
    rest->text += size;
    rest->size -= size;
    return true;
}

/* The number at the beginning, which is taken off; 0 when there is none. */
static gint64
skip_number(VpJsonSlice *rest)
{
    gint64 value = 0;

    for (; rest->size > 0 && g_ascii_isdigit(*rest->text) && value < G_MAXUINT32; rest->size--)
        value = value * 10 + g_ascii_digit_value(*rest->text++);
    return value;
}

GString *
vp_qmp_move_position(VpJsonSlice answer, gint64 lines, gint64 columns)
{
    VpJsonSlice rest = answer;
    gint64 line = 0, column = 0;
    GString *moved = NULL;

    if (!skip(&rest, HEAD))
        return NULL;
    line = skip_number(&rest);
    if (!skip(&rest, ":"))
        return NULL;
    column = skip_number(&rest);
    if (line == 0 || column == 0 || line + lines < 1 || rest.size < strlen(TAIL) ||
        memcmp(rest.text, TAIL, strlen(TAIL)) != 0)
        return NULL;
    moved = g_string_sized_new(answer.size + 16);
    g_string_append_printf(moved, HEAD "%" G_GINT64_FORMAT ":%" G_GINT64_FORMAT, line + lines,
                           line == 1 ? column + columns : column);
    return g_string_append_len(moved, rest.text, rest.size);
}
