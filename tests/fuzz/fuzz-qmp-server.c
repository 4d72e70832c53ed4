/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a QMP client may send: bytes, cut in any way, into units, and these into what QEMU is given.
 *
 * The first byte of the input says into pieces of how many bytes the others are cut. The units must
 * be the same as without cutting. A command that is JSON must still be after it was adapted, for a
 * client at any stage, and without the prefix it must be what it was.
 */

#include "qmp_server/adapt.h"
#include "qmp_server/intake.h"

#include "json/check.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static bool
is_json(const char *text, gsize size)
{
    g_autofree char *message = NULL;
    VpJsonFacts facts = { 0 };

    return vp_json_check(text, size, &facts, &message);
}

static void
check_adapted(const char *text, gsize size, const VpQmpStanding *standing)
{
    g_auto(VpQmpAdapted) adapted = { 0 };
    g_autoptr(GString) before = g_string_new_len(text, size);
    g_autoptr(GString) after = NULL;

    vp_qmp_adapt_command(standing, (VpJsonSlice){ text, size }, &adapted);
    if (!adapted.text)
        return;
    g_assert_true(is_json(adapted.text->str, adapted.text->len));
    g_string_replace(before, standing->prefix, "", 0); /* the client may have guessed it */
    after = vp_qmp_adapt_answer(standing, VP_QMP_WITHOUT_PREFIX,
                                (VpJsonSlice){ adapted.text->str, adapted.text->len });
    g_assert_cmpuint(strlen(after->str) > 0, ==, strlen(before->str) > 0);
    /* Names in a value are written anew, without needless escapes; all else keeps its bytes. */
    if (!adapted.names)
        g_assert_true(g_string_equal(before, after));
}

static void
check_value(const VpQmpUnit *unit)
{
    static const VpQmpStanding standings[] = {
        { "__org.virtpass_c1_", false, false },
        { "__org.virtpass_c2_", true, false },
        { "__org.virtpass_c3_", true, true },
    };
    g_autoptr(GString) json = vp_qmp_unit_to_json(unit);

    if (!is_json(json->str, json->len))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(standings); i++)
        check_adapted(json->str, json->len, &standings[i]);
}

/* All units of @bytes, fed @piece at a time: the verdict, the text and "|". */
static GString *
cut(const char *bytes, gsize size, gsize piece)
{
    GString *out = g_string_new(NULL);
    VpQmpIntake intake = VP_QMP_INTAKE_INIT;

    for (gsize start = 0; start < size; start += piece) {
        gsize n = MIN(piece, size - start);
        g_autofree char *block = g_memdup2(bytes + start, n);
        const char *at = block;
        VpQmpIntakeVerdict verdict;
        VpQmpUnit unit;

        while ((verdict = vp_qmp_intake_next(&intake, &at, &n, &unit)) != VP_QMP_UNIT_MORE) {
            g_string_append_c(out, '0' + verdict);
            g_string_append_len(out, unit.text, unit.size);
            g_string_append_c(out, '|');
            if (verdict == VP_QMP_UNIT_VALUE)
                check_value(&unit);
        }
        g_assert_cmpuint(n, ==, 0);
    }
    vp_qmp_intake_clear(&intake);
    return out;
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GString) whole = NULL, pieces = NULL;

    if (size < 2)
        return 0;
    whole = cut((const char *)data + 1, size - 1, size);
    pieces = cut((const char *)data + 1, size - 1, data[0] % 64 + 1);
    g_assert_true(g_string_equal(whole, pieces));
    return 0;
}
