# SPDX-License-Identifier: LGPL-2.1-or-later
"""savevm, loadvm and delvm when something goes wrong in the middle: what is left is what was there,
or what the error says. Every failure is a real one: QEMU, libvirtd or an image fails."""

import json
import os
import re
import resource
import signal

from harness import limits, rpc, xdr
from harness.snapshot import SnapshotCase, commandline, extra_disk, image_snapshots, virtio


class HalfWay(SnapshotCase):
    """QEMU fails in the middle."""

    def test_no_room_for_the_memory(self):
        path, = self.start_with(1)
        self.ask("savevm", name="old")
        pid = self.libvirtd.qemu_pid("g")
        size = os.path.getsize(path)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        message = self.refused("savevm", "'s' was not saved", name="s")
        self.assertRegex(message, "while writing VM state|Input/output error")
        self.assertIn("the disks hold what they held, and the guest runs", message)
        self.refused("savevm", "'old' was not saved", "hold what they held", name="old",
                     overwrite=True)
        self.assert_intact({"virtio-disk0": ["old"]}, "running")
        resource.prlimit(pid, resource.RLIMIT_FSIZE,
                         (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.ask("savevm", name="s")
        self.assertEqual(self.parents(), {"old": "-", "s": "old"})

    def start_with_extra(self, **more):
        """A guest whose second disk fails where it is told to; the same images each time."""
        if not self.files:
            self.image("d0")
            self.image("d1")
        self.start(devices=virtio(self.files[0]), after=commandline(
            *extra_disk(self.files[1], **more)))

    def test_second_disk_fails(self):
        """The first one's half does not stay"""
        self.start_with_extra(fails="cluster_alloc")
        self.refused("savevm", "'s' was not saved", "on 'extra'", "hold what they held",
                     "the guest runs", name="s")
        self.assert_intact({"virtio-disk0": [], "extra": []}, "running")
        self.virtpassd.virsh("suspend", "g")
        self.refused("savevm", "the guest stands still, as it did", name="s")
        self.assert_intact({"virtio-disk0": [], "extra": []}, "paused")

    def test_replacing_fails_early(self):
        """The old one is still there"""
        self.start_with_extra()
        self.write("extra", 1)
        uuid = self.ask("savevm", name="s")["snapshot"]["uuid"]
        self.halt()
        self.start_with_extra(fails="cluster_alloc")
        self.refused("savevm", "'s' was not saved", "hold what they held", name="s",
                     overwrite=True)
        self.assert_intact({"virtio-disk0": ["s"], "extra": ["s"]}, "running")
        self.assertEqual((self.snapshots()["s"]["uuid"], self.snapshots()["s"]["loadable"]),
                         (uuid, True))

    def test_replacing_fails_late(self):
        """The old one is gone, and the error says where the new one is"""
        self.start_with_extra()
        self.ask("savevm", name="s")
        self.halt()
        self.start_with_extra(fails="cluster_alloc", after=3)
        message = self.refused("savevm", "'s' was not replaced", "the old one is gone",
                               "the guest runs", name="s", overwrite=True)
        spare = re.search(r"saved as '(vm-[\d-]+)', which can be loaded", message)[1]
        self.assert_intact({"virtio-disk0": [spare], "extra": [spare]}, "running")
        self.assertTrue(self.snapshots()[spare]["loadable"])
        self.assertEqual(self.current(), [spare])
        self.halt()
        self.start_with_extra()
        self.ask("loadvm", name=spare)

    def test_delete_fails(self):
        """It says where it is left"""
        self.start_with_extra()
        for name in ("s", "t"):
            self.ask("savevm", name=name)
        self.halt()
        self.start_with_extra(fails="cluster_alloc")
        self.refused("delvm", "'s'", "extra: ", "No space left", "may hold it still", name="s")
        self.assert_intact({"virtio-disk0": ["t"], "extra": ["t"]}, "running")
        self.halt()
        self.assertEqual(image_snapshots(self.files[1]), ["s", "t"])

    def test_other_machine(self):
        """The disks have gone back, so the guest must not go on"""
        path = self.image("d0")
        rng = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\n"
        self.start(devices=virtio(path) + rng)
        self.write("virtio-disk0", 1)
        self.ask("savevm", name="s")
        self.write("virtio-disk0", 2)
        self.halt()
        self.start(devices=virtio(path))
        self.ask("savevm", name="fits")
        message = self.refused("loadvm", "'s' was loaded in part only", "all disks have been put "
                               "back", "must not be continued", name="s")
        self.assertIn("restore-vm", message)
        self.assertEqual(self.status(), "restore-vm")
        self.assertEqual(self.current(), [])
        self.refused("savevm", "restore-vm", name="t")
        self.assert_intact({"virtio-disk0": ["s", "fits"]}, "restore-vm")
        self.ask("loadvm", name="fits")
        self.ask("cont")
        self.assertEqual(self.status(), "running")
        self.refused("loadvm", "in part", name="s")
        self.assert_data(d0=1)

    def test_second_disk_cannot_go_back(self):
        """It says which disks are what now"""
        self.start_with_extra()
        for byte in (1, 2):
            for disk in ("virtio-disk0", "extra"):
                self.write(disk, byte)
            if byte == 1:
                self.ask("savevm", name="s")
        self.halt()
        self.start_with_extra(fails="flush_to_os")
        self.refused("loadvm", "in part only", "on 'extra'", "the disk extra may have been put "
                     "back in part", "put back were: virtio-disk0.", name="s")
        self.assertEqual(self.status(), "restore-vm")
        self.assert_data(d0=1)


class Waiting(SnapshotCase):
    def setUp(self):
        super().setUp()
        self.start_with(1)
        self.pid = self.libvirtd.qemu_pid("g")

    def freeze(self, pid=None):
        os.kill(pid or self.pid, signal.SIGSTOP)
        self.addCleanup(self.thaw, pid or self.pid)

    @staticmethod
    def thaw(pid):
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def post(self, command, **arguments):
        return self.connection.post_monitor(self.reference, json.dumps(
            {"execute": command, "arguments": arguments}))

    def answer(self, call):
        return json.loads(xdr.Reader(self.connection.reply(call).payload).string())

    def listen(self):
        listener = rpc.Client(self.virtpassd.sock, "qemu:///session")
        self.addCleanup(listener.close)
        listener.monitor_events("VIRTPASS_JOB_PROGRESS")
        return listener

    def wait_phase(self, listener, phase):
        while json.loads(listener.monitor_event()[5])["phase"] != phase:
            pass

    def test_no_longer(self):
        """Who has waited long enough is told so; what goes on all the same is cleaned up"""
        listener = self.listen()
        call = self.post("savevm", name="s", timeout=1)
        self.wait_phase(listener, "saving")
        self.freeze()
        reply = self.answer(call)
        if "error" in reply:  # else it was faster than we
            self.assertRegex(reply["error"]["desc"],
                             r"has not ended within 1 seconds \((saving|verifying)\)")
        self.thaw(self.pid)
        self.ask("savevm", name="t")
        self.assert_intact({"virtio-disk0": ["s", "t"]}, "running")

    def test_nothing_begun(self):
        """libvirtd does not answer, where the parents are kept"""
        listener = self.listen()
        self.freeze(self.libvirtd.process.pid)
        call = self.post("savevm", name="s", timeout=1)
        self.assertIn("has not ended within 1 seconds (checking)",
                      self.answer(call)["error"]["desc"])
        self.thaw(self.libvirtd.process.pid)
        self.wait_phase(listener, "checking")
        self.assert_intact({"virtio-disk0": []}, "running")
        self.ask("savevm", name="s", timeout=0)

    def test_sender_leaves(self):
        """What has begun comes to its end"""
        with rpc.Client(self.virtpassd.sock, "qemu:///session") as client:
            listener = self.listen()
            client.post_monitor(self.reference, json.dumps({"execute": "savevm",
                                                            "arguments": {"name": "s"}}))
            self.wait_phase(listener, "saving")
        limits.poll_until(lambda: self.held() == {"virtio-disk0": ["s"]}, "it is saved")
        limits.poll_until(lambda: self.current() == ["s"], "it is remembered")
        self.assert_intact({"virtio-disk0": ["s"]}, "running")

    def test_guest_dies(self):
        self.freeze()
        call = self.post("savevm", name="s")
        os.kill(self.pid, signal.SIGKILL)
        with self.assertRaises(rpc.RpcError) as caught:
            self.connection.reply(call)
        self.assertIn("'g'", caught.exception.message)
        limits.poll_until(lambda: self.virtpassd.virsh("domstate", "g").strip() == "shut off",
                          "libvirtd has noticed")
        self.boot()
        self.ask("savevm", name="s")

    def test_deleted_after_the_look(self):
        """Nothing was loaded, so the guest that was stopped for it goes on"""
        self.ask("savevm", name="s")
        self.write("virtio-disk0", 2)
        node = self.nodes()["virtio-disk0"]
        other = rpc.Client(self.virtpassd.sock, "qemu:///session")
        self.addCleanup(other.close)
        self.ask_text("query-status", connection=other)
        listener = self.listen()
        self.freeze(self.libvirtd.process.pid)
        call = self.post("loadvm", name="s")
        for _ in range(2):  # the second comes half a second later: the disks have been looked at
            self.assertEqual(json.loads(listener.monitor_event()[5])["phase"], "checking")
        reply = json.loads(self.ask_text("blockdev-snapshot-delete-internal-sync",
                                         {"device": node, "name": "s"}, connection=other))
        self.assertIn("return", reply)
        self.thaw(self.libvirtd.process.pid)
        error = self.answer(call)["error"]["desc"]
        self.assertIn("no disk was touched", error)
        self.assertIn("does not exist", error)
        self.assert_intact({"virtio-disk0": []}, "running")
        self.assert_data(d0=2)
