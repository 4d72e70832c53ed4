/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/socket.h"
#include "qemu_passthrough/daemon.h"

/* The right of one client of a domain's QMP socket to write to the domain, as libvirtd sees it now:
 * it is asked again as long as this exists. */
typedef struct VpQmpRights VpQmpRights;

typedef enum VpQmpRight {
    VP_QMP_RIGHT_UNKNOWN, /* libvirtd has not answered yet, or not for too long */
    VP_QMP_RIGHT_ALLOWED, /* and it is not long ago that libvirtd said so */
    VP_QMP_RIGHT_DENIED,  /* for good; nothing is asked any more */
} VpQmpRight;

/* It is @right from now on; begins with UNKNOWN, which is not told. Comes from the loop; the rights
 * may be freed in the call. */
typedef void (*VpQmpRightsFunc)(VpQmpRights *rights, VpQmpRight right, gpointer data);

/* Asks libvirtd, as @peer, who has connected by @fd, about @domain, of which a reference is kept.
 * */
VpQmpRights *vp_qmp_rights_new(VpDaemon *daemon, VpDomain *domain, int fd, const VpPeer *peer,
                               VpQmpRightsFunc func, gpointer data);

/* Why it is DENIED, for the client. Borrowed. */
const char *vp_qmp_rights_reason(const VpQmpRights *rights);

/* No call comes any more. NULL is fine. */
void vp_qmp_rights_free(VpQmpRights *rights);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpQmpRights, vp_qmp_rights_free)
