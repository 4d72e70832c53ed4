# SPDX-License-Identifier: LGPL-2.1-or-later
"""The base of tests with a real libvirtd, virtpassd in front of it, and real guests."""

import json
import unittest

import libvirt
import libvirt_qemu

from harness import guest, limits
from harness.compare import remove_objects
from harness.libvirtd import shared_libvirtd
from harness.virtpassd import Virtpassd, available


class RealGuests(unittest.TestCase):
    """One libvirtd for the file, a virtpassd for each test."""

    config = {}

    @classmethod
    def setUpClass(cls):
        if not available():
            raise unittest.SkipTest("VIRTPASSD names no program")
        cls.libvirtd = shared_libvirtd()

    def setUp(self):
        self.libvirtd.process.mark_log()
        self.virtpassd = Virtpassd(self.libvirtd.sock, config=self.config)
        self.addCleanup(self.virtpassd.stop)
        self.addCleanup(remove_objects, self.libvirtd)
        self.virtpassd.start()

    def describe_failure(self):
        return (self.libvirtd.process.log_since_mark()
                + self.virtpassd.process.log_since_mark())

    # -- shorthands ---------------------------------------------------------

    def plain(self, *args, **more):
        """virsh at libvirtd itself."""
        return self.libvirtd.virsh(*args, **more)

    def through(self, *args, **more):
        return self.virtpassd.virsh(*args, **more)

    def file(self, text, name="x.xml"):
        """The path of a file with this text."""
        path = self.virtpassd.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def define(self, name="g", how=None, **more):
        """more: what guest.domain() takes."""
        (how or self.through)("define", self.file(guest.domain(name, **more)))

    def start(self, name="g", **more):
        self.define(name, **more)
        self.through("start", name)
        return self.virtpassd.wait_session(name)

    # -- monitor commands, through stock clients ----------------------------

    def qmp(self, execute, arguments=None, name="g", **more):
        """The reply of a monitor command sent with virsh."""
        command = {"execute": execute, **more}
        if arguments is not None:
            command["arguments"] = arguments
        return json.loads(self.through("qemu-monitor-command", name, json.dumps(command)))

    def query(self, execute, arguments=None, name="g"):
        """What it returns; it must not fail."""
        reply = self.qmp(execute, arguments, name)
        self.assertIn("return", reply)
        return reply["return"]

    def failure(self, execute, arguments=None, name="g"):
        """(class, desc) of its error."""
        reply = self.qmp(execute, arguments, name)
        self.assertIn("error", reply)
        return reply["error"]["class"], reply["error"]["desc"]

    def human(self, line, name="g"):
        return self.through("qemu-monitor-command", name, "--hmp", line)

    def poke(self, watchers):
        """Stops and continues the guest until everybody has seen something."""
        def seen():
            self.qmp("stop")
            self.qmp("cont")
            return all(watcher.lines for watcher in watchers)
        limits.poll_until(seen, "events are seen")

    def connection(self):
        """python3-libvirt's."""
        connection = libvirt.open(self.virtpassd.uri)
        self.addCleanup(connection.close)
        return connection

    def python_qmp(self, connection, command, name="g"):
        """The same through python3-libvirt."""
        domain = connection.lookupByName(name)
        return json.loads(libvirt_qemu.qemuMonitorCommand(domain, json.dumps(command), 0))
