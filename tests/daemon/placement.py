# SPDX-License-Identifier: LGPL-2.1-or-later
"""Added devices have an address from the definition on, and keep it."""

import json
import re

from harness import guest, limits
from harness.libvirtd import VirshFailed
from harness.real import RealGuests
from harness.virtpassd import virtpass

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

    def unplug(self, xml):
        """The guest does not know how: a reset lets it go, and libvirtd hears of it later."""
        self.through("detach-device", "g", self.file(xml), "--live")
        self.qmp("system_reset")
        mac = re.search("address='(.*?)'", xml)[1]
        limits.poll_until(lambda: mac not in self.plain("dumpxml", "g"), "it is unplugged")

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
        self.unplug(nic(1))
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

    def test_place_removed(self):
        """One of libvirt's whose place an author takes away gets another, in nobody's way."""
        alter = ("<qemu:commandline><qemu:alter option='device'><qemu:match key='id'>^net0$"
                 "</qemu:match><qemu:remove key='addr'/><qemu:remove key='bus'/></qemu:alter>"
                 "</qemu:commandline>")
        video = ("<graphics type='vnc' socket='" + self.virtpassd.path("vnc") + "'/>"
                 "<video><model type='vga'/></video>")
        own = "<qemu:device id='mine'><driver>edu</driver></qemu:device>"
        for change, slots in ((lambda xml: xml, {"mine": 30, "net0": 29}),
                              (q35, {"mine": 28, "net0": 25})):
            self.define_xml(change(guest.domain("g", devices=video + nic() + nic(2),
                                                after=alter + own)))
            for _ in range(2):
                self.through("start", "g")
                found = {name: slot for slot, name in self.pci().items()}
                self.assertEqual({name: found[name] for name in slots}, slots)
                self.through("attach-device", "g", self.file(
                    "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
                    if change is q35 else nic(3)), "--live")
                self.through("destroy", "g")
            self.through("undefine", "g")

    # -- for life ---------------------------------------------------------------

    def test_redefined(self):
        """What else of a domain comes, goes and changes moves nothing."""
        own = ("<qemu:device id='a'><driver>edu</driver></qemu:device>"
               "<qemu:device id='b'><driver>virtio-rng-pci</driver></qemu:device>")
        more = ("<qemu:device id='c'><driver>edu</driver></qemu:device>"
                "<qemu:device id='b'><driver>virtio-rng-pci</driver></qemu:device>"
                "<qemu:device id='a'><driver>edu</driver><dma_mask>255</dma_mask></qemu:device>")
        self.define_pc(nic(), own)
        self.assertEqual(self.places(), {"a": "0x1e", "b": "0x1d"})
        shown = self.through("dumpxml", "--inactive", "g")
        self.assertIn(own.split("><", 1)[1].split("</qemu:device>", 1)[0], shown)
        self.redefine(lambda xml: xml)
        self.assertEqual(self.places(), {"a": "0x1e", "b": "0x1d"})
        self.redefine(lambda xml: xml.replace("</devices>", nic(2) + "</devices>"))
        self.assertEqual(self.places(), {"a": "0x1e", "b": "0x1d"})
        without = re.sub(r"\s*<qemu:device.*</qemu:device>", more,
                         self.through("dumpxml", "--inactive", "g"), flags=re.S)
        self.define_xml(without)
        self.assertEqual(self.places(), {"a": "0x1e", "b": "0x1d", "c": "0x1c"})
        self.through("start", "g")
        self.assertEqual({slot: name for slot, name in self.pci().items() if slot > 20},
                         {28: "c", 29: "b", 30: "a"})

    def test_chosen_by_the_author(self):
        self.define_pc(nic(), "<qemu:device id='a'><driver>edu</driver><addr>9</addr>"
                              "</qemu:device>")
        self.assertEqual(self.places(), {"a": "9"})
        self.redefine(lambda xml: xml.replace("<addr>9</addr>", ""))
        self.assertEqual(self.places(), {"a": "9"})
        self.redefine(lambda xml: xml.replace("edu</driver>", "edu</driver><addr>0xa</addr>"))
        self.assertEqual(self.places(), {"a": "0xa"})

    def test_clashes(self):
        """Two for one place are refused at define, by name; the next good one works."""
        at = "<address type='pci' domain='0' bus='0' slot='0x0a' function='0'/></interface>"
        named = nic().replace("</interface>", at)
        taken = commandline("edu,id=e,addr=0xa")
        message = self.refused(guest.domain("g", devices=named, after=taken))
        self.assertIn("edu,id=e,addr=0xa", message)
        self.assertRegex(message, "<interface> in line [0-9]+")
        message = self.refused(guest.domain(
            "g", devices="<rng model='virtio'><backend model='random'>/dev/urandom</backend>"
                         "<address type='pci' domain='0' bus='0' slot='0x0a' function='0'/></rng>",
            after=taken))
        self.assertIn("virtio-rng-pci", message)
        message = self.refused(guest.domain("g", after=commandline("edu,id=e,addr=0xa",
                                                                   "edu,id=f,addr=0a.0")))
        self.assertIn("id=e", message)
        self.assertIn("id=f", message)
        self.define_xml(guest.domain("g", devices=nic(), after=taken))
        self.through("start", "g")
        self.assertEqual(self.pci()[10], "e")

    def test_altered(self):
        """virtpass alter leaves a device where it is, and gives a new one a place of its own."""
        self.define_pc("", commandline("edu,id=a"))
        for name, places in (("b", {"a": "0x1e", "b": "0x1d"}),
                             ("c", {"a": "0x1e", "b": "0x1d", "c": "0x1c"})):
            change = self.file(f"<qemu:commandline xmlns:qemu='{guest.QEMU_NS}'>"
                               + words(f"edu,id={name}") + "</qemu:commandline>", "change.xml")
            virtpass("-c", self.virtpassd.uri, "alter", "g", change)
            self.assertEqual(self.places(), places)

    def test_saved(self):
        """A saved guest comes back, whatever has become of its definition."""
        self.define_pc(nic(1) + nic(2), commandline("virtio-rng-pci,id=L", "edu,id=E"))
        self.through("start", "g")
        self.through("attach-device", "g", self.file(nic(3)), "--live")
        self.unplug(nic(1))
        before = self.pci()
        self.assertEqual((before[30], before[29]), ("L", "E"))
        taken = sorted(before)
        self.through("managedsave", "g")
        self.redefine(lambda xml: re.sub("<qemu:commandline>.*</qemu:commandline>",
                                         commandline("edu,id=Z", "virtio-rng-pci,id=L"), xml,
                                         flags=re.S))
        self.assertEqual(self.places(), {"Z": "0x1d", "L": "0x1e"})
        self.through("start", "g")
        after = self.pci()
        self.assertEqual(sorted(after), taken)
        self.assertEqual((after[30], after[29]), ("L", "E"))

    def places(self):
        return {device["id"]: device["addr"] for device in self.stored() if "id" in device}

    # -- other buses --------------------------------------------------------------

    def test_other_buses(self):
        """USB, SCSI, virtio-serial and IDE, with what libvirt plugs in afterwards."""
        disk = self.virtpassd.path("d.img")
        with open(disk, "wb") as file:
            file.truncate(1 << 20)
        xml = guest.domain("g", devices=(
            "<controller type='scsi' model='virtio-scsi'/><controller type='virtio-serial'/>"
            "<input type='tablet' bus='usb'/>"
            "<channel type='null'><target type='virtio' name='one'/></channel>"),
            after=commandline("usb-kbd,id=u", "virtserialport,id=p,name=mine",
                              "scsi-hd,id=s,drive=d", "ide-hd,id=i,drive=e").replace(
                "</qemu:commandline>",
                "".join(f"<qemu:arg value='-blockdev'/><qemu:arg value='driver=null-co,"
                        f"node-name={node}'/>" for node in "de") + "</qemu:commandline>"))
        self.define_xml(xml.replace("<controller type='usb' model='none'/>",
                                    "<controller type='usb' model='qemu-xhci' ports='8'/>"))
        found = {device["id"]: device for device in self.stored() if "id" in device}
        self.assertEqual((found["u"]["bus"], found["u"]["port"]), ("usb.0", "8"))
        self.assertEqual((found["s"]["bus"], found["s"]["scsi-id"]), ("scsi0.0", 255))
        self.assertEqual((found["p"]["bus"], found["p"]["nr"]), ("virtio-serial0.0", 30))
        self.assertEqual((found["i"]["bus"], found["i"]["unit"]), ("ide.1", 1))
        self.through("start", "g")
        for plugged in (
                "<input type='keyboard' bus='usb'/>",
                "<channel type='null'><target type='virtio' name='two'/></channel>",
                f"<disk type='file' device='disk'><source file='{disk}'/>"
                "<target dev='sda' bus='scsi'/></disk>"):
            self.through("attach-device", "g", self.file(plugged), "--live")
        for name, value in (("u", "port"), ("p", "nr"), ("s", "scsi-id"), ("i", "unit")):
            told = self.query("qom-get", {"path": f"/machine/peripheral/{name}",
                                          "property": value})
            self.assertEqual(told, found[name][value])
