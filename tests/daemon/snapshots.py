# SPDX-License-Identifier: LGPL-2.1-or-later
"""query-snapshots, savevm, loadvm and delvm with real guests: what they do when all is well."""

import json
import os
import re
import signal
import subprocess

import libvirt
import libvirt_qemu

from harness import limits, rpc
from harness.snapshot import SnapshotCase, commandline, image_snapshots, virtio
from harness.virtpassd import program, virtpass

FIRMWARE = "/usr/share/seabios/bios-256k.bin"
NO_PARENT = "00000000-0000-0000-0000-000000000000"
CD = ("<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"
      "<target dev='hda' bus='ide'/></disk>\n")


class Saving(SnapshotCase):
    def test_one_disk(self):
        path, = self.start_with(1)
        answer = self.ask("savevm", name="s")
        snapshot = answer["snapshot"]
        self.assertTrue(answer["running"])
        self.assertEqual((snapshot["name"], snapshot["loadable"]), ("s", True))
        self.assertEqual((snapshot["vmstate"], [entry["disk"] for entry in snapshot["images"]]),
                         ("virtio-disk0", ["virtio-disk0"]))
        self.assertEqual(snapshot["images"][0]["file"], path)
        self.assertGreater(snapshot["vm-state-size"], 100000)
        self.assert_intact({"virtio-disk0": ["s"]}, "running")
        self.assertEqual(self.snapshots()["s"], snapshot)
        self.halt()
        self.assertEqual(image_snapshots(path), ["s"])

    def test_two_disks_there_and_back(self):
        self.start_with(2)
        self.write("virtio-disk0", 1)
        self.write("virtio-disk1", 2)
        self.ask("savevm", name="s")
        self.write("virtio-disk0", 3)
        self.write("virtio-disk1", 4)
        answer = self.ask("loadvm", name="s")
        self.assertTrue(answer["running"])
        self.assertEqual(answer["snapshot"]["name"], "s")
        self.assert_intact({"virtio-disk0": ["s"], "virtio-disk1": ["s"]}, "running")
        self.assert_data(d0=1, d1=2)

    def test_all_that_is_no_obstacle(self):
        """Four disks, read-only ones of both formats, an empty drive, an overlay, a filter"""
        base = self.image("base")
        overlay = self.image("over", "qcow2", f"backing_file={base}", "backing_fmt=qcow2")
        readonly = self.image("ro")
        raw = self.image("iso", "raw")
        copied, second, last = (self.image(name) for name in ("cor", "d1", "d5"))
        devices = (virtio(overlay, 0) + virtio(second, 1)
                   + virtio(readonly, 2, more="<readonly/>")
                   + virtio(raw, 3, "raw", more="<readonly/>")
                   + virtio(copied, 4).replace("type='qcow2'", "type='qcow2' copy_on_read='on'")
                   + virtio(last, 5) + CD)
        self.start(devices=devices)
        snapshot = self.ask("savevm", name="s")["snapshot"]
        four = ["virtio-disk0", "virtio-disk1", "virtio-disk4", "virtio-disk5"]
        self.assertEqual([entry["disk"] for entry in snapshot["images"]], four)
        self.assertEqual([entry["file"] for entry in snapshot["images"]],
                         [overlay, second, copied, last])
        held = self.held()
        self.assertEqual([disk for disk, names in held.items() if names], four)
        self.assertTrue(self.ask("loadvm", name="s")["running"])
        self.ask("delvm", name="s")
        self.assertFalse(any(self.held().values()))

    def test_default_name(self):
        self.start_with(1)
        names = [self.ask("savevm")["snapshot"]["name"] for _ in range(3)]
        self.assertEqual(len(set(names)), 3)
        for name in names:
            self.assertRegex(name, r"^vm-\d{14}(-\d+)?$")

    def test_longest_name(self):
        self.start_with(1)
        for name in ("x" * 255, "zwei Wörter, \"und\" '\\mehr'", "-1"):
            self.ask("savevm", name=name)
            self.ask("loadvm", name=name)
            self.ask("delvm", name=name)
        self.assertEqual(self.held(), {"virtio-disk0": []})

    def test_paused_guest_stays_paused(self):
        self.start_with(1)
        self.ask("savevm", name="running")
        self.virtpassd.virsh("suspend", "g")
        self.assertFalse(self.ask("savevm", name="paused")["running"])
        self.assertFalse(self.ask("loadvm", name="running")["running"])
        self.assert_intact({"virtio-disk0": ["running", "paused"]}, "paused")
        self.virtpassd.virsh("resume", "g")
        self.assertTrue(self.ask("loadvm", name="paused")["running"])

    def test_replacing(self):
        """The old one is there until a new one is"""
        self.start_with(2)
        old = self.ask("savevm", name="s")["snapshot"]["uuid"]
        self.write("virtio-disk1", 7)
        answer = self.ask("savevm", name="s", overwrite=True)
        self.assertNotIn("left", answer)
        self.assertNotEqual(answer["snapshot"]["uuid"], old)
        self.assert_intact({"virtio-disk0": ["s"], "virtio-disk1": ["s"]}, "running")
        self.write("virtio-disk1", 8)
        self.ask("loadvm", name="s")
        self.assert_data(d1=7)

    def test_replacing_nothing(self):
        self.start_with(1)
        self.ask("savevm", name="s", overwrite=True)
        self.assertEqual(self.held(), {"virtio-disk0": ["s"]})

    def test_firmware_does_not_take_the_state(self):
        """Flash memory belongs to the snapshot, but not what fills the guest's memory"""
        blocks = [{"driver": "raw", "node-name": "code", "read-only": True,
                   "file": {"driver": "file", "filename": FIRMWARE}},
                  {"driver": "qcow2", "node-name": "nvram",
                   "file": {"driver": "file", "filename": self.image("flash", size="256K")}}]
        words = [word for block in blocks for word in ("-blockdev", json.dumps(block))]
        self.start(devices=virtio(self.image("d0")), after=commandline(
            *words, "-machine", "pflash0=code,pflash1=nvram"))
        snapshot = self.ask("savevm", name="s")["snapshot"]
        self.assertEqual((snapshot["vmstate"], [entry["disk"] for entry in snapshot["images"]]),
                         ("virtio-disk0", ["system.flash1", "virtio-disk0"]))
        self.ask("loadvm", name="s")


class Deleting(SnapshotCase):
    def test_what_is_not_everywhere(self):
        """Left behind by others: on one disk only, or twice on it"""
        self.start_with(2)
        node = self.nodes()["virtio-disk0"]
        both = [node, self.nodes()["virtio-disk1"]]
        self.assertIsNone(self.foreign_job("snapshot-save", tag="s", vmstate=node, devices=[node]))
        self.assertIsNone(self.foreign_job("snapshot-save", tag="s", vmstate=node, devices=both))
        self.assertEqual(self.held(), {"virtio-disk0": ["s", "s"], "virtio-disk1": ["s"]})
        entries = self.ask("query-snapshots")
        self.assertEqual([[part["problem"] for part in entry["problems"]] for entry in entries],
                         [["mismatched", "duplicate-on"], ["duplicate-on"]])
        gone = self.ask("delvm", name="s", uuid=entries[0]["uuid"])
        self.assertEqual(gone, [{"name": "s", "uuid": entries[0]["uuid"],
                                 "disks": ["virtio-disk0"]}])
        entry, = self.ask("query-snapshots")
        self.assertEqual((entry["uuid"], entry["loadable"]), (entries[1]["uuid"], True))
        self.ask("delvm", name="s")
        self.assertEqual(self.held(), {"virtio-disk0": [], "virtio-disk1": []})


class Listing(SnapshotCase):
    def test_per_device(self):
        self.start_with(2)
        uuid = self.ask("savevm", name="s")["snapshot"]["uuid"]
        first, second = self.ask("query-snapshots", per_device=True)
        self.assertEqual((first["device"], first["state"]), ("virtio-disk0", True))
        self.assertEqual((second["device"], second["state"]), ("virtio-disk1", False))
        for device in (first, second):
            snapshot, = device["snapshots"]
            self.assertEqual((snapshot["uuid"], snapshot["parent_uuid"], snapshot["tag"]),
                             (uuid, NO_PARENT, "s"))
            self.assertRegex(str(snapshot["date"]), r"^20\d{12}$")

    def test_nothing(self):
        self.start()
        self.assertEqual(self.ask("query-snapshots"), [])
        self.assertEqual(self.ask("query-snapshots", per_device=True), [])

    def test_disk_that_cannot(self):
        self.start(devices=virtio(self.image("d0")) + virtio(self.image("d1", "raw"), 1, "raw"))
        node = self.nodes()["virtio-disk0"]
        self.foreign_job("snapshot-save", tag="s", vmstate=node, devices=[node])
        entry = self.snapshots()["s"]
        self.assertFalse(entry["loadable"])
        self.assertEqual(entry["problems"], [{"problem": "no-snapshot-support",
                                              "disks": ["virtio-disk1"]}])


class Inheritance(SnapshotCase):
    def test_chain_and_branch(self):
        self.start_with(2)
        for name in ("a", "b", "c"):
            self.ask("savevm", name=name)
        self.assertEqual((self.parents(), self.current()), ({"a": "-", "b": "a", "c": "b"}, ["c"]))
        self.ask("loadvm", name="a")
        self.assertEqual(self.current(), ["a"])
        self.assertEqual(self.ask("savevm", name="d")["snapshot"]["parent"],
                         self.snapshots()["a"]["uuid"])
        self.assertEqual(self.parents(), {"a": "-", "b": "a", "c": "b", "d": "a"})
        self.ask("delvm", name="a")
        self.assertEqual(self.parents(), {"b": "-", "c": "b", "d": "-"})
        self.ask("delvm", name="b")
        self.assertEqual((self.parents(), self.current()), ({"c": "-", "d": "-"}, ["d"]))

    def test_kept_with_the_domain(self):
        """Over a restart of virtpassd, and of the guest"""
        self.start_with(1)
        for name in ("a", "b"):
            self.ask("savevm", name=name)
        expected = {"a": "-", "b": "a"}
        self.virtpassd.restart()
        self.virtpassd.wait_session("g")
        self.connection = rpc.Client(self.virtpassd.sock, "qemu:///session")
        self.addCleanup(self.connection.close)
        self.assertEqual((self.parents(), self.current()), (expected, []))
        self.halt()
        self.boot()
        self.assertEqual((self.parents(), self.current()), (expected, []))
        self.assertIsNone(self.ask("savevm", name="c")["snapshot"]["parent"])
        self.ask("savevm", name="d")
        self.assertEqual(self.parents(), {"a": "-", "b": "a", "c": "?", "d": "c"})

    def test_loaded_by_somebody_else(self):
        """Unknown, not wrong"""
        self.start_with(1)
        for name in ("a", "b"):
            self.ask("savevm", name=name)
        self.assertEqual(self.human("loadvm a"), "")
        self.assertEqual(self.current(), [])
        self.assertIsNone(self.ask("savevm", name="c")["snapshot"]["parent"])
        self.assertEqual((self.parents(), self.current()), ({"a": "-", "b": "a", "c": "?"}, ["c"]))

    def test_pause_hides_nothing_that_was_not_there(self):
        """The only snapshot is the parent, however often the guest was stopped"""
        self.start_with(1)
        self.ask("savevm", name="a")
        self.virtpassd.virsh("suspend", "g")
        self.virtpassd.virsh("resume", "g")
        self.ask("savevm", name="b")
        self.assertEqual(self.parents(), {"a": "-", "b": "a"})

    def test_saved_by_somebody_else(self):
        self.start_with(1)
        self.ask("savevm", name="a")
        self.assertEqual(self.human("savevm b"), "")
        self.assertEqual(self.parents(), {"a": "-", "b": "a"})

    def test_replaced(self):
        """The new one is its predecessor's heir"""
        self.start_with(1)
        for name in ("a", "b", "c"):
            self.ask("savevm", name=name)
        self.ask("savevm", name="b", overwrite=True)
        self.assertEqual(self.parents(), {"a": "-", "c": "a", "b": "c"})


class LibvirtsAccount(SnapshotCase):
    """Snapshots that libvirt took, at the first look at them."""

    def take(self, *names):
        """By libvirtd, to whom virtpassd is nobody"""
        for name in names:
            self.libvirtd.virsh("snapshot-create-as", "g", name)

    def revert(self, name):
        self.libvirtd.virsh("snapshot-revert", "g", name)
        self.virtpassd.wait_session("g")

    def test_branch(self):
        self.start_with(2)
        self.take("a", "b")
        self.revert("a")
        self.take("c")
        self.assertEqual(self.parents(), {"a": "-", "b": "a", "c": "a"})
        self.libvirtd.virsh("snapshot-delete", "g", "a")
        self.assertEqual(self.parents(), {"b": "-", "c": "?"})
        self.assertIn(self.ask("savevm", name="d")["snapshot"]["parent"],
                      (None, self.snapshots()["c"]["uuid"]))
        self.libvirtd.virsh("snapshot-delete", "g", "b", "--metadata")
        self.assertEqual(self.parents()["b"], "-")  # it is ours to know now

    def test_offline(self):
        images = [self.image("d0")]
        self.define(devices=virtio(images[0]))
        self.take("a", "b")
        self.boot()
        self.take("c")
        self.assertEqual(self.parents(), {"a": "-", "b": "a", "c": "b"})

    def test_our_commands_between(self):
        """libvirt goes on naming what it took last"""
        self.start_with(1)
        self.take("a")
        self.ask("savevm", name="x")
        self.take("b")
        self.assertIn("<name>a</name>", self.libvirtd.virsh("snapshot-dumpxml", "g", "b"))
        self.assertIn(self.parents()["b"], "x?")
        self.ask("loadvm", name="a")
        self.take("c")
        self.assertIn("<name>b</name>", self.libvirtd.virsh("snapshot-dumpxml", "g", "c"))
        parents = self.parents()
        self.assertIn(parents["c"], "a?")
        self.revert("a")
        self.assertEqual((self.parents()["a"], self.parents()["x"]), ("-", "a"))
        for name in ("b", "c"):
            self.assertIn(self.parents()[name], ("?", parents[name]))

    def test_others_between(self):
        self.start_with(1)
        self.take("a")
        self.assertEqual(self.human("savevm x"), "")
        self.take("b", "c")
        self.assertEqual(self.parents(), {"a": "-", "x": "?", "b": "?", "c": "b"})
        self.virtpassd.virsh("suspend", "g")
        self.assertEqual(self.human("loadvm b"), "")
        self.take("d")
        self.assertIn("<name>c</name>", self.libvirtd.virsh("snapshot-dumpxml", "g", "d"))
        self.assertEqual(self.parents(), {"a": "-", "x": "?", "b": "?", "c": "b", "d": "?"})


class Tool(SnapshotCase):
    """virtpass savevm, loadvm, delvm, snapshots"""

    def virtpass(self, *words, **more):
        return virtpass("-c", self.virtpassd.uri, *words, **more)

    def prints(self, expected, *words):
        result = self.virtpass(*words)
        self.assertEqual((result.stdout, result.stderr, result.returncode), (expected, "", 0))

    def test_tree(self):
        self.start_with(2)
        self.prints("Snapshot 'a' saved, the guest runs\n", "savevm", "g", "a")
        self.prints("Snapshot 'b' saved, the guest runs\n", "savevm", "g", "b")
        self.prints("Snapshot 'a' loaded, the guest runs\n", "loadvm", "g", "a")
        self.prints("Snapshot 'c' saved, the guest runs\n", "savevm", "g", "c")
        self.prints("Snapshot 'b' saved, the guest runs\n", "savevm", "--overwrite", "g", "b")
        self.ask("savevm", name="x")
        self.human("loadvm a")
        self.human("savevm y")
        node = self.nodes()["virtio-disk0"]
        self.ask("blockdev-snapshot-internal-sync", device=node, name="z")
        lines = self.virtpass("snapshots", "g").stdout.splitlines()
        self.assertEqual([re.split(r"  +\d", line)[0].rstrip() for line in lines[1:]],
                         ["a", "└─ c", "   └─ b", "      └─ x", "? y", "? z"])
        self.assertRegex(lines[0], "^NAME +DATE +RAN +STATE +DISKS +NOTE$")
        self.assertRegex(lines[1], r"20\d\d-\d\d-\d\d [\d:]{8}  0:00:\d\d +[\d.]+\s[KM]iB  "
                         r"virtio-disk0, virtio-disk1  -$")
        self.assertIn("cannot be loaded: it is missing on virtio-disk1", lines[6])
        listed = json.loads(self.virtpass("snapshots", "--json", "g").stdout)
        self.assertEqual(listed, self.ask("query-snapshots"))
        self.prints("Snapshot 'z' deleted on virtio-disk0\n", "delvm", "g", "z")

    def test_errors(self):
        self.start_with(1)
        for words, message in ((("savevm", "g", "7"), "digits"), (("loadvm", "g", "s"), "'s'"),
                               (("delvm", "g", "s"), "'s'"), (("savevm", "h"), "'h'"),
                               (("snapshots", "h"), "'h'")):
            result = self.virtpass(*words)
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertRegex(result.stderr, "^error: .*" + message)
        self.assertEqual(self.virtpass("loadvm", "g").returncode, 2)

    def terminal(self, *words):
        """The program, with a terminal at standard error, and a function that returns what that
        has got up to now."""
        ours, theirs = os.openpty()
        self.addCleanup(os.close, ours)
        os.set_blocking(ours, False)
        process = subprocess.Popen([program("VIRTPASS"), "-c", self.virtpassd.uri, *words],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=theirs, text=True)
        os.close(theirs)
        drawn = []

        def read():
            try:
                while chunk := os.read(ours, 65536):
                    drawn.append(chunk.decode())
            except OSError:  # nothing there, or the other end is closed
                pass
            return "".join(drawn)
        return process, read

    def test_bar(self):
        """Drawn while it lasts, and wiped away"""
        self.start_with(1)
        self.connection.monitor_events("VIRTPASS_JOB_PROGRESS")
        process, read = self.terminal("savevm", "g", "s")
        self.connection.monitor_event()
        pid = self.libvirtd.qemu_pid("g")
        os.kill(pid, signal.SIGSTOP)
        try:
            limits.poll_until(lambda: re.search(r"\x1b\[K\w+ing s .*  1 s", read()), "it is drawn")
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(process.communicate()[0], "Snapshot 's' saved, the guest runs\n")
        self.assertTrue(read().endswith("\r\x1b[K"), repr(read()))

    def test_error_behind_the_bar(self):
        self.start_with(1)
        process, read = self.terminal("loadvm", "g", "t")
        self.assertEqual(process.communicate()[0], "")
        self.assertEqual(process.returncode, 1)
        self.assertRegex(read(), r"\x1b\[Kerror: domain 'g': there is no snapshot 't'")


class Clients(SnapshotCase):
    def test_virsh(self):
        self.start_with(1)
        for command, text in (("savevm", '"name":"s"'), ("loadvm", '"name":"s"'),
                              ("delvm", '"name":"s"')):
            reply = json.loads(self.virtpassd.virsh(
                "qemu-monitor-command", "g",
                '{"execute":"%s","arguments":{%s},"id":"x"}' % (command, text)))
            self.assertEqual((set(reply), reply["id"]), ({"return", "id"}, "x"))

    def test_python(self):
        self.start_with(1)
        connection = libvirt.open(self.virtpassd.uri)
        self.addCleanup(connection.close)
        domain = connection.lookupByName("g")
        reply = libvirt_qemu.qemuMonitorCommand(domain, '{"execute":"savevm"}', 0)
        self.assertTrue(json.loads(reply)["return"]["running"])
        reply = libvirt_qemu.qemuMonitorCommand(domain, '{"execute":"query-snapshots"}', 0)
        self.assertEqual(len(json.loads(reply)["return"]), 1)

    def test_progress(self):
        """Each step is told, to whoever listens, with the job that QEMU runs"""
        self.start_with(1)
        listener = rpc.Client(self.virtpassd.sock, "qemu:///session")
        self.addCleanup(listener.close)
        listener.monitor_events("VIRTPASS_JOB_PROGRESS")
        self.ask("savevm", name="s")
        phases, details = [], {}
        while "verifying" not in phases:
            details = json.loads(listener.monitor_event()[5])
            phases.append(details["phase"])
        self.assertEqual([phase for phase in phases if phase != "saving"],
                         ["checking", "verifying"])
        self.assertEqual((details["command"], details["name"]), ("savevm", "s"))
        self.assertEqual(details["total"], 32 << 20)

    def test_schema(self):
        self.start()
        names = {entry["name"] for entry in self.ask("query-commands")}
        self.assertLessEqual({"query-snapshots", "savevm", "loadvm", "delvm"}, names)

    def test_libvirts_own_snapshot(self):
        """Both work on the same images, and each sees what the other has left"""
        self.start_with(1)
        self.virtpassd.virsh("snapshot-create-as", "g", "theirs")
        self.assertTrue(self.snapshots()["theirs"]["loadable"])
        self.ask("loadvm", name="theirs")
        self.ask("savevm", name="ours")
        self.virtpassd.virsh("snapshot-revert", "g", "theirs")
        self.virtpassd.wait_session("g")
        self.assertEqual(set(self.snapshots()), {"theirs", "ours"})
