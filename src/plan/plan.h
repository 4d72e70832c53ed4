/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/budget.h"
#include "plan/types.h"

#include <glib.h>
#include <stdbool.h>

/*
 * What an author wants done to a domain's command line, as data: the common language of who reads
 * it from XML (src/xml), who turns it into words (src/argv) and who carries it out when QEMU
 * starts (src/emulator). Nothing here knows XML or QEMU.
 *
 * It has two lives. As the author's *wishes* it holds everything in document order. What stock
 * libvirt cannot do of that is *carried* to the emulator shim as JSON text, in one environment
 * variable of the guest (VP_PLAN_VARIABLE): that text is vp_plan_to_json() of a plan which has
 * `emulator` set, and ALTER and GROUP steps only.
 */

/* The <qemu:env> that carries a plan to the shim. */
#define VP_PLAN_VARIABLE "VIRTPASS_PLAN"

/* Where in QEMU's command line an instance is, or which of several is meant. */
typedef enum VpOccurs {
    VP_OCCURS_ALL,
    VP_OCCURS_FIRST,
    VP_OCCURS_LAST,
    VP_OCCURS_NTH,
} VpOccurs;

/* One child of <qemu:alter>; the fields that a kind has are named behind it. */
typedef enum VpActionKind {
    VP_ACTION_MATCH,        /* key (NULL: the whole value), regex */
    VP_ACTION_MODIFY,       /* text: KEY=VALUE[,KEY=VALUE...] as written; type */
    VP_ACTION_REMOVE_KEY,   /* key */
    VP_ACTION_REMOVE,       /* the option and its value */
    VP_ACTION_RENAME,       /* text: the new name, a leading '-' is optional */
    VP_ACTION_REPLACE,      /* regex, text: the replacement with \1 \g<name> */
    VP_ACTION_EXTRA,        /* words; before */
} VpActionKind;

typedef struct VpAction {
    VpActionKind kind;
    char *key;
    char *regex;
    char *text;
    VpValueType type; /* MODIFY: what the author said, else VP_TYPE_UNKNOWN */
    char **words;     /* EXTRA: NULL-terminated */
    bool before;      /* EXTRA: in front of the option, else behind its value */
} VpAction;

/* <qemu:alter> */
typedef struct VpAlter {
    guint number;   /* the how manieth alter of the domain, from 1; 0: of a -set; for messages */
    guint line;     /* where it stands in the author's document, 0 if unknown; for messages */
    char *option;   /* without leading dash */
    VpOccurs occurs;
    guint nth;      /* OCCURS_NTH: from 1 */
    bool required;  /* matching nothing is an error */
    GPtrArray *actions; /* of VpAction, in document order */
    VpBudget *budget;   /* of the plan: what reading the document may cost; borrowed */
} VpAlter;

/* <qemu:GROUP id='ID'>: a group of QEMU's configuration file. */
typedef struct VpGroup {
    guint line;     /* as in VpAlter */
    char *name;     /* "device", "cpudef" ... */
    char *id;       /* NULL: none */
    GPtrArray *keys;   /* of char *: as written, in order */
    GPtrArray *values; /* of char *: beside keys */
} VpGroup;

/* Words that the author adds: one <qemu:arg>, or the several of one <qemu:extra>. */
typedef struct VpWords {
    guint line;
    char **words;   /* NULL-terminated */
} VpWords;

typedef enum VpStepKind {
    VP_STEP_WORDS,
    VP_STEP_ALTER,
    VP_STEP_GROUP,
} VpStepKind;

typedef struct VpStep {
    VpStepKind kind;
    union {
        VpWords *words;
        VpAlter *alter;
        VpGroup *group;
    };
} VpStep;

/* A device of libvirt's about which its command line says nothing yet: one that takes something of
 * the host when it is written there. */
typedef struct VpApart {
    char *label;    /* for messages */
    bool express;   /* it goes into a port where there are ports */
    bool placed;    /* it has an address on a PCI bus: */
    guint bus;      /* libvirt's number of it */
    guint slot;
    guint function;
} VpApart;

typedef struct VpPlan {
    char *emulator;   /* the real QEMU; NULL in wishes whose author named none */
    char *domain;     /* wishes only: its name, for messages; NULL: not known */
    GPtrArray *steps; /* of VpStep, in document order */
    GPtrArray *types; /* of VpKeyType: what is known of the keys that alters set in JSON */
    bool session;     /* the shim adds the words of a dedicated session too; in wishes: if there is
                       * something for it to do */
    char *stock;      /* wishes only: the document of the domain without what its author adds, by
                       * which libvirt's part of the command line is found; NULL: not needed */
    char *machine;    /* wishes only: the type of machine that the author names; NULL: none */
    GPtrArray *apart; /* wishes only: of VpApart, what is not in `stock` either; NULL: nothing */
    const GPtrArray *previous; /* wishes only: devices of the definition that this one replaces, of
                       * char *, as their words have it; borrowed. NULL: none */
    bool running;     /* wishes only: of a guest that runs somewhere, or did */
    bool late_devices; /* wishes only: libvirt writes devices of this domain behind the author's
                        * words, see argv/compile.h */
    VpBudget budget;   /* for whoever reads the document; not part of what is carried */
} VpPlan;

VpPlan *vp_plan_new(void);
void vp_plan_free(VpPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpPlan, vp_plan_free)

VpApart *vp_plan_add_apart(VpPlan *plan, char *label); /* takes @label */

/* Each appends an empty one (strings NULL, occurs all, required) and returns it; the plan owns it.
 * Strings are set by the caller with g_strdup(). */
VpWords *vp_plan_add_words(VpPlan *plan, guint line);
VpAlter *vp_plan_add_alter(VpPlan *plan, guint line); /* numbers it */
VpGroup *vp_plan_add_group(VpPlan *plan, guint line);
VpAction *vp_alter_add(VpAlter *alter, VpActionKind kind);
void vp_group_add(VpGroup *group, const char *key, const char *value); /* copies both */

/* No steps at all. */
bool vp_plan_is_empty(const VpPlan *plan);

/* The plan as compact JSON, every field of it (the format is described in plan_json.c). Texts that
 * are not said to be NULL above must be set. NULL and @error (VP_ERROR_LIMIT): it would be longer
 * than VP_PLAN_SIZE_MAX, which an environment variable cannot carry. */
char *vp_plan_to_json(const VpPlan *plan, GError **error);

/* The way back; NULL and @error (VP_ERROR_FAILED, names the member and what is wrong;
 * VP_ERROR_LIMIT) for anything that is no plan: unknown or repeated members, values of another
 * kind, a version that is not known, texts that a command line cannot carry. White space and the
 * order of members do not matter. */
VpPlan *vp_plan_from_json(const char *json, GError **error);
