/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/prepare.h"

/* The options by which libvirt has a guest in its hand. No alter changes them. */

/* true: the option is none of them, else false and @error (VP_ERROR_FAILED), which says why. */
bool vp_vital_check(const VpOption *option, GError **error);

/* The same, VP_ERROR_XML, before there is a command line: for those that libvirt certainly writes
 * and the alter certainly means, and for the dedicated session's words if it names them. */
bool vp_vital_check_prepared(const VpPrepared *prepared, VpBudget *budget, GError **error);
