/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From here on libvirt prints no error by itself: the tests read all that their clients print. */
void be_quiet(void);
