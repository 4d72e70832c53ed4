/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Whether text gets colours. */
typedef enum VpColour {
    VP_COLOUR_NONE,
    VP_COLOUR_ON,
} VpColour;

/* What a piece of text is; each has its colour. */
typedef enum VpInk {
    VP_INK_PLAIN,
    VP_INK_KEY,
    VP_INK_STRING,
    VP_INK_NUMBER,
    VP_INK_WORD,    /* true, false, null */
    VP_INK_EVENT,
    VP_INK_ERROR,
    VP_INK_QUIET,   /* what is less important than what stands around it */
    VP_INKS,
} VpInk;

/* On a terminal, unless NO_COLOR is set (to anything but nothing, https://no-color.org) or the
 * terminal is a "dumb" one. */
VpColour vp_colour_of(int fd);

/* Appends @text, @size bytes of it (-1: all), in its colour. */
void vp_colour_append(GString *out, VpColour colour, VpInk ink, const char *text, gssize size);
