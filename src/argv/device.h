/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/cmdline.h"
#include "plan/budget.h"
#include "plan/plan.h"

/*
 * A device that an author adds, "driver,key=value,..." as QEMU reads it, for -device: as JSON,
 * because QEMU creates what is written so after the devices of libvirt's that stand before it; or
 * @text as it is, where JSON could say less. @types NULL: nothing is known of the binary.
 * *ret_note: a device or property of it that is not known, as a sentence for its author; NULL:
 * none. NULL and @error: it is no device for any QEMU, or a property cannot have such a value.
 */
char *vp_device_from_text(const char *text, const VpTypeSource *types, VpBudget *budget,
                          char **ret_note, GError **error);

/* [device "ID"] as such a text. NULL and @error: it has no driver. */
char *vp_device_group_text(const VpGroup *group, GError **error);

bool vp_option_is_device(const VpOption *option);

/* A device whose place QEMU chooses: the first that is free when it comes to it. */
bool vp_device_has_no_address(const VpOption *option);
