/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "colour.h"
#include "live.h"

/* For people: when, of which domain, what, with its data as key=value. One line without its end. */
char *vp_event_to_text(const VpLiveEvent *event, VpColour colour);

/* For programs: an object with "domain", "uuid", "event", "timestamp" ("seconds" and
 * "microseconds", as in QMP) and, where there is some, "data". One line without its end. */
char *vp_event_to_json(const VpLiveEvent *event);

/* As QEMU writes it: "timestamp", "event", "data". */
char *vp_event_to_qmp(const VpLiveEvent *event);
