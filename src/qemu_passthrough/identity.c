/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who a client is, in the words of libvirt's own proxy daemon. */

#include "qemu_passthrough/identity.h"

#include <unistd.h>

static vp_param *
add_param(VpIdentity *identity, const char *field, int type)
{
    vp_param *param = &identity->params[identity->n++];

    param->field = (char *)field;
    param->value.type = type;
    return param;
}

static void
add_number(VpIdentity *identity, const char *field, guint64 value)
{
    add_param(identity, field, VP_PARAM_ULLONG)->value.vp_param_value_u.ul = value;
}

static void
add_text(VpIdentity *identity, const char *field, const char *value)
{
    if (value)
        add_param(identity, field, VP_PARAM_STRING)->value.vp_param_value_u.s = (char *)value;
}

void
vp_identity_of(const VpPeer *peer, const char *user, const char *group, VpIdentity *ret_identity,
               vp_set_identity_args *ret_args)
{
    VpIdentity *identity = ret_identity;

    identity->n = 0;
    add_text(identity, "user-name", user);
    add_number(identity, "unix-user-id", peer->uid);
    add_text(identity, "group-name", group);
    add_number(identity, "unix-group-id", peer->gid);
    add_param(identity, "process-id", VP_PARAM_LLONG)->value.vp_param_value_u.l = peer->pid;
    add_number(identity, "process-time", peer->start_time);
    *ret_args = (vp_set_identity_args){ .params = { identity->n, identity->params } };
}

void
vp_identity_of_certificate(const char *name, VpIdentity *ret_identity,
                           vp_set_identity_args *ret_args)
{
    ret_identity->n = 0;
    add_text(ret_identity, "x509-distinguished-name", name);
    *ret_args = (vp_set_identity_args){ .params = { ret_identity->n, ret_identity->params } };
}

char *
vp_identity_owner(const VpPeer *peer)
{
    return g_strdup_printf("uid %u", (unsigned)peer->uid);
}

bool
vp_identity_matters(const VpConfig *config)
{
    return geteuid() == 0 && !config->session;
}
