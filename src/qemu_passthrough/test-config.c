/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Configuration as an operator gives it: command lines and files. What the command line said is
 * kept for the whole process, so that each case runs in a child, which writes down what it got.
 */

#include "qemu_passthrough/config.h"

#include "base/fd.h"
#include "build-config.h"
#include "rpc/tls.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>

static char *directory;
static char *file;      /* the configuration file in it */

/* --- a child that loads ------------------------------------------------------ */

static void
describe_tls(const VpTlsConfig *tls, GString *out)
{
    g_autofree char *names = tls->allowed_names ? g_strjoinv("|", tls->allowed_names) : NULL;

    g_string_append_printf(out, "tls=%d %s port %u\nca=%s\ncrl=%s\ncert=%s\nkey=%s\n", tls->listen,
                           tls->address ?: "any", tls->port, tls->ca_file, tls->crl_file ?: "",
                           tls->cert_file, tls->key_file);
    g_string_append_printf(out, "priority=%s\nnames=%s\n", tls->priority, names ?: "any");
}

/* What a configuration says, a line for each field. */
static void
describe(const VpConfig *config, GString *out)
{
    g_string_append_printf(out, "session=%d\nfile=%s\nfile_named=%d\nlisten_dir=%s\ngroup=%s\n",
                           config->session, config->file, config->file_named, config->listen_dir,
                           config->group ?: "");
    g_string_append_printf(out, "rw_perms=%o\nro_perms=%o\nupstream=%s\npolicy=%s\n",
                           config->rw_perms, config->ro_perms, config->upstream ?: "",
                           vp_xml_policy_names[config->policy]);
    g_string_append_printf(out, "state_dir=%s\n", config->state_dir);
    g_string_append_printf(out, "session_dir=%s\nlog_level=%s\n", config->session_dir,
                           vp_log_level_names[config->log_level]);
    g_string_append_printf(out, "max_clients=%u\nanonymous=%u\nper_user=%u\nqueued=%u\n",
                           config->max_clients, config->max_anonymous_clients,
                           config->max_clients_per_user, config->max_queued_clients);
    g_string_append_printf(out, "shim=%s\nshim_dir=%s\ncache_dir=%s\n", config->shim,
                           config->shim_dir, config->cache_dir);
    g_string_append_printf(out, "attach=%s\nwords=%s\nguests_dir=%s\n",
                           vp_attach_when_names[config->attach], vp_xml_words_names[config->words],
                           config->guests_dir);
    g_string_append_printf(out, "embed_dir=%s\nkeep_guests=%d\nqmp_sockets=%d\n",
                           config->embed_dir ?: "", config->keep_guests, config->qmp_sockets);
    describe_tls(&config->tls, out);
}

static void
describe_load(char **argv, GString *out)
{
    static const char *const actions[] = { "run", "check-config", "version" };
    g_auto(VpConfig) config = { 0 };
    g_autoptr(GError) error = NULL;
    VpConfigAction action = VP_ACTION_RUN;

    if (!vp_config_load(&config, g_strv_length(argv), argv, &action, &error)) {
        g_string_append_printf(out, "error=%s\n", error->message);
        return;
    }
    g_string_append_printf(out, "action=%s\n", actions[action]);
    if (action != VP_ACTION_VERSION)
        describe(&config, out);
}

static void
describe_reload(GString *out)
{
    g_auto(VpConfig) config = { 0 };
    g_autoptr(GError) error = NULL;

    if (vp_config_reload(&config, &error))
        describe(&config, out);
    else
        g_string_append_printf(out, "error=%s\n", error->message);
}

static void
write_file(const char *text)
{
    g_assert_true(g_file_set_contents(file, text, -1, NULL));
}

/* Runs in the child. @then: the file's text when it is loaded again; NULL: it is not. */
G_NORETURN static void
report(char **argv, const char *then, int fd)
{
    g_autoptr(GString) out = g_string_new(NULL);

    g_setenv("HOME", directory, TRUE);
    g_setenv("XDG_CONFIG_HOME", "/test/config", TRUE);
    g_setenv("XDG_RUNTIME_DIR", "/test/runtime", TRUE);
    g_setenv("XDG_DATA_HOME", "/test/data", TRUE);
    g_setenv("XDG_CACHE_HOME", "/test/cache", TRUE);
    describe_load(argv, out);
    if (then) {
        write_file(then);
        g_string_truncate(out, 0);
        describe_reload(out);
    }
    _exit(write(fd, out->str, out->len) == (gssize)out->len ? 0 : 1);
}

/* What a child writes that is started with the words of @line. */
static char *
result_of(const char *line, const char *then)
{
    g_autofree char *full = g_strconcat("virtpassd ", line, NULL);
    g_auto(GStrv) argv = g_strsplit(full, " ", -1);
    char text[16384];
    int ends[2] = { -1, -1 };
    int status = -1;
    gssize n = 0;
    pid_t pid = 0;

    if (*line == '\0')
        g_clear_pointer(&argv[1], g_free);
    g_assert_no_errno(pipe(ends));
    pid = fork();
    if (pid == 0)
        report(argv, then, ends[1]);
    close(ends[1]);
    n = read(ends[0], text, sizeof(text));
    close(ends[0]);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpint(n, >, 0);
    return g_strndup(text, n);
}

/* --- expectations ------------------------------------------------------------- */

/* @result has this line. */
static void
assert_line(const char *result, const char *line)
{
    g_auto(GStrv) lines = g_strsplit(result, "\n", -1);

    if (!g_strv_contains((const char *const *)lines, line))
        g_error("no line '%s' in:\n%s", line, result);
}

/* @result is an error that has all these words in it, separated by '|'. */
static void
assert_error_names(const char *result, const char *words)
{
    g_auto(GStrv) list = g_strsplit(words, "|", -1);

    for (char **word = list; *word; word++) {
        if (!g_str_has_prefix(result, "error=") || !strstr(result, *word))
            g_error("no error that names '%s' but:\n%s", *word, result);
    }
}

/* The result with our file of this text, and more words behind it. */
static char *
result_with_file(const char *text, const char *line)
{
    g_autofree char *full = g_strconcat("--config ", file, *line ? " " : "", line, NULL);

    write_file(text);
    return result_of(full, NULL);
}

/* --- tests --------------------------------------------------------------------- */

static void
test_defaults(void)
{
    g_autofree char *result = result_of("--session", NULL);
    static const char *const lines[] = {
        "action=run", "session=1", "file=/test/config/virtpassd/virtpassd.conf", "file_named=0",
        "listen_dir=/test/runtime/virtpassd", "group=", "rw_perms=37777777777",
        "ro_perms=37777777777", "upstream=", "policy=all", "words=commandline",
        "guests_dir=/test/config/libvirt/qemu/lib",
        "session_dir=/test/config/libvirt/qemu/lib", "max_clients=5000", "log_level=info",
        "anonymous=20", "per_user=1000", "queued=1000",
        "embed_dir=", "keep_guests=0", "qmp_sockets=1",
        "state_dir=/test/runtime/libvirt/qemu/run",
        "shim=" VP_BINDIR "/virtpass-emulator",
        "shim_dir=/test/data/virtpassd", "cache_dir=/test/cache/virtpassd",
        "tls=0 any port 16514", "ca=/etc/pki/CA/cacert.pem",
        "cert=/etc/pki/libvirt/servercert.pem", "key=/etc/pki/libvirt/private/serverkey.pem",
        "names=any", "priority=" VP_TLS_PRIORITY_DEFAULT,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        assert_line(result, lines[i]);
}

static void
test_defaults_of_system(void)
{
    const char *system_file = VP_SYSCONFDIR "/virtpassd/virtpassd.conf";
    g_autofree char *result = NULL;

    if (g_file_test(system_file, G_FILE_TEST_EXISTS)) {
        g_test_skip("this system has a configuration of its own");
        return;
    }
    result = result_of("", NULL);
    if (geteuid() != 0) {
        assert_line(result, "session=1");
        return;
    }
    assert_line(result, "session=0");
    assert_line(result, "file=" VP_SYSCONFDIR "/virtpassd/virtpassd.conf");
    assert_line(result, "listen_dir=/run/virtpassd");
    assert_line(result, "state_dir=/run/libvirt/qemu");
    assert_line(result, "session_dir=/var/lib/libvirt/qemu");
    assert_line(result, "shim_dir=/var/lib/virtpassd");
    assert_line(result, "cache_dir=/var/cache/virtpassd");
}

static void
test_every_key(void)
{
    g_autofree char *result = result_with_file(
        "# a comment\n"
        "[listen]\n"
        "directory = /listen//dir/.\n"
        "unix_sock_group = root\n"
        "unix_sock_rw_perms = 0770\n"
        "unix_sock_ro_perms=777\n"
        "qmp_sockets = no\n"
        "listen_tls = yes\n"
        "listen_addr = ::1\n"
        "tls_port = 65535\n"
        "ca_file = /a/ca\n"
        "crl_file = /a/crl\n"
        "cert_file = /a/cert\n"
        "key_file = /a/key\n"
        "tls_allowed_dn_list = O=A,CN=*; O=B\n"
        "tls_priority = SECURE256\n"
        "\n"
        "[upstream]\n"
        "socket = /up/stream-sock   \n"
        "state_directory = /up/state\n"
        "[sessions]\n"
        "dedicated_sessions = requested\n"
        "words = emulator\n"
        "running_guests = never\n"
        "directory = /sessions\n"
        "[emulator]\n"
        "shim = /bin/shim\n"
        "directory = /shims\n"
        "[limits]\n"
        "max_clients = 17\n"
        "[log]\n"
        "level = warning\n", "");
    static const char *const lines[] = {
        "file_named=1", "listen_dir=/listen/dir", "group=root", "rw_perms=770", "ro_perms=777",
        "upstream=/up/stream-sock", "policy=requested", "words=emulator",
        "session_dir=/sessions", "max_clients=17",
        "log_level=warning", "shim=/bin/shim", "shim_dir=/shims", "qmp_sockets=0",
        "attach=never", "state_dir=/up/state",
        "tls=1 ::1 port 65535", "ca=/a/ca", "crl=/a/crl", "cert=/a/cert", "key=/a/key",
        "names=O=A,CN=*|O=B", "priority=SECURE256",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        assert_line(result, lines[i]);
}

/* Every error names the file, the group, the key and the value. */
static void
test_wrong_values(void)
{
    static const struct {
        const char *group, *key, *value;
        const char *says;
    } cases[] = {
        { "listen", "directory", "", "a path" },
        { "listen", "unix_sock_group", "no-such-group", "no group" },
        { "listen", "unix_sock_group", "", "no group" },
        { "listen", "unix_sock_rw_perms", "0778", "octal" },
        { "listen", "unix_sock_rw_perms", "rwx", "octal" },
        { "listen", "unix_sock_rw_perms", "01000", "octal" },
        { "listen", "unix_sock_rw_perms", "0770 0770", "octal" },
        { "listen", "unix_sock_rw_perms", "-1", "octal" },
        { "listen", "unix_sock_rw_perms", "", "octal" },
        { "listen", "unix_sock_ro_perms", "0x1ff", "octal" },
        { "listen", "unix_sock_ro_perms", "7777777777777777777777777", "octal" },
        { "listen", "qmp_sockets", "maybe", "'yes' or 'no'" },
        { "listen", "qmp_sockets", "", "'yes' or 'no'" },
        { "listen", "listen_tls", "1", "'yes' or 'no'" },
        { "listen", "listen_addr", "", "an address" },
        { "listen", "tls_port", "0", "1 to 65535" },
        { "listen", "tls_port", "65536", "1 to 65535" },
        { "listen", "tls_port", "https", "1 to 65535" },
        { "listen", "ca_file", "", "a path" },
        { "listen", "crl_file", "", "a path" },
        { "listen", "cert_file", "", "a path" },
        { "listen", "key_file", "", "a path" },
        { "upstream", "socket", "", "a path" },
        { "sessions", "dedicated_sessions", "some", "'all', 'requested'" },
        { "sessions", "dedicated_sessions", "All", "'all', 'requested'" },
        { "sessions", "dedicated_sessions", "", "'all', 'requested'" },
        { "sessions", "words", "shim", "'commandline', 'emulator'" },
        { "sessions", "running_guests", "always", "'first-command', 'at-once', 'never'" },
        { "sessions", "running_guests", "", "'first-command', 'at-once', 'never'" },
        { "sessions", "directory", "", "a path" },
        { "limits", "max_clients", "0", "1 to 1000000" },
        { "limits", "max_clients", "1000001", "1 to 1000000" },
        { "limits", "max_clients", "-1", "1 to 1000000" },
        { "limits", "max_clients", "10k", "1 to 1000000" },
        { "limits", "max_clients", "0x10", "1 to 1000000" },
        { "limits", "max_clients", "", "1 to 1000000" },
        { "limits", "max_anonymous_clients", "0", "1 to 1000000" },
        { "limits", "max_clients_per_user", "0", "1 to 1000000" },
        { "limits", "max_clients_per_user", "1000001", "1 to 1000000" },
        { "limits", "max_queued_clients", "0", "1 to 1000000" },
        { "log", "level", "verbose", "'error', 'warning', 'info', 'debug'" },
        { "log", "level", "1", "'error', 'warning', 'info', 'debug'" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("[%s]\n%s = %s\n", cases[i].group, cases[i].key,
                                                cases[i].value);
        g_autofree char *names = g_strdup_printf("%s|[%s] %s = %s|%s", file, cases[i].group,
                                                 cases[i].key, cases[i].value, cases[i].says);
        g_autofree char *result = result_with_file(text, "");

        assert_error_names(result, names);
    }
}

/* The limits themselves are good. */
static void
test_limits(void)
{
    g_autofree char *least = result_with_file("[limits]\nmax_clients = 1\n", "");
    g_autofree char *most = result_with_file("[limits]\nmax_clients = 1000000\n", "");
    g_autofree char *set = result_with_file("[limits]\nmax_anonymous_clients = 7\n"
                                            "max_clients_per_user = 8\n"
                                            "max_queued_clients = 9\n", "");
    g_autofree char *no_perms = result_with_file("[listen]\nunix_sock_rw_perms = 0\n", "");
    g_autofree char *all_perms = result_with_file("[listen]\nunix_sock_rw_perms = 0777\n", "");

    assert_line(least, "max_clients=1");
    assert_line(least, "per_user=20");
    assert_line(most, "max_clients=1000000");
    assert_line(most, "per_user=200000");
    assert_line(set, "anonymous=7");
    assert_line(set, "per_user=8");
    assert_line(set, "queued=9");
    assert_line(no_perms, "rw_perms=0");
    assert_line(all_perms, "rw_perms=777");
}

/* Names of certificates have commas, and semicolons behind a backslash. */
static void
test_allowed_names(void)
{
    static const struct {
        const char *value, *line;
    } cases[] = {
        { "", "names=" }, /* a list of nobody */
        { ";; ;", "names=" },
        { "CN=a", "names=CN=a" },
        { "CN=a;", "names=CN=a" },
        { "C=x,CN=a ; O=y z,CN=b", "names=C=x,CN=a|O=y z,CN=b" },
        { "O=a\\\\;b;O=c\\\\,d", "names=O=a\\;b|O=c\\,d" },
        { "O=a\\\\", "names=O=a\\" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("[listen]\ntls_allowed_dn_list = %s\n",
                                                cases[i].value);
        g_autofree char *result = result_with_file(text, "");

        assert_line(result, cases[i].line);
    }
}

/* A user's own certificates, of which certificate and key only count together. */
static void
test_user_certificates(void)
{
    g_autofree char *pki = g_build_filename(directory, ".pki", NULL);
    g_autofree char *dir = g_build_filename(pki, "libvirt", NULL);
    static const char *const names[] = { "servercert.pem", "cacert.pem", "serverkey.pem" };

    g_assert_no_errno(g_mkdir_with_parents(dir, 0700));
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(dir, names[i], NULL);
        g_autofree char *ca = g_strdup_printf("ca=%s/cacert.pem", dir);
        g_autofree char *cert = g_strdup_printf("cert=%s/servercert.pem", dir);
        g_autofree char *key = g_strdup_printf("key=%s/serverkey.pem", dir);
        g_autofree char *result = NULL;

        g_assert_true(g_file_set_contents(path, "", 0, NULL));
        result = result_of("--session", NULL);
        assert_line(result, i >= 1 ? ca : "ca=/etc/pki/CA/cacert.pem");
        assert_line(result, i == 2 ? cert : "cert=/etc/pki/libvirt/servercert.pem");
        assert_line(result, i == 2 ? key : "key=/etc/pki/libvirt/private/serverkey.pem");
    }
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(dir, names[i], NULL);

        g_assert_no_errno(g_unlink(path));
    }
    g_assert_no_errno(g_rmdir(dir));
    g_assert_no_errno(g_rmdir(pki));
}

/* A key that is misspelt is not ignored, nor one in the wrong group. */
static void
test_unknown_keys(void)
{
    static const struct {
        const char *text, *names;
    } cases[] = {
        { "[listen]\ndirectoy = /x\n", "[listen] directoy|no such key|virtpassd.conf(5)" },
        { "[lisen]\ndirectory = /x\n", "[lisen] directory|no such key" },
        { "[log]\ndirectory = /x\n", "[log] directory|no such key" },
        { "[Log]\nlevel = info\n", "[Log] level|no such key" },
        { "[log]\nlevel[de] = info\n", "[log] level[de]|no such key" },
        { "[log]\nlevel = info\nLevel = info\n", "[log] Level|no such key" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *result = result_with_file(cases[i].text, "");

        assert_error_names(result, cases[i].names);
        assert_error_names(result, file);
    }
}

static void
test_no_key_file(void)
{
    static const char *const texts[] = {
        "level = info\n", "[log\nlevel = info\n", "[log]\nlevel\n", "[log]\nlevel = \xff\xfe\n",
        "[log]\nlevel = in\\qfo\n", "[upstream]\nsocket = /a\\qb\n",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *result = result_with_file(texts[i], "");

        assert_error_names(result, file);
    }
}

/* A file that was named has to be there; the default one need not. */
static void
test_absent_file(void)
{
    g_autofree char *absent = g_build_filename(directory, "absent", NULL);
    g_autofree char *line = g_strconcat("--config ", absent, NULL);
    g_autofree char *line_of_directory = g_strconcat("--config ", directory, NULL);
    g_autofree char *result = result_of(line, NULL);
    g_autofree char *of_directory = result_of(line_of_directory, NULL);

    assert_error_names(result, absent);
    assert_error_names(of_directory, directory);
}

static void
test_empty_file(void)
{
    g_autofree char *result = result_with_file("", "");

    assert_line(result, "max_clients=5000");
}

/* --- command line --------------------------------------------------------------- */

static void
test_options(void)
{
    g_autofree char *result = result_of("--session --upstream /a/../b --listen-dir /l "
                                        "--session-dir=/s --shim /x --log-level error", NULL);
    g_autofree char *debug = result_of("--session --log-level error --debug", NULL);
    g_autofree char *embed = result_of("--embed /e/ --keep-guests", NULL);
    g_autofree char *embed_and_dir = result_of("--embed /e --session-dir /s", NULL);

    assert_line(result, "upstream=/b");
    assert_line(result, "state_dir=/qemu/run");
    assert_line(result, "listen_dir=/l");
    assert_line(result, "session_dir=/s");
    assert_line(result, "shim=/x");
    assert_line(result, "log_level=error");
    assert_line(debug, "log_level=debug");
    assert_line(embed, "session=1");
    assert_line(embed, "embed_dir=/e");
    assert_line(embed, "keep_guests=1");
    assert_line(embed, "listen_dir=/e");
    assert_line(embed, "upstream=/e/libvirt-sock");
    assert_line(embed, "state_dir=/e/run/libvirt/qemu/run");
    assert_line(embed, "session_dir=/e/qmp");
    assert_line(embed, "shim_dir=/e");
    assert_line(embed, "cache_dir=/e/cache/virtpassd");
    assert_line(embed_and_dir, "session_dir=/s");
}

/* A relative path is meant from where the command was given; the daemon may be elsewhere later. */
static void
test_relative_paths(void)
{
    g_autofree char *here = g_get_current_dir();
    g_autofree char *expected = g_strdup_printf("listen_dir=%s/some/dir", here);
    g_autofree char *result = result_of("--session --listen-dir some/dir", NULL);

    assert_line(result, expected);
}

static void
test_wrong_options(void)
{
    static const struct {
        const char *line, *names;
    } cases[] = {
        { "--no-such-option", "--no-such-option" },
        { "--log-level loud", "--log-level loud|'error', 'warning', 'info', 'debug'" },
        { "--log-level", "--log-level" },
        { "--upstream=", "--upstream |a path" },
        { "--listen-dir=", "--listen-dir |a path" },
        { "--session-dir=", "--session-dir |a path" },
        { "word", "'word'" },
        { "--session -- word", "unexpected argument" },
        { "--keep-guests", "--keep-guests|--embed" },
        { "--embed /e --upstream /u", "--embed|--upstream" },
        { "--embed /e --listen-dir /l", "--embed|--listen-dir" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *result = result_of(cases[i].line, NULL);

        assert_error_names(result, cases[i].names);
    }
}

static void
test_actions(void)
{
    g_autofree char *absent = g_build_filename(directory, "absent", NULL);
    g_autofree char *line = g_strconcat("--version --config ", absent, NULL);
    g_autofree char *version = result_of(line, NULL);
    g_autofree char *check = result_with_file("", "--check-config");
    g_autofree char *check_wrong = result_with_file("[log]\nlevel = x\n", "--check-config");

    g_assert_cmpstr(version, ==, "action=version\n"); /* whatever else is wrong */
    assert_line(check, "action=check-config");
    assert_error_names(check_wrong, "[log] level = x");
}

/* The command line is above the file, where both say something. */
static void
test_options_over_file(void)
{
    static const char text[] = "[upstream]\nsocket = /file/up\nstate_directory = /file/state\n"
                               "[listen]\ndirectory = /file/listen\n"
                               "[sessions]\ndirectory = /file/sessions\n"
                               "[log]\nlevel = error\n";
    g_autofree char *plain = result_with_file(text, "");
    g_autofree char *some = result_with_file(text, "--upstream /line/up --debug");
    g_autofree char *others = result_with_file(text, "--listen-dir /line/listen "
                                                     "--session-dir /line/sessions");
    g_autofree char *embed = result_with_file(text, "--embed /e");

    assert_line(plain, "upstream=/file/up");
    assert_line(plain, "log_level=error");
    assert_line(some, "upstream=/line/up");
    assert_line(some, "state_dir=/file/state");
    assert_line(some, "listen_dir=/file/listen");
    assert_line(some, "log_level=debug");
    assert_line(others, "upstream=/file/up");
    assert_line(others, "listen_dir=/line/listen");
    assert_line(others, "session_dir=/line/sessions");
    /* All state of an embedded libvirtd is in one place, but for what was asked for. */
    assert_line(embed, "upstream=/e/libvirt-sock");
    assert_line(embed, "listen_dir=/e");
    assert_line(embed, "state_dir=/e/run/libvirt/qemu/run");
    assert_line(embed, "session_dir=/file/sessions");
}

/* --- reload ----------------------------------------------------------------------- */

static char *
result_of_reload(const char *text, const char *then, const char *line)
{
    g_autofree char *full = g_strconcat("--config ", file, *line ? " " : "", line, NULL);

    write_file(text);
    return result_of(full, then);
}

static void
test_reload(void)
{
    g_autofree char *changed = result_of_reload("[log]\nlevel = error\n[limits]\nmax_clients = 3\n",
                                                "[log]\nlevel = warning\n", "");
    g_autofree char *over = result_of_reload("", "[log]\nlevel = debug\n[upstream]\nsocket = /f\n",
                                             "--log-level error --upstream /line");
    g_autofree char *wrong = result_of_reload("", "[log]\nlevel = loud\n", "");

    assert_line(changed, "log_level=warning");
    assert_line(changed, "max_clients=5000"); /* what is not there any more is the default again */
    assert_line(over, "log_level=error");
    assert_line(over, "upstream=/line");
    assert_error_names(wrong, "[log] level = loud");
    assert_error_names(wrong, file);
}

int
main(int argc, char **argv)
{
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    directory = g_dir_make_tmp("vp-XXXXXX", NULL);
    g_assert_nonnull(directory);
    file = g_build_filename(directory, "virtpassd.conf", NULL);
    g_test_add_func("/qemu_passthrough/config/defaults", test_defaults);
    g_test_add_func("/qemu_passthrough/config/defaults-of-system", test_defaults_of_system);
    g_test_add_func("/qemu_passthrough/config/every-key", test_every_key);
    g_test_add_func("/qemu_passthrough/config/wrong-values", test_wrong_values);
    g_test_add_func("/qemu_passthrough/config/limits", test_limits);
    g_test_add_func("/qemu_passthrough/config/allowed-names", test_allowed_names);
    g_test_add_func("/qemu_passthrough/config/user-certificates", test_user_certificates);
    g_test_add_func("/qemu_passthrough/config/unknown-keys", test_unknown_keys);
    g_test_add_func("/qemu_passthrough/config/no-key-file", test_no_key_file);
    g_test_add_func("/qemu_passthrough/config/absent-file", test_absent_file);
    g_test_add_func("/qemu_passthrough/config/empty-file", test_empty_file);
    g_test_add_func("/qemu_passthrough/config/options", test_options);
    g_test_add_func("/qemu_passthrough/config/relative-paths", test_relative_paths);
    g_test_add_func("/qemu_passthrough/config/wrong-options", test_wrong_options);
    g_test_add_func("/qemu_passthrough/config/actions", test_actions);
    g_test_add_func("/qemu_passthrough/config/options-over-file", test_options_over_file);
    g_test_add_func("/qemu_passthrough/config/reload", test_reload);
    status = g_test_run();
    g_unlink(file);
    g_rmdir(directory);
    g_free(file);
    g_free(directory);
    return status;
}
