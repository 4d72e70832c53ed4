/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The strict check for texts as simple as almost every command is.
 *
 * A client waits for its answer while its command is checked, and most of what that takes is making
 * a parser and being rid of it again. Here nothing is allocated. It is a short cut and no second
 * judge: it says yes only where the parser would, and leaves what it is not sure of to that, which
 * also has the words for what is wrong. Tests and a fuzz target hold the two against each other.
 *
 * Keys are kept for as long as their object is open, so those of the innermost one are the last,
 * and few: comparing each with each needs no order.
 */

#include "json/plain.h"

#include <string.h>

typedef struct Reader {
    const char *at;
    const char *end;
    guint depth;                              /* brackets open */
    guint depth_seen;
    VpJsonSlice keys[VP_JSON_PLAIN_KEYS_MAX]; /* of the open objects */
    guint n_keys;
} Reader;

static bool read_value(Reader *reader);

/* The byte that comes next, behind white space; '\0' at the end. */
static char
look(Reader *reader)
{
    reader->at = vp_json_skip_space(reader->at, reader->end);
    return reader->at < reader->end ? *reader->at : '\0';
}

static bool
take(Reader *reader, char byte)
{
    if (look(reader) != byte)
        return false;
    reader->at++;
    return true;
}

static bool
read_string(Reader *reader)
{
    const char *at = reader->at + 1;

    while (at < reader->end && *at >= ' ' && *at < 0x7f && *at != '"' && *at != '\\')
        at++;
    if (at == reader->end || *at != '"')
        return false;
    reader->at = at + 1;
    return true;
}

/* A fraction or an exponent is left over, and then it is neither a comma nor a bracket. */
static bool
read_number(Reader *reader)
{
    const char *first = reader->at + (*reader->at == '-'), *at = first;

    while (at < reader->end && g_ascii_isdigit(*at))
        at++;
    reader->at = at;
    return at == first + 1 || (at > first && *first != '0');
}

static bool
read_word(Reader *reader)
{
    const char *behind = vp_json_skip_value(reader->at, reader->end, 1);

    if (!behind)
        return false;
    reader->at = behind;
    return true;
}

/* Reads a key that none of those since @first is equal to. */
static bool
read_key(Reader *reader, guint first)
{
    VpJsonSlice key = { 0 };

    if (look(reader) != '"' || reader->n_keys == VP_JSON_PLAIN_KEYS_MAX)
        return false;
    key.text = reader->at + 1;
    if (!read_string(reader))
        return false;
    key.size = reader->at - 1 - key.text;
    for (guint i = first; i < reader->n_keys; i++) {
        if (reader->keys[i].size == key.size &&
            memcmp(reader->keys[i].text, key.text, key.size) == 0)
            return false;
    }
    reader->keys[reader->n_keys++] = key;
    return true;
}

static bool
read_members(Reader *reader)
{
    guint first = reader->n_keys;

    if (take(reader, '}'))
        return true;
    do {
        if (!read_key(reader, first) || !take(reader, ':') || !read_value(reader))
            return false;
    } while (take(reader, ','));
    reader->n_keys = first;
    return take(reader, '}');
}

static bool
read_elements(Reader *reader)
{
    if (take(reader, ']'))
        return true;
    do {
        if (!read_value(reader))
            return false;
    } while (take(reader, ','));
    return take(reader, ']');
}

static bool
read_nested(Reader *reader, bool (*read)(Reader *reader))
{
    if (reader->depth == VP_JSON_PLAIN_DEPTH_MAX)
        return false;
    reader->depth++;
    reader->depth_seen = MAX(reader->depth_seen, reader->depth);
    reader->at++;
    if (!read(reader))
        return false;
    reader->depth--;
    return true;
}

static bool
read_value(Reader *reader)
{
    switch (look(reader)) {
    case '{':
        return read_nested(reader, read_members);
    case '[':
        return read_nested(reader, read_elements);
    case '"':
        return read_string(reader);
    case 't':
    case 'f':
    case 'n':
        return read_word(reader);
    case '\0':
        return false;
    default:
        return read_number(reader);
    }
}

bool
vp_json_check_plain(const char *text, gsize size, VpJsonFacts *ret_facts)
{
    Reader reader;
    VpJsonFacts facts = { .type = VP_JSON_OBJECT };

    if (size == 0 || size > VP_JSON_PLAIN_SIZE_MAX)
        return false;
    /* No initialiser: clearing the keys would be more work than reading most commands. */
    reader.at = text;
    reader.end = text + size;
    reader.depth = reader.depth_seen = reader.n_keys = 0;
    if (look(&reader) != '{')
        return false;
    facts.value.text = reader.at;
    if (!read_value(&reader))
        return false;
    facts.value.size = reader.at - facts.value.text;
    facts.depth = reader.depth_seen;
    if (look(&reader) != '\0' || reader.at != reader.end)
        return false;
    *ret_facts = facts;
    return true;
}
