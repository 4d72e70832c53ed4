/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A plan as JSON text, in the environment of a guest. The text outlives the program that wrote it:
 * it is in domain definitions, saved guests and on the way to other hosts, so a version that is not
 * known is refused, and so is everything else that is not described here. Better a guest that does
 * not start than one that starts otherwise than its author said.
 *
 *     {"version":1,
 *      "emulator":"/usr/bin/qemu-system-x86_64",
 *      "session":true,
 *      "steps":[STEP...],
 *      "types":[[OPTION,KEY,TYPE],[OPTION,KEY,TYPE,DRIVER]...]}
 *
 *     STEP     {"words":["-device","lsi"],"line":LINE}
 *              {"alter":OPTION,"number":N,"line":LINE,"occurs":OCCURS,"required":false,
 *               "actions":[ACTION...]}
 *              {"group":NAME,"id":ID,"line":LINE,"values":[[KEY,VALUE]...]}
 *     OCCURS   "all", "first", "last", or which one, counted from 1
 *     ACTION   {"do":"match","regex":REGEX,"key":KEY}
 *              {"do":"modify","text":TEXT,"type":TYPE}
 *              {"do":"remove-key","key":KEY}
 *              {"do":"remove"}
 *              {"do":"rename","text":NAME}
 *              {"do":"replace","regex":REGEX,"text":REPLACEMENT}
 *              {"do":"extra","words":[WORD...],"before":true}
 *     TYPE     a name of vp_value_type_names
 *
 * What has its default is left out: number and line 0, occurs "all", required true, before and
 * session false, type "unknown", no id, no emulator, no key, empty lists but "words".
 *
 * Writing and reading go by the same tables: a member has a name, a place in the C structure, and a
 * form, which knows how to write and how to read.
 */

#include "plan/plan.h"

#include "base/error.h"
#include "base/limits.h"
#include "json/text.h"
#include "json/tree.h"
#include "json/write.h"

#include <string.h>

#define VERSION 1

/* What is being read, for messages. */
typedef struct Reader {
    GString *path; /* "steps[2].actions[0].regex" */
    GError *error; /* the first, which is the most exact */
} Reader;

/* How one kind of value is read and written; @field is its place in the structure. */
typedef struct Form {
    const char *expected; /* in words */
    /* false: it is not what is expected, or the error is set already. */
    bool (*read)(Reader *reader, const VpJsonNode *value, void *field);
    /* Writes nothing for a default. */
    void (*write)(VpJsonWriter *writer, const char *name, const void *field);
} Form;

/* A member of a JSON object and of a C structure. Tables of them end with a NULL name. */
typedef struct Member {
    const char *name;
    const Form *form;
    gsize offset;
    bool required;
} Member;

/* Reads one element of a list into what the list belongs to. */
typedef bool (*ReadElement)(Reader *reader, const VpJsonNode *element, void *owner);

static void G_GNUC_PRINTF(2, 3)
fail(Reader *reader, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    if (reader->error)
        return;
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    reader->error = g_error_new(VP_ERROR, VP_ERROR_FAILED, "plan: %s%s%s", reader->path->str,
                                reader->path->len > 0 ? ": " : "", text);
}

/* --- Objects and lists in general ----------------------------------------- */

static void
write_object(VpJsonWriter *writer, const Member *members, const void *structure)
{
    vp_json_begin_object(writer, NULL);
    for (const Member *member = members; member->name; member++)
        member->form->write(writer, member->name, (const char *)structure + member->offset);
    vp_json_end(writer);
}

static bool
read_member(Reader *reader, const VpJsonNode *object, const Member *member, void *structure)
{
    const VpJsonNode *value = vp_json_get(object, member->name);
    gsize before = reader->path->len;
    bool fine = true;

    if (!value && member->required)
        fail(reader, "it has no member \"%s\"", member->name);
    if (!value)
        return !member->required;
    g_string_append_printf(reader->path, "%s%s", before > 0 ? "." : "", member->name);
    fine = member->form->read(reader, value, (char *)structure + member->offset);
    if (!fine)
        fail(reader, "expected %s", member->form->expected);
    g_string_truncate(reader->path, before);
    return fine;
}

static bool
is_member(const Member *members, const char *name)
{
    for (const Member *member = members; member->name; member++) {
        if (g_str_equal(member->name, name))
            return true;
    }
    return false;
}

/* In the table's order, so that the version is the first to be looked at. */
static bool
read_object(Reader *reader, const VpJsonNode *object, const Member *members, void *structure)
{
    for (const Member *member = members; member->name; member++) {
        if (!read_member(reader, object, member, structure))
            return false;
    }
    for (guint i = 0; i < vp_json_length(object); i++) {
        const char *name = vp_json_key_at(object, i);

        if (!is_member(members, name))
            fail(reader, "the member \"%s\" is not known", name);
        else if (vp_json_get(object, name) != vp_json_at(object, i))
            fail(reader, "the member \"%s\" is there twice", name);
        if (reader->error)
            return false;
    }
    return true;
}

static bool
read_list(Reader *reader, const VpJsonNode *list, ReadElement read, const char *expected,
          void *owner)
{
    gsize before = reader->path->len;

    if (!vp_json_is(list, VP_JSON_NODE_ARRAY))
        return false;
    for (guint i = 0; i < vp_json_length(list); i++) {
        g_string_append_printf(reader->path, "[%u]", i);
        if (!read(reader, vp_json_at(list, i), owner)) {
            fail(reader, "expected %s", expected);
            return false;
        }
        g_string_truncate(reader->path, before);
    }
    return true;
}

/* --- Values --------------------------------------------------------------- */

static bool
read_text(Reader *reader G_GNUC_UNUSED, const VpJsonNode *value, void *field)
{
    char **text = field;

    *text = g_strdup(vp_json_string(value));
    return *text != NULL;
}

static void
write_text(VpJsonWriter *writer, const char *name, const void *field)
{
    const char *const *text = field;

    vp_json_add_given(writer, name, *text);
}

static const Form text_form = { "a text", read_text, write_text };

static bool
read_number(Reader *reader G_GNUC_UNUSED, const VpJsonNode *value, void *field)
{
    const char *text = vp_json_number_text(value);
    guint *number = field;
    guint64 found = 0;

    if (!text || !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT, &found, NULL))
        return false;
    *number = found;
    return true;
}

static void
write_number(VpJsonWriter *writer, const char *name, const void *field)
{
    const guint *number = field;

    if (*number != 0)
        vp_json_add_uint(writer, name, *number);
}

static const Form number_form = { "a number from 0 to 4294967295", read_number, write_number };

static bool
read_version(Reader *reader, const VpJsonNode *value, void *field G_GNUC_UNUSED)
{
    guint version = 0;

    if (read_number(reader, value, &version) && version != VERSION)
        fail(reader, "this is version %u, and %d is the only one known here: a newer "
             "libvirt-qemu-passthrough wrote it", version, VERSION);
    return version == VERSION;
}

static void
write_version(VpJsonWriter *writer, const char *name, const void *field G_GNUC_UNUSED)
{
    vp_json_add_uint(writer, name, VERSION);
}

static const Form version_form = { "the number 1", read_version, write_version };

static bool
read_flag(Reader *reader G_GNUC_UNUSED, const VpJsonNode *value, void *field)
{
    bool *flag = field;

    if (!vp_json_is(value, VP_JSON_NODE_BOOL))
        return false;
    *flag = vp_json_bool(value);
    return true;
}

static void
write_if_true(VpJsonWriter *writer, const char *name, const void *field)
{
    if (*(const bool *)field)
        vp_json_add_bool(writer, name, true);
}

static void
write_if_false(VpJsonWriter *writer, const char *name, const void *field)
{
    if (!*(const bool *)field)
        vp_json_add_bool(writer, name, false);
}

static const Form false_form = { "true or false", read_flag, write_if_true };
static const Form true_form = { "true or false", read_flag, write_if_false };

static bool
read_type(Reader *reader G_GNUC_UNUSED, const VpJsonNode *value, void *field)
{
    const char *name = vp_json_string(value);

    return name && vp_value_type_find(name, field);
}

static void
write_type(VpJsonWriter *writer, const char *name, const void *field)
{
    const VpValueType *type = field;

    if (*type != VP_TYPE_UNKNOWN)
        vp_json_add_string(writer, name, vp_value_type_names[*type]);
}

static const Form type_form = { "the name of a type", read_type, write_type };

static bool
read_word(Reader *reader G_GNUC_UNUSED, const VpJsonNode *value, void *owner)
{
    if (vp_json_string(value))
        g_ptr_array_add(owner, g_strdup(vp_json_string(value)));
    return vp_json_string(value) != NULL;
}

static bool
read_words(Reader *reader, const VpJsonNode *value, void *field)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    char ***strings = field;

    if (!read_list(reader, value, read_word, "a text", words))
        return false;
    g_ptr_array_add(words, NULL);
    *strings = (char **)g_ptr_array_steal(words, NULL);
    return true;
}

static void
write_words(VpJsonWriter *writer, const char *name, const void *field)
{
    vp_json_add_strings(writer, name, *(const char *const *const *)field, -1);
}

static const Form words_form = { "a list of texts", read_words, write_words };

/* --- Actions -------------------------------------------------------------- */

static bool read_kind(Reader *reader, const VpJsonNode *value, void *field);
static void write_kind(VpJsonWriter *writer, const char *name, const void *field);

static const Form kind_form = { "the name of an action", read_kind, write_kind };

#define DO { "do", &kind_form, offsetof(VpAction, kind), true }
#define TEXT(field, required) { #field, &text_form, offsetof(VpAction, field), required }

static const struct {
    const char *name;
    Member members[4];
} action_kinds[] = {
    [VP_ACTION_MATCH] = { "match", { DO, TEXT(regex, true), TEXT(key, false) } },
    [VP_ACTION_MODIFY] = { "modify", { DO, TEXT(text, true),
                                       { "type", &type_form, offsetof(VpAction, type), false } } },
    [VP_ACTION_REMOVE_KEY] = { "remove-key", { DO, TEXT(key, true) } },
    [VP_ACTION_REMOVE] = { "remove", { DO } },
    [VP_ACTION_RENAME] = { "rename", { DO, TEXT(text, true) } },
    [VP_ACTION_REPLACE] = { "replace", { DO, TEXT(regex, true), TEXT(text, true) } },
    [VP_ACTION_EXTRA] = { "extra", { DO,
                                     { "words", &words_form, offsetof(VpAction, words), true },
                                     { "before", &false_form, offsetof(VpAction, before), false },
                                   } },
};

static bool
read_kind(Reader *reader G_GNUC_UNUSED, const VpJsonNode *value, void *field)
{
    VpActionKind *kind = field;

    for (guint i = 0; i < G_N_ELEMENTS(action_kinds); i++) {
        if (g_strcmp0(vp_json_string(value), action_kinds[i].name) == 0) {
            *kind = i;
            return true;
        }
    }
    return false;
}

static void
write_kind(VpJsonWriter *writer, const char *name, const void *field)
{
    vp_json_add_string(writer, name, action_kinds[*(const VpActionKind *)field].name);
}

static bool
read_action(Reader *reader, const VpJsonNode *element, void *owner)
{
    static const Member kind_member = { "do", &kind_form, 0, true };
    VpActionKind kind = VP_ACTION_MATCH;

    return vp_json_is(element, VP_JSON_NODE_OBJECT) &&
           read_member(reader, element, &kind_member, &kind) &&
           read_object(reader, element, action_kinds[kind].members, vp_alter_add(owner, kind));
}

/* The field is the whole alter, here and for OCCURS: more than one of its own is concerned. */
static bool
read_actions(Reader *reader, const VpJsonNode *value, void *field)
{
    return read_list(reader, value, read_action, "an object", field);
}

static void
write_actions(VpJsonWriter *writer, const char *name, const void *field)
{
    const VpAlter *alter = field;

    if (alter->actions->len == 0)
        return;
    vp_json_begin_array(writer, name);
    for (guint i = 0; i < alter->actions->len; i++) {
        const VpAction *action = alter->actions->pdata[i];

        write_object(writer, action_kinds[action->kind].members, action);
    }
    vp_json_end(writer);
}

static const Form actions_form = { "a list of actions", read_actions, write_actions };

static const char *const occurs_names[] = {
    [VP_OCCURS_ALL] = "all",
    [VP_OCCURS_FIRST] = "first",
    [VP_OCCURS_LAST] = "last",
};

static bool
read_occurs(Reader *reader, const VpJsonNode *value, void *field)
{
    VpAlter *alter = field;

    for (guint i = 0; i < G_N_ELEMENTS(occurs_names); i++) {
        if (g_strcmp0(vp_json_string(value), occurs_names[i]) == 0) {
            alter->occurs = i;
            return true;
        }
    }
    alter->occurs = VP_OCCURS_NTH;
    return read_number(reader, value, &alter->nth) && alter->nth > 0;
}

static void
write_occurs(VpJsonWriter *writer, const char *name, const void *field)
{
    const VpAlter *alter = field;

    if (alter->occurs == VP_OCCURS_NTH)
        vp_json_add_uint(writer, name, alter->nth);
    else if (alter->occurs != VP_OCCURS_ALL)
        vp_json_add_string(writer, name, occurs_names[alter->occurs]);
}

static const Form occurs_form = { "\"all\", \"first\", \"last\" or a number from 1", read_occurs,
                                  write_occurs };

/* --- Groups --------------------------------------------------------------- */

static bool
read_pair(Reader *reader G_GNUC_UNUSED, const VpJsonNode *element, void *owner)
{
    const char *key = vp_json_string(vp_json_at(element, 0));
    const char *value = vp_json_string(vp_json_at(element, 1));

    if (!vp_json_is(element, VP_JSON_NODE_ARRAY) || vp_json_length(element) != 2 || !key || !value)
        return false;
    vp_group_add(owner, key, value);
    return true;
}

static bool
read_pairs(Reader *reader, const VpJsonNode *value, void *field)
{
    return read_list(reader, value, read_pair, "a list of a key and a value", field);
}

static void
write_pairs(VpJsonWriter *writer, const char *name, const void *field)
{
    const VpGroup *group = field;

    if (group->keys->len == 0)
        return;
    vp_json_begin_array(writer, name);
    for (guint i = 0; i < group->keys->len; i++) {
        vp_json_begin_array(writer, NULL);
        vp_json_add_string(writer, NULL, group->keys->pdata[i]);
        vp_json_add_string(writer, NULL, group->values->pdata[i]);
        vp_json_end(writer);
    }
    vp_json_end(writer);
}

static const Form pairs_form = { "a list of keys with values", read_pairs, write_pairs };

/* --- Steps ---------------------------------------------------------------- */

static const Member words_members[] = {
    { "words", &words_form, offsetof(VpWords, words), true },
    { "line", &number_form, offsetof(VpWords, line), false },
    { 0 },
};

static const Member alter_members[] = {
    { "alter", &text_form, offsetof(VpAlter, option), true },
    { "number", &number_form, offsetof(VpAlter, number), false },
    { "line", &number_form, offsetof(VpAlter, line), false },
    { "occurs", &occurs_form, 0, false },
    { "required", &true_form, offsetof(VpAlter, required), false },
    { "actions", &actions_form, 0, false },
    { 0 },
};

static const Member group_members[] = {
    { "group", &text_form, offsetof(VpGroup, name), true },
    { "id", &text_form, offsetof(VpGroup, id), false },
    { "line", &number_form, offsetof(VpGroup, line), false },
    { "values", &pairs_form, 0, false },
    { 0 },
};

static bool
read_step(Reader *reader, const VpJsonNode *element, void *owner)
{
    VpAlter *alter = NULL;

    if (vp_json_get(element, "words"))
        return read_object(reader, element, words_members, vp_plan_add_words(owner, 0));
    if (vp_json_get(element, "group"))
        return read_object(reader, element, group_members, vp_plan_add_group(owner, 0));
    if (!vp_json_get(element, "alter"))
        return false;
    alter = vp_plan_add_alter(owner, 0);
    alter->number = 0;
    return read_object(reader, element, alter_members, alter);
}

static bool
read_steps(Reader *reader, const VpJsonNode *value, void *field)
{
    return read_list(reader, value, read_step, "an object with \"words\", \"alter\" or \"group\"",
                     field);
}

static void
write_steps(VpJsonWriter *writer, const char *name, const void *field)
{
    const VpPlan *plan = field;

    if (plan->steps->len == 0)
        return;
    vp_json_begin_array(writer, name);
    for (guint i = 0; i < plan->steps->len; i++) {
        const VpStep *step = plan->steps->pdata[i];

        if (step->kind == VP_STEP_WORDS)
            write_object(writer, words_members, step->words);
        else if (step->kind == VP_STEP_ALTER)
            write_object(writer, alter_members, step->alter);
        else
            write_object(writer, group_members, step->group);
    }
    vp_json_end(writer);
}

static const Form steps_form = { "a list of steps", read_steps, write_steps };

/* --- Types ---------------------------------------------------------------- */

static bool
read_key_type(Reader *reader, const VpJsonNode *element, void *owner)
{
    const char *texts[4] = { NULL };
    guint length = vp_json_length(element);
    VpValueType type = VP_TYPE_UNKNOWN;
    VpPlan *plan = owner;

    if (!vp_json_is(element, VP_JSON_NODE_ARRAY) || length < 3 || length > G_N_ELEMENTS(texts))
        return false;
    for (guint i = 0; i < length; i++) {
        texts[i] = vp_json_string(vp_json_at(element, i));
        if (!texts[i])
            return false;
    }
    if (!vp_value_type_find(texts[2], &type)) {
        fail(reader, "\"%s\" is no type", texts[2]);
        return false;
    }
    g_ptr_array_add(plan->types, vp_key_type_new(texts[0], texts[3], texts[1], type));
    return true;
}

static bool
read_types(Reader *reader, const VpJsonNode *value, void *field)
{
    return read_list(reader, value, read_key_type, "[OPTION, KEY, TYPE] or the same with DRIVER",
                     field);
}

static void
write_types(VpJsonWriter *writer, const char *name, const void *field)
{
    const VpPlan *plan = field;

    if (plan->types->len == 0)
        return;
    vp_json_begin_array(writer, name);
    for (guint i = 0; i < plan->types->len; i++) {
        const VpKeyType *known = plan->types->pdata[i];

        vp_json_begin_array(writer, NULL);
        vp_json_add_string(writer, NULL, known->option);
        vp_json_add_string(writer, NULL, known->key);
        vp_json_add_string(writer, NULL, vp_value_type_names[known->type]);
        vp_json_add_given(writer, NULL, known->driver);
        vp_json_end(writer);
    }
    vp_json_end(writer);
}

static const Form types_form = { "a list of types", read_types, write_types };

/* --- The whole ------------------------------------------------------------ */

static const Member plan_members[] = {
    { "version", &version_form, 0, true },
    { "emulator", &text_form, offsetof(VpPlan, emulator), false },
    { "session", &false_form, offsetof(VpPlan, session), false },
    { "steps", &steps_form, 0, false },
    { "types", &types_form, 0, false },
    { 0 },
};

static bool
check_size(gsize size, GError **error)
{
    if (size <= VP_PLAN_SIZE_MAX)
        return true;
    g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                "plan: what is to be altered and added takes %" G_GSIZE_FORMAT " bytes, more than "
                "the %u that one environment variable can carry", size, VP_PLAN_SIZE_MAX);
    return false;
}

char *
vp_plan_to_json(const VpPlan *plan, GError **error)
{
    g_auto(VpJsonWriter) writer = vp_json_writer_compact();
    g_autofree char *text = NULL;

    write_object(&writer, plan_members, plan);
    text = vp_json_writer_steal(&writer);
    return check_size(strlen(text), error) ? g_steal_pointer(&text) : NULL;
}

/* No escape in @json stands for what no C string holds: NUL, half a surrogate pair. */
static bool
is_plain(const char *json)
{
    const char *end = json + strlen(json);

    for (const char *at = strchr(json, '\\'); at; at = strchr(at, '\\')) {
        gsize size = 2;
        guint32 code = 1;

        if (at[1] == 'u')
            code = vp_json_read_unicode_escape(at, end, &size);
        if (code == 0 || (code >= 0xd800 && code <= 0xdfff))
            return false;
        at += size;
    }
    return true;
}

static VpPlan *
read_plan(Reader *reader, const VpJsonNode *root)
{
    g_autoptr(VpPlan) plan = vp_plan_new();

    if (!vp_json_is(root, VP_JSON_NODE_OBJECT)) {
        fail(reader, "expected an object");
        return NULL;
    }
    return read_object(reader, root, plan_members, plan) ? g_steal_pointer(&plan) : NULL;
}

VpPlan *
vp_plan_from_json(const char *json, GError **error)
{
    g_autofree char *message = NULL;
    g_autoptr(VpJsonTree) tree = NULL;
    g_autoptr(GString) path = g_string_new(NULL);
    Reader reader = { .path = path };
    VpPlan *plan = NULL;

    if (!check_size(strlen(json), error))
        return NULL;
    tree = vp_json_tree_parse(json, -1, &message);
    if (!tree)
        fail(&reader, "%s", message);
    else if (!is_plain(json))
        fail(&reader, "it holds characters that no command line can carry");
    else
        plan = read_plan(&reader, vp_json_root(tree));
    if (!plan)
        g_propagate_error(error, reader.error);
    return plan;
}
