/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/loop.h"
#include "probe/sandbox.h"

#include <glib.h>

/* A QEMU binary is asked for all that we want to know of it. */
typedef struct VpInquiry VpInquiry;

/* How patient an inquiry is. */
typedef struct VpInquiryTimes {
    guint silence_ms; /* the process may be silent for so long */
    guint total_ms;   /* and all of it may take so long, further processes included */
} VpInquiryTimes;

/* The slowest answers, qom-list-types and the first of a type in a module, take some 100 ms on an
 * idle machine, all of them half a second. */
extern const VpInquiryTimes vp_inquiry_times;

/* @facts: of VP_FACTS_TYPE, valid during the call; NULL: @error says why, naming the binary.
 * @program: the executable that has answered, NULL if not known; another one than the emulator
 * where that is a script. Called once, from the loop; frees the inquiry if it wants. */
typedef void (*VpInquiryFunc)(GVariant *facts, const char *program, const GError *error,
                              gpointer data);

/* Begins in the loop, not here. @sandbox and @times are borrowed. */
VpInquiry *vp_inquiry_new(VpLoop *loop, const VpSandbox *sandbox, const char *emulator,
                          const VpInquiryTimes *times, VpInquiryFunc func, gpointer data);

/* No call comes any more. NULL is fine. */
void vp_inquiry_free(VpInquiry *inquiry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpInquiry, vp_inquiry_free)
