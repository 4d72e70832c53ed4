# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests with disks, and what is in their snapshots: for the tests of savevm and its kin.

Commands go through virtpassd on a connection of the test; what there is in the end is asked of
QEMU's own commands, or of qemu-img when the guest is gone.
"""

import json
import os
import unittest

from harness import guest, limits, rpc
from harness.compare import daemons, remove_objects
from harness.process import run


class QmpError(Exception):
    """What QEMU, or virtpassd in its place, answered."""

    def __init__(self, error):
        super().__init__(error["desc"])
        self.kind = error["class"]


def image(path, kind="qcow2", *options, size="4M"):
    """Makes an image and returns its path."""
    words = ["-o", ",".join(options)] if options else []
    result = run(["qemu-img", "create", "-q", "-f", kind, *words, path, size])
    assert result.returncode == 0, result.stderr
    os.chmod(path, 0o666)
    return path


def image_snapshots(path):
    """The names of the snapshots in an image that nobody uses, the first first."""
    result = run(["qemu-img", "info", "--output=json", path])
    assert result.returncode == 0, result.stderr
    return [entry["name"] for entry in json.loads(result.stdout).get("snapshots", ())]


def virtio(path, number=0, kind="qcow2", more=""):
    """A disk with the alias virtio-diskNUMBER."""
    letter = "abcdefgh"[number]
    return (f"<disk type='file' device='disk'><driver name='qemu' type='{kind}'/>"
            f"<source file='{path}'/><target dev='vd{letter}' bus='virtio'/>{more}</disk>\n")


def commandline(*words):
    return ("<qemu:commandline>" + "".join(f"<qemu:arg value='{word}'/>" for word in words)
            + "</qemu:commandline>\n")


def extra_disk(path, *, node="extra", fails=None, after=0):
    """Words for a disk behind libvirt's own. fails: the kind of access (blkdebug's name for it) at
    which its image has no room any more, when so many went well."""
    count = [{"event": fails, "state": number + 1, "new_state": number + 2}
             for number in range(after)]
    error = [{"event": fails, "errno": 28, "state": after + 1, "immediately": True}]
    storage = {"driver": "file", "filename": path}
    if fails:
        storage = {"driver": "blkdebug", "image": storage, "inject-error": error,
                   **({"set-state": count} if count else {})}
    device = {"driver": "virtio-blk-pci", "drive": node, "id": node, "bus": "pci.0",
              "addr": "0x1d"}
    return ("-blockdev", json.dumps({"driver": "qcow2", "node-name": node, "file": storage}),
            "-device", json.dumps(device))


def disk_device(alias):
    return f"/machine/peripheral/{alias}/virtio-backend"


class SnapshotCase(unittest.TestCase):
    """One guest for a test, in a pair of daemons for the file."""

    @classmethod
    def setUpClass(cls):
        cls.libvirtd, cls.virtpassd = daemons()
        if not cls.virtpassd:
            raise unittest.SkipTest("VIRTPASSD names no program")

    def setUp(self):
        for daemon in (self.libvirtd, self.virtpassd):
            daemon.process.mark_log()
        self.files = []
        self.addCleanup(self.remove_images)
        self.addCleanup(remove_objects, self.libvirtd)
        self.connection = rpc.Client(self.virtpassd.sock, "qemu:///session")
        self.addCleanup(self.connection.close)

    def describe_failure(self):
        return "".join(daemon.process.log_since_mark()
                       for daemon in (self.libvirtd, self.virtpassd))

    # -- images -------------------------------------------------------------

    def image(self, name, *args, **more):
        path = self.libvirtd.path("d", name)
        self.files.append(path)
        return image(path, *args, **more)

    def remove_images(self):
        for path in self.files:
            if os.path.exists(path):
                os.unlink(path)

    # -- the guest ----------------------------------------------------------

    def define(self, *, devices="", **more):
        path = self.virtpassd.path("x.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(guest.domain("g", devices=devices, **more))
        self.virtpassd.virsh("define", path)
        self.reference = self.connection.lookup("g")

    def boot(self):
        self.virtpassd.virsh("start", "g")
        self.virtpassd.wait_session("g")

    def start(self, **more):
        self.define(**more)
        self.boot()

    def start_with(self, count=1, **more):
        """A guest with so many disks; returns the images."""
        images = [self.image(f"d{number}") for number in range(count)]
        self.start(devices="".join(virtio(path, number) for number, path in enumerate(images)),
                   **more)
        return images

    def halt(self):
        self.virtpassd.virsh("destroy", "g")

    # -- commands -----------------------------------------------------------

    def ask_text(self, command, arguments=None, connection=None):
        text = json.dumps({"execute": command, "arguments": arguments or {}})
        return (connection or self.connection).monitor(self.reference, text)

    def ask(self, command, **arguments):
        """What it returned; keys of arguments with "_" for "-"."""
        arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
        reply = json.loads(self.ask_text(command, arguments))
        if "error" in reply:
            raise QmpError(reply["error"])
        return reply["return"]

    def refused(self, command, *words, **arguments):
        """It fails, and the message has all these in it; returns the message."""
        with self.assertRaises(QmpError) as caught:
            self.ask(command, **arguments)
        message = str(caught.exception)
        for word in words:
            self.assertIn(word, message)
        return message

    def human(self, line):
        return self.ask("human-monitor-command", command_line=line)

    # -- how things are -----------------------------------------------------

    def status(self):
        return self.ask("query-status")["status"]

    def held(self):
        """{disk: names of its snapshots}, as QEMU itself tells; read-only disks too."""
        result = {}
        for block in self.ask("query-block"):
            if "inserted" in block:
                snapshots = block["inserted"]["image"].get("snapshots", ())
                path = block["qdev"].split("/")
                name = path[3] if len(path) > 3 else path[-1]
                result[name] = [entry["name"] for entry in snapshots]
        return result

    def snapshots(self):
        """query-snapshots by name; each name must be there once."""
        entries = self.ask("query-snapshots")
        result = {entry["name"]: entry for entry in entries}
        self.assertEqual(len(result), len(entries), entries)
        return result

    def parents(self):
        """{name: name of its parent; "-" for none, "?" for unknown}"""
        entries = self.snapshots()
        names = {entry["uuid"]: name for name, entry in entries.items()}
        names["00000000-0000-0000-0000-000000000000"] = "-"
        return {name: "?" if entry["parent"] is None else names[entry["parent"]]
                for name, entry in entries.items()}

    def current(self):
        return [name for name, entry in self.snapshots().items() if entry["current"]]

    def assert_intact(self, held, status):
        """Disks hold what they held, the guest does what it did, and no job is left behind."""
        self.assertEqual((self.held(), self.status()), (held, status))
        self.assertEqual(self.ask("query-jobs"), [])

    # -- data on the disks --------------------------------------------------

    def write(self, disk, byte):
        """Fills the first cluster, as the guest's driver would."""
        self.human(f'qemu-io -d {disk_device(disk)} "write -P {byte} 0 64k"')

    def assert_data(self, **bytes_by_image):
        """What the images begin with, d0=1 and so on. Ends the guest."""
        self.halt()
        for name, byte in bytes_by_image.items():
            path = self.libvirtd.path("d", name)
            result = run(["qemu-io", "-r", "-c", f"read -P {byte} 0 64k", path])
            self.assertEqual(result.returncode, 0, f"{name}: {result.stdout}{result.stderr}")

    def foreign_job(self, command, **arguments):
        """A job of QEMU's own command, as somebody else would run it; returns its error."""
        self.ask(command, job_id="foreign", **arguments)
        job = limits.poll_until(lambda: [job for job in self.ask("query-jobs")
                                         if job["status"] == "concluded"], "the job has ended")[0]
        self.ask("job-dismiss", id="foreign")
        return job.get("error")

    def nodes(self):
        """{disk: its node}"""
        return {entry["qdev"].split("/")[3]: entry["inserted"]["node-name"]
                for entry in self.ask("query-block")
                if "inserted" in entry and entry["qdev"].startswith("/machine/peripheral/")}
