/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmp/channel.h"
#include "qmp/command.h"
#include "qmp/envelope.h"

/* Many users, one monitor. Embedded in its session. */
typedef struct VpQmpMux {
    VpQmpChannel *channel;           /* the session's */
    VpQmpStats *stats;               /* the session's */
    bool open;                       /* commands are accepted and sent */
    bool oob;                        /* QEMU takes commands out of band */
    bool in_step;                    /* no reply has given cause to doubt whose the next one is */
    guint untagged;                  /* in-band commands sent since the last that had an id */
    bool exclusive;                  /* one that came with descriptors has the monitor for itself */
    guint probes;                    /* sent since the last exclusive command of a user */
    guint last_id[VP_QMP_BANDS];     /* given out last, counted within the band */
    GQueue in_flight[VP_QMP_BANDS];  /* of VpQmpCommand, in the order sent */
    GQueue turns[VP_QMP_BANDS];      /* of VpQmpQueue: those with commands waiting; head is next */
    GQueue queues;                   /* of VpQmpQueue: all */
} VpQmpMux;

void vp_qmp_mux_init(VpQmpMux *mux, VpQmpChannel *channel, VpQmpStats *stats);

/* Commands are accepted from now on. @oob: the capability was enabled. */
void vp_qmp_mux_open(VpQmpMux *mux, bool oob);

/* None is accepted any more, and all there are get answered that their reply cannot come. The
 * channel must be closed already. */
void vp_qmp_mux_close(VpQmpMux *mux);

/* Cuts the queues loose that are still there; they accept nothing any more. */
void vp_qmp_mux_detach(VpQmpMux *mux);

/* Sends what may be sent now. Calls no user. */
void vp_qmp_mux_pump(VpQmpMux *mux);

/* What became of a reply. */
typedef enum VpQmpDelivery {
    VP_QMP_DELIVERED,
    VP_QMP_STRAY,       /* it belongs to nobody */
    VP_QMP_OUT_OF_STEP, /* replies do not come in the order of the commands: lose the session */
} VpQmpDelivery;

/* Delivers a reply: VP_QMP_RETURN or VP_QMP_FAILURE, the @size bytes at @message, of which
 * message[size] may be overwritten too. */
VpQmpDelivery vp_qmp_mux_deliver(VpQmpMux *mux, const VpQmpEnvelope *envelope, char *message,
                                 gsize size);

VpQmpQueue *vp_qmp_mux_add_queue(VpQmpMux *mux);
