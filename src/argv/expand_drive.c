/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * -drive spelled out: -drive if=none, and the device for it. What a drive is called and where it is
 * when its author does not say is found as drive_new() does (QEMU, blockdev.c), for names can be
 * seen in a monitor. An IDE drive of which he does not say where it is gets a place as other added
 * devices do, so that it is not in the way of libvirt's.
 */

#include "argv/expand_job.h"

#include "argv/device.h"
#include "argv/value.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* What it costs to find one place taken. */
#define PLACE_STEPS 30

typedef VpExpandJob Job;

/* A -drive with what counts for its device. */
typedef struct Drive {
    char *value;  /* its text */
    char *id;
    bool cdrom;
    bool chosen;  /* the author says where it is: */
    guint bus;
    guint unit;
} Drive;

static void
clear_drive(Drive *drive)
{
    g_free(drive->value);
    g_free(drive->id);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Drive, clear_drive)

static char *
drive_get(const Drive *drive, const char *key)
{
    return vp_value_get(vp_option_find("drive"), drive->value, key);
}

static bool
read_number(const Drive *drive, const char *key, guint *ret)
{
    g_autofree char *text = drive_get(drive, key);

    if (text)
        *ret = (guint)MIN(strtoul(text, NULL, 0), G_MAXUINT16);
    return text != NULL;
}

/* Whether nothing else of the author's is there; it is taken then. */
static bool
take_place(VpExpander *expander, const char *interface, guint bus, guint unit)
{
    return g_hash_table_add(expander->drives,
                            g_strdup_printf("%s %u %u", interface, bus, unit));
}

/* Numbers it as drive_new() does. @units: on a bus; 0: there are no buses. */
static bool
number_drive(VpExpander *expander, const char *interface, guint units, Drive *drive,
             GError **error)
{
    guint index = 0;
    bool indexed = read_number(drive, "index", &index);
    bool on_bus = read_number(drive, "bus", &drive->bus);
    bool as_unit = read_number(drive, "unit", &drive->unit);

    drive->chosen = indexed || on_bus || as_unit;
    if (indexed && (on_bus || as_unit))
        return vp_refuse(error, VP_ERROR_XML, "index= cannot be used with bus= and unit=");
    if (indexed) {
        drive->bus = units > 0 ? index / units : 0;
        drive->unit = units > 0 ? index % units : index;
    }
    if (indexed || as_unit)
        return take_place(expander, interface, drive->bus, drive->unit)
               || vp_refuse(error, VP_ERROR_XML, "there is a drive at bus=%u,unit=%u already",
                            drive->bus, drive->unit);
    while (!take_place(expander, interface, drive->bus, drive->unit)) {
        if (!vp_budget_spend(expander->budget, PLACE_STEPS, error))
            return false;
        if (++drive->unit == units) {
            drive->unit = 0;
            drive->bus++;
        }
    }
    return true;
}

/* What QEMU calls it by itself. */
static char *
name_drive(const char *interface, guint units, const Drive *drive)
{
    const char *medium = drive->cdrom ? "-cd" : "-hd";

    if (units == 0)
        return g_strdup_printf("%s%u", interface, drive->unit);
    return g_strdup_printf("%s%u%s%u", interface, drive->bus, medium, drive->unit);
}

/* The -drive that makes no device. */
static bool
add_backend(Job *job, const Drive *drive, GError **error G_GNUC_UNUSED)
{
    static const char *const own[] = { "if", "index", "bus", "unit", "id", NULL };
    g_autofree char *rest = vp_expand_without(vp_option_find("drive"), g_strdup(drive->value), own);

    return vp_expand_add(job, "-drive", vp_expand_join("if=none", "id", drive->id, rest));
}

static bool
read_drive(Job *job, const char *interface, guint units, Drive *drive, GError **error)
{
    g_autofree char *media = drive_get(drive, "media");

    drive->cdrom = g_strcmp0(media, "cdrom") == 0;
    drive->id = drive_get(drive, "id");
    if (!number_drive(job->expander, interface, units, drive, error))
        return false;
    if (!drive->id)
        drive->id = name_drive(interface, units, drive);
    return add_backend(job, drive, error);
}

static bool
expand_virtio(Job *job, Drive *drive, GError **error)
{
    g_autofree char *driver = g_strconcat("virtio-blk", job->machine->suffix, NULL);

    return read_drive(job, "virtio", 0, drive, error)
           && vp_expand_add(job, "-device", vp_expand_join(driver, "drive", drive->id, NULL));
}

/* On the adapter of the machine, where the author says or a place is free. */
static bool
expand_ide(Job *job, Drive *drive, GError **error)
{
    guint units = job->machine->ide_units;
    g_autofree char *place = NULL;

    if (units == 0)
        return true;
    if (!read_drive(job, "ide", units, drive, error))
        return false;
    if (drive->chosen)
        place = g_strdup_printf("bus=ide.%u,unit=%u", drive->bus, drive->unit);
    return vp_expand_add(job, "-device",
               vp_expand_join(drive->cdrom ? "ide-cd" : "ide-hd", "drive", drive->id, place));
}

/* No machine of these has an adapter for it, and none takes it any more. */
static bool
expand_scsi(Job *job, Drive *drive, GError **error)
{
    g_autofree char *media = drive_get(drive, "media");

    return !job->machine->pc
           || vp_refuse(error, VP_ERROR_UNSUPPORTED, "a drive with if=scsi needs an adapter, which "
                        "this machine has not; write -device lsi53c895a,id=ADAPTER, -drive "
                        "if=none,id=DRIVE,... and -device scsi-%s,bus=ADAPTER.0,drive=DRIVE "
                        "instead", g_strcmp0(media, "cdrom") == 0 ? "cd" : "hd");
}

/* It is on the machine's own adapter, with which libvirt's drives would have to share. */
static bool
expand_floppy(Job *job, Drive *drive G_GNUC_UNUSED, GError **error)
{
    return !job->expander->libvirt_floppy
           || vp_refuse(error, VP_ERROR_UNSUPPORTED, "the domain has a floppy drive of libvirt's, "
                        "at which it would be too; write another <disk type='file' "
                        "device='floppy'> instead");
}

static const struct {
    const char *name;
    bool (*expand)(Job *job, Drive *drive, GError **error);
} interfaces[] = {
    { "virtio", expand_virtio },
    { "ide", expand_ide },
    { "scsi", expand_scsi },
    { "floppy", expand_floppy },
};

static bool
expand_drive_text(Job *job, Drive *drive, GError **error)
{
    g_autofree char *named = drive_get(drive, "if");
    const char *interface = named ? named : job->machine->block;

    for (gsize i = 0; i < G_N_ELEMENTS(interfaces); i++) {
        if (strcmp(interfaces[i].name, interface) == 0)
            return interfaces[i].expand(job, drive, error);
    }
    return true;
}

bool
vp_expand_drive(Job *job, GError **error)
{
    g_auto(Drive) drive = { .value = g_strdup(job->option->value) };

    return expand_drive_text(job, &drive, error);
}

/* Options that name a file only. */
static const struct {
    const char *option;
    const char *drive;
} files[] = {
    { "hda", "index=0,media=disk" },   { "hdb", "index=1,media=disk" },
    { "hdc", "index=2,media=disk" },   { "hdd", "index=3,media=disk" },
    { "cdrom", "index=2,media=cdrom" },
    { "fda", "if=floppy,index=0" },    { "fdb", "if=floppy,index=1" },
};

bool
vp_expand_file(Job *job, GError **error)
{
    g_auto(Drive) drive = { 0 };

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        if (strcmp(files[i].option, job->option->row->name) == 0)
            drive.value = vp_expand_join(files[i].drive, "file", job->option->value, NULL);
    }
    return expand_drive_text(job, &drive, error);
}
