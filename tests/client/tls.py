# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stock clients over qemu+tls://: at libvirtd's own TLS port and at virtpassd's, with the same
certificates. What is asked of libvirtd is the same; what virtpassd adds works here too."""

import functools
import json
import os
import shutil
import unittest

import events
import libvirt
import streams

from harness import certificates, guest, leaks, limits, rpc, virtpassd
from harness.compare import Comparison, Side
from harness.libvirtd import Libvirtd
from harness.virtpassd import virtpass

# Written as GnuTLS writes it: both daemons compare it with what they find in the certificate.
NAME = "O=Virtpass,CN=client"

# What an openGraphicsFD() without a way for the descriptor is told.
ARGUMENT_UNSUPPORTED = 74


@functools.cache
def authorities():
    """(the CA of servers and clients, another one whose clients nobody knows)"""
    directory = os.path.join(leaks.root(), "pki")
    os.mkdir(directory, 0o711)
    unittest.addModuleCleanup(shutil.rmtree, directory)
    ours = certificates.Authority(os.path.join(directory, "a")).server().client()
    foreign = certificates.Authority(os.path.join(directory, "f"), "Foreign CA").client()
    shutil.copy(ours.ca, foreign.ca)
    return ours, foreign


@functools.cache
def tls_daemons():
    """(libvirtd, its port, virtpassd, its port)"""
    ours, _ = authorities()
    port = certificates.free_port()
    lines = ours.config(tls_port=str(port), listen_addr=certificates.HOST)
    conf = "".join(f'{key} = "{value}"\n' for key, value in lines.items())
    server = Libvirtd("lt", shared=True, options=("--listen",), conf=conf + "listen_tls = 1\n"
                      f'listen_tcp = 0\nauth_tls = "none"\ntls_allowed_dn_list = ["{NAME}"]\n')
    unittest.addModuleCleanup(server.stop)
    server.start()
    listener = certificates.listening()
    unittest.addModuleCleanup(listener.close)
    daemon = virtpassd.Virtpassd(server.sock, shared=True, config={
        "listen": ours.config(tls_allowed_dn_list=NAME)})
    daemon.passed = [listener]
    unittest.addModuleCleanup(daemon.stop)
    return server, port, daemon.start(), listener.getsockname()[1]


def uri(port, authority):
    return f"qemu+tls://localhost:{port}/session?pkipath={authority.dir}"


class TlsSide(Side):
    def __init__(self, case, name, port):
        super().__init__(case, name, f"localhost:{port}", uri(port, authorities()[0]))
        self.port = port

    def raw(self, name="qemu:///session", flags=0):
        client = rpc.Client(authorities()[0].confirmed(self.port), name, flags)
        self.cleanups.append(client.close)
        return client


class OverTls(Comparison):
    @classmethod
    def setUpClass(cls):
        if not virtpassd.available():
            raise unittest.SkipTest("VIRTPASSD names no program")
        cls.libvirtd, cls.libvirtd_port, cls.virtpassd, cls.port = tls_daemons()

    def direct(self):
        return TlsSide(self, "direct", self.libvirtd_port)

    def through(self):
        return TlsSide(self, "through", self.port)


class Domains(OverTls):
    def case_life_of_a_domain(self, side):
        side.note("define", side.virsh("define", side.write("g.xml", guest.domain("g"))))
        side.note("list", side.virsh("list", "--all", "--name"))
        side.note("xml", side.virsh("dumpxml", "g"))
        for command in ("start", "dominfo", "suspend", "domstate", "resume", "destroy", "undefine"):
            side.note(command, side.virsh(command, "g"))
        side.note("gone", side.virsh_fails("dominfo", "g"))

    def case_read_only(self, side):
        side.start("g")
        side.note("list", side.virsh("list", "--name", readonly=True))
        side.note("refused", side.virsh_fails("destroy", "g", readonly=True))
        side.note("refused too", side.virsh_fails("qemu-monitor-command", "g", "--hmp", "info name",
                                                  readonly=True))

    case_whole_life_in_events = events.Lifecycle.case_whole_life

    def case_connection(self, side):
        connection = side.connect()
        side.note("kind", [connection.getType(), connection.isSecure(), connection.isEncrypted()])

    def case_certificate_of_another_ca(self, side):
        foreign = uri(side.port, authorities()[1])
        try:
            libvirt.open(foreign).close()
        except libvirt.libvirtError as error:
            side.note("refused", [error.get_error_code(), error.get_error_message()])
        side.note("next", side.virsh("list", "--name"))

    def case_raw_calls_with_descriptors(self, side):
        """None is a call as any other, one the end of the connection"""
        client = side.raw()
        frame = rpc.Frame(rpc.REMOTE, rpc.GET_TYPE, rpc.CALL_FDS, 70)
        client.send_bytes(frame.encode(nfds=0))
        side.note("none", client.recv().payload.hex())
        client.send_bytes(frame.encode(nfds=1) + b"\0")
        side.note("one", client.at_end())


class Console(OverTls):
    start_talker = streams.Console.start_talker
    case_console = streams.Console.case_event_driven_client


class Screenshot(OverTls):
    case_screenshot = streams.Screenshot.case_screenshot


class Volumes(OverTls):
    pool = streams.Volumes.pool
    volume = streams.Volumes.volume
    content = streams.Volumes.content
    case_up_and_down = streams.Volumes.case_up_and_down
    case_sparse = streams.Volumes.case_sparse


class Monitor(OverTls):
    def case_command(self, side):
        side.start("g")
        reply = json.loads(side.virsh("qemu-monitor-command", "g", '{"execute":"query-status"}'))
        side.note("return", reply["return"])
        side.note("hmp", side.virsh("qemu-monitor-command", "g", "--hmp", "info name"))

    def case_event(self, side):
        side.start("g")
        waiting = side.background("virsh", "-q", "-c", side.uri, "qemu-monitor-event", "g",
                                  "--event", "RESET", "--loop")

        def seen():
            side.virsh("reset", "g")
            return waiting.lines
        limits.poll_until(seen, "virsh prints an event")
        # Its own firmware may reset it as well: the reason is left out.
        words = waiting.lines[0].partition(": ")[0].split()
        side.note("event", [words[1], words[-1]])


class Added(OverTls):
    """What is virtpassd's alone."""

    def setUp(self):
        super().setUp()
        self.side = self.through()
        self.side.begin()
        self.addCleanup(self.side.end)
        self.side.start("g", devices=guest.vnc(self.side.path("vnc")))
        self.virtpassd.wait_session("g")

    def virtpass(self, *args, **more):
        result = virtpass("-c", self.side.uri, *args, **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_dedicated_session(self):
        """Commands with an id of the client's own, which libvirtd would refuse"""
        reply = json.loads(self.side.virsh("qemu-monitor-command", "g",
                                           '{"execute":"query-name","id":"mine"}'))
        self.assertEqual(reply, {"return": {"name": "g"}, "id": "mine"})

    def test_virtpass(self):
        self.assertIn("dedicated", self.virtpass("sessions"))
        self.assertIn("g", self.virtpass("ping", "--count", "1", "g"))
        self.assertIn("running", self.virtpass("monitor", "-e", "query-status", "g"))
        out = self.virtpass("qmp", "g", stdin='{"execute":"qmp_capabilities"}\n'
                            '{"execute":"query-name","id":7}\n')
        self.assertEqual(json.loads(out.strip().split("\n")[-1]),
                         {"return": {"name": "g"}, "id": 7})

    def test_virtpass_events(self):
        waiting = self.side.background(virtpassd.program("VIRTPASS"), "-c", self.side.uri,
                                       "events", "g", "--filter", "RESET", "--count", "1")

        def seen():
            self.side.virsh("reset", "g")
            return waiting.lines
        limits.poll_until(seen, "virtpass prints an event")
        self.assertIn("g RESET", waiting.lines[0])

    def test_no_descriptors(self):
        """Said in an error, where libvirtd's own TLS loses the connection"""
        connection = self.side.connect()
        domain = connection.lookupByName("g")
        code, _, _ = self.side.error(domain.openGraphicsFD, 0)
        self.assertEqual(code, ARGUMENT_UNSUPPORTED)
        self.assertTrue(domain.isActive())
