/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/expand.h"

/* What expand.c and expand_drive.c share. */

/* What machines make of the options. */
typedef struct VpExpandMachine {
    const char *family;
    const char *nic;    /* model of -nic that names none; NULL: the machine's own */
    const char *block;  /* `if` of a -drive that names none */
    const char *suffix; /* of the names of virtio devices */
    guint ide_units;    /* on a bus of its IDE adapter; 0: it has none */
    bool pc;            /* has an ISA bus, and makes display and USB adapters */
} VpExpandMachine;

/* What is numbered. */
enum { MADE_NETDEV, MADE_HUBPORT, MADE_ISA_NIC, MADE_HDA, MADE_KINDS };

struct VpExpander {
    const VpExpandMachine *machine; /* NULL: not known */
    const char *nic;
    const VpCmdline *generated;
    const VpTypeSource *types;
    VpBudget *budget;
    bool libvirt_usb;       /* libvirt has a USB adapter in @generated, */
    bool libvirt_floppy;    /* a floppy drive */
    GHashTable *drives;     /* set of "IF BUS UNIT" that are taken */
    guint made[MADE_KINDS]; /* how many of each there are */
    bool usb;               /* the machine's USB adapter has been made */
};

/* One option that is being spelled out. */
typedef struct VpExpandJob {
    VpExpander *expander;
    const VpExpandMachine *machine;
    const VpOption *option;
    GPtrArray *words;       /* of char *: the result; none: it stays as it is, or */
    bool dropped;           /* there is nothing left of it */
} VpExpandJob;

/* Appends an option; takes @value. Always true. */
bool vp_expand_add(VpExpandJob *job, const char *option, char *value);

/* Without the keys; takes @value, g_free(). */
char *vp_expand_without(const VpOptionRow *row, char *value, const char *const *keys);

/* "FIRST,KEY=TEXT,REST" in key=value form; KEY or REST are not there where they are NULL. */
char *vp_expand_join(const char *first, const char *key, const char *text, const char *rest);

/* -drive, and options that name a file of one only. */
bool vp_expand_drive(VpExpandJob *job, GError **error);
bool vp_expand_file(VpExpandJob *job, GError **error);
