/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * A command line as domxml-to-native prints it for a definition of ours, and what the emulator
 * shim would make of it.
 */
typedef struct VpNative {
    char **generated;    /* as libvirt wrote it, for the real emulator */
    char **altered;      /* as QEMU gets it; NULL when the plan cannot be carried out */
    char **environment;  /* NAME=VALUE, without the plan */
    GPtrArray *warnings; /* of char *: what the plan did not find */
    GError *refusal;     /* why `altered` is NULL */
} VpNative;

void vp_native_clear(VpNative *native);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpNative, vp_native_clear)

/* false: @text is not understood. A plan that cannot be carried out is no failure of this. */
bool vp_native_read(const char *text, VpNative *ret_native, GError **error);

/* The text with the plan carried out, in the form it came in; NULL in *ret_text when there is no
 * plan in it. false: the plan cannot be carried out. */
bool vp_native_apply(const char *text, char **ret_text, GError **error);
