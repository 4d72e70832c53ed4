# SPDX-License-Identifier: LGPL-2.1-or-later
"""What virtpassd keeps with a domain stays with it, whoever writes the document that replaces it.

The documents are read through virtpassd, so what it keeps is not in them; the parents of two
snapshots tell whether it is there afterwards.
"""

import functools
import unittest

import libvirt

from harness import rpc, virtpassd
from harness.compare import remove_objects
from harness.libvirtd import Libvirtd
from harness.snapshot import SnapshotCase

OTHER = "<title>other</title>"
EXPECTED = {"a": "-", "b": "a"}


@functools.cache
def destination():
    """Another host: its libvirtd, and a virtpassd in front of it."""
    server = Libvirtd("lw", shared=True, host_uuid="5f0c37d4-91b0-4c1d-8f55-0e1d52f1a002")
    unittest.addModuleCleanup(server.stop)
    server.start()
    daemon = virtpassd.Virtpassd(server.sock, "vq", shared=True)
    unittest.addModuleCleanup(daemon.stop)
    return server, daemon.start()


class Start(SnapshotCase):
    """A guest with two snapshots of ours."""

    def setUp(self):
        super().setUp()
        self.start_with(1)
        for name in ("a", "b"):
            self.ask("savevm", name=name)
        self.virsh = self.virtpassd.virsh

    def titled(self, text, title="other"):
        """A file with the document, changed; nothing of ours is in it."""
        self.assertNotIn("virtpass", text)
        path = self.virtpassd.path("x.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("</uuid>", f"</uuid>\n<title>{title}</title>"))
        return path

    def document(self, *options):
        return self.titled(self.virsh("dumpxml", "g", *options))

    def image_file(self):
        path = self.libvirtd.path("d", "saved")
        self.files.append(path)
        return path

    def assert_kept(self):
        self.virtpassd.wait_session("g")
        self.assertIn(OTHER, self.virsh("dumpxml", "g"))
        self.assertEqual(self.parents(), EXPECTED)


class Carried(Start):
    def test_saved_guest(self):
        """Saved with a document, the image given another one, restored with a third"""
        image = self.image_file()
        self.virsh("save", "g", image, "--xml", self.document("--migratable"))
        self.assertIn("state/snapshots", self.libvirtd.virsh("save-image-dumpxml", image))
        changed = self.titled(self.virsh("save-image-dumpxml", image).replace(OTHER, ""), "second")
        self.virsh("save-image-define", image, changed)
        inside = self.libvirtd.virsh("save-image-dumpxml", image)
        self.assertIn("<title>second</title>", inside)
        self.assertIn("state/snapshots", inside)
        changed = self.titled(self.virsh("save-image-dumpxml", image).replace(
            "<title>second</title>", ""))
        self.virsh("restore", image, "--xml", changed)
        self.assert_kept()

    def test_parameters(self):
        image = self.image_file()
        connection = libvirt.open(self.virtpassd.uri)
        self.addCleanup(connection.close)
        domain = connection.lookupByName("g")
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE)
        domain.saveParams({libvirt.VIR_DOMAIN_SAVE_PARAM_FILE: image,
                           libvirt.VIR_DOMAIN_SAVE_PARAM_DXML: xml})
        xml = connection.saveImageGetXMLDesc(image)
        self.assertIn("state/snapshots", self.libvirtd.virsh("save-image-dumpxml", image))
        with open(self.titled(xml), encoding="utf-8") as file:
            xml = file.read()
        connection.restoreParams({libvirt.VIR_DOMAIN_SAVE_PARAM_DXML: xml,
                                  libvirt.VIR_DOMAIN_SAVE_PARAM_FILE: image})
        self.assert_kept()

    def test_managed_save_redefined(self):
        self.virsh("managedsave", "g")
        self.virsh("managedsave-define", "g", self.titled(self.virsh("managedsave-dumpxml", "g")))
        self.virsh("start", "g")
        self.assert_kept()

    def test_created_beside_its_definition(self):
        changed = self.document("--inactive")
        self.halt()
        self.virsh("create", changed)
        self.assert_kept()

    def test_snapshot_redefined(self):
        """A revert brings back what was kept when the snapshot was taken"""
        self.virsh("snapshot-create-as", "g", "t")
        changed = self.titled(self.virsh("snapshot-dumpxml", "g", "t", "--security-info"))
        self.virsh("snapshot-create", "g", changed, "--redefine")
        self.virsh("snapshot-revert", "g", "t")
        self.virtpassd.wait_session("g")
        self.assertIn(OTHER, self.virsh("dumpxml", "g"))
        parents = self.parents()
        self.assertEqual({name: parents[name] for name in EXPECTED}, EXPECTED)
        self.virsh("snapshot-delete", "g", "t")

    def test_nothing_to_carry(self):
        """Calls whose document replaces none, or that are wrong, are libvirtd's"""
        self.halt()
        for words in (("restore", "/nonexistent", "--xml", self.document()),
                      ("save-image-define", "/nonexistent", self.document()),
                      ("managedsave-define", "g", self.document()),
                      ("save", "g", self.image_file(), "--xml", self.document())):
            result = self.virsh(*words, check=False)
            plain = self.libvirtd.virsh(*words, check=False)
            self.assertEqual((result.returncode, result.stderr), (1, plain.stderr))
        self.virsh("undefine", "g")
        self.start(devices="")
        self.assertEqual(self.parents(), {})


class Migrated(Start):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.there, cls.arrived = destination()

    def setUp(self):
        super().setUp()
        self.addCleanup(remove_objects, self.there)

    def migrate(self, *options):
        self.virsh("migrate", "g", self.arrived.uri, "--migrateuri", "tcp://127.0.0.1", "--live",
                   "--persistent", "--undefinesource", "--unsafe", *options)
        self.virtpassd = self.arrived
        self.virsh = self.arrived.virsh
        self.connection = rpc.Client(self.arrived.sock, "qemu:///session")
        self.addCleanup(self.connection.close)

    def check(self, *options):
        live = self.titled(self.virsh("dumpxml", "g", "--migratable"))
        stored = self.libvirtd.path("d", "stored")
        self.files.append(stored)
        with open(stored, "w", encoding="utf-8") as file:
            file.write(self.virsh("dumpxml", "g", "--inactive", "--migratable"))
        self.migrate("--xml", live, "--persistent-xml", stored, *options)
        self.assert_kept()
        self.halt()
        self.boot()
        self.assertEqual(self.parents(), EXPECTED)

    def test_by_the_client(self):
        self.check()

    def test_peer_to_peer(self):
        self.check("--p2p")
