/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as a document through translate, restore, read_session and read_snapshot. Beyond not
 * crashing, the laws of the layer hold for whatever is accepted: nothing gets lost on the way there
 * and back, and a second time changes nothing.
 */

#include "xml/test-laws.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* A hidden name slips past the look for "virtpass" with which restore begins. libvirt never
 * prints character references for letters, so that restore need not expect them. */
static bool
hides_names(const char *xml)
{
    return strstr(xml, "&#") && !strstr(xml, "virtpass");
}

/* What virtpassd keeps with a domain is hidden from readers, whoever wrote it. */
static bool
has_state(const char *xml)
{
    g_autoptr(GPtrArray) states = vp_xml_state_read(xml);

    return states->len > 0;
}

static void
read_snapshot(const char *xml)
{
    g_auto(VpXmlSnapshot) snapshot = { 0 };

    g_assert_true(vp_xml_read_snapshot(xml, "snapshots", &snapshot) == (snapshot.name != NULL));
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree char *xml = g_strndup((const char *)data, size);

    read_snapshot(xml);
    if (!hides_names(xml) && !has_state(xml))
        check_laws(xml);
    return 0;
}
