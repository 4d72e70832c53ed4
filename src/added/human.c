/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The human monitor answers in text, to be read by people. What we make data of it is parsed
 * strictly: a line that is not understood is an error with that line in it, so that what comes out
 * is never half the truth and the reader has what QEMU said.
 */

#include "added/human.h"

const char *
vp_human_text(const VpJsonNode *reply)
{
    return vp_json_get_string(reply, "return");
}

void
vp_human_fail(VpCall *call, const char *command, const char *line)
{
    vp_call_fail(call, "GenericError", "the answer of this QEMU to '%s' is not understood: '%s'",
                 command, line);
}

void
vp_human_return(VpCall *call, VpJsonWriter *writer)
{
    g_autofree char *json = vp_json_writer_steal(writer);

    vp_call_return(call, json);
}

static void
on_text(VpCall *call, const VpJsonNode *reply, gpointer data)
{
    const VpHumanQuery *query = data;
    g_autofree char *line = NULL;
    g_autofree char *json = NULL;

    if (!vp_human_text(reply)) {
        vp_call_fail_reply(call, NULL, reply);
        return;
    }
    json = query->convert(vp_human_text(reply), &line);
    if (json)
        vp_call_return(call, json);
    else
        vp_human_fail(call, query->line, line);
}

void
vp_human_query(VpCall *call, const VpHumanQuery *query)
{
    vp_call_ask_human(call, query->line, on_text, (gpointer)query);
}
