/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/plan.h"

#include <glib.h>
#include <stdbool.h>

/* How a group of QEMU's configuration file reaches QEMU. */
typedef enum VpGroupWay {
    VP_GROUP_CONFIG,  /* by -readconfig */
    VP_GROUP_DEVICE,  /* as a JSON -device, so that it comes after libvirt's */
    VP_GROUP_CPUDEF,  /* as -cpu */
    VP_GROUP_IGNORED, /* QEMU reads it and does nothing with it: refused */
    VP_GROUP_WRITTEN, /* libvirt always writes its option, beside which it does nothing: refused */
    VP_GROUP_LACKING, /* QEMU has no such group: refused */
} VpGroupWay;

/* LACKING for what is not known at all. */
VpGroupWay vp_group_way(const char *name);

/* Why a group is refused and what to write instead. @way: IGNORED, WRITTEN or LACKING. */
void vp_group_refuse(const VpGroup *refused, VpGroupWay way, GError **error);
