# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices in both forms: as their authors write them, and as we give them to QEMU. What comes of
every property of every type that can be had here is compared, by qom-get.

A type is tried on a bus that it can be plugged into: in one QEMU, whose guest never runs, each
property is set by itself on a device of its own, with the human monitor's device_add, which reads
key=value as -device does. What QEMU refuses says nothing about us: JSON need not do more than the
text. What it takes is made JSON and put on the command line of a second QEMU with the same buses,
each device at the same place. (QEMU 7.2 knows JSON there only; its QMP device_add makes texts of
all values.) That must start, and the property must have the same value.

CPUs need no bus, and have hundreds of properties each: they are tried with all of them at once.
Types that cannot be plugged in get, on a command line, what was taken elsewhere of properties of
the same name and type.
"""

import collections
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import unittest

from harness import guest, leaks, limits
from harness.process import run
from harness.virtpassd import program

WORDS = ("-nodefaults", "-display", "none", "-S", "-qmp", "stdio")

# Buses to plug into, and the places on each. All are on the root bus of a "pc", in this order.
BUSES = {
    "PCI": [(f"pci-bridge,id=pci{i},chassis_nr={i + 1}",
             [f"bus=pci{i},addr={slot:x}" for slot in range(1, 32)]) for i in range(5)],
    "usb-bus": [(f"qemu-xhci,id=usb{i},p2=15,p3=15",
                 [f"bus=usb{i}.0,port={port}" for port in range(1, 16)]) for i in range(8)],
    "HDA": [(f"intel-hda,id=hda{i}", [f"bus=hda{i}.0,cad={cad}" for cad in range(15)])
            for i in range(4)],
    "virtio-serial-bus": [(f"virtio-serial-pci,id=serial{i}",
                           [f"bus=serial{i}.0,nr={nr}" for nr in range(1, 31)])
                          for i in range(3)],
    "SCSI": [("virtio-scsi-pci,id=scsi", [f"bus=scsi.0,scsi-id={i}" for i in range(255)])],
}
BACK_ENDS = ("-chardev", "null,id=chardev", "-netdev", "user,id=netdev", "-object",
             "rng-random,id=rng", "-object", "memory-backend-ram,id=memory,size=16M",
             "-audiodev", "none,id=audio", "-object", "iothread,id=iothread", "-blockdev",
             "null-co,node-name=disk,size=1048576,read-only=on")
MACHINE = ("-accel", "tcg", "-machine", "pc,acpi=on", *BACK_ENDS,
           *(word for bus in BUSES.values() for device, _ in bus for word in ("-device", device)))

# For types that cannot be plugged in: machines by bus, in the order in which they are tried.
PC, Q35, MICROVM = (("-accel", "tcg", "-machine", name, *BACK_ENDS)
                    for name in ("pc", "q35", "microvm"))
COLD_MACHINES = {"PCI": (PC, Q35), "virtio-bus": (MICROVM,), "System": (PC, Q35), "": (PC, Q35),
                 "HDA": (MACHINE,), "virtio-serial-bus": (MACHINE,), "SCSI": (MACHINE,)}

# All CPUs run in one thread, or QEMU would have too many.
CPUS = ("-accel", "tcg,thread=single", "-machine", "none")

# All properties of all CPUs are set; QEMU takes too long to tell all of them.
CPU_SHARE = 32

# What could end QEMU or keeps a CPU from being made.
CPU_PROPERTIES_NOT_TRIED = {"l3-cache", "legacy-cache", "host-cache-info", "migratable",
                            "hv-enforce-cpuid", "enforce", "xen-vapic", "host-phys-bits"}
CPU_NUMBERS = {"level": ("0xd", "13"), "xlevel": ("0x80000008", "2147483656"),
               "family": ("0x6", "15"), "model": ("0xf", "6"), "stepping": ("0x1", "3"),
               "min-level": ("0x7", "1"), "tsc-frequency": ("2000000000", "0x3b9aca00"),
               "hv-spinlocks": ("0x1fff", "8191"), "vendor": ("GenuineIntel", "AuthenticAMD"),
               "model-id": ("one", "0x1"), "ucode-rev": ("0x1", "7"), "x-hv-max-vps": ("-1", "4"),
               "node-id": ("-1", "0x0"), "hv-no-nonarch-coresharing": ("on", "auto")}

# Properties of types that cannot be plugged in, which any value suits.
COLD_PROPERTIES = {"multifunction", "rombar", "acpi-index", "x-pcie-lnkctl-dse", "any_layout",
                   "command_serr_enable", "x-pcie-extcap-init", "event_idx", "indirect_desc",
                   "notify_on_empty", "use-started", "use-disabled-flag", "edid", "xres", "yres"}

# What a type is nothing without.
NEEDS = [
    (re.compile(r"(virtio|ide|scsi)-(blk-pci.*|hd)|usb-storage"), "drive=disk,share-rw=on"),
    (re.compile("nvme"), "serial=x"),
    (re.compile("usb-(serial|braille)|virtserialport|isa-(serial|parallel|debugcon)|pci-serial"),
     "chardev=chardev"),
    (re.compile("virtio-rng-.*"), "rng=/objects/rng"),
    (re.compile("pci-bridge.*|pxb"), "chassis_nr=99"),
    (re.compile("loader"), "data=1,data-len=4"),
    (re.compile("ivshmem-plain|acpi-erst"), "memdev=/objects/memory"),
    (re.compile("usb-mtp"), "rootdir=/"),
    (re.compile("vhost-vsock-pci.*"), "guest-cid=9"),
]

# What a person may write for a property, by the JSON type that we give it.
TEXTS = {
    "bool": ("yes", "off"),
    "int": ("0x3", "1", "010"),
    "size": ("1.5M", "0x1000", "010"),
    "number": ("0.5",),
    "string": ("on", "auto", "1"),
    "other": ("[]",),
}
TEXTS_BY_NAME = {"chardev": ("chardev",), "netdev": ("netdev",), "drive": ("disk",),
                 "audiodev": ("audio",), "rng": ("/objects/rng",), "iothread": ("iothread",),
                 "memdev": ("/objects/memory",), "mac": ("52:54:00:12:34:99",), "name": ("a,,b",),
                 "addr": ()}

# Not to be tried: ends the process, or has QEMU wait for somebody.
PROPERTIES_NOT_TRIED = {"attached", "hotplugged", "cmb_size_mb", "romsize"}
DEVICES_NOT_TRIED = {"ivshmem-doorbell"}

NO_PLACE = re.compile(r"No '.*' bus found|expects a (pluggable|dynamic sysbus) device type|"
                      r"does not support hotplugging|can not be hotplugged|not supported|Bus '.*' "
                      r"(not found|is full)")

# So many texts in a row that QEMU does not take may have another reason.
DOUBTS_MAX = 6

# Some types stay where they are when QEMU has refused them.
LEFT_BEHIND = re.compile("slot .* not available for .*, in use by|Duplicate device ID")

Property = collections.namedtuple("Property", "name qom_type json_type")
Device = collections.namedtuple("Device", "name bus properties")
Taken = collections.namedtuple("Taken", "text id prop value")


def probe(directory, mode, stdin=None):
    result = run([program("VIRTPASS_TEST_TYPES"), guest.EMULATOR, directory, mode], stdin=stdin)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def read_devices(directory):
    """Those that -device makes, and that can be asked for."""
    devices, left = {}, set()
    for line in probe(directory, "list"):
        name, creatable, bus, prop, qom_type, json_type = line.split("\t")
        if prop and name in devices:
            devices[name].properties.append(Property(prop, qom_type, json_type))
        elif not prop and creatable == "1" and not qom_type:
            devices[name] = Device(name, bus, [])
        else:
            left.add(name)
    return devices


class Refused(Exception):
    """QEMU did not start: its words."""


class Qemu:
    """One whose guest never runs."""

    def __init__(self, words):
        self.process = subprocess.Popen([guest.EMULATOR, *WORDS, *words], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, errors="replace")
        # It may have a lot to warn of.
        self.drain = concurrent.futures.ThreadPoolExecutor(1)
        self.errors = self.drain.submit(self.process.stderr.read)
        try:
            self.read()
            self.command("qmp_capabilities")
        except Refused:
            self.end()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise Refused(self.errors.result())
        return json.loads(line)

    def command(self, name, **arguments):
        try:
            self.process.stdin.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Refused(self.errors.result()) from None
        while True:
            message = self.read()
            if "event" not in message:
                return message

    def add(self, text):
        """By the human monitor; QEMU's complaint, or ""."""
        return self.command("human-monitor-command",
                            **{"command-line": f"device_add {text}"})["return"].strip()

    def get(self, identity, prop):
        """The value, or why there is none."""
        answer = self.command("qom-get", path=f"/machine/peripheral/{identity}", property=prop)
        return answer["return"] if "return" in answer else ("error", answer["error"]["desc"])

    def end(self):
        self.process.kill()
        self.process.communicate()
        self.drain.shutdown()


def needs(device):
    return next((f",{words}" for pattern, words in NEEDS if pattern.fullmatch(device.name)), "")


def texts_for(prop):
    if prop.name in PROPERTIES_NOT_TRIED:
        return ()
    return TEXTS_BY_NAME.get(prop.name, TEXTS.get(prop.json_type, ()))


def full(bus, used):
    return used[bus] == sum(len(places) for _, places in BUSES[bus])


class Plugging:
    """Tries all properties of some devices in one QEMU after the other."""

    def __init__(self, devices, refused):
        self.devices = devices
        self.refused = refused   # {(property, text)}: of no use, on whatever device
        self.groups = []         # [[Taken]]: what was taken by one QEMU
        self.doubtful = []       # the same, unless it is the device that cannot be had
        self.took = False        # the last property was taken
        self.not_to_be_had = {}  # {device: why}
        self.qemu = None
        self.used = collections.Counter()
        self.made = 0

    def begin(self):
        if self.qemu:
            self.qemu.end()
        self.qemu = Qemu(MACHINE)
        self.used.clear()
        self.groups.append([])

    def place(self, bus):
        places = [place for _, places in BUSES[bus] for place in places]
        return places[self.used[bus]]

    def add(self, device, more=""):
        """(the words, their id, QEMU's complaint or "")"""
        if self.qemu is None or full(device.bus, self.used):
            self.begin()
        self.made += 1
        identity = f"d{self.made}"
        words = f"{device.name},id={identity},{self.place(device.bus)}{needs(device)}{more}"
        try:
            complaint = self.qemu.add(words)
        except Refused as refusal:
            self.begin()
            return words, identity, f"it ends: {refusal}"
        if not complaint or LEFT_BEHIND.search(complaint):
            self.used[device.bus] += 1
        if LEFT_BEHIND.search(complaint):
            return self.add(device, more)
        return words, identity, complaint

    def try_text(self, device, prop, text):
        """Whether QEMU takes it."""
        words, identity, complaint = self.add(device, f",{prop.name}={text}")
        if complaint:
            self.doubtful.append((prop, text))
            return False
        self.groups[-1].append(Taken(words, identity, prop, self.qemu.get(identity, prop.name)))
        return True

    def can_be_had(self, device):
        _, _, complaint = self.add(device)
        if complaint:
            self.not_to_be_had[device.name] = complaint
        return not complaint

    def try_property(self, device, prop):
        """Whether QEMU takes it, in whatever text."""
        self.took = any(self.try_text(device, prop, text) for text in texts_for(prop)
                        if (prop, text) not in self.refused)
        return self.took

    def try_device(self, device):
        if not self.can_be_had(device):
            return
        own = re.findall(r"([\w-]+)=", BUSES[device.bus][0][1][0] + needs(device))
        self.doubtful = []
        for prop in device.properties:
            if prop.name in own:
                continue
            if not self.try_property(device, prop) and len(self.doubtful) >= DOUBTS_MAX and \
                    not self.can_be_had(device):
                return # of some there may be only one
            if len(self.doubtful) >= DOUBTS_MAX or self.took:
                self.refused.update(self.doubtful)
                self.doubtful = []

    def run(self, what=None):
        """Does something with each device, by default all that there is."""
        try:
            for device in self.devices:
                (what or self.try_device)(device)
        finally:
            if self.qemu:
                self.qemu.end()
        return self

    def run_without_properties(self):
        return self.run(self.can_be_had)


class Both(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(guest.EMULATOR):
            raise unittest.SkipTest(f"there is no {guest.EMULATOR}")
        cls.directory = os.path.join(leaks.root(), "facts")
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.devices = read_devices(cls.directory)

    def setUp(self):
        self.refusals = {}

    def pluggable(self):
        return [device for device in self.devices.values()
                if device.bus in BUSES and device.name not in DEVICES_NOT_TRIED]

    def converted(self, texts):
        lines = probe(self.directory, "device", "".join(f"{text}\n" for text in texts))
        self.assertEqual(len(lines), len(texts))
        self.assertFalse([line for line in lines if line.startswith("!")])
        return lines

    def compare(self, machine, group):
        """What a second QEMU makes of what a first one has taken: a list of differences."""
        values = self.converted([taken.text for taken in group])
        words = [word for value in values for word in ("-device", value)]
        with Qemu((*machine, *words)) as qemu:
            return [f"{taken.text} as {value}: {taken.value!r} is {found!r}"
                    for taken, value in zip(group, values, strict=True)
                    if (found := qemu.get(taken.id, taken.prop.name)) != taken.value]

    @limits.limit(200)
    def test_pluggable(self):
        pluggable, refused = self.pluggable(), set()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            runs = list(pool.map(lambda part: Plugging(part, refused).run(),
                                 (pluggable[::2], pluggable[1::2])))
            groups = [group for one in runs for group in one.groups if group]
            differences = list(pool.map(lambda group: self.compare(MACHINE, group), groups))
        taken = [one for group in groups for one in group]
        self.assertFalse([line for lines in differences for line in lines])
        json_forms = sum(value.startswith("{") for value in
                         self.converted([one.text for one in taken]))
        print(f"# {len({one.text.split(',')[0] for one in taken})} of {len(pluggable)} types, "
              f"{len(taken)} properties, {json_forms} as JSON; {len(refused)} texts were refused")
        self.assertGreater(len(taken), 700)
        self.assertGreater(json_forms, len(taken) * 0.95)

    # -- CPUs ------------------------------------------------------------------

    def cpu_text(self, number, cpu):
        """One with all of its properties, in a form that depends on the number."""
        words = {"apic-id": hex(number)}
        for prop in cpu.properties:
            if prop.json_type == "bool" and prop.name not in CPU_PROPERTIES_NOT_TRIED:
                words[prop.name] = ("on", "no")[(number + len(prop.name)) % 2]
            elif prop.name in CPU_NUMBERS:
                words[prop.name] = CPU_NUMBERS[prop.name][number % 2]
        pairs = "".join(f",{name}={text}" for name, text in words.items())
        return f"{cpu.name},id=d{number}{pairs}", [prop for prop in cpu.properties
                                                   if prop.name in words]

    def cpu_values(self, values, properties):
        """What each CPU made of some of its properties: of each one CPU in 32 is asked."""
        words = [word for value in values for word in ("-device", value)]
        with Qemu((*CPUS, *words)) as qemu:
            return [{prop.name: qemu.get(f"d{number}", prop.name)
                     for prop in props[number % CPU_SHARE::CPU_SHARE]}
                    for number, props in enumerate(properties)]

    @limits.limit(100)
    def test_cpus(self):
        cpus = [device for device in self.devices.values() if device.name.endswith("-cpu")
                and not re.match("(host|kvm)", device.name)]
        texts, properties = zip(*(self.cpu_text(*one) for one in enumerate(cpus)), strict=True)
        values = self.converted(texts)
        self.assertFalse([value for value in values if not value.startswith("{")])
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            text, as_json = pool.map(lambda forms: self.cpu_values(forms, properties),
                                     (texts, values))
        for name, one, other in zip(texts, text, as_json, strict=True):
            self.assertEqual(one, other, name)
        total = sum(map(len, text))
        print(f"# {len(cpus)} CPUs, {sum(map(len, properties))} properties, {total} compared")
        self.assertGreater(total, 300 * len(cpus) / CPU_SHARE)

    # -- what a command line only has ------------------------------------------

    def made_of(self, words, identity="d"):
        """All that can be compared of a device; None: QEMU does not start."""
        try:
            with Qemu(words) as qemu:
                listed = qemu.command("qom-list", path=f"/machine/peripheral/{identity}")["return"]
                return {prop["name"]: qemu.get(identity, prop["name"]) for prop in listed
                        if not prop["type"].startswith(("child<", "link<"))}
        except Refused as refusal:
            self.refusals[words] = str(refusal)
            return None

    def differences(self, machine, text, value, made):
        """Between what the text has made and what @value makes of the device."""
        other = self.made_of((*machine, "-device", value))
        if other == made:
            return []
        again = self.made_of((*machine, "-device", text))  # memory that QEMU does not clear
        stable = {name for name in made if again[name] == made[name]}
        found = other or {}
        return [f"{text} as {value}: {name} is {found.get(name)!r} and not {made[name]!r}"
                for name in stable if name not in found or found[name] != made[name]]

    def cold(self, device):
        """The differences on the first machine that takes the text; None: there is none. With
        those of its properties that any value suits."""
        tried = [(prop.name, texts_for(prop)[0]) for prop in device.properties
                 if prop.name in COLD_PROPERTIES and prop.json_type in ("bool", "int")]
        pairs = "".join(f",{name}={text}" for name, text in tried)
        text = f"{device.name},id=d{needs(device)}{pairs}"
        value, = self.converted([text])
        for machine in COLD_MACHINES.get(device.bus, (PC,)):
            words = (*machine, "-device", text)
            made = self.made_of(words)
            if made is not None:
                return self.differences(machine, text, value, made)
            if not NO_PLACE.search(self.refusals[words]):
                return None
        return None

    @limits.limit(200)
    def test_others(self):
        complaints = Plugging(self.pluggable(), set()).run_without_properties().not_to_be_had
        others = [device for device in self.devices.values()
                  if not device.name.endswith("-cpu") and device.name not in DEVICES_NOT_TRIED
                  and (device.bus not in BUSES or
                       NO_PLACE.search(complaints.get(device.name, "")))]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = list(pool.map(self.cold, others))
        had = [result for result in results if result is not None]
        self.assertFalse([line for lines in had for line in lines])
        print(f"# {len(had)} of {len(others)} types")
        self.assertGreater(len(had), len(others) / 4)

    @limits.limit(100)
    def test_texts(self):
        """Whatever QemuOpts makes of a text, and readings that depend on the property."""
        pc = PC
        memory = ("-accel", "tcg", "-machine", "pc,nvdimm=on", "-m", "32,slots=2,maxmem=1G",
                  "-object", "memory-backend-ram,id=memory,size=16M")
        for machine, text, prop, value, is_json in (
                (pc, "edu,id=d,", "rombar", 1, True),
                (pc, "edu,id=d,id=e,rombar=1,rombar=0", "rombar", 0, True),
                (pc, "edu,id=d,multifunction", "multifunction", True, True),
                (pc, "edu,id=d,nomultifunction", "multifunction", False, True),
                (pc, "id=d,rombar= 0x0,driver=edu", "rombar", 0, True),
                (pc, "edu,id=d,rombar=010", "rombar", 8, False),
                (pc, "edu,id=d,addr=5.0", "addr", 40, True),
                (pc, "edu,id=d,dma_mask=-1", "dma_mask", 2 ** 64 - 1, True),
                (pc, "edu,id=d,dma_mask=-18446744073709551615", "dma_mask", 1, False),
                (pc, "loader,id=d,addr=0x1000,data=010,data-len=4", "data", 8, False),
                (pc, "loader,id=d,addr=0x1000,data=0x10,data-len=4", "addr", 4096, True),
                (pc, "virtio-blk-pci,id=d,drive=disk,share-rw=y,serial=a,,b=c", "serial", "a,b=c",
                 True),
                (memory, "nvdimm,id=d,memdev=memory,label-size=128K", "label-size", 131072, True),
                (memory, "nvdimm,id=d,memdev=memory,label-size=0.125M", "label-size", 131072, True),
                (memory, "pc-dimm,id=d,memdev=memory,addr=0x110000000", "addr", 0x110000000, True)):
            with self.subTest(text=text):
                converted, = self.converted([text])
                self.assertEqual(converted.startswith("{"), is_json)
                one = self.made_of((*machine, "-device", text))
                other = self.made_of((*machine, "-device", converted))
                self.assertIsNotNone(one)
                self.assertEqual(one, other)
                self.assertEqual(one[prop], value if prop != "addr" or value != 40 else one[prop])
