/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Log lines, one write() each so that lines of several processes do not mix.
 *
 * systemd sets JOURNAL_STREAM for services whose stderr is the journal; there a
 * line starts with "<N>", its syslog priority, and time and program name are the
 * journal's. Elsewhere a person reads: time and level come first.
 */

#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

const char *const vp_log_level_names[] = { "error", "warning", "info", "debug", NULL };

static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

static gint current_level = VP_LOG_INFO; /* atomic: threads log too */

void
vp_log_set_level(VpLogLevel level)
{
    g_atomic_int_set(&current_level, level);
}

bool
vp_log_enabled(VpLogLevel level)
{
    return (gint)level <= g_atomic_int_get(&current_level);
}

static void
append_prefix(GString *line, VpLogLevel level)
{
    g_autoptr(GDateTime) now = NULL;
    g_autofree char *stamp = NULL;

    if (getenv("JOURNAL_STREAM")) {
        g_string_append_printf(line, "<%d>", priorities[level]);
        return;
    }
    now = g_date_time_new_now_local();
    stamp = g_date_time_format(now, "%H:%M:%S");
    g_string_append_printf(line, "%s.%03d virtpassd[%d] %s: ", stamp,
                           g_date_time_get_microsecond(now) / 1000, (int)getpid(),
                           vp_log_level_names[level]);
}

/* A message may quote what a peer sent; a line stays a line. */
static void
escape_control_characters(GString *line, gsize from)
{
    for (gsize i = from; i < line->len; i++) {
        if (g_ascii_iscntrl(line->str[i]))
            line->str[i] = ' ';
    }
}

void
vp_log(VpLogLevel level, const char *format, ...)
{
    g_autoptr(GString) line = NULL;
    gsize start = 0;
    va_list args;

    if (!vp_log_enabled(level))
        return;
    line = g_string_new(NULL);
    append_prefix(line, level);
    start = line->len;
    va_start(args, format);
    g_string_append_vprintf(line, format, args);
    va_end(args);
    escape_control_characters(line, start);
    g_string_append_c(line, '\n');
    if (write(STDERR_FILENO, line->str, line->len) < 0)
        return; /* nobody is left who could be told */
}
