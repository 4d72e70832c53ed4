/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * JSON as a tree.
 *
 * All that a tree consists of is cut from a few large blocks and never freed by itself: the text,
 * the strings, and for each object and array one run of its items, so that the one at a given place
 * is found at once. Nodes know where they are in the copy of the text.
 *
 * While yajl reads, `pending` holds what is not closed yet: each open container, and behind it the
 * items it has up to now. When it closes, its items move into a run of their own and only itself
 * is left, an item of the container around it.
 *
 * yajl says what a token means but not where it began. That follows from where the one before
 * ended: between the two can only be white space, a comma or a colon.
 */

#include "json/tree.h"

#include "base/limits.h"
#include "json/parser.h"
#include "json/scan.h"
#include "json/text.h"

#include <stdarg.h>
#include <string.h>

#define BLOCK_SIZE 4096

struct VpJsonNode {
    VpJsonKind kind;
    guint length;     /* ARRAY, OBJECT */
    const char *key;  /* NULL in an array and for the root */
    const char *text; /* as written */
    gsize size;
    union {
        const VpJsonNode *items; /* ARRAY, OBJECT */
        const char *string;      /* STRING: what it means; NUMBER: as written */
    };
};

struct VpJsonTree {
    GPtrArray *blocks; /* of memory, the last is being filled */
    char *at;          /* free room in the last one */
    gsize left;
    VpJsonNode root;
};

typedef struct Reader {
    VpJsonTree *tree;
    yajl_handle parser;
    const char *text;  /* the tree's copy, one space behind it */
    const char *at;    /* end of the last token */
    const char *key;   /* of the value that comes next */
    GArray *pending;   /* of VpJsonNode, see above */
    GArray *open;      /* of guint: which of them are open containers */
    guint values;      /* seen */
    char *limit;       /* which limit ended the parse, in words */
} Reader;

static void *
take_memory(VpJsonTree *tree, gsize size)
{
    void *taken = NULL;

    size = (size + 7) & ~(gsize)7;
    if (size > tree->left) {
        tree->left = MAX(size, BLOCK_SIZE);
        tree->at = g_malloc(tree->left);
        g_ptr_array_add(tree->blocks, tree->at);
    }
    taken = tree->at;
    tree->at += size;
    tree->left -= size;
    return taken;
}

static char *
copy_bytes(VpJsonTree *tree, const char *bytes, gsize size, char behind)
{
    char *copy = take_memory(tree, size + 1);

    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = behind;
    return copy;
}

/* What the string @token, with its quotes, means. */
static const char *
decode(VpJsonTree *tree, VpJsonSlice token)
{
    g_autoptr(GString) decoded = NULL;

    if (!memchr(token.text, '\\', token.size))
        return copy_bytes(tree, token.text + 1, token.size - 2, '\0');
    decoded = g_string_sized_new(token.size);
    vp_json_append_decoded(decoded, token.text + 1, token.size - 2);
    return copy_bytes(tree, decoded->str, decoded->len, '\0');
}

/* The token that yajl has just read. */
static VpJsonSlice
take_token(Reader *reader)
{
    const char *end = reader->text + yajl_get_bytes_consumed(reader->parser);
    const char *start = vp_json_skip_space(reader->at, end);

    if (*start == ',' || *start == ':')
        start = vp_json_skip_space(start + 1, end);
    reader->at = end;
    return (VpJsonSlice){ .text = start, .size = end - start };
}

static VpJsonNode *
add_node(Reader *reader, VpJsonKind kind)
{
    VpJsonSlice token = take_token(reader);
    VpJsonNode node = { .kind = kind, .text = token.text, .size = token.size,
                        .key = g_steal_pointer(&reader->key) };

    if (++reader->values > VP_JSON_VALUES_MAX) {
        reader->limit = g_strdup_printf("it has more values than %u", VP_JSON_VALUES_MAX);
        return NULL;
    }
    g_array_append_val(reader->pending, node);
    return &g_array_index(reader->pending, VpJsonNode, reader->pending->len - 1);
}

static int
on_null(void *data)
{
    return add_node(data, VP_JSON_NODE_NULL) != NULL;
}

static int
on_boolean(void *data, int value G_GNUC_UNUSED)
{
    return add_node(data, VP_JSON_NODE_BOOL) != NULL;
}

static int
on_number(void *data, const char *text G_GNUC_UNUSED, size_t size G_GNUC_UNUSED)
{
    Reader *reader = data;
    VpJsonNode *node = add_node(reader, VP_JSON_NODE_NUMBER);

    if (node)
        node->string = copy_bytes(reader->tree, node->text, node->size, '\0');
    return node != NULL;
}

static int
on_string(void *data, const unsigned char *text G_GNUC_UNUSED, size_t size G_GNUC_UNUSED)
{
    Reader *reader = data;
    VpJsonNode *node = add_node(reader, VP_JSON_NODE_STRING);

    if (node)
        node->string = decode(reader->tree, (VpJsonSlice){ node->text, node->size });
    return node != NULL;
}

static int
on_key(void *data, const unsigned char *text G_GNUC_UNUSED, size_t size G_GNUC_UNUSED)
{
    Reader *reader = data;

    reader->key = decode(reader->tree, take_token(reader));
    return 1;
}

static int
open_container(Reader *reader, VpJsonKind kind)
{
    guint place = reader->pending->len;

    if (reader->open->len == VP_JSON_DEPTH_MAX) {
        reader->limit = g_strdup_printf("it is nested deeper than %u", VP_JSON_DEPTH_MAX);
        return 0;
    }
    g_array_append_val(reader->open, place);
    return add_node(reader, kind) != NULL;
}

static int
on_open_object(void *data)
{
    return open_container(data, VP_JSON_NODE_OBJECT);
}

static int
on_open_array(void *data)
{
    return open_container(data, VP_JSON_NODE_ARRAY);
}

static int
on_close(void *data)
{
    Reader *reader = data;
    guint place = g_array_index(reader->open, guint, reader->open->len - 1);
    VpJsonNode *container = &g_array_index(reader->pending, VpJsonNode, place);
    guint length = reader->pending->len - place - 1;
    VpJsonNode *items = take_memory(reader->tree, length * sizeof(VpJsonNode));

    memcpy(items, container + 1, length * sizeof(VpJsonNode));
    take_token(reader);
    container->items = items;
    container->length = length;
    container->size = reader->at - container->text;
    g_array_set_size(reader->pending, place + 1);
    g_array_set_size(reader->open, reader->open->len - 1);
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_open_object,
    .yajl_map_key = on_key,
    .yajl_end_map = on_close,
    .yajl_start_array = on_open_array,
    .yajl_end_array = on_close,
};

/* @at: how far yajl got. Close to the place, counted from 1. */
static char *
describe(Reader *reader, gsize size, gsize at)
{
    g_autofree char *message = NULL;
    gsize length = 0;

    if (reader->limit)
        return g_steal_pointer(&reader->limit);
    message = vp_json_parser_message(reader->parser, false, reader->text, size);
    length = strcspn(message, "\n");
    if (length > 0 && message[length - 1] == '.')
        length--;
    return g_strdup_printf("%.*s, near byte %" G_GSIZE_FORMAT, (int)length, message, MIN(at, size));
}

/* NULL, or what is wrong. */
static char *
read_text(Reader *reader, gsize size)
{
    const char *end = reader->text + size, *rest = NULL;
    gsize stopped = 0;

    /* The space behind the text goes in as well: it ends a number that is the whole text, which
     * would else be reported when yajl no longer knows where it is. */
    if (!vp_json_parser_run(reader->parser, reader->text, size + 1, &stopped))
        return describe(reader, size, stopped);
    rest = vp_json_skip_space(reader->at, end);
    if (rest < end) /* yajl passes a string behind the value that does not end */
        return g_strdup_printf("parse error: trailing garbage, near byte %" G_GSIZE_FORMAT,
                               (gsize)(rest - reader->text) + 1);
    reader->tree->root = g_array_index(reader->pending, VpJsonNode, 0);
    return NULL;
}

VpJsonTree *
vp_json_tree_parse(const char *text, gssize size, char **ret_message)
{
    gsize length = size < 0 ? strlen(text) : (gsize)size;
    g_autoptr(VpJsonTree) tree = g_new0(VpJsonTree, 1);
    g_autoptr(GArray) pending = g_array_new(FALSE, FALSE, sizeof(VpJsonNode));
    g_autoptr(GArray) open = g_array_new(FALSE, FALSE, sizeof(guint));
    Reader reader = { .tree = tree, .pending = pending, .open = open };
    g_autofree char *message = NULL;

    tree->blocks = g_ptr_array_new_with_free_func(g_free);
    reader.text = reader.at = copy_bytes(tree, text, length, ' ');
    reader.parser = vp_json_parser_new(&callbacks, &reader);
    message = read_text(&reader, length);
    yajl_free(reader.parser);
    if (!message)
        return g_steal_pointer(&tree);
    if (ret_message)
        *ret_message = g_steal_pointer(&message);
    return NULL;
}

void
vp_json_tree_free(VpJsonTree *tree)
{
    if (!tree)
        return;
    g_ptr_array_unref(tree->blocks);
    g_free(tree);
}

const VpJsonNode *
vp_json_root(const VpJsonTree *tree)
{
    return tree ? &tree->root : NULL;
}

VpJsonKind
vp_json_kind(const VpJsonNode *node)
{
    return node ? node->kind : VP_JSON_NODE_NULL;
}

bool
vp_json_is(const VpJsonNode *node, VpJsonKind kind)
{
    return node && node->kind == kind;
}

guint
vp_json_length(const VpJsonNode *node)
{
    return node ? node->length : 0;
}

const VpJsonNode *
vp_json_at(const VpJsonNode *node, guint i)
{
    return i < vp_json_length(node) ? &node->items[i] : NULL;
}

const char *
vp_json_key_at(const VpJsonNode *object, guint i)
{
    const VpJsonNode *item = vp_json_at(object, i);

    return item ? item->key : NULL;
}

const VpJsonNode *
vp_json_get(const VpJsonNode *object, const char *key)
{
    if (!vp_json_is(object, VP_JSON_NODE_OBJECT))
        return NULL;
    for (guint i = object->length; i > 0; i--) {
        if (strcmp(object->items[i - 1].key, key) == 0)
            return &object->items[i - 1];
    }
    return NULL;
}

const VpJsonNode *
vp_json_path(const VpJsonNode *object, ...)
{
    const VpJsonNode *node = object;
    const char *key = NULL;
    va_list keys;

    va_start(keys, object);
    while ((key = va_arg(keys, const char *)))
        node = vp_json_get(node, key);
    va_end(keys);
    return node;
}

const char *
vp_json_string(const VpJsonNode *node)
{
    return vp_json_is(node, VP_JSON_NODE_STRING) ? node->string : NULL;
}

const char *
vp_json_get_string(const VpJsonNode *object, const char *key)
{
    return vp_json_string(vp_json_get(object, key));
}

bool
vp_json_bool(const VpJsonNode *node)
{
    return vp_json_is(node, VP_JSON_NODE_BOOL) && *node->text == 't';
}

bool
vp_json_get_bool(const VpJsonNode *object, const char *key)
{
    return vp_json_bool(vp_json_get(object, key));
}

const char *
vp_json_number_text(const VpJsonNode *node)
{
    return vp_json_is(node, VP_JSON_NODE_NUMBER) ? node->string : NULL;
}

gint64
vp_json_get_int(const VpJsonNode *object, const char *key, gint64 nothing)
{
    const char *text = vp_json_number_text(vp_json_get(object, key));
    gint64 value = 0;

    if (!text || !g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &value, NULL))
        return nothing;
    return value;
}

const char *
vp_json_text(const VpJsonNode *node, gsize *ret_size)
{
    *ret_size = node ? node->size : 0;
    return node ? node->text : NULL;
}
