/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* For the fake QEMU: what a program would do that wants more than to be asked. Does it, and lists
 * in @out what it has gained: nothing, as a rule. @self: the name by which it was called. */
void vp_attack(const char *what, const char *self, char *out, size_t size);
