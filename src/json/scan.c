/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where does a JSON value end?
 *
 * Messages of QEMU are forwarded as they are; all we need is the extent of their top-level
 * members, and the longest of them (query-qmp-schema, 200 KB) must not cost more than a few
 * memcpy(). So nested values are not tokenised. Sixty-four bytes at a time are turned into bit
 * masks; a prefix XOR over the quotes tells which bytes are inside of strings; only brackets
 * outside of strings are then visited one by one, on a stack that has one bit for each level.
 *
 * Escapes: a backslash that is not escaped itself takes away the meaning of the next byte, also
 * across the end of a block.
 *
 * Nothing behind @end is read: an incomplete last block is copied and filled up with spaces.
 */

#include "json/scan.h"

#include "base/limits.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* '[' and '{', ']' and '}' differ in this bit only, and no other byte becomes one of them by it. */
#define FOLD 0x20

typedef guint8 Bytes __attribute__((vector_size(16)));
typedef guint64 Words __attribute__((vector_size(16)));

/* The bit that each byte stands for, in its half. */
static const Bytes places = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };

enum {
    QUOTE = 1,
    BACKSLASH = 2,
    CONTROL = 4,
    SPACE = 8,   /* white space outside of strings */
    SCALAR = 16, /* part of a number */
};

static const guint8 classes[256] = {
    [0 ... 8] = CONTROL,
    [9 ... 13] = CONTROL | SPACE,
    [14 ... 31] = CONTROL,
    [' '] = SPACE,
    ['"'] = QUOTE,
    ['\\'] = BACKSLASH,
    ['+'] = SCALAR,
    ['-'] = SCALAR,
    ['.'] = SCALAR,
    ['0' ... '9'] = SCALAR,
    ['E'] = SCALAR,
    ['e'] = SCALAR,
};

/* What the scanner of a nested value remembers from block to block. */
typedef struct Nest {
    guint64 kinds[VP_QMP_NESTING_MAX / 64 + 1]; /* a bit for each open bracket, 1: '{' */
    guint depth;
    guint depth_max;
    guint64 in_string; /* all bits set while a string is open at the end of a block */
    bool escaped;      /* the first byte of the next block is */
} Nest;

/* One bit for each byte of @hits that is 0xff. The sum cannot carry, whatever the byte order. */
static inline guint64
gather(Bytes hits)
{
    Words words = (Words)(hits & places);

    return words[0] * 0x0101010101010101 >> 56 | words[1] * 0x0101010101010101 >> 56 << 8;
}

void
vp_json_block_portable(const char *bytes, VpJsonBlock *ret_block)
{
    VpJsonBlock block = { 0 };

    for (guint i = 0; i < VP_JSON_BLOCK; i += sizeof(Bytes)) {
        Bytes v, folded;

        memcpy(&v, bytes + i, sizeof(v));
        folded = v | FOLD;
        block.quotes |= gather((Bytes)(v == '"')) << i;
        block.backslashes |= gather((Bytes)(v == '\\')) << i;
        block.brackets |= gather((Bytes)(folded == '{') | (Bytes)(folded == '}')) << i;
        block.controls |= gather((Bytes)(v < 0x20)) << i;
    }
    *ret_block = block;
}

#ifdef __SSE2__

void
vp_json_block_fast(const char *bytes, VpJsonBlock *ret_block)
{
    VpJsonBlock block = { 0 };

    for (guint i = 0; i < VP_JSON_BLOCK; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(bytes + i));
        __m128i folded = _mm_or_si128(v, _mm_set1_epi8(FOLD));
        __m128i brackets = _mm_or_si128(_mm_cmpeq_epi8(folded, _mm_set1_epi8('{')),
                                        _mm_cmpeq_epi8(folded, _mm_set1_epi8('}')));
        __m128i controls = _mm_cmpeq_epi8(_mm_max_epu8(v, _mm_set1_epi8(0x1f)),
                                          _mm_set1_epi8(0x1f));

        block.quotes |= (guint64)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('"'))) << i;
        block.backslashes |= (guint64)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\\')))
                             << i;
        block.brackets |= (guint64)_mm_movemask_epi8(brackets) << i;
        block.controls |= (guint64)_mm_movemask_epi8(controls) << i;
    }
    *ret_block = block;
}

#else

void
vp_json_block_fast(const char *bytes, VpJsonBlock *ret_block)
{
    vp_json_block_portable(bytes, ret_block);
}

#endif

const char *
vp_json_skip_space(const char *at, const char *end)
{
    while (at < end && classes[(guint8)*at] & SPACE)
        at++;
    return at;
}

const char *
vp_json_skip_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        guint8 class = classes[(guint8)*at];

        if (class & QUOTE)
            return at + 1;
        if (class & CONTROL)
            return NULL;
        if (class & BACKSLASH && ++at < end && classes[(guint8)*at] & CONTROL)
            return NULL;
    }
    return NULL;
}

static const char *
skip_word(const char *at, const char *end, const char *word)
{
    gsize n = strlen(word);

    return (gsize)(end - at) >= n && memcmp(at, word, n) == 0 ? at + n : NULL;
}

static const char *
skip_scalar(const char *at, const char *end)
{
    if (*at == 't')
        return skip_word(at, end, "true");
    if (*at == 'f')
        return skip_word(at, end, "false");
    if (*at == 'n')
        return skip_word(at, end, "null");
    if (!g_ascii_isdigit(*at) && *at != '-')
        return NULL;
    while (at < end && classes[(guint8)*at] & SCALAR)
        at++;
    return at;
}

/* The bytes of a block that a backslash in front has made ordinary. */
static guint64
find_escaped(guint64 backslashes, bool *escaped)
{
    guint64 found = *escaped ? 1 : 0;

    backslashes &= ~found;
    *escaped = false;
    while (backslashes) {
        guint64 lowest = backslashes & -backslashes;

        *escaped = lowest >> 63;
        found |= lowest << 1;
        backslashes &= ~(lowest | lowest << 1);
    }
    return found;
}

/* Bit i of the result is the XOR of bits 0 to i: set between an odd quote and the next one. */
static guint64
prefix_xor(guint64 bits)
{
    for (guint shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
}

static bool
push_or_pop(Nest *nest, char bracket)
{
    guint level = 0;
    bool is_map = bracket == '{' || bracket == '}';

    if (bracket == '{' || bracket == '[') {
        level = nest->depth++;
        if (level >= nest->depth_max)
            return false;
        nest->kinds[level / 64] &= ~(1ULL << level % 64);
        nest->kinds[level / 64] |= (guint64)is_map << level % 64;
        return true;
    }
    level = --nest->depth;
    return (nest->kinds[level / 64] >> level % 64 & 1) == is_map;
}

/* Scans one block. False when it is broken; *ret_end is set to the byte that closes the value. */
static bool
scan_block(Nest *nest, const char *bytes, gssize *ret_end)
{
    VpJsonBlock block;
    guint64 strings = 0, brackets = 0, looked_at = ~0ULL;

    vp_json_block_fast(bytes, &block);
    if (block.backslashes || nest->escaped)
        block.quotes &= ~find_escaped(block.backslashes, &nest->escaped);
    strings = prefix_xor(block.quotes) ^ nest->in_string;
    nest->in_string = strings >> 63 ? ~0ULL : 0;
    for (brackets = block.brackets & ~strings; brackets; brackets &= brackets - 1) {
        int i = __builtin_ctzll(brackets);

        if (!push_or_pop(nest, bytes[i]))
            return false;
        if (nest->depth == 0) {
            *ret_end = i;
            looked_at = (1ULL << i) - 1;
            break;
        }
    }
    return !(block.controls & strings & looked_at);
}

static const char *
skip_nested(const char *at, const char *end, guint depth_max)
{
    Nest nest = { .depth_max = MIN(depth_max, VP_QMP_NESTING_MAX) };
    gssize closed = -1;

    while (at < end) {
        char filled[VP_JSON_BLOCK];
        const char *bytes = at;

        if (end - at < VP_JSON_BLOCK) {
            memset(filled, ' ', sizeof(filled));
            memcpy(filled, at, end - at);
            bytes = filled;
        }
        if (!scan_block(&nest, bytes, &closed))
            return NULL;
        if (closed >= 0)
            return at + closed + 1;
        at += VP_JSON_BLOCK;
    }
    return NULL;
}

const char *
vp_json_skip_value(const char *at, const char *end, guint depth_max)
{
    if (at >= end)
        return NULL;
    if (*at == '"')
        return vp_json_skip_string(at, end);
    if (*at == '{' || *at == '[')
        return skip_nested(at, end, depth_max);
    return skip_scalar(at, end);
}
