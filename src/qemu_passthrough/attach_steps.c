/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What has to be said to a QEMU that is to get a second monitor, and in which order:
 *
 *     query-version   below 11.1 there is nothing to be had, and nothing is touched
 *     chardev-add     the socket
 *     object-add      the monitor on it; when that is refused the chardev is removed again
 *
 * and the other way round object-del and chardev-remove, whose errors tell that there was nothing
 * to remove.
 *
 * Chardev and monitor have the same id (QEMU keeps the names apart), which is made from the path
 * of the socket: no author's, no other virtpassd's, and after a restart the same again. So who
 * finds the id taken finds what he himself has left behind, being killed between two steps; when
 * chardev-add fails, that is removed, and it is tried once more. Texts of errors, which QEMU may
 * change, decide nothing.
 */

#include "qemu_passthrough/attach_steps.h"

#include "json/members.h"
#include "json/text.h"
#include "json/write.h"

#include <string.h>

/* As many digits of the path's digest as keep two virtpassd apart. */
#define DIGEST_DIGITS 8

static VpAttachSteps
steps_for(const char *path, VpAttachStep first)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, path, -1);

    return (VpAttachSteps){
        .path = g_strdup(path),
        .id = g_strdup_printf("virtpass-added-%.*s", DIGEST_DIGITS, digest),
        .step = first,
    };
}

VpAttachSteps
vp_attach_steps_adding(const char *path)
{
    VpAttachSteps steps = steps_for(path, VP_ATTACH_QUERY_VERSION);

    steps.adding = true;
    return steps;
}

VpAttachSteps
vp_attach_steps_removing(const char *path)
{
    return steps_for(path, VP_ATTACH_REMOVE_MONITOR);
}

void
vp_attach_steps_clear(VpAttachSteps *steps)
{
    g_clear_pointer(&steps->path, g_free);
    g_clear_pointer(&steps->id, g_free);
    g_clear_pointer(&steps->problem, g_free);
}

/* --- commands ------------------------------------------------------------- */

/* chardev-add's "backend": a socket on which QEMU listens without waiting for anybody. */
static void
add_backend(VpJsonWriter *writer, const char *path)
{
    vp_json_begin_object(writer, "backend");
    vp_json_add_string(writer, "type", "socket");
    vp_json_begin_object(writer, "data");
    vp_json_begin_object(writer, "addr");
    vp_json_add_string(writer, "type", "unix");
    vp_json_begin_object(writer, "data");
    vp_json_add_string(writer, "path", path);
    vp_json_end(writer);
    vp_json_end(writer);
    vp_json_add_bool(writer, "server", true);
    vp_json_add_bool(writer, "wait", false);
    vp_json_end(writer);
    vp_json_end(writer);
}

char *
vp_attach_steps_command(const VpAttachSteps *steps)
{
    static const char *const names[] = {
        [VP_ATTACH_QUERY_VERSION] = "query-version",
        [VP_ATTACH_ADD_CHARDEV] = "chardev-add",
        [VP_ATTACH_ADD_MONITOR] = "object-add",
        [VP_ATTACH_REMOVE_MONITOR] = "object-del",
        [VP_ATTACH_REMOVE_CHARDEV] = "chardev-remove",
    };
    g_auto(VpJsonWriter) writer = vp_json_writer_compact();

    if (steps->step == VP_ATTACH_DONE)
        return NULL;
    vp_json_begin_object(&writer, NULL);
    vp_json_add_string(&writer, "execute", names[steps->step]);
    if (steps->step != VP_ATTACH_QUERY_VERSION) {
        vp_json_begin_object(&writer, "arguments");
        if (steps->step == VP_ATTACH_ADD_MONITOR)
            vp_json_add_string(&writer, "qom-type", "monitor-qmp");
        vp_json_add_string(&writer, "id", steps->id);
        if (steps->step == VP_ATTACH_ADD_MONITOR)
            vp_json_add_string(&writer, "chardev", steps->id);
        if (steps->step == VP_ATTACH_ADD_CHARDEV)
            add_backend(&writer, steps->path);
        vp_json_end(&writer);
    }
    vp_json_end(&writer);
    return vp_json_writer_steal(&writer);
}

/* --- answers -------------------------------------------------------------- */

/* -1: there is no such number. */
static gint64
number(VpJsonSlice object, const char *key)
{
    VpJsonSlice value = vp_json_member(object, key);

    return value.text && g_ascii_isdigit(*value.text) ? g_ascii_strtoll(value.text, NULL, 10) : -1;
}

/* Whether the answer to query-version says that there is something to be had, or else why not. */
static char *
version_problem(VpJsonSlice returned)
{
    VpJsonSlice qemu = vp_json_member(returned, "qemu");
    gint64 major = number(qemu, "major");
    gint64 minor = number(qemu, "minor");

    if (major < 0 || minor < 0)
        return g_strdup("its QEMU does not say which version it is");
    if (major > VP_ATTACH_MAJOR || (major == VP_ATTACH_MAJOR && minor >= VP_ATTACH_MINOR))
        return NULL;
    return g_strdup_printf("it was not started with one, and to a running QEMU it can be added "
                           "from %d.%d on; this is %" G_GINT64_FORMAT ".%" G_GINT64_FORMAT,
                           VP_ATTACH_MAJOR, VP_ATTACH_MINOR, major, minor);
}

/* Ends what is being added. */
static void
give_up(VpAttachSteps *steps, char *problem)
{
    steps->problem = problem;
    steps->step = steps->step == VP_ATTACH_ADD_MONITOR ? VP_ATTACH_REMOVE_CHARDEV : VP_ATTACH_DONE;
}

/* The next step; @problem: of the one that is over, taken over, NULL when it went well. */
static void
go_on(VpAttachSteps *steps, char *problem)
{
    g_autofree char *owned = problem;

    switch (steps->step) {
    case VP_ATTACH_QUERY_VERSION:
    case VP_ATTACH_ADD_MONITOR:
        if (problem)
            give_up(steps, g_steal_pointer(&owned));
        else
            steps->step = steps->step == VP_ATTACH_QUERY_VERSION ? VP_ATTACH_ADD_CHARDEV
                                                                 : VP_ATTACH_DONE;
        break;
    case VP_ATTACH_ADD_CHARDEV:
        if (!problem)
            steps->step = VP_ATTACH_ADD_MONITOR;
        else if (steps->replaced || steps->put_off)
            give_up(steps, g_steal_pointer(&owned));
        else
            steps->step = VP_ATTACH_REMOVE_MONITOR;
        break;
    case VP_ATTACH_REMOVE_MONITOR:
        steps->step = VP_ATTACH_REMOVE_CHARDEV;
        break;
    case VP_ATTACH_REMOVE_CHARDEV:
        steps->replaced = true;
        steps->step = steps->adding && !steps->problem ? VP_ATTACH_ADD_CHARDEV : VP_ATTACH_DONE;
        break;
    case VP_ATTACH_DONE:
        break;
    }
}

static char *
error_text(VpJsonSlice reply)
{
    VpJsonSlice desc = vp_json_member(vp_json_member(reply, "error"), "desc");
    g_autofree char *text = desc.text ? vp_json_decode_string(desc.text, desc.size) : NULL;

    return g_strdup_printf("QEMU did not let it be added: %s", text ?: "no reason given");
}

void
vp_attach_steps_answer(VpAttachSteps *steps, const char *reply)
{
    VpJsonSlice whole = { reply, strlen(reply) };
    VpJsonSlice returned = vp_json_member(whole, "return");

    if (!returned.text)
        go_on(steps, error_text(whole));
    else if (steps->step == VP_ATTACH_QUERY_VERSION)
        go_on(steps, version_problem(returned));
    else
        go_on(steps, NULL);
}

void
vp_attach_steps_refused(VpAttachSteps *steps, const char *reason)
{
    if (steps->adding && !steps->problem && steps->step < VP_ATTACH_REMOVE_MONITOR)
        steps->put_off = true;
    go_on(steps, g_strdup_printf("libvirtd did not let it be added: %s", reason));
}
