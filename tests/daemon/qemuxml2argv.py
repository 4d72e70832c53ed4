# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cases of tests/qemuxml2argvdata as guests: started through virtpassd, by libvirtd and the
emulator shim, until QEMU has accepted its command line. What its process has been started with
differs from what it has without the author's elements just as NAME.args says; but there is no
libvirtd that would know where an added device can be, and here it has its place."""

import functools
import json
import re
import unittest

import libvirt

from harness import argvdata
from harness.libvirtd import shared_libvirtd
from harness.virtpassd import Virtpassd, available

# What no QEMU starts with, or what says where sockets are.
NOT_STARTED = {
    "device-unknown": "no QEMU has such a device",
    "modify-comma": "no such option ROM",
    "modify-string": "no such option ROM",
    "modify-list": "one NUMA node",
    "modify-size": "a property of another backend only",
    "session": "the socket's directory is the daemon's",
}


def normal(word):
    """Without what differs from start to start."""
    word = re.sub(r"\bfd=\d+", "fd=N", word.replace(shared_libvirtd().dir, "/DIR"))
    return re.sub(r"/domain-\d+-", "/domain--1-", word)


def running_options(connection, xml):
    domain = connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)
    try:
        words = shared_libvirtd().qemu_words(domain.name())
    finally:
        domain.destroy()
    return argvdata.options([normal(word) for word in words[1:]])


def of_the_command_line(text):
    """Of NAME.args what is about options."""
    kept, keep = [], True
    for line in text.splitlines():
        if not line.startswith(" "):
            keep = line.split()[0] in ("change", "add", "remove")
        if keep:
            kept.append(line)
    return kept


# A device that has a place need not wait for libvirt's to have theirs.
PLACED = {
    "group-netdev": ['add -device {"driver":"e1000","netdev":"n9"}', "  behind -device rng1",
                     "add -readconfig /DIR/c/libvirt/qemu/lib/domain--1-case/virtpass.conf",
                     "  behind -msg timestamp=on"],
    "remove-and-add": ["change -device rng1", '  - "addr": "0x5"', '  + "addr": "0x1e"'],
}

# What tells where a device is.
PLACE = {"bus", "addr", "port", "channel", "scsi-id", "lun", "nr", "unit"}
ADDED = "add -device "


def without_place(line, wanted):
    """An added device without the place that is not in @wanted."""
    if not (line.startswith(ADDED) and wanted.startswith(ADDED + "{")):
        return line
    device, same = (json.loads(text.removeprefix(ADDED)) for text in (line, wanted))
    kept = {key: value for key, value in device.items() if key in same or key not in PLACE}
    if kept == device:
        return line
    return ADDED + json.dumps(kept, separators=(",", ":"))


class Guests(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if not available():
            raise unittest.SkipTest("VIRTPASSD names no program")
        cls.plain = libvirt.open(shared_libvirtd().uri)
        cls.addClassCleanup(cls.plain.close)
        virtpassd = Virtpassd(shared_libvirtd().sock, shared=True, config={"sessions": {
            "dedicated_sessions": "requested"}})
        cls.addClassCleanup(virtpassd.stop)
        virtpassd.start()
        cls.through = libvirt.open(virtpassd.uri)
        cls.addClassCleanup(cls.through.close)

    @classmethod
    @functools.cache
    def generated(cls, xml):
        return running_options(cls.plain, xml)

    def check(self, name):
        xml = argvdata.file(name, "xml").read_text(encoding="utf-8")
        before = self.generated(argvdata.without_our_elements(name))
        lines = list(argvdata.difference(before, running_options(self.through, xml)))
        wanted = PLACED.get(name) or of_the_command_line(
            argvdata.file(name, "args").read_text(encoding="utf-8"))
        if len(lines) == len(wanted):
            lines = [without_place(*pair) for pair in zip(lines, wanted)]
        self.assertEqual(lines, wanted)


def add_tests():
    """One of those that come to the same command line is enough."""
    seen = set()
    for name in argvdata.names():
        wanted = argvdata.file(name, "args")
        text = wanted.read_text(encoding="utf-8") if wanted.exists() else ""
        if name in NOT_STARTED or not text or text in seen:
            continue
        seen.add(text)

        def test(self, name=name):
            self.check(name)

        test.__doc__ = name
        setattr(Guests, f"test_{len(seen):03}", test)


add_tests()
