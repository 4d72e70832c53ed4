# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's own events and QEMU's, keepalive and the end of connections, for clients with an event
loop."""

import os
import signal
import time

import libvirt

from harness import guest, limits, proctree
from harness.compare import Comparison
from harness.events import ALL_EVENTS, quiet, shutdowns

STARTED = str(libvirt.VIR_DOMAIN_EVENT_STARTED)
RESUMED = str(libvirt.VIR_DOMAIN_EVENT_RESUMED)
UNDEFINED = str(libvirt.VIR_DOMAIN_EVENT_UNDEFINED)

# QEMU's own farewell, which libvirtd may or may not get to see before QEMU is gone.
SHUTDOWN = ": 6 "


class Lifecycle(Comparison):
    def case_whole_life(self, side):
        """defined, started, suspended, resumed, stopped, undefined: each once and in order"""
        waiting = side.client_background("lifecycle", "1", UNDEFINED)
        side.define("g")
        for command in ("start", "suspend", "resume", "destroy", "undefine"):
            side.virsh(command, "g")
        lines = [line for line in waiting.finish() if SHUTDOWN not in line]
        side.note("events", lines)
        assert len(lines) == 9, lines

    def case_two_clients(self, side):
        side.define("g")
        waiting = [side.client_background("lifecycle", "1", STARTED) for _ in range(2)]
        side.virsh("start", "g")
        for client in waiting:
            side.note("events", client.finish())

    def case_save_and_restore(self, side):
        """The last event is that the guest runs, a moment after that it was started"""
        side.start("g")
        waiting = side.client_background("lifecycle", "1", RESUMED)
        side.virsh("managedsave", "g")
        side.virsh("start", "g")
        side.note("events", waiting.finish())

    def case_virsh_event(self, side):
        """virsh event --all: metadata changes until one is seen, then the life of a guest"""
        uri = "http://example.org/e"
        side.define("g")
        waiting = side.background("virsh", "-q", "-c", side.uri, "event", "--loop", "--all",
                                  "--domain", "g")

        def seen():
            side.virsh("metadata", "g", "--uri", uri, "--key", "k", "--set", "<a/>", "--config")
            return waiting.lines
        limits.poll_until(seen, "virsh event prints an event")
        side.virsh("start", "g")
        side.virsh("destroy", "g")
        waiting.wait_lines("Stopped")
        lines = [line for line in waiting.cancel() if "lifecycle" in line]
        assert any("Started" in line for line in lines), lines
        side.note("lifecycle", lines)


class MonitorEvents(Comparison):
    """The whole life of a guest in QEMU's events: libvirtd's stream, each of them once, and none
    that libvirtd does not show."""

    def listen(self, side):
        """virsh listens as well: it tells QEMU's timestamps, by which no event comes twice."""
        self.virsh = side.background("virsh", "-q", "-c", side.uri, "qemu-monitor-event", "--loop")
        return side.client_background(*ALL_EVENTS)

    def dedicated(self, side):
        """Through virtpassd the session is what brings them."""
        if side.through:
            self.virtpassd.wait_session("g")

    def begin(self, side, **more):
        """A paused guest: firmware that is reset halfway resets once more."""
        side.define("g", devices=guest.disk(side.qcow2("disk.qcow2", "64M")), **more)
        side.virsh("start", "--paused", "g")
        self.dedicated(side)

    def finish(self, side, client, shutdown_events):
        lines = quiet(client)
        side.note("events", "\n".join(lines))
        assert len(shutdowns(lines)) == shutdown_events, lines
        events = [line for line in self.virsh.lines if line.startswith("event ")]
        assert len(set(events)) == len(events), events

    def case_destroy(self, side):
        """A while after the session got ready"""
        client = self.listen(side)
        self.begin(side)
        side.virsh("resume", "g")
        time.sleep(4)
        side.virsh("destroy", "g")
        self.finish(side, client, 1)

    def case_destroy_gracefully(self, side):
        client = self.listen(side)
        self.begin(side)
        side.virsh("destroy", "--graceful", "g")
        self.finish(side, client, 1)

    def case_killed(self, side):
        client = self.listen(side)
        self.begin(side)
        proctree.kill(side.libvirtd.qemu_pid("g"))
        side.wait_state("g", "shut off")
        self.finish(side, client, 0)

    def case_terminated(self, side):
        """By somebody else than libvirtd, and the next start is a guest like any other"""
        client = self.listen(side)
        for count in (1, 2):
            self.begin(side)
            os.kill(side.libvirtd.qemu_pid("g"), signal.SIGTERM)
            side.wait_state("g", "shut off")
            self.finish(side, client, count)

    def case_reset(self, side):
        client = self.listen(side)
        self.begin(side)
        side.virsh("reset", "g")
        side.virsh("reset", "g")
        self.finish(side, client, 0)

    def boot(self, side):
        """A guest that obeys its power button; returns the file with what it has said."""
        image = side.write("boot.img", guest.acpi_sector())
        said = side.write("serial", "")
        os.chmod(said, 0o666)
        side.start("g", devices=guest.disk(image, "raw")
                   + f"<serial type='file'><source path='{said}'/></serial>\n")
        self.dedicated(side)
        self.wait_said(said, "R")
        return said

    def wait_said(self, path, words):
        def there():
            with open(path, encoding="latin-1") as file:
                return words in file.read()
        limits.poll_until(there, "the guest has booted", timeout=limits.TEST_SECONDS)

    def case_shutdown(self, side):
        client = self.listen(side)
        self.boot(side)
        side.virsh("shutdown", "--mode", "acpi", "g")
        side.wait_state("g", "shut off")
        self.finish(side, client, 2)

    def case_reboot(self, side):
        client = self.listen(side)
        said = self.boot(side)
        with open(said, "w", encoding="latin-1"):
            pass  # QEMU appends
        side.virsh("reboot", "--mode", "acpi", "g")
        self.wait_said(said, "R")
        side.virsh("destroy", "g")
        self.finish(side, client, 2)

    def case_save(self, side):
        """QEMU is ended behind a monitor that libvirtd has closed: nobody shuts a guest down"""
        client = self.listen(side)
        self.begin(side)
        side.virsh("save", "g", side.path("image"))
        self.finish(side, client, 0)
        side.virsh("restore", "--paused", side.path("image"))
        self.dedicated(side)
        side.virsh("destroy", "g")
        self.finish(side, client, 1)

    def case_managed_save(self, side):
        client = self.listen(side)
        self.begin(side)
        side.virsh("managedsave", "g")
        self.finish(side, client, 0)

    def case_revert(self, side):
        client = self.listen(side)
        self.begin(side)
        side.virsh("snapshot-create-as", "g", "s1")
        side.virsh("snapshot-revert", "--paused", "g", "s1")
        self.dedicated(side)
        self.finish(side, client, 0)
        side.virsh("destroy", "g")
        self.finish(side, client, 1)


class Connections(Comparison):
    def case_idle_with_keepalive(self, side):
        """A client that pings every second is still served after several pings"""
        out = side.virsh("-k", "1", "-K", "2", "event", "--timeout", "3", "lifecycle", check=False)
        side.note("virsh", [out.returncode, out.stdout, out.stderr])

    def case_many_at_once(self, side):
        side.start("g")
        connections = [side.connect() for _ in range(40)]
        names = {connection.lookupByName("g").UUIDString() for connection in connections}
        side.note("names", sorted(names))
        for connection in connections[::2]:
            connection.lookupByName("g").info()
        side.note("types", sorted({connection.getType() for connection in connections}))
