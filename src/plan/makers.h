/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/*
 * Options of QEMU's that add devices to a machine, -device itself and those that are short for it,
 * and the groups of its configuration file that do. Who reads an author's words has to know that
 * there may be devices in them before anybody looks closer; some of them add none (-drive if=none).
 */

/* A word with one or two dashes in front. */
bool vp_makes_devices(const char *word);

bool vp_group_makes_devices(const char *name);
