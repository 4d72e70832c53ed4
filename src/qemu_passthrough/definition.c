/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A look at definitions with alterations, for the log: whoever wrote them hears nothing before the
 * domain is started, and the operator may want to know earlier. libvirtd makes the command line
 * (domxml-to-native) for our own connection, beside the definition that goes on its way.
 */

#include "qemu_passthrough/definition.h"

#include "plan/plan.h"
#include "qemu_passthrough/native.h"

#include <string.h>

/* The words after "-name"; NULL: none. */
static const char *
name_of(char **words)
{
    for (guint i = 0; words[i] && words[i + 1]; i++) {
        if (g_str_equal(words[i], "-name"))
            return words[i + 1];
    }
    return NULL;
}

static void
on_native(const VpCallReply *reply, gpointer data G_GNUC_UNUSED)
{
    vp_xml_to_native_ret ret = { 0 };
    g_auto(VpNative) native = { 0 };

    if (reply->outcome != VP_CALL_OK ||
        !vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_xml_to_native_ret, &ret))
        return;
    if (vp_native_read(ret.native, &native, NULL) && native.refusal)
        vp_log_warning("domain '%s' has been defined, but would not start: %s",
                       name_of(native.generated) ?: "?", native.refusal->message);
    vp_xdr_clear(xdr_vp_xml_to_native_ret, &ret);
}

void
vp_definition_check(VpDaemon *daemon, const char *xml)
{
    vp_xml_to_native_args args = { .native_type = (char *)"qemu-argv", .xml = (char *)xml };

    if (strstr(xml, VP_PLAN_VARIABLE))
        vp_upstream_call(daemon->upstream, VP_REMOTE_PROGRAM,
                         VP_REMOTE_CONNECT_DOMAIN_XML_TO_NATIVE, xdr_vp_xml_to_native_args, &args,
                         on_native, NULL);
}
