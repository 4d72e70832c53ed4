/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Walks payloads by their layout and has each document in them translated (src/xml); what is
 * between the documents keeps its bytes.
 */

#include "qemu_passthrough/translation.h"

#include "argv/compile.h"

void
vp_scan_clear(VpScan *scan)
{
    g_clear_pointer(&scan->needs, g_ptr_array_unref);
    g_clear_pointer(&scan->uuid, g_free);
    g_clear_pointer(&scan->snapshot, g_free);
}

void
vp_translated_clear(VpTranslated *translated)
{
    g_clear_pointer(&translated->payload, g_byte_array_unref);
    g_clear_error(&translated->error);
    g_clear_pointer(&translated->xml, g_free);
}

/* --- what has to be known ------------------------------------------------- */

typedef struct Scanning {
    const VpXmlRules *rules;
    VpScanWish wish;
    VpScan *scan;
} Scanning;

static void
scan_first(const char *xml, VpScanWish wish, VpScan *scan)
{
    g_auto(VpXmlSnapshot) snapshot = { 0 };

    scan->any = true;
    if (wish == VP_SCAN_UUID)
        scan->uuid = vp_xml_read_uuid(xml);
    else if (wish == VP_SCAN_SNAPSHOT && vp_xml_read_snapshot(xml, "", &snapshot))
        scan->snapshot = g_steal_pointer(&snapshot.name);
}

static bool
scan_document(const char *xml, char **ret_xml G_GNUC_UNUSED, gpointer data, GError **error)
{
    const Scanning *scanning = data;
    g_autoptr(GPtrArray) more = NULL;

    if (!scanning->scan->any)
        scan_first(xml, scanning->wish, scanning->scan);
    more = vp_xml_needs(scanning->rules, xml, error);
    if (more)
        g_ptr_array_extend_and_steal(scanning->scan->needs, g_steal_pointer(&more));
    return more != NULL;
}

void
vp_scan_payload(const VpXmlRules *rules, VpScanWish wish, const char *layout,
                const guint8 *payload, gsize size, VpScan *ret_scan)
{
    Scanning scanning = { rules, wish, ret_scan };
    g_autoptr(GByteArray) same = NULL;

    *ret_scan = (VpScan){
        .needs = g_ptr_array_new_with_free_func((GDestroyNotify)vp_xml_needs_free),
    };
    vp_walk_xml(layout, payload, size, scan_document, &scanning, &same, NULL);
}

/* --- on the way in -------------------------------------------------------- */

GPtrArray *
vp_added_devices(const char *xml)
{
    g_auto(GStrv) words = NULL;
    g_autofree char *text = NULL;
    g_autoptr(VpPlan) plan = NULL;

    if (!xml || !vp_xml_read_added(xml, &words, &text))
        return NULL;
    plan = text ? vp_plan_from_json(text, NULL) : NULL;
    return vp_compiled_devices(words, plan);
}

typedef struct Translating {
    const VpXmlRules *rules;
    GPtrArray *states;   /* of VpXmlState; NULL: none */
    VpTranslated *out;
} Translating;

static bool
translate_document(const char *xml, char **ret_xml, gpointer data, GError **error)
{
    const Translating *translating = data;
    g_autofree char *translated = NULL;
    g_autofree char *with = NULL;

    if (!vp_xml_translate(translating->rules, xml, &translated, error))
        return false;
    if (translating->states &&
        !vp_xml_state_put(translated ?: xml, translating->states, &with, error))
        return false;
    *ret_xml = with ? g_steal_pointer(&with) : g_steal_pointer(&translated);
    if (!translating->out->xml)
        translating->out->xml = g_strdup(*ret_xml);
    return true;
}

void
vp_translate_payload(const VpXmlRules *rules, const char *layout, const guint8 *payload, gsize size,
                     const char *previous, VpTranslated *ret_translated)
{
    g_autoptr(GPtrArray) states = previous ? vp_xml_state_read(previous) : NULL;
    g_autoptr(GPtrArray) devices = vp_added_devices(previous);
    VpXmlRules with_previous = *rules;
    Translating translating = { &with_previous, states, ret_translated };

    with_previous.previous = devices;
    *ret_translated = (VpTranslated){ 0 };
    ret_translated->verdict = vp_walk_xml(layout, payload, size, translate_document, &translating,
                                          &ret_translated->payload, &ret_translated->error);
}

/* --- on the way out ------------------------------------------------------- */

static bool
restore_document(const char *xml, char **ret_xml, gpointer data G_GNUC_UNUSED, GError **error)
{
    return vp_xml_restore(xml, ret_xml, error);
}

void
vp_restore_payload(const char *layout, const guint8 *payload, gsize size,
                   VpTranslated *ret_translated)
{
    *ret_translated = (VpTranslated){ 0 };
    ret_translated->verdict = vp_walk_xml(layout, payload, size, restore_document, NULL,
                                          &ret_translated->payload, &ret_translated->error);
}
