# SPDX-License-Identifier: LGPL-2.1-or-later
"""QMP peers that end, hang or misbehave: bounded, logged, closed and tried again; clients are
told at once and by the name of the domain, and whatever is not involved does not notice."""

import json

from harness import limits, qmp, rpc, upstream, xdr
from harness.scripted import Scripted, measured_environment

STATUS = '{"execute":"query-status"}'

# A command with an id: virtpassd gives it one of its own then, whoever else is there.
WAIT = '{"execute":"wait","id":"w"}'
LATE = {"return": "late", "id": "w"}
MIB = 1024 * 1024

# Of one message of QEMU's.
MESSAGE_MAX = 32 * MIB

# What virtpassd may grow by over it: the message, and the buffer that it was copied from as it
# grew; a sanitizer needs more for the same.
GROWTH_KIB = (2 if limits.FACTOR == 1 else 4) * MESSAGE_MAX // 1024


def text(frame):
    return xdr.Reader(frame.payload).string()


class Peers(Scripted):
    environment = measured_environment()

    def setUp(self):
        super().setUp()
        self.bystander, self.quiet = self.guest("bystander", 99)
        self.virtpassd.wait_session("bystander")
        self.before = self.virtpassd.resident_kib()

    def others_are_served(self):
        client = self.client()
        self.assertIn("running", client.monitor(self.ref(self.bystander), STATUS))
        self.works(client)
        self.assertEqual(self.quiet.connections, 1)

    def log_says(self, *words):
        log = self.virtpassd.process.log_text()
        limits.poll_until(lambda: all(word in self.virtpassd.process.log_text() for word in words),
                          lambda: f"{words} in the log: {log[-2000:]}")


class Lost(Peers):
    def setUp(self):
        super().setUp()
        self.domain, self.server = self.guest("victim")
        self.server.script.held = ("wait",)
        self.virtpassd.wait_session("victim")

    def outstanding(self, clients=3, commands=12):
        """Commands in flight and waiting, of several clients."""
        posted = []
        for _ in range(clients):
            client = self.client()
            posted += [(client, client.post_monitor(self.ref(self.domain), WAIT))
                       for _ in range(commands)]
        self.server.wait_command("wait", min(8, len(posted)))
        return posted

    def all_fail(self, posted):
        for client, call in posted:
            with self.assertRaises(rpc.RpcError) as caught:
                client.reply(call)
            self.assertIn("'victim'", caught.exception.message)
        for client, _ in posted:
            self.works(client)

    def again(self):
        """The session is found again and serves."""
        self.virtpassd.wait_session("victim")
        self.assertIn("running", self.client().monitor(self.ref(self.domain), STATUS))

    def test_connection_is_dropped(self):
        posted = self.outstanding()
        self.server.drop()
        self.all_fail(posted)
        self.others_are_served()
        self.again()
        self.assertEqual(self.server.connections, 2)

    def test_guest_ends(self):
        posted = self.outstanding()
        self.server.close()
        self.upstream.stop_domain(self.domain)
        self.all_fail(posted)
        self.others_are_served()
        self.assertEqual(self.client().monitor_error(self.ref(self.domain), STATUS)[0], 55)

    def test_guest_ends_but_its_socket_does_not(self):
        """libvirtd's word counts"""
        posted = self.outstanding()
        self.upstream.stop_domain(self.domain)
        self.all_fail(posted)
        self.others_are_served()

    def test_socket_goes_and_comes(self):
        for number in range(3):
            self.server.close()
            limits.poll_until(lambda: self.virtpassd.sessions()["victim"]["state"] != "ready",
                              "the loss is seen")
            self.server.reopen()
            self.again()
            self.assertEqual(self.server.connections, number + 2)

    def test_served_by_libvirtd_meanwhile(self):
        """Without its session a domain is served through the shared monitor, not refused"""
        self.server.close()
        client = self.client()
        reply = client.monitor(self.ref(self.domain), STATUS, timeout=30)
        self.assertIn("libvirt's monitor", reply)
        self.server.reopen()
        self.again()

    def test_stopped_qemu(self):
        """Only its own callers wait; who gives up costs nothing"""
        self.server.pause()
        waiting = self.client()
        call = waiting.post_monitor(self.ref(self.domain), STATUS)
        for _ in range(5):
            impatient = self.client()
            impatient.post_monitor(self.ref(self.domain), STATUS)
            impatient.close()
        self.others_are_served()
        limits.stays(lambda: not waiting.aside, "no answer while QEMU is stopped")
        self.server.pause(False)
        self.assertIn("running", text(waiting.reply(call)))

    def test_libvirtd_restarts(self):
        """Sessions survive it, and go on to the same connection"""
        self.upstream.stop()
        self.assertTrue(self.server.peer)
        self.upstream.listen()
        self.again()
        self.assertEqual(self.server.connections, 1)
        self.others_are_served()

    def test_guest_ends_while_libvirtd_is_away(self):
        """What was missed is found out when it is back"""
        posted = self.outstanding(1, 2)
        self.upstream.stop()
        self.domain.id = -1
        self.upstream.listen()
        limits.poll_until(lambda: "victim" not in self.virtpassd.sessions(), "it is forgotten")
        limits.poll_until(lambda: not self.server.peer, "its session is closed")
        self.assertTrue(posted)
        self.others_are_served()

    def test_guest_starts_while_libvirtd_is_away(self):
        self.upstream.stop()
        _, server = self.guest("late", 5, event=None)
        self.upstream.listen()
        server.wait_connected()
        self.virtpassd.wait_session("late")


class Bad(Peers):
    """Each script misbehaves until it is made good; the session has to come about then."""

    def misbehave(self, script, good=None):
        """Lets virtpassd meet it, more than once, then makes it good and waits for the session."""
        domain, server = self.guest("odd", script=script)
        limits.poll_until(lambda: server.connections >= 2, "it is tried again", timeout=40)
        self.assertLess(self.virtpassd.resident_kib() - self.before, GROWTH_KIB)
        self.others_are_served()
        server.script = good or qmp.Script()
        server.drop()
        limits.poll_until(lambda: self.virtpassd.sessions()["odd"]["state"] == "ready",
                          "the session comes about", timeout=40)
        self.assertIn("running", self.client().monitor(self.ref(domain), STATUS))
        return server

    def greets(self, data):
        class Script(qmp.Script):
            def connected(self, peer):
                peer.write_bytes(data)
        return Script()

    @limits.limit(120)
    def test_greeting_that_is_none(self):
        self.misbehave(self.greets(b"SSH-2.0-OpenSSH_9.2\r\n"))
        self.log_says("odd", "QMP")

    @limits.limit(120)
    def test_greeting_of_another_kind(self):
        self.misbehave(self.greets(b'{"return": {}}\r\n'))

    @limits.limit(120)
    def test_binary(self):
        self.misbehave(self.greets(bytes(range(256)) * 64 + b"\n"))

    @limits.limit(120)
    def test_deep_nesting(self):
        self.misbehave(self.greets(b"[" * 100000 + b"\n"))

    @limits.limit(120)
    def test_endless_line(self):
        """Bytes without a line end: read up to the longest message, then hung up"""
        self.misbehave(self.greets(b'{"QMP": {"version": "' + b"x" * (MESSAGE_MAX + MIB)))

    @limits.limit(120)
    def test_closes_at_once(self):
        class Script(qmp.Script):
            def connected(self, peer):
                peer.server.loop.loop.call_soon(peer.close)
        self.misbehave(Script())

    @limits.limit(120)
    def test_refuses_negotiation(self):
        class Script(qmp.Script):
            def do_qmp_capabilities(self, _peer, _message):
                return {"error": {"class": "GenericError", "desc": "no"}}
        self.misbehave(Script())

    @limits.limit(120)
    def test_answers_with_another_id(self):
        class Script(qmp.Script):
            def command(self, peer, message):
                peer.write({"return": {}, "id": "not yours"})
        self.misbehave(Script())

    def test_says_nothing(self):
        """Not even a greeting: its callers are served by libvirtd, others at once"""
        script = qmp.Script()
        script.greeting = None
        domain, server = self.guest("odd", script=script)
        server.wait_connected()
        client = self.client()
        call = client.post_monitor(self.ref(domain), STATUS)
        self.others_are_served()
        self.assertIn("libvirt's monitor", text(client.reply(call, timeout=30)))


class Broken(Peers):
    """What goes wrong on a session that was good."""

    def setUp(self):
        super().setUp()
        self.domain, self.server = self.guest("odd")
        self.server.script.held = ("wait",)
        self.virtpassd.wait_session("odd")

    def pending(self):
        """A command that is in flight: (client, call, message at the peer)."""
        client = self.client()
        before = len(self.server.named("wait"))
        call = client.post_monitor(self.ref(self.domain), WAIT)
        return client, call, self.server.wait_command("wait", before + 1)

    def ends_the_session(self, data):
        client, call, _ = self.pending()
        self.server.write(data)
        with self.assertRaises(rpc.RpcError) as caught:
            client.reply(call)
        self.assertIn("'odd'", caught.exception.message)
        self.others_are_served()
        self.virtpassd.wait_session("odd")
        self.assertIn("running", client.monitor(self.ref(self.domain), STATUS))
        self.assertEqual(self.server.connections, 2)

    def does_no_harm(self, data):
        client, call, message = self.pending()
        self.server.write(data)
        yank = client.monitor(self.ref(self.domain), '{"exec-oob":"query-yank","id":1}')
        self.assertEqual(json.loads(yank), {"return": [], "id": 1})
        self.server.reply(message, {"return": "late"})
        self.assertEqual(json.loads(text(client.reply(call))), LATE)
        self.assertIn("running", client.monitor(self.ref(self.domain), STATUS))
        self.assertEqual(self.server.connections, 1)
        self.others_are_served()

    def test_garbage(self):
        self.ends_the_session(b"garbage\r\n")

    def test_half_a_message(self):
        self.ends_the_session(b'{"return": \r\n')

    def test_value_that_is_no_message(self):
        self.ends_the_session(b"[1, 2]\r\n")

    @limits.limit(120)
    def test_message_without_end(self):
        self.ends_the_session(b'{"return": "' + b"x" * (MESSAGE_MAX + MIB))

    def test_replies_to_nobody(self):
        """Foreign ids, no id, an answer given twice: counted and dropped"""
        for reply in (b'{"return": {}, "id": "nobody"}\r\n', b'{"return": {}}\r\n',
                      b'{"return": {}, "id": 4294967296}\r\n', b'{"return": {}, "id": null}\r\n',
                      b'{"return": {}, "id": {"a": 1}}\r\n', b'{"return": {}, "id": -1}\r\n'):
            with self.subTest(reply=reply):
                self.does_no_harm(reply)

    def test_error_without_id(self):
        """What QEMU cannot parse it answers without id: nobody may wait for ever because of it"""
        client, call, _ = self.pending()
        self.server.write({"error": {"class": "GenericError", "desc": "JSON parse error"}})
        self.assertEqual(json.loads(text(client.reply(call)))["error"]["desc"], "JSON parse error")
        self.assertIn("running", client.monitor(self.ref(self.domain), STATUS))

    def test_more_replies_to_nobody_than_a_qemu_could_send(self):
        self.ends_the_session(b'{"return": {}, "id": "nobody"}\r\n' * 10000)

    def test_same_answer_twice(self):
        client, call, message = self.pending()
        for _ in range(2):
            self.server.reply(message, {"return": "late"})
        self.assertEqual(json.loads(text(client.reply(call))), LATE)
        self.assertIn("running", client.monitor(self.ref(self.domain), STATUS))
        self.assertEqual(client.aside, [])

    def test_second_greeting(self):
        """Another QEMU, or none at all"""
        self.ends_the_session(json.dumps(qmp.Script.greeting).encode() + b"\r\n")

    def test_message_in_pieces(self):
        """One byte at a time"""
        client, call, message = self.pending()
        reply = json.dumps({"return": {"a": "\u00fc"}, "id": message["id"]})
        for byte in reply.encode() + b"\r\n":
            self.server.write(bytes([byte]))
        self.assertEqual(json.loads(text(client.reply(call)))["return"], {"a": "\u00fc"})

    def test_many_messages_in_one_piece(self):
        client = self.client()
        calls = [client.post_monitor(self.ref(self.domain), WAIT) for _ in range(8)]
        self.server.wait_command("wait", 8)
        self.server.write(b"".join(json.dumps({"return": n, "id": message["id"]}).encode() + b"\r\n"
                                   for n, message in enumerate(self.server.named("wait"))))
        self.assertEqual([json.loads(text(client.reply(call)))["return"] for call in calls],
                         list(range(8)))

    def test_odd_events(self):
        """Without data, name or time, or with members of other types"""
        listener = self.client()
        listener.monitor_events()
        self.server.write(b'{"event": "A"}\r\n')
        self.server.write(b'{"event": "B", "timestamp": {"seconds": -1, "microseconds": -1}}\r\n')
        self.server.write(b'{"event": "C", "data": [1,  2], "timestamp": {"seconds": 5}}\r\n')
        got = [listener.monitor_event() for _ in range(3)]
        self.assertEqual([(event[2], event[5]) for event in got],
                         [("A", None), ("B", None), ("C", "[1,2]")])
        self.assertEqual([event[3] for event in got], [-1, -1, 5])
        self.others_are_served()


class Events(Peers):
    def setUp(self):
        super().setUp()
        self.domain, self.server = self.guest("g")
        self.virtpassd.wait_session("g")

    def wait_registered(self):
        limits.poll_until(lambda: any(peer.monitor_callbacks
                                      for peer in self.upstream.open_peers()),
                          "libvirtd is asked for events")

    def none(self, client):
        with self.assertRaises(TimeoutError):
            client.monitor_event(timeout=limits.ABSENCE_SECONDS)

    def test_to_everybody_who_registered(self):
        clients = [self.client() for _ in range(3)]
        ids = [client.monitor_events(event) for client, event in zip(clients, ("STOP", None, "X"))]
        self.server.event("STOP", {"a": {"b": [1, 2.5, "\u00fc"]}}, 1234567890, 654321)
        for client, number in zip(clients[:2], ids):
            self.assertEqual(client.monitor_event(),
                             (number, ("g", self.domain.uuid, 1), "STOP", 1234567890, 654321,
                              '{"a":{"b":[1,2.5,"\\u00fc"]}}'))
        self.none(clients[2])

    def test_several_registrations_of_one_client(self):
        client = self.client()
        ids = [client.monitor_events("STOP"), client.monitor_events("^ST", flags=1),
               client.monitor_events("stop", flags=2), client.monitor_events("other")]
        self.assertEqual(len(set(ids)), 4)
        self.assertTrue(all(number >= 0 for number in ids))
        self.server.event("STOP")
        got = sorted(client.monitor_event()[0] for _ in range(3))
        self.assertEqual(got, sorted(ids[:3]))
        self.none(client)

    def test_deregistered(self):
        client = self.client()
        first, second = client.monitor_events("STOP"), client.monitor_events("STOP")
        client.call(rpc.EVENT_REMOVE, xdr.i32(first), rpc.QEMU)
        self.server.event("STOP")
        self.assertEqual(client.monitor_event()[0], second)
        self.none(client)
        error = client.error(rpc.EVENT_REMOVE, xdr.i32(first), rpc.QEMU)
        self.assertEqual(error[0], 1)
        self.assertIn(f"qemu monitor event callback {first} not registered", error[2])

    def test_of_one_domain(self):
        client = self.client()
        number = client.monitor_events(domain=self.ref(self.domain))
        self.quiet.event("STOP")
        self.server.event("RESUME")
        event = client.monitor_event()
        self.assertEqual((event[0], event[1][0], event[2]), (number, "g", "RESUME"))
        self.none(client)

    def test_none_before_the_reply(self):
        """A client that gets an event for an id that it does not know yet breaks"""
        for _ in range(20):
            client = self.client()
            call = client.post(rpc.EVENT_ADD, xdr.u32(0) + xdr.optional("STOP") + xdr.u32(0),
                               rpc.QEMU)
            for _ in range(5):
                self.server.event("STOP")
            client.reply(call)
            self.assertEqual(client.aside, [])
            client.close()

    def test_limit(self):
        """256 of one client, and the next is refused"""
        client = self.client()
        ids = {client.monitor_events(f"E{number}") for number in range(256)}
        self.assertEqual(len(ids), 256)
        with self.assertRaises(rpc.RpcError) as caught:
            client.monitor_events("one more")
        self.assertIn("256", caught.exception.message)
        client.call(rpc.EVENT_REMOVE, xdr.i32(min(ids)), rpc.QEMU)
        client.monitor_events("fits again")
        self.server.event("E7")
        self.assertEqual(client.monitor_event()[2], "E7")

    def test_of_a_domain_without_a_session(self):
        """They come from libvirtd's monitor, once"""
        plain = self.upstream.add("plain", number=7, event=upstream.STARTED)
        client = self.client()
        number = client.monitor_events("STOP")
        self.wait_registered()
        self.upstream.monitor_event(plain, "STOP", '{"x":1}', 55, 66)
        self.assertEqual(client.monitor_event(),
                         (number, ("plain", plain.uuid, 7), "STOP", 55, 66, '{"x":1}'))
        self.none(client)

    def test_once_although_libvirtd_has_them_too(self):
        client = self.client()
        client.monitor_events("STOP")
        self.wait_registered()
        for number in range(5):
            self.server.event("STOP", {"n": number}, 100 + number, 5)
            self.upstream.monitor_event(self.domain, "STOP", '{"n":%d}' % number, 100 + number, 5)
            self.assertEqual(client.monitor_event()[5], '{"n":%d}' % number)
        self.none(client)

    def test_of_the_same_microsecond(self):
        """Two events of one source are two events, also while a session is young"""
        client = self.client()
        client.monitor_events("TWIN")
        for number in range(2):
            self.server.event("TWIN", {"n": number}, 100, 5)
        self.assertEqual([client.monitor_event()[5] for _ in range(2)], ['{"n":0}', '{"n":1}'])
