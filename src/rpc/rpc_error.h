/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rpc/link.h"
#include "rpc/payload.h"

/* libvirt's error codes that we use (virErrorNumber). */
typedef enum VpRpcCode {
    VP_RPC_INTERNAL_ERROR = 1,
    VP_RPC_INVALID_ARG = 8,
    VP_RPC_XML_ERROR = 27,
    VP_RPC_OPERATION_DENIED = 29,
    VP_RPC_RPC = 39,
    VP_RPC_NO_DOMAIN = 42,
    VP_RPC_AUTH_FAILED = 45,
    VP_RPC_OPERATION_INVALID = 55,
    VP_RPC_CONFIG_UNSUPPORTED = 67,
    VP_RPC_NO_DOMAIN_METADATA = 80,
    VP_RPC_OPERATION_UNSUPPORTED = 84,
    VP_RPC_RESOURCE_BUSY = 87,
    VP_RPC_ACCESS_DENIED = 88,
} VpRpcCode;

/* The part of libvirt that would report the error (virErrorDomain). */
typedef enum VpRpcOrigin {
    VP_RPC_FROM_NONE = 0,
    VP_RPC_FROM_RPC = 7,
    VP_RPC_FROM_QEMU = 10,
    VP_RPC_FROM_DOMAIN = 20,
    VP_RPC_FROM_ACCESS = 55,
} VpRpcOrigin;

/*
 * Answers the call with an error. The text is put behind libvirt's usual words for the code
 * ("internal error: ..."), as libvirt's own messages are.
 */
void vp_rpc_send_error(VpLink *link, const VpHeader *call, VpRpcCode code, VpRpcOrigin origin,
                       const char *format, ...) G_GNUC_PRINTF(5, 6);

/* The same from a GError of ours: its code decides libvirt's. */
void vp_rpc_send_gerror(VpLink *link, const VpHeader *call, const GError *error);

/* The same with an error of libvirtd's as it is. */
void vp_rpc_send_body(VpLink *link, const VpHeader *call, const vp_error_body *body);

/* The header of the reply to @call. */
VpHeader vp_rpc_reply_header(const VpHeader *call, VpFrameStatus status);
