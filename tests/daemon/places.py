# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many connections a user may have, and how long they may say nothing: nobody keeps others out,
and whoever means it is served."""

import signal
import socket
import time

from harness import limits, rpc, xdr
from harness.scripted import USER, Scripted

# Another ordinary user, wherever there is a Unix.
OTHER = "daemon"

# GRACE_MS and PATIENCE_MS of places.c.
GRACE_SECONDS = 1
PATIENCE_SECONDS = 30


class Places(Scripted):
    """virtpassd with a socket for everybody."""

    bounds = {}

    def setUp(self):
        self.config = {"limits": self.bounds, "listen": {"unix_sock_rw_perms": "0777"}}
        super().setUp()

    def silent(self, user=USER, number=1):
        return [self.client_as(user, None) for _ in range(number)]

    def is_open(self, connection, seconds=0.0):
        return not connection.at_end(seconds or 0.01)

    def served(self, user=USER):
        client = self.client_as(user)
        self.works(client)
        return client

    def refused(self, user=USER):
        """It is closed, not left to wait."""
        self.assertTrue(self.client_as(user, None).at_end())

    def lines(self, *words):
        return [line for line in self.virtpassd.process.log_text().splitlines()
                if all(word in line for word in words)]


class Anonymous(Places):
    bounds = {"max_anonymous_clients": "3"}

    def test_limit(self):
        """As many as there may be are left alone; with one more the oldest goes"""
        opened = self.served()
        silent = self.silent(number=3)
        time.sleep(limits.seconds(GRACE_SECONDS * 1.5))
        for connection in silent:
            self.assertTrue(self.is_open(connection))
        self.works(opened)
        other = self.served(OTHER)
        self.assertTrue(silent[0].at_end())
        for connection in silent[1:]:
            self.assertTrue(self.is_open(connection))
            connection.auth()
            connection.open()
            self.works(connection)
        self.works(other)

    def test_who_makes_noise_gets_no_older(self):
        """A client is not spared for calls that lead nowhere"""
        silent = self.silent(number=3)
        end = time.monotonic() + limits.seconds(GRACE_SECONDS * 1.5)
        while time.monotonic() < end:
            for connection in silent:
                connection.auth()
                with self.assertRaises(rpc.RpcError):
                    connection.call(rpc.OPEN, xdr.optional("qemu+tcp://elsewhere/system")
                                    + xdr.u32(0))
            time.sleep(0.1)
        self.served(OTHER)
        self.assertTrue(silent[0].at_end())

    def test_many_at_once(self):
        """More than there may be, which all mean it: they wait for each other"""
        clients = []
        name = xdr.optional("qemu:///session") + xdr.u32(0)
        for _ in range(40):
            client = self.client_as(USER, None)
            clients.append((client, [client.post(rpc.AUTH_LIST), client.post(rpc.OPEN, name)]))
        for client, calls in clients:
            for call in calls:
                client.reply(call)
            self.works(client)

    def test_flood(self):
        """Who fills the queue with connections that say nothing is through with it soon"""
        flood = self.silent(number=300)
        begin = time.monotonic()
        self.served(OTHER)
        self.assertLess(time.monotonic() - begin, limits.seconds(GRACE_SECONDS * 8))
        gone = sum(connection.at_end(0.01) for connection in flood)
        self.assertGreaterEqual(gone, 297)
        self.assertEqual(len(self.lines("warning", "user", "without opening")), 1)
        self.served(USER)

    def test_root_is_not_counted(self):
        silent = [rpc.Client(self.virtpassd.sock) for _ in range(10)]
        for connection in silent:
            self.addCleanup(connection.close)
        self.silent(number=3)
        time.sleep(limits.seconds(GRACE_SECONDS * 1.5))
        self.served(OTHER)
        for connection in silent:
            self.assertTrue(self.is_open(connection))

    @limits.limit(120)
    def test_patience(self):
        """Also when nobody waits; who has opened its connection may say nothing for ever"""
        opened = self.served()
        local = rpc.Client(self.virtpassd.sock)
        self.addCleanup(local.close)
        silent, = self.silent()
        begin = time.monotonic()
        self.assertTrue(silent.at_end(PATIENCE_SECONDS * 2))
        self.assertGreater(time.monotonic() - begin, PATIENCE_SECONDS - 2)
        self.works(opened)
        local.auth()
        local.open()
        self.works(local)


class PerUser(Places):
    bounds = {"max_clients_per_user": "5"}

    def test_limit(self):
        """One more is refused, and is served as soon as one leaves; others do not notice"""
        clients = [self.served() for _ in range(5)]
        for _ in range(10):
            self.refused()
        self.assertEqual(len(self.lines("warning", "max_clients_per_user")), 1)
        for _ in range(5):
            self.served(OTHER)
        for _ in range(10):
            self.works(self.client())
        clients.pop().close()
        limits.poll_until(lambda: len(self.upstream.open_peers()) <= 20, "it is gone upstream")
        self.served()
        self.refused()
        for client in clients:
            self.works(client)


class Reserved(Places):
    bounds = {"max_clients": "10", "max_clients_per_user": "6"}

    def test_limit(self):
        """The last two of ten are for root"""
        clients = [self.served() for _ in range(4)] + [self.served(OTHER) for _ in range(4)]
        self.refused()
        self.refused(OTHER)
        self.works(self.client())
        self.works(self.client())
        for client in clients:
            self.works(client)


class Queued(Places):
    bounds = {"max_queued_clients": "4"}

    def dial_now(self):
        """A connection that the kernel keeps, or None."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.addCleanup(sock.close)
        return sock if sock.connect_ex(self.virtpassd.sock) == 0 else None

    def test_limit(self):
        """Linux keeps one more than it is told"""
        self.virtpassd.process.signal(signal.SIGSTOP)
        self.addCleanup(self.virtpassd.process.signal, signal.SIGCONT)
        queued = [self.dial_now() for _ in range(5)]
        self.assertTrue(all(queued))
        self.assertIsNone(self.dial_now())
        self.virtpassd.process.signal(signal.SIGCONT)
        for sock in queued:
            sock.setblocking(True)
            client = rpc.Client(sock, "qemu:///session")
            self.addCleanup(client.close)
            self.works(client)
