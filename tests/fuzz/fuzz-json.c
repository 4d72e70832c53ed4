/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes through all of src/json. Beyond not crashing, the parts must agree with one another:
 * what the strict check passes, the fast scanner must be able to walk through; what the short cut
 * of the check is certain of, the parser must say as well; compacting and cutting must leave valid
 * JSON; the two ways to make bit masks must give the same; a tree that is written must be the same
 * tree when it is read again.
 */

#include "json/check.h"
#include "json/members.h"
#include "json/plain.h"
#include "json/text.h"
#include "json/tree.h"
#include "json/write.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static bool
passes(const char *text, gsize size, VpJsonFacts *ret_facts)
{
    g_autofree char *message = NULL;

    return vp_json_check(text, size, ret_facts, &message);
}

/* White space behind a text makes it too long for the short cut. */
static void
check_plain(const char *text, gsize size)
{
    g_autoptr(GString) longer = g_string_new_len(text, size);
    VpJsonFacts plain = { 0 }, parsed = { 0 };

    if (!vp_json_check_plain(text, size, &plain))
        return;
    while (longer->len <= VP_JSON_PLAIN_SIZE_MAX)
        g_string_append_c(longer, ' ');
    g_assert_true(passes(longer->str, longer->len, &parsed));
    g_assert_cmpint(plain.type, ==, parsed.type);
    g_assert_cmpuint(plain.depth, ==, parsed.depth);
    g_assert_true(plain.doubtful == parsed.doubtful);
    g_assert_cmpint(plain.value.text - text, ==, parsed.value.text - longer->str);
    g_assert_cmpuint(plain.value.size, ==, parsed.value.size);
}

static void
check_compact(const VpJsonFacts *facts)
{
    g_autoptr(GString) once = g_string_new(NULL), twice = g_string_new(NULL);
    VpJsonFacts again = { 0 };

    vp_json_append_compact(once, facts->value.text, facts->value.size);
    g_assert_true(passes(once->str, once->len, &again));
    g_assert_cmpint(again.type, ==, facts->type);
    g_assert_cmpuint(again.depth, ==, facts->depth);
    g_assert_true(again.doubtful == facts->doubtful);
    vp_json_append_compact(twice, once->str, once->len);
    g_assert_true(g_string_equal(once, twice));
}

static void
check_cut(const char *text, gsize size, VpJsonSlice cut)
{
    g_autoptr(GString) left = g_string_new_len(text, cut.text - text);
    VpJsonFacts facts;

    g_string_append_len(left, cut.text + cut.size, text + size - (cut.text + cut.size));
    g_assert_true(passes(left->str, left->len, &facts));
}

static void
check_items(VpJsonSlice whole, bool valid)
{
    const char *text = whole.text;
    gsize size = whole.size;
    VpJsonItems items;
    VpJsonItem item;
    VpJsonStep step;

    vp_json_items_init(&items, text, size);
    for (guint n = 0; (step = vp_json_items_next(&items, &item)) == VP_JSON_ITEM; n++) {
        g_free(vp_json_decode_string(item.value.text, item.value.size));
        if (valid && n < 4)
            check_cut(text, size, item.cut);
        vp_json_raw_is(item.key, "id");
        vp_json_string_is(item.value, "getfd");
    }
    if (valid)
        g_assert_cmpint(step, ==, VP_JSON_END);
}

static void
check_blocks(const char *text, gsize size)
{
    for (gsize at = 0; at + VP_JSON_BLOCK <= size; at++) {
        VpJsonBlock fast, portable;

        vp_json_block_fast(text + at, &fast);
        vp_json_block_portable(text + at, &portable);
        g_assert_cmpmem(&fast, sizeof(fast), &portable, sizeof(portable));
    }
}

/* Plain text must come back from its quoted form. */
static void
check_quoted(const char *text, gsize size)
{
    g_autofree char *plain = g_strndup(text, size);
    g_autoptr(GString) quoted = g_string_new(NULL);
    g_autofree char *back = NULL;

    vp_json_append_quoted(quoted, plain);
    back = vp_json_decode_string(quoted->str, quoted->len);
    g_assert_cmpstr(back, ==, plain);
}

static void
write_node(VpJsonWriter *writer, const char *key, const VpJsonNode *node)
{
    VpJsonKind kind = vp_json_kind(node);
    gsize size = 0;
    const char *text = vp_json_text(node, &size);

    if (kind == VP_JSON_NODE_STRING) {
        vp_json_add_string(writer, key, vp_json_string(node));
    } else if (kind < VP_JSON_NODE_ARRAY) {
        vp_json_add_raw(writer, key, text, size);
    } else {
        if (kind == VP_JSON_NODE_OBJECT)
            vp_json_begin_object(writer, key);
        else
            vp_json_begin_array(writer, key);
        for (guint i = 0; i < vp_json_length(node); i++)
            write_node(writer, vp_json_key_at(node, i), vp_json_at(node, i));
        vp_json_end(writer);
    }
}

static void
compare_nodes(const VpJsonNode *one, const VpJsonNode *other)
{
    g_assert_cmpint(vp_json_kind(one), ==, vp_json_kind(other));
    g_assert_cmpstr(vp_json_string(one), ==, vp_json_string(other));
    g_assert_cmpstr(vp_json_number_text(one), ==, vp_json_number_text(other));
    g_assert_cmpuint(vp_json_length(one), ==, vp_json_length(other));
    for (guint i = 0; i < vp_json_length(one); i++) {
        g_assert_cmpstr(vp_json_key_at(one, i), ==, vp_json_key_at(other, i));
        compare_nodes(vp_json_at(one, i), vp_json_at(other, i));
    }
}

static void
check_tree(const char *text, gsize size)
{
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(text, size, NULL), again = NULL;
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autofree char *written = NULL;

    if (!tree)
        return;
    write_node(&writer, NULL, vp_json_root(tree));
    written = vp_json_writer_steal(&writer);
    again = vp_json_tree_parse(written, -1, NULL);
    g_assert_nonnull(again);
    compare_nodes(vp_json_root(tree), vp_json_root(again));
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    const char *text = (const char *)data;
    VpJsonFacts facts = { 0 };
    g_autoptr(GString) compact = g_string_new(NULL);
    bool valid = false;

    if (size == 0)
        return 0; /* @data may be NULL then */
    vp_json_append_compact(compact, text, size);
    check_plain(text, size);
    valid = passes(text, size, &facts);
    if (valid)
        check_compact(&facts);
    if (valid)
        check_items(facts.value, facts.type <= VP_JSON_ARRAY);
    else
        check_items((VpJsonSlice){ .text = text, .size = size }, false);
    check_blocks(text, size);
    check_quoted(text, size);
    check_tree(text, size);
    return 0;
}
