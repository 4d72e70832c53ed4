/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From the text of a user to what is sent to QEMU.
 *
 * The client's "id" is taken out and kept, byte for byte; ours is put in front when the command is
 * sent. White space outside of strings is left out: QEMU reads a monitor one byte for each turn of
 * its loop, which takes 3 microseconds or more, so that a byte costs more than all that is done
 * here. For the same reason our ids are short, are left out where they can be (mux.c), and a line
 * ends with LF alone.
 *
 * Whether QEMU will run a command out of band matters for who an answer without "id" belongs to:
 * such answers come for what QEMU could not parse, in the order of the in-band commands, and a
 * broken command is one of these whatever it says. So a command counts as out-of-band only if
 * nothing in it is such that QEMU's parser may refuse it.
 */

#include "qmp/command.h"

#include "base/fd.h"
#include "json/check.h"
#include "json/members.h"
#include "json/text.h"

#include <fcntl.h>

void
vp_qmp_command_free(VpQmpCommand *command)
{
    if (!command)
        return;
    if (command->text)
        g_string_free(command->text, TRUE);
    if (command->fds)
        vp_close_fds(command->fds, command->n_fds);
    g_free(command->fds);
    g_free(command->client_id);
    g_free(command);
}

static VpQmpCommand *
new_command(VpQmpRole role, bool object)
{
    VpQmpCommand *command = g_new0(VpQmpCommand, 1);

    command->link.data = command;
    command->role = role;
    command->object = object;
    return command;
}

VpQmpCommand *
vp_qmp_command_new(VpQmpRole role, const char *text)
{
    VpQmpCommand *command = new_command(role, true);

    command->text = g_string_new(text);
    g_string_append_c(command->text, '\n');
    return command;
}

VpQmpCommand *
vp_qmp_command_new_raw(const char *bytes, gsize size)
{
    VpQmpCommand *command = new_command(VP_QMP_ROLE_USER, false);

    command->raw = true;
    command->text = g_string_sized_new(size + 1);
    g_string_append_len(command->text, bytes, size);
    g_string_append_c(command->text, '\n');
    return command;
}

/* Takes over the descriptors; false when there are more than are possible, here or in QEMU. */
static bool
keep_fds(VpQmpCommand *command, const int *fds, guint n_fds)
{
    if (n_fds > VP_QMP_FDS_MAX)
        return false;
    command->fds = g_new(int, n_fds);
    for (; command->n_fds < n_fds; command->n_fds++) {
        int fd = fcntl(fds[command->n_fds], F_DUPFD_CLOEXEC, 0);

        if (fd < 0)
            return false;
        command->fds[command->n_fds] = fd;
    }
    return true;
}

/* The members of a command that matter here. */
typedef struct Members {
    VpJsonItem execute;
    VpJsonItem exec_oob;
    VpJsonItem id;
} Members;

static void
find_members(VpJsonSlice object, Members *ret_members)
{
    VpJsonItems items;
    VpJsonItem item;

    vp_json_items_init(&items, object.text, object.size);
    while (vp_json_items_next(&items, &item) == VP_JSON_ITEM) {
        if (vp_json_raw_is(item.key, "execute"))
            ret_members->execute = item;
        else if (vp_json_raw_is(item.key, "exec-oob"))
            ret_members->exec_oob = item;
        else if (vp_json_raw_is(item.key, "id"))
            ret_members->id = item;
    }
}

static void
append_without(GString *out, VpJsonSlice object, VpJsonSlice cut)
{
    const char *start = object.text + 1, *end = object.text + object.size;
    const char *hole = cut.text ?: end;

    vp_json_append_compact(out, start, hole - start);
    hole += cut.size;
    vp_json_append_compact(out, hole, end - hole);
}

static void
read_object(VpQmpCommand *command, VpJsonSlice object, bool doubtful)
{
    Members members = { 0 };
    VpJsonSlice id = { 0 };

    find_members(object, &members);
    append_without(command->text, object, members.id.cut);
    id = members.id.value;
    if (id.text) {
        command->client_id = g_strndup(id.text, id.size);
        command->client_id_size = id.size;
    }
    command->plain = !id.text && !members.exec_oob.value.text && !doubtful;
    command->oob_wanted = members.exec_oob.value.text && !members.execute.value.text && !doubtful;
    command->claims_fd = vp_json_string_is(members.execute.value, "getfd") ||
                         vp_json_string_is(members.execute.value, "add-fd");
}

VpQmpVerdict
vp_qmp_command_parse(const char *json, gsize size, const int *fds, guint n_fds,
                     VpQmpCommand **ret_command, char **ret_message)
{
    g_autoptr(VpQmpCommand) command = NULL;
    VpJsonFacts facts = { 0 };

    if (!vp_json_check(json, size, &facts, ret_message))
        return VP_QMP_INVALID;
    command = new_command(VP_QMP_ROLE_USER, facts.type == VP_JSON_OBJECT);
    if (!keep_fds(command, fds, n_fds))
        return VP_QMP_TOO_MANY_FDS;
    command->text = g_string_sized_new(facts.value.size + 1);
    if (command->object)
        read_object(command, facts.value, facts.doubtful);
    else
        vp_json_append_compact(command->text, facts.value.text, facts.value.size);
    g_string_append_c(command->text, '\n');
    *ret_command = g_steal_pointer(&command);
    return VP_QMP_ACCEPTED;
}
