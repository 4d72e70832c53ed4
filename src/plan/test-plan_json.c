/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Plans as text: the format as it is written, that any plan comes back as it went, what is refused
 * and with which words, and the limit.
 */

#include "plan/plan.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

#define V "{\"version\":1"
#define STEP V ",\"steps\":["

static char *
write_plan(const VpPlan *plan)
{
    g_autoptr(GError) error = NULL;
    char *json = vp_plan_to_json(plan, &error);

    g_assert_no_error(error);
    g_assert_nonnull(json);
    return json;
}

static VpPlan *
read_valid(const char *json)
{
    g_autoptr(GError) error = NULL;
    VpPlan *plan = vp_plan_from_json(json, &error);

    g_assert_no_error(error);
    g_assert_nonnull(plan);
    return plan;
}

static void
assert_same(const VpPlan *one, const VpPlan *other)
{
    g_autofree char *json = write_plan(one), *again = write_plan(other);

    g_assert_cmpstr(json, ==, again);
}

static VpAction *
add_action(VpAlter *alter, VpActionKind kind, const char *key, const char *regex, const char *text)
{
    VpAction *action = vp_alter_add(alter, kind);

    action->key = g_strdup(key);
    action->regex = g_strdup(regex);
    action->text = g_strdup(text);
    return action;
}

/* Every field there is, with another value than its default. */
static VpPlan *
make_full_plan(void)
{
    VpPlan *plan = vp_plan_new();
    VpAlter *alter = vp_plan_add_alter(plan, 7);
    VpGroup *group = vp_plan_add_group(plan, 9);
    VpAction *action = NULL;
    VpWords *words = NULL;

    plan->emulator = g_strdup("/usr/bin/qemu");
    plan->session = true;
    alter->option = g_strdup("device");
    alter->occurs = VP_OCCURS_NTH;
    alter->nth = 2;
    alter->required = false;
    add_action(alter, VP_ACTION_MATCH, "id", "^net\\d\"", NULL);
    add_action(alter, VP_ACTION_MODIFY, NULL, NULL, "mq=on\n")->type = VP_TYPE_BOOL;
    add_action(alter, VP_ACTION_REMOVE_KEY, "addr", NULL, NULL);
    add_action(alter, VP_ACTION_REMOVE, NULL, NULL, NULL);
    add_action(alter, VP_ACTION_RENAME, NULL, NULL, "x");
    add_action(alter, VP_ACTION_REPLACE, NULL, "a(.)", "\\1");
    action = add_action(alter, VP_ACTION_EXTRA, NULL, NULL, NULL);
    action->words = g_strsplit("-a b", " ", 0);
    action->before = true;
    group->name = g_strdup("device");
    group->id = g_strdup("rng1");
    vp_group_add(group, "driver", "virtio-rng-pci");
    vp_group_add(group, "driver", "");
    words = vp_plan_add_words(plan, 11);
    words->words = g_strsplit("-device lsi", " ", 0);
    vp_plan_add_alter(plan, 0)->option = g_strdup("cpu");
    g_ptr_array_add(plan->types, vp_key_type_new("device", NULL, "mq", VP_TYPE_BOOL));
    g_ptr_array_add(plan->types, vp_key_type_new("device", "lsi", "mq", VP_TYPE_UNKNOWN));
    return plan;
}

static void
test_format(void)
{
    g_autoptr(VpPlan) plan = make_full_plan(), back = NULL;
    g_autofree char *json = write_plan(plan);

    g_assert_cmpstr(json, ==,
        "{\"version\":1,\"emulator\":\"/usr/bin/qemu\",\"session\":true,\"steps\":["
        "{\"alter\":\"device\",\"number\":1,\"line\":7,\"occurs\":2,\"required\":false,"
        "\"actions\":["
        "{\"do\":\"match\",\"regex\":\"^net\\\\d\\\"\",\"key\":\"id\"},"
        "{\"do\":\"modify\",\"text\":\"mq=on\\n\",\"type\":\"bool\"},"
        "{\"do\":\"remove-key\",\"key\":\"addr\"},"
        "{\"do\":\"remove\"},"
        "{\"do\":\"rename\",\"text\":\"x\"},"
        "{\"do\":\"replace\",\"regex\":\"a(.)\",\"text\":\"\\\\1\"},"
        "{\"do\":\"extra\",\"words\":[\"-a\",\"b\"],\"before\":true}]},"
        "{\"group\":\"device\",\"id\":\"rng1\",\"line\":9,\"values\":"
        "[[\"driver\",\"virtio-rng-pci\"],[\"driver\",\"\"]]},"
        "{\"words\":[\"-device\",\"lsi\"],\"line\":11},"
        "{\"alter\":\"cpu\",\"number\":2}],"
        "\"types\":[[\"device\",\"mq\",\"bool\"],[\"device\",\"mq\",\"unknown\",\"lsi\"]]}");
    back = read_valid(json);
    assert_same(plan, back);
}

/* What a plan that was read holds, field by field: writing it again would not show a swap. */
static void
test_fields(void)
{
    g_autoptr(VpPlan) plan = make_full_plan(), back = NULL;
    g_autofree char *json = write_plan(plan);
    const VpStep *const *steps = NULL;
    const VpAction *const *actions = NULL;

    back = read_valid(json);
    steps = (const VpStep *const *)back->steps->pdata;
    actions = (const VpAction *const *)steps[0]->alter->actions->pdata;
    g_assert_cmpstr(back->emulator, ==, "/usr/bin/qemu");
    g_assert_cmpint(steps[0]->alter->occurs, ==, VP_OCCURS_NTH);
    g_assert_cmpuint(steps[0]->alter->nth, ==, 2);
    g_assert_false(steps[0]->alter->required);
    g_assert_cmpstr(actions[0]->key, ==, "id");
    g_assert_cmpstr(actions[0]->regex, ==, "^net\\d\"");
    g_assert_cmpint(actions[1]->type, ==, VP_TYPE_BOOL);
    g_assert_cmpstr(actions[5]->text, ==, "\\1");
    g_assert_cmpstr(actions[6]->words[1], ==, "b");
    g_assert_true(actions[6]->before);
    g_assert_cmpstr(steps[1]->group->id, ==, "rng1");
    g_assert_cmpstr(steps[2]->words->words[0], ==, "-device");
    g_assert_cmpuint(steps[2]->words->line, ==, 11);
    g_assert_true(steps[3]->alter->required);
    g_assert_cmpuint(steps[3]->alter->number, ==, 2);
}

static void
test_spelled_out(void)
{
    g_autoptr(VpPlan) plan =
        read_valid(" {\"types\": [], \"steps\": [{\"actions\": [{\"before\": false, \"words\": [], "
                   "\"do\": \"extra\"}], \"required\": true, \"occurs\": \"all\", \"line\": 0, "
                   "\"alter\": \"a\"}], \"version\": 1}\n");
    g_autofree char *json = write_plan(plan);

    g_assert_cmpstr(json, ==,
                    STEP "{\"alter\":\"a\",\"actions\":[{\"do\":\"extra\",\"words\":[]}]}]}");
}

static void
test_refused(void)
{
    static const struct {
        const char *json;
        const char *message; /* NULL: yajl's */
    } cases[] = {
        { "", NULL },
        { "{", NULL },
        { V "} {}", NULL },
        { "[]", "plan: expected an object" },
        { "{}", "plan: it has no member \"version\"" },
        { "{\"steps\":[]}", "plan: it has no member \"version\"" },
        { "{\"new\":1,\"version\":2}",
          "plan: version: this is version 2, and 1 is the only one known here: a newer "
          "libvirt-qemu-passthrough wrote it" },
        { "{\"version\":\"1\"}", "plan: version: expected the number 1" },
        { "{\"version\":1.0}", "plan: version: expected the number 1" },
        { "{\"version\":0}", "plan: version: this is version 0, and 1 is the only one known here: "
                             "a newer libvirt-qemu-passthrough wrote it" },
        { V ",\"version\":1}", "plan: the member \"version\" is there twice" },
        { V ",\"emulater\":\"x\"}", "plan: the member \"emulater\" is not known" },
        { V ",\"emulator\":null}", "plan: emulator: expected a text" },
        { V ",\"emulator\":\"\\u0000\"}",
          "plan: it holds characters that no command line can carry" },
        { V ",\"emulator\":\"\\\\\\ud800\"}",
          "plan: it holds characters that no command line can carry" },
        { V ",\"steps\":{}}", "plan: steps: expected a list of steps" },
        { STEP "1]}",
          "plan: steps[0]: expected an object with \"words\", \"alter\" or \"group\"" },
        { STEP "{\"words\":[]},{}]}",
          "plan: steps[1]: expected an object with \"words\", \"alter\" or \"group\"" },
        { STEP "{\"words\":[],\"alter\":\"x\"}]}",
          "plan: steps[0]: the member \"alter\" is not known" },
        { STEP "{\"words\":\"x\"}]}", "plan: steps[0].words: expected a list of texts" },
        { STEP "{\"words\":[\"x\",1]}]}", "plan: steps[0].words[1]: expected a text" },
        { STEP "{\"words\":[],\"line\":-1}]}",
          "plan: steps[0].line: expected a number from 0 to 4294967295" },
        { STEP "{\"words\":[],\"line\":4294967296}]}",
          "plan: steps[0].line: expected a number from 0 to 4294967295" },
        { STEP "{\"alter\":1}]}", "plan: steps[0].alter: expected a text" },
        { STEP "{\"alter\":\"a\",\"alter\":\"b\"}]}",
          "plan: steps[0]: the member \"alter\" is there twice" },
        { STEP "{\"alter\":\"a\",\"occurs\":0}]}",
          "plan: steps[0].occurs: expected \"all\", \"first\", \"last\" or a number from 1" },
        { STEP "{\"alter\":\"a\",\"occurs\":\"1\"}]}",
          "plan: steps[0].occurs: expected \"all\", \"first\", \"last\" or a number from 1" },
        { STEP "{\"alter\":\"a\",\"required\":0}]}",
          "plan: steps[0].required: expected true or false" },
        { STEP "{\"alter\":\"a\",\"actions\":{}}]}",
          "plan: steps[0].actions: expected a list of actions" },
        { STEP "{\"alter\":\"a\",\"actions\":[\"remove\"]}]}",
          "plan: steps[0].actions[0]: expected an object" },
        { STEP "{\"alter\":\"a\",\"actions\":[{}]}]}",
          "plan: steps[0].actions[0]: it has no member \"do\"" },
        { STEP "{\"alter\":\"a\",\"actions\":[{\"do\":\"exec\"}]}]}",
          "plan: steps[0].actions[0].do: expected the name of an action" },
        { STEP "{\"alter\":\"a\",\"actions\":[{\"do\":\"match\"}]}]}",
          "plan: steps[0].actions[0]: it has no member \"regex\"" },
        { STEP "{\"alter\":\"a\",\"actions\":[{\"do\":\"remove\",\"key\":\"x\"}]}]}",
          "plan: steps[0].actions[0]: the member \"key\" is not known" },
        { STEP "{\"alter\":\"a\",\"actions\":[{\"do\":\"modify\",\"text\":\"\",\"type\":\"x\"}]}]}",
          "plan: steps[0].actions[0].type: expected the name of a type" },
        { STEP "{\"alter\":\"a\",\"actions\":[{\"do\":\"extra\",\"words\":[[]]}]}]}",
          "plan: steps[0].actions[0].words[0]: expected a text" },
        { STEP "{\"group\":\"a\",\"values\":[\"x\"]}]}",
          "plan: steps[0].values[0]: expected a list of a key and a value" },
        { STEP "{\"group\":\"a\",\"values\":[[\"x\",\"y\",\"z\"]]}]}",
          "plan: steps[0].values[0]: expected a list of a key and a value" },
        { STEP "{\"group\":\"a\",\"values\":[[\"x\",1]]}]}",
          "plan: steps[0].values[0]: expected a list of a key and a value" },
        { STEP "{\"group\":\"a\",\"values\":[{\"x\":\"x\",\"y\":\"y\"}]}]}",
          "plan: steps[0].values[0]: expected a list of a key and a value" },
        { V ",\"types\":[[\"a\",\"b\"]]}",
          "plan: types[0]: expected [OPTION, KEY, TYPE] or the same with DRIVER" },
        { V ",\"types\":[[\"a\",\"b\",\"int\",\"c\",\"d\"]]}",
          "plan: types[0]: expected [OPTION, KEY, TYPE] or the same with DRIVER" },
        { V ",\"types\":[[\"a\",\"b\",\"int\",null]]}",
          "plan: types[0]: expected [OPTION, KEY, TYPE] or the same with DRIVER" },
        { V ",\"types\":[[\"a\",\"b\",\"c\"]]}", "plan: types[0]: \"c\" is no type" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(vp_plan_from_json(cases[i].json, &error));
        g_assert_error(error, VP_ERROR, VP_ERROR_FAILED);
        g_assert_true(g_str_has_prefix(error->message, "plan: "));
        if (cases[i].message)
            g_assert_cmpstr(error->message, ==, cases[i].message);
        g_assert_null(vp_plan_from_json(cases[i].json, NULL));
    }
}

static void
test_limit(void)
{
    g_autoptr(VpPlan) plan = vp_plan_new(), back = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *empty = NULL, *json = NULL, *longer = NULL;
    gsize room = 0;

    plan->emulator = g_strdup("");
    empty = write_plan(plan);
    room = VP_PLAN_SIZE_MAX - strlen(empty);
    g_free(plan->emulator);
    plan->emulator = g_strnfill(room, 'x');
    json = write_plan(plan);
    g_assert_cmpuint(strlen(json), ==, VP_PLAN_SIZE_MAX);
    back = read_valid(json);
    g_assert_cmpstr(back->emulator, ==, plan->emulator);

    g_free(plan->emulator);
    plan->emulator = g_strnfill(room + 1, 'x');
    g_assert_null(vp_plan_to_json(plan, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, " 98305 bytes"));
    g_clear_error(&error);
    longer = g_strconcat(json, " ", NULL);
    g_assert_null(vp_plan_from_json(longer, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

/* --- Generated plans ------------------------------------------------------- */

static char *
any_text(void)
{
    GString *text = g_string_new(NULL);

    for (gint n = g_test_rand_int_range(0, 6); n > 0; n--) {
        static const char *const odd[] = { "\"", "\\", "\n", "\x01", "\u00e9", "\U0001f600",
                                           "\\u0000", ",", "/", "\x7f" };

        if (g_test_rand_bit())
            g_string_append(text, odd[g_test_rand_int_range(0, G_N_ELEMENTS(odd))]);
        else
            g_string_append_c(text, g_test_rand_int_range(0x20, 0x7f));
    }
    return g_string_free(text, FALSE);
}

static char *
any_text_or_none(void)
{
    return g_test_rand_bit() ? any_text() : NULL;
}

static char **
any_words(void)
{
    gint n = g_test_rand_int_range(0, 4);
    char **words = g_new0(char *, n + 1);

    while (n > 0)
        words[--n] = any_text();
    return words;
}

static void
add_any_action(VpAlter *alter)
{
    VpAction *action = vp_alter_add(alter, g_test_rand_int_range(0, VP_ACTION_EXTRA + 1));

    switch (action->kind) {
    case VP_ACTION_MATCH:
        action->key = any_text_or_none();
        action->regex = any_text();
        break;
    case VP_ACTION_MODIFY:
        action->text = any_text();
        action->type = g_test_rand_int_range(0, VP_TYPE_OTHER + 1);
        break;
    case VP_ACTION_REMOVE_KEY:
        action->key = any_text();
        break;
    case VP_ACTION_REMOVE:
        break;
    case VP_ACTION_RENAME:
        action->text = any_text();
        break;
    case VP_ACTION_REPLACE:
        action->regex = any_text();
        action->text = any_text();
        break;
    case VP_ACTION_EXTRA:
        action->words = any_words();
        action->before = g_test_rand_bit();
        break;
    }
}

static guint
any_number(void)
{
    return g_test_rand_bit() ? 0 : (guint32)g_test_rand_int();
}

static void
add_any_alter(VpPlan *plan)
{
    VpAlter *alter = vp_plan_add_alter(plan, any_number());

    alter->option = any_text();
    alter->occurs = g_test_rand_int_range(0, VP_OCCURS_NTH + 1);
    alter->nth = alter->occurs == VP_OCCURS_NTH ? g_test_rand_int_range(1, 9) : 0;
    alter->required = g_test_rand_bit();
    for (gint n = g_test_rand_int_range(0, 6); n > 0; n--)
        add_any_action(alter);
}

static void
add_any_group(VpPlan *plan)
{
    VpGroup *group = vp_plan_add_group(plan, any_number());

    group->name = any_text();
    group->id = any_text_or_none();
    for (gint n = g_test_rand_int_range(0, 4); n > 0; n--) {
        g_autofree char *key = any_text(), *value = any_text();

        vp_group_add(group, key, value);
    }
}

static void
add_any_type(VpPlan *plan)
{
    g_autofree char *option = any_text(), *driver = any_text_or_none(), *key = any_text();

    g_ptr_array_add(plan->types, vp_key_type_new(option, driver, key,
                                                 g_test_rand_int_range(0, VP_TYPE_OTHER + 1)));
}

static VpPlan *
any_plan(void)
{
    VpPlan *plan = vp_plan_new();

    plan->emulator = any_text_or_none();
    plan->session = g_test_rand_bit();
    for (gint n = g_test_rand_int_range(0, 6); n > 0; n--) {
        switch (g_test_rand_int_range(0, 3)) {
        case 0:
            vp_plan_add_words(plan, any_number())->words = any_words();
            break;
        case 1:
            add_any_alter(plan);
            break;
        default:
            add_any_group(plan);
            break;
        }
    }
    for (gint n = g_test_rand_int_range(0, 4); n > 0; n--)
        add_any_type(plan);
    return plan;
}

static void
compare_actions(const GPtrArray *one, const GPtrArray *other)
{
    g_assert_cmpuint(one->len, ==, other->len);
    for (guint i = 0; i < one->len; i++) {
        const VpAction *a = one->pdata[i], *b = other->pdata[i];

        g_assert_cmpint(a->kind, ==, b->kind);
        g_assert_cmpstr(a->key, ==, b->key);
        g_assert_cmpstr(a->regex, ==, b->regex);
        g_assert_cmpstr(a->text, ==, b->text);
        g_assert_cmpint(a->type, ==, b->type);
        g_assert_true(a->before == b->before);
        g_assert_true((a->words != NULL) == (b->words != NULL));
        if (a->words)
            g_assert_cmpstrv(a->words, b->words);
    }
}

static void
compare_texts(const GPtrArray *one, const GPtrArray *other)
{
    g_assert_cmpuint(one->len, ==, other->len);
    for (guint i = 0; i < one->len; i++)
        g_assert_cmpstr(one->pdata[i], ==, other->pdata[i]);
}

static void
compare_steps(const VpStep *one, const VpStep *other)
{
    g_assert_cmpint(one->kind, ==, other->kind);
    if (one->kind == VP_STEP_WORDS) {
        g_assert_cmpuint(one->words->line, ==, other->words->line);
        g_assert_cmpstrv(one->words->words, other->words->words);
    } else if (one->kind == VP_STEP_ALTER) {
        g_assert_cmpuint(one->alter->number, ==, other->alter->number);
        g_assert_cmpuint(one->alter->line, ==, other->alter->line);
        g_assert_cmpstr(one->alter->option, ==, other->alter->option);
        g_assert_cmpint(one->alter->occurs, ==, other->alter->occurs);
        g_assert_cmpuint(one->alter->nth, ==, other->alter->nth);
        g_assert_true(one->alter->required == other->alter->required);
        compare_actions(one->alter->actions, other->alter->actions);
    } else {
        g_assert_cmpuint(one->group->line, ==, other->group->line);
        g_assert_cmpstr(one->group->name, ==, other->group->name);
        g_assert_cmpstr(one->group->id, ==, other->group->id);
        compare_texts(one->group->keys, other->group->keys);
        compare_texts(one->group->values, other->group->values);
    }
}

static void
compare_types(const VpKeyType *one, const VpKeyType *other)
{
    g_assert_cmpstr(one->option, ==, other->option);
    g_assert_cmpstr(one->driver, ==, other->driver);
    g_assert_cmpstr(one->key, ==, other->key);
    g_assert_cmpint(one->type, ==, other->type);
}

static void
test_round_trip(void)
{
    for (guint run = 0; run < 500; run++) {
        g_autoptr(VpPlan) plan = any_plan(), back = NULL;
        g_autofree char *json = write_plan(plan);

        back = read_valid(json);
        g_assert_cmpstr(plan->emulator, ==, back->emulator);
        g_assert_cmpint(plan->session, ==, back->session);
        g_assert_cmpuint(plan->steps->len, ==, back->steps->len);
        for (guint i = 0; i < plan->steps->len; i++)
            compare_steps(plan->steps->pdata[i], back->steps->pdata[i]);
        g_assert_cmpuint(plan->types->len, ==, back->types->len);
        for (guint i = 0; i < plan->types->len; i++)
            compare_types(plan->types->pdata[i], back->types->pdata[i]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plan/json/format", test_format);
    g_test_add_func("/plan/json/fields", test_fields);
    g_test_add_func("/plan/json/spelled-out", test_spelled_out);
    g_test_add_func("/plan/json/refused", test_refused);
    g_test_add_func("/plan/json/limit", test_limit);
    g_test_add_func("/plan/json/round-trip", test_round_trip);
    return g_test_run();
}
