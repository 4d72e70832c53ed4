# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nobody gains rights: identity, read-only connections, access control."""

import contextlib
import grp
import json
import os
import pwd
import socket
import struct
import threading
import time
import unittest

from harness import guest, limits, rpc, upstream, xdr
from harness.frozen import frozen
from harness.rpc import Frame
from harness.scripted import USER, Scripted, Sender, wait_read

COMMAND = '{"execute":"query-status"}'

# Calls whose outcome tells whether somebody may write to a domain.
PROBES = (rpc.SET_METADATA, rpc.FD_ASSOCIATE)

PROCESS = '{"execute":"__org.virtpass_query-commandline","arguments":{"form":"running"}}'

# For how long a verdict is good.
VERDICT_SECONDS = 1

HIGH_SERIALS_MAX = 1024
ADMISSIONS_RUNNING_MAX = 16

as_root = unittest.skipUnless(os.geteuid() == 0, "only a system daemon tells who its clients are")


def start_time(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rpartition(")")[2].split()[19])


class SystemMode(Scripted):
    """virtpassd as the system's daemon, in front of a libvirtd that asks who it is."""

    options = ()
    config = {"listen": {"unix_sock_rw_perms": "0777", "unix_sock_ro_perms": "0777"}}

    def identity_frames(self, peer):
        return [frame for owner, frame in self.upstream.frames
                if owner is peer and frame.proc == rpc.SET_IDENTITY]


@as_root
class Identity(SystemMode):
    def test_what_libvirtd_is_told(self):
        client = self.client_as(USER)
        entry = pwd.getpwnam(USER)
        identity = self.peer_of(client).identity
        self.assertEqual(identity["unix-user-id"], entry.pw_uid)
        self.assertEqual(identity["unix-group-id"], entry.pw_gid)
        self.assertEqual(identity["user-name"], USER)
        self.assertEqual(identity["process-id"], os.getpid())
        self.assertEqual(identity["process-time"], start_time(os.getpid()))
        self.assertNotIn("system.token", identity)

    def test_types_of_the_fields(self):
        """libvirtd refuses fields of another type"""
        peer = self.peer_of(self.client_as(USER))
        entries = xdr.Reader(self.identity_frames(peer)[0].payload).params()
        kinds = {field: kind for field, kind, _ in entries}
        for field, kind in (("user-name", xdr.STRING), ("unix-user-id", xdr.ULLONG),
                            ("group-name", xdr.STRING), ("unix-group-id", xdr.ULLONG),
                            ("process-id", xdr.LLONG), ("process-time", xdr.ULLONG)):
            self.assertEqual(kinds[field], kind, field)
        self.assertLessEqual(len(entries), 20)

    def test_root_too(self):
        self.assertEqual(self.peer_of(self.client("qemu:///system")).identity["unix-user-id"], 0)

    def test_before_anything_else_of_the_client(self):
        """Nothing passes between OPEN and the identity, not even what was sent in one write"""
        self.upstream.hold(rpc.REMOTE, rpc.SET_IDENTITY)
        client = self.client_as(USER, None)
        name = xdr.optional("qemu:///system") + xdr.u32(0)
        frames = [Frame(rpc.REMOTE, rpc.OPEN, serial=50, payload=name),
                  Frame(rpc.REMOTE, rpc.GET_TYPE, serial=51),
                  Frame(rpc.REMOTE, rpc.SET_METADATA, serial=52)]
        client.send_bytes(b"".join(frame.encode() for frame in frames))
        peer, call = self.upstream.wait_call(rpc.REMOTE, rpc.SET_IDENTITY)
        limits.stays(lambda: [frame.proc for owner, frame in self.upstream.frames
                              if owner is peer] == [rpc.OPEN, rpc.SET_IDENTITY],
                     "OPEN and SET_IDENTITY alone at the upstream")
        with self.assertRaises(TimeoutError):
            client.recv(timeout=limits.ABSENCE_SECONDS)
        peer.answer(call)
        client.reply(frames[0])
        self.assertEqual(xdr.Reader(client.reply(frames[1]).payload).string(), "QEMU")
        limits.stays(lambda: not client.aside, "no reply that the client did not ask for", 0.05)

    def test_refused_identity(self):
        """A client whose identity libvirtd does not take is not served under another"""
        def refuse(_peer, _frame):
            raise upstream.Refuse(88, 55, "access denied: no")
        self.upstream.on(rpc.REMOTE, rpc.SET_IDENTITY, refuse)
        client = self.client_as(USER, None)
        client.auth()
        client.post(rpc.OPEN, xdr.optional("qemu:///system") + xdr.u32(0))
        with self.assertRaises((rpc.Closed, ConnectionError, rpc.RpcError)):
            for _ in range(20):
                client.post(rpc.GET_TYPE)
            client.call(rpc.GET_TYPE)
        types = self.upstream.select(lambda frame: frame.proc == rpc.GET_TYPE)
        self.assertEqual(types, [])

    def test_identity_of_each_client(self):
        """Two clients of different users at the same time"""
        clients = [self.client_as(USER), self.client("qemu:///system"), self.client_as("daemon")]
        users = [self.peer_of(client).identity["user-name"] for client in clients]
        self.assertEqual(users, [USER, "root", "daemon"])

    def test_identity_set_by_the_client(self):
        """A proxy's own SET_IDENTITY goes through, and counts from then on"""
        domain, _ = self.guest("g", event=None)
        client = self.client("qemu:///system")
        entries = [("unix-user-id", xdr.ULLONG, 4711), ("process-id", xdr.LLONG, 1)]
        client.call(rpc.SET_IDENTITY, xdr.params(entries) + xdr.u32(0))
        self.assertEqual(self.peer_of(client).identity["unix-user-id"], 4711)
        self.upstream.denied.add((4711, "g"))
        self.assertEqual(client.monitor_error(self.ref(domain), COMMAND)[0], 88)

    def test_session_mode_says_nothing(self):
        """As an ordinary user's daemon it has no other identity to give"""
        self.virtpassd.end()
        self.virtpassd.options = ["--session"]
        self.virtpassd.start()
        peer = self.peer_of(self.client())
        self.assertEqual(self.identity_frames(peer), [])


@as_root
class Access(SystemMode):
    def prepare(self):
        self.domain, self.server = self.guest("g", event=None)
        self.other, _ = self.guest("h", 2, event=None)
        self.user = pwd.getpwnam(USER).pw_uid

    def setUp(self):
        super().setUp()
        root = self.client("qemu:///system")
        for domain in (self.domain, self.other):
            limits.poll_until(lambda d=domain: "running" in root.monitor(self.ref(d), COMMAND),
                              "the session is there")

    def deny(self):
        self.upstream.denied.add((self.user, "g"))

    def denied(self, client, **more):
        code, domain, message = client.monitor_error(self.ref(self.domain), COMMAND, **more)
        self.assertEqual((code, domain), (88, 55), message)
        self.assertEqual(message, "access denied: 'QEMU' denied access")

    def test_command_needs_domain_write(self):
        self.deny()
        before = len(self.server.named("query-status"))
        client = self.client_as(USER)
        for flags in (0, 1):
            self.denied(client, flags=flags)
            self.denied(client, flags=flags, proc=rpc.MONITOR_COMMAND_FILES)
        with open("/dev/null", "rb") as file:
            self.denied(client, fds=[file.fileno()])
        self.assertEqual(len(self.server.named("query-status")), before)
        self.assertEqual(self.server.named("human-monitor-command"), [])
        self.works(client)

    def test_who_may_is_served_by_the_session(self):
        client = self.client_as(USER)
        self.assertIn("running", client.monitor(self.ref(self.domain), COMMAND))
        self.assertEqual(self.upstream.select(lambda f: (f.prog, f.proc) == (rpc.QEMU, 1)), [])

    def test_pipelined_commands_all_wait_for_the_verdict(self):
        """Sent before libvirtd has said whether they are allowed"""
        self.deny()
        for proc in PROBES:
            self.upstream.hold(rpc.REMOTE, proc)
        client = self.client_as(USER)
        calls = [client.post_monitor(self.ref(self.domain), COMMAND) for _ in range(10)]
        peer, probe = self.upstream.wait_frame(lambda frame: frame.proc in PROBES)
        peer.answer(probe, rpc.error_payload(88, 55, "access denied: 'QEMU' denied access"),
                    rpc.ERROR)
        for call in calls:
            with self.assertRaises(rpc.RpcError) as caught:
                client.reply(call)
            self.assertEqual(caught.exception.code, 88)

    def test_each_domain_by_itself(self):
        client = self.client_as(USER)
        self.assertIn("running", client.monitor(self.ref(self.other), COMMAND))
        self.deny()
        self.assertEqual(client.monitor_error(self.ref(self.domain), COMMAND)[0], 88)
        self.assertIn("running", client.monitor(self.ref(self.other), COMMAND))

    def test_right_that_is_withdrawn(self):
        """A verdict does not outlive its short time"""
        client = self.client_as(USER)
        self.assertIn("running", client.monitor(self.ref(self.domain), COMMAND))
        self.deny()

        def refused():
            try:
                client.monitor(self.ref(self.domain), COMMAND)
            except rpc.RpcError as error:
                return error.code == 88
            return False
        limits.poll_until(refused, "the right is gone", timeout=5)

    def test_verdict_that_is_kept_back(self):
        """Who does not read its replies cannot keep a verdict for later in what comes before"""
        big = Frame(rpc.REMOTE, 7001, serial=1000)
        self.upstream.on(rpc.REMOTE, big.proc, lambda _peer, _frame: b"x" * 4 * 1024 * 1024)
        self.upstream.hold(rpc.REMOTE, rpc.FD_ASSOCIATE)
        client = self.client_as(USER)
        before = len(self.server.named("query-status"))
        command = client.post_monitor(self.ref(self.domain), COMMAND)
        peer, question = self.upstream.wait_call(rpc.REMOTE, rpc.FD_ASSOCIATE)
        client.send(big)
        self.upstream.wait_frame(lambda frame: frame.proc == big.proc)
        sender = Sender(self, peer, [Frame(rpc.REMOTE, 7002, rpc.STREAM, 5, rpc.CONTINUE,
                                           b"x" * 65536)] * 40)
        sender.stuck()
        answer = threading.Thread(target=peer.answer, args=(question,))
        answer.start()
        self.upstream.held.clear()
        self.deny()
        time.sleep(1.5)
        with self.assertRaises(rpc.RpcError) as caught:
            client.reply(command)
        self.assertEqual(caught.exception.code, 88)
        answer.join()
        self.assertEqual(len(self.server.named("query-status")), before)

    def look_at_process(self, late):
        """The reply to who asks for a process that can be looked at after a while only"""
        client = self.client_as(USER)
        self.assertIn("words", client.monitor(self.ref(self.domain), PROCESS))
        with frozen(self, self.virtpassd.pid, "worker"):
            call = client.post_monitor(self.ref(self.domain), PROCESS)
            wait_read(client.sock)
            late()
            time.sleep(VERDICT_SECONDS + 0.1)
        return json.loads(xdr.Reader(client.reply(call).payload).string())

    def test_right_that_is_withdrawn_while_a_process_is_looked_at(self):
        reply = self.look_at_process(self.deny)
        self.assertIn("not allow", reply["error"]["desc"])

    def test_process_that_is_looked_at_late(self):
        """Who still may has the answer"""
        reply = self.look_at_process(lambda: None)
        self.assertIn("words", reply["return"])

    def test_probe_stays_inside(self):
        """The question that virtpassd asks on the client's connection is not answered to it"""
        client = self.client_as(USER)
        for _ in range(3):
            client.monitor(self.ref(self.domain), COMMAND)
        self.works(client)
        self.assertEqual(client.aside, [])

    def test_added_commands_need_the_right_too(self):
        self.deny()
        client = self.client_as(USER)
        command = '{"execute":"__org.virtpass_query-session"}'
        self.assertEqual(client.monitor_error(self.ref(self.domain), command)[0], 88)

    def test_events_are_judged_by_libvirtd(self):
        """A client that is not trusted is registered there, with its own rights"""
        asked = []

        def refuse(peer, _frame):
            asked.append(peer.user())
            raise upstream.Refuse(88, 55, "access denied: 'QEMU' denied access")
        self.upstream.on(rpc.QEMU, rpc.EVENT_ADD, refuse)
        client = self.client_as(USER)
        with self.assertRaises(rpc.RpcError) as caught:
            client.monitor_events("STOP")
        self.assertEqual(caught.exception.code, 88)
        self.assertIn(self.user, asked)
        self.server.event("STOP")
        with self.assertRaises(TimeoutError):
            client.monitor_event(timeout=limits.ABSENCE_SECONDS)

    def test_domain_that_refuses_commands(self):
        """session='none' is told to who may write to the domain, to nobody else"""
        xml = guest.domain("n", after=guest.session_attribute("none"))
        self.client("qemu:///system").define(xml)
        domain = self.upstream.domains[guest.uuid("n")]
        self.upstream.start_domain(domain, 3)
        code, _, message = self.client("qemu:///system").monitor_error(self.ref(domain), COMMAND)
        self.assertEqual(code, 29)
        self.assertIn("'n'", message)
        self.upstream.denied.add((self.user, "n"))
        code, _, message = self.client_as(USER).monitor_error(self.ref(domain), COMMAND)
        self.assertEqual(code, 88, message)

    def test_unknown_domain(self):
        """Refused in libvirtd's words, not with a hint whether it exists"""
        client = self.client_as(USER)
        wrong = ("x", guest.uuid("x"), -1)
        self.assertEqual(client.monitor_error(wrong, COMMAND)[0], 42)
        self.works(client)


# The first serial of virtpassd's own calls, which begin anew with each client.
OURS = 0x80000000
AROUND = [*range(OURS - 2, OURS + 5), 0xffffffff]
ECHO, GET_LIB_VERSION = 7000, 157
TYPES = (rpc.CALL, rpc.REPLY, rpc.MESSAGE, rpc.CALL_FDS, rpc.REPLY_FDS, 7, 1000)


@as_root
class Forgery(SystemMode):
    """A client tries to have the reply to a call of its own taken for the reply to ours. The
    upstream answers everything that is no question of ours with success: what it has got before
    the question at once or just before the answer to that, and frames of any type."""

    def prepare(self):
        self.domain, self.server = self.guest("g", event=None)
        self.other, _ = self.guest("h", 2, event=None)
        self.user = pwd.getpwnam(USER).pw_uid
        self.late = []

    def setUp(self):
        super().setUp()
        root = self.client("qemu:///system")
        for domain in (self.domain, self.other):
            limits.poll_until(lambda d=domain: "running" in root.monitor(self.ref(d), COMMAND),
                              "the session is there")
        self.before = len(self.server.commands)
        self.upstream.on(rpc.REMOTE, ECHO, self.echo)
        self.upstream.on(rpc.REMOTE, GET_LIB_VERSION, lambda _peer, _frame: xdr.u64(9000000))
        self.upstream.answered = (*TYPES, rpc.STREAM_HOLE)

    def echo(self, peer, frame):
        if frame.payload.startswith(b"late"):
            self.late.append((peer, frame))
            return upstream.NO_REPLY
        return frame.payload

    def answer_late(self):
        while self.late:
            peer, frame = self.late.pop()
            peer.answer(frame, frame.payload)

    def deny(self, proc, only=None):
        """Questions of ours are denied, after everything that is to come before."""
        def refuse(_peer, frame):
            if only and xdr.Reader(frame.payload).domain()[0] != only:
                return b""
            self.answer_late()
            raise upstream.Refuse(88, 55, "access denied: 'QEMU' denied access")
        self.upstream.on(rpc.REMOTE, proc, refuse)

    def decoys(self, serial):
        """Calls that libvirtd allows this client, each alone."""
        there = xdr.domain(*self.ref(self.other)) + xdr.string("mine") + xdr.u32(0)
        calls = [(ECHO, b"late" + os.urandom(12)), (ECHO, b"now." + os.urandom(12)),
                 (GET_LIB_VERSION, b""), (rpc.FD_ASSOCIATE, there)]
        return [Frame(rpc.REMOTE, proc, serial=serial, payload=payload) for proc, payload in calls]

    def own_replies(self, client, frames):
        """Each call has its own answer, and nothing else came."""
        expected = {GET_LIB_VERSION: xdr.u64(9000000), rpc.FD_ASSOCIATE: b""}
        wanted = [(frame.serial, frame.proc, expected.get(frame.proc, frame.payload))
                  for frame in frames]
        for _ in range(len(wanted)):
            reply = client.take(lambda f: f.proc in (ECHO, GET_LIB_VERSION, rpc.FD_ASSOCIATE))
            wanted.remove((reply.serial, reply.proc, reply.payload))
        self.works(client)
        self.assertEqual([f for f in client.aside if f.type in (rpc.REPLY, rpc.REPLY_FDS)], [])

    def attack(self, frames, after=()):
        """With a monitor command between @frames and @after, in one write."""
        client = self.client_as(USER)
        client.serial = 100
        command = client.make_monitor(self.ref(self.domain), COMMAND)
        everything = [*frames, command, *after]
        client.send_bytes(b"".join(frame.encode() for frame in everything))
        with self.assertRaises(rpc.RpcError) as caught:
            client.reply(command)
        self.assertEqual(caught.exception.code, 88)
        calls = [*frames, *after]
        late = {frame.payload for frame in calls if frame.payload.startswith(b"late")}
        limits.poll_until(lambda: late <= {f.payload for _, f in list(self.upstream.frames)},
                          "all calls")
        self.answer_late()
        self.own_replies(client, calls)
        self.assertEqual(len(self.server.commands), self.before)

    def test_every_serial_around_ours(self):
        self.upstream.denied.add((self.user, "g"))
        self.deny(rpc.FD_ASSOCIATE, only="g")
        for serial in AROUND:
            for place, count in ((0, 1), (1, 1), (0, 3)):
                for number in range(4):
                    frames = [self.decoys(serial)[number] for _ in range(count)]
                    with self.subTest(serial=hex(serial), place=place, frame=frames):
                        self.attack(*(frames, ()) if place == 0 else ((), frames))

    def test_all_serials_at_once(self):
        self.upstream.denied.add((self.user, "g"))
        self.deny(rpc.FD_ASSOCIATE, only="g")
        frames = [frame for serial in AROUND * 2 for frame in self.decoys(serial)]
        self.attack(frames, [frame for serial in AROUND for frame in self.decoys(serial)])

    def test_frames_of_all_types(self):
        """libvirtd answers calls only; were it to answer others, that would be no verdict"""
        self.upstream.denied.add((self.user, "g"))
        self.deny(rpc.FD_ASSOCIATE, only="g")
        for kind in TYPES:
            frames = [Frame(rpc.REMOTE, ECHO, kind, serial, payload=b"now." + os.urandom(12))
                      for serial in AROUND]
            with self.subTest(type=kind):
                self.attack(frames, frames)

    def test_identity(self):
        """What is sent before OPEN and answered after it is not the answer to SET_IDENTITY"""
        self.deny(rpc.SET_IDENTITY)
        for serial in AROUND:
            client = self.client_as(USER, None)
            name = xdr.optional("qemu:///system") + xdr.u32(0)
            frames = [*self.decoys(serial)[:2] * 2, Frame(rpc.REMOTE, rpc.OPEN, serial=50,
                                                          payload=name),
                      *self.decoys(serial), Frame(rpc.REMOTE, rpc.GET_TYPE, serial=51)]
            with self.subTest(serial=hex(serial)):
                client.send_bytes(b"".join(frame.encode() for frame in frames))
                with self.assertRaises((rpc.Closed, ConnectionError)):
                    while client.recv().proc == ECHO:
                        pass
        self.assertEqual(self.upstream.select(lambda frame: frame.proc == rpc.GET_TYPE
                                              and frame.serial == 51), [])

    def test_identity_that_is_taken(self):
        """With the same frames before it, who may is served, and gets its own replies"""
        for serial in AROUND:
            client = self.client_as(USER, None)
            before = [*self.decoys(serial), *self.decoys(serial)]
            open_call = Frame(rpc.REMOTE, rpc.OPEN, serial=50,
                              payload=xdr.optional("qemu:///system") + xdr.u32(0))
            after = self.decoys(serial)
            client.send_bytes(b"".join(f.encode() for f in [*before, open_call, *after]))
            client.reply(open_call)
            limits.poll_until(lambda: len(self.late) == 3, "all calls")
            self.answer_late()
            client.serial = 100
            self.own_replies(client, [*before, *after])

    def test_streams(self):
        """Data of a stream with such a serial goes both ways, also while a question is under way"""
        self.upstream.hold(rpc.REMOTE, rpc.FD_ASSOCIATE)
        self.upstream.answered = (rpc.CALL, rpc.CALL_FDS)
        self.upstream.on(rpc.REMOTE, ECHO, lambda _peer, _frame: b"")
        client = self.client_as(USER)
        peer = self.peer_of(client)
        self.upstream.on(rpc.REMOTE, ECHO, lambda _peer, _frame: b"")
        for serial in range(OURS, OURS + 4):
            opened = client.post(ECHO, b"opened", serial=serial)
            client.reply(opened)
        command = client.post_monitor(self.ref(self.domain), COMMAND)
        _, question = self.upstream.wait_call(rpc.REMOTE, rpc.FD_ASSOCIATE)
        for serial in range(OURS, OURS + 4):
            data = Frame(rpc.REMOTE, ECHO, rpc.STREAM, serial, rpc.CONTINUE, os.urandom(5))
            client.send(data)
            self.upstream.wait_frame(lambda f, d=data: f.same_bytes(d))
            peer.send(data)
            self.assertTrue(client.recv().same_bytes(data))
        hole = [Frame(rpc.REMOTE, ECHO, rpc.STREAM_HOLE, serial, rpc.CONTINUE, xdr.i64(1))
                for serial in range(OURS, OURS + 4)]
        for frame in hole:
            client.send(frame)
        peer.answer(question)
        self.assertIn("running", xdr.Reader(client.reply(command).payload).string())
        for frame in hole:
            self.upstream.wait_frame(lambda f, d=frame: f.same_bytes(d))
        self.works(client)

    def test_limit_of_high_serials(self):
        """So many are sent on without a reply; the next one waits for one of them"""
        self.upstream.hold(rpc.REMOTE, ECHO)
        client = self.client_as(USER)
        frames = [Frame(rpc.REMOTE, ECHO, serial=OURS + number)
                  for number in range(HIGH_SERIALS_MAX + 1)]
        client.send_bytes(b"".join(frame.encode() for frame in frames))

        def seen():
            return self.upstream.select(lambda f: f.proc == ECHO)
        limits.poll_until(lambda: len(seen()) == HIGH_SERIALS_MAX, "as many as may be")
        limits.stays(lambda: len(seen()) == HIGH_SERIALS_MAX, "no more")
        peer, frame = seen()[0]
        peer.answer(frame)
        limits.poll_until(lambda: len(seen()) == HIGH_SERIALS_MAX + 1, "the next one")
        for peer, frame in seen()[1:]:
            peer.answer(frame)
        for frame in frames:
            client.reply(frame)
        client.serial = 100
        self.works(client)


@as_root
class Admission(SystemMode):
    """libvirtd's own sockets decide who is let in at ours."""

    def prepare(self):
        self.domain, _ = self.guest("g", event=None)
        self.read_only = upstream.Upstream(self.upstream.path + "-ro")
        self.addCleanup(self.read_only.close)
        self.entry = pwd.getpwnam(USER)
        self.asked = []  # (uid, gid) of who sent AUTH_LIST

    def wants(self, server, types):
        """As libvirtd, which asks root for nothing."""
        def auth_list(peer, _frame):
            raw = peer.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            _, uid, gid = struct.unpack("iII", raw)
            self.asked.append((uid, gid))
            kinds = types if uid else [0]
            return xdr.u32(len(kinds)) + b"".join(xdr.i32(kind) for kind in kinds)
        server.on(rpc.REMOTE, rpc.AUTH_LIST, auth_list)

    def refused(self, path, *words, groups=()):
        client = self.connect(path, groups)
        code, domain, message = client.error(rpc.AUTH_LIST)
        self.assertEqual((code, domain), (45, 7), message)
        for word in ("authentication failed: ", *words):
            self.assertIn(word, message)
        self.assertTrue(client.at_end())

    def connect(self, path, groups=()):
        os.setgroups(groups)
        try:
            return self.client_as(USER, None, path=path)
        finally:
            os.setgroups([0])

    def served(self, path, groups=()):
        client = self.connect(path, groups)
        client.auth()
        client.open("qemu:///system")
        self.works(client)
        return client

    def test_read_only_socket_with_polkit(self):
        self.wants(self.read_only, [2])
        self.refused(self.virtpassd.sock_ro, "(polkit)", "auth_unix_ro", self.read_only.path,
                     f"user {self.entry.pw_uid} ")
        self.assertEqual(self.asked, [(self.entry.pw_uid, self.entry.pw_gid)])
        self.assertEqual({frame.proc for _, frame in self.read_only.frames}, {rpc.AUTH_LIST})
        self.served(self.virtpassd.sock)
        self.works(self.client("qemu:///system", path=self.virtpassd.sock_ro))

    def test_what_else_may_be_wanted(self):
        for types, word in (([1], "(sasl)"), ([0, 2], "(none, polkit)"), ([], "()"),
                            ([9], "(unknown)")):
            self.wants(self.read_only, types)
            self.refused(self.virtpassd.sock_ro, word)
        self.wants(self.read_only, [0])
        self.served(self.virtpassd.sock_ro)

    def test_read_write_socket(self):
        self.wants(self.upstream, [2])
        self.refused(self.virtpassd.sock, "(polkit)", "auth_unix_rw", self.upstream.path)
        self.served(self.virtpassd.sock_ro)
        self.works(self.client("qemu:///system"))

    def test_qmp_socket(self):
        path = self.virtpassd.path("qmp", guest.uuid("g"))
        os.chmod(self.upstream.path, 0o600)
        limits.poll_until(lambda: os.path.exists(path), "the QMP socket")
        client = self.connect(path)
        client.sock.settimeout(limits.seconds(limits.CONDITION_SECONDS))
        self.assertIn(b"Permission denied", client.sock.recv(4096))
        self.assertTrue(client.at_end())

    def test_answers_that_make_no_sense(self):
        def fail(_peer, _frame):
            raise upstream.Refuse(1, 7, "no")
        for handler in (fail, lambda _peer, _frame: b"", lambda _peer, _frame: xdr.u32(1),
                        lambda _peer, _frame: xdr.u32(21) + xdr.i32(0) * 21,
                        lambda _peer, _frame: b"x" * 10000,
                        lambda peer, _frame: peer.hang_up() or upstream.NO_REPLY):
            self.read_only.on(rpc.REMOTE, rpc.AUTH_LIST, handler)
            self.refused(self.virtpassd.sock_ro, "does not say")

    def test_mode_and_groups(self):
        other = grp.getgrnam("daemon").gr_gid
        os.chown(self.read_only.path, 0, other)
        os.chmod(self.read_only.path, 0o660)
        self.refused(self.virtpassd.sock_ro, "Permission denied", self.read_only.path)
        self.refused(self.virtpassd.sock_ro, "Permission denied", groups=[other + 1, other + 2])
        self.served(self.virtpassd.sock_ro, groups=[other + 1, other])
        os.chown(self.read_only.path, 0, self.entry.pw_gid)
        self.served(self.virtpassd.sock_ro)
        os.chmod(self.read_only.path, 0o600)
        self.refused(self.virtpassd.sock_ro, "Permission denied", groups=[0, other])

    def test_directory(self):
        os.chmod(os.path.dirname(self.upstream.path), 0o700)
        for path in (self.virtpassd.sock, self.virtpassd.sock_ro):
            self.refused(path, "Permission denied")
        os.chmod(os.path.dirname(self.upstream.path), 0o711)
        self.served(self.virtpassd.sock)

    def test_no_socket_for_reading_only(self):
        """Then such clients are libvirtd's read-write socket's, and so is what it wants"""
        self.read_only.close()
        self.wants(self.upstream, [2])
        self.refused(self.virtpassd.sock_ro, "(polkit)")

    def test_libvirtd_is_away(self):
        self.read_only.close()
        self.upstream.close()
        code, _, message = self.connect(self.virtpassd.sock_ro).error(rpc.AUTH_LIST)
        self.assertEqual(code, 1)
        self.assertIn("no libvirtd to forward to", message)

    def test_libvirtd_that_does_not_answer(self):
        """Nobody else waits for that, but who has to be asked about behind many of them"""
        self.read_only.hold(rpc.REMOTE, rpc.AUTH_LIST)
        clients = [self.connect(self.virtpassd.sock_ro) for _ in range(ADMISSIONS_RUNNING_MAX + 1)]
        self.read_only.wait_call(rpc.REMOTE, rpc.AUTH_LIST, ADMISSIONS_RUNNING_MAX)
        limits.stays(lambda: len(self.read_only.frames) == ADMISSIONS_RUNNING_MAX,
                     "no more at a time")
        self.works(self.client("qemu:///system"))
        for client in clients:
            client.post(rpc.AUTH_LIST)
        for client in clients:
            frame = client.recv(timeout=30)
            self.assertIn("does not say", str(rpc.RpcError(frame.payload)))

    def test_client_that_leaves(self):
        self.read_only.hold(rpc.REMOTE, rpc.AUTH_LIST)
        for _ in range(ADMISSIONS_RUNNING_MAX + 3):
            self.connect(self.virtpassd.sock_ro).close()
        self.read_only.wait_call(rpc.REMOTE, rpc.AUTH_LIST, ADMISSIONS_RUNNING_MAX)
        for peer, call in list(self.read_only.frames):
            peer.answer(call, xdr.u32(1) + xdr.i32(0))
        self.read_only.held.clear()
        self.served(self.virtpassd.sock_ro)

    def test_nobody_else_changes(self):
        """The user that asks is one thread's, no other's, and it ends"""
        def identities():
            found = set()
            for task in os.listdir(f"/proc/{self.virtpassd.pid}/task"):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    path = f"/proc/{self.virtpassd.pid}/task/{task}/status"
                    with open(path, encoding="ascii") as file:
                        lines = dict(line.split(":", 1) for line in file)
                    found.add((task == str(self.virtpassd.pid), *lines["Uid"].split(),
                               lines["CapEff"].strip() == "0" * 16))
            return found
        before = identities()
        self.read_only.hold(rpc.REMOTE, rpc.AUTH_LIST)
        client = self.connect(self.virtpassd.sock_ro)
        peer, call = self.read_only.wait_call(rpc.REMOTE, rpc.AUTH_LIST)
        user = str(self.entry.pw_uid)
        self.assertEqual(identities() - before, {(False, "0", user, "0", user, True)})
        peer.answer(call, xdr.u32(1) + xdr.i32(0))
        self.read_only.held.clear()
        client.auth()
        limits.poll_until(lambda: identities() <= before, "the thread is gone")


class ReadOnly(Scripted):
    config = {"listen": {"unix_sock_ro_perms": "0777"}}

    def prepare(self):
        self.domain, self.server = self.guest("g", event=None)

    def setUp(self):
        super().setUp()
        self.virtpassd.wait_session("g")
        self.before = len(self.server.commands)
        self.upstream.on(rpc.QEMU, rpc.MONITOR_COMMAND, self.forbidden)
        self.upstream.on(rpc.QEMU, rpc.MONITOR_COMMAND_FILES, self.forbidden)
        self.upstream.on(rpc.QEMU, rpc.EVENT_ADD, self.forbidden)

    def forbidden(self, peer, _frame):
        """As libvirtd answers on a connection that is read-only; it must have been told so."""
        self.assertTrue(peer.flags & 1, "libvirtd does not know that the client is read-only")
        raise upstream.Refuse(29, 0, "operation forbidden: read only access prevents "
                                     "virDomainQemuMonitorCommand")

    def check(self, client):
        reference = self.ref(self.domain)
        for flags in (0, 1):
            for proc in (rpc.MONITOR_COMMAND, rpc.MONITOR_COMMAND_FILES):
                code, _, message = client.monitor_error(reference, COMMAND, flags, proc=proc)
                self.assertEqual(code, 29)
                self.assertIn("operation forbidden: read only access prevents", message)
        with self.assertRaises(rpc.RpcError) as caught:
            client.monitor_events("STOP")
        self.assertEqual(caught.exception.code, 29)
        self.server.event("STOP")
        self.assertEqual(client.domains()[0][0], "g")
        self.works(client)
        self.assertEqual(len(self.server.commands), self.before)
        self.assertEqual(client.aside, [])

    def test_by_flag(self):
        client = self.client(flags=1)
        self.assertEqual(self.peer_of(client).flags & 1, 1)
        self.check(client)

    def test_by_socket(self):
        """The read-only socket makes it so, whatever the client asks for"""
        client = self.client(path=self.virtpassd.sock_ro)
        self.assertEqual(self.peer_of(client).flags & 1, 1)
        self.check(client)

    def test_other_flags_are_kept(self):
        for flags in (0, 2, 3, 0x80000000):
            self.assertEqual(self.peer_of(self.client(flags=flags)).flags, flags)
        self.assertEqual(self.peer_of(self.client(flags=2, path=self.virtpassd.sock_ro)).flags, 3)

    def test_added_commands(self):
        """What virtpassd adds to the monitor is as forbidden as the monitor"""
        client = self.client(flags=1)
        command = '{"execute":"__org.virtpass_query-session"}'
        self.assertEqual(client.monitor_error(self.ref(self.domain), command)[0], 29)

    def test_modes_of_the_sockets(self):
        for path in (self.virtpassd.sock, self.virtpassd.sock_ro):
            self.assertTrue(os.path.exists(path))
        self.assertEqual(os.stat(self.virtpassd.sock_ro).st_mode & 0o777, 0o777)
        self.assertEqual(os.stat(self.virtpassd.sock).st_mode & 0o007, 0)
