/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Groups as bytes: texts that end with NUL, and an empty one ends a group; the first of a group is
 * its name, the second its id ("-" for none), the others are keys and values in turn. A reader that
 * does what QEMU's does must find in the text what was put in, and nothing else.
 */

#include "argv/config_file.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* The next text; NULL at the end. */
static const char *
next_text(const char **at, const char *end)
{
    const char *text = *at;

    if (text >= end)
        return NULL;
    *at += strlen(text) + 1;
    return text;
}

static VpGroup *
next_group(VpPlan *plan, const char **at, const char *end)
{
    const char *name = next_text(at, end), *id = next_text(at, end), *key = NULL, *value = NULL;
    VpGroup *group = NULL;

    if (!name || !id)
        return NULL;
    group = vp_plan_add_group(plan, 0);
    group->name = g_strdup(name);
    group->id = strcmp(id, "-") == 0 ? NULL : g_strdup(id);
    while ((key = next_text(at, end)) && *key && (value = next_text(at, end)))
        vp_group_add(group, key, value);
    return group;
}

/* One line as QEMU's fgets() would give it to sscanf(); NULL at the end. */
static char *
next_line(const char **at)
{
    gsize size = strcspn(*at, "\n");
    char *line = NULL;

    if (!**at)
        return NULL;
    size = MIN(size + ((*at)[size] == '\n'), VP_CONFIG_LINE_MAX);
    line = g_strndup(*at, size);
    *at += size;
    return line;
}

static void
check_header(const char *line, const VpGroup *group)
{
    char name[VP_CONFIG_NAME_MAX + 1] = "", id[VP_CONFIG_NAME_MAX + 1] = "";

    if (group->id) {
        g_assert_cmpint(sscanf(line, "[%63s \"%63[^\"]\"]", name, id), ==, 2);
        g_assert_cmpstr(id, ==, group->id);
    } else {
        g_assert_cmpint(sscanf(line, "[%63s \"%63[^\"]\"]", name, id), !=, 2);
        g_assert_cmpint(sscanf(line, "[%63[^]]]", name), ==, 1);
    }
    g_assert_cmpstr(name, ==, group->name);
}

static void
check_member(const char *line, const char *key, const char *value)
{
    char found[VP_CONFIG_NAME_MAX + 1] = "", text[VP_CONFIG_LINE_MAX + 1] = "";

    g_assert_true(line[0] != '[' && line[0] != '#' && line[0] != '\n');
    if (sscanf(line, " %63s = \"%1023[^\"]\"", found, text) != 2)
        g_assert_cmpint(sscanf(line, " %63s = \"\"", found), ==, 1);
    g_assert_cmpstr(found, ==, key);
    g_assert_cmpstr(text, ==, value);
}

static void
check_text(const char *text, const GPtrArray *groups)
{
    for (guint i = 0; i < groups->len; i++) {
        const VpGroup *group = groups->pdata[i];
        g_autofree char *header = next_line(&text);

        g_assert_nonnull(header);
        check_header(header, group);
        for (guint k = 0; k < group->keys->len; k++) {
            g_autofree char *line = next_line(&text);

            /* Only the end of a line of full length is left for the next read. */
            if (*text == '\n')
                text++;
            g_assert_nonnull(line);
            check_member(line, group->keys->pdata[k], group->values->pdata[k]);
        }
    }
    g_assert_cmpstr(text, ==, "");
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree char *bytes = g_malloc0(size + 1);
    const char *at = bytes, *end = bytes + size;
    g_autoptr(VpPlan) plan = vp_plan_new();
    g_autoptr(GPtrArray) written = g_ptr_array_new();
    g_autoptr(GString) out = g_string_new(NULL);
    VpGroup *group = NULL;

    if (size > 0)
        memcpy(bytes, data, size); /* @data may be NULL otherwise */
    while ((group = next_group(plan, &at, end))) {
        gsize before = out->len;

        if (vp_config_append_group(out, group, NULL))
            g_ptr_array_add(written, group);
        else
            g_assert_cmpuint(out->len, ==, before);
    }
    check_text(out->str, written);
    return 0;
}
