# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's events for clients when libvirtd, or virtpassd, is late or just back."""

import os
import signal
import socket

from harness import guest, limits, proctree, virtpassd
from harness.events import ALL_EVENTS, quiet, shutdowns
from harness.process import Lines
from harness.real import RealGuests


def names(lines):
    return [line.partition("{")[0].removesuffix("withoutdata") for line in lines]


class Events(RealGuests):
    def listen(self):
        client = Lines([virtpassd.program("VIRTPASS_TEST_CLIENT"), self.virtpassd.uri, *ALL_EVENTS],
                       self.virtpassd.path("client.log"))
        self.addCleanup(client.kill)
        client.wait_lines("ready")
        return client

    def begin(self):
        """A paused guest, whose session is ready; the process of its QEMU."""
        self.define()
        self.through("start", "--paused", "g")
        self.virtpassd.wait_session("g")
        return self.libvirtd.qemu_pid("g")

    def terminate(self, pid):
        os.kill(pid, signal.SIGTERM)
        limits.poll_until(lambda: not proctree.alive(pid), "QEMU has ended")

    def freeze_libvirtd(self):
        self.libvirtd.process.freeze()
        self.addCleanup(self.libvirtd.process.thaw)

    def test_libvirtd_is_late(self):
        """It has not read QEMU's last event yet when the session has ended"""
        client = self.listen()
        pid = self.begin()
        self.freeze_libvirtd()
        self.terminate(pid)
        self.assertEqual(shutdowns(quiet(client)), [])
        self.libvirtd.process.thaw()
        client.wait_lines("SHUTDOWN")
        self.assertEqual(names(quiet(client)), ["g:SHUTDOWN"])

    def test_libvirtd_hangs(self):
        """The session brings what libvirtd does not, and that is all when libvirtd goes on"""
        client = self.listen()
        self.begin()
        monitor = socket.socket(socket.AF_UNIX)
        self.addCleanup(monitor.close)
        monitor.connect(self.virtpassd.path("qmp", guest.uuid("g")))
        monitor.recv(65536)  # the greeting: libvirtd has judged who connects
        self.freeze_libvirtd()
        monitor.sendall(b'{"execute":"qmp_capabilities"}{"execute":"cont"}{"execute":"stop"}')
        client.wait_lines("STOP")
        self.libvirtd.process.thaw()
        self.assertEqual(names(quiet(client)), ["g:RESUME", "g:STOP"])

    def test_libvirtd_is_restarted(self):
        pid = self.begin()
        self.libvirtd.restart()
        limits.poll_until(lambda: self.virtpassd.process.log_text().count("connected to libvirtd")
                          == 2, "virtpassd is connected again")
        limits.poll_until(lambda: self.plain("domstate", "g").strip() == "paused",
                          "libvirtd knows the guest")
        client = self.listen()
        self.through("resume", "g")
        self.through("suspend", "g")
        self.terminate(pid)
        self.assertEqual(names(quiet(client)), ["g:RESUME", "g:STOP", "g:SHUTDOWN"])

    def test_virtpassd_is_restarted(self):
        self.begin()
        self.virtpassd.restart()
        client = self.listen()
        self.virtpassd.wait_session("g")
        self.through("resume", "g")
        self.through("destroy", "g")
        self.assertEqual(names(quiet(client)), ["g:RESUME", "g:SHUTDOWN"])

    def test_virtpassd_has_just_been_killed(self):
        """The client registers while the session is not ready yet"""
        self.begin()
        self.virtpassd.kill()
        self.virtpassd.start()
        client = self.listen()
        self.through("resume", "g")
        self.through("suspend", "g")
        self.through("managedsave", "g")
        self.assertEqual([name for name in names(quiet(client)) if "MIGRATION" not in name],
                         ["g:RESUME", "g:STOP"])
