#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of options and the reading of values, held against the QEMU that is installed.

QEMU goes over its whole command line before it does anything, and ends at the first word that is
no option or has no argument. So one run in which only the last word is wrong shows how it has read
all the others.
"""

import functools
import json
import os
import re
import unittest

from harness import guest
from harness.process import run

PRINT = os.environ["VIRTPASS_TEST_ARGV"]
NO_GUEST = ["-machine", "none", "-nodefaults", "-display", "none"]

# In the table for other releases than the one that is here.
OTHER_RELEASES = {
    "async-teardown", "audio-help", "chroot", "no-acpi", "no-hpet", "old-param", "portrait",
    "rotate", "runas", "singlestep",        # until 8.2, 9.2 or 10.2
    "jitdump", "perfmap", "run-with", "shim",  # from 8.0, 8.1 or 10.0 on
}

# A value that JSON is told from by its error.
NO_JSON = "{"


@functools.cache
def table():
    return {row["name"]: row for row in json.loads(run([PRINT, "options"]).stdout)}


def rows_with_keys():
    """(name, row) of the options of this QEMU whose values have keys."""
    elsewhere = OTHER_RELEASES - set(help_options())
    return [(name, row) for name, row in table().items()
            if row["syntax"] in ("opts", "keyval") and name not in elsewhere]


def qemu(*words, commands=()):
    """Runs QEMU without a guest until it has carried out QMP commands; (replies, its errors)."""
    lines = [{"execute": "qmp_capabilities"}, *commands, {"execute": "quit"}]
    result = run([guest.EMULATOR, "-qmp", "stdio", *words],
                 stdin="".join(json.dumps(line) + "\n" for line in lines))
    messages = [json.loads(line) for line in result.stdout.splitlines()]
    replies = [message for message in messages if "return" in message or "error" in message]
    return replies[1:], result.stderr


def first_wrong_word(words):
    """(the word that QEMU ends at, what it says of it)"""
    result = run([guest.EMULATOR, *words])
    found = re.search(r"^\S+: (-\S*): (.*)$", result.stderr, re.M)
    assert found, f"{words}: {result.stderr}"
    return found[1], found[2]


def help_options():
    """Names that -help shows: "-h or -help", "-fda/-fdb file", "--preconfig"."""
    text = run([guest.EMULATOR, "-help"]).stdout
    for line in re.findall(r"^(-.*)$", text, re.M):
        for name in re.findall(r"(?:^|^-\w+(?: or |/))--?([\w-]+)", line):
            yield name
        if found := re.match(r"-\w+(?: or |/)-([\w-]+)", line):
            yield found[1]


class Options(unittest.TestCase):
    def test_every_option_is_in_the_table(self):
        shown = set(help_options())
        self.assertLess({"h", "help", "fda", "fdb", "hdd", "device", "preconfig", "S"}, shown)
        self.assertEqual(shown - set(table()), set())

    def chain(self, names):
        """Words that are all right if the table is: the arguments are no options, and what has
        no argument is followed by something that it must not swallow."""
        words = []
        for number, name in enumerate(names):
            takes = table()[name]["syntax"] != "none"
            words += ["-" + name] + ([] if takes else ["-name"]) + [f"-argument-{number}"]
        return [*words, "-the-end"]

    def test_arguments(self):
        """Each option takes an argument or none as the table says"""
        names = sorted(table())
        shown = set(help_options())
        while True:
            word, message = first_wrong_word(self.chain(names))
            if word == "-the-end":
                break
            name = word.removeprefix("-")
            self.assertEqual((name in names, message), (True, "invalid option"), word)
            self.assertIn(name, OTHER_RELEASES - shown)
            names.remove(name)
        self.assertLess({"device", "S", "object", "kernel", "no-reboot"}, set(names))

    def test_the_chain_finds_mistakes(self):
        """Each row of the table alone, turned round"""
        for name in ("S", "nodefaults", "device", "kernel"):
            row = table()[name]
            turned = dict(row, syntax="plain" if row["syntax"] == "none" else "none")
            try:
                table()[name] = turned
                word, _ = first_wrong_word(self.chain(sorted({"S", "m", "snapshot", name})))
                self.assertNotEqual(word, "-the-end", name)
            finally:
                table()[name] = row

    def test_missing_argument(self):
        for name in ("device", "kernel", "m"):
            self.assertEqual(first_wrong_word(["-" + name]), ("-" + name, "requires an argument"))

    def test_groups(self):
        replies, _ = qemu(*NO_GUEST, commands=[{"execute": "query-command-line-options"}])
        groups = {group["option"] for group in replies[0]["return"]}
        known = {row["group"] for row in table().values()}
        self.assertLess({"device", "machine", "smp-opts"}, groups)
        self.assertEqual(groups - known, {""} & groups)

    def test_json(self):
        """JSON is taken where the table says so"""
        for name, row in rows_with_keys():
            with self.subTest(option=name):
                _, errors = qemu(*NO_GUEST, "-" + name, NO_JSON)
                self.assertEqual("JSON parse error" in errors, row["json"], errors)

    def test_implied_keys(self):
        """VALUE is KEY=VALUE where the table says so, else a flag"""
        for name, row in rows_with_keys():
            with self.subTest(option=name):
                _, errors = qemu(*NO_GUEST, "-" + name, "zzz")
                if not row["implied"]:
                    self.assertRegex(errors, "short-form boolean option 'zzz'|Expected '='|"
                                             "not supported for this target|"
                                             "There is no option group 'spice'")  # no module
                    continue
                _, named = qemu(*NO_GUEST, "-" + name, f"{row['implied']}=zzz")
                self.assertEqual(errors.replace(f"-{name} zzz", ""),
                                 named.replace(f"-{name} {row['implied']}=zzz", ""))


class Values(unittest.TestCase):
    def get(self, option, value, key):
        return json.loads(run([PRINT, "get", option, value, key]).stdout)

    def test_name(self):
        """Commas, equal signs, repetitions in QemuOpts"""
        for value in ("a", "guest=a", "a,,b", "guest=a,,b=c", "a,,,process=p", "guest=a,process=p",
                      "guest=a,guest=b", "process=p,guest=x,,,,y", "guest=", "guest=a,",
                      "guest=a,process=p,,", ",,a", "guest==a=", "a,guest=b", ",process=p"):
            with self.subTest(value=value):
                replies, errors = qemu(*NO_GUEST, "-name", value,
                                       commands=[{"execute": "query-name"}])
                self.assertEqual(self.get("name", value, "guest"),
                                 replies[0]["return"].get("name"), errors)

    def test_cpu(self):
        """What counts of +feature, -feature, feature=on"""
        for value in ("qemu64,+popcnt,popcnt=off", "qemu64,-popcnt,+popcnt", "qemu64,popcnt",
                      "max,popcnt=on,-popcnt", "qemu64,,popcnt=off,,popcnt=on,",
                      "max,popcnt=off,+popcnt", "max,popcnt=on,popcnt=off"):
            with self.subTest(value=value):
                replies, errors = qemu(
                    "-S", "-machine", "pc", "-accel", "tcg", "-nodefaults", "-display", "none",
                    "-m", "8", "-cpu", value,
                    commands=[{"execute": "qom-get",
                               "arguments": {"path": "/machine/unattached/device[0]",
                                             "property": "popcnt"}}])
                self.assertEqual(self.get("cpu", value, "popcnt"),
                                 "on" if replies[0]["return"] else "off", errors)

    def test_global(self):
        for value in ("e1000.mac=52:54:00:00:00:07",
                      "driver=e1000,property=mac,value=52:54:00:00:00:08",
                      "value=52:54:00:00:00:09,property=mac,driver=e1000"):
            with self.subTest(value=value):
                replies, errors = qemu(
                    "-S", "-machine", "pc", "-accel", "tcg", "-nodefaults", "-display", "none",
                    "-m", "8", "-device", "e1000,id=n", "-global", value,
                    commands=[{"execute": "qom-get", "arguments": {
                        "path": "/machine/peripheral/n", "property": "mac"}}])
                self.assertEqual(replies[0]["return"], self.get("global", value, "value"), errors)
                self.assertEqual(self.get("global", value, "e1000.mac"),
                                 self.get("global", value, "value"))


# Property and type of a kind of object, and texts of which some are refused.
CONVERSIONS = (
    # A suffix behind 0x was taken until 7.2.
    ("memory-backend-ram", "size", "size",
     ("4096", "4096B", "4096b", "4k", "4K", "1M", "0.5m", "1.5K", "1.K", "1.0", "1.5", "0x1000",
      "0X2000", "010000", "-4096", "4KB", "4KiB", "4 k", ".5M", "1e3", "4.1e3", "+4096", "", "k",
      "16E", "99999999999999999999", "12345678", "1.999M", "0.123456789G", "1.0004K", "1.0005K",
      "1.99999K", "7.7777777777777777777M")),
    ("memory-backend-ram", "share", "bool",
     ("on", "off", "yes", "no", "true", "false", "y", "n", "On", "TRUE", "1", "0", "", "auto")),
    ("iothread", "poll-max-ns", "int",
     ("0", "5", "0x10", "0Xa", "010", "08", "1k", "1.0", "-1", "9223372036854775807",
      "9223372036854775808", "", "0x", "x", "1 ", "--1", "+7", "+-7")),
    ("rng-random", "filename", "string",
     ("a", "a,b", "a,,b", "on", "5", "a=b", "", "é", "a\"b", "\\n")),
)

# What we take and this QEMU refuses: a size that later releases take, and sizes for an integer. Of
# those it takes some and others not, as the property has it.
BEYOND = {".5M": 512 * 1024, "08": 8, "1k": 1024, "1.0": 1}


class Conversions(unittest.TestCase):
    """Text in JSON as our types make it, against the same text behind KEY= as QEMU takes it."""

    def ours(self, kind, key, kind_type, text, name):
        """The object-add command, None when the text is refused."""
        base = {"qom-type": kind, "id": name}
        if key != "size" and kind.startswith("memory"):
            base["size"] = 4096
        result = run([PRINT, "set", "object", json.dumps(base), key, text, kind_type])
        if result.returncode != 0:
            self.assertIn(repr(text), result.stderr.replace('"', "'"))
            return None
        return {"execute": "object-add", "arguments": json.loads(json.loads(result.stdout))}

    def theirs(self, kind, key, text, name):
        more = ",size=4096" if key != "size" and kind.startswith("memory") else ""
        escaped = text.replace(",", ",,")
        line = f"object_add {kind},id={name}{more},{key}={escaped}"
        return {"execute": "human-monitor-command", "arguments": {"command-line": line}}

    def outcomes(self, kind, key, commands):
        """What each object has for the key, None for an object that there is not."""
        looks = [{"execute": "qom-get", "arguments": {"path": f"/objects/o{n}", "property": key}}
                 for n in range(len(commands))]
        nothing = {"execute": "query-version"}
        replies, _ = qemu(*NO_GUEST, commands=[*(c or nothing for c in commands), *looks])
        return [reply.get("return") for reply in replies[len(commands):]]

    def test_conversions(self):
        for kind, key, kind_type, texts in CONVERSIONS:
            with self.subTest(key=key):
                ours = self.outcomes(kind, key, [
                    self.ours(kind, key, kind_type, text, f"o{n}") for n, text in enumerate(texts)])
                theirs = self.outcomes(kind, key, [
                    self.theirs(kind, key, text, f"o{n}") for n, text in enumerate(texts)])
                expected = {text: BEYOND.get(text) if value is None else value
                            for text, value in zip(texts, theirs)}
                self.assertEqual(dict(zip(texts, ours)), expected)
                self.assertTrue(any(value is not None for value in ours))
