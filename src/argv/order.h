/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/cmdline.h"

#include <stdbool.h>

/*
 * Which added devices QEMU has to create before libvirt's. They are given to it in key=value form,
 * for it creates those before all that are JSON; with an address they take nobody's place.
 */

/* Whether the option is a -device of such a type. Not so one on a bus that only another device
 * makes: libvirt's are JSON, so it is not there yet. */
bool vp_order_is_first(const VpOption *option);

/* The value of such a -device in key=value form, as it is if it is in that; g_free(). */
char *vp_order_text(const VpOption *option);
