/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/scan.h"

#include <stdbool.h>

/* What is a client's own in the monitor that it shares: its commands for QEMU, QEMU's answers for
 * it. Pure functions of texts. */

/* How a client stands. */
typedef struct VpQmpStanding {
    char prefix[40];      /* for names that only this client may have */
    bool negotiated;
    bool oob;             /* it has enabled out-of-band execution */
} VpQmpStanding;

/* What is to be done with the answer to a command. */
typedef enum VpQmpTreatment {
    VP_QMP_AS_IT_IS,
    VP_QMP_WITHOUT_PREFIX,     /* the prefix is taken out */
    VP_QMP_NOT_NEGOTIATED_YET, /* and a command that was not found could not be */
    VP_QMP_CAPABILITIES,       /* the client's first qmp_capabilities */
} VpQmpTreatment;

/* A command as QEMU gets it, and what is known of it. Slices are parts of the command's text. */
typedef struct VpQmpAdapted {
    GString *text;        /* NULL: unchanged */
    VpJsonSlice id;       /* text NULL: none */
    bool doubtful;        /* QEMU's parser may refuse it, and has to see it as it is */
    VpQmpTreatment treatment;
    bool out_of_band;     /* its answer overtakes others */
    bool takes_fd;        /* a descriptor that came with it */
    bool gives_name;      /* to a descriptor, names[0] */
    bool wants_oob;       /* of CAPABILITIES */
    GPtrArray *names;     /* char *: names of descriptors in it, with prefix; NULL: none */
} VpQmpAdapted;

void vp_qmp_adapt_command(const VpQmpStanding *standing, VpJsonSlice text,
                          VpQmpAdapted *ret_adapted);
void vp_qmp_adapted_clear(VpQmpAdapted *adapted);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpQmpAdapted, vp_qmp_adapted_clear)

/* Whether QEMU's answer to the client's first qmp_capabilities finds nothing wrong with it. */
bool vp_qmp_is_negotiated(VpJsonSlice answer);

/* QEMU's answer as the client gets it. */
GString *vp_qmp_adapt_answer(const VpQmpStanding *standing, VpQmpTreatment treatment,
                             VpJsonSlice answer);

/* Answers in QEMU's form: a return of nothing; an error, @desc plain text without quotes. */
GString *vp_qmp_say_return(VpJsonSlice id);
GString *vp_qmp_say_error(VpJsonSlice id, const char *desc);
