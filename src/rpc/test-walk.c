/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Payloads of every layout, built field by field. The function under test must find the XML,
 * change that and nothing else, and never look behind the end: payloads are heap blocks of
 * their exact size, for a sanitizer to watch.
 */

#include "rpc/walk.h"

#include "base/error.h"
#include "base/limits.h"
#include "rpc/frame.h"

#include <string.h>

/* --- payloads ------------------------------------------------------------ */

static void
add_bytes(GByteArray *out, const char *bytes, gsize len)
{
    const guint8 zeros[4] = { 0 };

    vp_append_u32(out, len);
    g_byte_array_append(out, (const guint8 *)bytes, len);
    g_byte_array_append(out, zeros, -len & 3);
}

static void
add_text(GByteArray *out, const char *text)
{
    add_bytes(out, text, strlen(text));
}

/* NULL: absent. */
static void
add_optional(GByteArray *out, const char *text)
{
    vp_append_u32(out, text != NULL);
    if (text)
        add_text(out, text);
}

static void
add_domain(GByteArray *out, const char *name)
{
    add_text(out, name);
    g_byte_array_append(out, (const guint8 *)"0123456789abcdef", 16);
    vp_append_u32(out, -1);
}

/* A parameter of any type but string; its value is @size bytes. */
static void
add_number_param(GByteArray *out, const char *name, guint32 type, gsize size)
{
    add_text(out, name);
    vp_append_u32(out, type);
    g_byte_array_append(out, (const guint8 *)"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", size);
}

static void
add_string_param(GByteArray *out, const char *name, const char *value)
{
    add_text(out, name);
    vp_append_u32(out, 7);
    add_text(out, value);
}

/* One of each type, with all three fields that are XML. @xml: what is in them. */
static void
add_params(GByteArray *out, const char *xml)
{
    vp_append_u32(out, 13);
    add_number_param(out, "an.int", 1, 4);
    add_number_param(out, "an.uint", 2, 4);
    add_string_param(out, "destination_xml", xml);
    add_number_param(out, "a.llong", 3, 8);
    add_number_param(out, "a.ullong", 4, 8);
    add_string_param(out, "persistent_xml", xml);
    add_number_param(out, "a.double", 5, 8);
    add_number_param(out, "a.boolean", 6, 4);
    add_string_param(out, "migrate_uri", "<not-xml-for-us/>");
    add_string_param(out, "dxml", xml);
    add_string_param(out, "dxml2", "<not-for-us/>");
    add_string_param(out, "dxm", "<not-for-us/>");
    add_string_param(out, "xmld", "<not-for-us/>");
}

/* A payload of this layout. @xml stands where XML is; @optional says what is there of what need
 * not be. */
static GByteArray *
build(const char *layout, const char *xml, bool optional)
{
    GByteArray *out = g_byte_array_new();

    for (; *layout; layout++) {
        switch (*layout) {
        case 's':
            add_text(out, "a string");
            break;
        case 'S':
            add_optional(out, optional ? "perhaps" : NULL);
            break;
        case 'o':
            add_bytes(out, "\0\1\2\3\4", 5);
            break;
        case 'u':
            vp_append_u32(out, 0xdeadbeef);
            break;
        case 'h':
            g_byte_array_append(out, (const guint8 *)"\1\2\3\4\5\6\7\x8", 8);
            break;
        case 'D':
            add_domain(out, "guest");
            break;
        case 'X':
            add_text(out, xml);
            break;
        case 'Y':
            add_optional(out, optional ? xml : NULL);
            break;
        case 'T':
            add_params(out, xml);
            break;
        default:
            g_assert_not_reached();
        }
    }
    return out;
}

/* --- the caller's function ----------------------------------------------- */

/* What it was called with, and what it does. */
typedef struct VpScribe {
    guint calls;
    const char *expected; /* NULL: anything */
    const char *answer;   /* NULL: leave it */
    guint answer_from;    /* the number of the first call that is answered; before, leave it */
    bool refuse;
} VpScribe;

static bool
scribe(const char *xml, char **ret_xml, gpointer data, GError **error)
{
    VpScribe *self = data;

    if (self->expected)
        g_assert_cmpstr(xml, ==, self->expected);
    if (self->calls++ < self->answer_from)
        return true;
    if (self->refuse) {
        g_set_error(error, VP_ERROR, VP_ERROR_XML, "refused");
        return false;
    }
    *ret_xml = g_strdup(self->answer);
    return true;
}

/* Walks a copy of exactly the size. */
static VpWalkVerdict
walk(const char *layout, const guint8 *payload, gsize size, VpScribe *self,
     GByteArray **ret_payload, GError **error)
{
    g_autofree guint8 *copy = g_malloc(MAX(size, 1));

    if (size > 0)
        memcpy(copy, payload, size);
    return vp_walk_xml(layout, copy, size, scribe, self, ret_payload, error);
}

/* --- every layout -------------------------------------------------------- */

/* All that intercept.c uses, and each letter alone. */
static const char *const layouts[] = {
    "s", "S", "o", "u", "h", "D", "X", "Y", "T", "",
    "Xu", "sXu", "DsYu", "sYu", "DTu", "Tu", "DYu", "DXu", "ShShX", "hShX", "DYhSh", "oShShX",
    "ohShX", "DYoSShSh", "Tou", "DSTou",
};

static guint
count_xml(const char *layout, bool optional)
{
    guint n = 0;

    for (; *layout; layout++)
        n += *layout == 'X' ? 1 : *layout == 'Y' ? optional : *layout == 'T' ? 3 : 0;
    return n;
}

static void
check_unchanged(const char *layout, const char *xml, bool optional)
{
    g_autoptr(GByteArray) payload = build(layout, xml, optional);
    g_autoptr(GByteArray) out = NULL;
    g_autoptr(GError) error = NULL;
    VpScribe self = { .expected = xml };

    g_assert_cmpint(walk(layout, payload->data, payload->len, &self, &out, &error), ==,
                    VP_WALK_UNCHANGED);
    g_assert_null(out);
    g_assert_no_error(error);
    g_assert_cmpuint(self.calls, ==, count_xml(layout, optional));
}

/* The new payload is what one would have built with the new XML. */
static void
check_changed(const char *layout, const char *xml, const char *answer, bool optional)
{
    g_autoptr(GByteArray) payload = build(layout, xml, optional);
    g_autoptr(GByteArray) expected = build(layout, answer, optional);
    g_autoptr(GByteArray) out = NULL;
    g_autoptr(GError) error = NULL;
    VpScribe self = { .expected = xml, .answer = answer };
    VpWalkVerdict verdict = walk(layout, payload->data, payload->len, &self, &out, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(self.calls, ==, count_xml(layout, optional));
    g_assert_cmpint(verdict, ==, self.calls > 0 ? VP_WALK_CHANGED : VP_WALK_UNCHANGED);
    if (self.calls > 0)
        g_assert_cmpmem(out->data, out->len, expected->data, expected->len);
    else
        g_assert_null(out);
}

static void
test_layouts(void)
{
    static const char *const texts[] = { "", "1", "<d>", "<domain/>", "<domain type='kvm'/>" };

    for (gsize i = 0; i < G_N_ELEMENTS(layouts); i++) {
        for (gsize from = 0; from < G_N_ELEMENTS(texts); from++) {
            check_unchanged(layouts[i], texts[from], true);
            check_unchanged(layouts[i], texts[from], false);
            for (gsize to = 0; to < G_N_ELEMENTS(texts); to++) {
                check_changed(layouts[i], texts[from], texts[to], true);
                check_changed(layouts[i], texts[from], texts[to], false);
            }
        }
    }
}

/* Only some of several documents change. */
static void
test_some_changed(void)
{
    g_autoptr(GByteArray) payload = build("XuXX", "<old/>", true);
    g_autoptr(GByteArray) expected = build("Xu", "<old/>", true);
    g_autoptr(GByteArray) rest = build("XX", "<new>er</new>", true);
    g_autoptr(GByteArray) out = NULL;
    VpScribe self = { .answer = "<new>er</new>", .answer_from = 1 };

    g_byte_array_append(expected, rest->data, rest->len);
    g_assert_cmpint(walk("XuXX", payload->data, payload->len, &self, &out, NULL), ==,
                    VP_WALK_CHANGED);
    g_assert_cmpmem(out->data, out->len, expected->data, expected->len);
}

static void
test_refused(void)
{
    for (guint from = 0; from < 3; from++) {
        g_autoptr(GByteArray) payload = build("DTu", "<domain/>", true);
        g_autoptr(GByteArray) out = NULL;
        g_autoptr(GError) error = NULL;
        VpScribe self = { .refuse = true, .answer_from = from };

        g_assert_cmpint(walk("DTu", payload->data, payload->len, &self, &out, &error), ==,
                        VP_WALK_REFUSED);
        g_assert_error(error, VP_ERROR, VP_ERROR_XML);
        g_assert_null(out);
        g_assert_cmpuint(self.calls, ==, from + 1);
    }
}

/* One document has changed already when another is refused or the payload turns out broken. */
static bool
change_then_refuse(const char *xml G_GNUC_UNUSED, char **ret_xml, gpointer data, GError **error)
{
    guint *calls = data;

    if ((*calls)++ > 0) {
        g_set_error(error, VP_ERROR, VP_ERROR_XML, "refused");
        return false;
    }
    *ret_xml = g_strdup("<changed/>");
    return true;
}

static void
test_change_is_dropped(void)
{
    g_autoptr(GByteArray) payload = build("XX", "<domain/>", true);
    g_autoptr(GByteArray) out = NULL;
    g_autoptr(GError) error = NULL;
    guint calls = 0;

    g_assert_cmpint(vp_walk_xml("XX", payload->data, payload->len, change_then_refuse, &calls, &out,
                                &error), ==, VP_WALK_REFUSED);
    g_assert_null(out);
    calls = 0;
    g_assert_cmpint(vp_walk_xml("XX", payload->data, payload->len - 1, change_then_refuse, &calls,
                                &out, NULL), ==, VP_WALK_MALFORMED);
    g_assert_null(out);
}

/* What newer versions append stays, byte for byte. */
static void
test_trailing_bytes(void)
{
    for (gsize n = 1; n < 10; n++) {
        g_autoptr(GByteArray) payload = build("DXu", "<old/>", true);
        g_autoptr(GByteArray) expected = build("DXu", "<longer/>", true);
        g_autoptr(GByteArray) out = NULL;
        VpScribe keep = { 0 }, change = { .answer = "<longer/>" };

        g_byte_array_append(payload, (const guint8 *)"trailing bytes", n);
        g_byte_array_append(expected, (const guint8 *)"trailing bytes", n);
        g_assert_cmpint(walk("DXu", payload->data, payload->len, &keep, &out, NULL), ==,
                        VP_WALK_UNCHANGED);
        g_assert_cmpint(walk("DXu", payload->data, payload->len, &change, &out, NULL), ==,
                        VP_WALK_CHANGED);
        g_assert_cmpmem(out->data, out->len, expected->data, expected->len);
    }
}

/* --- malformed payloads -------------------------------------------------- */

static void
test_every_truncation(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(layouts); i++) {
        g_autoptr(GByteArray) payload = build(layouts[i], "<domain/>", true);

        for (gsize size = 0; size < payload->len; size++) {
            g_autoptr(GByteArray) out = NULL;
            g_autoptr(GError) error = NULL;
            VpScribe self = { .expected = "<domain/>", .answer = "<domain type='kvm'/>" };

            g_assert_cmpint(walk(layouts[i], payload->data, size, &self, &out, &error), ==,
                            VP_WALK_MALFORMED);
            g_assert_null(out);
            g_assert_no_error(error);
        }
    }
}

static void
put_word(GByteArray *payload, gsize at, guint32 value)
{
    value = GUINT32_TO_BE(value);
    g_assert_cmpuint(at + 4, <=, payload->len);
    memcpy(payload->data + at, &value, sizeof(value));
}

/* The verdict when the word at @at is replaced. */
static VpWalkVerdict
walk_with_word(const char *layout, gsize at, guint32 value)
{
    g_autoptr(GByteArray) payload = build(layout, "<domain/>", true);
    g_autoptr(GByteArray) out = NULL;
    VpScribe self = { 0 };

    put_word(payload, at, value);
    return walk(layout, payload->data, payload->len, &self, &out, NULL);
}

/* Every word of every layout replaced by values that could make sums overflow. */
static void
test_lying_words(void)
{
    static const guint32 values[] = {
        0, 1, 2, 3, 7, 8, 64, 65, 0x7fffffff, 0x80000000, 0xfffffffb, 0xfffffffc, 0xfffffffd,
        0xfffffffe, 0xffffffff,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(layouts); i++) {
        g_autoptr(GByteArray) payload = build(layouts[i], "<domain/>", true);

        for (gsize at = 0; at + 4 <= payload->len; at += 4) {
            for (gsize k = 0; k < G_N_ELEMENTS(values); k++)
                walk_with_word(layouts[i], at, values[k]);
        }
    }
}

static void
test_lying_lengths(void)
{
    static const char *const with_length[] = { "s", "o", "D", "X" };

    for (gsize i = 0; i < G_N_ELEMENTS(with_length); i++) {
        g_assert_cmpint(walk_with_word(with_length[i], 0, 0xffffffff), ==, VP_WALK_MALFORMED);
        g_assert_cmpint(walk_with_word(with_length[i], 0, 0xfffffffd), ==, VP_WALK_MALFORMED);
        g_assert_cmpint(walk_with_word(with_length[i], 0, 1000), ==, VP_WALK_MALFORMED);
    }
}

/* Any word but 0 says that it is there, as for libvirtd's decoder; it stays as it is. */
static void
test_optional_words(void)
{
    static const guint32 words[] = { 0, 1, 2, 0x80000000, 0xffffffff };

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autoptr(GByteArray) payload = build("Y", "<old/>", true);
        g_autoptr(GByteArray) expected = build("Y", "<new/>", true);
        g_autoptr(GByteArray) out = NULL;
        VpScribe self = { .answer = "<new/>" };
        VpWalkVerdict verdict = VP_WALK_MALFORMED;

        put_word(payload, 0, words[i]);
        put_word(expected, 0, words[i]);
        verdict = walk("Y", payload->data, payload->len, &self, &out, NULL);
        g_assert_cmpint(verdict, ==, words[i] ? VP_WALK_CHANGED : VP_WALK_UNCHANGED);
        g_assert_cmpuint(self.calls, ==, words[i] != 0);
        if (words[i])
            g_assert_cmpmem(out->data, out->len, expected->data, expected->len);
    }
}

/* Of the types of parameters 1 to 7 exist. */
static void
test_param_types(void)
{
    gsize type_at = 4 + 4 + 8; /* count, length and text of "an.int" */

    for (guint32 type = 1; type <= 2; type++)
        g_assert_cmpint(walk_with_word("T", type_at, type), ==, VP_WALK_UNCHANGED);
    g_assert_cmpint(walk_with_word("T", type_at, 6), ==, VP_WALK_UNCHANGED);
    g_assert_cmpint(walk_with_word("T", type_at, 0), ==, VP_WALK_MALFORMED);
    g_assert_cmpint(walk_with_word("T", type_at, 8), ==, VP_WALK_MALFORMED);
    g_assert_cmpint(walk_with_word("T", type_at, 0xffffffff), ==, VP_WALK_MALFORMED);
}

/* A field of XML that is not a string: skipped by its type. */
static void
test_xml_param_of_other_type(void)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    g_autoptr(GByteArray) out = NULL;
    VpScribe self = { .answer = "<domain/>" };

    vp_append_u32(payload, 1);
    add_number_param(payload, "dxml", 4, 8);
    g_assert_cmpint(walk("T", payload->data, payload->len, &self, &out, NULL), ==,
                    VP_WALK_UNCHANGED);
    g_assert_cmpuint(self.calls, ==, 0);
}

/* A NUL in the middle: libvirtd reads what is before it, and so do we. What it never sees is not
 * kept when the rest changes. */
static void
test_nul_inside(void)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    g_autoptr(GByteArray) expected = build("Xu", "<new/>", true);
    g_autoptr(GByteArray) out = NULL;
    VpScribe leave = { .expected = "<old/>" };
    VpScribe change = { .expected = "<old/>", .answer = "<new/>" };

    add_bytes(payload, "<old/>\0</domain>", 16);
    vp_append_u32(payload, 0xdeadbeef);
    g_assert_cmpint(walk("Xu", payload->data, payload->len, &leave, &out, NULL), ==,
                    VP_WALK_UNCHANGED);
    g_assert_null(out);
    g_assert_cmpint(walk("Xu", payload->data, payload->len, &change, &out, NULL), ==,
                    VP_WALK_CHANGED);
    g_assert_cmpmem(out->data, out->len, expected->data, expected->len);
}

/* --- limits -------------------------------------------------------------- */

static VpWalkVerdict
walk_string_of(gsize size, VpScribe *self)
{
    g_autofree char *text = g_strnfill(size, 'x');
    g_autoptr(GByteArray) payload = build("X", text, true);
    g_autoptr(GByteArray) out = NULL;

    return walk("X", payload->data, payload->len, self, &out, NULL);
}

static void
test_longest_string(void)
{
    VpScribe self = { 0 };

    g_assert_cmpuint(VP_XDR_STRING_MAX, ==, 4194304);
    g_assert_cmpint(walk_string_of(VP_XDR_STRING_MAX, &self), ==, VP_WALK_UNCHANGED);
    g_assert_cmpuint(self.calls, ==, 1);
    g_assert_cmpint(walk_string_of(VP_XDR_STRING_MAX + 1, &self), ==, VP_WALK_MALFORMED);
    g_assert_cmpuint(self.calls, ==, 1);
}

static void
test_growth(void)
{
    g_autoptr(GByteArray) payload = build("Xu", "<small/>", true);
    g_autofree char *fits = g_strnfill(VP_XDR_STRING_MAX, 'x');
    g_autofree char *too_long = g_strnfill(VP_XDR_STRING_MAX + 1, 'x');
    g_autoptr(GByteArray) expected = build("Xu", fits, true);
    g_autoptr(GByteArray) out = NULL;
    g_autoptr(GByteArray) none = NULL;
    g_autoptr(GError) error = NULL;
    VpScribe self = { .answer = fits };

    g_assert_cmpint(walk("Xu", payload->data, payload->len, &self, &out, &error), ==,
                    VP_WALK_CHANGED);
    g_assert_cmpmem(out->data, out->len, expected->data, expected->len);
    self.answer = too_long;
    g_assert_cmpint(walk("Xu", payload->data, payload->len, &self, &none, &error), ==,
                    VP_WALK_REFUSED);
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, "4194305"));
    g_assert_nonnull(strstr(error->message, "4194304"));
    g_assert_null(none);
}

/* A message whose one XML grows by 4 bytes; so much comes behind it that it is @size bytes then. */
static VpWalkVerdict
walk_grown_message_of(gsize size, GError **error)
{
    g_autoptr(GByteArray) payload = build("X", "<d/>", true);
    g_autoptr(GByteArray) out = NULL;
    VpScribe self = { .answer = "<d></d>" };
    VpWalkVerdict verdict = VP_WALK_UNCHANGED;

    g_byte_array_set_size(payload, size - 4);
    verdict = walk("X", payload->data, payload->len, &self, &out, error);
    if (verdict == VP_WALK_CHANGED)
        g_assert_cmpuint(out->len, ==, size);
    return verdict;
}

/* Many documents, or what a future version puts behind them, can make a message too long. */
static void
test_growth_of_message(void)
{
    g_autoptr(GError) error = NULL;
    gsize max = VP_FRAME_MAX - 32;

    g_assert_cmpint(walk_grown_message_of(max, &error), ==, VP_WALK_CHANGED);
    g_assert_no_error(error);
    g_assert_cmpint(walk_grown_message_of(max + 1, &error), ==, VP_WALK_REFUSED);
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, "33554405"));
}

static VpWalkVerdict
walk_params_of(guint n, VpScribe *self)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    g_autoptr(GByteArray) out = NULL;

    vp_append_u32(payload, n);
    for (guint i = 0; i < n; i++)
        add_string_param(payload, "dxml", "<domain/>");
    return walk("T", payload->data, payload->len, self, &out, NULL);
}

static void
test_most_params(void)
{
    VpScribe self = { .answer = "<d/>" };

    g_assert_cmpint(walk_params_of(0, &self), ==, VP_WALK_UNCHANGED);
    g_assert_cmpint(walk_params_of(VP_TYPED_PARAMS_MAX, &self), ==, VP_WALK_CHANGED);
    g_assert_cmpuint(self.calls, ==, VP_TYPED_PARAMS_MAX);
    g_assert_cmpint(walk_params_of(VP_TYPED_PARAMS_MAX + 1, &self), ==, VP_WALK_MALFORMED);
    g_assert_cmpuint(self.calls, ==, VP_TYPED_PARAMS_MAX);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/walk/layouts", test_layouts);
    g_test_add_func("/rpc/walk/some-changed", test_some_changed);
    g_test_add_func("/rpc/walk/refused", test_refused);
    g_test_add_func("/rpc/walk/change-is-dropped", test_change_is_dropped);
    g_test_add_func("/rpc/walk/trailing-bytes", test_trailing_bytes);
    g_test_add_func("/rpc/walk/every-truncation", test_every_truncation);
    g_test_add_func("/rpc/walk/lying-words", test_lying_words);
    g_test_add_func("/rpc/walk/lying-lengths", test_lying_lengths);
    g_test_add_func("/rpc/walk/optional-words", test_optional_words);
    g_test_add_func("/rpc/walk/param-types", test_param_types);
    g_test_add_func("/rpc/walk/xml-param-of-other-type", test_xml_param_of_other_type);
    g_test_add_func("/rpc/walk/nul-inside", test_nul_inside);
    g_test_add_func("/rpc/walk/longest-string", test_longest_string);
    g_test_add_func("/rpc/walk/growth", test_growth);
    g_test_add_func("/rpc/walk/growth-of-message", test_growth_of_message);
    g_test_add_func("/rpc/walk/most-params", test_most_params);
    return g_test_run();
}
