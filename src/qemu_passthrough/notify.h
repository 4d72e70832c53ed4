/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tells systemd, if it started us, how we are: "READY=1", "RELOADING=1", "STOPPING=1". */
void vp_notify(const char *state);
