/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/cmdline.h"

/* The directory in which libvirt keeps the files of this one run of the guest, as the words tell:
 * that of its master key. NULL: they do not tell. */
char *vp_cmdline_run_dir(const VpCmdline *cmdline);
