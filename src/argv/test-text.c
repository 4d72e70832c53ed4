/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Command lines as text. The samples are what libvirt 9.0 wrote (directories shortened);
 * tests/argv/generated.py has the installed libvirt write many more.
 */

#include "argv/text.h"

#include "base/error.h"

#include <string.h>

/* From the log of a guest. */
static const char logged[] =
    "LC_ALL=C \\\n"
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin \\\n"
    "HOME=/root \\\n"
    "XDG_CACHE_HOME='/run/lib/domain-1-g 2/.cache' \\\n"
    "A='b c'\\''d' \\\n"
    "E='' \\\n"
    "/usr/bin/qemu-system-x86_64 \\\n"
    "-name 'guest=g 2,debug-threads=on' \\\n"
    "-S \\\n"
    "-object '{\"qom-type\":\"secret\",\"id\":\"masterKey0\",\"format\":\"raw\",\"file\":"
    "\"/run/lib/domain-1-g 2/master-key.aes\"}' \\\n"
    "-machine pc-i440fx-7.2,usb=off,dump-guest-core=off,memory-backend=pc.ram \\\n"
    "-accel tcg \\\n"
    "-m 16 \\\n"
    "-no-user-config \\\n"
    "-nodefaults \\\n"
    "-chardev socket,id=charmonitor,fd=21,server=on,wait=off \\\n"
    "-audiodev '{\"id\":\"audio1\",\"driver\":\"none\"}' \\\n"
    "-fw_cfg 'name=opt/x,string=-a b' \\\n"
    "-name \\\n"
    "-x \\\n"
    "-S \\\n"
    "-fw_cfg 'name=opt/y,string=it'\\''s $HOME `x` !' \\\n"
    "-msg timestamp=on";

/* From domxml-to-native: words of each ASCII character, and some others. */
static const char native[] =
    "LC_ALL=C A='b c'\\''d' E='' /usr/bin/qemu-system-x86_64 -name guest=g1,debug-threads=on "
    "-no-shutdown -boot strict=on -audiodev '{\"id\":\"audio1\",\"driver\":\"none\"}' -S -append "
    "-x -- a b -fw_cfg name=opt/x,string= '' '!' '\"' '#' '$' % '&' ''\\''' '(' ')' '*' + , - . / "
    "0 1 9 : ';' '<' = '>' '?' @ A Z '[' '\\' ']' '^' _ '`' a z '{' '|' '}' '~' '\t' '\n' é 'a b' "
    "'' 'it'\\''s' -msg timestamp=on";

static const struct {
    const char *text;
    bool broken;
    guint environment;
    guint words;
} samples[] = {
    { logged, true, 6, 27 },
    { native, false, 3, 64 },
    { "qemu", false, 0, 1 },
    { "qemu", true, 0, 1 },
    { "qemu disk.img", true, 0, 2 },
    { "qemu \\\ndisk.img", true, 0, 2 },
    { "qemu \\\n-a b c d \\\n-e \\\n-f g", true, 0, 8 },
    { "qemu \\\n-a b \\\nc \\\nd \\\n-e \\\n-f g", true, 0, 8 },
    { "qemu \\\n-a '' ''", true, 0, 4 },
    { "qemu \\\n-a '' \\\n''", true, 0, 4 },
    { "'' ''", false, 0, 2 },
};

static void
test_samples(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(samples); i++) {
        g_auto(VpCommandText) text = { 0 };
        g_autoptr(GError) error = NULL;
        g_autofree char *again = NULL;

        g_assert_true(vp_command_text_read(samples[i].text, &text, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(g_strv_length(text.environment), ==, samples[i].environment);
        g_assert_cmpuint(g_strv_length(text.words), ==, samples[i].words);
        again = vp_command_text_write(&text, samples[i].broken);
        g_assert_cmpstr(again, ==, samples[i].text);
    }
}

static void
test_sample_words(void)
{
    g_auto(VpCommandText) text = { 0 };

    g_assert_true(vp_command_text_read(logged, &text, NULL));
    g_assert_cmpstr(text.environment[0], ==, "LC_ALL=C");
    g_assert_cmpstr(text.environment[4], ==, "A=b c'd");
    g_assert_cmpstr(text.environment[5], ==, "E=");
    g_assert_cmpstr(text.words[0], ==, "/usr/bin/qemu-system-x86_64");
    g_assert_cmpstr(text.words[2], ==, "guest=g 2,debug-threads=on");
    g_assert_cmpstr(text.words[24], ==, "name=opt/y,string=it's $HOME `x` !");
}

/* How people write it, and what libvirt would have written. */
static void
test_other_quoting(void)
{
    static const struct {
        const char *text;
        const char *written;
    } rows[] = {
        { "  qemu  -S\t-m   1 \n\n", "qemu -S -m 1" },
        { "\n\n A=b\\ c \\\n  qemu \\\n", "A='b c' qemu" },
        { "A= qemu", "A='' qemu" },
        { "A='b'c\"d\" qemu", "A=bcd qemu" },
        { "'A'=b qemu", "'A=b' qemu" }, /* a program of that name */
        { "1A=b qemu", "1A=b qemu" },
        { "qemu A=b", "qemu A=b" },
        { "qemu \"a b\"'c'd\\'e", "qemu 'a bcd'\\''e'" },
        { "qemu \"a\\\"b\\\\c\\d\\$e\"", "qemu 'a\"b\\c\\d$e'" },
        { "qemu \"a\\\nb\" c\\\nd", "qemu ab cd" },
        { "qemu 'a\nb'", "qemu 'a\nb'" },
        { "qemu a#b {\\\"a\\\":1} ~ *", "qemu 'a#b' '{\"a\":1}' '~' '*'" },
        { "qemu \"\" ''\"\"''", "qemu '' ''" },
        { "qemu \xff", "qemu \xff" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(VpCommandText) text = { 0 };
        g_autofree char *written = NULL;

        g_assert_true(vp_command_text_read(rows[i].text, &text, NULL));
        written = vp_command_text_write(&text, false);
        g_assert_cmpstr(written, ==, rows[i].written);
    }
}

/* After each the same reader reads a good one. */
static void
test_refused(void)
{
    static const struct {
        const char *text;
        const char *word;
    } rows[] = {
        { "", "no program" },
        { " \n \\\n ", "no program" },
        { "A=b C=d", "no program" },
        { "qemu 'a", "'" },
        { "qemu \"a", "\"" },
        { "qemu \"a\\", "\"" },
        { "qemu a\\", "backslash" },
        { "qemu -S\n-m 1", "line 2" },
        { "qemu -S\n\n2026-11-22: tainted", "line 3" },
        { "qemu $HOME", "$" },
        { "qemu a`b`", "`" },
        { "qemu \"$HOME\"", "$" },
        { "qemu -S | tee", "|" },
        { "qemu -S;ls", ";" },
        { "qemu -S &", "&" },
        { "qemu < x", "<" },
        { "qemu > x", ">" },
        { "qemu (a)", "(" },
        { "qemu \\\n\\\n # no", "line 3" },
        { "A=$B qemu", "line 1" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(VpCommandText) text = { 0 };
        g_autoptr(GError) error = NULL;

        g_assert_false(vp_command_text_read(rows[i].text, &text, &error));
        g_assert_error(error, VP_ERROR, VP_ERROR_FAILED);
        g_assert_nonnull(strstr(error->message, rows[i].word));
        g_assert_null(text.words);
        g_assert_true(vp_command_text_read("qemu -S", &text, NULL));
        g_assert_cmpuint(g_strv_length(text.words), ==, 2);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/argv/text/samples", test_samples);
    g_test_add_func("/argv/text/sample-words", test_sample_words);
    g_test_add_func("/argv/text/other-quoting", test_other_quoting);
    g_test_add_func("/argv/text/refused", test_refused);
    return g_test_run();
}
