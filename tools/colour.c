/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Colours of texts on a terminal: the eight that every terminal has, so that the user's own palette
 * decides what they look like.
 */

#include "colour.h"

#include <string.h>
#include <unistd.h>

static const char *const inks[VP_INKS] = {
    [VP_INK_PLAIN] = "",      [VP_INK_KEY] = "\033[34m",   [VP_INK_STRING] = "\033[32m",
    [VP_INK_NUMBER] = "\033[36m", [VP_INK_WORD] = "\033[35m", [VP_INK_EVENT] = "\033[33m",
    [VP_INK_ERROR] = "\033[31m", [VP_INK_QUIET] = "\033[2m",
};

VpColour
vp_colour_of(int fd)
{
    const char *no_colour = g_getenv("NO_COLOR");

    if (!isatty(fd) || (no_colour && *no_colour) || g_strcmp0(g_getenv("TERM"), "dumb") == 0)
        return VP_COLOUR_NONE;
    return VP_COLOUR_ON;
}

void
vp_colour_append(GString *out, VpColour colour, VpInk ink, const char *text, gssize size)
{
    bool coloured = colour == VP_COLOUR_ON && *inks[ink];

    if (coloured)
        g_string_append(out, inks[ink]);
    g_string_append_len(out, text, size);
    if (coloured)
        g_string_append(out, "\033[0m");
}
