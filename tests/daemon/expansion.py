# SPDX-License-Identifier: LGPL-2.1-or-later
"""Options that make devices by themselves, and devices that others need to be there first.

What QEMU makes of an option without libvirt is asked of QEMU, and compared with what a guest has
that was defined with it."""

import collections
import re
import subprocess
from xml.sax.saxutils import escape, unescape

from harness import guest
from harness.libvirtd import VirshFailed
from harness.limits import limit
from harness.real import RealGuests

NULL = "null-co://"
MACHINES = {"pc": "", "q35": "<controller type='pci' index='0' model='pcie-root'/>"
                              + "<controller type='pci' model='pcie-root-port'/>" * 5}
NIC = ("<interface type='user'><mac address='52:54:00:00:00:{:02x}'/><model type='virtio'/>"
       "</interface>")

# For each guest what it has at once.
FORMS = (
    [["-nic", "user"],
     ["-nic", "user,model=virtio,mac=52:54:00:aa:00:01,id=n1,hostname=a,,b"],
     ["-nic", "user,model=ne2k_isa,mac=52:54:00:aa:00:03"],
     ["-nic", "user,model=ne2k_isa,mac=52:54:00:aa:00:04"],
     ["-net", "nic,model=rtl8139,macaddr=52:54:00:aa:00:02", "-net", "user"],
     ["-netdev", "user,id=x", "-net",
      "nic,netdev=x,model=virtio,vectors=0,macaddr=52:54:00:aa:00:05"]],
    [["-drive", f"if=virtio,format=raw,file={NULL}"],
     ["-drive", f"format=raw,file={NULL},if=virtio,id=mine,readonly=on"],
     ["-drive", f"format=raw,file={NULL},index=1,media=disk"],
     ["-cdrom", NULL]],
    [["-hda", NULL],
     ["-drive", f"format=raw,file={NULL},id=second"],
     ["-vga", "virtio"],
     ["-audio", "none,model=hda,out.frequency=22050"],
     ["-virtfs", "local,path=/usr/share,mount_tag=t,security_model=none,readonly=on"],
     ["-usb"]],
    [["-vga", "cirrus,retrace=precise"],
     ["-audio", "driver=none,id=snd,model=ac97"],
     ["-usbdevice", "tablet", "-usbdevice", "keyboard"]],
    [["-vga", "std"], ["-audio", "none,model=es1370"]],
    [["-audio", "none,model=sb16"], ["-vga", "vmware"]],
)
GROUPS = (
    "<qemu:nic><type>user</type><model>e1000</model></qemu:nic>"
    f"<qemu:drive id='d'><if>virtio</if><file>{NULL}</file><format>raw</format></qemu:drive>"
    "<qemu:net><type>nic</type><macaddr>52:54:00:aa:00:01</macaddr></qemu:net>"
    "<qemu:net><type>user</type></qemu:net>",
    ["-nic", "user,model=e1000", "-drive", f"if=virtio,id=d,file={NULL},format=raw",
     "-net", "nic,macaddr=52:54:00:aa:00:01", "-net", "user"])

# Lines about a device that say where it is, and what the firmware has made of it.
PLACE = re.compile(r"addr|^bar |^unit = |^netdev = |^port = |slot = |^bus: ")


def arguments(words):
    return "".join(f"<qemu:arg value='{escape(word)}'/>" for word in words)


def commandline(words):
    return f"<qemu:commandline>{arguments(words)}</qemu:commandline>"


def devices_in(tree):
    """What `info qtree` says, but for places: how often there is which device."""
    found, current = collections.Counter(), None
    for line in map(str.strip, tree.splitlines()):
        device = re.match(r'dev: (\S+), id "(?:virtpass-\w+|)(.*)"', line)
        if device:
            if current:
                found[tuple(current)] += 1
            current = list(device.groups())
        elif current and not PLACE.search(line):
            current.append(line)
    found[tuple(current)] += 1
    return found


def of_qemu(machine, words):
    """The same of a QEMU with these words and no others."""
    command = [guest.EMULATOR, "-machine", f"{machine},usb=off", "-accel", "tcg", "-m", "32", "-S",
               "-nodefaults", "-display", "none", "-monitor", "stdio", *words]
    result = subprocess.run(command, input="info qtree\nquit\n", capture_output=True, text=True,
                            timeout=60, check=True)
    return devices_in(result.stdout)


class Expansion(RealGuests):
    maxDiff = None

    def domain(self, machine, after, devices=""):
        image = self.file("\0" * 65536, "disk.img")
        text = guest.domain("g", devices=MACHINES[machine] + NIC.format(1) + guest.disk(
            image, "raw", "vda", "virtio") + devices, after=after)
        return text.replace("machine='pc'", f"machine='{machine}'")

    def refused(self, machine, after, devices=""):
        with self.assertRaises(VirshFailed) as failed:
            self.through("define", self.file(self.domain(machine, after, devices)))
        return str(failed.exception)

    def start_guest(self, machine, after, devices=""):
        self.through("define", self.file(self.domain(machine, after, devices)))
        shown = re.sub(r">\s+<", "><", self.through("dumpxml", "--inactive", "g"))
        self.assertIn(after, unescape(shown.replace('"', "'"), {"&quot;": '"'}))
        self.through("start", "g")

    def check_form(self, machine, words, after):
        """It starts, has what QEMU makes of the words, and leaves libvirt its places."""
        made = of_qemu(machine, words) - of_qemu(machine, [])
        self.assertTrue(made)
        self.start_guest(machine, after)
        try:
            there = devices_in(self.human("info qtree"))
            self.assertEqual(made - there, collections.Counter())
            for number in range(2, 4):
                self.through("attach-device", "g", self.file(NIC.format(number)), "--live")
        finally:
            self.through("destroy", "g")

    @limit(180)
    def test_options(self):
        for machine in MACHINES:
            for forms in FORMS:
                words = [word for form in forms for word in form]
                with self.subTest(machine=machine, words=words):
                    self.check_form(machine, words, commandline(words))

    def test_groups(self):
        after, words = GROUPS
        for machine in MACHINES:
            with self.subTest(machine=machine):
                self.check_form(machine, words, after)

    def test_boards_keep_what_is_theirs(self):
        """Floppy drives, serial ports and firmware stay the machine's own."""
        words = ["-fda", NULL, "-serial", "null", "-net", "none"]
        for machine in MACHINES:
            with self.subTest(machine=machine):
                self.check_form(machine, words, commandline(words))

    def test_refused(self):
        floppy = ("<disk type='file' device='floppy'><source file='{}'/>"
                  "<target dev='fda'/></disk>".format(self.file("", "floppy.img")))
        for words, devices, message in (
                (["-readconfig", "/x"], "", "<qemu:arg> in line 17: -readconfig /x: devices of a "
                 "file would take the places of the domain's own"),
                (["-drive", f"if=scsi,file={NULL}"], "", "write -device lsi53c895a,id=ADAPTER"),
                (["-drive", "index=0,unit=1"], "", "index= cannot be used with"),
                (["-hda", NULL, "-drive", f"index=0,file={NULL}"], "",
                 "there is a drive at bus=0,unit=0 already"),
                (["-fda", NULL], floppy, "the domain has a floppy drive of libvirt's"),
                (["-hda", NULL], guest.disk(self.file("", "hda.img"), "raw"),
                 "drive=libvirt-1-format,id=ide0-0-0' both want unit 0 of ide.0"),
        ):
            with self.subTest(words):
                self.assertIn(message, self.refused("pc", commandline(words), devices))

    # -- order --------------------------------------------------------------------

    def test_iommu_comes_first(self):
        """In all the ways to add it; a NIC that it translates for is created after it."""
        nic = ("<interface type='user'><mac address='52:54:00:00:00:09'/><model type='virtio'/>"
               "<driver iommu='on'/></interface>")
        for after in (commandline(["-device", "virtio-iommu-pci,id=mmu"]),
                      commandline(["-device", '{"driver":"virtio-iommu-pci","id":"mmu"}']),
                      "<qemu:device id='mmu'><driver>virtio-iommu-pci</driver></qemu:device>"):
            with self.subTest(after):
                self.start_guest("q35", after, nic)
                added = [word for word in self.libvirtd.qemu_words("g") if "iommu-pci" in word]
                self.assertEqual(added, ["virtio-iommu-pci,id=mmu,bus=pcie.0,addr=0x1c"])
                tree = self.human("info qtree")
                # a bus shows what has come last first
                devices = re.findall(r'^      dev: \S+, id "(.*)"', tree, re.M)
                self.assertEqual([name for name in devices if name][-1], "mmu")
                self.assertGreaterEqual(self.human("info mtree").count("virtio-iommu-device"), 7)
                self.through("destroy", "g")

    def test_iommu_of_the_chip_set(self):
        """It has no address, and needs no shim for that."""
        self.start_guest("q35", commandline(["-device", "intel-iommu,intremap=off"]))
        words = self.libvirtd.qemu_words("g")
        self.assertIn("intel-iommu,intremap=off", words)
        self.assertEqual(words[0], guest.EMULATOR)
        slots = {device["slot"] for device in self.query("query-pci")[0]["devices"]}
        tree = self.human("info mtree")
        for slot in slots:
            self.assertIn(f"vtd-{slot:02x}.", tree)
