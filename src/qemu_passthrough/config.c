/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Configuration: a table of keys and a table of options.
 *
 * Each key is a row with its parser; what has no row is an error, for a key that is
 * misspelt must not be ignored. The command line is kept as text and parsed again by
 * the same parsers at every reload, so that it stays above the file.
 */

#include "qemu_passthrough/config.h"

#include "base/error.h"
#include "base/limits.h"
#include "build-config.h"
#include "plan/shim.h"
#include "probe/probe.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>

/* libvirt's. */
#define VP_TLS_PORT 16514

/* What every libvirt client since 2018 speaks. */
#define VP_TLS_PRIORITY_DEFAULT "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

const char *const vp_attach_when_names[] = { "first-command", "at-once", "never", NULL };

typedef bool (*VpParseFunc)(VpConfig *config, const char *value, GError **error);

static bool
set_path(char **field, const char *value, GError **error)
{
    if (*value == '\0') {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "a path is needed");
        return false;
    }
    g_free(*field);
    *field = g_canonicalize_filename(value, NULL);
    return true;
}

static bool
parse_listen_dir(VpConfig *config, const char *value, GError **error)
{
    return set_path(&config->listen_dir, value, error);
}

static bool
parse_upstream(VpConfig *config, const char *value, GError **error)
{
    return set_path(&config->upstream, value, error);
}

static bool
parse_session_dir(VpConfig *config, const char *value, GError **error)
{
    return set_path(&config->session_dir, value, error);
}

static bool
parse_shim(VpConfig *config, const char *value, GError **error)
{
    return set_path(&config->shim, value, error);
}

static bool
parse_shim_dir(VpConfig *config, const char *value, GError **error)
{
    return set_path(&config->shim_dir, value, error);
}

static bool
parse_embed(VpConfig *config, const char *value, GError **error)
{
    return set_path(&config->embed_dir, value, error);
}

static bool
parse_group(VpConfig *config, const char *value, GError **error)
{
    if (!getgrnam(value)) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "there is no group of this name");
        return false;
    }
    g_free(config->group);
    config->group = g_strdup(value);
    return true;
}

static bool
parse_perms(int *field, const char *value, GError **error)
{
    char *end = NULL;
    guint64 mode = g_ascii_strtoull(value, &end, 8);

    if (end == value || *end || mode > 0777 || *value == '-') {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "an octal mode such as 0770 is needed");
        return false;
    }
    *field = mode;
    return true;
}

static bool
parse_rw_perms(VpConfig *config, const char *value, GError **error)
{
    return parse_perms(&config->rw_perms, value, error);
}

static bool
parse_ro_perms(VpConfig *config, const char *value, GError **error)
{
    return parse_perms(&config->ro_perms, value, error);
}

static bool
parse_yes_no(bool *field, const char *value, GError **error)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "'yes' or 'no' is needed");
        return false;
    }
    *field = *value == 'y';
    return true;
}

static bool
parse_qmp_sockets(VpConfig *config, const char *value, GError **error)
{
    return parse_yes_no(&config->qmp_sockets, value, error);
}

static bool
parse_listen_tls(VpConfig *config, const char *value, GError **error)
{
    return parse_yes_no(&config->tls.listen, value, error);
}

static bool
parse_listen_addr(VpConfig *config, const char *value, GError **error)
{
    if (*value == '\0') {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "an address or a host's name is needed");
        return false;
    }
    g_free(config->tls.address);
    config->tls.address = g_strdup(value);
    return true;
}

static bool
parse_tls_port(VpConfig *config, const char *value, GError **error)
{
    guint64 n = 0;

    if (!g_ascii_string_to_unsigned(value, 10, 1, G_MAXUINT16, &n, NULL)) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "a number from 1 to 65535 is needed");
        return false;
    }
    config->tls.port = n;
    return true;
}

static bool
parse_ca_file(VpConfig *config, const char *value, GError **error)
{
    return set_path(&config->tls.ca_file, value, error);
}

static bool
parse_crl_file(VpConfig *config, const char *value, GError **error)
{
    return set_path(&config->tls.crl_file, value, error);
}

static bool
parse_cert_file(VpConfig *config, const char *value, GError **error)
{
    return set_path(&config->tls.cert_file, value, error);
}

static bool
parse_key_file(VpConfig *config, const char *value, GError **error)
{
    return set_path(&config->tls.key_file, value, error);
}

/* Separated by semicolons, for names have commas. GnuTLS writes a semicolon of a name with a
 * backslash before it. */
static bool
parse_allowed_names(VpConfig *config, const char *value, GError **error G_GNUC_UNUSED)
{
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();

    for (const char *begin = value, *at = value; *begin; at++) {
        g_autofree char *name = NULL;

        if (*at == '\\' && at[1])
            at++;
        else if (*at == ';' || !*at) {
            name = g_strstrip(g_strndup(begin, at - begin));
            if (*name)
                g_strv_builder_add(names, name);
            begin = *at ? at + 1 : at;
        }
    }
    g_strfreev(config->tls.allowed_names);
    config->tls.allowed_names = g_strv_builder_end(names);
    return true;
}

static bool
parse_tls_priority(VpConfig *config, const char *value, GError **error G_GNUC_UNUSED)
{
    g_free(config->tls.priority);
    config->tls.priority = g_strdup(value);
    return true;
}

static bool
parse_max_clients(VpConfig *config, const char *value, GError **error)
{
    guint64 n = 0;

    if (!g_ascii_string_to_unsigned(value, 10, 1, 1000000, &n, NULL)) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "a number from 1 to 1000000 is needed");
        return false;
    }
    config->max_clients = n;
    return true;
}

/* The index of @value among @names. */
static bool
parse_choice(guint *field, const char *const *names, const char *value, GError **error)
{
    g_autofree char *list = NULL;

    for (guint i = 0; names[i]; i++) {
        if (strcmp(names[i], value) == 0) {
            *field = i;
            return true;
        }
    }
    list = g_strjoinv("', '", (char **)names);
    g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "one of '%s' is needed", list);
    return false;
}

static bool
parse_policy(VpConfig *config, const char *value, GError **error)
{
    guint choice = config->policy;
    bool ok = parse_choice(&choice, vp_xml_policy_names, value, error);

    config->policy = choice;
    return ok;
}

static bool
parse_attach(VpConfig *config, const char *value, GError **error)
{
    guint choice = config->attach;
    bool ok = parse_choice(&choice, vp_attach_when_names, value, error);

    config->attach = choice;
    return ok;
}

static bool
parse_log_level(VpConfig *config, const char *value, GError **error)
{
    guint choice = config->log_level;
    bool ok = parse_choice(&choice, vp_log_level_names, value, error);

    config->log_level = choice;
    return ok;
}

/* Every key of the file. virtpassd.conf(5) and the shipped file list the same; a test compares. */
static const struct {
    const char *group;
    const char *key;
    VpParseFunc parse;
} keys[] = {
    { "listen", "directory", parse_listen_dir },
    { "listen", "unix_sock_group", parse_group },
    { "listen", "unix_sock_rw_perms", parse_rw_perms },
    { "listen", "unix_sock_ro_perms", parse_ro_perms },
    { "listen", "qmp_sockets", parse_qmp_sockets },
    { "listen", "listen_tls", parse_listen_tls },
    { "listen", "listen_addr", parse_listen_addr },
    { "listen", "tls_port", parse_tls_port },
    { "listen", "ca_file", parse_ca_file },
    { "listen", "crl_file", parse_crl_file },
    { "listen", "cert_file", parse_cert_file },
    { "listen", "key_file", parse_key_file },
    { "listen", "tls_allowed_dn_list", parse_allowed_names },
    { "listen", "tls_priority", parse_tls_priority },
    { "upstream", "socket", parse_upstream },
    { "sessions", "dedicated_sessions", parse_policy },
    { "sessions", "running_guests", parse_attach },
    { "sessions", "directory", parse_session_dir },
    { "emulator", "shim", parse_shim },
    { "emulator", "directory", parse_shim_dir },
    { "limits", "max_clients", parse_max_clients },
    { "log", "level", parse_log_level },
};

/* The command line as it was given; it is parsed again at every reload. */
static struct {
    gboolean session, keep_guests, debug, check_config, version;
    char *file, *upstream, *listen_dir, *session_dir, *shim, *embed_dir, *log_level;
} options;

static const GOptionEntry option_entries[] = {
    { "config", 0, 0, G_OPTION_ARG_FILENAME, &options.file,
      "Read FILE instead of the default configuration file", "FILE" },
    { "check-config", 0, 0, G_OPTION_ARG_NONE, &options.check_config,
      "Check configuration and command line, then exit", NULL },
    { "session", 0, 0, G_OPTION_ARG_NONE, &options.session,
      "Serve the user's session libvirt (the default unless root)", NULL },
    { "upstream", 0, 0, G_OPTION_ARG_FILENAME, &options.upstream,
      "libvirtd's socket (default: where libvirt's own clients look)", "SOCKET" },
    { "listen-dir", 0, 0, G_OPTION_ARG_FILENAME, &options.listen_dir,
      "Make virtpassd-sock and virtpassd-sock-ro in DIR", "DIR" },
    { "session-dir", 0, 0, G_OPTION_ARG_FILENAME, &options.session_dir,
      "Have QEMU make the sockets of dedicated sessions in DIR", "DIR" },
    { "shim", 0, 0, G_OPTION_ARG_FILENAME, &options.shim,
      "The virtpass-emulator that libvirtd starts where a command line is altered", "FILE" },
    { "embed", 0, 0, G_OPTION_ARG_FILENAME, &options.embed_dir,
      "Run a private libvirtd with all its state in DIR and serve it", "DIR" },
    { "keep-guests", 0, 0, G_OPTION_ARG_NONE, &options.keep_guests,
      "With --embed: leave guests running at exit", NULL },
    { "log-level", 0, 0, G_OPTION_ARG_STRING, &options.log_level,
      "Log 'error', 'warning', 'info' (default) or 'debug'", "LEVEL" },
    { "debug", 0, 0, G_OPTION_ARG_NONE, &options.debug,
      "Log every frame by the name of its procedure (--log-level debug)", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &options.version, "Print the version and exit", NULL },
    { NULL },
};

static void
clear_tls(VpTlsConfig *tls)
{
    g_free(tls->address);
    g_free(tls->ca_file);
    g_free(tls->crl_file);
    g_free(tls->cert_file);
    g_free(tls->key_file);
    g_strfreev(tls->allowed_names);
    g_free(tls->priority);
}

void
vp_config_clear(VpConfig *config)
{
    clear_tls(&config->tls);
    g_free(config->file);
    g_free(config->listen_dir);
    g_free(config->group);
    g_free(config->upstream);
    g_free(config->session_dir);
    g_free(config->shim);
    g_free(config->shim_dir);
    g_free(config->embed_dir);
    g_free(config->cache_dir);
    *config = (VpConfig){ 0 };
}

static void
set_defaults(VpConfig *config)
{
    config->session = options.session || options.embed_dir || geteuid() != 0;
    config->rw_perms = -1;
    config->ro_perms = -1;
    config->qmp_sockets = true;
    config->tls.port = VP_TLS_PORT;
    config->max_clients = VP_CLIENTS_MAX_DEFAULT;
    config->log_level = VP_LOG_INFO;
    config->keep_guests = options.keep_guests;
    config->file_named = options.file != NULL;
    if (options.file)
        config->file = g_canonicalize_filename(options.file, NULL);
    else if (config->session)
        config->file = g_build_filename(g_get_user_config_dir(), "virtpassd/virtpassd.conf", NULL);
    else
        config->file = g_strdup(VP_SYSCONFDIR "/virtpassd/virtpassd.conf");
}

/* A user's certificates are in a directory of libvirt's, as far as they are. */
static char *
user_pki_file(const VpConfig *config, const char *name)
{
    g_autofree char *path = g_build_filename(g_get_home_dir(), ".pki/libvirt", name, NULL);

    return config->session && g_file_test(path, G_FILE_TEST_EXISTS) ? g_steal_pointer(&path) : NULL;
}

/* Where libvirtd looks for them. Nobody need have revoked anything. */
static void
set_tls_defaults(VpConfig *config)
{
    static const char *const host_crl = "/etc/pki/CA/cacrl.pem";
    VpTlsConfig *tls = &config->tls;
    g_autofree char *cert = user_pki_file(config, "servercert.pem");
    g_autofree char *key = user_pki_file(config, "serverkey.pem");
    bool both = cert && key; /* the two belong together */

    if (!tls->ca_file)
        tls->ca_file = user_pki_file(config, "cacert.pem") ?: g_strdup("/etc/pki/CA/cacert.pem");
    if (!tls->crl_file)
        tls->crl_file = user_pki_file(config, "cacrl.pem");
    if (!tls->crl_file && g_file_test(host_crl, G_FILE_TEST_EXISTS))
        tls->crl_file = g_strdup(host_crl);
    if (!tls->cert_file)
        tls->cert_file = g_strdup(both ? cert : "/etc/pki/libvirt/servercert.pem");
    if (!tls->key_file)
        tls->key_file = g_strdup(both ? key : "/etc/pki/libvirt/private/serverkey.pem");
    if (!tls->priority)
        tls->priority = g_strdup(VP_TLS_PRIORITY_DEFAULT);
}

/* Directories that follow from others. Last, when all else is known. */
static void
set_derived(VpConfig *config)
{
    const char *embed = config->embed_dir;

    if (embed) { /* whatever the file says: all state is in one place */
        g_free(config->listen_dir);
        config->listen_dir = g_strdup(embed);
        g_free(config->upstream);
        config->upstream = g_build_filename(embed, "libvirt-sock", NULL);
    }
    if (!config->listen_dir && config->session)
        config->listen_dir = g_build_filename(g_get_user_runtime_dir(), "virtpassd", NULL);
    else if (!config->listen_dir)
        config->listen_dir = g_strdup(VP_SYSTEM_RUN_DIR);
    if (!config->session_dir && embed)
        config->session_dir = g_build_filename(embed, "qmp", NULL);
    else if (!config->session_dir && config->session)
        config->session_dir = g_build_filename(g_get_user_config_dir(), "libvirt/qemu/lib", NULL);
    else if (!config->session_dir)
        config->session_dir = g_strdup("/var/lib/libvirt/qemu");
    if (!config->shim)
        config->shim = g_strdup(VP_BINDIR "/" VP_SHIM_NAME);
    if (!config->shim_dir && embed)
        config->shim_dir = g_strdup(embed);
    else if (!config->shim_dir && config->session)
        config->shim_dir = g_build_filename(g_get_user_data_dir(), "virtpassd", NULL);
    else if (!config->shim_dir)
        config->shim_dir = g_strdup("/var/lib/virtpassd");
    if (embed)
        config->cache_dir = g_build_filename(embed, "cache/virtpassd", NULL);
    else if (config->session)
        config->cache_dir = g_build_filename(g_get_user_cache_dir(), "virtpassd", NULL);
    else
        config->cache_dir = vp_probe_cache_dir();
}

static VpParseFunc
find_key(const char *group, const char *key)
{
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (strcmp(keys[i].group, group) == 0 && strcmp(keys[i].key, key) == 0)
            return keys[i].parse;
    }
    return NULL;
}

static bool
read_key(VpConfig *config, GKeyFile *file, const char *group, const char *key, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *value = g_key_file_get_string(file, group, key, &why);
    VpParseFunc parse = find_key(group, key);

    if (why) { /* also where a value is returned, as for a wrong escape */
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "%s: [%s] %s: %s", config->file, group, key,
                    why->message);
        return false;
    }
    if (!parse) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG,
                    "%s: [%s] %s: there is no such key; virtpassd.conf(5) lists them",
                    config->file, group, key);
        return false;
    }
    if (parse(config, g_strchomp(value), error))
        return true;
    g_prefix_error(error, "%s: [%s] %s = %s: ", config->file, group, key, value);
    return false;
}

static bool
read_file(VpConfig *config, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) why = NULL;
    g_auto(GStrv) groups = NULL;

    /* With translations: a key that only looks like one is an error like any other. */
    if (!g_key_file_load_from_file(file, config->file, G_KEY_FILE_KEEP_TRANSLATIONS, &why)) {
        if (!config->file_named && g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return true;
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "%s: %s", config->file, why->message);
        return false;
    }
    groups = g_key_file_get_groups(file, NULL);
    for (char **group = groups; *group; group++) {
        g_auto(GStrv) names = g_key_file_get_keys(file, *group, NULL, NULL);

        for (char **key = names; key && *key; key++) {
            if (!read_key(config, file, *group, *key, error))
                return false;
        }
    }
    return true;
}

static bool
apply_option(VpConfig *config, const char *name, const char *value, VpParseFunc parse,
             GError **error)
{
    if (!value || parse(config, value, error))
        return true;
    g_prefix_error(error, "--%s %s: ", name, value);
    return false;
}

static bool
apply_options(VpConfig *config, GError **error)
{
    if (options.keep_guests && !options.embed_dir) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "--keep-guests goes with --embed");
        return false;
    }
    if (options.embed_dir && (options.upstream || options.listen_dir)) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "--embed DIR goes without --%s: %s is in DIR",
                    options.upstream ? "upstream" : "listen-dir",
                    options.upstream ? "its libvirtd" : "its socket");
        return false;
    }
    if (!apply_option(config, "embed", options.embed_dir, parse_embed, error) ||
        !apply_option(config, "upstream", options.upstream, parse_upstream, error) ||
        !apply_option(config, "listen-dir", options.listen_dir, parse_listen_dir, error) ||
        !apply_option(config, "session-dir", options.session_dir, parse_session_dir, error) ||
        !apply_option(config, "shim", options.shim, parse_shim, error) ||
        !apply_option(config, "log-level", options.log_level, parse_log_level, error))
        return false;
    if (options.debug)
        config->log_level = VP_LOG_DEBUG;
    return true;
}

static bool
build(VpConfig *ret_config, GError **error)
{
    g_auto(VpConfig) config = { 0 };

    set_defaults(&config);
    if (!read_file(&config, error) || !apply_options(&config, error))
        return false;
    set_derived(&config);
    set_tls_defaults(&config);
    *ret_config = config;
    config = (VpConfig){ 0 };
    return true;
}

bool
vp_config_load(VpConfig *config, int argc, char **argv, VpConfigAction *ret_action, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(context,
        "Gives libvirt's clients QEMU's monitor, beside the real libvirtd: speaks libvirt's\n"
        "RPC, forwards it, and keeps a QMP session of its own for each domain.");
    g_option_context_add_main_entries(context, option_entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return false;
    if (argc > 1) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "unexpected argument '%s'", argv[1]);
        return false;
    }
    *ret_action = options.version ? VP_ACTION_VERSION
                : options.check_config ? VP_ACTION_CHECK_CONFIG
                : VP_ACTION_RUN;
    return *ret_action == VP_ACTION_VERSION || build(config, error);
}

bool
vp_config_reload(VpConfig *ret_config, GError **error)
{
    return build(ret_config, error);
}
