/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/plan.h"

/* What -set GROUP.ID.KEY=VALUE says. */
typedef struct VpSetting {
    char *group;
    char *id;
    char *key;
    char *value;
} VpSetting;

void vp_setting_clear(VpSetting *setting);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpSetting, vp_setting_clear)

/* false: QEMU cannot read it either. */
bool vp_setting_read(VpSetting *ret_setting, const char *text);

/* Whether it is for an option that libvirt writes as JSON, where QEMU's -set finds nothing. */
bool vp_setting_needs_help(const VpSetting *setting);

/* Adds the alter that does the same, number 0, to @plan. false: a <modify> cannot say it. */
bool vp_setting_add_alter(const VpSetting *setting, guint line, VpPlan *plan);
