# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's own events, keepalive and the end of connections, for clients with an event loop."""

import libvirt

from harness import limits
from harness.compare import Comparison

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
