#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Command lines that the installed libvirt generates, read and written by src/argv.

Each has to come back byte for byte, in libvirt's text forms and word for word; each option has to
be in the table, and each value to be what its syntax says.
"""

import json
import os
import re
import shlex
import unittest

import libvirt

from domains import ONLY_STARTED, all_domains
from harness.libvirtd import shared_libvirtd
from harness.process import run

PRINT = os.environ["VIRTPASS_TEST_ARGV"]

# What a newer or smaller libvirt may say of a domain of ours; of others we want to hear.
UNSUPPORTED = (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, libvirt.VIR_ERR_NO_SUPPORT)

# Fewer would be no proof.
DOMAINS_MIN = 90

# Each character a word, and what is between an option and its value.
WORDS = [chr(code) for code in range(33, 127)] + [
    "\t", "\n", "a b", "", "'", "it's", "''", "é", "-a b", "-", "--", "-x", "--", "y", "z", "-S"]


def look_at(text):
    result = run([PRINT, "command"], stdin=text)
    assert result.returncode == 0, result.stderr + text
    return json.loads(result.stdout)


def logged_command(text):
    """The command in the log of a guest. libvirt's last words are always the same."""
    return re.search(r"^\w+=.*?^-msg timestamp=on$", text, re.M | re.S)[0]


class Generated(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        libvirt.registerErrorHandler(lambda *_: None, None)
        cls.libvirtd = shared_libvirtd()

    def setUp(self):
        self.connection = libvirt.open(self.libvirtd.uri)
        self.addCleanup(self.connection.close)

    def check_options(self, looked):
        words = looked["words"][:1]
        for option in looked["options"]:
            self.assertIsNotNone(option["name"], option)
            self.assertIsNone(option["error"], option)
            words += [option["word"]] + [option["value"]] * (option["value"] is not None)
            if option["syntax"] == "json":
                self.check_json(option)
        self.assertEqual(words, looked["words"])

    def check_json(self, option):
        """Nothing of the JSON is missing in its canonical form."""
        def leaves(value):
            if isinstance(value, (dict, list)) and value:
                inner = value.values() if isinstance(value, dict) else value
                return sum(map(leaves, inner))
            return 1
        canonical = option["canonical"].replace(",,", "")
        self.assertEqual(canonical.count(",") + 1, leaves(json.loads(option["value"])), option)
        self.assertTrue(option["driver"], option)

    def check_line(self, line):
        looked = look_at(line)
        self.assertEqual(looked["line"], line)
        words = shlex.split(line)
        self.assertEqual(looked["environment"] + looked["words"], words)
        self.check_options(looked)
        again = look_at(looked["broken"])
        self.assertEqual((again["broken"], again["line"]), (looked["broken"], line))

    def test_native(self):
        """Every kind of device, by domxml-to-native"""
        refused = []
        for name, xml in all_domains().items():
            if ONLY_STARTED in xml:
                continue
            with self.subTest(domain=name):
                try:
                    line = self.connection.domainXMLToNative("qemu-argv", xml, 0)
                except libvirt.libvirtError as error:
                    if error.get_error_code() not in UNSUPPORTED:
                        raise
                    refused.append(f"{name}: {error}")
                else:
                    self.check_line(line)
        self.assertGreater(len(all_domains()) - len(refused), DOMAINS_MIN, refused)

    def start(self, name, xml):
        """Starts a guest, which need not work out, and returns its command from the log."""
        try:
            domain = self.connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)
            domain.destroy()
        except libvirt.libvirtError as error:
            self.assertNotIn(error.get_error_code(), UNSUPPORTED)
        path = self.libvirtd.path(f"k/libvirt/qemu/log/{name}.log")
        with open(path, encoding="utf-8", errors="surrogateescape") as log:
            return logged_command(log.read())

    def check_log(self, name, xml):
        text = self.start(name, xml)
        looked = look_at(text)
        self.assertEqual(looked["broken"], text)
        self.assertEqual(look_at(looked["line"])["broken"], text)
        return looked

    def test_log(self):
        """What only a start shows, from the log"""
        for name, xml in all_domains().items():
            if ONLY_STARTED in xml and name.endswith("-pc"):
                with self.subTest(domain=name):
                    self.check_options(self.check_log(name, xml))

    def test_quoting(self):
        """All characters, in both forms"""
        words = "".join(f"<qemu:arg value={quote(word)}/>" for word in WORDS)
        xml = all_domains()["words"].replace("</qemu:commandline>", words + "</qemu:commandline>")
        line = self.connection.domainXMLToNative("qemu-argv", xml, 0)
        looked = look_at(line)
        self.assertEqual(looked["line"], line)
        at = looked["words"].index(WORDS[0])
        self.assertEqual(looked["words"][at:at + len(WORDS)], WORDS)
        self.assertIn("A=b c'd", looked["environment"])
        self.assertIn("E=", looked["environment"])
        looked = self.check_log("words", xml)
        at = looked["words"].index(WORDS[0])
        self.assertEqual(looked["words"][at:at + len(WORDS)], WORDS)


def quote(text):
    """A word as the value of an XML attribute."""
    plain = "".join(f"&#{ord(c)};" if c in "\t\n\"<&" else c for c in text)
    return f'"{plain}"'
