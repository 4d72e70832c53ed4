/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/cmdline.h"
#include "plan/plan.h"

/*
 * From the author's wishes to what stock libvirt is given.
 *
 * Added words become words. A -device in key=value form among them becomes JSON, because QEMU
 * creates those after libvirt's (all key=value ones come first and take the addresses libvirt has
 * planned); one that JSON might not say all of stays as it is (device.h). So does a [device] group.
 * A -set for such a device is carried out in it, one for a device of libvirt's becomes an
 * alteration (setting.h). Options and groups that make devices by themselves are spelled out before
 * (expand.h). Devices that translate for others are the other way round: they become key=value,
 * with an address, and come before libvirt's (order.h). cpudef becomes -cpu and -global words.
 * Alterations, and groups that only -readconfig carries, are left in a plan for the shim.
 *
 * libvirt writes the author's words behind its own devices, but for some: vsock, shmem and a few
 * others come after them. An added device without an address would take one of theirs. In a domain
 * that has such devices (late_devices of the wishes), added devices from the first without an
 * address on are left to the shim, which puts them behind. So they are when it has to work anyway.
 */

typedef struct VpCompiled {
    char **words;  /* to be appended to the command line, NULL-terminated, may be empty */
    VpPlan *shim;  /* what the shim has to do, with emulator and session set; NULL: nothing */
    GPtrArray *warnings; /* of char *: what of an added device is not known to this QEMU, with
                          * element and line; QEMU will judge */
} VpCompiled;

void vp_compiled_clear(VpCompiled *compiled);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpCompiled, vp_compiled_clear)

/*
 * @types: NULL when nothing can be known of the binary; then devices whose properties need types
 * stay as they are written, and alterations that need some do not compile.
 * @generated: the command line that libvirt makes of the domain without what its author adds; then
 * added devices get their addresses (place.h). NULL: not known, and they only keep those of before.
 * Errors name the element and line: VP_ERROR_XML (wrong), _UNSUPPORTED (cannot be carried), _LIMIT;
 * those of addresses name both devices (VP_ERROR_FAILED).
 */
bool vp_compile(const VpPlan *wishes, const VpTypeSource *types, const VpCmdline *generated,
                VpCompiled *ret, GError **error);

/* The devices that a domain's words and plan add, both as compiled: of char *, the values of
 * -device, owned. @shim may be NULL. */
GPtrArray *vp_compiled_devices(char *const *words, const VpPlan *shim);
