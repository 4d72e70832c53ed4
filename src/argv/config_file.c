/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Text for QEMU's -readconfig:
 *
 *     [chardev "c0"]
 *       backend = "null"
 *
 * The format has no escapes. QEMU reads lines with sscanf(): a value ends at the first double
 * quote, what is longer than its buffers begins a new line in the middle, single quotes and none
 * make an empty value, all of it without a word. So whatever it would not read back as it was is
 * refused here; above all a line end, behind which a value could begin a section of its own.
 *
 * The limits are QEMU's: util/qemu-config.c reads group, id and key into 64 bytes and a line into
 * 1024.
 */

#include "argv/config_file.h"

#include "argv/groups.h"
#include "argv/prepare.h"
#include "base/error.h"
#include "base/limits.h"

#include <string.h>

static bool
check_name_length(const char *what, const char *name, GError **error)
{
    if (strlen(name) <= VP_CONFIG_NAME_MAX)
        return true;
    return vp_refuse(error, VP_ERROR_UNSUPPORTED, "the %s '%s' has %zu bytes, but QEMU reads only "
                     "%u of it", what, name, strlen(name), VP_CONFIG_NAME_MAX);
}

/* QEMU's own rule for ids (id_wellformed()). */
static bool
check_id(const char *id, GError **error)
{
    bool good = g_ascii_isalpha(*id);

    for (const char *p = id; *p; p++)
        good = good && (g_ascii_isalnum(*p) || strchr("-._", *p));
    if (!good)
        return vp_refuse(error, VP_ERROR_UNSUPPORTED, "id='%s' is not a letter followed by "
                         "letters, digits, '-', '.', '_'", id);
    return check_name_length("id", id, error);
}

/* A key ends at a blank, and a line with '=' right behind the key is read otherwise. */
static bool
check_key(const char *key, GError **error)
{
    bool good = *key != '\0';

    for (const char *p = key; *p; p++)
        good = good && g_ascii_isgraph(*p) && !strchr("=\"[]#", *p);
    if (!good)
        return vp_refuse(error, VP_ERROR_UNSUPPORTED, "QEMU's configuration file has no keys like "
                         "'%s'", key);
    return check_name_length("key", key, error);
}

static bool
check_value(const char *key, const char *value, GError **error)
{
    if (strchr(value, '"'))
        return vp_refuse(error, VP_ERROR_UNSUPPORTED, "the value of '%s' has a double quote in it, "
                         "which QEMU's configuration file cannot carry", key);
    if (vp_has_control_characters(value))
        return vp_refuse(error, VP_ERROR_UNSUPPORTED, "the value of '%s' has a line end or another "
                         "control character in it, which QEMU's configuration file cannot carry",
                         key);
    return true;
}

static bool
append_line(GString *out, const char *key, const char *value, GError **error)
{
    gsize start = out->len;

    if (!check_key(key, error) || !check_value(key, value, error))
        return false;
    g_string_append_printf(out, "  %s = \"%s\"", key, value);
    if (out->len - start > VP_CONFIG_LINE_MAX)
        return vp_refuse(error, VP_ERROR_UNSUPPORTED, "the line for '%s' has %zu bytes, but QEMU "
                         "reads only %u; its value is too long for a configuration file", key,
                         out->len - start, VP_CONFIG_LINE_MAX);
    g_string_append_c(out, '\n');
    return true;
}

/* A repeated key is read, but only the last of them counts. */
static bool
check_repeated(GHashTable *seen, const char *key, GError **error)
{
    return g_hash_table_add(seen, (gpointer)key)
           || vp_refuse(error, VP_ERROR_UNSUPPORTED, "'%s' is there twice, but QEMU's "
                        "configuration file keeps only one of them", key);
}

static bool
append_group(GString *out, const VpGroup *group, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    VpGroupWay way = vp_group_way(group->name);

    if (way != VP_GROUP_CONFIG) {
        vp_group_refuse(group, way, error);
        return false;
    }
    if (strcmp(group->name, "vnc") == 0 && !group->id)
        return vp_refuse(error, VP_ERROR_UNSUPPORTED, "it needs an id=''; QEMU ends at once "
                         "without one");
    if (group->id && !check_id(group->id, error))
        return false;
    g_string_append_printf(out, group->id ? "[%s \"%s\"]\n" : "[%s]\n", group->name, group->id);
    for (guint i = 0; i < group->keys->len; i++) {
        if (!check_repeated(seen, group->keys->pdata[i], error)
            || !append_line(out, group->keys->pdata[i], group->values->pdata[i], error))
            return false;
    }
    return true;
}

char *
vp_group_label(const VpGroup *group)
{
    if (group->line > 0)
        return g_strdup_printf("<qemu:%s> in line %u", group->name, group->line);
    return g_strdup_printf("<qemu:%s>", group->name);
}

bool
vp_config_append_group(GString *out, const VpGroup *group, GError **error)
{
    gsize before = out->len;
    g_autofree char *label = NULL;

    if (append_group(out, group, error))
        return true;
    g_string_truncate(out, before);
    label = vp_group_label(group);
    g_prefix_error(error, "%s: ", label);
    return false;
}
