# SPDX-License-Identifier: LGPL-2.1-or-later
"""[sessions] words = emulator: a session that the shim adds, with a real libvirtd and guests."""

import os

from harness import guest, limits
from harness.compare import remove_objects
from harness.real import RealGuests
from harness.virtpassd import Virtpassd

TREE = "virtpass-sessions"
ALTER = ("<qemu:commandline><qemu:alter option='name'><qemu:modify>process=altered</qemu:modify>"
         "</qemu:alter></qemu:commandline>\n")


class Words(RealGuests):
    def setUp(self):
        self.libvirtd.process.mark_log()
        self.virtpassd = Virtpassd(self.libvirtd.sock, config={"sessions": {"words": "emulator"}},
                                   environment={"XDG_CONFIG_HOME": self.libvirtd.path("c")})
        self.addCleanup(self.virtpassd.stop)
        self.addCleanup(remove_objects, self.libvirtd)
        self.virtpassd.start()

    def configure(self, words):
        self.virtpassd.end()
        self.virtpassd.configure({"sessions": {"words": words}})
        self.virtpassd.start()

    def stored(self, name="g"):
        """What libvirtd has."""
        return self.plain("dumpxml", "--inactive", name)

    def read(self, name="g"):
        return self.through("dumpxml", "--inactive", name)

    def tainted(self, name="g"):
        log = self.libvirtd.path("k/libvirt/qemu/log", name + ".log")
        with open(log, encoding="utf-8") as file:
            return "custom-argv" in file.read()

    def assert_dedicated(self, name="g"):
        """The session serves, and libvirtd is not asked."""
        self.assertEqual(self.query("query-status", name=name)["status"], "running")
        chardevs = {chardev["label"]: chardev["filename"]
                    for chardev in self.query("query-chardev", name=name)}
        self.assertIn("virtpass-qmp", chardevs)
        entry = self.virtpassd.sessions()[name]
        self.assertEqual(entry["session"], "dedicated", entry)
        return chardevs["virtpass-qmp"]

    def test_copy(self):
        """One made by plain libvirtd has a session of its own, at once"""
        self.start()
        copy = self.stored().replace(guest.uuid("g"), guest.uuid("copy"))
        self.plain("define", self.file(copy.replace("<name>g<", "<name>copy<")))
        self.plain("start", "copy")
        self.assertNotEqual(self.assert_dedicated("copy"), self.assert_dedicated())

    def test_life(self):
        self.start()
        stored = self.stored()
        self.assertIn(f"/{TREE}{guest.EMULATOR}/", stored)
        self.assertNotIn("qemu:", stored)
        self.assertNotIn("virtpass:", stored)
        self.assertIn(f"<emulator>{guest.EMULATOR}</emulator>", self.read())
        self.assertNotIn("virtpass", self.read())
        self.assertIn("/domain-", self.assert_dedicated())
        self.assertFalse(self.tainted())
        socket = self.assert_dedicated()
        self.through("managedsave", "g")
        self.through("start", "g")
        self.assert_dedicated()
        path = self.virtpassd.path("saved")
        self.through("save", "g", path)
        self.plain("restore", path)
        self.assert_dedicated()
        self.virtpassd.kill()
        self.virtpassd.start()
        self.assert_dedicated()
        self.assertFalse(self.tainted())
        self.plain("destroy", "g")
        self.assertNotIn(os.path.basename(os.path.dirname(socket)),
                         os.listdir(self.libvirtd.path("c/libvirt/qemu/lib")))

    def test_other_setting(self):
        """Back and forth at the next definition, and what a reader sees stays the same"""
        self.define()
        before, read = self.stored(), self.read()
        self.configure("commandline")
        self.assertEqual(self.read(), read)
        self.plain("start", "g")
        self.assert_dedicated()
        self.through("define", self.file(self.read()))
        self.assertIn("id=virtpass-qmp", self.stored())
        self.assertIn(f"<emulator>{guest.EMULATOR}</emulator>", self.stored())
        self.assertEqual(self.read(), read)
        self.plain("destroy", "g")
        self.assertFalse(self.tainted())
        self.through("start", "g")
        self.assert_dedicated()
        self.assertTrue(self.tainted())
        self.configure("emulator")
        self.through("define", self.file(self.stored()))
        self.assertEqual(self.stored(), before)
        self.assertEqual(self.read(), read)

    def test_altered(self):
        """Has a plan anyway, which says that the session is to be added"""
        self.start(after=ALTER)
        stored, read = self.stored(), self.read()
        self.assertNotIn(TREE, stored)
        self.assertNotIn("id=virtpass-qmp", stored)
        self.assertIn("/domain-", self.assert_dedicated())
        self.assertIn("process=altered", " ".join(self.libvirtd.qemu_words("g")))
        self.through("managedsave", "g")
        self.through("start", "g")
        self.assertIn("/domain-", self.assert_dedicated())
        native = self.through("domxml-to-native", "qemu-argv", "--domain", "g")
        self.assertIn("-chardev socket,id=virtpass-qmp,path=", native)
        self.assertIn("process=altered", native)
        self.configure("commandline")
        self.through("define", self.file(read))
        self.assertIn("id=virtpass-qmp", self.stored())
        self.assertEqual(self.read(), read)

    def test_session_that_is_not_wanted(self):
        self.define()
        self.define(after="<qemu:monitorpassthrough session='none'/>\n")
        self.assertNotIn(TREE, self.stored())
        self.define(after="<qemu:monitorpassthrough/>\n")
        self.assertIn(TREE, self.stored())
        self.assertIn("<qemu:monitorpassthrough/>", self.read())

    def test_long_names(self):
        # libvirtd counts bytes in this locale, and starts no guest where these cut a character
        for number, name in enumerate(("n" * 20, "n" * 21 + "x", "ä" * 20)):
            with self.subTest(name):
                self.through("define", self.file(guest.domain(name, uuid_text=guest.uuid(
                    f"long{number}"))))
                self.through("start", name)
                self.assert_dedicated(name)
                self.through("destroy", name)

    def test_what_would_run(self):
        """domxml-to-native says what the shim makes of it"""
        self.define()
        native = self.through("domxml-to-native", "qemu-argv", "--domain", "g")
        self.assertIn(f"{guest.EMULATOR} -name", native)
        self.assertIn("-chardev socket,id=virtpass-qmp,path=", native)
        self.assertNotIn(TREE, native)
        self.through("start", "g")
        limits.poll_until(lambda: "virtpass-qmp" in " ".join(self.libvirtd.qemu_words("g")),
                          "the guest has the words")
