# SPDX-License-Identifier: LGPL-2.1-or-later
"""The AppArmor rules that are shipped, as apparmor_parser understands them. No kernel is needed."""

import os
import pathlib
import re
import shutil
import unittest

from harness import guest, leaks
from harness.process import run

RULES = pathlib.Path(__file__).resolve().parent.parent.parent / "data/apparmor-libvirt-qemu"

# libvirt's own template, and of its abstraction the line that reads ours.
PROFILE = """\
profile libvirt-{uuid} flags=(attach_disconnected) {{
  include <abstractions/libvirt-qemu>
}}
"""
ABSTRACTION = "include if exists <abstractions/libvirt-qemu.d>\n"


class Rules(unittest.TestCase):
    def setUp(self):
        if not shutil.which("apparmor_parser"):
            self.skipTest("there is no apparmor_parser")
        self.dir = pathlib.Path(leaks.root(), "aa")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        rules = self.dir / "abstractions/libvirt-qemu.d"
        rules.mkdir(parents=True)
        shutil.copy(RULES, rules / "virtpassd")
        (self.dir / "abstractions/libvirt-qemu").write_text(ABSTRACTION, encoding="ascii")

    def allowed(self, name):
        """{path: access} of the guest's profile as it is compiled."""
        file = self.dir / name
        file.write_text(PROFILE.format(uuid=guest.uuid(name)), encoding="ascii")
        result = run(["apparmor_parser", "-b", str(self.dir), "-Q", "-K", "-d", "-d", str(file)])
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = re.findall(r"^Mode:\t(\S+)\s+Name:\t\((.*)\)$", result.stdout, re.M)
        return {path: mode for mode, path in lines}

    def test_each_guest_has_its_own_socket(self):
        one, other = self.allowed("one"), self.allowed("other")
        own = "/var/lib/libvirt/qemu/virtpass-libvirt-" + guest.uuid("one")
        others = "/var/lib/libvirt/qemu/virtpass-libvirt-" + guest.uuid("other")
        self.assertEqual([path for path in one if "/qemu/" in path], [own])
        self.assertEqual([path for path in other if "/qemu/" in path], [others])
        self.assertTrue(one[own].startswith("rw"))

    def test_nothing_is_wild(self):
        """No rule is a pattern, which could mean another guest's files"""
        for path in self.allowed("one"):
            self.assertNotRegex(path, r"[*?\[\]{}]", os.fspath(RULES))
