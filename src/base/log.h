/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Messages for the operator, to stderr; under systemd with the journal's level
 * prefix. What a client may make us write is at most one line an incident and
 * never raw bytes of its own above debug level.
 */

typedef enum VpLogLevel {
    VP_LOG_ERROR,   /* something does not work and somebody has to look */
    VP_LOG_WARNING, /* works, but not as asked */
    VP_LOG_INFO,    /* start, stop, sessions that come and go */
    VP_LOG_DEBUG,   /* every frame and every QMP message */
} VpLogLevel;

/* Names of the levels for configuration and command line, NULL-terminated. */
extern const char *const vp_log_level_names[];

void vp_log_set_level(VpLogLevel level);
bool vp_log_enabled(VpLogLevel level);
/* One line. In any thread, for it is one write(). */
void vp_log(VpLogLevel level, const char *format, ...) G_GNUC_PRINTF(2, 3);

#define vp_log_error(...) vp_log(VP_LOG_ERROR, __VA_ARGS__)
#define vp_log_warning(...) vp_log(VP_LOG_WARNING, __VA_ARGS__)
#define vp_log_info(...) vp_log(VP_LOG_INFO, __VA_ARGS__)
/* The arguments are not evaluated when nobody reads them: this stands on hot paths. */
#define vp_log_debug(...)                                                                          \
    do {                                                                                           \
        if (vp_log_enabled(VP_LOG_DEBUG))                                                          \
            vp_log(VP_LOG_DEBUG, __VA_ARGS__);                                                     \
    } while (0)
