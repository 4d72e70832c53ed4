/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/cmdline.h"
#include "plan/budget.h"
#include "plan/plan.h"

/*
 * A device that an author adds, as JSON for -device: QEMU creates what is written so after the
 * devices of libvirt's that stand before it. @types NULL: nothing is known of the binary.
 * NULL and @error: there is no such device, a property has not the type of its value, or a type
 * would be needed and is not known (VP_ERROR_UNSUPPORTED).
 */

/* "driver,key=value,..." as QEMU reads it. */
char *vp_device_from_text(const char *text, const VpTypeSource *types, VpBudget *budget,
                          GError **error);

/* [device "ID"] */
char *vp_device_from_group(const VpGroup *group, const VpTypeSource *types, VpBudget *budget,
                          GError **error);

bool vp_option_is_device(const VpOption *option);

/* A device whose place QEMU chooses: the first that is free when it comes to it. */
bool vp_device_has_no_address(const VpOption *option);
