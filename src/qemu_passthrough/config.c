/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Configuration: a table of keys and a table of options.
 *
 * Each key is a row: what its value may be, and the field of VpConfig that it sets. What has no row
 * is an error, for a key that is misspelt must not be ignored. The command line is kept as text and
 * parsed again in the same way at every reload, so that it stays above the file.
 */

#include "qemu_passthrough/config.h"

#include "base/error.h"
#include "base/limits.h"
#include "build-config.h"
#include "plan/shim.h"
#include "probe/probe.h"
#include "rpc/tls.h"

#include <grp.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* libvirt's. */
#define VP_TLS_PORT 16514

const char *const vp_attach_when_names[] = { "first-command", "at-once", "never", NULL };

/* A key of the file, or an option of the command line that means the same. */
typedef struct Key Key;
struct Key {
    const char *group;        /* NULL: no key of the file */
    const char *name;
    bool (*parse)(const Key *key, gpointer field, const char *value, GError **error);
    gsize field;              /* offset in VpConfig */
    const char *const *names; /* parse_choice: what may be chosen */
    guint max;                /* parse_number */
};

/* --- kinds of values ---------------------------------------------------------- */

static bool
parse_path(const Key *key G_GNUC_UNUSED, gpointer field, const char *value, GError **error)
{
    char **path = field;

    if (*value == '\0') {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "a path is needed");
        return false;
    }
    g_free(*path);
    *path = g_canonicalize_filename(value, NULL);
    return true;
}

static bool
parse_text(const Key *key G_GNUC_UNUSED, gpointer field, const char *value,
           GError **error G_GNUC_UNUSED)
{
    char **text = field;

    g_free(*text);
    *text = g_strdup(value);
    return true;
}

static bool
parse_address(const Key *key, gpointer field, const char *value, GError **error)
{
    if (*value)
        return parse_text(key, field, value, error);
    g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "an address or a host's name is needed");
    return false;
}

static bool
parse_group(const Key *key, gpointer field, const char *value, GError **error)
{
    if (getgrnam(value))
        return parse_text(key, field, value, error);
    g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "there is no group of this name");
    return false;
}

static bool
parse_perms(const Key *key G_GNUC_UNUSED, gpointer field, const char *value, GError **error)
{
    char *end = NULL;
    guint64 mode = g_ascii_strtoull(value, &end, 8);

    if (end == value || *end || mode > 0777 || *value == '-') {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "an octal mode such as 0770 is needed");
        return false;
    }
    *(int *)field = mode;
    return true;
}

static bool
parse_yes_no(const Key *key G_GNUC_UNUSED, gpointer field, const char *value, GError **error)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "'yes' or 'no' is needed");
        return false;
    }
    *(bool *)field = *value == 'y';
    return true;
}

static bool
parse_number(const Key *key, gpointer field, const char *value, GError **error)
{
    guint64 n = 0;

    if (!g_ascii_string_to_unsigned(value, 10, 1, key->max, &n, NULL)) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "a number from 1 to %u is needed", key->max);
        return false;
    }
    *(guint *)field = n;
    return true;
}

/* The field is an enum, whose values are indices of the names. */
static bool
parse_choice(const Key *key, gpointer field, const char *value, GError **error)
{
    g_autofree char *list = NULL;

    for (guint i = 0; key->names[i]; i++) {
        if (strcmp(key->names[i], value) == 0) {
            memcpy(field, &i, sizeof(i));
            return true;
        }
    }
    list = g_strjoinv("', '", (char **)key->names);
    g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "one of '%s' is needed", list);
    return false;
}

/* Separated by semicolons, for names have commas. GnuTLS writes a semicolon of a name with a
 * backslash before it. */
static bool
parse_names(const Key *key G_GNUC_UNUSED, gpointer field, const char *value,
            GError **error G_GNUC_UNUSED)
{
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();
    char ***list = field;

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
    g_strfreev(*list);
    *list = g_strv_builder_end(names);
    return true;
}

/* --- keys and options --------------------------------------------------------- */

#define FIELD(NAME) .field = offsetof(VpConfig, NAME)
#define CHOICE(NAME, NAMES) parse_choice, FIELD(NAME), .names = NAMES
#define NUMBER(NAME, MAX) parse_number, FIELD(NAME), .max = MAX

G_STATIC_ASSERT(sizeof(VpSessionPolicy) == sizeof(guint));
G_STATIC_ASSERT(sizeof(VpSessionWords) == sizeof(guint));
G_STATIC_ASSERT(sizeof(VpAttachWhen) == sizeof(guint));
G_STATIC_ASSERT(sizeof(VpLogLevel) == sizeof(guint));

/* Every key of the file. virtpassd.conf(5) and the shipped file list the same; a test compares. */
static const Key keys[] = {
    { "listen", "directory", parse_path, FIELD(listen_dir) },
    { "listen", "unix_sock_group", parse_group, FIELD(group) },
    { "listen", "unix_sock_rw_perms", parse_perms, FIELD(rw_perms) },
    { "listen", "unix_sock_ro_perms", parse_perms, FIELD(ro_perms) },
    { "listen", "qmp_sockets", parse_yes_no, FIELD(qmp_sockets) },
    { "listen", "listen_tls", parse_yes_no, FIELD(tls.listen) },
    { "listen", "listen_addr", parse_address, FIELD(tls.address) },
    { "listen", "tls_port", NUMBER(tls.port, G_MAXUINT16) },
    { "listen", "ca_file", parse_path, FIELD(tls.ca_file) },
    { "listen", "crl_file", parse_path, FIELD(tls.crl_file) },
    { "listen", "cert_file", parse_path, FIELD(tls.cert_file) },
    { "listen", "key_file", parse_path, FIELD(tls.key_file) },
    { "listen", "tls_allowed_dn_list", parse_names, FIELD(tls.allowed_names) },
    { "listen", "tls_priority", parse_text, FIELD(tls.priority) },
    { "upstream", "socket", parse_path, FIELD(upstream) },
    { "upstream", "state_directory", parse_path, FIELD(state_dir) },
    { "sessions", "dedicated_sessions", CHOICE(policy, vp_xml_policy_names) },
    { "sessions", "words", CHOICE(words, vp_xml_words_names) },
    { "sessions", "running_guests", CHOICE(attach, vp_attach_when_names) },
    { "sessions", "directory", parse_path, FIELD(session_dir) },
    { "emulator", "shim", parse_path, FIELD(shim) },
    { "emulator", "directory", parse_path, FIELD(shim_dir) },
    { "limits", "max_clients", NUMBER(max_clients, VP_CLIENTS_MAX) },
    { "limits", "max_anonymous_clients", NUMBER(max_anonymous_clients, VP_CLIENTS_MAX) },
    { "limits", "max_clients_per_user", NUMBER(max_clients_per_user, VP_CLIENTS_MAX) },
    { "limits", "max_queued_clients", NUMBER(max_queued_clients, VP_CLIENTS_MAX) },
    { "log", "level", CHOICE(log_level, vp_log_level_names) },
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

/* Those of the options that set a field. */
static const struct {
    Key key;
    char *const *value; /* what was given, or NULL */
} settings[] = {
    { { NULL, "embed", parse_path, FIELD(embed_dir) }, &options.embed_dir },
    { { NULL, "upstream", parse_path, FIELD(upstream) }, &options.upstream },
    { { NULL, "listen-dir", parse_path, FIELD(listen_dir) }, &options.listen_dir },
    { { NULL, "session-dir", parse_path, FIELD(session_dir) }, &options.session_dir },
    { { NULL, "shim", parse_path, FIELD(shim) }, &options.shim },
    { { NULL, "log-level", CHOICE(log_level, vp_log_level_names) }, &options.log_level },
};

static bool
parse(const Key *key, VpConfig *config, const char *value, GError **error)
{
    return key->parse(key, (char *)config + key->field, value, error);
}

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
    g_free(config->state_dir);
    g_free(config->session_dir);
    g_free(config->shim);
    g_free(config->shim_dir);
    g_free(config->guests_dir);
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
    config->max_anonymous_clients = VP_CLIENTS_ANONYMOUS_MAX_DEFAULT;
    config->max_queued_clients = VP_CLIENTS_QUEUED_MAX_DEFAULT;
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

static void
set_derived_limits(VpConfig *config)
{
    if (config->max_clients_per_user == 0)
        config->max_clients_per_user = MAX(config->max_clients / VP_CLIENTS_SHARES,
                                           VP_CLIENTS_OF_USER_MIN);
}

/* Directories that follow from others. Last, when all else is known. */
/* Beside libvirtd's socket: qemu for the system's, qemu/run for a user's. */
static char *
default_state_dir(const VpConfig *config)
{
    g_autofree char *dir = NULL;

    if (config->embed_dir)
        dir = g_build_filename(config->embed_dir, "run/libvirt", NULL);
    else if (config->upstream)
        dir = g_path_get_dirname(config->upstream);
    else if (config->session)
        dir = g_build_filename(g_get_user_runtime_dir(), "libvirt", NULL);
    return g_build_filename(dir ?: "/run/libvirt", config->session ? "qemu/run" : "qemu", NULL);
}

static void
set_derived(VpConfig *config)
{
    const char *embed = config->embed_dir;

    if (embed) { /* whatever the file says: all state is in one place */
        g_free(config->listen_dir);
        config->listen_dir = g_strdup(embed);
        g_free(config->upstream);
        config->upstream = g_build_filename(embed, "libvirt-sock", NULL);
        g_clear_pointer(&config->state_dir, g_free);
    }
    if (!config->state_dir)
        config->state_dir = default_state_dir(config);
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
    config->shim_named = config->shim != NULL;
    if (!config->shim)
        config->shim = g_strdup(VP_BINDIR "/" VP_SHIM_NAME);
    if (!config->shim_dir && embed)
        config->shim_dir = g_strdup(embed);
    else if (!config->shim_dir && config->session)
        config->shim_dir = g_build_filename(g_get_user_data_dir(), "virtpassd", NULL);
    else if (!config->shim_dir)
        config->shim_dir = g_strdup("/var/lib/virtpassd");
    if (embed)
        config->guests_dir = g_build_filename(embed, "config/libvirt/qemu/lib", NULL);
    else if (config->session)
        config->guests_dir = g_build_filename(g_get_user_config_dir(), "libvirt/qemu/lib", NULL);
    else
        config->guests_dir = g_strdup("/var/lib/libvirt/qemu");
    if (embed)
        config->cache_dir = g_build_filename(embed, "cache/virtpassd", NULL);
    else if (config->session)
        config->cache_dir = g_build_filename(g_get_user_cache_dir(), "virtpassd", NULL);
    else
        config->cache_dir = vp_probe_cache_dir();
}

static const Key *
find_key(const char *group, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (strcmp(keys[i].group, group) == 0 && strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

static bool
read_key(VpConfig *config, GKeyFile *file, const char *group, const char *name, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *value = g_key_file_get_string(file, group, name, &why);
    const Key *key = find_key(group, name);

    if (why) { /* also where a value is returned, as for a wrong escape */
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "%s: [%s] %s: %s", config->file, group, name,
                    why->message);
        return false;
    }
    if (!key) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG,
                    "%s: [%s] %s: there is no such key; virtpassd.conf(5) lists them",
                    config->file, group, name);
        return false;
    }
    if (parse(key, config, g_strchomp(value), error))
        return true;
    g_prefix_error(error, "%s: [%s] %s = %s: ", config->file, group, name, value);
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
    for (gsize i = 0; i < G_N_ELEMENTS(settings); i++) {
        const char *value = *settings[i].value;

        if (!value || parse(&settings[i].key, config, value, error))
            continue;
        g_prefix_error(error, "--%s %s: ", settings[i].key.name, value);
        return false;
    }
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
    set_derived_limits(&config);
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
