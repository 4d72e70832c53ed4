/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One monitor, many clients, and each believes that it is alone.
 *
 * What is a client's own in a monitor (has it negotiated, with "oob" or without, what are its
 * descriptors called) is brought about by what is sent to QEMU, so that QEMU itself answers and
 * answers right: a name that must not be found is sent with a prefix under which nothing is found,
 * and the prefix is taken out of the answer.
 *
 *   - qmp_capabilities is sent as it came. QEMU checks its arguments and then finds that
 *     negotiation is over: for a client that has not negotiated yet this error is success.
 *   - Until then every other command gets the prefix, so QEMU checks its form but cannot find it;
 *     that error gets the text it has before negotiation.
 *   - "exec-oob" of a client without "oob" gets it: an unexpected member, as without the
 *     capability.
 *   - Names of descriptors get it (names.c).
 */

#include "qmp_server/adapt.h"

#include "json/check.h"
#include "json/members.h"
#include "qmp_server/names.h"

#include <stddef.h>

#define BEFORE_NEGOTIATION                                                                         \
    "Expecting capabilities negotiation with 'qmp_capabilities'"

/* The outermost level of a command; text is NULL for what is not there. */
typedef struct Outline {
    VpJsonItem execute;
    VpJsonItem exec_oob;
    VpJsonItem arguments;
    VpJsonItem id;
} Outline;

static void
read_outline(VpJsonSlice text, Outline *ret_outline)
{
    static const struct {
        const char *key;
        gsize offset;
    } members[] = {
        { "execute", offsetof(Outline, execute) },
        { "exec-oob", offsetof(Outline, exec_oob) },
        { "arguments", offsetof(Outline, arguments) },
        { "id", offsetof(Outline, id) },
    };
    VpJsonItems items;
    VpJsonItem item;

    *ret_outline = (Outline){ 0 };
    if (text.size == 0 || *text.text != '{')
        return;
    vp_json_items_init(&items, text.text, text.size);
    while (vp_json_items_next(&items, &item) == VP_JSON_ITEM) {
        for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
            if (vp_json_raw_is(item.key, members[i].key))
                *(VpJsonItem *)((char *)ret_outline + members[i].offset) = item;
        }
    }
}

/* Whether QEMU's parser may refuse it. Then QEMU gets it as it is, with the id that the session
 * keeps to itself otherwise; where it is refused, the place that QEMU tells is the client's own.
 * What brings descriptors cannot be sent so, unless for its id. */
static bool
is_doubtful(VpJsonSlice text)
{
    g_autofree char *message = NULL;
    VpJsonFacts facts = { 0 };
    bool plain = true;

    for (gsize i = 0; i < text.size && plain; i++)
        plain = (guint8)text.text[i] < 0x80 && text.text[i] != '\\';
    return !plain && vp_json_check(text.text, text.size, &facts, &message) && facts.doubtful;
}

static bool
is_command(const Outline *outline, const char *name)
{
    return outline->execute.value.text && vp_json_string_is(outline->execute.value, name);
}

/* Puts the prefix in front of @text. */
static void
add_prefix(const VpQmpStanding *standing, GArray **edits, const char *text)
{
    vp_qmp_edits_add(edits, (VpJsonSlice){ text, 0 }, g_strdup(standing->prefix));
}

static bool
asks_for_oob(VpJsonSlice arguments)
{
    VpJsonSlice list = vp_json_member(arguments, "enable");
    VpJsonItems items;
    VpJsonItem item;

    vp_json_items_init(&items, list.text, list.size);
    while (vp_json_items_next(&items, &item) == VP_JSON_ITEM) {
        if (vp_json_string_is(item.value, "oob"))
            return true;
    }
    return false;
}

static void
adapt_negotiation(const VpQmpStanding *standing, const Outline *outline, GArray **edits,
                  VpQmpAdapted *adapted)
{
    VpJsonSlice name = outline->execute.value;

    if (is_command(outline, "qmp_capabilities")) {
        adapted->treatment = VP_QMP_CAPABILITIES;
        adapted->wants_oob = asks_for_oob(outline->arguments.value);
        return;
    }
    adapted->treatment = VP_QMP_NOT_NEGOTIATED_YET;
    if (name.text && *name.text == '"')
        add_prefix(standing, edits, name.text + 1);
}

static void
adapt_names(const VpQmpStanding *standing, const Outline *outline, GArray **edits,
            VpQmpAdapted *adapted)
{
    VpJsonSlice command = outline->execute.value.text ? outline->execute.value
                                                      : outline->exec_oob.value;

    vp_qmp_names_find(command, outline->arguments.value, standing->prefix, edits,
                      &adapted->names);
    if (!adapted->names)
        return;
    adapted->treatment = VP_QMP_WITHOUT_PREFIX;
    adapted->gives_name = is_command(outline, "getfd");
}

void
vp_qmp_adapt_command(const VpQmpStanding *standing, VpJsonSlice text, VpQmpAdapted *ret_adapted)
{
    g_autoptr(GArray) edits = NULL;
    VpQmpAdapted adapted = { 0 };
    Outline outline;

    read_outline(text, &outline);
    adapted.id = outline.id.value;
    adapted.takes_fd = is_command(&outline, "getfd") || is_command(&outline, "add-fd");
    adapted.doubtful = is_doubtful(adapted.takes_fd ? outline.id.value : text);
    adapted.out_of_band = standing->oob && outline.exec_oob.value.text &&
                          !outline.execute.value.text;
    if (!standing->negotiated)
        adapt_negotiation(standing, &outline, &edits, &adapted);
    else
        adapt_names(standing, &outline, &edits, &adapted);
    if (outline.exec_oob.value.text && !standing->oob) {
        adapted.treatment = MAX(adapted.treatment, VP_QMP_WITHOUT_PREFIX);
        add_prefix(standing, &edits, outline.exec_oob.key.text);
    }
    if (edits)
        adapted.text = vp_qmp_edits_apply(edits, text);
    *ret_adapted = adapted;
}

void
vp_qmp_adapted_clear(VpQmpAdapted *adapted)
{
    if (adapted->text)
        g_string_free(adapted->text, TRUE);
    if (adapted->names)
        g_ptr_array_unref(adapted->names);
    *adapted = (VpQmpAdapted){ 0 };
}

static bool
is_not_found(VpJsonSlice answer)
{
    VpJsonSlice error = vp_json_member(answer, "error");

    return vp_json_string_is(vp_json_member(error, "class"), "CommandNotFound");
}

bool
vp_qmp_is_negotiated(VpJsonSlice answer)
{
    return vp_json_member(answer, "return").text || is_not_found(answer);
}

/* @answer, an error, with the text that QEMU has for it before negotiation. */
static GString *
say_not_negotiated(VpJsonSlice answer)
{
    g_autoptr(GArray) edits = NULL;
    VpJsonSlice desc = vp_json_member(vp_json_member(answer, "error"), "desc");

    if (!desc.text)
        return g_string_new_len(answer.text, answer.size);
    vp_qmp_edits_add(&edits, desc, g_strdup("\"" BEFORE_NEGOTIATION "\""));
    return vp_qmp_edits_apply(edits, answer);
}

GString *
vp_qmp_adapt_answer(const VpQmpStanding *standing, VpQmpTreatment treatment, VpJsonSlice answer)
{
    GString *text = NULL;

    if (treatment == VP_QMP_NOT_NEGOTIATED_YET && is_not_found(answer))
        text = say_not_negotiated(answer);
    else
        text = g_string_new_len(answer.text, answer.size);
    if (treatment != VP_QMP_AS_IT_IS)
        g_string_replace(text, standing->prefix, "", 0);
    return text;
}

GString *
vp_qmp_say_return(VpJsonSlice id)
{
    GString *text = g_string_new("{\"return\": {}");

    if (id.text)
        g_string_append_printf(text, ", \"id\": %.*s", (int)id.size, id.text);
    g_string_append_c(text, '}');
    return text;
}

GString *
vp_qmp_say_error(VpJsonSlice id, const char *desc)
{
    GString *text = g_string_new("{");

    if (id.text)
        g_string_append_printf(text, "\"id\": %.*s, ", (int)id.size, id.text);
    g_string_append_printf(text, "\"error\": {\"class\": \"GenericError\", \"desc\": \"%s\"}}",
                           desc);
    return text;
}
