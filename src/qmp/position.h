/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/scan.h"

/*
 * From 11.1 on QEMU's parse errors begin with a place: "3:15: JSON parse error, ...", the line and
 * the column of all bytes that the monitor has read since it was connected to, both from 1.
 *
 * Returns @answer with that place moved by @lines; in the first line, and only there, by @columns
 * too. NULL: it has none, or would have to be moved out of the text.
 */
GString *vp_qmp_move_position(VpJsonSlice answer, gint64 lines, gint64 columns);
