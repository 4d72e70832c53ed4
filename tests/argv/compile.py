#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What authors' wishes become, held against the QEMU that is installed: devices that are added
behind libvirt's, CPUs that are described flag by flag, and groups of the configuration file."""

import json
import os
import pathlib
import re
import unittest

from harness import guest, leaks
from harness.process import run

PRINT = os.environ["VIRTPASS_TEST_ARGV"]
GROUPS = pathlib.Path(__file__).resolve().parents[2] / "src/argv/groups.c"

# Machines, and the first slot that libvirt would plan something for.
MACHINES = {"pc": 2, "q35": 1}

# The example of 2010, in which QEMU's own Opteron_G3 is described.
OPTERON_G3 = {
    "name": "Opteron_G3", "level": "5", "vendor": "AuthenticAMD", "family": "15", "model": "6",
    "stepping": "1", "xlevel": "0x80000008", "model_id": "AMD Opteron 23xx (Gen 3 Class Opteron)",
    "feature_edx": "sse2 sse fxsr mmx pat cmov pge sep apic cx8 mce pae msr tsc pse de fpu    "
                   "mtrr clflush mca pse36",
    "feature_ecx": "sse3 cx16 monitor popcnt",
    "extfeature_edx": "fxsr mmx pat cmov pge apic cx8 mce pae msr tsc pse de fpu    "
                      "lm syscall nx rdtscp",
    "extfeature_ecx": "svm sse4a    abm misalignsse lahf_lm",
}

# Where QEMU's own Opteron_G3 differs from it: (register, leaf, bit) of CPUID. A guest runs on a
# hypervisor; virtual 8086 mode was added to the model later, where the accelerator has it.
HYPERVISOR = ("ECX", 1, 31)
LATER = [HYPERVISOR, ("EDX", 1, 1), ("EDX", 0x80000001, 1)]

# Groups that not every QEMU has: since 8.1; with a module that may not be installed.
OPTIONAL = {"run-with", "spice"}


def compiled(*steps):
    result = run([PRINT, "compile"], stdin=json.dumps({"version": 1, "steps": list(steps)}))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def group(name, values, **more):
    return {"group": name, "values": list(values.items()), **more}


def qemu(*words, commands=()):
    """Runs QEMU with a guest that never begins; ([what each command returned], its errors)."""
    lines = [{"execute": "qmp_capabilities"}, *commands, {"execute": "quit"}]
    result = run([guest.EMULATOR, "-S", "-nodefaults", "-display", "none", "-accel", "tcg", "-m",
                  "16", "-qmp", "stdio", *words],
                 stdin="".join(json.dumps(line) + "\n" for line in lines))
    messages = [json.loads(line) for line in result.stdout.splitlines()]
    return [message["return"] for message in messages if "return" in message][1:], result.stderr


def places(machine, *words):
    """{device's id: its slot, counted from the first that is planned}, and QEMU's errors."""
    first = MACHINES[machine]
    planned = []
    for number in range(2):
        planned += ["-device", json.dumps({"driver": "virtio-rng-pci", "id": f"planned{number}",
                                           "addr": hex(first + number)})]
    replies, errors = qemu("-machine", machine, *planned, *words,
                           commands=[{"execute": "query-pci"}])
    buses = replies[0] if replies else []
    return {device["qdev_id"]: device["slot"] - first for bus in buses for device in bus["devices"]
            if device["qdev_id"]}, errors


class Devices(unittest.TestCase):
    def test_added_device_leaves_planned_addresses_alone(self):
        words = compiled({"words": ["-device", "lsi,id=added"]})
        for machine in MACHINES:
            found, errors = places(machine, *words)
            self.assertEqual(found, {"planned0": 0, "planned1": 1, "added": 2}, errors)

    def test_as_text_it_would_not(self):
        for machine in MACHINES:
            found, errors = places(machine, "-device", "lsi,id=added")
            self.assertEqual(found, {})
            self.assertIn("not available", errors)

    def test_device_group(self):
        words = compiled(group("device", {"driver": "lsi"}, id="added"))
        self.assertEqual(places("pc", *words)[0]["added"], 2)

    def test_on_a_bus_of_another_device(self):
        port = ["-device", '{"driver":"pcie-root-port","id":"rp1","addr":"0x5","chassis":1}']
        words = compiled({"words": ["-device", "lsi,id=added,bus=rp1"]})
        replies, errors = qemu("-machine", "q35", *port, *words,
                               commands=[{"execute": "qom-list",
                                          "arguments": {"path": "/machine/peripheral/added"}}])
        self.assertEqual(len(replies), 2, errors)


class Cpudef(unittest.TestCase):
    def words_of(self, *words):
        """(the CPU's words of flags, its properties)"""
        path = "/machine/unattached/device[0]"
        names = ["feature-words", "family", "model", "stepping", "vendor", "level", "model-id"]
        replies, errors = qemu("-machine", "pc", "-cpu", "qemu64", *words, commands=[
            {"execute": "qom-get", "arguments": {"path": path, "property": name}}
            for name in names])
        self.assertEqual(len(replies), len(names) + 1, errors)
        flags = {(word["cpuid-register"], word["cpuid-input-eax"], word.get("cpuid-input-ecx")):
                 word["features"] for word in replies[0]}
        return flags, dict(zip(names[1:], replies[1:]))

    def test_flags_are_those_of_the_model_that_is_described(self):
        described, properties = self.words_of(*compiled(group("cpudef", OPTERON_G3)))
        named, _ = self.words_of("-cpu", "Opteron_G3")
        register, leaf, bit = HYPERVISOR
        self.assertEqual(named[register, leaf, None] >> bit & 1, 1)
        for register, leaf, bit in LATER:
            named[register, leaf, None] &= ~(1 << bit)
        self.assertEqual(described, named)
        self.assertEqual(properties, {"family": 15, "model": 6, "stepping": 1, "level": 5,
                                      "vendor": "AuthenticAMD",
                                      "model-id": OPTERON_G3["model_id"]})

    def test_what_named_models_have_besides_can_be_asked_for(self):
        with_all = dict(OPTERON_G3, feature_ecx=OPTERON_G3["feature_ecx"] + " hypervisor",
                        feature_edx=OPTERON_G3["feature_edx"] + " vme")
        described, _ = self.words_of(*compiled(group("cpudef", with_all)))
        self.assertEqual(described, self.words_of("-cpu", "Opteron_G3")[0])

    def test_every_flag_is_known_to_qemu(self):
        source = (GROUPS.parent / "cpudef.c").read_text(encoding="utf-8")
        table = re.search(r"flag_words\[\] = \{(.*?)\n\};", source, re.S)[1]
        rows = re.findall(r'\{ "(\w+)",((?:\s*"[^"]*")+)', table)
        self.assertEqual(len(rows), 4)
        for key, texts in rows:
            flags = "".join(re.findall(r'"([^"]*)"', texts))
            self.words_of(*compiled(group("cpudef", {key: flags})))

    def test_comma_in_the_name(self):
        name = "a, b"
        _, properties = self.words_of(*compiled(group("cpudef", {"model_id": name})))
        self.assertEqual(properties["model-id"], name)


class Groups(unittest.TestCase):
    """The table of groups."""

    @classmethod
    def setUpClass(cls):
        rows = re.findall(r'\{ "([\w-]+)", VP_GROUP_(\w+), ', GROUPS.read_text(encoding="utf-8"))
        cls.table = dict(rows)
        assert len(cls.table) > 30

    def error_for(self, name):
        path = os.path.join(leaks.root(), "group.conf")
        self.addCleanup(lambda: os.path.exists(path) and os.unlink(path))
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"[{name}]\n  no-such-key = \"1\"\n")
        return run([guest.EMULATOR, "-machine", "none", "-nodefaults", "-display", "none",
                    "-qmp", "stdio", "-readconfig", path],
                   stdin='{"execute":"qmp_capabilities"}{"execute":"quit"}').stderr

    def test_what_is_refused_as_lacking_qemu_has_not(self):
        for name, way in self.table.items():
            lacking = f"There is no option group '{name}'"
            if way in ("LACKING", "CPUDEF"):
                self.assertIn(lacking, self.error_for(name))
            elif way in ("CONFIG", "IGNORED") and name not in OPTIONAL:
                self.assertNotIn(lacking, self.error_for(name))

    def test_every_group_of_qemus_is_in_the_table(self):
        replies, _ = qemu("-machine", "none",
                          commands=[{"execute": "query-command-line-options"}])
        names = {row["option"] for row in replies[0]} - {""}
        self.assertEqual(names - set(self.table), set())
