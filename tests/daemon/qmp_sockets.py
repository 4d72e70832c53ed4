# SPDX-License-Identifier: LGPL-2.1-or-later
"""QMP sockets: when they are there, who is let in, and that nobody is in another's way."""

import contextlib
import json
import os
import pwd
import socket
import stat
import subprocess
import sys
import threading
import time
import unittest

from harness import guest, limits, qmp, rpc
from harness.monitor import Monitor
from harness.process import base_environment, run
from harness.real import RealGuests
from harness.scripted import USER, Scripted, measured_environment, unread
from harness.virtpassd import virtpass

PROXY = "/usr/bin/virt-qemu-qmp-proxy"
FLOODERS = 16
IN_FLIGHT_MAX = 8
QMP_VISITORS_MAX = 64
QMP_UNTRUSTED_MAX = 256

# How often libvirtd is asked about a client, and how long it may think about it.
QUESTION_SECONDS = 0.5
ANSWER_SECONDS = 10


class Sockets(Scripted):
    def path(self, name):
        return self.virtpassd.path("qmp", name)

    def socket_of(self, name="g"):
        """Its path, once it is there."""
        path = self.path(guest.uuid(name))
        limits.poll_until(lambda: os.path.exists(path), f"the QMP socket of {name}")
        return path

    def monitor(self, name="g", negotiate=()):
        monitor = Monitor(self.socket_of(name), negotiate)
        self.addCleanup(monitor.close)
        return monitor

    def serves(self, name="g"):
        self.assertTrue(self.monitor(name).execute("query-status")["running"])


class Presence(Sockets):
    def test_by_uuid_and_by_name(self):
        self.guest("g")
        self.serves()
        path = self.path("g")
        limits.poll_until(lambda: os.path.islink(path), "the link")
        self.assertEqual(os.readlink(path), guest.uuid("g"))
        monitor = Monitor(path)
        self.addCleanup(monitor.close)
        self.assertEqual(monitor.execute("echo", a=1), {"a": 1})

    def test_greeting_of_the_running_qemu(self):
        script = qmp.Script()
        script.greeting = {"QMP": {"version": dict(qmp.VERSION, package="mine"),
                                   "capabilities": ["oob"]}}
        self.guest("g", script=script)
        self.assertEqual(self.monitor(negotiate=None).greeting, script.greeting)

    def test_names_that_are_no_file_names(self):
        self.guest("a b.c")
        self.serves("a b.c")
        limits.poll_until(lambda: os.path.islink(self.path("a%20b.c")), "the link")

    def test_mode_and_group_of_the_libvirt_socket(self):
        self.guest("g")
        ours, like = os.stat(self.socket_of()), os.stat(self.virtpassd.sock)
        self.assertEqual(stat.S_IMODE(ours.st_mode), stat.S_IMODE(like.st_mode))
        self.assertEqual((ours.st_uid, ours.st_gid), (like.st_uid, like.st_gid))

    def test_ends_with_the_guest(self):
        domain, server = self.guest("g")
        monitor = self.monitor()
        before = self.virtpassd.descriptors()
        for number in (2, 3):
            path = self.socket_of()
            server.close()
            self.upstream.stop_domain(domain)
            self.assertTrue(monitor.ended())
            limits.poll_until(lambda: not os.path.lexists(path), "the socket is gone")
            self.assertFalse(os.path.lexists(self.path("g")))
            server.reopen()
            self.upstream.start_domain(domain, number)
            monitor = self.monitor()
        limits.poll_until(lambda: self.virtpassd.descriptors() <= before, "no descriptor is kept")

    def test_session_that_is_lost(self):
        """The clients' connections end as with QEMU, and the socket is there again"""
        _, server = self.guest("g")
        monitor = self.monitor()
        server.drop()
        self.assertTrue(monitor.ended())
        server.wait_connected(2)
        self.serves()

    def test_after_kill(self):
        """What is stale is replaced, and what belongs to no guest any more goes"""
        self.guest("g")
        domain, server = self.guest("h", 2)
        self.socket_of("g")
        self.socket_of("h")
        self.virtpassd.kill()
        server.close()
        self.upstream.stop_domain(domain)
        self.virtpassd.start()
        self.virtpassd.wait_session("g")
        self.serves()
        for name in ("h", guest.uuid("h")):
            self.assertFalse(os.path.lexists(self.path(name)), name)

    def test_nothing_is_left(self):
        self.guest("g")
        self.serves()
        self.virtpassd.end()
        self.assertFalse(os.path.exists(self.path("")))

    def test_counted_as_clients(self):
        self.guest("g")
        monitors = [self.monitor() for _ in range(3)]
        self.assertEqual(self.virtpassd.sessions()["g"]["clients"], 3)
        monitors[0].close()
        limits.poll_until(lambda: self.virtpassd.sessions()["g"]["clients"] == 2, "one less")


class SwitchedOff(Sockets):
    config = {"listen": {"qmp_sockets": "no"}}

    def test_there_is_none(self):
        self.guest("g")
        self.virtpassd.wait_session("g")
        self.assertFalse(os.path.exists(self.path("")))


@unittest.skipUnless(os.geteuid() == 0, "only a system daemon tells who its clients are")
class RightsOfClients(Sockets):
    options = ()
    config = {"listen": {"unix_sock_rw_perms": "0777"}}

    def prepare(self):
        self.domain, _ = self.guest("g", event=None)
        self.other, _ = self.guest("h", 2, event=None)
        self.user = pwd.getpwnam(USER)

    def as_user(self, name="g", negotiate=()):
        path = self.socket_of(name)
        os.setegid(self.user.pw_gid)
        os.seteuid(self.user.pw_uid)
        try:
            monitor = Monitor(path, negotiate)
        finally:
            os.seteuid(0)
            os.setegid(0)
        self.addCleanup(monitor.close)
        return monitor

    def connect_as_user(self):
        """Not waiting for anything."""
        connection = socket.socket(socket.AF_UNIX)
        self.addCleanup(connection.close)
        os.seteuid(self.user.pw_uid)
        try:
            connection.connect(self.path(guest.uuid("g")))
        finally:
            os.seteuid(0)
        return connection


class Rights(RightsOfClients):
    def test_libvirtd_allows(self):
        self.assertTrue(self.as_user().execute("query-status")["running"])

    def test_libvirtd_denies(self):
        self.upstream.denied.add((self.user.pw_uid, "g"))
        monitor = self.as_user(negotiate=None)
        self.assertIn("access denied", monitor.greeting["error"]["desc"])
        self.assertTrue(monitor.ended())
        self.assertTrue(self.as_user("h").execute("query-status")["running"])
        self.serves()

    def test_asked_under_the_name_of_the_client(self):
        self.socket_of()
        before = len(self.upstream.peers)
        self.as_user()
        asked = [peer for peer in self.upstream.peers[before:] if peer.name]
        self.assertEqual([peer.identity["unix-user-id"] for peer in asked], [self.user.pw_uid])

    def test_connection_for_the_question_is_closed(self):
        self.as_user("g").close()
        self.as_user("h").close()
        limits.poll_until(lambda: self.virtpassd.sessions()["h"]["clients"] == 0, "nobody is there")
        before = self.virtpassd.descriptors()
        self.as_user().close()
        limits.poll_until(lambda: self.virtpassd.descriptors() <= before, "nothing is kept")

    def test_root_is_not_asked_about(self):
        self.socket_of()
        before = len(self.upstream.peers)
        self.serves()
        self.assertEqual(len(self.upstream.peers), before)

    def test_as_many_as_libvirtd_is_asked_about_at_a_time(self):
        self.socket_of()
        self.upstream.hold(rpc.REMOTE, rpc.FD_ASSOCIATE)
        for _ in range(QMP_VISITORS_MAX):
            self.connect_as_user()
        self.upstream.wait_call(rpc.REMOTE, rpc.FD_ASSOCIATE, QMP_VISITORS_MAX)
        last = self.connect_as_user()

        def asked():
            return self.upstream.select(lambda frame: frame.proc == rpc.FD_ASSOCIATE)
        limits.stays(lambda: len(asked()) == QMP_VISITORS_MAX, "one more is not asked about")
        peer, call = asked()[0]
        peer.answer(call)
        peer, call = self.upstream.wait_call(rpc.REMOTE, rpc.FD_ASSOCIATE, QMP_VISITORS_MAX + 1)
        peer.answer(call)
        last.settimeout(limits.seconds(limits.CONDITION_SECONDS))
        self.assertIn(b"QMP", last.recv(1000))

    def test_visitor_that_does_not_wait(self):
        self.socket_of()
        self.upstream.hold(rpc.REMOTE, rpc.FD_ASSOCIATE)
        self.connect_as_user().close()
        peer, call = self.upstream.wait_call(rpc.REMOTE, rpc.FD_ASSOCIATE)
        peer.answer(call)
        limits.poll_until(lambda: self.virtpassd.sessions()["g"]["clients"] == 0, "nobody is left")
        self.serves()

    def test_guest_that_stops_while_libvirtd_is_being_asked(self):
        self.socket_of()
        self.upstream.hold(rpc.REMOTE, rpc.FD_ASSOCIATE)
        visitor = self.connect_as_user()
        self.upstream.wait_call(rpc.REMOTE, rpc.FD_ASSOCIATE)
        self.upstream.stop_domain(self.domain)
        visitor.settimeout(limits.seconds(limits.CONDITION_SECONDS))
        self.assertEqual(visitor.recv(100), b"")
        self.serves("h")

    def test_libvirtd_is_away(self):
        """Nobody to ask means no; who need not be asked about is served"""
        self.socket_of()
        self.upstream.close()
        self.assertIn("access denied", self.as_user(negotiate=None).greeting["error"]["desc"])
        self.serves()


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        times = file.read().rpartition(")")[2].split()[11:13]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def message_of(connection):
    """The next line; None when there is none, and the connection was closed."""
    data = b""
    while not data.endswith(b"\r\n"):
        try:
            more = connection.recv(1)
        except ConnectionResetError:  # with something of ours unread
            more = b""
        if not more:
            return None
        data += more
    return json.loads(data)


class Withdrawn(RightsOfClients):
    """A right is asked about again as long as the client is connected."""

    def prepare(self):
        self.domain, self.server = self.guest("g", event=None)
        self.other, _ = self.guest("h", 2, event=None)
        self.user = pwd.getpwnam(USER)

    def questions(self):
        return self.upstream.select(lambda frame: frame.proc == rpc.FD_ASSOCIATE)

    def hold_questions(self):
        """Until none is under way that came before; returns how many there were."""
        self.upstream.hold(rpc.REMOTE, rpc.FD_ASSOCIATE)
        return len(self.questions())

    def answer_question(self, number, denied=False):
        peer, call = self.upstream.wait_call(rpc.REMOTE, rpc.FD_ASSOCIATE, number)
        self.upstream.held.discard((rpc.REMOTE, rpc.FD_ASSOCIATE))
        if denied:
            self.upstream.denied.add((self.user.pw_uid, "g"))
            peer.answer(call, rpc.error_payload(88, 55, "access denied"), rpc.ERROR)
        else:
            peer.answer(call)

    def assert_turned_away(self, monitor, reason="does not let you write"):
        message = message_of(monitor.sock)
        while message and "event" in message:
            message = message_of(monitor.sock)
        self.assertIn(reason, message["error"]["desc"])
        self.assertIsNone(message_of(monitor.sock))

    def test_closed_within_a_second(self):
        monitors = [self.as_user() for _ in range(3)]
        other, root = self.as_user("h"), self.monitor()
        start = time.monotonic()
        self.upstream.denied.add((self.user.pw_uid, "g"))
        for monitor in monitors:
            self.assert_turned_away(monitor)
        self.assertLess(time.monotonic() - start, limits.seconds(1))
        self.assertTrue(other.execute("query-status")["running"])
        self.assertTrue(root.execute("query-status")["running"])
        self.upstream.denied.clear()
        self.assertTrue(self.as_user().execute("query-status")["running"])

    def test_command_that_is_sent_too_late(self):
        """Commands go on until the right is gone, then none does"""
        monitor = self.as_user()
        self.upstream.denied.add((self.user.pw_uid, "g"))
        deadline = time.monotonic() + limits.seconds(1)
        with contextlib.suppress(ConnectionError):
            while (answer := monitor.ask({"execute": "query-status"})) and "return" in answer:
                self.assertLess(time.monotonic(), deadline)
        before = len(self.server.commands)
        limits.stays(lambda: len(self.server.commands) == before, "nothing is executed")

    def test_asked_about_while_idle(self):
        monitor = self.as_user()
        before = len(self.questions())
        limits.poll_until(lambda: len(self.questions()) > before + 2, "it is asked again")
        self.assertTrue(monitor.execute("query-status")["running"])
        monitor.close()
        limits.poll_until(lambda: self.virtpassd.sessions()["g"]["clients"] == 0, "it is gone")
        before = len(self.questions())
        time.sleep(2 * QUESTION_SECONDS)
        self.assertEqual(len(self.questions()), before)

    def test_nothing_passes_without_a_verdict(self):
        monitor, root = self.as_user(), self.monitor()
        number = self.hold_questions() + 1
        self.upstream.wait_call(rpc.REMOTE, rpc.FD_ASSOCIATE, number)
        time.sleep(2 * QUESTION_SECONDS)
        monitor.send({"execute": "query-yank", "id": 7})
        self.server.event("STOP")
        root.event("STOP")
        limits.stays(lambda: not self.server.named("query-yank"), "it is not executed")
        self.assertTrue(monitor.silent())
        self.answer_question(number)
        self.assertEqual(monitor.answer(), {"return": [], "id": 7})
        monitor.event("STOP")

    def test_denied_after_a_long_time(self):
        """What happened since the last verdict is not told, what was sent not done"""
        monitor, root = self.as_user(), self.monitor()
        number = self.hold_questions() + 1
        self.upstream.wait_call(rpc.REMOTE, rpc.FD_ASSOCIATE, number)
        time.sleep(2 * QUESTION_SECONDS)
        monitor.send({"execute": "query-yank"})
        self.server.event("STOP")
        root.event("STOP")
        self.answer_question(number, denied=True)
        self.assertIn("does not let you", message_of(monitor.sock)["error"]["desc"])
        self.assertIsNone(message_of(monitor.sock))
        self.assertEqual(self.server.named("query-yank"), [])

    def test_client_that_goes_without_a_verdict(self):
        monitor = self.as_user()
        number = self.hold_questions() + 1
        self.upstream.wait_call(rpc.REMOTE, rpc.FD_ASSOCIATE, number)
        time.sleep(2 * QUESTION_SECONDS)
        monitor.send({"execute": "query-yank"})
        monitor.close()
        processor = processor_seconds(self.virtpassd.pid)
        time.sleep(1)
        self.assertLess(processor_seconds(self.virtpassd.pid) - processor, 0.5)
        self.answer_question(number)
        limits.poll_until(lambda: self.virtpassd.sessions()["g"]["clients"] == 0, "it is gone")
        self.serves()

    def test_libvirtd_that_does_not_answer(self):
        monitor = self.as_user()
        self.hold_questions()
        monitor.sock.settimeout(limits.seconds(ANSWER_SECONDS + 5))
        self.assert_turned_away(monitor, "does not answer")

    def test_libvirtd_that_goes(self):
        monitor = self.as_user()
        self.upstream.close()
        self.assert_turned_away(monitor, "libvirtd is not there")

    def test_as_many_as_may_be(self):
        monitors = [self.as_user(negotiate=None) for _ in range(QMP_UNTRUSTED_MAX)]
        waiting = self.connect_as_user()
        waiting.settimeout(limits.seconds(limits.ABSENCE_SECONDS))
        with self.assertRaises(TimeoutError):
            waiting.recv(1)
        monitors[0].close()
        waiting.settimeout(limits.seconds(limits.CONDITION_SECONDS))
        self.assertIn("QMP", message_of(waiting))
        for monitor in monitors:
            monitor.close()


class OfOneUser(RightsOfClients):
    """One user's connections are counted over all domains, and with those to libvirt's socket"""

    config = {"listen": {"unix_sock_rw_perms": "0777"}, "limits": {"max_clients_per_user": "5"}}

    def refused(self, name):
        monitor = self.as_user(name, negotiate=None)
        self.assertIn("as many connections", monitor.greeting["error"]["desc"])
        self.assertTrue(monitor.ended())

    def test_limit(self):
        client = self.client_as(USER)
        monitors = [self.as_user(name) for name in "ghgh"]
        for name in "gh":
            self.refused(name)
            self.serves(name)
        self.assertEqual(self.virtpassd.process.log_text().count("as max_clients_per_user"), 1)
        with self.assertRaises((rpc.Closed, OSError)):
            self.client_as(USER)
        monitors.pop().close()
        limits.poll_until(lambda: self.has_room("g"), "its place is free")
        self.refused("h")
        client.close()
        limits.poll_until(lambda: self.has_room("h"), "the client's place is free")
        for monitor in monitors:
            self.assertTrue(monitor.execute("query-status")["running"])

    def has_room(self, name):
        """If so, there is none after this."""
        return "QMP" in self.as_user(name, negotiate=None).greeting


class Peers(Sockets):
    """Each has its own way, and none is in another's."""

    environment = measured_environment()

    def prepare(self):
        self.script = qmp.Script()
        self.domain, self.server = self.guest("g", script=self.script, event=None)

    def test_half_a_command(self):
        first, second = self.monitor(), self.monitor()
        first.send(b'{"execute": "query-st')
        self.assertTrue(second.execute("query-status")["running"])
        first.send(b'atus"}')
        self.assertTrue(first.answer()["return"]["running"])
        first.send(b'{"execute": "query-st')
        first.close()
        self.assertTrue(second.execute("query-status")["running"])

    def test_added_commands(self):
        """What virtpassd answers itself is in its turn among QEMU's answers"""
        monitor = self.monitor()
        monitor.send(b'{"execute":"echo","arguments":{"n":1}}'
                     b'{"execute":"query-snapshots"}'
                     b'{"execute":"echo","arguments":{"n":2}}')
        answers = [monitor.answer() for _ in range(3)]
        self.assertEqual(answers[0], {"return": {"n": 1}})
        self.assertNotEqual(answers[1], {"return": {"n": 2}})
        self.assertEqual(answers[2], {"return": {"n": 2}})

    def test_events_to_all_who_have_negotiated(self):
        monitors = [self.monitor() for _ in range(5)]
        waiting = self.monitor(negotiate=None)
        self.server.event("STOP", {"a": 1}, seconds=5, micros=6)
        for monitor in monitors:
            self.assertEqual(monitor.event("STOP"),
                             {"timestamp": {"seconds": 5, "microseconds": 6}, "event": "STOP",
                              "data": {"a": 1}})
        self.assertTrue(waiting.silent())

    def test_out_of_band_overtakes(self):
        self.script.held = ("stop",)
        monitor, other = self.monitor(negotiate=["oob"]), self.monitor()
        monitor.send({"execute": "stop", "id": 1})
        message = self.server.wait_command("stop")
        self.assertEqual(monitor.ask({"exec-oob": "query-yank", "id": 2}),
                         {"return": [], "id": 2})
        self.server.reply(message, {"return": {}})
        self.assertEqual(monitor.answer(), {"return": {}, "id": 1})
        self.assertIn("error", other.ask({"exec-oob": "query-yank"}))

    def test_many_at_a_time(self):
        monitors = [self.monitor() for _ in range(100)]
        for number, monitor in enumerate(monitors):
            monitor.send({"execute": "echo", "arguments": {"n": number}, "id": number % 3})
        for number, monitor in enumerate(monitors):
            self.assertEqual(monitor.answer(), {"return": {"n": number}, "id": number % 3})

    def flood(self, monitor):
        """Sends commands and never reads the answers, until it is closed."""
        def work():
            try:
                while True:
                    monitor.send(b'{"execute":"echo","arguments":{"flood":1}}' * 50)
            except OSError:
                pass
        monitor.sock.settimeout(None)
        thread = threading.Thread(target=work)
        thread.start()

        def stop():
            monitor.sock.shutdown(2)
            thread.join()
        self.addCleanup(stop)

    def read_all(self, monitor):
        """Reads what comes, until it is closed."""
        def work():
            try:
                while monitor.sock.recv(1 << 16):
                    pass
            except OSError:
                pass
        thread = threading.Thread(target=work)
        thread.start()
        self.addCleanup(thread.join)

    def test_flooders_and_an_interactive_client(self):
        """Commands of others that QEMU gets between one that is sent and the same in its turn"""
        interactive = self.monitor()
        for _ in range(FLOODERS):
            flooder = self.monitor()
            self.read_all(flooder)
            self.flood(flooder)
        limits.poll_until(lambda: len(self.server.named("echo")) > 1000, "a flood")
        between = []
        for number in range(21):
            before = len(self.server.commands)
            interactive.ask({"execute": "query-status"})
            place = [index for index, message in enumerate(list(self.server.commands))
                     if message["execute"] == "query-status"][number]
            between.append(place - before)
        # One turn of each, what was with QEMU already, and some for the time until it is read.
        self.assertLess(sorted(between)[10], 4 * (FLOODERS + IN_FLIGHT_MAX), between)

    def test_flood_without_reading(self):
        """Who reads no answers is not read either; others go on"""
        flooder, other = self.monitor(), self.monitor()
        self.flood(flooder)
        limits.poll_until(lambda: unread(flooder.sock) > 0, "it is no longer read")
        for _ in range(100):
            self.assertTrue(other.execute("query-status")["running"])
        memory = self.virtpassd.resident_kib()
        limits.stays(lambda: self.virtpassd.resident_kib() < memory + 16 * 1024, "memory")

    def test_client_that_stalls_for_events(self):
        stalled, other = self.monitor(), self.monitor()
        big = {"text": "x" * 100000}
        for _ in range(250):
            self.server.event("BIG", big)
            other.event("BIG")
        self.assertTrue(other.execute("query-status")["running"])
        log = self.virtpassd.process.log_text
        limits.poll_until(lambda: "does not read its messages" in log(), "it is dropped")
        stalled.close()


class Programs(Sockets):
    """Programs that others have written."""

    def prepare(self):
        self.guest("g", event=None)

    def test_socat(self):
        commands = ('{"execute": "qmp_capabilities"}\n{"execute": "query-status"}\n'
                    '{"execute": "query-yank", "id": "last"}\n')
        result = run(["socat", "-t5", "-", "UNIX-CONNECT:" + self.socket_of()], stdin=commands)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(lines), 4, result.stdout + result.stderr)
        self.assertIn("QMP", lines[0])
        self.assertEqual(lines[1], {"return": {}})
        self.assertEqual(lines[2]["return"]["status"], "running")
        self.assertEqual(lines[3], {"return": [], "id": "last"})


@unittest.skipUnless(os.path.exists(PROXY), "virt-qemu-qmp-proxy is not installed")
class Guest(RealGuests):
    """A real guest, with libvirt's own QMP proxy beside a client of ours."""

    def test_both_at_a_time(self):
        self.start()
        monitor = Monitor(self.virtpassd.path("qmp", "g"))
        self.addCleanup(monitor.close)
        proxy = self.virtpassd.path("proxy")
        process = subprocess.Popen([sys.executable, PROXY, "-c", self.virtpassd.uri, "g", proxy],
                                   env=base_environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        limits.poll_until(lambda: os.path.exists(proxy), "the proxy's socket")
        theirs = Monitor(proxy)
        self.addCleanup(theirs.close)
        connection = self.connection()
        for _ in range(20):
            statuses = [client.execute("query-status")["status"] for client in (monitor, theirs)]
            statuses.append(self.python_qmp(connection, {"execute": "query-status"})
                            ["return"]["status"])
            self.assertEqual(statuses, ["running"] * 3)
        theirs.execute("stop")
        monitor.event("STOP")
        monitor.execute("cont")
        theirs.event("RESUME")
        result = virtpass("-c", self.virtpassd.uri, "sessions", "--json")
        self.assertEqual(json.loads(result.stdout)[0]["session"], "dedicated")
        self.through("destroy", "g")
        self.assertTrue(monitor.ended())
