/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Names of descriptors, private to a client.
 *
 * getfd gives a descriptor a name that lives in the monitor, and other commands take it from there
 * by that name. Our clients share one monitor; so that each finds its own names only, a prefix goes
 * in front wherever a name can stand. The places are a table: QEMU looks a name up where a property
 * is documented to take one, and in every socket address of type "fd". Text in the human
 * monitor's syntax is no such place: it has a monitor, and so names, of its own for each line.
 */

#include "qmp_server/names.h"

#include "base/limits.h"
#include "json/members.h"
#include "json/text.h"

#include <string.h>

/* How a name is written. */
typedef enum Form {
    NAME,    /* "NAME" */
    LIST,    /* "NAME:NAME:..." */
    URI,     /* "fd:NAME"; other schemes have none */
    ADDRESS, /* in {"type": "fd", "str": "NAME"}, or {"type": "fd", "data": {"str": "NAME"}},
              * anywhere below the arguments */
} Form;

/* Where they stand. @key: of the arguments. */
static const struct {
    const char *command;
    const char *key;
    Form form;
} places[] = {
    { "getfd", "fdname", NAME },
    { "closefd", "fdname", NAME },
    { "add_client", "fdname", NAME },
    { "netdev_add", "fd", NAME },
    { "netdev_add", "fds", LIST },
    { "netdev_add", "vhostfd", NAME },
    { "netdev_add", "vhostfds", LIST },
    { "netdev_add", NULL, ADDRESS },
    { "device_add", "fd", NAME },      /* vfio-pci, x-pci-proxy-dev */
    { "device_add", "vhostfd", NAME }, /* vhost-vsock, vhost-scsi */
    { "object-add", "fd", NAME },      /* iommufd, x-remote-object */
    { "migrate", "uri", URI },
    { "migrate", NULL, ADDRESS },
    { "migrate-incoming", "uri", URI },
    { "migrate-incoming", NULL, ADDRESS },
    { "migrate-recover", "uri", URI },
    { "dump-guest-memory", "protocol", URI },
    { "chardev-add", NULL, ADDRESS },
    { "chardev-change", NULL, ADDRESS },
    { "nbd-server-start", NULL, ADDRESS },
    { "blockdev-add", NULL, ADDRESS },
    { "blockdev-reopen", NULL, ADDRESS },
    { "display-update", NULL, ADDRESS },
};

#define URI_SCHEME "fd:"

/* What a search works with. */
typedef struct Search {
    const char *prefix;
    GArray **edits;
    GPtrArray **names;
} Search;

static void
clear_edit(gpointer edit)
{
    g_free(((VpQmpEdit *)edit)->text);
}

void
vp_qmp_edits_add(GArray **edits, VpJsonSlice where, char *text)
{
    VpQmpEdit edit = { where, text };

    if (!*edits) {
        *edits = g_array_new(FALSE, FALSE, sizeof(VpQmpEdit));
        g_array_set_clear_func(*edits, clear_edit);
    }
    g_array_append_val(*edits, edit);
}

static int
compare_edits(gconstpointer a, gconstpointer b)
{
    const VpQmpEdit *one = a, *other = b;

    return one->where.text < other->where.text ? -1 : 1;
}

GString *
vp_qmp_edits_apply(GArray *edits, VpJsonSlice text)
{
    GString *out = g_string_sized_new(text.size + 64 * edits->len);
    const char *at = text.text;

    g_array_sort(edits, compare_edits);
    for (guint i = 0; i < edits->len; i++) {
        const VpQmpEdit *edit = &g_array_index(edits, VpQmpEdit, i);

        g_string_append_len(out, at, edit->where.text - at);
        g_string_append(out, edit->text);
        at = edit->where.text + edit->where.size;
    }
    g_string_append_len(out, at, text.text + text.size - at);
    return out;
}

static void
add_name(const Search *search, const char *name)
{
    if (!*search->names)
        *search->names = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(*search->names, g_strconcat(search->prefix, name, NULL));
}

/* Appends @name as it is for the client. Whether it is another now. */
static bool
append_private(const Search *search, GString *out, const char *name)
{
    bool private = !g_ascii_isdigit(*name);

    if (private) {
        add_name(search, name);
        g_string_append(out, search->prefix);
    }
    g_string_append(out, name);
    return private;
}

static bool
append_list(const Search *search, GString *out, const char *text)
{
    g_auto(GStrv) names = g_strsplit(text, ":", VP_QMP_LIST_MAX + 1);
    bool any = false;

    for (guint i = 0; names[i] && i < VP_QMP_LIST_MAX; i++) {
        if (i > 0)
            g_string_append_c(out, ':');
        any |= append_private(search, out, names[i]);
    }
    return any;
}

/* The string @value, which holds names in @form, is to be replaced, but not if all are numbers. */
static void
replace(const Search *search, VpJsonSlice value, Form form)
{
    g_autofree char *text = value.text ? vp_json_decode_string(value.text, value.size) : NULL;
    g_autoptr(GString) with = g_string_new(NULL);
    g_autoptr(GString) quoted = g_string_new(NULL);
    bool changed = false;

    if (!text || (form == URI && !g_str_has_prefix(text, URI_SCHEME)))
        return;
    if (form == LIST) {
        changed = append_list(search, with, text);
    } else if (form == URI) {
        g_string_append(with, URI_SCHEME);
        changed = append_private(search, with, text + strlen(URI_SCHEME));
    } else {
        changed = append_private(search, with, text);
    }
    if (!changed)
        return;
    vp_json_append_quoted(quoted, with->str);
    vp_qmp_edits_add(search->edits, value, g_string_free(g_steal_pointer(&quoted), FALSE));
}

/* All socket addresses in @value, an object or an array. */
static void
search_addresses(const Search *search, VpJsonSlice value, guint depth)
{
    VpJsonItems items;
    VpJsonItem item;

    if (!value.text || (*value.text != '{' && *value.text != '[') ||
        depth > VP_QMP_NAMES_DEPTH_MAX)
        return;
    if (*value.text == '{' && vp_json_string_is(vp_json_member(value, "type"), "fd")) {
        replace(search, vp_json_member(value, "str"), NAME);
        replace(search, vp_json_member(vp_json_member(value, "data"), "str"), NAME);
        return;
    }
    vp_json_items_init(&items, value.text, value.size);
    while (vp_json_items_next(&items, &item) == VP_JSON_ITEM)
        search_addresses(search, item.value, depth + 1);
}

void
vp_qmp_names_find(VpJsonSlice command, VpJsonSlice arguments, const char *prefix, GArray **edits,
                  GPtrArray **names)
{
    Search search = { prefix, edits, names };

    if (!command.text || !arguments.text)
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        if (!vp_json_string_is(command, places[i].command))
            continue;
        if (places[i].form == ADDRESS)
            search_addresses(&search, arguments, 0);
        else
            replace(&search, vp_json_member(arguments, places[i].key), places[i].form);
    }
}
