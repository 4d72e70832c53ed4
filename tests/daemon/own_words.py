# SPDX-License-Identifier: LGPL-2.1-or-later
"""An author's words mean what they mean without us: words that plain libvirtd starts are started
through virtpassd too, with a session and the same devices, and are read as they were written. With
a real libvirtd and guests."""

import xml.etree.ElementTree as etree

import libvirt

from harness import guest
from harness.real import RealGuests

SOUND = "    <sound model='ich6'/>\n    <audio id='1' type='none'/>\n"


def arg(*words):
    lines = "".join(f"    <qemu:arg value='{word}'/>\n" for word in words)
    return f"  <qemu:commandline>\n{lines}  </qemu:commandline>\n"


class OwnWords(RealGuests):
    maxDiff = None

    def property(self, identity, name):
        return self.query("qom-get", {"path": f"/machine/peripheral/{identity}",
                                      "property": name})

    def with_words(self, *words, devices=""):
        """The guest "g", started; its words are read as they were written."""
        self.start(after=arg(*words), devices=devices)
        domain = etree.fromstring(self.through("dumpxml", "--inactive", "g"))
        self.assertEqual([element.attrib for element in domain.iter(f"{{{guest.QEMU_NS}}}arg")],
                         [{"value": word} for word in words])
        self.assertEqual(self.virtpassd.sessions()["g"]["session"], "dedicated")
        return self.libvirtd.qemu_words("g")

    def test_an_address_that_is_a_number(self):
        self.with_words("-device", "loader,id=own,addr=0x1000,data=0x10,data-len=4")
        self.assertEqual(self.property("own", "addr"), 0x1000)

    def test_a_comma_at_the_end(self):
        self.with_words("-device", "edu,id=own,")
        self.assertEqual(self.property("own", "dma_mask"), 0xfffffff)

    def test_set(self):
        words = self.with_words("-device", "edu,id=own,dma_mask=1", "-set",
                                "device.own.dma_mask=0xfff")
        self.assertEqual(self.property("own", "dma_mask"), 0xfff)
        self.assertNotIn("-set", words)

    def test_set_of_a_device_of_libvirts(self):
        words = self.with_words("-set", "device.sound0.debug=1", devices=SOUND)
        self.assertEqual(self.property("sound0", "debug"), 1)
        self.assertNotIn("-set", words)

    def test_set_of_what_is_key_value_stays(self):
        words = self.with_words("-chardev", "null,id=own", "-set", "chardev.own.mux=on")
        self.assertIn("-set", words)

    def test_set_of_nothing(self):
        self.define(after=arg("-set", "device.none.debug=1"))
        error = self.start_error()
        self.assertIn("-set (-device, line ", error)
        self.assertIn("there is no -device with id matching '^none$'", error)

    def start_error(self):
        with self.assertRaises(libvirt.libvirtError) as caught:
            self.connection().lookupByName("g").create()
        return str(caught.exception)

    def test_what_is_not_known(self):
        """It can be defined, and the log says so; QEMU refuses it when it is started."""
        for device, warning, words in (
                ("nonsense,id=own,x=y", "this QEMU has no device 'nonsense'",
                 "'nonsense' is not a valid device model name"),
                ("edu,id=own,x=y", "nothing is known of the property 'x' of the device 'edu'",
                 "Property 'edu.x' not found")):
            self.virtpassd.process.mark_log()
            self.define(after=arg("-device", device))
            log = self.virtpassd.process.log_since_mark()
            self.assertRegex(log, rf"(?m)warning: domain 'g': <qemu:arg> in line \d+: {warning}$")
            self.assertIn(words, self.start_error())

    def test_what_no_qemu_takes(self):
        for device, words in (("edu,multifunction=1", "'multifunction' cannot be set to '1'"),
                              ("edu,help", "asks for help"), ("edu,id=4", "the id '4' is none")):
            with self.assertRaises(libvirt.libvirtError) as caught:
                self.connection().defineXML(guest.domain("g", after=arg("-device", device)))
            self.assertIn(words, str(caught.exception))

    def test_another_uuid(self):
        """A guest may have a system UUID of its own: its session is known by its process."""
        other = guest.uuid("other")
        for words in (("-uuid", other), ("-smbios", f"type=1,uuid={other}")):
            self.with_words(*words)
            self.assertEqual(self.query("query-status")["status"], "running")
            self.assertEqual(self.query("query-uuid")["UUID"], other)
            self.plain("destroy", "g")
