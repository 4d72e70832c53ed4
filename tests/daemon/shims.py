# SPDX-License-Identifier: LGPL-2.1-or-later
"""The links by which the shim is started: which emulators get one, and which of them last."""

import os
import shutil
from xml.sax.saxutils import escape

from harness import guest, leaks, limits, rpc
from harness.process import run
from harness.scripted import USER, Scripted
from harness.virtpassd import program

TREE = "virtpass-emulators"
NAME = "virtpass-emulator"
LINKS_MAX = 256
WANTS_SHIM = ("<qemu:commandline><qemu:alter option='no-user-config'><qemu:remove/></qemu:alter>"
              "</qemu:commandline>\n")


class Base(Scripted):
    """The tree is one of the test's own."""

    config = {"emulator": {"directory": os.path.join(leaks.root(), "t/shims")}}

    def prepare(self):
        self.shims = self.config["emulator"]["directory"]
        self.tree = os.path.join(self.shims, TREE)

    def link(self, emulator):
        return f"{self.tree}{emulator}/{NAME}"

    def make_link(self, emulator, unsettled=False):
        path = self.link(emulator)
        os.makedirs(os.path.dirname(path))
        os.symlink(program("VIRTPASS_EMULATOR"), path)
        if unsettled:
            os.utime(path, (0, 0), follow_symlinks=False)
        return path

    def emulator(self, name):
        """One that is there."""
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nexit 1\n")
        os.chmod(path, 0o755)
        return path

    def document(self, emulator, name="g", wish=WANTS_SHIM):
        return guest.domain(name, after=wish).replace(f">{guest.EMULATOR}<",
                                                      f">{escape(emulator)}<")

    def links(self):
        return sorted(os.path.join(directory, name) for directory, dirs, files
                      in os.walk(self.tree) for name in dirs + files if name == NAME)

    def goes(self, path):
        limits.poll_until(lambda: not os.path.lexists(path), f"{path} is removed")


class Emulators(Base):
    def setUp(self):
        super().setUp()
        self.client_end = self.client()

    def define(self, emulator, **more):
        return self.client_end.define(self.document(emulator, **more))

    def assert_refused(self, emulator, *words):
        with self.assertRaises(rpc.RpcError) as caught:
            self.define(emulator)
        for word in words:
            self.assertIn(word, caught.exception.message)
        self.define(self.emulator("fine"))
        self.assertEqual(self.links(), [self.link(os.path.join(self.dir, "fine"))])
        self.works(self.client_end)

    def test_paths_that_lead_elsewhere(self):
        marker = os.path.join(self.dir, "marker")
        up = "/.." * 20
        for emulator in (f"{up}{marker}/er", "/../../../run/x/er", "/usr/bin/../../etc/x",
                         "/a/./b", "/usr/bin/..", "/usr/bin/qemu/", "qemu"):
            with self.subTest(emulator):
                self.assert_refused(emulator, "<emulator>", "expected the absolute path of QEMU")
        self.assertFalse(os.path.lexists(marker))

    def test_control_characters(self):
        self.assert_refused("/usr/bin/qe\nmu", "<emulator>", "control character")

    def test_names_of_the_tree(self):
        self.assert_refused(f"/x/{TREE}/usr/bin/qemu", "<emulator>", "shim's own tree")
        self.assert_refused(f"/x/{NAME}/qemu", "<emulator>", "shim's own name")

    def test_long_paths(self):
        self.assert_refused("/" + "x" * 4095, "<emulator>", "4096 bytes", "1024")
        self.assert_refused("/x" * 33, "<emulator>", "33 parts", "32")

    def test_doubled_slashes(self):
        emulator = self.emulator("qemu-system")
        domain = self.define("/" + emulator.replace("/", "//"))
        self.assertEqual(self.links(), [self.link(emulator)])
        self.assertIn(f">{self.link(emulator)}<", self.upstream.domains[guest.uuid("g")].xml)
        self.assertIn(f">/{emulator.replace('/', '//')}<", self.client_end.xml(domain))

    def test_document_without_alterations(self):
        """What libvirtd gets anyway is its own to judge"""
        self.define("/usr/bin/../bin/x", wish="")
        self.assertEqual(self.links(), [])

    def test_planted_directory(self):
        emulator = self.emulator("qemu-system")
        elsewhere = os.path.join(self.dir, "elsewhere")
        os.mkdir(elsewhere)
        path = self.tree + os.path.dirname(emulator)
        os.makedirs(os.path.dirname(path))
        os.symlink(elsewhere, path)
        with self.assertRaises(rpc.RpcError) as caught:
            self.define(emulator)
        self.assertIn(path, caught.exception.message)
        self.assertEqual(os.listdir(elsewhere), [])
        os.unlink(path)
        self.define(emulator)

    def test_planted_link(self):
        emulator = self.emulator("qemu-system")
        path = self.link(emulator)
        os.makedirs(os.path.dirname(path))
        os.symlink("/bin/sh", path)
        with self.assertRaises(rpc.RpcError) as caught:
            self.define(emulator)
        self.assertIn(f"{path} is in the way", caught.exception.message)
        self.assertEqual(os.readlink(path), "/bin/sh")
        os.unlink(path)
        self.define(emulator)

    def test_tree_of_others(self):
        emulator = self.emulator("qemu-system")
        self.define(emulator)
        os.chmod(self.tree, 0o777)
        with self.assertRaises(rpc.RpcError) as caught:
            self.define(emulator)
        self.assertIn(f"{self.tree} belongs to another user", caught.exception.message)
        os.chmod(self.tree, 0o755)
        if os.geteuid() == 0:
            shutil.chown(self.tree, USER)
            with self.assertRaises(rpc.RpcError):
                self.define(emulator)
            shutil.chown(self.tree, "root")
        self.define(emulator)

    def test_as_many_as_can_be(self):
        for number in range(LINKS_MAX - 1):
            self.make_link(f"/gone/{number}")
        last, more = self.emulator("last"), self.emulator("more")
        self.define(last)
        with self.assertRaises(rpc.RpcError) as caught:
            self.define(more)
        self.assertIn(f"one more than the {LINKS_MAX}", caught.exception.message)
        self.define(last)
        self.goes(self.link("/gone/0"))  # which nothing uses, and which starts nothing
        self.define(more)
        self.assertEqual(self.links(), sorted([self.link(last), self.link(more)]))


class Start(Base):
    """What virtpassd finds when it starts."""

    def prepare(self):
        super().prepare()
        self.used = self.make_link("/opt/used", unsettled=True)
        self.saved = self.make_link("/opt/of-a-saved-guest")
        self.nothing = self.make_link("/opt/for-nothing", unsettled=True)
        self.missing = self.link("/opt/missing")
        for name, path in (("u", self.used), ("m", self.missing)):
            self.upstream.add(name, guest.domain(name).replace(f">{guest.EMULATOR}<", f">{path}<"))

    def restart(self):
        self.virtpassd.end()
        self.virtpassd.start()

    def test_sweep(self):
        self.goes(self.nothing)
        self.assertEqual(self.links(), sorted([self.used, self.saved, self.missing]))
        self.assertNotEqual(os.lstat(self.used).st_mtime, 0)
        self.upstream.domains.clear()
        unsettled = self.make_link("/opt/unsettled", unsettled=True)
        self.restart()
        self.goes(unsettled)
        self.assertEqual(self.links(), sorted([self.used, self.saved, self.missing]))

    def test_definition_that_is_not_told(self):
        """Then nothing is removed"""
        self.goes(self.nothing)
        unsettled = self.make_link("/opt/unsettled", unsettled=True)
        self.virtpassd.end()
        self.upstream.hold(rpc.REMOTE, 14)
        asked = len(self.upstream.select(lambda frame: frame.proc == 14))
        self.virtpassd.start()
        self.upstream.wait_call(rpc.REMOTE, 14, asked + 1)
        self.works(self.client())
        self.assertTrue(os.path.lexists(unsettled))


class CheckConfig(Base):
    def test_shim_that_is_not_there(self):
        path = os.path.join(self.dir, "conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("[emulator]\nshim = /nonexistent/virtpass-emulator\n")
        result = run([program("VIRTPASSD"), "--check-config", "--config", path])
        self.assertEqual(result.returncode, 2)
        self.assertIn(f"{path}: [emulator] shim: /nonexistent/virtpass-emulator cannot be executed",
                      result.stderr)
        result = run([program("VIRTPASSD"), "--check-config", "--config", path, "--shim",
                      program("VIRTPASS_EMULATOR")])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("[emulator]", result.stderr)

    def test_start_without_the_shim_that_is_named(self):
        """Nothing is served, and nothing is left"""
        missing = os.path.join(self.dir, "missing")
        result = run([program("VIRTPASSD"), "--session", "--upstream", self.upstream.path,
                      "--listen-dir", os.path.join(self.dir, "l"), "--shim", missing])
        self.assertEqual(result.returncode, 2)
        self.assertIn(f"[emulator] shim: {missing} cannot be executed: No such file",
                      result.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.dir, "l")))
