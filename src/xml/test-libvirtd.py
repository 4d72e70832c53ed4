# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the real libvirtd makes of documents in upstream form.

It has to accept them with its schema, and what it prints has to become, on the way back, what it
prints for the author's document itself. Nothing but src/xml is between: virtpassd has tests of
its own for the rest of the way.
"""

import os
import re
import socket
import subprocess
import unittest

from harness import guest, leaks, limits
from harness.libvirtd import Libvirtd

FILTER = os.environ["VIRTPASS_XML_FILTER"]

COMMANDLINE = """\
  <qemu:commandline>
    <qemu:arg value='-name'/>
    <qemu:arg value='debug-threads=on'/>
    <qemu:env name='A' value='b&lt;'/>
  </qemu:commandline>
"""
CAPABILITIES = """\
  <qemu:capabilities>
    <qemu:del capability='query-dirty-rate'/>
  </qemu:capabilities>
"""
STRAY_PAIR = """\
  <qemu:commandline>
    <qemu:arg value='-chardev'/>
    <qemu:arg value='null,id=mine'/>
    <qemu:arg value='-mon'/>
    <qemu:arg value='chardev=mine,mode=control'/>
  </qemu:commandline>
"""
METADATA = """\
  <metadata>
    <a:b xmlns:a="urn:a" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
      <qemu:c a:d="&lt;"/>
      <a:e>mixed <a:f/> text
</a:e>
    </a:b>
  </metadata>
"""

# Without anything of ours: (before <os>, behind <devices>).
PLAIN = {
    "bare": ("", ""),
    "commandline": ("", COMMANDLINE),
    "capabilities only": ("", CAPABILITIES),
    "commandline and capabilities": (METADATA, COMMANDLINE + CAPABILITIES),
    "stray pair": ("", STRAY_PAIR),
    "metadata": (METADATA, ""),
    "title": ("  <title>virtpass \u00e9 &amp;</title>\n", ""),
}

# Elements of ours, and how libvirt's XML library writes them.
OURS = {
    "<qemu:monitorpassthrough/>": "<qemu:monitorpassthrough/>",
    "<qemu:monitorpassthrough session='shared'/>": '<qemu:monitorpassthrough session="shared"/>',
    "<qemu:monitorpassthrough session='none' ></qemu:monitorpassthrough >":
        '<qemu:monitorpassthrough session="none"/>',
}

SHIM = """\
#!/bin/sh
exec /usr/bin/qemu-system-x86_64 "$@"
"""

TEXT_ARG = """\
  <qemu:commandline>
    <qemu:arg>-name</qemu:arg>
    <qemu:arg value="debug-threads=on"/>
    <qemu:env name="A" value="&lt;&quot;'\u00e9"/>
  </qemu:commandline>
"""
STOCK_DEVICE = """\
  <qemu:commandline>
    <qemu:arg value="-device"/>
    <qemu:arg value="lsi"/>
  </qemu:commandline>
"""
EXTENDED = """\
  <qemu:commandline>
    <!-- why -->
    <qemu:extra>-name 'debug-threads=on' -device lsi</qemu:extra>
    <qemu:alter option="device" required="no">
      <qemu:match key="id">^net[0-9]&amp;$</qemu:match>
      <qemu:modify type="bool">a=on,b="x"</qemu:modify>
    </qemu:alter>
  </qemu:commandline>
"""
GROUP = """\
  <qemu:device id="rng1">
    <driver>virtio-rng-pci</driver>
    <name>\u00e9</name>
  </qemu:device>
"""
SHIM_GROUP = """\
  <qemu:netdev id="n">
    <type>user</type>
  </qemu:netdev>
"""

# What is compiled, as libvirt's XML library writes it, in the order in which it comes back. Is
# there something for the shim?
COMPILED = {
    "text": (TEXT_ARG, False),
    "stock device": (STOCK_DEVICE, False),
    "extended": (EXTENDED, True),
    "group": (GROUP, False),
    "group for the shim": (SHIM_GROUP, True),
    "all": (SHIM_GROUP + TEXT_ARG + EXTENDED + GROUP, True),
    "session": ("  <qemu:monitorpassthrough session=\"dedicated\"/>\n" + EXTENDED, True),
}


def run_filter(xml, *args):
    return subprocess.run([FILTER, *args], input=xml, check=True, stdout=subprocess.PIPE,
                          encoding="utf-8").stdout


def restore(xml):
    return run_filter(xml, "restore")


def without_unused_declaration(xml):
    """xmlns:qemu off the domain when no child of it has the prefix: libvirt prints it by need."""
    if re.search(r"^  <qemu:", xml, re.MULTILINE):
        return xml
    return re.sub(r" xmlns:qemu='[^']*'", "", xml, count=1)


class Base(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.libvirtd = Libvirtd(shared=True).start()
        leaks.share_guest("g")
        cls.sessions = cls.libvirtd.path("s,s")  # a comma has to be doubled for QEMU
        os.mkdir(cls.sessions)

    @classmethod
    def tearDownClass(cls):
        cls.libvirtd.stop()

    def tearDown(self):
        for command in (["destroy", "g"], ["undefine", "g", "--snapshots-metadata",
                                           "--checkpoints-metadata"]):
            self.libvirtd.virsh(*command, check=False)

    def translate(self, xml):
        return run_filter(xml, "translate", "all", self.sessions)

    def file(self, xml):
        path = self.libvirtd.path("document.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(xml)
        return path

    def defined(self, xml, *options):
        """What libvirtd prints of the domain after it was defined with that."""
        self.libvirtd.virsh("define", *options, self.file(xml))
        return self.libvirtd.virsh("dumpxml", "g", "--inactive").strip() + "\n"


class Upstream(Base):
    # -- definitions ---------------------------------------------------------

    def test_plain_documents_come_back_byte_for_byte(self):
        for name, (before, after) in PLAIN.items():
            with self.subTest(name):
                author = guest.domain("g", before=before, after=after)
                alone = self.defined(author)
                upstream = self.defined(self.translate(author), "--validate")
                self.assertIn("virtpass-qmp", upstream)
                self.assertEqual(restore(upstream), alone)
                self.assertEqual(self.translate(upstream), upstream)

    def check_ours(self, element, printed, before, after):
        author = guest.domain("g", before=before, after=f"  {element}\n" + after)
        upstream = self.defined(self.translate(author), "--validate")
        reader = restore(upstream)
        line = f"  {printed}\n"
        self.assertEqual(reader.count(line), 1)
        following = reader.split(line)[1]
        self.assertTrue(following.startswith(("</domain>", "  <qemu:c")), following)
        self.assertEqual(without_unused_declaration(reader.replace(line, "")),
                         self.defined(author))
        # the next round has reached what stays
        self.assertEqual(self.translate(upstream), upstream)
        self.assertEqual(self.defined(self.translate(reader), "--validate"), upstream)

    def test_elements_of_ours_come_back(self):
        for name, (before, after) in PLAIN.items():
            for element, printed in OURS.items():
                with self.subTest(name, element=element):
                    self.check_ours(element, printed, before, after)

    def test_a_domain_without_uuid_gets_the_one_of_its_socket(self):
        author = re.sub(r"  <uuid>.*</uuid>\n", "", guest.domain("g"))
        upstream = self.defined(self.translate(author), "--validate")
        uuid = self.libvirtd.virsh("domuuid", "g").strip()
        self.assertIn(f"/virtpass-libvirt-{uuid},server=on", upstream)

    def test_uuids_are_read_as_libvirt_reads_them(self):
        plain = guest.uuid("g")
        for text in (plain.upper(), plain.replace("-", ""), f"\n {plain}\n ",
                     " " + plain.replace("-", "- ")):
            with self.subTest(text):
                author = guest.domain("g", uuid_text=text)
                self.assertIn(f"/virtpass-libvirt-{plain},", self.translate(author))
                self.assertIn(f"<uuid>{plain}</uuid>", self.defined(author))

    def test_uuids_are_refused_as_libvirt_refuses_them(self):
        plain = guest.uuid("g")
        for text in (plain + "0", plain[:-1], "x" + plain[1:], plain[0] + "-" + plain[1:],
                     plain + "-", " "):
            with self.subTest(text):
                author = guest.domain("g", uuid_text=text)
                self.assertEqual(self.translate(author), author)
                result = self.libvirtd.virsh("define", self.file(author), check=False)
                self.assertIn("malformed uuid", result.stderr)

    # -- running guests ------------------------------------------------------

    def test_qemu_listens_on_the_socket(self):
        self.defined(self.translate(guest.domain("g", after=COMMANDLINE)))
        self.libvirtd.virsh("start", "g")
        live = self.libvirtd.virsh("dumpxml", "g")
        path = f"{self.sessions}/virtpass-libvirt-{guest.uuid('g')}"
        self.assertEqual(run_filter(live, "session"), f"dedicated {guest.uuid('g')} {path}\n")
        with socket.socket(socket.AF_UNIX) as session:
            session.settimeout(limits.seconds(limits.CONDITION_SECONDS))
            session.connect(path)
            self.assertIn(b'"QMP"', session.recv(4096))

    def test_a_guest_without_our_words_is_shared(self):
        self.defined(guest.domain("g"))
        self.libvirtd.virsh("start", "g")
        live = self.libvirtd.virsh("dumpxml", "g")
        self.assertEqual(run_filter(live, "session"), f"shared {guest.uuid('g')} -\n")

    # -- documents with domains inside ---------------------------------------

    def check_redefinition(self, kind, document):
        """Redefined in both forms; what comes back has to be the same."""
        create, dump, delete = f"{kind}-create", f"{kind}-dumpxml", f"{kind}-delete"
        seen = []
        for text in (document, self.translate(document)):
            self.libvirtd.virsh(create, "g", self.file(text), "--redefine",
                                *(["--validate"] if kind == "snapshot" else []))
            seen.append(self.libvirtd.virsh(dump, "g", "x").strip() + "\n")
            self.libvirtd.virsh(delete, "g", "x", "--metadata")
        self.assertNotIn("virtpass", seen[0])
        self.assertIn("virtpass-qmp", seen[1])
        self.assertEqual(restore(seen[1]), seen[0])
        self.assertEqual(self.translate(seen[1]), seen[1])

    def domain_with_disk(self):
        path = self.libvirtd.path("disk.img")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"], check=True)
        return guest.domain("g", devices=guest.disk(path), after=COMMANDLINE)

    def test_snapshots(self):
        xml = self.domain_with_disk()
        self.defined(xml)
        self.check_redefinition("snapshot", f"""<domainsnapshot>
  <name>x</name>
  <state>shutoff</state>
  <creationTime>1</creationTime>
  <memory snapshot='no'/>
  <disks><disk name='hda' snapshot='internal'/></disks>
  {xml}</domainsnapshot>
""")

    def test_snapshots_with_two_domains(self):
        xml = self.domain_with_disk()
        self.defined(xml)
        inactive = xml.replace("<domain ", "<inactiveDomain ").replace(
            "</domain>", "</inactiveDomain>")
        self.check_redefinition("snapshot", f"""<domainsnapshot>
  <name>x</name>
  <state>disk-snapshot</state>
  <creationTime>1</creationTime>
  <memory snapshot='no'/>
  <disks><disk name='hda' snapshot='external' type='file'><source file='/x'/></disk></disks>
  {xml}{inactive}</domainsnapshot>
""")

    def test_checkpoints(self):
        xml = self.domain_with_disk()
        self.defined(xml)
        self.check_redefinition("checkpoint", f"""<domaincheckpoint>
  <name>x</name>
  <creationTime>1</creationTime>
  <disks><disk name='hda' checkpoint='bitmap' bitmap='x'/></disks>
  {xml}</domaincheckpoint>
""")


def decoded(xml):
    """libvirt writes what is not ASCII in <metadata> as numbers."""
    return re.sub(r"&#x([0-9A-F]+);", lambda found: chr(int(found[1], 16)), xml)


class Compiled(Base):
    """Documents whose command line is compiled, by a compiler that knows no QEMU."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shim = cls.libvirtd.path("virtpass-emulator")
        with open(cls.shim, "w", encoding="utf-8") as file:
            file.write(SHIM)
        os.chmod(cls.shim, 0o755)

    def translate(self, xml):
        return run_filter(xml, "translate", "all", self.sessions, self.shim)

    def check(self, elements, with_shim, author, emulator=guest.EMULATOR):
        upstream = self.defined(self.translate(author), "--validate")
        reader = restore(upstream)
        self.assertEqual(self.shim in upstream, with_shim)
        self.assertNotIn("virtpass", reader.replace("monitorpassthrough", ""))
        self.assertIn(f"<emulator>{emulator}</emulator>", reader)
        self.assertIn(elements, decoded(reader))
        # nothing but the author's elements is more than libvirt would have
        rest = decoded(reader).replace(elements, "")
        self.assertEqual(without_unused_declaration(rest),
                         self.defined(without_unused_declaration(author.replace(elements, ""))))
        self.assertEqual(self.translate(upstream), upstream)
        again = self.defined(self.translate(reader), "--validate")
        self.assertEqual(restore(again), reader)

    def test_elements_come_back(self):
        for name, (elements, with_shim) in COMPILED.items():
            with self.subTest(name):
                self.check(elements, with_shim, guest.domain("g", after=elements))

    def test_with_libvirts_own_elements(self):
        for name, (elements, with_shim) in COMPILED.items():
            with self.subTest(name):
                author = guest.domain("g", before=METADATA, after=elements + CAPABILITIES)
                self.check(elements, with_shim, author)

    def test_without_emulator(self):
        """libvirt's choice is shown, as libvirt would"""
        for name in ("all", "extended", "text"):
            with self.subTest(name):
                elements, with_shim = COMPILED[name]
                author = guest.domain("g", after=elements).replace(
                    f"    <emulator>{guest.EMULATOR}</emulator>\n", "")
                self.assertEqual(restore(self.translate(author)), author)
                self.check(elements, with_shim, author)

    def test_words_that_libvirt_has_to_keep(self):
        """Each character of a word, and of a variable, comes back as it went in"""
        characters = "".join(chr(number) for number in range(32, 127)) + "\u00e9\u4e2d"
        escaped = characters.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;")
        elements = ("  <qemu:commandline><qemu:arg>-name</qemu:arg>"
                    f"<qemu:arg value='x{escaped}'/><qemu:env name='A' value='{escaped}'/>"
                    "</qemu:commandline>\n")
        upstream = self.defined(self.translate(guest.domain("g", after=elements)))
        self.assertNotIn("virtpass:passthrough", restore(upstream))
        self.assertEqual(self.translate(upstream), upstream)

    def plain_edit(self, *replacements):
        """What plain libvirtd has after somebody edited there; from the richest document."""
        upstream = self.defined(self.translate(guest.domain("g", after=COMPILED["all"][0])))
        edited = upstream
        for old, new in replacements:
            self.assertIn(old, edited)
            edited = edited.replace(old, new, 1)
        return upstream, self.defined(edited)

    def test_other_edits_through_plain_libvirtd(self):
        """What has nothing to do with the command line is no reason for anything"""
        upstream, edited = self.plain_edit(("<vcpu placement='static'>1<", "<title>t</title>"
                                            "<vcpu placement='static'>2<"))
        self.assertNotEqual(upstream, edited)
        self.assertNotIn("virtpass", restore(edited))
        self.assertIn("<qemu:alter", restore(edited))

    def test_word_added_through_plain_libvirtd(self):
        """It is the author's own from then on"""
        end = "  </qemu:commandline>\n</domain>"
        _, edited = self.plain_edit((end, "    <qemu:arg value='-S'/>\n" + end))
        reader = restore(edited)
        self.assertNotIn("virtpass", reader)
        self.assertIn("<qemu:arg value='-S'/>", reader)
        self.assertIn(COMPILED["all"][0], decoded(reader))
        again = self.defined(self.translate(reader))
        self.assertIn('<qemu:arg value="-S"/>', restore(again))
        self.assertNotIn("virtpass", restore(again))

    def test_words_changed_through_plain_libvirtd(self):
        """What runs is shown, and nothing is made of what does not fit any more"""
        for old, new in (("    <qemu:arg value='-name'/>\n", ""),
                         (f"<emulator>{self.shim}<", f"<emulator>{guest.EMULATOR}<"),
                         ("<type>user</type>", "<type>tap</type>"),
                         ("    <qemu:env name='VIRTPASS_PLAN'", "    <qemu:env name='OTHER'")):
            with self.subTest(old):
                _, edited = self.plain_edit((old, new))
                self.assertIn("<virtpass:passthrough", restore(edited))
                self.assertEqual(self.translate(edited), edited)
                # the way out is to write one of the two
                way_out = re.sub(r"    <virtpass:passthrough.*?</virtpass:passthrough>\n", "",
                                 restore(edited), flags=re.DOTALL)
                stored = self.defined(way_out)
                self.assertNotIn("virtpass:passthrough", stored)
