/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/plan.h"

/*
 * From the author's wishes to what stock libvirt is given.
 *
 * Added words become words. A -device in key=value form among them becomes JSON, because QEMU
 * creates those after libvirt's (all key=value ones come first and take the addresses libvirt has
 * planned). So does a [device] group. cpudef becomes -cpu and -global words. Alterations, and
 * groups that only -readconfig carries, are left in a plan for the shim.
 */

typedef struct VpCompiled {
    char **words;  /* to be appended to the command line, NULL-terminated, may be empty */
    VpPlan *shim;  /* what the shim has to do (emulator, types and steps set), NULL: nothing */
} VpCompiled;

void vp_compiled_clear(VpCompiled *compiled);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpCompiled, vp_compiled_clear)

/*
 * @types: NULL when nothing can be known of the binary; then only what needs no types compiles.
 * Errors name the element and line: VP_ERROR_XML (wrong), _UNSUPPORTED (cannot be carried), _LIMIT.
 */
bool vp_compile(const VpPlan *wishes, const VpTypeSource *types, VpCompiled *ret, GError **error);

/*
 * libvirt writes the author's words behind its own devices, but for some: vsock, shmem and panic
 * devices come after them. An added device without an address would take one of theirs. For a
 * domain that has such devices, this leaves added devices from the first without an address on to
 * the shim, which puts them at the very end. (vp_compile() itself does so when there is work for
 * the shim anyway.) @emulator: of the wishes.
 */
void vp_compiled_defer_devices(VpCompiled *compiled, const char *emulator);
