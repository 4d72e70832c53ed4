/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Texts made of what costs much, and how long they keep a thread busy. */

#include <glib.h>
#include <string.h>
#include <time.h>

/* A head, pieces that are repeated until the text is full, and a tail; a '#' in a piece is its
 * number. */
typedef struct Kind {
    const char *name;
    const char *head;
    const char *piece;
    const char *tail;
    guint max; /* pieces; 0: as many as fit */
} Kind;

/* A text of that kind with at most @size bytes. */
static inline char *
kind_make(const Kind *kind, gsize size)
{
    GString *text = g_string_sized_new(size);
    gsize room = size - strlen(kind->tail) - 32;

    g_string_append(text, kind->head);
    for (guint i = 0; text->len + strlen(kind->piece) + 32 < room && (!kind->max || i < kind->max);
         i++) {
        for (const char *at = kind->piece; *at; at++) {
            if (*at == '#' && at[-1] != '&')
                g_string_append_printf(text, "%u", i);
            else
                g_string_append_c(text, *at);
        }
    }
    g_string_append(text, kind->tail);
    return g_string_free(text, FALSE);
}

/* Processor time of this thread. */
static inline double
thread_ms(void)
{
    struct timespec now = { 0 };

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}
