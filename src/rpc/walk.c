/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Walks a payload by its layout and replaces the XML in it.
 *
 * Nothing is decoded that need not be: a step knows where its field ends and, for
 * XML, asks the caller. Bytes are copied into a new payload only from the first change
 * on; `copied` is how far the old one has been taken over. Bytes behind the last field
 * are kept, for newer versions append fields.
 *
 * What libvirtd's decoder takes is taken here as well and means the same, else a document
 * could get past: a string ends at a NUL inside it, and any word but 0 says that an
 * optional field is there.
 */

#include "rpc/walk.h"

#include "base/error.h"
#include "base/limits.h"
#include "rpc/frame.h"

#include <string.h>

const char *const vp_walk_xml_params[] = {
    "destination_xml", /* VIR_MIGRATE_PARAM_DEST_XML */
    "persistent_xml",  /* VIR_MIGRATE_PARAM_PERSIST_XML */
    "dxml",            /* VIR_DOMAIN_SAVE_PARAM_DXML */
    NULL,
};

/* What a frame of any type has room for. */
#define PAYLOAD_MAX (VP_FRAME_MAX - VP_FRAME_MIN - 4)

typedef struct VpWalk {
    const guint8 *payload;
    gsize size;
    gsize at;            /* next byte to look at */
    gsize copied;        /* bytes of the payload that `out` stands for */
    GByteArray *out;     /* NULL while nothing has changed */
    VpWalkFunc func;
    gpointer data;
    GError **error;
} VpWalk;

static VpWalkVerdict
skip(VpWalk *walk, gsize n)
{
    if (n > walk->size - walk->at)
        return VP_WALK_MALFORMED;
    walk->at += n;
    return VP_WALK_UNCHANGED;
}

static bool
get_word(VpWalk *walk, guint32 *ret_word)
{
    if (walk->size - walk->at < 4)
        return false;
    *ret_word = vp_get_u32(walk->payload + walk->at);
    walk->at += 4;
    return true;
}

static gsize
padded(guint32 n)
{
    return ((gsize)n + 3) & ~(gsize)3;
}

/* Goes past bytes with their length in front. */
static bool
get_bytes(VpWalk *walk, const guint8 **ret_bytes, guint32 *ret_len)
{
    guint32 len = 0;

    if (!get_word(walk, &len) || len > walk->size - walk->at ||
        padded(len) > walk->size - walk->at)
        return false;
    *ret_bytes = walk->payload + walk->at;
    *ret_len = len;
    walk->at += padded(len);
    return true;
}

static VpWalkVerdict
skip_bytes(VpWalk *walk)
{
    const guint8 *bytes = NULL;
    guint32 len = 0;

    return get_bytes(walk, &bytes, &len) ? VP_WALK_UNCHANGED : VP_WALK_MALFORMED;
}

static VpWalkVerdict
refuse_size(VpWalk *walk, const char *what, gsize size, guint max)
{
    g_set_error(walk->error, VP_ERROR, VP_ERROR_LIMIT,
                "%s grows to %" G_GSIZE_FORMAT " bytes, more than the %u that libvirt's protocol "
                "carries", what, size, max);
    return VP_WALK_REFUSED;
}

/* Puts @xml in the place of the string whose length word is at @start and that ends at walk->at. */
static VpWalkVerdict
replace_string(VpWalk *walk, gsize start, const char *xml)
{
    const guint8 zeros[4] = { 0 };
    gsize len = strlen(xml);
    gsize total = 0;

    if (len > VP_XDR_STRING_MAX)
        return refuse_size(walk, "the domain XML", len, VP_XDR_STRING_MAX);
    if (!walk->out)
        walk->out = g_byte_array_new();
    total = walk->out->len + (start - walk->copied) + 4 + padded(len) + (walk->size - walk->at);
    if (total > PAYLOAD_MAX)
        return refuse_size(walk, "the message", total, PAYLOAD_MAX);
    g_byte_array_append(walk->out, walk->payload + walk->copied, start - walk->copied);
    vp_append_u32(walk->out, len);
    g_byte_array_append(walk->out, (const guint8 *)xml, len);
    g_byte_array_append(walk->out, zeros, padded(len) - len);
    walk->copied = walk->at;
    return VP_WALK_UNCHANGED;
}

static VpWalkVerdict
walk_xml_string(VpWalk *walk)
{
    gsize start = walk->at;
    const guint8 *bytes = NULL;
    guint32 len = 0;
    g_autofree char *xml = NULL;
    g_autofree char *changed = NULL;

    if (!get_bytes(walk, &bytes, &len) || len > VP_XDR_STRING_MAX)
        return VP_WALK_MALFORMED;
    xml = g_strndup((const char *)bytes, len);
    if (!walk->func(xml, &changed, walk->data, walk->error))
        return VP_WALK_REFUSED;
    return changed ? replace_string(walk, start, changed) : VP_WALK_UNCHANGED;
}

static VpWalkVerdict
skip_domain(VpWalk *walk)
{
    VpWalkVerdict verdict = skip_bytes(walk);

    return verdict == VP_WALK_UNCHANGED ? skip(walk, 16 + 4) : verdict;
}

static bool
is_xml_param(const guint8 *name, guint32 len)
{
    for (int i = 0; vp_walk_xml_params[i]; i++) {
        if (strlen(vp_walk_xml_params[i]) == len && memcmp(vp_walk_xml_params[i], name, len) == 0)
            return true;
    }
    return false;
}

static VpWalkVerdict
walk_param(VpWalk *walk)
{
    static const guint8 value_sizes[] = { 0, 4, 4, 8, 8, 8, 4 };
    const guint8 *name = NULL;
    guint32 name_len = 0;
    guint32 type = 0;

    if (!get_bytes(walk, &name, &name_len) || !get_word(walk, &type))
        return VP_WALK_MALFORMED;
    if (type == 7)
        return is_xml_param(name, name_len) ? walk_xml_string(walk) : skip_bytes(walk);
    if (type == 0 || type >= G_N_ELEMENTS(value_sizes))
        return VP_WALK_MALFORMED;
    return skip(walk, value_sizes[type]);
}

static VpWalkVerdict
walk_params(VpWalk *walk)
{
    VpWalkVerdict verdict = VP_WALK_UNCHANGED;
    guint32 n = 0;

    if (!get_word(walk, &n) || n > VP_TYPED_PARAMS_MAX)
        return VP_WALK_MALFORMED;
    for (guint32 i = 0; i < n && verdict == VP_WALK_UNCHANGED; i++)
        verdict = walk_param(walk);
    return verdict;
}

/* A field that may be absent: a word 0, or any other and then what @step takes. */
static VpWalkVerdict
walk_optional(VpWalk *walk, VpWalkVerdict (*step)(VpWalk *))
{
    guint32 present = 0;

    if (!get_word(walk, &present))
        return VP_WALK_MALFORMED;
    return present ? step(walk) : VP_WALK_UNCHANGED;
}

static VpWalkVerdict
walk_field(VpWalk *walk, char letter)
{
    switch (letter) {
    case 's':
    case 'o':
        return skip_bytes(walk);
    case 'S':
        return walk_optional(walk, skip_bytes);
    case 'u':
        return skip(walk, 4);
    case 'h':
        return skip(walk, 8);
    case 'D':
        return skip_domain(walk);
    case 'X':
        return walk_xml_string(walk);
    case 'Y':
        return walk_optional(walk, walk_xml_string);
    case 'T':
        return walk_params(walk);
    }
    g_assert_not_reached(); /* layouts are constants of ours */
}

VpWalkVerdict
vp_walk_xml(const char *layout, const guint8 *payload, gsize size, VpWalkFunc func, gpointer data,
            GByteArray **ret_payload, GError **error)
{
    VpWalk walk = {
        .payload = payload, .size = size, .func = func, .data = data, .error = error,
    };
    g_autoptr(GByteArray) out = NULL;
    VpWalkVerdict verdict = VP_WALK_UNCHANGED;

    for (const char *p = layout; *p && verdict == VP_WALK_UNCHANGED; p++)
        verdict = walk_field(&walk, *p);
    out = walk.out;
    if (verdict != VP_WALK_UNCHANGED || !out)
        return verdict;
    g_byte_array_append(out, payload + walk.copied, size - walk.copied);
    *ret_payload = g_steal_pointer(&out);
    return VP_WALK_CHANGED;
}
