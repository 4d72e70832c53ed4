/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The human monitor's "info mtree -D" as query-mtree returns it; g_free(). NULL: not understood;
 * *ret_line is the line that is not; g_free(). Of QEMU 7.2 to 11.1. */
char *vp_info_mtree_convert(const char *text, char **ret_line);
