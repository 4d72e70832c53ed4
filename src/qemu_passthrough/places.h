/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/loop.h"
#include "qemu_passthrough/config.h"

typedef struct VpPlaces VpPlaces;

/* That of one connection. */
typedef struct VpPlace VpPlace;

typedef struct VpPlacesOps {
    /* The connection has to end; its place is freed by that. */
    void (*drop)(gpointer owner, const char *reason, gpointer data);
    /* vp_places_may_come() said no, and would say something else now. */
    void (*room)(gpointer data);
} VpPlacesOps;

/* @config is borrowed; what its limits say counts at every moment. */
VpPlaces *vp_places_new(VpLoop *loop, const VpConfig *config, const VpPlacesOps *ops,
                        gpointer data);

/* No place is left. NULL is fine. */
void vp_places_free(VpPlaces *places);

/* Somebody waits to be accepted at a unix socket: may he? If there are too many already who have
 * not opened their connection, the one that has kept us waiting goes for him. */
bool vp_places_may_come(VpPlaces *places);

/* A place for who has connected: by the unix socket @fd, or through TLS with a certificate of
 * @tls_name. NULL: his user has as many as are his; it was logged. */
VpPlace *vp_places_take(VpPlaces *places, int fd, const char *tls_name);

/* The same for a client of a QMP socket, which has nothing to open: it is only counted. */
VpPlace *vp_places_take_qmp(VpPlaces *places, int fd);

void vp_place_set_owner(VpPlace *place, gpointer owner);

/* What follows may be called with NULL. */
void vp_place_free(VpPlace *place);

/* It has asked libvirtd for something, or waits for libvirtd otherwise; or it has the answer, and
 * it is its turn. */
void vp_place_set_waiting(VpPlace *place, bool waiting);

/* libvirtd knows who it is: from now on it may be idle for as long as it likes. */
void vp_place_opened(VpPlace *place);
