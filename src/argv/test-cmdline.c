/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Command lines to options and back: the words are the same, whatever they are; which words belong
 * together; what is refused.
 */

#include "argv/cmdline.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

static const char *const typical[] = {
    "/usr/bin/qemu-system-x86_64", "-name", "guest=a,debug-threads=on", "-S", "-object",
    "{\"qom-type\":\"secret\",\"id\":\"masterKey0\"}", "-machine", "pc-q35-7.2,usb=off",
    "-no-user-config", "-device", "{\"driver\":\"pcie-root-port\",\"id\":\"pci.1\"}", "-device",
    "-S", "--device", "e1000", "-msg", "timestamp=on", NULL,
};

/* Words and what is read from them: option names, "(WORD)" for what is no option. */
static const struct {
    const char *words;
    const char *read;
} cases[] = {
    { "qemu", "" },
    { "qemu -S -S", "S S" },
    { "qemu -kernel -S -S", "kernel=-S S" },
    { "qemu --kernel --kernel", "kernel=--kernel" },
    { "qemu ---kernel a", "(---kernel) (a)" },
    { "qemu - -- -S", "(-) (--) S" },
    { "qemu disk.img -hdb disk2.img", "(disk.img) hdb=disk2.img" },
    { "qemu -newer x=y -S", "(-newer) (x=y) S" },
    { "qemu -M pc -m 1G", "M=pc m=1G" },
    { "qemu -h", "h" },
    { "-S -S", "S" },
};

static char *
describe(const VpCmdline *cmdline)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < cmdline->options->len; i++) {
        const VpOption *option = cmdline->options->pdata[i];

        g_string_append(text, i ? " " : "");
        g_assert_true((option->row == NULL) == (option->name == NULL));
        if (option->row)
            g_string_append(text, option->name);
        else
            g_string_append_printf(text, "(%s)", option->word);
        if (option->value)
            g_string_append_printf(text, "=%s", option->value);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static VpCmdline *
parse(const char *const *words)
{
    g_autoptr(GError) error = NULL;
    VpCmdline *cmdline = vp_cmdline_parse(words, &error);

    g_assert_no_error(error);
    return cmdline;
}

/* Reads them and compares what is written back. */
static void
assert_same_words(const char *const *words)
{
    g_autoptr(VpCmdline) cmdline = parse(words);
    g_auto(GStrv) again = vp_cmdline_words(cmdline);

    g_assert_cmpuint(g_strv_length(again), ==, g_strv_length((char **)words));
    for (guint i = 0; words[i]; i++)
        g_assert_cmpstr(again[i], ==, words[i]);
}

static void
test_pairs(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GStrv) words = g_strsplit(cases[i].words, " ", -1);
        g_autoptr(VpCmdline) cmdline = parse((const char *const *)words);
        g_autofree char *read = describe(cmdline);

        g_assert_cmpstr(cmdline->program, ==, words[0]);
        g_assert_cmpstr(read, ==, cases[i].read);
        assert_same_words((const char *const *)words);
    }
}

static void
test_typical(void)
{
    g_autoptr(VpCmdline) cmdline = parse(typical);
    const VpOption *last = NULL;

    assert_same_words(typical);
    g_assert_cmpuint(cmdline->options->len, ==, 9);
    last = cmdline->options->pdata[7];
    g_assert_cmpstr(last->name, ==, "device");
    g_assert_cmpstr(last->word, ==, "--device");
    g_assert_cmpstr(last->value, ==, "e1000");
    g_assert_true(last->row == vp_option_find("device"));
}

/* An empty word is a word, as are white space and bytes that are no text. */
static void
test_odd_words(void)
{
    static const char *const odd[] = { "", "", "-append", "", " -S", "-S ", "\xff\xfe", "-append",
                                       "a\nb  c", "\"", NULL };

    assert_same_words(odd);
}

static void
test_missing_value(void)
{
    gsize n = 0;
    const VpOptionRow *rows = vp_option_rows(&n);

    for (gsize i = 0; i < n; i++) {
        g_autofree char *word = g_strconcat("--", rows[i].name, NULL);
        const char *words[] = { "qemu", word, NULL };
        g_autoptr(GError) error = NULL;
        g_autoptr(VpCmdline) cmdline = vp_cmdline_parse(words, &error);

        g_assert_true((cmdline != NULL) == (rows[i].syntax == VP_SYNTAX_NONE));
        if (cmdline)
            continue;
        g_assert_error(error, VP_ERROR, VP_ERROR_FAILED);
        g_assert_nonnull(strstr(error->message, word));
    }
}

static void
test_no_program(void)
{
    const char *none[] = { NULL };
    g_autoptr(GError) error = NULL;

    g_assert_null(vp_cmdline_parse(none, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_FAILED);
}

static void
test_words_limit(void)
{
    g_autofree const char **words = g_new0(const char *, VP_ARGV_WORDS_MAX + 2);
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < VP_ARGV_WORDS_MAX; i++)
        words[i] = "-S";
    assert_same_words(words);
    words[VP_ARGV_WORDS_MAX] = "-S";
    g_assert_null(vp_cmdline_parse(words, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, "VP_ARGV_WORDS_MAX"));
    assert_same_words(typical);
}

static void
test_word_limit(void)
{
    g_autofree char *fits = g_strnfill(VP_ARGV_WORD_MAX, 'x');
    g_autofree char *over = g_strconcat(fits, "x", NULL);
    const char *words[] = { "qemu", "-append", fits, NULL };
    g_autoptr(GError) error = NULL;

    assert_same_words(words);
    words[2] = over;
    g_assert_null(vp_cmdline_parse(words, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, "VP_ARGV_WORD_MAX"));
}

/* Of the longest words that there can be, with their NUL. */
#define FULL_WORDS (VP_ARGV_BYTES_MAX / (VP_ARGV_WORD_MAX + 1))

static void
test_bytes_limit(void)
{
    g_autofree char *longest = g_strnfill(VP_ARGV_WORD_MAX, 'x');
    const char *words[FULL_WORDS + 2] = { "a" }; /* the rest are NULL */
    g_autoptr(GError) error = NULL;

    for (guint i = 1; i < FULL_WORDS; i++)
        words[i] = longest;
    words[FULL_WORDS] = longest + 2; /* "a" with its NUL has 2 bytes */
    assert_same_words(words);
    words[FULL_WORDS] = longest + 1;
    g_assert_null(vp_cmdline_parse(words, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, "VP_ARGV_BYTES_MAX"));
}

static void
test_new_option(void)
{
    g_autoptr(VpCmdline) cmdline = parse(typical);
    g_auto(GStrv) words = NULL;
    VpOption *newer = vp_option_new("newer", "x");

    g_assert_null(newer->row);
    g_assert_cmpstr(newer->name, ==, "newer");
    g_ptr_array_set_size(cmdline->options, 0);
    g_ptr_array_add(cmdline->options, vp_option_new("S", NULL));
    g_ptr_array_add(cmdline->options, newer);
    g_ptr_array_add(cmdline->options, vp_option_new("device", "lsi"));
    words = vp_cmdline_words(cmdline);
    g_assert_cmpuint(g_strv_length(words), ==, 6);
    g_assert_cmpstr(words[1], ==, "-S");
    g_assert_cmpstr(words[2], ==, "-newer");
    g_assert_cmpstr(words[3], ==, "x");
    g_assert_cmpstr(words[4], ==, "-device");
    g_assert_cmpstr(words[5], ==, "lsi");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/argv/cmdline/pairs", test_pairs);
    g_test_add_func("/argv/cmdline/typical", test_typical);
    g_test_add_func("/argv/cmdline/odd-words", test_odd_words);
    g_test_add_func("/argv/cmdline/missing-value", test_missing_value);
    g_test_add_func("/argv/cmdline/no-program", test_no_program);
    g_test_add_func("/argv/cmdline/words-limit", test_words_limit);
    g_test_add_func("/argv/cmdline/word-limit", test_word_limit);
    g_test_add_func("/argv/cmdline/bytes-limit", test_bytes_limit);
    g_test_add_func("/argv/cmdline/new-option", test_new_option);
    return g_test_run();
}
