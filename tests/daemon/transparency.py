# SPDX-License-Identifier: LGPL-2.1-or-later
"""What virtpassd does not touch arrives as it was sent, byte for byte, in both directions."""

import os
import struct
import threading

from harness import limits, rpc, upstream, xdr
from harness.rpc import Frame
from harness.scripted import Scripted, unread, wait_read

PATTERN = bytes(range(256)) * 16


def payload(size):
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


# Frames that only libvirtd has to understand: (program, procedure, type, serial, status, size).
FROM_CLIENT = [
    (rpc.REMOTE, 7001, rpc.CALL, 100, rpc.OK, 0),
    (rpc.REMOTE, 7001, rpc.CALL, 0x7fffffff, rpc.OK, 4),
    (rpc.REMOTE, 0x7ffffff0, rpc.CALL, 101, rpc.OK, 1),
    (rpc.REMOTE, 7001, rpc.CALL, 102, rpc.OK, 3),
    (rpc.REMOTE, 7001, rpc.CALL, 103, rpc.OK, 4095),
    (rpc.REMOTE, 7001, rpc.CALL, 104, rpc.OK, 65536),
    (rpc.REMOTE, 7001, rpc.CALL, 105, rpc.OK, 3000001),
    (rpc.REMOTE, 7001, rpc.CALL, 106, rpc.ERROR, 12),
    (rpc.REMOTE, 7001, rpc.CALL, 107, 77, 12),
    (rpc.QEMU, 3, rpc.CALL, 108, rpc.OK, 16),
    (rpc.QEMU, 2, rpc.CALL, 109, rpc.OK, 8),
    (rpc.QEMU, 4711, rpc.CALL, 110, rpc.OK, 8),
    (rpc.LXC, 1, rpc.CALL, 111, rpc.OK, 8),
    (0x12345678, 1, rpc.CALL, 112, rpc.OK, 8),
    (0x12345678, 14, rpc.CALL, 113, rpc.OK, 8),
    (rpc.REMOTE, 209, rpc.STREAM, 114, rpc.CONTINUE, 0),
    (rpc.REMOTE, 209, rpc.STREAM, 114, rpc.CONTINUE, 262120),
    (rpc.REMOTE, 209, rpc.STREAM, 114, rpc.OK, 0),
    (rpc.REMOTE, 209, rpc.STREAM, 114, rpc.ERROR, 0),
    (rpc.REMOTE, 209, rpc.STREAM_HOLE, 114, rpc.CONTINUE, 12),
    (rpc.REMOTE, 14, rpc.STREAM, 115, rpc.CONTINUE, 8),
    (rpc.KEEPALIVE, 1, rpc.MESSAGE, 0, rpc.OK, 0),
    (rpc.KEEPALIVE, 2, rpc.MESSAGE, 0, rpc.OK, 0),
    (rpc.KEEPALIVE, 9, rpc.MESSAGE, 5, rpc.OK, 20),
]

FROM_UPSTREAM = [
    (rpc.REMOTE, 7001, rpc.REPLY, 200, rpc.OK, 0),
    (rpc.REMOTE, 7001, rpc.REPLY, 0x7fffffff, rpc.OK, 5),
    (rpc.REMOTE, 7001, rpc.REPLY, 201, rpc.ERROR, 64),
    (rpc.REMOTE, 7001, rpc.REPLY, 202, rpc.OK, 3000002),
    (rpc.REMOTE, 7001, rpc.REPLY, 203, 99, 8),
    (rpc.LXC, 1, rpc.REPLY, 204, rpc.OK, 8),
    (rpc.QEMU, 3, rpc.REPLY, 205, rpc.OK, 8),
    (0x12345678, 14, rpc.REPLY, 206, rpc.OK, 8),
    (rpc.REMOTE, rpc.EVENT_LIFECYCLE, rpc.MESSAGE, 1, rpc.OK, 40),
    (rpc.REMOTE, 9999, rpc.MESSAGE, 1, rpc.OK, 40),
    (rpc.REMOTE, 9999, rpc.MESSAGE, 0x80000001, rpc.OK, 0),
    (rpc.QEMU, 6, rpc.MESSAGE, 1, rpc.OK, 40),
    (rpc.QEMU, 77, rpc.MESSAGE, 12345, rpc.OK, 40),
    (rpc.REMOTE, 209, rpc.STREAM, 207, rpc.CONTINUE, 0),
    (rpc.REMOTE, 209, rpc.STREAM, 207, rpc.CONTINUE, 262120),
    (rpc.REMOTE, 209, rpc.STREAM, 207, rpc.ERROR, 64),
    (rpc.REMOTE, 209, rpc.STREAM, 207, rpc.OK, 0),
    (rpc.REMOTE, 209, rpc.STREAM_HOLE, 207, rpc.CONTINUE, 12),
    (rpc.REMOTE, 14, rpc.STREAM, 208, rpc.CONTINUE, 8),
    (rpc.KEEPALIVE, 1, rpc.MESSAGE, 0, rpc.OK, 0),
    (rpc.KEEPALIVE, 2, rpc.MESSAGE, 0, rpc.OK, 0),
]


def make(row, version=1):
    program, procedure, kind, serial, status, size = row
    return Frame(program, procedure, kind, serial, status, payload(size), version)


class Bytes(Scripted):
    def setUp(self):
        super().setUp()
        self.upstream.hold(rpc.REMOTE, 7001)
        for program, procedure, *_ in FROM_CLIENT:
            self.upstream.hold(program, procedure)
        self.client_end = self.client()
        self.peer = self.peer_of(self.client_end)
        self.seen = len(self.upstream.frames)

    def received(self, count):
        """The next frames at the upstream, from this client."""
        def mine():
            return [frame for peer, frame in self.upstream.frames[self.seen:] if peer is self.peer]
        limits.poll_until(lambda: len(mine()) >= count, lambda: f"{len(mine())} of {count} frames")
        return mine()

    def test_from_client_to_upstream(self):
        frames = [make(row) for row in FROM_CLIENT] + [make(FROM_CLIENT[0], version=9)]
        for frame in frames:
            self.client_end.send(frame)
        for sent, came in zip(frames, self.received(len(frames)), strict=True):
            with self.subTest(sent=sent.encode()[:28].hex()):
                self.assertTrue(sent.same_bytes(came), came.encode()[:64].hex())

    def test_from_upstream_to_client(self):
        frames = [make(row) for row in FROM_UPSTREAM] + [make(FROM_UPSTREAM[0], version=9)]
        for frame in frames:
            self.peer.send(frame)
            with self.subTest(sent=frame.encode()[:28].hex()):
                came = self.client_end.recv()
                self.assertTrue(frame.same_bytes(came), came.encode()[:64].hex())

    def test_in_one_write(self):
        """All of them at once, both ways"""
        frames = [make(row) for row in FROM_CLIENT]
        self.client_end.send_bytes(b"".join(frame.encode() for frame in frames))
        for sent, came in zip(frames, self.received(len(frames)), strict=True):
            self.assertTrue(sent.same_bytes(came))
        frames = [make(row) for row in FROM_UPSTREAM]
        sender = threading.Thread(target=self.peer.send_bytes,
                                  args=(b"".join(frame.encode() for frame in frames),))
        sender.start()
        for sent in frames:
            self.assertTrue(sent.same_bytes(self.client_end.recv()))
        sender.join()

    def test_split_at_every_byte_to_upstream(self):
        first, second = make((rpc.REMOTE, 7001, rpc.CALL, 300, rpc.OK, 9)), make(FROM_CLIENT[0])
        data = first.encode() + second.encode()
        for at in range(1, len(data)):
            self.client_end.send_bytes(data[:at])
            wait_read(self.client_end.sock)
            self.client_end.send_bytes(data[at:])
            frames = self.received(2)
            self.assertTrue(first.same_bytes(frames[0]) and second.same_bytes(frames[1]), at)
            self.seen = len(self.upstream.frames)

    def test_split_at_every_byte_to_client(self):
        first, second = make((rpc.REMOTE, 7001, rpc.REPLY, 300, rpc.OK, 9)), make(FROM_UPSTREAM[0])
        data = first.encode() + second.encode()
        for at in range(1, len(data)):
            self.peer.send_bytes(data[:at])
            wait_read(self.peer.sock)
            self.peer.send_bytes(data[at:])
            for sent in (first, second):
                self.assertTrue(sent.same_bytes(self.client_end.recv()), at)

    def test_byte_by_byte(self):
        frame = make((rpc.REMOTE, 7001, rpc.CALL, 301, rpc.OK, 33))
        for byte in frame.encode():
            self.client_end.send_bytes(bytes([byte]))
            wait_read(self.client_end.sock)
        self.assertTrue(frame.same_bytes(self.received(1)[0]))

    @limits.limit(120)
    def test_frames_at_the_length_limit(self):
        """The longest frame passes in both directions"""
        frame = make((rpc.REMOTE, 7001, rpc.CALL, 302, rpc.OK, rpc.FRAME_MAX - rpc.HEADER.size))
        self.client_end.send(frame)
        self.assertTrue(frame.same_bytes(self.received(1)[0]))
        frame.type = rpc.REPLY
        sender = threading.Thread(target=self.peer.send, args=(frame,))
        sender.start()
        self.assertTrue(frame.same_bytes(self.client_end.recv()))
        sender.join()
        self.works(self.client_end)

    def test_frame_past_the_limit_from_upstream(self):
        """A length that cannot be ends this connection only"""
        for length in (0, 4, 27, rpc.FRAME_MAX + 1, 0xffffffff):
            with self.subTest(length=length):
                client = self.client()
                self.peer_of(client).send_bytes(xdr.u32(length) + b"\0" * 60)
                self.assertTrue(client.at_end())
                self.works(self.client_end)

    def test_replies_that_are_intercepted_but_malformed(self):
        """An XML reply that is not one passes as it is: the client's library says what is wrong"""
        for kind in (b"", b"\0\0\0\5<a/>", b"\xff" * 16, xdr.u32(rpc.STRING_MAX + 1) + b"x" * 64,
                     xdr.string("no xml") + b"trailing", xdr.string("<domain"),
                     xdr.string("<domain/>") + b"\0"):
            frame = Frame(rpc.REMOTE, rpc.DOMAIN_GET_XML, rpc.REPLY, 303, rpc.OK, kind)
            self.peer.send(frame)
            self.assertTrue(frame.same_bytes(self.client_end.recv()), kind[:16])

    def test_errors_of_intercepted_procedures(self):
        for program, procedure in ((rpc.REMOTE, rpc.DOMAIN_GET_XML), (rpc.QEMU, 1), (rpc.QEMU, 4)):
            for body in (rpc.error_payload(42, 10, "words"), b"", b"\0" * 5):
                frame = Frame(program, procedure, rpc.REPLY, 304, rpc.ERROR, body)
                self.peer.send(frame)
                self.assertTrue(frame.same_bytes(self.client_end.recv()))


class Descriptors(Scripted):
    def setUp(self):
        super().setUp()
        self.upstream.hold(rpc.REMOTE, 7002)
        self.client_end = self.client()
        self.peer = self.peer_of(self.client_end)
        self.before = self.virtpassd.descriptors()

    def files(self, count):
        """Descriptors that can be told apart."""
        fds = []
        for number in range(count):
            fd = os.memfd_create(f"file{number}")
            os.write(fd, struct.pack(">I", number))
            self.addCleanup(os.close, fd)
            fds.append(fd)
        return fds

    def numbers(self, frame):
        """Which files came, and closes them."""
        found = [struct.unpack(">I", os.pread(fd, 4, 0))[0] for fd in frame.fds]
        frame.close_fds()
        return found

    def nothing_kept(self):
        limits.poll_until(lambda: self.virtpassd.descriptors() == self.before,
                          lambda: f"virtpassd has {self.virtpassd.descriptors()} descriptors "
                                  f"instead of {self.before}")

    def test_any_number_both_ways(self):
        for count in (0, 1, 2, 31, 32):
            frame = Frame(rpc.REMOTE, 7002, rpc.CALL_FDS, 400 + count, payload=payload(100),
                          fds=self.files(count))
            self.client_end.send(frame)
            peer, came = self.upstream.wait_call(rpc.REMOTE, 7002)
            self.assertTrue(frame.same_bytes(came))
            self.assertEqual(self.numbers(came), list(range(count)))
            self.upstream.frames.clear()
            frame.type = rpc.REPLY_FDS
            peer.send(frame)
            came = self.client_end.recv()
            self.assertTrue(frame.same_bytes(came))
            self.assertEqual(self.numbers(came), list(range(count)))
        self.assertEqual((self.client_end.stray_fds, self.peer.stray_fds), ([], []))
        self.nothing_kept()

    def test_between_other_frames(self):
        """Frames with and without descriptors in one burst; reads cross every border"""
        frames = []
        for number in range(40):
            fds = self.files(number % 4)
            frames.append(Frame(rpc.REMOTE, 7002, rpc.CALL_FDS if number % 4 else rpc.CALL,
                                500 + number, payload=payload(number * 7), fds=fds))
        for frame in frames:
            self.client_end.send(frame)
        self.upstream.wait_call(rpc.REMOTE, 7002, len(frames))
        came = [frame for _, frame in self.upstream.select(lambda f: f.proc == 7002)]
        for sent, got in zip(frames, came, strict=True):
            self.assertTrue(sent.same_bytes(got))
            self.assertEqual(len(self.numbers(got)), len(sent.fds))
        self.assertEqual(self.peer.stray_fds, [])
        self.nothing_kept()

    def test_split_at_every_byte(self):
        """The bytes that carry descriptors come one by one and late"""
        fds = self.files(2)
        frame = Frame(rpc.REMOTE, 7002, rpc.CALL_FDS, 600, payload=payload(5), fds=fds)
        data = frame.encode()
        for at in range(1, len(data)):
            self.client_end.send_bytes(data[:at])
            wait_read(self.client_end.sock)
            self.client_end.send_bytes(data[at:])
            for fd in fds:
                if at % 2:
                    wait_read(self.client_end.sock)
                self.client_end.send_fd(fd)
            _, came = self.upstream.wait_call(rpc.REMOTE, 7002)
            self.assertTrue(frame.same_bytes(came), at)
            self.assertEqual(self.numbers(came), [0, 1], at)
            self.upstream.frames.clear()
        self.nothing_kept()

    def test_client_leaves_before_its_descriptors_are_complete(self):
        fds = self.files(3)
        for sent in range(3):
            client = self.client()
            frame = Frame(rpc.REMOTE, 7002, rpc.CALL_FDS, 601, payload=payload(5), fds=fds)
            client.send_bytes(frame.encode())
            for fd in fds[:sent]:
                client.send_fd(fd)
            wait_read(client.sock)
            client.close()
        self.nothing_kept()
        self.works(self.client_end)

    def test_more_than_a_frame_may_carry(self):
        """33 descriptors end the connection, as they do at libvirtd"""
        for number in (33, 1000, 0x7fffffff, 0xffffffff):
            client = self.client()
            client.send_bytes(Frame(rpc.REMOTE, 7002, rpc.CALL_FDS, 1, payload=payload(8))
                              .encode(nfds=number))
            self.assertTrue(client.at_end(), number)
        self.works(self.client_end)
        self.nothing_kept()

    def test_stray_descriptors_after_an_error_are_swallowed(self):
        """libvirtd echoes the descriptors of calls it cannot dispatch; the client must not see"""
        fds = self.files(2)
        error = rpc.error_payload(39, 7, "unknown procedure: 7002")
        for late in (False, True):
            call = self.client_end.post(7002, fds=fds)
            self.upstream.wait_call(rpc.REMOTE, 7002)[1].close_fds()
            self.upstream.frames.clear()
            self.peer.send_bytes(Frame(rpc.REMOTE, 7002, rpc.REPLY, call.serial, rpc.ERROR,
                                       error).encode())
            if late:
                self.assertRaises(rpc.RpcError, self.client_end.reply, call)
            for fd in fds:
                self.peer.send_fd(fd)
            if not late:
                self.assertRaises(rpc.RpcError, self.client_end.reply, call)
            self.works(self.client_end)
            self.assertEqual(self.client_end.stray_fds, [])
        self.nothing_kept()

    def test_error_without_stray_descriptors(self):
        """Most refusals of a call with descriptors bring none back: nothing may be swallowed"""
        for _ in range(3):
            call = self.client_end.post(7002, fds=self.files(2))
            peer, came = self.upstream.wait_call(rpc.REMOTE, 7002)
            came.close_fds()
            self.upstream.frames.clear()
            peer.answer(call, rpc.error_payload(8, 10, "no"), rpc.ERROR)
            self.assertRaises(rpc.RpcError, self.client_end.reply, call)
            self.works(self.client_end)
        self.nothing_kept()

    def test_strays_of_several_calls_in_flight(self):
        """Two calls fail, with another reply between the strays of both"""
        fds = self.files(3)
        calls = [self.client_end.post(7002, fds=fds[:2]), self.client_end.post(7002, fds=fds)]
        self.upstream.wait_call(rpc.REMOTE, 7002, 2)
        error = rpc.error_payload(39, 7, "unknown procedure: 7002")
        for call, count in zip(calls, (2, 3)):
            self.peer.answer(call, error, rpc.ERROR)
            for fd in fds[:count]:
                self.peer.send_fd(fd)
            self.peer.message(rpc.REMOTE, 9999, b"between")
        for call in calls:
            self.assertRaises(rpc.RpcError, self.client_end.reply, call)
            self.client_end.take(lambda frame: frame.payload == b"between")
        self.works(self.client_end)
        self.assertEqual(self.client_end.stray_fds, [])


class Opening(Scripted):
    def test_second_open_does_not_reach_libvirtd(self):
        """libvirtd would drop the first handle; the client gets the error and keeps working"""
        client = self.client()
        peer = self.peer_of(client)
        self.assertEqual(client.error(rpc.OPEN, xdr.optional("qemu:///session") + xdr.u32(0))[0], 1)
        self.works(client)
        opens = self.upstream.select(lambda frame: frame.proc == rpc.OPEN)
        self.assertEqual(sum(owner is peer for owner, _ in opens), 1)

    def test_second_open_behind_the_first(self):
        """Both in one write"""
        client = self.client(None)
        name = xdr.optional("qemu:///session") + xdr.u32(0)
        frames = [Frame(rpc.REMOTE, rpc.OPEN, serial=number, payload=name) for number in (900, 901)]
        client.send_bytes(b"".join(frame.encode() for frame in frames))
        client.reply(frames[0])
        with self.assertRaises(rpc.RpcError):
            client.reply(frames[1])
        self.works(client)

    def test_open_again_after_a_refusal(self):
        """An OPEN that libvirtd refused may be followed by a better one"""
        def refuse(_peer, _frame):
            raise upstream.Refuse(1, 0, "no connection driver available for wrong:///x")
        good = self.upstream.handlers[rpc.REMOTE, rpc.OPEN]
        client = self.client(None)
        client.auth()
        self.upstream.on(rpc.REMOTE, rpc.OPEN, refuse)
        self.assertEqual(client.error(rpc.OPEN, xdr.optional("wrong:///x") + xdr.u32(0))[0], 1)
        self.upstream.on(rpc.REMOTE, rpc.OPEN, good)
        client.open()
        self.works(client)

    def test_parameters_of_the_name_go_through(self):
        client = self.client("qemu:///session?foo=bar&project=x%20y")
        self.assertEqual(self.peer_of(client).name, "qemu:///session?foo=bar&project=x%20y")

    def test_names_that_make_libvirtd_a_client_are_refused(self):
        """With a transport or a server in it libvirtd itself would dial"""
        for name in ("qemu+unix:///system?socket=/x", "qemu+ssh://host/system",
                     "qemu://host/system", "qemu+tcp://127.0.0.1/system",
                     "test+ext:///default?command=/x"):
            client = self.client(None)
            client.auth()
            opens = len(self.upstream.select(lambda frame: frame.proc == rpc.OPEN))
            code, _, message = client.error(rpc.OPEN, xdr.optional(name) + xdr.u32(0))
            self.assertIn(name, message)
            self.assertEqual(len(self.upstream.select(lambda frame: frame.proc == rpc.OPEN)), opens)
            client.open()
            self.works(client)


class Ends(Scripted):
    def test_client_goes(self):
        """Its connection upstream goes with it, and no other"""
        bystander, client = self.client(), self.client()
        peer, other = self.peer_of(client), self.peer_of(bystander)
        client.close()
        limits.poll_until(peer.closed.is_set, "the upstream connection ends with the client")
        self.assertFalse(other.closed.is_set())
        self.works(bystander)

    def test_upstream_closes_one_connection(self):
        bystander, client = self.client(), self.client()
        peer = self.peer_of(client)
        peer.message(rpc.REMOTE, 9999, b"last words")
        peer.shutdown_write()
        self.assertEqual(client.recv().payload, b"last words")
        self.assertTrue(client.at_end())
        self.works(bystander)

    def test_half_closed_client_gets_its_answers(self):
        """A client that has sent its last byte still hears the replies under way"""
        client = self.client()
        peer = self.peer_of(client)
        self.upstream.hold(rpc.REMOTE, 7003)
        self.upstream.linger = True
        calls = [client.post(7003) for _ in range(3)]
        client.shutdown_write()
        self.upstream.wait_call(rpc.REMOTE, 7003, 3)
        for call in calls:
            peer.answer(call, b"late")
        for call in calls:
            self.assertEqual(client.reply(call).payload, b"late")
        limits.poll_until(peer.closed.is_set, "the upstream is told that the client has ended")
        peer.shutdown_write()
        self.assertTrue(client.at_end())

    def test_close_is_answered_before_the_end(self):
        client = self.client()
        self.assertEqual(client.call(rpc.CLOSE).payload, b"")
        self.assertTrue(client.at_end())

    def test_upstream_dies(self):
        """Clients see what they see when libvirtd dies, and work again when it is back"""
        clients = [self.client() for _ in range(3)]
        for client in clients:
            self.works(client)
        self.upstream.stop()
        for client in clients:
            self.assertTrue(client.at_end())
        client = rpc.Client(self.virtpassd.sock)
        self.addCleanup(client.close)
        with self.assertRaises((rpc.RpcError, rpc.Closed, ConnectionError)):
            client.auth()
        self.assertTrue(self.virtpassd.process.running)
        self.upstream.listen()
        self.works(self.client())

    def test_upstream_dies_in_the_middle_of_a_frame(self):
        client = self.client()
        peer = self.peer_of(client)
        peer.send_bytes(Frame(rpc.REMOTE, 7001, rpc.REPLY, 5, payload=payload(100)).encode()[:50])
        peer.shutdown_write()
        with self.assertRaises(rpc.Closed):
            while True:
                client.recv()
        self.works(self.client())

    def test_upstream_does_not_accept_yet(self):
        """A client that comes while libvirtd is busy waits for it"""
        self.upstream.hold(rpc.REMOTE, rpc.AUTH_LIST)
        client = self.client(None)
        call = client.post(rpc.AUTH_LIST)
        peer, frame = self.upstream.wait_frame(lambda f: f.same_bytes(call))
        self.assertEqual(unread(client.sock), 0)
        peer.answer(frame, xdr.u32(1) + xdr.i32(0))
        client.reply(call)
        self.upstream.held.clear()
        client.open()
        self.works(client)
