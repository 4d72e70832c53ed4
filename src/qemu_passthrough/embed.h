/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/loop.h"
#include "qemu_passthrough/config.h"

typedef struct VpEmbed VpEmbed;

/* Called when libvirtd has ended although nobody asked it to, and cannot be kept up. */
typedef void (*VpEmbedFunc)(const char *reason, gpointer data);

/* Starts a private session-mode libvirtd with all its state under config->embed_dir. */
VpEmbed *vp_embed_start(VpLoop *loop, const VpConfig *config, VpEmbedFunc failed, gpointer data,
                        GError **error);

/* Ends libvirtd and waits for it. Guests are not touched: daemon.c ends them before. */
void vp_embed_stop(VpEmbed *embed);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpEmbed, vp_embed_stop)
