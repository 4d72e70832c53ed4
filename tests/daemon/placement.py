# SPDX-License-Identifier: LGPL-2.1-or-later
"""Added devices have an address from the definition on, and keep it."""

import json
import re

from harness import guest
from harness.libvirtd import VirshFailed
from harness.real import RealGuests

NIC = "<interface type='user'><mac address='52:54:00:00:00:{:02x}'/><model type='{}'/></interface>"
ROOT = "<controller type='pci' index='0' model='pcie-root'/>"
PORT = "<controller type='pci' model='pcie-root-port'/>"


def nic(number=1, model="virtio"):
    return NIC.format(number, model)


def words(*devices):
    """The three ways to add a device: by <qemu:arg>, by <qemu:extra> and as a group."""
    return "".join(f"<qemu:arg value='-device'/><qemu:arg value='{text}'/>" for text in devices)


def commandline(*devices):
    return f"<qemu:commandline>{words(*devices)}</qemu:commandline>"


def q35(xml):
    return xml.replace("machine='pc'", "machine='q35'")


class Placement(RealGuests):
    def define_xml(self, xml):
        self.through("define", self.file(xml))

    def define_pc(self, devices, after):
        self.define("g", devices=devices, after=after)

    def redefine(self, change):
        """As with virsh edit."""
        self.define_xml(change(self.through("dumpxml", "--inactive", "g")))

    def refused(self, xml):
        """What virsh says; the domain stays what it was."""
        before = self.plain("list", "--all", "--name")
        with self.assertRaises(VirshFailed) as failed:
            self.define_xml(xml)
        self.assertEqual(self.plain("list", "--all", "--name"), before)
        return str(failed.exception)

    def stored(self):
        """[device] of the words that libvirtd has."""
        xml = self.plain("dumpxml", "--inactive", "g")
        found = re.findall(r"<qemu:arg value='(\{.*?\})'/>", xml)
        return [json.loads(text.replace("&quot;", '"')) for text in found]

    def address(self, driver, nth=0):
        device = [one for one in self.stored() if one["driver"] == driver][nth]
        return device.get("bus"), device.get("addr")

    def pci(self):
        """{slot: id or vendor of the device} of the running guest's first bus."""
        bus = self.query("query-pci")[0]["devices"]
        return {device["slot"]: device["qdev_id"] or device["id"]["device"] for device in bus}

    # -- what was seen ----------------------------------------------------------

    def test_plugging_in(self):
        """What libvirt plugs in finds its place free."""
        for after in (commandline("edu"), "<qemu:commandline><qemu:extra>-device edu</qemu:extra>"
                      "</qemu:commandline>", "<qemu:device><driver>edu</driver></qemu:device>"):
            with self.subTest(after):
                self.define_pc(nic(), after)
                self.assertEqual(self.address("edu"), ("pci.0", "0x1e"))
                self.through("start", "g")
                for number in range(2, 6):
                    self.through("attach-device", "g", self.file(nic(number)), "--live")
                self.assertIn(30, self.pci())
                self.through("destroy", "g")

    def test_saved_after_unplugging(self):
        self.define_pc(nic(1) + nic(2), commandline("virtio-rng-pci,id=L"))
        self.through("start", "g")
        self.through("detach-device", "g", self.file(nic(1)), "--live")
        self.qmp("system_reset")
        image = self.virtpassd.path("image")
        self.through("save", "g", image)
        self.through("restore", image)
        self.assertEqual(self.pci()[30], "L")

    def test_changed_configuration(self):
        """--config changes leave it where it is."""
        self.define_pc(nic(1), commandline("lsi"))
        before = self.address("lsi")
        self.through("attach-device", "g", self.file(nic(2)), "--config")
        self.through("start", "g")
        self.assertEqual(self.address("lsi"), before)
        self.assertIn(30, self.pci())

    def test_port(self):
        """One that names a port gets slot 0, or an error."""
        port = "<qemu:device><driver>e1000e</driver><bus>pci.1</bus></qemu:device>"
        taken = q35(guest.domain("g", devices=ROOT + PORT + nic(), after=port))
        message = self.refused(taken)
        self.assertIn("both want pci.1, a port that has slot 0 only", message)
        self.assertIn("e1000e", message)
        self.assertIn("<interface> in line", message)
        self.define_xml(q35(guest.domain("g", devices=ROOT + PORT + PORT, after=port)))
        self.assertEqual(self.address("e1000e"), ("pci.1", "0x0"))
        self.through("start", "g")
        self.through("destroy", "g")
        message = self.refused(taken.replace("</bus>", "</bus><addr>1</addr>"))
        self.assertIn("a port that has slot 0 only", message)
