/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * QEMU's options: which there are, which take a value, and how that is written.
 *
 * Whether a word is an option's value is decided by this table and by nothing else: QEMU takes
 * whatever follows an option that has an argument, also a word with a leading dash. The names and
 * arguments are those of qemu-options.hx from 7.2 to 11.1, for all targets (each binary knows all
 * of them and refuses those of other targets), options that were removed meanwhile included. The
 * syntaxes are what system/vl.c does with the argument; where releases differ the table has the
 * one that reads what both write. tests/argv/options.py holds the table against the QEMU that
 * is installed.
 *
 * -netdev is QemuOpts or, for the types "stream" and "dgram", keyval; the keys of these have dots
 * in them, but no QemuOpts key of the other types has, so that one row serves.
 */

#include "argv/options.h"

#include <stdlib.h>
#include <string.h>

#define JSON true
#define TEXT false

#define NONE(NAME) { NAME, VP_SYNTAX_NONE, NULL, TEXT, NULL, NULL }
#define PLAIN(NAME) { NAME, VP_SYNTAX_PLAIN, NULL, TEXT, NULL, NULL }
#define KEYS(NAME, SYNTAX, IMPLIED, ALSO, GROUP, ID) \
    { NAME, VP_SYNTAX_##SYNTAX, IMPLIED, ALSO, GROUP, ID }

/* In the order of strcmp(). */
static const VpOptionRow rows[] = {
    PLAIN("D"),
    PLAIN("L"),
    KEYS("M", KEYVAL, "type", TEXT, "machine", NULL),
    NONE("S"),
    KEYS("accel", OPTS, "accel", TEXT, "accel", NULL),
    KEYS("acpitable", OPTS, "data", TEXT, "acpi", NULL),
    KEYS("action", OPTS, NULL, TEXT, "action", NULL),
    KEYS("add-fd", OPTS, NULL, TEXT, "add-fd", NULL),
    PLAIN("append"),
    NONE("async-teardown"),
    KEYS("audio", KEYVAL, "driver", TEXT, NULL, NULL),
    NONE("audio-help"),
    KEYS("audiodev", KEYVAL, "driver", JSON, NULL, "id"),
    PLAIN("bios"),
    KEYS("blockdev", KEYVAL, "driver", JSON, NULL, "node-name"),
    KEYS("boot", KEYVAL, "order", TEXT, "boot-opts", NULL),
    PLAIN("cdrom"),
    KEYS("chardev", OPTS, "backend", TEXT, "chardev", "id"),
    PLAIN("chroot"),
    KEYS("compat", KEYVAL, NULL, JSON, NULL, NULL),
    KEYS("cpu", CPU, "type", TEXT, NULL, NULL),
    PLAIN("d"),
    NONE("daemonize"),
    PLAIN("debugcon"),
    KEYS("device", OPTS, "driver", JSON, "device", "id"),
    PLAIN("dfilter"),
    KEYS("display", KEYVAL, "type", JSON, NULL, NULL),
    KEYS("drive", OPTS, NULL, TEXT, "drive", "id"),
    PLAIN("dtb"),
    PLAIN("dump-vmstate"),
    PLAIN("echr"),
    NONE("enable-kvm"),
    NONE("enable-sync-profile"),
    PLAIN("fda"),
    PLAIN("fdb"),
    KEYS("fsdev", OPTS, "fsdriver", TEXT, "fsdev", "id"),
    NONE("full-screen"),
    KEYS("fw_cfg", OPTS, "name", TEXT, "fw_cfg", "name"),
    PLAIN("g"),
    PLAIN("gdb"),
    KEYS("global", GLOBAL, NULL, TEXT, "global", NULL),
    NONE("h"),
    PLAIN("hda"),
    PLAIN("hdb"),
    PLAIN("hdc"),
    PLAIN("hdd"),
    NONE("help"),
    KEYS("icount", OPTS, "shift", TEXT, "icount", NULL),
    KEYS("incoming", PLAIN, NULL, JSON, NULL, NULL),
    PLAIN("initrd"),
    KEYS("iscsi", OPTS, NULL, TEXT, "iscsi", "id"),
    NONE("jitdump"),
    PLAIN("k"),
    PLAIN("kernel"),
    PLAIN("loadvm"),
    KEYS("m", OPTS, "size", TEXT, "memory", NULL),
    KEYS("machine", KEYVAL, "type", TEXT, "machine", NULL),
    PLAIN("mem-path"),
    NONE("mem-prealloc"),
    KEYS("mon", OPTS, "chardev", TEXT, "mon", "id"),
    PLAIN("monitor"),
    KEYS("msg", OPTS, NULL, TEXT, "msg", NULL),
    PLAIN("mtdblock"),
    KEYS("name", OPTS, "guest", TEXT, "name", NULL),
    KEYS("net", OPTS, "type", TEXT, "net", "id"),
    KEYS("netdev", OPTS, "type", JSON, "netdev", "id"),
    KEYS("nic", OPTS, "type", TEXT, "nic", "id"),
    NONE("no-acpi"),
    NONE("no-fd-bootchk"),
    NONE("no-hpet"),
    NONE("no-reboot"),
    NONE("no-shutdown"),
    NONE("no-user-config"),
    NONE("nodefaults"),
    NONE("nographic"),
    KEYS("numa", OPTS, "type", TEXT, "numa", NULL),
    KEYS("object", KEYVAL, "qom-type", JSON, "object", "id"),
    NONE("old-param"),
    NONE("only-migratable"),
    KEYS("option-rom", OPTS, "romfile", TEXT, "option-rom", NULL),
    KEYS("overcommit", OPTS, NULL, TEXT, "overcommit", NULL),
    PLAIN("parallel"),
    NONE("perfmap"),
    PLAIN("pflash"),
    PLAIN("pidfile"),
    KEYS("plugin", OPTS, "file", TEXT, "plugin", NULL),
    NONE("portrait"),
    NONE("preconfig"),
    PLAIN("prom-env"),
    PLAIN("qmp"),
    PLAIN("qmp-pretty"),
    PLAIN("qtest"),
    PLAIN("qtest-log"),
    PLAIN("readconfig"),
    PLAIN("rotate"),
    KEYS("rtc", OPTS, NULL, TEXT, "rtc", NULL),
    KEYS("run-with", OPTS, NULL, TEXT, "run-with", NULL),
    PLAIN("runas"),
    NONE("s"),
    KEYS("sandbox", OPTS, "enable", TEXT, "sandbox", NULL),
    PLAIN("sd"),
    PLAIN("seed"),
    NONE("semihosting"),
    KEYS("semihosting-config", OPTS, "enable", TEXT, "semihosting-config", NULL),
    PLAIN("serial"),
    PLAIN("set"),
    PLAIN("shim"),
    NONE("singlestep"),
    KEYS("smbios", OPTS, NULL, TEXT, "smbios", NULL),
    KEYS("smp", KEYVAL, "cpus", TEXT, "smp-opts", NULL),
    NONE("snapshot"),
    KEYS("spice", OPTS, NULL, TEXT, "spice", NULL),
    KEYS("tpmdev", OPTS, "type", TEXT, "tpmdev", "id"),
    KEYS("trace", OPTS, "enable", TEXT, "trace", NULL),
    NONE("usb"),
    PLAIN("usbdevice"),
    PLAIN("uuid"),
    NONE("version"),
    PLAIN("vga"),
    KEYS("virtfs", OPTS, "fsdriver", TEXT, "virtfs", "id"),
    KEYS("vnc", OPTS, "vnc", TEXT, "vnc", "id"),
    PLAIN("watchdog-action"),
    NONE("win2k-hack"),
    NONE("xen-attach"),
    PLAIN("xen-domid"),
    NONE("xen-domid-restrict"),
};

static int
compare_name(gconstpointer name, gconstpointer row)
{
    return strcmp(name, ((const VpOptionRow *)row)->name);
}

const VpOptionRow *
vp_option_find(const char *name)
{
    return bsearch(name, rows, G_N_ELEMENTS(rows), sizeof(rows[0]), compare_name);
}

const VpOptionRow *
vp_option_rows(gsize *ret_n)
{
    *ret_n = G_N_ELEMENTS(rows);
    return rows;
}
