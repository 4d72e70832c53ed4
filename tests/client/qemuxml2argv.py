# SPDX-License-Identifier: LGPL-2.1-or-later
"""From domain XML to QEMU's command line, without a guest: the cases of tests/qemuxml2argvdata.

The document is translated and altered by virtpass; what lies between, the command line of a
document in upstream form, is the installed libvirt's. harness/argvdata.py has what the files
mean.
"""

import functools
import re
import unittest

import libvirt

from harness import argvdata, guest
from harness.libvirtd import shared_libvirtd
from harness.virtpassd import virtpass

# Is not there, and libvirt would ask it what it can do.
SHIM = "/shim/virtpass-emulator"
TRANSLATE = ("xml", "translate", "--sessions=requested", "--session-dir=/run/s", f"--shim={SHIM}")


class Refused(Exception):
    """With the message behind "error: "."""


@functools.cache
def connection():
    connected = libvirt.open(shared_libvirtd().uri)
    unittest.addModuleCleanup(connected.close)
    return connected


def tool(*args, stdin=None):
    result = virtpass(*args, stdin=stdin, env=shared_libvirtd().environment)
    if result.returncode != 0:
        raise Refused(result.stderr.removeprefix("error: ").strip())
    return result


def native(xml):
    """The command line that libvirt generates, machine-specific directories replaced."""
    xml = xml.replace(SHIM, guest.EMULATOR)
    return connection().domainXMLToNative("qemu-argv", xml).replace(shared_libvirtd().dir, "/DIR")


@functools.cache
def generated(xml):
    """The options for a document without elements of ours; most cases have the same."""
    return argvdata.parse(native(xml))


def notes(stderr):
    """Files and warnings that the alteration comes with."""
    for line in stderr.splitlines():
        if line.endswith(" would hold:"):
            yield "file " + line.split("/")[-1].removesuffix(" would hold:")
        elif line.startswith("warning: "):
            yield line.replace("warning: ", "warning ", 1)
        else:
            yield ("  " + line).rstrip()


def outcome(name):
    path = str(argvdata.file(name, "xml"))
    upstream = tool(*TRANSLATE, path).stdout
    before_environment, before = generated(argvdata.without_our_elements(name))
    altered = tool("argv", "alter", path, "-", stdin=native(upstream))
    environment, after = argvdata.parse(altered.stdout)
    lines = list(argvdata.difference(before, after))
    lines += [f"environment {word}" for word in environment
              if word not in before_environment and not word.startswith("VIRTPASS_PLAN=")]
    return "\n".join([*lines, *notes(altered.stderr), ""])


def expected(name, suffix):
    """None: something else was expected."""
    file = argvdata.file(name, suffix)
    return file.read_text(encoding="utf-8") if file.exists() else None


def write(name, suffix, text):
    for other in ("args", "err"):
        argvdata.file(name, other).unlink(missing_ok=True)
    argvdata.file(name, suffix).write_text(text, encoding="utf-8")


def fits(text, wanted):
    """Whether they are the same, "..." at the end of a line being anything."""
    pattern = "".join(re.escape(line.removesuffix("...")) + (".*" if line.endswith("...") else "")
                      + "\n" for line in wanted.splitlines())
    return re.fullmatch(pattern, text) is not None


class Cases(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        connection()

    def check(self, name):
        try:
            suffix, text = "args", outcome(name)
        except Refused as refusal:
            suffix, text = "err", f"{refusal}\n"
        wanted = expected(name, suffix)
        if wanted is not None and fits(text, wanted):
            return
        if argvdata.REGENERATE:
            write(name, suffix, text)
        else:
            self.assertEqual(text, wanted)


def add_tests():
    for number, name in enumerate(argvdata.names()):
        def test(self, name=name):
            self.check(name)

        test.__doc__ = name
        setattr(Cases, f"test_{number:03}", test)


class Tool(unittest.TestCase):
    def test_there_are_enough_cases(self):
        self.assertGreaterEqual(len(argvdata.names()), 60)

    def test_usage(self):
        for words, expected in ((("xml", "turn", "-"), "'turn' is not known"),
                                (("xml", "translate", "--sessions=few"), "--sessions=few"),
                                (("xml",), "usage: virtpass xml")):
            result = virtpass(*words, stdin="<domain type='kvm'/>")
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(expected, result.stderr)

    def test_missing_file(self):
        result = virtpass("xml", "restore", "/nonexistent.xml")
        self.assertEqual(result.returncode, 1)
        self.assertIn("/nonexistent.xml", result.stderr)

    def test_validate_for_programs(self):
        good = virtpass("xml", "validate", "--json", stdin="<domain type='kvm'/>")
        bad = virtpass("xml", "validate", "--json", stdin="<domain type='kvm'>")
        self.assertEqual((good.returncode, good.stdout), (0, '{"valid": true}\n'))
        self.assertEqual(bad.returncode, 1)
        self.assertIn('{"valid": false, "error": "', bad.stdout)

    def test_sessions_of_all_domains(self):
        document = guest.domain("g")
        result = virtpass("xml", "translate", "--session-dir=/run/x", stdin=document)
        self.assertIn(f"path=/run/x/virtpass-libvirt-{guest.uuid('g')},", result.stdout)
        self.assertEqual(virtpass("xml", "restore", stdin=result.stdout).stdout, document)


add_tests()
