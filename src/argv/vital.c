/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What libvirt cannot do without on the command line it has written.
 *
 * Without its monitor it does not fail: it holds the socket's other end itself, is connected to
 * nobody, and waits for ten minutes. Without -S the guest runs while libvirt takes it for paused,
 * on the destination of a migration beside the one at the source. All other options of a plain
 * guest were taken out and changed one by one (tests/daemon/vital.py): the guest starts, or QEMU
 * says at once why not. So these are the whole list.
 *
 * What an alter will mean is known when there is a command line, in the shim. But libvirt writes
 * these always, and nearly in the same words. An alter that selects them in each of the ways in
 * which they can be written is refused when the domain is defined.
 */

#include "argv/vital.h"

#include "argv/select.h"
#include "argv/session.h"
#include "argv/value.h"
#include "base/error.h"
#include "plan/regex.h"

#include <string.h>

/* In how many ways libvirt may write one. */
#define WAYS 2

static const struct {
    const char *option;
    const char *key;        /* with this property it is libvirt's; NULL: it always is */
    const char *id;
    const char *ways[WAYS]; /* values that libvirt gives it; its descriptors and paths may differ */
    const char *why;
} rows[] = {
    { "S", NULL, NULL, { NULL },
      "the guest would run while libvirt still prepares it and takes it for paused" },
    { "chardev", "id", "charmonitor",
      { "socket,id=charmonitor,fd=20,server=on,wait=off",
        "socket,id=charmonitor,path=/monitor.sock,server=on,wait=off" },
      "it is the socket of libvirt's own monitor, without which no guest starts" },
    { "incoming", NULL, NULL, { "defer" }, "by it libvirt restores and migrates the guest" },
    { "mon", "chardev", "charmonitor",
      { "chardev=charmonitor,id=monitor,mode=control" },
      "it is libvirt's own monitor, without which no guest starts" },
};

static bool
is_row(const VpOption *option, gsize i)
{
    g_autofree char *id = NULL;

    if (!option->row || strcmp(option->row->name, rows[i].option) != 0)
        return false;
    if (!rows[i].key)
        return true;
    id = vp_value_get(option->row, option->value, rows[i].key);
    return g_strcmp0(id, rows[i].id) == 0;
}

bool
vp_vital_check(const VpOption *option, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *brief = NULL;

        if (!is_row(option, i))
            continue;
        brief = vp_option_brief(option);
        return vp_refuse(error, VP_ERROR_FAILED, "'%s' cannot be altered: %s", brief, rows[i].why);
    }
    return true;
}

/* Whether the alter means the option of the row in every way that it may be written. */
static VpMatch
means(const VpPrepared *prepared, gsize i, VpBudget *budget, GError **error)
{
    for (gsize way = 0; way < WAYS && (way == 0 || rows[i].ways[way]); way++) {
        g_autoptr(GPtrArray) options =
            g_ptr_array_new_with_free_func((GDestroyNotify)vp_option_free);
        g_autoptr(GPtrArray) found = g_ptr_array_new();
        VpCmdline written = { .options = options };

        g_ptr_array_add(options, vp_option_new(rows[i].option, rows[i].ways[way]));
        if (!vp_select(prepared, &written, budget, found, error))
            return VP_MATCH_FAILED;
        if (found->len == 0)
            return VP_MATCH_NO;
    }
    return VP_MATCH_YES;
}

/* The dedicated session's words are not there for alters, so who names them means nothing. */
static bool
names_session(const VpPrepared *prepared)
{
    const GPtrArray *actions = prepared->alter->actions;
    bool named = false;

    for (guint i = 0; i < actions->len; i++) {
        const VpAction *action = actions->pdata[i];

        named |= action->kind == VP_ACTION_MATCH && strstr(action->regex, VP_SESSION_ID);
    }
    return named && (strcmp(prepared->row->name, "chardev") == 0
                     || strcmp(prepared->row->name, "mon") == 0);
}

bool
vp_vital_check_prepared(const VpPrepared *prepared, VpBudget *budget, GError **error)
{
    if (names_session(prepared))
        return vp_refuse(error, VP_ERROR_XML, "the -%s of the dedicated session '" VP_SESSION_ID
                         "' cannot be altered; <qemu:monitorpassthrough session=''/> says whether "
                         "there is one", prepared->row->name);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        VpMatch match = VP_MATCH_NO;

        /* Which is the first or the last of several only the command line tells. */
        if (strcmp(prepared->row->name, rows[i].option) != 0
            || (rows[i].key && prepared->alter->occurs != VP_OCCURS_ALL))
            continue;
        match = means(prepared, i, budget, error);
        if (match == VP_MATCH_YES)
            return vp_refuse(error, VP_ERROR_XML, "libvirt's -%s cannot be altered: %s",
                             rows[i].option, rows[i].why);
        if (match == VP_MATCH_FAILED)
            return false;
    }
    return true;
}
