# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every group of QEMU's configuration file that virtpassd passes on has its effect in a guest of
libvirt's, also where libvirt writes the same option: what the guest is, not what QEMU accepts.
Those that would have none are refused, with an alteration that has it."""

import contextlib
import json
import os
import pathlib
import re
import time
import unittest

import libvirt
import libvirt_qemu

from harness import guest
from harness.compare import remove_objects
from harness.libvirtd import shared_libvirtd
from harness.virtpassd import Virtpassd, available

GROUPS = pathlib.Path(__file__).resolve().parents[2] / "src/argv/groups.c"

# With a module that may not be installed, and what QEMU says then.
MODULES = {"spice": "There is no option group 'spice'"}

# Nothing of it is seen without a target of that kind and a module for it.
NOT_TRIED = {"iscsi"}

# A descriptor that the emulator has.
DESCRIPTOR = 9


def group(name, values, id=None):
    keys = "".join(f"<{key}>{value}</{key}>" for key, value in values.items())
    return f"<qemu:{name}" + (f" id='{id}'" if id else "") + f">{keys}</qemu:{name}>\n"


def alter(option, modify):
    return (f"<qemu:commandline><qemu:alter option='{option}'><qemu:modify>{modify}</qemu:modify>"
            "</qemu:alter></qemu:commandline>\n")


class Running:
    """A guest that has been started, and what can be seen of it."""

    def __init__(self, libvirtd, domain):
        self.libvirtd = libvirtd
        self.domain = domain

    def qmp(self, command, **arguments):
        text = json.dumps({"execute": command, "arguments": arguments})
        reply = json.loads(libvirt_qemu.qemuMonitorCommand(self.domain, text, 0))
        return reply["return"]

    def hmp(self, line):
        return libvirt_qemu.qemuMonitorCommand(self.domain, line, 1)

    def machine(self, name):
        return self.qmp("qom-get", path="/machine", property=name)

    def proc(self, *parts):
        pid = self.libvirtd.qemu_pid("g")
        return pathlib.Path("/proc", str(pid), *parts)

    def threads(self):
        return {(task / "comm").read_text().strip() for task in self.proc("task").iterdir()}

    def seccomp(self):
        return re.search(r"^Seccomp:\s*(\d)", self.proc("status").read_text(), re.M)[1]

    def bytes_of_fw_cfg(self, key, size):
        self.hmp(f"o/h 0x510 {key:#x}")
        return bytes(int(self.hmp("i/xb 0x511").split("=")[1], 16) for _ in range(size))

    def fw_cfg_file(self, wanted):
        """What the firmware reads: the directory is item 0x19."""
        number = int.from_bytes(self.bytes_of_fw_cfg(0x19, 4), "big")
        entries = self.bytes_of_fw_cfg(0x19, 4 + 64 * number)[4:]
        for entry in (entries[at:at + 64] for at in range(0, len(entries), 64)):
            if entry[8:].rstrip(b"\0").decode() == wanted:
                return self.bytes_of_fw_cfg(int.from_bytes(entry[4:6], "big"),
                                            int.from_bytes(entry[:4], "big"))
        return None

    def ends_with_reset(self):
        self.hmp("system_reset")
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            try:
                self.domain.state()
            except libvirt.libvirtError:
                return True
            time.sleep(0.05)
        return False

    def block_devices(self):
        return {row["device"] for row in self.qmp("query-block")}

    def objects(self):
        return {row["name"] for row in self.qmp("qom-list", path="/objects")}


CELLS = ("<cpu><numa><cell id='0' cpus='0' memory='32' unit='MiB'/></numa></cpu>\n")
NO_S3 = "<pm><suspend-to-mem enabled='no'/></pm>\n"
P9 = ("<qemu:commandline><qemu:arg value='-device'/><qemu:arg value="
      "'virtio-9p-pci,fsdev=fs9,mount_tag=t,id=p9'/></qemu:commandline>\n")


def rows(path):
    """{name: [(elements, what to look at, what it is with them, more of the domain)]}. What it is
    without them is something else."""
    device = group("device", {"driver": "virtio-rng-pci"}, "r9")
    monitor = group("chardev", {"backend": "socket", "path": path("m"), "server": "on",
                                "wait": "off"}, "c9")
    spice = ("<graphics type='spice'><listen type='socket' socket='" + path("w") + "'/></graphics>"
             "<video><model type='vga'/></video>\n")
    return {
        "action": [(group("action", {"reboot": "shutdown"}), Running.ends_with_reset, True, {})],
        "add-fd": [(group("add-fd", {"fd": DESCRIPTOR, "set": 9}),
                    lambda g: [s["fdset-id"] for s in g.qmp("query-fdsets")], [9], {})],
        "boot-opts": [(group("boot-opts", {"menu": "on"}),
                       lambda g: g.machine("boot").get("menu"), True, {}),
                      (group("boot-opts", {"strict": "off"}),
                       lambda g: g.machine("boot")["strict"], False, {})],
        "chardev": [(group("chardev", {"backend": "null"}, "c9"),
                     lambda g: "c9: filename=null" in g.hmp("info chardev"), True, {})],
        "drive": [(group("drive", {"if": "none", "file": "null-co://", "format": "raw"}, "d9"),
                   lambda g: "d9" in g.block_devices(), True, {})],
        "fsdev": [(group("fsdev", {"fsdriver": "local", "path": "/tmp",
                                   "security_model": "none"}, "fs9") + P9,
                   lambda g: "fsdev = \"fs9\"" in g.hmp("info qtree"), True, {})],
        "fw_cfg": [(group("fw_cfg", {"name": "opt/org.example/x", "string": "said"}),
                    lambda g: g.fw_cfg_file("opt/org.example/x"), b"said", {})],
        "global": [(group("global", {"driver": "virtio-rng-pci", "property": "max-bytes",
                                     "value": 77}) + device,
                    lambda g: "max-bytes = 77 " in g.hmp("info qtree"), True, {}),
                   (group("global", {"driver": "PIIX4_PM", "property": "disable_s3", "value": 0}),
                    lambda g: "disable_s3 = 0 " in g.hmp("info qtree"), True,
                    {"before": NO_S3})],
        "icount": [(group("icount", {"shift": 3}), lambda g: "ALL CPUs/TCG" in g.threads(), True,
                    {})],
        "machine": [(group("machine", {"graphics": "off"}), lambda g: g.machine("graphics"),
                     False, {}),
                    (group("machine", {"dump-guest-core": "on"}),
                     lambda g: g.machine("dump-guest-core"), True, {})],
        "memory": [(group("memory", {"maxmem": "1G", "slots": 2}),
                    lambda g: g.machine("memory").get("slots"), 2, {})],
        "mon": [(monitor + group("mon", {"chardev": "c9", "mode": "readline"}),
                 lambda g: os.path.exists(path("m")) and "c9" in g.hmp("info chardev"), True, {})],
        "name": [(group("name", {"process": "other"}),
                  lambda g: g.proc("comm").read_text(), "other\n", {}),
                 (group("name", {"guest": "other"}), lambda g: g.hmp("info name").strip(),
                  "other", {}),
                 (group("name", {"debug-threads": "off"}),
                  lambda g: "CPU 0/TCG" in g.threads(), False, {})],
        "net": [(group("net", {"type": "user"}),
                 lambda g: "type=user" in g.hmp("info network"), True, {})],
        "netdev": [(group("netdev", {"type": "user"}, "n9"),
                    lambda g: "n9: index=0,type=user" in g.hmp("info network"), True, {})],
        "nic": [(group("nic", {"model": "e1000"}),
                 lambda g: "model=e1000" in g.hmp("info network"), True, {})],
        "numa": [(group("numa", {"type": "node", "nodeid": 1}),
                  lambda g: g.hmp("info numa").split()[0], "2", {"before": CELLS})],
        "object": [(group("object", {"qom-type": "rng-builtin"}, "o9"),
                    lambda g: "o9" in g.objects(), True, {})],
        "rtc": [(group("rtc", {"base": "2001-02-03T04:05:06"}),
                 lambda g: g.machine("rtc-time")["tm_year"], 101, {})],
        "smp-opts": [(group("smp-opts", {"maxcpus": 4, "sockets": 4}),
                      lambda g: len(g.qmp("query-hotpluggable-cpus")), 4, {})],
        "spice": [(group("spice", {"port": 5999}), lambda g: ":5999" in g.hmp("info spice"), True,
                   {"devices": spice})],
        "vnc": [(group("vnc", {"vnc": "unix:" + path("v")}, "v9"),
                 lambda g: "v9" in [row["id"] for row in g.qmp("query-vnc-servers")], True,
                 {"devices": guest.vnc(path("w"))})],
    }


# Libvirt always writes them, and QEMU does not act on a second one; (values, what to modify, look,
# what it is with the alteration).
REFUSED = {
    "accel": ({"accel": "tcg", "thread": "single"}, "accel=tcg,thread=single",
              lambda g: "ALL CPUs/TCG" in g.threads(), True),
    "sandbox": ({"enable": "off"}, "enable=off", Running.seccomp, "0"),
}

# What QEMU itself refuses, naming it, has been acted on as well; (elements, what it says).
ENDS = {
    "tpmdev": (group("tpmdev", {"type": "passthrough", "path": "/none"}, "t9"),
               "Cannot access TPM device using '/none'"),
}


class Groups(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not available():
            raise unittest.SkipTest("VIRTPASSD names no program")
        cls.libvirtd = shared_libvirtd()
        cls.virtpassd = Virtpassd(cls.libvirtd.sock, shared=True)
        cls.addClassCleanup(cls.virtpassd.stop)
        cls.virtpassd.start()
        cls.connection = libvirt.open(cls.virtpassd.uri)
        cls.addClassCleanup(cls.connection.close)
        text = GROUPS.read_text(encoding="utf-8")
        cls.table = dict(re.findall(r'\{ "([\w-]+)", VP_GROUP_(\w+), ', text))
        cls.emulator = cls.virtpassd.path("qemu")
        with open(cls.emulator, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\nexec {DESCRIPTOR}</dev/null\nexec {guest.EMULATOR} \"$@\"\n")
        os.chmod(cls.emulator, 0o755)

    def setUp(self):
        self.addCleanup(remove_objects, self.libvirtd)

    @contextlib.contextmanager
    def started(self, after, **more):
        xml = guest.domain("g", after=after, **more)
        if "add-fd" in after:
            xml = xml.replace(f">{guest.EMULATOR}<", f">{self.emulator}<")
        domain = self.connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)
        try:
            yield Running(self.libvirtd, domain)
        finally:
            with contextlib.suppress(libvirt.libvirtError):
                domain.destroy()

    def error_of(self, after):
        with self.assertRaises(libvirt.libvirtError) as caught:
            with self.started(after):
                pass
        return str(caught.exception)

    def test_each_is_tried(self):
        passed_on = {name for name, way in self.table.items() if way == "CONFIG"}
        self.assertEqual(passed_on, set(rows(str)) | set(ENDS) | NOT_TRIED)
        written = {name for name, way in self.table.items() if way == "WRITTEN"}
        self.assertEqual(written, set(REFUSED))

    def check(self, name):
        for elements, look, expected, more in rows(self.virtpassd.path)[name]:
            without = "".join(re.findall(r"<qemu:device.*?</qemu:device>", elements))
            with self.started(without, **more) as running:
                self.assertNotEqual(look(running), expected)
            try:
                with self.started(elements, **more) as running:
                    self.assertEqual(look(running), expected)
            except libvirt.libvirtError as error:
                if name not in MODULES or MODULES[name] not in str(error):
                    raise
                self.skipTest(f"{name}: its module is not installed")

    def test_what_ends_qemu(self):
        for name, (elements, sentence) in ENDS.items():
            with self.subTest(name):
                self.assertIn(sentence, self.error_of(elements))

    def test_refused(self):
        for name, (values, modify, look, expected) in REFUSED.items():
            with self.subTest(name):
                said = self.error_of(group(name, values))
                self.assertIn(f"<qemu:{name}> in line ", said)
                self.assertIn(f"use <qemu:alter option='{name}'><qemu:modify>{modify}"
                              "</qemu:modify></qemu:alter>", said)
                with self.started("") as running:
                    self.assertNotEqual(look(running), expected)
                with self.started(alter(name, modify)) as running:
                    self.assertEqual(look(running), expected)


def add_tests():
    for name in rows(str):
        def test(self, name=name):
            self.check(name)

        test.__doc__ = f"the effect of {name}"
        setattr(Groups, "test_" + name.replace("-", "_"), test)


add_tests()
