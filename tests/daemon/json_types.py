# SPDX-License-Identifier: LGPL-2.1-or-later
"""The JSON that we write for a property of -device, judged by QEMU: every property of every type.

What a person would write for each property ("on", "4", "0x4", "1M", "auto", a name) is made JSON
as an alteration does it (json_types.c). QEMU then sets all properties of a device at once, in the
order of its hash table, and stops at the first that it refuses. Behind them stands one that no
device has, with a name that comes last in that order. So when QEMU complains of that one, all
others were taken; and as that is before the device is realized, nothing is ever created. What is
refused for its value ("Device 'x' not found") was taken as what it is: QEMU looks at the type
first. It is noted, and left out in the next round.

It has to be a command line, a process for each question: QEMU 7.2's device_add makes texts of all
values and takes any type.
"""

import collections
import concurrent.futures
import json
import os
import re
import shutil
import unittest

from harness import guest, leaks, limits
from harness.process import run
from harness.virtpassd import program

# Buckets of QEMU's hash table of members (QDICT_BUCKET_MAX), and the last of them.
BUCKETS = 512
LAST = BUCKETS - 1

Property = collections.namedtuple("Property", "name qom_type json_type")
Device = collections.namedtuple("Device", "name creatable bus broken properties")

# What is written where the type of the property alone does not say what a person would write.
TEXTS = {
    "attached": "off",  # "on" attaches an USB device before it is realized, and ends QEMU
}
TEXTS_BY_QOM_TYPE = {"OnOffAuto": "auto", "OnOffSplit": "on", "OffAutoPCIBAR": "auto",
                     "SocketAddress": '{"type": "unix", "path": "x"}'}

# Machines by the bus that a device wants, in the order in which they are tried. More buses than
# needed cost time: each process makes them anew.
BUSES = ("virtio-scsi-pci", "virtio-serial-pci", "qemu-xhci", "intel-hda", "usb-ccid", "tpci200",
         "sdhci-pci", "isa-fdc", "nvme-subsys,id=subsystem", "nvme,serial=x")
MACHINES = {
    "none": ("-machine", "none"),
    "pc": ("-machine", "pc"),
    "buses": ("-machine", "pc", *(word for bus in BUSES for word in ("-device", bus))),
    "q35": ("-machine", "q35"),
    "cxl": ("-machine", "q35,cxl=on", "-device", "pxb-cxl,id=cxl,bus=pcie.0,bus_nr=52",
            "-device", "cxl-rp,id=root,bus=cxl,chassis=0,slot=2"),
    "microvm": ("-machine", "microvm"),
}
MACHINES_BY_BUS = {"": ("none", "pc"), "PCI": ("pc", "q35", "cxl"), "ISA": ("pc",), "IDE": ("pc",),
                   "i2c-bus": ("pc",), "virtio-bus": ("microvm",), "System": ("pc", "q35")}
OTHER_BUSES = ("buses",)

# QEMU's words for a device that this machine cannot have.
NO_PLACE = re.compile(r"No '.*' bus found|expects a (pluggable|dynamic sysbus) device type|"
                      r"does not support hotplugging|can not be hotplugged|"
                      r"not supported|No USB bus|is full")

# The same for a value of the wrong type.
WRONG_TYPE = re.compile("Invalid parameter type|expects|expected")

# What QEMU may also say to them. Some properties of CPUs end QEMU 7.2 then.
REFUSED = re.compile(f"{WRONG_TYPE.pattern}|{NO_PLACE.pattern}|is not writable|"
                     "error_setv: Assertion")

# Whether the second test tries every property, which takes a minute or two.
ALL = "VIRTPASS_TEST_ALL" in os.environ


def tdb_hash(name):
    """QEMU's hash of a member's name."""
    value = 0x238F13AF * len(name) & 0xFFFFFFFF
    for i, byte in enumerate(name.encode()):
        value = (value + (byte << (i * 5 % 24))) & 0xFFFFFFFF
    return (1103515243 * value + 12345) & 0xFFFFFFFF


SENTINEL = next(name for name in map("none-has-this-{}".format, range(10 ** 6))
                if tdb_hash(name) % BUCKETS == LAST)


def complaint(machine, value):
    """What QEMU says of a value of -device; None: nothing."""
    text = json.dumps(value, separators=(",", ":"))
    result = run([guest.EMULATOR, "-accel", "tcg", "-nodefaults", "-display", "none", "-S",
                  *MACHINES[machine], "-device", text])
    line = next((line for line in result.stderr.split("\n") if text in line), result.stderr)
    return line.split(text + ": ", 1)[-1] if result.returncode else None


def in_parallel(function, arguments):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(function, arguments))


def probe(directory, mode, stdin=None):
    result = run([program("VIRTPASS_TEST_TYPES"), guest.EMULATOR, directory, mode], stdin=stdin)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def read_devices(directory):
    devices = {}
    for line in probe(directory, "list"):
        device, creatable, bus, name, qom_type, json_type = line.split("\t")
        if name:
            devices[device].properties[name] = Property(name, qom_type, json_type)
        else:
            devices[device] = Device(device, creatable == "1", bus, qom_type, {})
    return devices


def text_for(prop, number):
    """What a person would write; a text of its own where it is a name."""
    if prop.name in TEXTS:
        return TEXTS[prop.name]
    if prop.name.startswith("bootindex"):  # of which no two may be equal
        return str(number)
    if prop.qom_type in TEXTS_BY_QOM_TYPE:
        return TEXTS_BY_QOM_TYPE[prop.qom_type]
    return {"bool": "on", "int": ("4", "0x4")[number % 2], "size": "1M", "number": "0.5",
            "other": "[]"}.get(prop.json_type, f"v{number}q")


class Judgement:
    """What has become of each property of a device: taken, or why it was refused."""

    def __init__(self, device, members):
        self.device = device
        self.members = dict(members)   # those that QEMU has not refused
        self.refused = {}              # {name: QEMU's words}
        self.machines = list(MACHINES_BY_BUS.get(device.bus, OTHER_BUSES))
        self.no_place = None           # why the last machine cannot have it
        self.done = False

    def leave_out(self, refused):
        for name in [name for name in self.members if self.device.properties[name] in refused]:
            del self.members[name]

    def question(self):
        return self.machines[0], {"driver": self.device.name, **self.members, SENTINEL: True}

    def hear(self, words):
        """Takes note of a complaint."""
        if words is None:
            raise AssertionError(f"{self.device.name} was created")
        if SENTINEL in words:
            self.done, self.no_place = True, None
        elif NO_PLACE.search(words) and "Property" not in words:
            self.machines.pop(0)
            self.done, self.no_place = not self.machines, words
        else:
            name = self.meant(words)
            self.refused[name] = words
            del self.members[name]

    def meant(self, words):
        """The member that QEMU speaks of: by its value, if that is a name, or by its own."""
        by_value = [name for name, value in self.members.items()
                    if isinstance(value, str) and re.fullmatch(r"v\d+q", value)
                    and re.search(rf"\b{value}\b", words)]
        by_name = [name for name in self.members
                   if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", words)]
        found = by_value or sorted(by_name, key=len, reverse=True)
        if not found:
            raise AssertionError(f"{self.device.name}: which property is meant? {words}")
        return found[0]


def judge(judgements):
    """Until QEMU has said all that there is to say of each. What it has refused of one device for
    its value is not offered again where another has the very same property."""
    refused = set()

    def judge_one(one):
        while not one.done:
            one.leave_out(refused)
            one.hear(complaint(*one.question()))
            refused.update(one.device.properties[name] for name, words in one.refused.items()
                           if not WRONG_TYPE.search(words))

    in_parallel(judge_one, judgements)


class Types(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not os.path.exists(guest.EMULATOR):
            raise unittest.SkipTest(f"there is no {guest.EMULATOR}")
        cls.directory = os.path.join(leaks.root(), "facts")
        cls.devices = read_devices(cls.directory)
        cls.members = cls.make_members()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.directory)

    @classmethod
    def make_members(cls):
        """{device: {property: JSON}}: what setting each by itself gives."""
        pairs = [(device, prop, text_for(prop, number)) for device in cls.devices.values()
                 for number, prop in enumerate(device.properties.values())]
        lines = probe(cls.directory, "set",
                      "".join(f"{device.name}\t{prop.name}\t{text}\n"
                              for device, prop, text in pairs))
        members = {name: {} for name in cls.devices}
        for (device, prop, _), line in zip(pairs, lines, strict=True):
            assert not line.startswith("!"), f"{device.name}.{prop.name}: {line}"
            members[device.name][prop.name] = json.loads(line)[prop.name]
        return members

    def judgements(self):
        """Of each device that can be given."""
        return [Judgement(device, self.members[device.name]) for device in self.devices.values()
                if device.creatable and not device.broken]

    @limits.limit(200)
    def test_qemu_takes_every_property_of_every_type(self):
        judgements = self.judgements()
        judge(judgements)
        refused = [f"{one.device.name}.{name} ({one.device.properties[name].qom_type}): {words}"
                   for one in judgements for name, words in one.refused.items()]
        nowhere = [f"{one.device.name}: {one.no_place}" for one in judgements if one.no_place]
        taken = sum(len(one.members) for one in judgements if not one.no_place)
        print(f"# {len(judgements)} types: {taken} properties taken, {len(refused)} refused for "
              f"their value; there is no place for {nowhere}")
        self.assertFalse([words for words in refused if WRONG_TYPE.search(words)])
        self.assertGreater(taken, 100 * len(refused))
        self.assertLess(len(nowhere), len(judgements) / 20)

    @limits.limit(200)
    def test_qemu_refuses_other_types(self):
        """QEMU refuses JSON of another type, or the other test would say nothing.

        For one property of each of QEMU's types, and all whose place is beside the last. Not for
        addresses, which are another test's.
        """
        seen, left = set(), []
        for one in self.judgements():
            for prop in one.device.properties.values():
                key = prop if ALL or tdb_hash(prop.name) % BUCKETS == LAST else prop.qom_type
                if prop.json_type != "other" and prop.name != "addr" and key not in seen:
                    seen.add(key)
                    one.members = {prop.name: True if prop.json_type == "string" else "on"}
                    left.append((prop, *one.question()))
        words = in_parallel(lambda one: complaint(*one[1:]), left)
        taken = [f"{value['driver']}.{prop.name} ({prop.qom_type}): {said}"
                 for (prop, _, value), said in zip(left, words, strict=True)
                 if not REFUSED.search(said)]
        self.assertFalse(taken, "\n".join(taken))

    def slot(self, address):
        """Where a card with that address in JSON is."""
        value = json.dumps({"driver": "e1000", "id": "card", "addr": address})
        result = run([guest.EMULATOR, "-accel", "tcg", "-nodefaults", "-display", "none", "-S",
                      "-machine", "pc", "-monitor", "stdio", "-device", value],
                     stdin="info pci\nquit\n")
        found = re.search(r'Bus +0, device +(\d+), function (\d+):\s+Ethernet', result.stdout)
        self.assertTrue(found, result.stdout + result.stderr)
        return int(found[1]), int(found[2])

    def test_an_address_is_a_text(self):
        """An address is a text: a number is eight times the slot and the function."""
        self.assertEqual(self.devices["e1000"].properties["addr"].json_type, "string")
        self.assertEqual(self.slot("5"), (5, 0))
        self.assertEqual(self.slot("5.1"), (5, 1))
        self.assertEqual(self.slot("0x1f"), (31, 0))
        self.assertEqual(self.slot(41), (5, 1))
