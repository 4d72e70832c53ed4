# SPDX-License-Identifier: LGPL-2.1-or-later
"""Migration between two private daemons, driven by the client and peer to peer.

Directly it goes from one libvirtd to the other; through means that client and, peer to peer,
the source libvirtd itself reach both by their own virtpassd.
"""

import functools
import re
import unittest

import libvirt

from harness import guest, limits, proctree, virtpassd
from harness.compare import Comparison, Side, remove_objects
from harness.libvirtd import Libvirtd

OVER = "tcp://127.0.0.1"
LIVE = libvirt.VIR_MIGRATE_LIVE


@functools.cache
def second_daemons():
    server = Libvirtd("lw", shared=True, host_uuid="5f0c37d4-91b0-4c1d-8f55-0e1d52f1a002")
    unittest.addModuleCleanup(server.stop)
    server.start()
    if not virtpassd.available():
        return server, None
    daemon = virtpassd.Virtpassd(server.sock, "vq", shared=True)
    unittest.addModuleCleanup(daemon.stop)
    return server, daemon.start()


def undo(side):
    for cleanup in reversed(side.cleanups):
        cleanup()


class Migration(Comparison):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.second_libvirtd, cls.second_virtpassd = second_daemons()

    def destination(self, side):
        """The other daemon, over the same kind of way."""
        there = self.second_virtpassd if side.through else self.second_libvirtd
        other = Side(self, side.name, there.sock, there.uri)
        side.cleanups.append(lambda: remove_objects(self.second_libvirtd))
        side.cleanups.append(lambda: undo(other))
        return other

    def migrate(self, side, other, *options):
        return side.virsh("migrate", "g", other.uri, "--migrateuri", OVER, *options)

    def note_state(self, side, other):
        """What both ends know afterwards; the guest answers at its new place"""
        side.note("source", side.virsh("list", "--all", "--name").split())
        for options in (["--all", "--name"], ["--persistent", "--all", "--name"]):
            side.note("destination", other.virsh("list", *options).split())
        side.note("state", other.virsh("domstate", "--reason", "g"))
        side.note("monitor", other.virsh("qemu-monitor-command", "g", "--hmp", "info name"))
        self.note_xml(side, other)

    def note_xml(self, side, other):
        for options in ([], ["--inactive"], ["--migratable"]):
            text = other.virsh("dumpxml", "g", *options)
            assert "virtpass" not in text or not side.through, text
            side.note("xml " + " ".join(options), text)

    def case_driven_by_the_client(self, side):
        other = self.destination(side)
        side.start("g")
        self.migrate(side, other, "--live")
        self.note_state(side, other)
        assert other.virsh("list", "--name").split() == ["g"]

    def case_persistent(self, side):
        other = self.destination(side)
        side.start("g")
        self.migrate(side, other, "--live", "--persistent", "--undefinesource")
        self.note_state(side, other)
        assert other.virsh("list", "--persistent", "--name").split() == ["g"]
        other.virsh("destroy", "g")
        side.note("stored", other.virsh("dumpxml", "g"))
        side.note("starts", other.virsh("start", "g"))

    def case_peer_to_peer(self, side):
        other = self.destination(side)
        side.start("g")
        self.migrate(side, other, "--live", "--p2p")
        self.note_state(side, other)
        assert other.virsh("list", "--name").split() == ["g"]

    def case_peer_to_peer_persistent(self, side):
        other = self.destination(side)
        side.start("g")
        self.migrate(side, other, "--live", "--p2p", "--persistent", "--undefinesource")
        self.note_state(side, other)
        other.virsh("destroy", "g")
        side.note("stored", other.virsh("dumpxml", "g"))
        side.note("starts", other.virsh("start", "g"))

    def case_tunnelled(self, side):
        """The guest's memory goes as a stream through libvirtd and virtpassd"""
        other = self.destination(side)
        side.start("g")
        side.virsh("migrate", "g", other.uri, "--live", "--p2p", "--tunnelled")
        self.note_state(side, other)

    def case_altered(self, side):
        """An altered command line is altered at the destination too, live and stored"""
        side.note("nothing to compare", "libvirt has nothing of the kind")
        if not side.through:
            return
        other = self.destination(side)
        side.start("g", after="<qemu:commandline><qemu:alter option='msg'><qemu:modify>"
                              "timestamp=off</qemu:modify></qemu:alter></qemu:commandline>\n")
        for options in ([], ["--p2p"]):
            self.migrate(side, other, "--live", "--persistent", "--undefinesource", *options)
            pid = self.second_libvirtd.qemu_pid("g")
            assert " -msg timestamp=off" in proctree.command_line(pid)
            for text in (other.virsh("dumpxml", "g"), other.virsh("dumpxml", "--inactive", "g")):
                assert "qemu:alter" in text and "irtpass" not in text, text
            other.virsh("migrate", "g", side.uri, "--migrateuri", OVER, "--live", "--persistent",
                        "--undefinesource")

    def case_added_device(self, side):
        """A device with state that was added is at its place there too, whatever was plugged in
        and out before"""
        side.note("nothing to compare", "libvirt would lose the guest")
        if not side.through:
            return
        other = self.destination(side)
        nics = [f"<interface type='user'><mac address='52:54:00:00:00:0{n}'/>"
                "<model type='virtio'/></interface>" for n in range(3)]
        side.start("g", devices=nics[0] + nics[1], after="<qemu:device id='mine'>"
                   "<driver>virtio-rng-pci</driver></qemu:device>\n")
        side.virsh("attach-device", "g", side.write("plug.xml", nics[2]), "--live")
        side.virsh("detach-device", "g", side.write("unplug.xml", nics[0]), "--live")
        side.virsh("qemu-monitor-command", "g", '{"execute":"system_reset"}')
        limits.poll_until(lambda: "52:54:00:00:00:00" not in side.virsh("dumpxml", "g"),
                          "the guest has let it go")
        for options in ([], ["--p2p"]):
            self.migrate(side, other, "--live", "--persistent", "--undefinesource", *options)
            pci = other.virsh("qemu-monitor-command", "g", "--hmp", "info pci")
            assert re.search(r'device  30, function 0:(?:.*\n){1,9}.*id "mine"', pci), pci
            other.virsh("migrate", "g", side.uri, "--migrateuri", OVER, "--live", "--persistent",
                        "--undefinesource")

    def case_offline(self, side):
        other = self.destination(side)
        side.define("g", after="<qemu:commandline><qemu:env name='A' value='b'/>"
                               "</qemu:commandline>\n")
        side.virsh("migrate", "g", other.uri, "--offline", "--persistent")
        side.note("stored", other.virsh("dumpxml", "g"))

    def case_paused_and_back(self, side):
        other = self.destination(side)
        side.start("g")
        side.virsh("suspend", "g")
        self.migrate(side, other, "--live", "--persistent", "--undefinesource")
        assert "paused" in side.note("state", other.virsh("domstate", "g"))
        other.virsh("migrate", "g", side.uri, "--migrateuri", OVER, "--live", "--persistent",
                    "--undefinesource")
        side.note("state", side.virsh("domstate", "g"))
        side.note("xml", side.virsh("dumpxml", "g"))
        side.virsh("resume", "g")
        side.note("monitor", side.virsh("qemu-monitor-command", "g", "--hmp", "info status"))

    def case_other_xml_at_the_destination(self, side):
        other = self.destination(side)
        side.start("g")
        for word, options in (("live", ["--migratable"]), ("stored", ["--inactive"])):
            text = side.virsh("dumpxml", "g", *options)
            side.write(word, text.replace("</uuid>", f"</uuid>\n<title>{word}</title>", 1))
        self.migrate(side, other, "--live", "--persistent", "--xml", side.path("live"),
                     "--persistent-xml", side.path("stored"))
        assert "<title>live</title>" in side.note("live", other.virsh("dumpxml", "g"))
        assert "<title>stored</title>" in side.note("stored", other.virsh("dumpxml", "g",
                                                                         "--inactive"))

    def case_older_calls(self, side):
        """virDomainMigrate2 and virDomainMigrateToURI2, without typed parameters"""
        other = self.destination(side)
        side.start("g")
        domain = side.connect().lookupByName("g")
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE)
        arrived = domain.migrate2(other.connect(), xml, LIVE, None, OVER, 0)
        side.note("arrived", arrived.name())
        self.note_state(side, other)
        back = arrived.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE)
        arrived.migrateToURI2(side.uri, OVER, back, LIVE | libvirt.VIR_MIGRATE_PEER2PEER, None, 0)
        side.note("back", side.virsh("domstate", "g"))

    def case_newer_calls(self, side):
        other = self.destination(side)
        side.start("g")
        domain = side.connect().lookupByName("g")
        params = {libvirt.VIR_MIGRATE_PARAM_URI: OVER,
                  libvirt.VIR_MIGRATE_PARAM_DEST_NAME: "h"}
        arrived = domain.migrate3(other.connect(), params, LIVE)
        side.note("arrived", arrived.name())
        side.note("xml", arrived.XMLDesc())

    def case_events(self, side):
        other = self.destination(side)
        side.start("g")
        stopped = str(libvirt.VIR_DOMAIN_EVENT_STOPPED)
        resumed = str(libvirt.VIR_DOMAIN_EVENT_RESUMED)
        waiting = [side.client_background("lifecycle", "1", stopped),
                   other.client_background("lifecycle", "1", resumed)]
        self.migrate(side, other, "--live")
        for client in waiting:
            side.note("events", client.finish())

    def case_refused(self, side):
        """What fails leaves the guest running where it was"""
        other = self.destination(side)
        side.start("g")
        other.virsh("define", side.write("other.xml", guest.domain("g", uuid_text=guest.uuid("x"))))
        side.note("name taken", side.virsh_fails("migrate", "g", other.uri, "--live",
                                                 "--migrateuri", OVER))
        side.note("p2p", side.virsh_fails("migrate", "g", other.uri, "--live", "--p2p",
                                          "--migrateuri", OVER))
        side.note("same host", side.virsh_fails("migrate", "g", side.uri, "--live"))
        side.note("nobody there", side.virsh_fails(
            "migrate", "g", "qemu+unix:///session?socket=" + side.path("none"), "--live", "--p2p"))
        limits.poll_until(lambda: side.virsh("domstate", "g").strip() == "running", "g runs on")
        side.note("monitor", side.virsh("qemu-monitor-command", "g", "--hmp", "info status"))
