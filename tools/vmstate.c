/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass savevm, loadvm, delvm: virtpassd's commands of these names, which look before they
 * leap.
 */

#include "command.h"
#include "progress.h"

#include "json/write.h"

#include <stdio.h>

static gboolean overwrite;
static int timeout = -1;
static char *uuid;

#define TIMEOUT \
    { "timeout", 0, 0, G_OPTION_ARG_INT, &timeout, \
      "Wait N seconds, 0 for ever (default 3600)", "N" }

static const GOptionEntry save_options[] = {
    { "overwrite", 0, 0, G_OPTION_ARG_NONE, &overwrite, "Replace a snapshot of that name", NULL },
    TIMEOUT,
    { NULL },
};

static const GOptionEntry load_options[] = {
    TIMEOUT,
    { NULL },
};

static const GOptionEntry delete_options[] = {
    TIMEOUT,
    { "uuid", 0, 0, G_OPTION_ARG_STRING, &uuid, "Of several that have the name, this one only",
      "UUID" },
    { NULL },
};

static char *
print_command(const char *command, const char *name)
{
    g_auto(VpJsonWriter) writer = vp_json_writer_compact();

    vp_json_begin_object(&writer, NULL);
    vp_json_add_string(&writer, "execute", command);
    vp_json_begin_object(&writer, "arguments");
    vp_json_add_given(&writer, "name", name);
    if (overwrite)
        vp_json_add_bool(&writer, "overwrite", true);
    if (timeout >= 0)
        vp_json_add_int(&writer, "timeout", timeout);
    vp_json_add_given(&writer, "uuid", uuid);
    vp_json_end(&writer);
    vp_json_end(&writer);
    return vp_json_writer_steal(&writer);
}

/* What the command returned, borrowed from *ret_tree; NULL: an error has been printed. */
static const VpJsonNode *
ask(const char *command, char **arguments, VpJsonTree **ret_tree)
{
    g_autofree char *text = print_command(command, arguments[1]);
    g_autoptr(VpDomainRef) domain = NULL;

    vp_progress_prepare();
    domain = vp_find_domain(arguments[0]);
    return domain ? vp_progress_ask(domain, text, ret_tree) : NULL;
}

static int
save_or_load(const char *command, const char *done, char **arguments)
{
    g_autoptr(VpJsonTree) tree = NULL;
    const VpJsonNode *result = ask(command, arguments, &tree);
    const char *left = vp_json_get_string(result, "left");

    if (!result)
        return VP_EXIT_FAILED;
    printf("Snapshot '%s' %s, the guest %s\n",
           vp_json_string(vp_json_path(result, "snapshot", "name", NULL)), done,
           vp_json_get_bool(result, "running") ? "runs" : "does not run");
    if (left)
        fprintf(stderr, "warning: the snapshot '%s', of the same state, could not be deleted\n",
                left);
    return VP_EXIT_OK;
}

static int
run_save(char **arguments)
{
    return save_or_load("savevm", "saved", arguments);
}

static int
run_load(char **arguments)
{
    return save_or_load("loadvm", "loaded", arguments);
}

static int
run_delete(char **arguments)
{
    g_autoptr(VpJsonTree) tree = NULL;
    const VpJsonNode *result = ask("delvm", arguments, &tree);

    for (guint i = 0; i < vp_json_length(result); i++) {
        const VpJsonNode *disks = vp_json_get(vp_json_at(result, i), "disks");

        printf("Snapshot '%s' deleted on", arguments[1]);
        for (guint k = 0; k < vp_json_length(disks); k++)
            printf("%s %s", k > 0 ? "," : "", vp_json_string(vp_json_at(disks, k)));
        putchar('\n');
    }
    return result ? VP_EXIT_OK : VP_EXIT_FAILED;
}

const VpCommand vp_command_savevm = {
    .name = "savevm",
    .arguments = "DOMAIN [NAME]",
    .summary = "Save the state of a domain and of all its disks in a snapshot",
    .options = save_options,
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run_save,
};

const VpCommand vp_command_loadvm = {
    .name = "loadvm",
    .arguments = "DOMAIN NAME",
    .summary = "Put a domain and all its disks back to a snapshot",
    .options = load_options,
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_load,
};

const VpCommand vp_command_delvm = {
    .name = "delvm",
    .arguments = "DOMAIN NAME",
    .summary = "Delete a snapshot of a domain on all its disks",
    .options = delete_options,
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_delete,
};
