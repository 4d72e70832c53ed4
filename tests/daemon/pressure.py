# SPDX-License-Identifier: LGPL-2.1-or-later
"""Peers that do not read, or send without end: virtpassd's memory stays bounded, the sender is
made to wait, nobody else notices, and nothing is lost once the peer reads again."""

import hashlib
import itertools
import os
import threading

from harness import limits, qmp, rpc, xdr
from harness.rpc import Frame
from harness.scripted import Scripted, Sender, measured_environment

KIB = 1024
MIB = 1024 * KIB

CHUNK = os.urandom(256 * KIB)
CHUNKS = 256

# What may be on its way for one pair of peers: buffers of both sockets, one read, the high water
# marks of both directions. Far below what is sent.
ON_ITS_WAY = 6 * MIB

# What virtpassd may grow by meanwhile; a sanitizer needs more for the same.
GROWTH_KIB = (8 * MIB if limits.FACTOR == 1 else 32 * MIB) // KIB


class Base(Scripted):
    environment = measured_environment()

    def setUp(self):
        super().setUp()
        self.bystander = self.client()
        self.works(self.bystander)
        self.before = self.virtpassd.resident_kib()

    def bounded(self):
        grown = self.virtpassd.resident_kib() - self.before
        self.assertLess(grown, GROWTH_KIB, "KiB that virtpassd has grown by")


class Pressure(Base):
    def much(self, sender):
        """Sends CHUNKS frames of a stream, which get stuck."""
        sending = Sender(self, sender, (self.stream(number) for number in range(CHUNKS)))
        self.assertLess(sending.stuck() * len(CHUNK), ON_ITS_WAY)
        return sending

    def stream(self, number):
        return Frame(rpc.REMOTE, 209, rpc.STREAM, 5, rpc.CONTINUE, xdr.u32(number) + CHUNK)

    def receive_all(self, receive):
        for number in range(CHUNKS):
            frame = receive()
            self.assertEqual(frame.payload[:4], xdr.u32(number))
            self.assertEqual(hashlib.sha1(frame.payload[4:]).digest(),
                             hashlib.sha1(CHUNK).digest())

    def test_client_does_not_read(self):
        """64 MiB of a stream for a client that is busy elsewhere"""
        client = self.client()
        peer = self.peer_of(client)
        sending = self.much(peer)
        self.bounded()
        self.works(self.bystander)
        self.receive_all(client.recv)
        sending.finish()
        self.works(client)
        self.bounded()

    def test_upstream_does_not_read(self):
        """64 MiB of a stream for a libvirtd that is busy elsewhere"""
        client = self.client()
        peer = self.peer_of(client)
        peer.reading.clear()
        sending = self.much(client)
        self.bounded()
        self.works(self.bystander)
        peer.reading.set()
        sending.finish()
        last = CHUNKS - 1
        self.upstream.wait_frame(lambda f: f.type == rpc.STREAM and f.payload[:4] == xdr.u32(last))
        frames = iter([f for owner, f in self.upstream.frames
                       if owner is peer and f.type == rpc.STREAM])
        self.receive_all(lambda: next(frames))
        self.works(client)
        self.bounded()

    def test_other_direction_of_a_stuck_client_flows(self):
        """A client that does not read may still send, as far as the high water mark of libvirtd"""
        client = self.client()
        peer = self.peer_of(client)
        self.much(peer)
        pong = Frame(rpc.KEEPALIVE, 2, rpc.MESSAGE)
        client.send(pong)
        self.upstream.wait_frame(lambda frame: frame.same_bytes(pong),
                                 "a keepalive answer passes a client that is held")
        self.receive_all(client.recv)

    def test_stuck_client_leaves(self):
        client = self.client()
        peer = self.peer_of(client)

        sending = Sender(self, peer, itertools.repeat(self.stream(0)))
        sending.stuck()
        client.close()
        limits.poll_until(peer.closed.is_set, "the upstream is told")
        self.works(self.bystander)
        self.bounded()

    def test_descriptors_for_a_client_that_does_not_read(self):
        """They are open in virtpassd meanwhile, so their number is bounded too"""
        client = self.client()
        peer = self.peer_of(client)
        before = self.virtpassd.descriptors()
        null = os.open("/dev/null", os.O_RDONLY)
        self.addCleanup(os.close, null)
        frame = Frame(rpc.REMOTE, 7002, rpc.REPLY_FDS, 1, payload=CHUNK[:60000], fds=[null] * 32)
        sending = Sender(self, peer, itertools.repeat(frame, 200))
        sending.stuck()
        self.assertLess(self.virtpassd.descriptors() - before, 256)
        self.works(self.bystander)
        for _ in range(200):
            came = client.recv()
            self.assertEqual(len(came.fds), 32)
            came.close_fds()
        sending.finish()
        limits.poll_until(lambda: self.virtpassd.descriptors() == before, "none is kept")

    def test_promised_frames_that_do_not_come(self):
        """A length of 32 MiB costs nothing until the bytes are there"""
        clients = [self.client() for _ in range(20)]
        header = Frame(rpc.REMOTE, 7001, payload=b"").encode()
        for client in clients:
            client.send_bytes(xdr.u32(rpc.FRAME_MAX) + header[4:] + b"x" * 1000)
        self.works(self.bystander)
        self.bounded()


class Chatter(qmp.Script):
    def do_blob(self, _peer, message):
        return {"return": "b" * message["arguments"]["size"]}


class Sessions(Base):
    """The same with what virtpassd answers by itself."""

    def setUp(self):
        super().setUp()
        self.domain, self.server = self.guest("g", script=Chatter())
        self.virtpassd.wait_session("g")
        self.before = self.virtpassd.resident_kib()

    def test_client_does_not_read_replies(self):
        """Commands stop being read while their replies find no room

        Those that have been read by then are answered: 32, as many as one client may have.
        """
        client = self.client()
        command = '{"execute":"blob","arguments":{"size":100000},"id":%d}'
        reference = self.ref(self.domain)
        sending = Sender(self, client, (client.make_monitor(reference, command % number)
                                        for number in range(600)))
        limits.poll_until(lambda: len(self.server.named("blob")) > 3, "commands arrive")
        self.bounded()
        other = self.client()
        self.assertIn("running", other.monitor(self.ref(self.domain), '{"execute":"query-status"}'))
        for number in range(600):
            text = xdr.Reader(client.recv().payload).string()
            self.assertIn(f'"id": {number}}}', text[-20:])
        sending.finish()
        self.bounded()

    def test_client_does_not_read_events(self):
        """Events cannot be held back: a client that never reads is dropped, others get all"""
        deaf, attentive = self.client(), self.client()
        for client in (deaf, attentive):
            client.monitor_events("NOISE")
        count, size = 500, 100000
        ahead = threading.Semaphore(20)  # no more than an attentive client may be late by

        def flood():
            for number in range(count):
                ahead.acquire()
                self.server.event("NOISE", {"number": number, "text": "n" * size})
        thread = threading.Thread(target=flood)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(ahead.release, count)
        for number in range(count):
            self.assertIn(f'"number":{number},', attentive.monitor_event()[5])
            ahead.release()
        thread.join()
        grown = self.virtpassd.resident_kib() - self.before
        self.assertLess(grown, 24 * 1024 + GROWTH_KIB)
        with self.assertRaises((rpc.Closed, ConnectionError)):
            for _ in range(count + 1):
                deaf.recv()
        self.works(attentive)

    def test_qemu_does_not_read(self):
        """Commands for a stopped QEMU wait in bounded memory, those for others do not wait"""
        other, _ = self.guest("h", 2)
        self.virtpassd.wait_session("h")
        self.server.pause()
        client, bystander = self.client(), self.client()
        padding = "x" * 100000
        command = '{"execute":"echo","arguments":{"text":"%s"}}' % padding
        reference = self.ref(self.domain)
        sending = Sender(self, client, (client.make_monitor(reference, command)
                                        for _ in range(200)))
        sending.stuck()
        for _ in range(20):
            self.assertIn("running", bystander.monitor(self.ref(other),
                                                       '{"execute":"query-status"}'))
        self.bounded()
        self.server.pause(False)
        for _ in range(200):
            self.assertIn(padding, xdr.Reader(client.recv().payload).string())
        sending.finish()

    def test_clients_that_give_up_cost_nothing(self):
        """A thousand clients ask a QEMU that does not answer, and leave"""
        self.server.pause()
        descriptors = self.virtpassd.descriptors()
        bystander = self.client()
        for _ in range(1000):
            client = rpc.Client(self.virtpassd.sock, "qemu:///session")
            client.post_monitor(self.ref(self.domain), '{"execute":"query-status"}')
            client.close()
        limits.poll_until(lambda: self.virtpassd.descriptors() <= descriptors + 3,
                          "the connections are gone")
        self.bounded()
        self.server.pause(False)
        self.assertIn("running", bystander.monitor(self.ref(self.domain),
                                                   '{"execute":"query-status"}'))
