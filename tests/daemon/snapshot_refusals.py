# SPDX-License-Identifier: LGPL-2.1-or-later
"""savevm, loadvm and delvm where they cannot do it: every obstacle is a real one, and is found
before anything is touched."""

import json

from harness import limits, rpc, xdr
from harness.process import run
from harness.snapshot import SnapshotCase, commandline, virtio


class Refused(SnapshotCase):
    """Found before anything is touched: the guest has not been stopped for a moment."""

    def setUp(self):
        super().setUp()
        self.listener = rpc.Client(self.virtpassd.sock, "qemu:///session")
        self.addCleanup(self.listener.close)

    def assert_untouched(self, command, *words, **arguments):
        """It is refused with these words, and nobody has noticed anything."""
        held, status = self.held(), self.status()
        callback = self.listener.monitor_events("STOP")
        message = self.refused(command, *words, **arguments)
        self.assert_intact(held, status)
        self.listener.call(rpc.EVENT_REMOVE, callback.to_bytes(4, "big"), rpc.QEMU)
        self.assertEqual([frame for frame in self.listener.aside
                          if frame.proc == rpc.MONITOR_EVENT], [])
        return message

    def save_refused(self, *words, **arguments):
        return self.assert_untouched("savevm", *words, **arguments)

    def test_raw_disk(self):
        self.start(devices=virtio(self.image("d0")) + virtio(self.image("d1", "raw"), 1, "raw"))
        message = self.save_refused("virtio-disk1", "d1", "use qcow2", name="s")
        self.assertRegex(message, "'(raw|file)'")  # newer libvirts have no node for "raw"

    def test_formats_that_cannot(self):
        """What QEMU notices when all memory has been written"""
        data = self.image("ext", "raw")
        self.start(devices=virtio(self.image("d0"))
                   + virtio(self.image("d1", "qcow2", f"data_file={data}"), 1))
        self.save_refused("virtio-disk1", "external file", name="s")
        self.halt()
        self.start(devices=virtio(self.image("d0"))
                   + virtio(self.image("d1", "qcow2", "refcount_bits=1"), 1))
        self.save_refused("virtio-disk1", "reference counts of 1 bit", name="s")

    def test_no_disk(self):
        self.start()
        self.save_refused("no disk that may be written", name="s")

    def test_device_that_cannot_migrate(self):
        self.start(devices=virtio(self.image("d0")), after=commandline(
            "-device", "qemu-xhci,id=x,addr=0x1d", "-device", "usb-uas,bus=x.0,id=u1"))
        self.save_refused("usb-uas", name="s")

    def test_names(self):
        self.start_with(1)
        for name, words in (("", "empty"), ("7", "digits"), ("x" * 256, "256 bytes"),
                            ("a\tb", "control")):
            self.save_refused(words, name=name)
        self.ask("savevm", name="x" * 255)

    def test_name_that_is_taken(self):
        """Also by a disk that is none of the snapshot's"""
        readonly = self.image("ro")
        result = run(["qemu-img", "snapshot", "-c", "r", readonly])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.start(devices=virtio(self.image("d0")) + virtio(self.image("d1"), 1)
                   + virtio(readonly, 2, more="<readonly/>"))
        node = self.nodes()["virtio-disk1"]
        self.foreign_job("snapshot-save", tag="p", vmstate=node, devices=[node])
        self.save_refused("virtio-disk1", "'p'", "overwrite", name="p")
        self.save_refused("virtio-disk2", "'r'", name="r")
        self.ask("savevm", name="s")
        self.save_refused("virtio-disk0", "'s'", name="s")

    def test_block_job(self):
        self.start_with(1)
        self.ask("savevm", name="s")
        target = self.image("copy", "raw")
        self.ask("blockdev-add", driver="file", filename=target, node_name="copy")
        self.ask("blockdev-mirror", job_id="mirror", device=self.nodes()["virtio-disk0"],
                 target="copy", sync="full")
        limits.poll_until(lambda: self.ask("query-jobs")[0]["status"] == "ready", "it is ready")
        for command in ("savevm", "loadvm", "delvm"):
            self.refused(command, "'mirror'", name="s" if command != "savevm" else "t")
        self.ask("job-cancel", id="mirror")
        limits.poll_until(lambda: not self.ask("query-jobs"), "it is gone")
        self.assert_intact({"virtio-disk0": ["s"]}, "running")
        self.ask("savevm", name="t")

    def test_load_what_is_not_whole(self):
        self.start_with(2)
        first, second = (self.nodes()[f"virtio-disk{number}"] for number in range(2))
        self.foreign_job("snapshot-save", tag="one", vmstate=first, devices=[first])
        for node in (first, second):
            self.foreign_job("snapshot-save", tag="apart", vmstate=node, devices=[node])
            self.ask("blockdev-snapshot-internal-sync", device=node, name="data")
        self.foreign_job("snapshot-save", tag="twice", vmstate=first, devices=[first])
        self.foreign_job("snapshot-save", tag="twice", vmstate=first, devices=[first, second])
        self.ask("savevm", name="good")
        for name, words in (("none", "no snapshot 'none'"), ("1", "no snapshot '1'"),
                            ("one", "missing on virtio-disk1"),
                            ("apart", "is another snapshot"),
                            ("data", "not the state of the guest"),
                            ("twice", "several of that name on virtio-disk0")):
            self.assert_untouched("loadvm", words, name=name)
        self.ask("loadvm", name="good")

    def test_load_with_dirty_bitmap(self):
        """QEMU would stop the guest first"""
        self.start_with(1)
        self.ask("savevm", name="s")
        node = self.nodes()["virtio-disk0"]
        self.ask("block-dirty-bitmap-add", node=node, name="bits")
        self.assert_untouched("loadvm", "virtio-disk0", "'bits'", name="s")
        self.ask("block-dirty-bitmap-remove", node=node, name="bits")
        self.ask("loadvm", name="s")

    def test_delete_what_is_not_there(self):
        self.start_with(1)
        uuid = self.ask("savevm", name="s")["snapshot"]["uuid"]
        self.assert_untouched("delvm", "'t'", name="t")
        self.assert_untouched("delvm", "'s'", name="s", uuid=uuid.replace(uuid[0], "g"))
        self.ask("delvm", name="s", uuid=uuid.upper())

    def test_arguments(self):
        self.start_with(1)
        for command, arguments in (("savevm", {"timeout": -1}), ("savevm", {"nmae": "s"}),
                                   ("savevm", {"overwrite": "yes"}), ("loadvm", {}),
                                   ("delvm", {"name": 7}), ("query-snapshots", {"x": 1})):
            self.assert_untouched(command, **arguments)

    def test_two_at_a_time(self):
        """The second is refused while the first is at work, and not after it"""
        self.start_with(1)
        calls = [self.listener.post_monitor(self.reference, json.dumps(
            {"execute": "savevm", "arguments": {"name": "b"}}))]
        text = json.dumps({"execute": "savevm", "arguments": {"name": "a"}})
        replies = [json.loads(self.connection.monitor(self.reference, text)),
                   json.loads(xdr.Reader(self.listener.reply(calls[0]).payload).string())]
        good = [reply for reply in replies if "return" in reply]
        self.assertGreaterEqual(len(good), 1)
        for reply in replies:
            if "error" in reply:
                self.assertIn("already", reply["error"]["desc"])
        self.assertEqual(len(self.held()["virtio-disk0"]), len(good))
        self.ask("savevm", name="c")
