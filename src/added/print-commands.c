/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Prints docs/monitor-commands.md from the registry. With the name of a file it prints nothing, but
 * holds that file against what it would print: the document says what the program does.
 */

#include "added/registry.h"

#include <stdio.h>
#include <string.h>

static const char introduction[] =
    "# Monitor commands that QEMU has not\n"
    "\n"
    "virtpassd answers these beside QEMU's own, to every client that sends monitor commands to a\n"
    "domain with a dedicated session: `virsh qemu-monitor-command`, bindings, QMP clients.\n"
    "`query-commands` and `query-qmp-schema`, asked through virtpassd, list them. Where the\n"
    "running QEMU has a command of the same name, that one answers. A reply comes in its turn\n"
    "among those to the client's other commands; errors have QEMU's form and classes.\n"
    "\n"
    "What QEMU only tells people is parsed strictly: a line that is not understood is an error\n"
    "that quotes it.\n"
    "\n"
    "This page is made from the program: `print-commands > docs/monitor-commands.md`.\n";

static void
append_fields(GString *out, const char *title, const VpField *fields)
{
    if (!fields || !fields->name)
        return;
    g_string_append_printf(out, "\n%s\n\n| name | type | |\n| --- | --- | --- |\n", title);
    for (const VpField *field = fields; field->name; field++)
        g_string_append_printf(out, "| `%s` | %s%s | %s |\n", field->name, field->type,
                               field->optional ? ", optional" : "", field->text);
}

static void
append_row(GString *out, const VpCommandRow *row)
{
    g_string_append_printf(out, "\n## %s\n\n%s\n", row->name, row->text);
    append_fields(out, "Arguments:", row->arguments);
    append_fields(out, row->result_is_array ? "Returns an array of objects:"
                                            : "Returns an object:", row->result);
}

static void
append_event(GString *out, const VpEventRow *event)
{
    g_string_append_printf(out, "\n## Event %s\n\n%s\n", event->name, event->text);
    append_fields(out, "Data:", event->data);
}

static int
compare(const char *path, const char *expected)
{
    g_autofree char *found = NULL;

    if (!g_file_get_contents(path, &found, NULL, NULL) || strcmp(found, expected) != 0) {
        printf("1..1\nnot ok 1 - %s says what the commands are\n"
               "# make it anew: print-commands > docs/monitor-commands.md\n", path);
        return 1;
    }
    printf("1..1\nok 1 - %s says what the commands are\n", path);
    return 0;
}

int
main(int argc, char **argv)
{
    g_autoptr(GString) out = g_string_new(introduction);

    for (const VpCommandRow *const *row = vp_registry_rows(); *row; row++)
        append_row(out, *row);
    for (const VpEventRow *const *event = vp_registry_events(); *event; event++)
        append_event(out, *event);
    if (argc > 1)
        return compare(argv[1], out->str);
    fputs(out->str, stdout);
    return 0;
}
