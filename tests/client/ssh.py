# SPDX-License-Identifier: LGPL-2.1-or-later
"""From another machine: libvirt's ssh transport to virtpassd, held against the same on the spot.

libvirt starts ssh, and over there a program that joins its standard input and output to the socket:
nc where the URI names a socket, or libvirt's own virt-ssh-helper where it is asked for.
"""

import json
import re
import shutil
import unittest

import libvirt

from harness import guest, limits, proctree
from harness.libvirtd import virsh
from harness.process import Lines, run
from harness.real import RealGuests
from harness.snapshot import virtio
from harness.ssh import Server
from harness.virtpassd import program, virtpass

# Since 9.1 the helper goes to the socket that the URI names.
HELPER_SINCE = 9001000

TIME = re.compile(r"\d[-\d :]*\.\d+")

USER_NET = "<interface type='user'><model type='e1000'/></interface>\n"


class Remote(RealGuests):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        super().setUp()
        self.server.process.mark_log()
        self.uri = self.server.uri(self.virtpassd.sock)

    def describe_failure(self):
        return super().describe_failure() + self.server.process.log_since_mark()

    def tool(self, uri, *args, **more):
        result = virtpass("-c", uri, *args, **more)
        return result.returncode, result.stdout, result.stderr

    def same(self, ask, uri=None):
        """What asking comes to, which must be the same from afar."""
        here, there = ask(self.virtpassd.uri), ask(uri or self.uri)
        self.assertEqual(there, here)
        return there

    def same_virsh(self, *args, uri=None):
        return self.same(lambda uri: virsh(uri, *args), uri)

    def same_tool(self, *args, **more):
        return self.same(lambda uri: self.tool(uri, *args, **more))

    def watch(self, *argv):
        watcher = Lines(list(argv), self.virtpassd.path("events.log"))
        self.addCleanup(watcher.kill)
        return watcher

    def same_event(self, *argv):
        """The first event that a program tells of, which then ends; the same from afar."""
        watchers = [self.watch(argv[0], "-c", uri, *argv[1:])
                    for uri in (self.virtpassd.uri, self.uri)]
        self.poke(watchers)
        here, there = (TIME.sub("TIME", watcher.finish()[0]) for watcher in watchers)
        self.assertEqual(there, here)
        return there

    # -- stock virsh ----------------------------------------------------------

    def check_virsh(self, uri):
        self.assertIn(guest.uuid("g"), self.same_virsh("list", "--all", "--uuid", uri=uri))
        self.assertIn("monitorpassthrough", self.same_virsh("dumpxml", "g", uri=uri))
        for command in ("query-status", "query-netdev", "no-such", "query-qmp-schema"):
            self.same_virsh("qemu-monitor-command", "g", json.dumps({"execute": command}), uri=uri)
        self.assertIn("VM status", self.same_virsh("qemu-monitor-command", "g", "--hmp",
                                                   "info status", uri=uri))

    def test_virsh(self):
        self.start(devices=USER_NET, after=guest.session_attribute())
        self.check_virsh(self.uri)
        self.assertEqual(virsh(self.uri, "uri").strip(), self.uri)
        self.assertIn("STOP at TIME", self.same_event("virsh", "-q", "qemu-monitor-event", "g",
                                                      "--regex", "--event", "^STOP$"))

    def test_virt_ssh_helper(self):
        if libvirt.getVersion() < HELPER_SINCE:
            self.skipTest("virt-ssh-helper goes to the socket of the URI from libvirt 9.1 on")
        if not shutil.which("virt-ssh-helper"):
            self.skipTest("there is no virt-ssh-helper")
        self.start(devices=USER_NET, after=guest.session_attribute())
        self.check_virsh(self.server.uri(self.virtpassd.sock, proxy="native"))

    def test_definitions(self):
        """What is written from afar is translated both ways, and runs with a session"""
        text = guest.domain("r", after="<qemu:monitorpassthrough/>\n<qemu:device id='rng1'>"
                            "<driver>virtio-rng-pci</driver></qemu:device>\n")
        virsh(self.uri, "define", self.file(text))
        self.assertIn("<driver>virtio-rng-pci</driver>", self.same_virsh("dumpxml", "r"))
        self.assertNotIn("monitorpassthrough", self.plain("dumpxml", "r").split("</metadata>")[1])
        virsh(self.uri, "start", "r")
        self.virtpassd.wait_session("r")
        self.assertIn("rng1", virsh(self.uri, "qemu-monitor-command", "r", "--hmp", "info qtree"))
        virsh(self.uri, "destroy", "r")
        virsh(self.uri, "undefine", "r")

    def test_read_only(self):
        self.start()
        result = virsh(self.uri, "qemu-monitor-command", "g", "--hmp", "info status", check=False,
                       readonly=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn("read only", result.stderr)
        self.assertIn("g", virsh(self.uri, "list", "--name", readonly=True))

    # -- virtpass -------------------------------------------------------------

    def test_virtpass(self):
        self.start(devices=USER_NET)
        status, output, errors = self.tool(self.uri, "ping", "--count", "3", "g")
        self.assertEqual((status, errors), (0, ""), output)
        for args in (("netdevs", "g"), ("netdevs", "g", "--json"), ("argv", "g"),
                     ("sessions", "none"), ("monitor", "g", "-e", "query-name"),
                     ("monitor", "g", "-e", "query-name", "-e", "no-such"),
                     ("monitor", "none", "-e", "stop"), ("devices", "g", "e1000")):
            self.same_tool(*args)
        self.assertIn('"name": "g"', self.same_tool("monitor", "g", "-e", "query-name")[1])
        script = ('{"execute":"qmp_capabilities"}{"execute":"query-name","id":1}{"execute": nope}'
                  '{"execute":"query-version","id":[2]}')
        self.assertEqual(self.same_tool("qmp", "g", stdin=script)[1].count("\n"), 5)
        self.assertEqual(self.same_event(program("VIRTPASS"), "events", "g", "--filter", "^STOP$",
                                         "--count", "1"), "TIME g STOP")

    def test_snapshots(self):
        image = self.virtpassd.path("d0")
        result = run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.start(devices=virtio(image))
        status, _, errors = self.tool(self.uri, "savevm", "g", "from-afar")
        self.assertEqual(status, 0, errors)
        self.assertIn("from-afar", self.same_tool("snapshots", "g")[1])
        self.assertEqual(self.tool(self.uri, "savevm", "g", "from-afar")[0], 1)
        self.assertEqual(self.tool(self.uri, "loadvm", "g", "from-afar")[0], 0)
        self.assertEqual(self.tool(self.uri, "delvm", "g", "from-afar")[0], 0)
        self.assertNotIn("from-afar", self.same_tool("snapshots", "g")[1])

    # -- what goes wrong --------------------------------------------------------

    def refused(self, uri):
        """What virtpass says, after which the next good one is served."""
        status, output, errors = self.tool(uri, "sessions")
        self.assertEqual((status, output), (1, ""))
        self.assertIn("cannot connect", errors)
        self.assertEqual(self.tool(self.uri, "sessions")[0], 0)
        return errors

    def test_refused(self):
        self.assertIn("Permission denied", self.refused(self.server.uri(self.virtpassd.sock,
                                                                        "stranger")))
        self.refused(self.server.uri("/nowhere"))

    def test_ends(self):
        """Whichever end of the way breaks, the other notices, and virtpassd keeps nothing"""
        self.start()
        before = self.virtpassd.descriptors()
        watcher = self.watch_afar()
        for pid in self.server.connections():
            proctree.kill(pid)
        self.assertEqual(watcher.wait(), 1)
        self.assertIn("the connection has ended", watcher.log_text())
        self.watch_afar().kill()
        limits.poll_until(lambda: self.virtpassd.descriptors() <= before,
                          "virtpassd has no client left")
        self.assertEqual(self.tool(self.uri, "ping", "--count", "1", "g")[0], 0)

    def watch_afar(self):
        watcher = self.watch(program("VIRTPASS"), "-c", self.uri, "events", "--json")
        self.poke([watcher])
        return watcher


if __name__ == "__main__":
    unittest.main()
