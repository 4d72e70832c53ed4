/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The strict check of what a client wants to send to QEMU.
 *
 * Nothing that was not checked may reach QEMU: its parser answers one broken text with several
 * errors that carry no id, and these would be taken for the answers of other clients' commands.
 * What passes here is answered by QEMU exactly once.
 *
 * Invalid text has to be reported in libvirt's words, and these come from yajl: so yajl judges,
 * is fed in the same way, and a repeated key is refused at the same byte, when its value begins,
 * by the same means, a callback that returns 0. libvirt reads a key up to its first NUL; so do
 * we, for this comparison.
 *
 * Keys are kept in one balanced tree for the whole text, ordered by object and name: a client
 * cannot choose keys that make the search slow.
 *
 * What plain.c is certain of does not come to the parser.
 */

#include "json/check.h"

#include "base/limits.h"
#include "json/parser.h"
#include "json/plain.h"
#include "json/text.h"

#include <string.h>

/* A key of one object. */
typedef struct Key {
    guint32 object; /* which: objects are counted in the order of their '{' */
    guint32 size;
    char name[];
} Key;

typedef struct Check {
    GTree *keys;       /* of Key, of all objects up to now */
    Key *key;          /* waits for its value, NULL when there is none */
    GArray *open;      /* guint32: the number of each open object, 0 for an array */
    guint32 objects;   /* seen */
    guint tokens;      /* values, keys and brackets seen */
    guint depth_seen;  /* greatest length of @open */
    int type;          /* VpJsonType of the first value, -1 before */
    const char *limit; /* which limit ended the parse */
} Check;

static int
compare_keys(gconstpointer a, gconstpointer b, gpointer data G_GNUC_UNUSED)
{
    const Key *one = a, *other = b;

    if (one->object != other->object)
        return one->object < other->object ? -1 : 1;
    if (one->size != other->size)
        return one->size < other->size ? -1 : 1;
    return memcmp(one->name, other->name, one->size);
}

static bool
count_token(Check *check)
{
    if (++check->tokens <= VP_QMP_TOKENS_MAX)
        return true;
    check->limit = "too many values";
    return false;
}

/* A value begins: its key, if it has one, becomes known. */
static int
begin_value(Check *check, VpJsonType type)
{
    Key *key = g_steal_pointer(&check->key);

    if (check->type < 0)
        check->type = type;
    if (key && g_tree_lookup(check->keys, key)) {
        g_free(key);
        return 0;
    }
    if (key)
        g_tree_insert(check->keys, key, key);
    return count_token(check);
}

static int
on_null(void *data)
{
    return begin_value(data, VP_JSON_NULL);
}

static int
on_boolean(void *data, int value G_GNUC_UNUSED)
{
    return begin_value(data, VP_JSON_BOOLEAN);
}

static int
on_number(void *data, const char *text G_GNUC_UNUSED, size_t size G_GNUC_UNUSED)
{
    return begin_value(data, VP_JSON_NUMBER);
}

static int
on_string(void *data, const unsigned char *text G_GNUC_UNUSED, size_t size G_GNUC_UNUSED)
{
    return begin_value(data, VP_JSON_STRING);
}

static int
open_bracket(Check *check, VpJsonType type, guint32 object)
{
    if (!begin_value(check, type))
        return 0;
    g_array_append_val(check->open, object);
    check->depth_seen = MAX(check->depth_seen, check->open->len);
    if (check->depth_seen <= VP_QMP_NESTING_MAX)
        return 1;
    check->limit = "nested too deep for QEMU";
    return 0;
}

static int
on_open_object(void *data)
{
    Check *check = data;

    return open_bracket(check, VP_JSON_OBJECT, ++check->objects);
}

static int
on_open_array(void *data)
{
    return open_bracket(data, VP_JSON_ARRAY, 0);
}

static int
on_close(void *data)
{
    Check *check = data;

    g_array_set_size(check->open, check->open->len - 1);
    return count_token(check);
}

static int
on_key(void *data, const unsigned char *name, size_t size)
{
    Check *check = data;

    size = strnlen((const char *)name, size);
    check->key = g_malloc(sizeof(Key) + size);
    check->key->object = g_array_index(check->open, guint32, check->open->len - 1);
    check->key->size = size;
    memcpy(check->key->name, name, size);
    return count_token(check);
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

static bool
is_noncharacter(guint32 code)
{
    return (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) == 0xfffe;
}

/* Looks at the escape or character above 0x7f at @at; its size, 0 when it is doubtful. */
static gsize
look_at_character(const char *at, const char *end)
{
    gsize size = 0;
    gunichar code = 0;

    if (*at == '\\' && at[1] != 'u')
        return 2;
    if (*at == '\\') {
        code = vp_json_read_unicode_escape(at, end, &size);
        return code == 0 || !g_unichar_validate(code) || is_noncharacter(code) ? 0 : size;
    }
    code = g_utf8_get_char_validated(at, end - at);
    return code >= (gunichar)-2 || is_noncharacter(code) ? 0 : g_unichar_to_utf8(code, NULL);
}

/* In valid JSON backslashes and bytes above 0x7f are found in strings only. */
static bool
is_doubtful(VpJsonSlice value)
{
    const char *at = value.text, *end = value.text + value.size;

    while (at < end) {
        gsize step = (guint8)*at < 0x80 && *at != '\\' ? 1 : look_at_character(at, end);

        if (step == 0)
            return true;
        at += step;
    }
    return false;
}

/* The one value of a text that yajl has passed. */
static VpJsonSlice
find_value(const char *text, gsize size)
{
    const char *start = vp_json_skip_space(text, text + size);
    const char *behind = vp_json_skip_value(start, text + size, VP_QMP_NESTING_MAX);

    g_assert(behind);
    return (VpJsonSlice){ .text = start, .size = behind - start };
}

static bool
parse(Check *check, const char *text, gsize size, char **ret_message)
{
    yajl_handle parser = vp_json_parser_new(&callbacks, check);
    bool passed = vp_json_parser_run(parser, text, size, NULL);

    if (!passed)
        *ret_message = check->limit ? g_strdup(check->limit)
                                    : vp_json_parser_message(parser, true, text, size);
    yajl_free(parser);
    return passed;
}

static bool
check_by_parser(const char *text, gsize size, VpJsonFacts *ret_facts, char **ret_message)
{
    g_autoptr(GTree) keys = g_tree_new_full(compare_keys, NULL, g_free, NULL);
    g_autoptr(GArray) open = g_array_new(FALSE, FALSE, sizeof(guint32));
    Check check = { .keys = keys, .open = open, .type = -1 };
    VpJsonSlice value = { 0 };
    bool passed = parse(&check, text, size, ret_message);

    g_free(check.key);
    if (!passed)
        return false;
    value = find_value(text, size);
    *ret_facts = (VpJsonFacts){
        .type = check.type,
        .value = value,
        .depth = check.depth_seen,
        .doubtful = is_doubtful(value),
    };
    return true;
}

bool
vp_json_check(const char *text, gsize size, VpJsonFacts *ret_facts, char **ret_message)
{
    return vp_json_check_plain(text, size, ret_facts) ||
           check_by_parser(text, size, ret_facts, ret_message);
}
