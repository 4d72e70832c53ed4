/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lines end with CR and LF in the human monitor's texts, and with LF alone in some. */

#include "added/lines.h"

#include "base/limits.h"

#include <string.h>

bool
vp_lines_read(const char *text, VpLineFunc func, gpointer data, char **ret_line)
{
    if (strnlen(text, VP_ADDED_TEXT_MAX + 1) > VP_ADDED_TEXT_MAX) {
        *ret_line = g_strdup_printf("more than %u bytes", VP_ADDED_TEXT_MAX);
        return false;
    }
    while (*text) {
        gsize whole = strcspn(text, "\n");
        gsize size = whole > 0 && text[whole - 1] == '\r' ? whole - 1 : whole;
        g_autofree char *line = g_strndup(text, size);

        text += whole + (text[whole] == '\n');
        if (size > 0 && !func(data, line)) {
            *ret_line = g_steal_pointer(&line);
            return false;
        }
    }
    return true;
}
