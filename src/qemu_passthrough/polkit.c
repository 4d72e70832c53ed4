/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * polkit's CheckAuthorization, as libvirtd asks it about who connects to its sockets, but that
 * nobody is asked for a password: that takes an agent of the user's, who is libvirtd's to find.
 *
 * The subject is the process that connected, by its number and when it started, so that another one
 * with that number is not meant.
 */

#include "qemu_passthrough/polkit.h"

#include "base/error.h"

#include <gio/gio.h>

#define NAME "org.freedesktop.PolicyKit1"

static GVariant *
arguments(const VpPeer *peer, const char *action)
{
    GVariantBuilder subject, details;

    g_variant_builder_init(&subject, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&subject, "{sv}", "pid", g_variant_new_uint32((guint32)peer->pid));
    g_variant_builder_add(&subject, "{sv}", "start-time", g_variant_new_uint64(peer->start_time));
    g_variant_builder_add(&subject, "{sv}", "uid", g_variant_new_int32((gint32)peer->uid));
    g_variant_builder_init(&details, G_VARIANT_TYPE("a{ss}"));
    return g_variant_new("((sa{sv})sa{ss}us)", "unix-process", &subject, action, &details, 0u, "");
}

/* A connection of its own: the shared one would watch the bus from the loop. */
static GDBusConnection *
connect_to_bus(GError **error)
{
    g_autofree char *address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, error);

    if (!address)
        return NULL;
    return g_dbus_connection_new_for_address_sync(
        address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                     G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
        NULL, NULL, error);
}

bool
vp_polkit_allows(const VpPeer *peer, const char *action, guint timeout_s, GError **error)
{
    g_autoptr(GDBusConnection) bus = connect_to_bus(error);
    g_autoptr(GVariant) reply = NULL;
    gboolean allowed = FALSE, challenge = FALSE;

    if (!bus)
        return false;
    reply = g_dbus_connection_call_sync(bus, NAME, "/org/freedesktop/PolicyKit1/Authority",
                                        NAME ".Authority", "CheckAuthorization",
                                        arguments(peer, action), G_VARIANT_TYPE("((bba{ss}))"),
                                        G_DBUS_CALL_FLAGS_NONE, (int)timeout_s * 1000, NULL, error);
    g_dbus_connection_close_sync(bus, NULL, NULL);
    if (!reply)
        return false;
    g_variant_get(reply, "((bba{ss}))", &allowed, &challenge, NULL);
    if (!allowed)
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "polkit %s '%s' for user %u",
                    challenge ? "would have to ask for a password before it allows"
                              : "does not allow", action, (unsigned)peer->uid);
    return allowed;
}
