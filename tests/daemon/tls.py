# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that come through TLS: who is let in, as whom, and that nobody stands in their way."""

import os
import shutil
import signal
import ssl
import unittest

from harness import certificates, leaks, limits, rpc, upstream, xdr
from harness.process import base_environment, run
from harness.rpc import Frame
from harness.scripted import Scripted
from harness.virtpassd import program

COMMAND = '{"execute":"query-status"}'

# A name that the client's certificate has.
CLIENT = {"x509-distinguished-name": "O=Virtpass,CN=client"}

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)

# VP_TLS_HANDSHAKES_MAX
HANDSHAKES_MAX = 64

# What a refused client may see instead of the byte.
REFUSED = (ssl.SSLError, ConnectionError)


def setUpModule():
    global AUTHORITY, BELOW, BELOW_SERVER, FOREIGN
    directory = os.path.join(leaks.root(), "pki")
    os.mkdir(directory, 0o711)
    unittest.addModuleCleanup(shutil.rmtree, directory)
    AUTHORITY = certificates.Authority(os.path.join(directory, "a")).server().client()
    AUTHORITY.client("other", "other")
    # It was valid for a day, eight days ago.
    AUTHORITY.client("old", "old", 'activation_date = "2020-01-01 00:00:00"\n'
                     'expiration_date = "2020-01-02 00:00:00"\n')
    AUTHORITY.issue("plain", "plain")
    AUTHORITY.issue("mail", "mail", "email_protection_key\n")
    AUTHORITY.issue("both", "both", "tls_www_server\ntls_www_client\n")
    BELOW = AUTHORITY.between(os.path.join(directory, "b"), "Between").client(common="below")
    BELOW_SERVER = AUTHORITY.between(os.path.join(directory, "s"), "For servers",
                                     "tls_www_server\n").client(common="below")
    FOREIGN = certificates.Authority(os.path.join(directory, "f"), "Foreign CA").client()
    # Its clients know the server, but are not known to it.
    shutil.copy(AUTHORITY.ca, FOREIGN.ca)


class Tls(Scripted):
    """virtpassd with a socket for TLS that a service manager passed."""

    keys = {}
    limits = {}

    def prepare(self):
        self.listener = certificates.listening()
        self.addCleanup(self.listener.close)
        self.port = self.listener.getsockname()[1]
        self.virtpassd.passed = [self.listener]
        self.configure(**self.keys)

    def configure(self, **keys):
        self.virtpassd.configure({"listen": AUTHORITY.config(**keys), "limits": self.limits})

    def tls_client(self, uri="qemu:///session", flags=0, authority=None, **more):
        sock = (authority or AUTHORITY).confirmed(self.port, **more)
        client = rpc.Client(sock, uri, flags)
        self.addCleanup(client.close)
        return client

    def refused(self, authority=None, **more):
        """The certificate is not accepted: no byte comes."""
        with self.assertRaises(REFUSED):
            sock = (authority or AUTHORITY).connect(self.port, **more)
            self.addCleanup(sock.close)
            self.assertEqual(sock.recv(1), b"")
            raise ConnectionError("closed without a word")

    def silent(self):
        sock = certificates.dial(self.port)
        self.addCleanup(sock.close)
        return sock

    def wait_log(self, *words):
        limits.poll_until(lambda: any(all(word in line for word in words)
                                      for line in self.virtpassd.process.log_text().split("\n")),
                          f"a line of the log with {words}")


class Connections(Tls):
    def test_confirmation_and_no_ticket(self):
        """libvirt's clients take a ticket for an error"""
        for version in VERSIONS:
            client = self.tls_client(version=version)
            self.works(client)
            self.assertEqual(client.sock.version(), version.name.replace("_", "."))
            self.assertFalse(version == VERSIONS[1] and client.sock.session.has_ticket)

    def test_old_versions_are_refused(self):
        with self.assertRaises(REFUSED):
            AUTHORITY.connect(self.port, version=ssl.TLSVersion.TLSv1_1)
        self.works(self.tls_client())

    def test_both_sockets_serve(self):
        """A socket for TLS alone was passed: those for local clients are made"""
        self.works(self.client())
        self.works(self.client(path=self.virtpassd.sock_ro))
        self.works(self.tls_client())

    def test_certificates_that_are_refused(self):
        limits.poll_until(self.upstream.open_peers, "virtpassd's own connection")
        before = len(self.upstream.peers)
        self.refused(FOREIGN)
        self.wait_log("O=Virtpass,CN=client", "issuer is unknown")
        self.refused(name="old")
        self.wait_log("O=Virtpass,CN=old", "expired")
        self.refused(name=None)
        self.assertEqual(len(self.upstream.peers), before)
        self.works(self.tls_client())

    def test_purposes(self):
        """Only certificates of clients: whoever has broken into a host has its server's one too.
        One that is for nothing in particular is for everything"""
        limits.poll_until(self.upstream.open_peers, "virtpassd's own connection")
        before = len(self.upstream.peers)
        for name in ("server", "mail"):
            self.refused(name=name)
        self.wait_log("O=Virtpass,CN=localhost", "purpose")
        self.wait_log("O=Virtpass,CN=mail", "purpose")
        self.refused(BELOW_SERVER)
        self.wait_log("O=Virtpass,CN=below", "is refused")
        self.assertEqual(len(self.upstream.peers), before)
        for authority, name in ((AUTHORITY, "plain"), (AUTHORITY, "both"), (BELOW, "client")):
            self.works(self.tls_client(authority=authority, name=name))

    def test_large_frames(self):
        """Both ways, longer than what a socket or a record takes"""
        self.upstream.on(rpc.REMOTE, 7001, lambda _peer, frame: frame.payload)
        client = self.tls_client()
        for size in (1, 16384, 16385, 300001, 9000000):
            payload = os.urandom(size)
            self.assertEqual(client.call(7001, payload).payload, payload)
        self.works(client)

    def test_many_calls_at_once(self):
        client = self.tls_client()
        calls = [client.make(rpc.GET_TYPE) for _ in range(2000)]
        client.send_bytes(b"".join(call.encode() for call in calls))
        for call in calls:
            self.assertEqual(client.recv().serial, call.serial)

    def test_ends(self):
        """The client's is libvirtd's, libvirtd's is the client's"""
        client = self.tls_client()
        peer = self.peer_of(client)
        client.close()
        limits.poll_until(peer.closed.is_set, "libvirtd sees the end")
        client = self.tls_client()
        self.peer_of(client).hang_up()
        self.assertTrue(client.at_end())
        self.works(self.tls_client())

    def test_garbage_inside(self):
        client = self.tls_client()
        client.send_bytes(b"\xff" * 64)
        self.assertTrue(client.at_end())
        self.works(self.tls_client())

    def test_libvirt_without_tls(self):
        """Somebody who talks RPC to the port"""
        sock = self.silent()
        sock.sendall(Frame(rpc.REMOTE, rpc.AUTH_LIST).encode())
        with self.assertRaises((rpc.Closed, ConnectionError, AssertionError)):
            rpc.Connection(sock).recv()
        self.works(self.tls_client())


class HalfOpen(Tls):
    def test_silent_peers(self):
        """More than there may be: the oldest are dropped, and clients get through meanwhile"""
        before = self.virtpassd.descriptors()
        silent = [self.silent() for _ in range(HANDSHAKES_MAX + 20)]
        self.works(self.tls_client())
        for sock in silent[:20]:
            self.assertTrue(rpc.Connection(sock).at_end())
        self.assertFalse(rpc.Connection(silent[-1]).at_end(limits.ABSENCE_SECONDS))
        more = self.virtpassd.descriptors() - before
        self.assertLessEqual(more, HANDSHAKES_MAX + 2)
        for sock in silent:
            sock.close()
        limits.poll_until(lambda: self.virtpassd.descriptors() <= before + 2,
                          "nothing is left of them")

    def test_half_a_handshake(self):
        """And a client that leaves in the midst of one"""
        for _ in range(3):
            sock = self.silent()
            sock.sendall(bytes((22, 3, 1, 2, 0, 1)))
        sock.close()
        self.works(self.tls_client())


class Full(Tls):
    limits = {"max_clients": 2}

    def test_max_clients(self):
        """Clients through TLS count; one more waits, and gets in when another one leaves"""
        first, second = self.tls_client(), self.tls_client()
        third = self.silent()
        self.works(second)
        first.close()
        client = rpc.Client(AUTHORITY.context().wrap_socket(third, server_hostname="localhost"))
        self.addCleanup(client.close)
        self.assertEqual(client.sock.recv(1), certificates.CONFIRMATION)
        client.open()
        self.works(client)


class PerName(Tls):
    limits = {"max_clients_per_user": 2}

    def test_limit(self):
        """The name in the certificate is the user"""
        first, second = self.tls_client(), self.tls_client()
        with self.assertRaises((rpc.Closed, *REFUSED)):
            self.works(self.tls_client())
        self.works(self.tls_client(name="other"))
        self.works(second)
        first.close()
        limits.poll_until(lambda: len(self.upstream.open_peers()) <= 3, "it is gone upstream")
        self.works(self.tls_client())


class AllowedNames(Tls):
    keys = {"tls_allowed_dn_list": "O=Nobody,*;O=*,CN=cl*"}

    def reload(self, word="configuration reloaded"):
        count = self.virtpassd.process.log_text().count(word)
        self.virtpassd.process.signal(signal.SIGHUP)
        limits.poll_until(lambda: self.virtpassd.process.log_text().count(word) > count, word)

    def test_names(self):
        self.works(self.tls_client())
        self.refused(name="other")
        self.wait_log("O=Virtpass,CN=other", "not on the list")
        self.works(self.tls_client())

    def test_reload(self):
        """Counts for clients that come from then on; what is broken changes nothing"""
        before = self.tls_client()
        self.configure(tls_allowed_dn_list="*CN=other")
        self.reload()
        self.refused()
        self.works(self.tls_client(name="other"))
        self.works(before)
        self.configure(cert_file=self.virtpassd.path("absent.pem"))
        self.reload("not reloaded")
        self.wait_log("not reloaded", "cert_file", "absent.pem")
        self.works(self.tls_client(name="other"))
        self.refused()
        self.configure(tls_allowed_dn_list="")
        self.reload()
        self.refused()
        self.refused(name="other")


class Rights(Tls):
    """In session mode, where local clients are ourselves: who comes through TLS is not."""

    def test_identity(self):
        """libvirtd is told the certificate's name alone, before anything of the client"""
        self.upstream.hold(rpc.REMOTE, rpc.SET_IDENTITY)
        client = self.tls_client(None)
        name = xdr.optional("qemu:///session") + xdr.u32(0)
        frames = [Frame(rpc.REMOTE, rpc.OPEN, serial=50, payload=name),
                  Frame(rpc.REMOTE, rpc.GET_TYPE, serial=51)]
        client.send_bytes(b"".join(frame.encode() for frame in frames))
        peer, call = self.upstream.wait_call(rpc.REMOTE, rpc.SET_IDENTITY)
        limits.stays(lambda: [frame.proc for owner, frame in self.upstream.frames
                              if owner is peer] == [rpc.OPEN, rpc.SET_IDENTITY],
                     "OPEN and SET_IDENTITY alone at the upstream")
        entries = xdr.Reader(call.payload).params()
        self.assertEqual(entries, [("x509-distinguished-name", xdr.STRING, "O=Virtpass,CN=client")])
        peer.answer(call)
        client.reply(frames[0])
        self.assertEqual(xdr.Reader(client.reply(frames[1]).payload).string(), "QEMU")

    def test_local_clients_have_none(self):
        self.assertIsNone(self.peer_of(self.client()).identity)

    def test_refused_identity(self):
        def refuse(_peer, _frame):
            raise upstream.Refuse(88, 55, "access denied: no")
        self.upstream.on(rpc.REMOTE, rpc.SET_IDENTITY, refuse)
        client = self.tls_client(None)
        client.post(rpc.OPEN, xdr.optional("qemu:///session") + xdr.u32(0))
        with self.assertRaises((rpc.Closed, ConnectionError)):
            client.call(rpc.GET_TYPE)
        self.assertEqual(self.upstream.select(lambda frame: frame.proc == rpc.GET_TYPE), [])
        self.works(self.client())

    def test_monitor_commands_are_judged(self):
        """By libvirtd, on the client's own connection; a local client's are not"""
        domain, server = self.guest("g")
        self.virtpassd.wait_session("g")
        client = self.tls_client()
        peer = self.peer_of(client)
        self.assertIn("running", client.monitor(self.ref(domain), COMMAND))
        asked = self.upstream.select(lambda frame: frame.proc == rpc.FD_ASSOCIATE)
        self.assertEqual([owner for owner, _ in asked], [peer])
        self.upstream.denied.add((None, "g"))  # whoever has no user id
        before = len(server.named("query-status"))
        other = self.tls_client()
        code, domain_number, _ = other.monitor_error(self.ref(domain), COMMAND)
        self.assertEqual((code, domain_number), (88, 55))
        self.assertEqual(len(server.named("query-status")), before)

    def test_events_are_registered_at_libvirtd(self):
        domain, server = self.guest("g")
        self.virtpassd.wait_session("g")
        client = self.tls_client()
        callback = client.monitor_events()
        peer, _ = self.upstream.wait_call(rpc.QEMU, rpc.EVENT_ADD)
        self.assertIs(peer, self.peer_of(client))
        server.event("STOP")
        self.upstream.monitor_event(domain, "RESUME")
        event = client.monitor_event()
        self.assertEqual((event[0], event[2]), (callback, "RESUME"))

    def test_read_only(self):
        """OPEN's flag decides"""
        domain, _ = self.guest("g")
        self.virtpassd.wait_session("g")
        client = self.tls_client(flags=1)
        self.assertEqual(self.peer_of(client).flags & 1, 1)
        self.upstream.on(rpc.QEMU, rpc.MONITOR_COMMAND, lambda _peer, _frame: xdr.string("theirs"))
        self.assertEqual(client.monitor(self.ref(domain), COMMAND), "theirs")


class Descriptors(Tls):
    """There are none over TLS."""

    def feature(self, client, number):
        return xdr.Reader(client.call(rpc.SUPPORTS_FEATURE, xdr.i32(number)).payload).i32()

    def test_feature(self):
        client, local = self.tls_client(), self.client()
        for number in range(1, 20):
            wanted = number in upstream.FEATURES
            self.assertEqual(self.feature(local, number), wanted)
            self.assertEqual(self.feature(client, number), wanted and number != 8, number)

    def test_reply_with_descriptors(self):
        """An error instead, and the connection goes on; nothing is left open"""
        def answer(peer, frame):
            with open("/dev/null", "rb") as file:
                peer.answer(frame, b"", kind=rpc.REPLY_FDS, fds=[os.dup(file.fileno())])
            return upstream.NO_REPLY
        self.upstream.on(rpc.REMOTE, 343, answer)
        client = self.tls_client()
        before = self.virtpassd.descriptors()
        for _ in range(3):
            code, _, message = client.error(343)
            self.assertEqual(code, 84)
            self.assertIn("TLS", message)
        self.works(client)
        limits.poll_until(lambda: self.virtpassd.descriptors() == before, "all are closed")

    def test_call_with_descriptors(self):
        """The end of the connection, unless there are none in it"""
        client = self.tls_client()
        frame = Frame(rpc.REMOTE, rpc.GET_TYPE, rpc.CALL_FDS, 70)
        client.send_bytes(frame.encode(nfds=0))
        self.assertEqual(client.recv().serial, 70)
        client.send_bytes(frame.encode(nfds=1) + b"\0")
        self.assertTrue(client.at_end())
        self.works(self.tls_client())


class Start(Scripted):
    """Without a service manager."""

    def try_to_start(self, **keys):
        self.virtpassd.end()
        self.virtpassd.configure({"listen": AUTHORITY.config(listen_tls="yes", **keys)})
        environment = base_environment(HOME=self.dir, XDG_RUNTIME_DIR=self.dir)
        result = run(self.virtpassd.argv(), env=environment)
        check = run([program("VIRTPASSD"), "--check-config", "--shim",
                     program("VIRTPASS_EMULATOR"), "--config", self.virtpassd.config_file],
                    env=environment)
        return result, check

    def test_own_socket(self):
        port = certificates.free_port()
        self.virtpassd.end()
        self.virtpassd.configure({"listen": AUTHORITY.config(
            listen_tls="yes", listen_addr=certificates.HOST, tls_port=port)})
        self.virtpassd.start()
        client = rpc.Client(AUTHORITY.confirmed(port), "qemu:///session")
        self.addCleanup(client.close)
        self.works(client)
        self.assertEqual(self.peer_of(client).identity, CLIENT)

    def test_not_unless_wanted(self):
        """Nothing of it is looked at"""
        self.virtpassd.end()
        self.virtpassd.configure({"listen": {"ca_file": "/nonexistent/ca.pem"}})
        self.virtpassd.start()
        self.works(self.client())

    def test_broken_certificates(self):
        """The message names key and file, also before the start"""
        empty = os.path.join(self.dir, "empty.pem")
        with open(empty, "wb"):
            pass
        for key, path, word in (("ca_file", "/nonexistent/ca.pem", "No such file"),
                                ("crl_file", empty, "PEM"),
                                ("cert_file", AUTHORITY.path("oldcert.pem"), "expired"),
                                ("cert_file", FOREIGN.path("clientcert.pem"), "server"),
                                ("key_file", AUTHORITY.path("clientkey.pem"), "servercert.pem"),
                                ("tls_priority", "NORMAL:+NONSENSE", "NONSENSE")):
            with self.subTest(key=key, path=path):
                result, check = self.try_to_start(**{key: path})
                self.assertEqual((result.returncode, check.returncode), (1, 2))
                for text in (result.stderr, check.stderr):
                    self.assertIn("[listen] " + key, text)
                    self.assertIn(word, text)
                    self.assertIn(path.rpartition(":+")[2], text)

    def test_port_that_is_taken(self):
        listener = certificates.listening()
        self.addCleanup(listener.close)
        port = listener.getsockname()[1]
        result, check = self.try_to_start(listen_addr=certificates.HOST, tls_port=port)
        self.assertEqual((result.returncode, check.returncode), (1, 0))
        self.assertIn(str(port), result.stderr)
        self.assertFalse(os.path.exists(self.virtpassd.sock))
