/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * "info qdm", the one place where QEMU tells bus, alias, description and category of its device
 * types. Headings "Network devices:", each followed by lines
 *
 *     name "N"[, bus B][, alias "A"][, desc "D"][, no-user]
 *
 * in that order. Descriptions are not escaped; so that one with a quote in it is read too, it ends
 * at the last quote of the line. The format is that of QEMU 2.12 to 11.1. A line of any other form
 * is passed over and reported: what it says of a device is then not known, and nothing is guessed.
 */

#include "probe/qdm.h"

#include <string.h>

#define HEADING_END " devices:"
#define NO_USER ", no-user"

static void
free_device(gpointer data)
{
    VpQdmDevice *device = data;

    g_free(device->name);
    g_free(device->bus);
    g_free(device->alias);
    g_free(device->description);
    g_free(device->category);
    g_free(device);
}

/* Takes @prefix off the front of *at. */
static bool
skip(const char **at, const char *prefix)
{
    if (!g_str_has_prefix(*at, prefix))
        return false;
    *at += strlen(prefix);
    return true;
}

/* What is between @prefix and the first of @ends, which is passed too. NULL: no @prefix there. */
static char *
take(const char **at, const char *prefix, char end)
{
    const char *start = *at;
    const char *stop = NULL;

    if (!skip(&start, prefix))
        return NULL;
    stop = strchr(start, end);
    if (!stop)
        stop = start + strlen(start);
    *at = *stop == '"' ? stop + 1 : stop;
    return g_strndup(start, stop - start);
}

/* The description is what is left, but for the quote that ends it. */
static char *
take_description(const char **at)
{
    const char *start = *at;
    const char *stop = NULL;

    if (!skip(&start, ", desc \""))
        return NULL;
    stop = strrchr(start, '"');
    if (!stop)
        return NULL;
    *at = stop + 1;
    return g_strndup(start, stop - start);
}

/* NULL: @line is no device. */
static VpQdmDevice *
read_device(const char *line)
{
    const char *at = line;
    VpQdmDevice *device = g_new0(VpQdmDevice, 1);

    device->name = take(&at, "name \"", '"');
    device->bus = take(&at, ", bus ", ',');
    device->alias = take(&at, ", alias \"", '"');
    device->description = take_description(&at);
    device->creatable = !skip(&at, NO_USER);
    if (device->name && *device->name && *at == '\0')
        return device;
    free_device(device);
    return NULL;
}

/* The category of a heading, NULL when it is none. */
static char *
read_heading(const char *line)
{
    if (!g_str_has_suffix(line, HEADING_END) || g_str_has_prefix(line, "name \""))
        return NULL;
    return g_strndup(line, strlen(line) - strlen(HEADING_END));
}

/* The first of two devices of one name stays. */
static void
add_device(GHashTable *devices, VpQdmDevice *device, const char *category)
{
    device->category = g_strdup(category);
    if (g_hash_table_contains(devices, device->name))
        free_device(device);
    else
        g_hash_table_insert(devices, device->name, device);
}

GHashTable *
vp_qdm_parse(const char *text, char **ret_line)
{
    g_autoptr(GHashTable) devices = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                                          free_device);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *category = NULL;

    *ret_line = NULL;
    for (char **line = lines; *line; line++) {
        char *heading = read_heading(g_strchomp(*line));
        VpQdmDevice *device = heading ? NULL : read_device(*line);

        if (heading) {
            g_free(category);
            category = heading;
        } else if (device) {
            add_device(devices, device, category);
        } else if (**line && !*ret_line) {
            *ret_line = g_strdup(*line);
        }
    }
    return g_steal_pointer(&devices);
}
