/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/registry.h"

/* Whether @arguments (NULL: none) are what @fields say (they end with a row of NULLs; NULL: none);
 * *ret_message is QEMU's text about the first that is not; g_free(). */
bool vp_arguments_check(const VpField *fields, const VpJsonNode *arguments, char **ret_message);
