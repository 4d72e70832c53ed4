#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The units and the AppArmor profile, as systemd and AppArmor read them: neither has to run."""

import json
import os
import pathlib
import re
import shutil
import tempfile
import unittest

from harness.process import run

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"

# Tenths of what "systemd-analyze security" gives to a unit without any protection, 100. The
# unit as it was written had 8.7.
EXPOSURE_MAX = 35

# What profiles include, of the package apparmor.
INCLUDED = "/etc/apparmor.d/abstractions"


class Units(unittest.TestCase):
    def setUp(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not there")
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = pathlib.Path(directory.name)
        for path in [*DATA.glob("*.socket"), *DATA.glob("*.service.in")]:
            text = path.read_text(encoding="utf-8")
            # An ExecStart= has to be there.
            text = text.replace("@sbindir@/virtpassd", "/bin/true").replace("@bindir@", "/usr/bin")
            self.unit(path.name.removesuffix(".in")).write_text(text, encoding="utf-8")

    def unit(self, name):
        return self.dir / name

    def exposure(self, *options):
        return run(["systemd-analyze", "security", "--no-pager", "--offline=true", *options,
                    str(self.unit("virtpassd.service"))])

    def test_exposure(self):
        result = self.exposure(f"--threshold={EXPOSURE_MAX}")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_that_is_measured(self):
        """One protection less, and it shows"""
        unit = self.unit("virtpassd.service")
        text = unit.read_text(encoding="utf-8")
        figures = []
        for without in ("", "CapabilityBoundingSet=", "SystemCallFilter="):
            lines = [line for line in text.splitlines() if not (without and
                                                                line.startswith(without))]
            unit.write_text("\n".join(lines) + "\n", encoding="utf-8")
            rows = json.loads(self.exposure("--json=short").stdout)
            figures.append(sum(float(row["exposure"] or 0) for row in rows))
        self.assertGreater(figures[1], figures[0])
        self.assertGreater(figures[2], figures[0])

    def test_systemd_understands_them(self):
        """A key that is misspelt is ignored by systemd, but not in silence"""
        result = run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                      *map(str, sorted(self.dir.iterdir()))])
        said = [line for line in result.stderr.splitlines() if "virtpassd" in line]
        self.assertEqual(said, [])


class Profile(unittest.TestCase):
    def test_apparmor_understands_it(self):
        if not shutil.which("apparmor_parser") or not os.path.exists(INCLUDED):
            self.skipTest("apparmor_parser or what profiles include is not there")
        text = (DATA / "apparmor-virtpassd.in").read_text(encoding="utf-8")
        for key, value in (("@sbindir@", "/usr/sbin"), ("@bindir@", "/usr/bin"),
                           ("@sysconfdir@", "/etc")):
            text = text.replace(key, value)
        result = run(["apparmor_parser", "--skip-kernel-load", "--skip-cache"], stdin=text)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_capabilities_are_the_unit_s(self):
        """But for dac_read_search, which the kernel tries before dac_override, and those that are
        to be had only in namespaces of one's own"""
        unit = (DATA / "virtpassd.service.in").read_text(encoding="utf-8")
        bounds = re.search("^CapabilityBoundingSet=(.*)$", unit, re.M)[1].lower().split()
        profile = (DATA / "apparmor-virtpassd.in").read_text(encoding="utf-8")
        allowed = re.findall("^  capability ([a-z_]+),$", profile, re.M)
        inside = {"setpcap", "sys_admin", "sys_chroot"}
        self.assertEqual(set(allowed) - {"dac_read_search"} - inside,
                         {name.removeprefix("cap_") for name in bounds})
