# SPDX-License-Identifier: LGPL-2.1-or-later
"""What libvirt cannot do without: every option that it writes for a plain guest is taken out, and
every property of one, and its monitor is changed in all the ways that QEMU takes. The guest starts
as libvirt believes it has, or there is an error within seconds. None waits for what never comes."""

import subprocess

import libvirt
import libvirt_qemu

from harness import argvdata, guest, proctree
from harness.real import RealGuests

# A start that fails does so in a fraction of a second; libvirt itself would wait for 600.
SECONDS = 15

VITAL = {"S", "chardev", "mon"}

# For chardev and mon: with each of them QEMU starts, and libvirt waits or understands nothing.
CHANGES = {
    "chardev": ["telnet=on", "websocket=on", "tn3270=on", "backend=null", "fd=9", "id=other",
                "server=off", "logfile=/dev/null"],
    "mon": ["mode=readline", "pretty=on", "chardev=virtpass-qmp", "id=other"],
}


class Vital(RealGuests):
    def setUp(self):
        super().setUp()
        self.connection = libvirt.open(self.libvirtd.uri)
        self.addCleanup(self.connection.close)

    def alter(self, option, actions, occurs=None, match=""):
        which = f" occurs='{occurs}'" if occurs else ""
        return (f"<qemu:commandline><qemu:alter option='{option}'{which}>{match}{actions}"
                "</qemu:alter></qemu:commandline>\n")

    def outcome(self, after, *words):
        """What virsh said of a start, None if it has started."""
        path = self.file(guest.domain("g", after=after))
        try:
            result = self.through("create", path, "--paused", *words, check=False, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            for pid in self.libvirtd.qemu_pids():
                proctree.kill(pid)
            self.fail(f"libvirt waits: {after}")
        return result.stderr if result.returncode else None

    def look_at_guest(self, after):
        """It has started: it is what libvirt says that it is."""
        domain = self.connection.lookupByName("g")
        try:
            status = libvirt_qemu.qemuMonitorCommand(domain, '{"execute":"query-status"}', 0)
            self.assertEqual(domain.state()[0], libvirt.VIR_DOMAIN_PAUSED)
            self.assertIn('"running":false', status, after)
        finally:
            domain.destroy()

    def check(self, option, after):
        said = self.outcome(after)
        if option in VITAL:
            self.assertIsNotNone(said, after)
            self.assertRegex(said, rf"alter 1 \(-{option}, line \d+\), \w+: .*cannot be altered")
        elif said:
            self.assertRegex(said, "qemu-system|unexpectedly closed|virtpass-emulator", after)
        else:
            self.look_at_guest(after)

    def generated(self):
        """[(option, how many of its name there are up to it, value)]"""
        line = self.connection.domainXMLToNative("qemu-argv", guest.domain("g"))
        found, seen = [], {}
        for word, value in argvdata.parse(line)[1]:
            name = word.lstrip("-")
            seen[name] = seen.get(name, 0) + 1
            found.append((name, seen[name], value))
        self.assertGreater(len(found), 15)
        return found

    def take_out_options(self, part):
        for name, number, _ in self.generated()[part::2]:
            with self.subTest(option=name, number=number):
                self.check(name, self.alter(name, "<qemu:remove/>", number))

    def test_even_options_taken_out(self):
        self.take_out_options(0)

    def test_odd_options_taken_out(self):
        self.take_out_options(1)

    def take_out_properties(self, part):
        """Of objects in JSON QEMU itself refuses what is missing."""
        keys = [(name, number, key) for name, number, value in self.generated()
                for key in argvdata.properties(value) if key and not value.startswith("{")]
        self.assertGreater(len(keys), 15)
        for name, number, key in keys[part::2]:
            with self.subTest(option=name, key=key):
                # What libvirt writes for a look at it differs from what it starts.
                key = "fd" if (name, key) == ("chardev", "path") else key
                self.check(name, self.alter(name, f"<qemu:remove key='{key}'/>", number))

    def test_even_properties_taken_out(self):
        self.take_out_properties(0)

    def test_odd_properties_taken_out(self):
        self.take_out_properties(1)

    def test_monitor_changed(self):
        """Refused when the domain is defined, or where it is not known before, at start"""
        for name, changes in CHANGES.items():
            for change in changes:
                with self.subTest(option=name, change=change):
                    modify = f"<qemu:modify>{change}</qemu:modify>"
                    self.check(name, self.alter(name, modify))
                    said = self.outcome(self.alter(name, modify, "first"))
                    self.assertIn("virtpass-emulator: alter 1 ", said)
                    self.assertIn("cannot be altered", said)

    def test_defined(self):
        """By name or by a property, however it is written"""
        for after in (self.alter("mon", "<qemu:remove/>"), self.alter("-S", "<qemu:remove/>"),
                      self.alter("mon", "<qemu:rename>object</qemu:rename>"),
                      self.alter("mon", "<qemu:replace match='.*'>charmonitor</qemu:replace>"),
                      self.alter("incoming", "<qemu:remove/>"),
                      self.alter("chardev", "<qemu:remove/>",
                                 match="<qemu:match key='id'>charmonitor</qemu:match>"),
                      self.alter("chardev", "<qemu:remove/>",
                                 match="<qemu:match>^socket,id=charm</qemu:match>"),
                      self.alter("chardev", "<qemu:remove/>",
                                 match="<qemu:match key='id'>^virtpass-qmp$</qemu:match>")):
            with self.subTest(after):
                result = self.through("define", self.file(guest.domain("g", after=after)),
                                      check=False)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn("cannot be altered", result.stderr)
        self.assertEqual(self.plain("list", "--all", "--name").split(), [])

    def test_words_beside_the_monitor(self):
        self.check("name", self.alter("mon", "<qemu:extra>-no-reboot</qemu:extra>"))
