/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* How the value of an option is written. A value that starts with '{' of an option marked `json`
 * is JSON whatever is said here; see vp_value_syntax(). */
typedef enum VpSyntax {
    VP_SYNTAX_NONE,   /* the option takes no value */
    VP_SYNTAX_PLAIN,  /* one text: -kernel FILE */
    VP_SYNTAX_OPTS,   /* key=value,... with ",," for a comma: QemuOpts */
    VP_SYNTAX_KEYVAL, /* the same with dotted keys for what is nested: -object, -blockdev */
    VP_SYNTAX_CPU,    /* MODEL[,feature=on][,+feature][,-feature]; the model's key is "type" */
    VP_SYNTAX_GLOBAL, /* DRIVER.PROPERTY=VALUE, or driver=,property=,value= as OPTS */
    VP_SYNTAX_JSON,   /* never in the table: what a JSON value is found to be */
} VpSyntax;

typedef struct VpOptionRow {
    const char *name;    /* without dash */
    VpSyntax syntax;
    const char *implied; /* the key that the first word without '=' belongs to, or NULL */
    bool json;           /* QEMU takes JSON as well */
    const char *group;   /* QEMU's name of the configuration-file group, or NULL */
    const char *id_key;  /* what names an instance: "id", "node-name", or NULL */
} VpOptionRow;

/* The table, in alphabetical order: every option that QEMU 7.2 to 11.1 have. Aliases of QEMU's
 * own have rows too. NULL: no such option. @name without dashes. */
const VpOptionRow *vp_option_find(const char *name);

/* All rows, for those who walk them. */
const VpOptionRow *vp_option_rows(gsize *ret_n);
