/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * By name only. What each of them is short for, and on which machine, is in argv/expand.c; its
 * test compares the two.
 */

#include "plan/makers.h"

#include <glib.h>

static const char *const options[] = {
    "audio", "cdrom", "device", "drive", "hda", "hdb", "hdc", "hdd", "fda", "fdb", "net", "nic",
    "readconfig", "usb", "usbdevice", "vga", "virtfs", NULL,
};

static const char *const groups[] = { "device", "drive", "net", "nic", NULL };

bool
vp_makes_devices(const char *word)
{
    if (*word != '-')
        return false;
    return g_strv_contains(options, word[1] == '-' ? word + 2 : word + 1);
}

bool
vp_group_makes_devices(const char *name)
{
    return g_strv_contains(groups, name);
}
