# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dedicated session: attached, shared, numbered, limited, lost and found again."""

import concurrent.futures
import contextlib
import json
import os
import socket
import time

from harness import guest, limits, qmp, rpc, upstream, xdr
from harness.scripted import Scripted, Sender
from harness.stranger import Stranger

STATUS = '{"execute":"query-status"}'
IN_FLIGHT_MAX = 8
FDS_MAX = 16
COMMAND_MAX = 1024 * 1024
PID_FILE_MAX = 32
CLIENT_EVENTS_MAX = 256
CLIENT_OWN_CALLS_MAX = 4

# The first serial of calls of virtpassd's own on a client's connection.
OURS = 0x80000000


def text(frame):
    return xdr.Reader(frame.payload).string()


class OneGuest(Scripted):
    """A running guest with a session that is ready."""

    script = None

    def prepare(self):
        self.domain, self.server = self.guest("g", script=self.script and self.script(),
                                              event=None)

    def setUp(self):
        super().setUp()
        self.virtpassd.wait_session("g")

    @property
    def reference(self):
        return self.ref(self.domain)

    def ask(self, client, command, **more):
        return client.monitor(self.reference, command, **more)

    def still_good(self, client=None):
        """The next command is answered by the session, over the connection that it has."""
        before = len(self.server.named("query-status"))
        self.assertIn("running", self.ask(client or self.client(), STATUS))
        self.assertEqual(len(self.server.named("query-status")), before + 1)


class Attaching(Scripted):
    def served(self, domain):
        """By its own session and not by libvirtd's monitor."""
        client = self.client()
        self.assertIn("running", client.monitor(self.ref(domain), STATUS))
        self.assertEqual(self.upstream.select(lambda f: (f.prog, f.proc) == (rpc.QEMU, 1)), [])

    def test_when_a_guest_starts(self):
        domain, server = self.guest("g")
        server.wait_command("qmp_capabilities")
        self.virtpassd.wait_session("g")
        self.served(domain)

    def test_before_libvirtd_says_that_it_started(self):
        """A client may be faster than the event"""
        domain, _ = self.guest("g", event=None)
        self.served(domain)

    def test_to_guests_that_run_already(self):
        domains = [self.guest(f"g{number}", number, event=None)[0] for number in range(1, 6)]
        self.virtpassd.restart()
        for domain in domains:
            self.virtpassd.wait_session(domain.name)
            self.served(domain)

    def test_after_kill(self):
        """kill -9 and start again: the stale socket is replaced, sessions are found"""
        domain, server = self.guest("g")
        self.virtpassd.wait_session("g")
        self.virtpassd.kill()
        self.virtpassd.start()
        server.wait_connected(2)
        self.virtpassd.wait_session("g")
        self.served(domain)

    def test_when_the_socket_comes_late(self):
        domain = self.upstream.add("g", self.session_xml("g"), 1, upstream.STARTED)
        client = self.client()
        call = client.post_monitor(self.ref(domain), STATUS)
        limits.stays(lambda: not client.aside, "no answer without a session")
        self.qemu("g")
        self.assertIn("running", text(client.reply(call)))
        self.virtpassd.wait_session("g")

    def test_session_ends_with_the_guest(self):
        before = self.virtpassd.descriptors()
        for number in range(1, 4):
            domain, server = self.guest("g", number)
            self.virtpassd.wait_session("g")
            self.upstream.stop_domain(domain)
            server.close()
            limits.poll_until(lambda: "g" not in self.virtpassd.sessions(), "the session is gone")
        limits.poll_until(lambda: self.virtpassd.descriptors() <= before, "no descriptor is kept")

    def test_guest_that_restarts(self):
        """A new QEMU at the same path is another session, the domain's id a new one"""
        domain, server = self.guest("g", 1)
        client = self.client()
        client.monitor_events("STOP")
        for number in (2, 3):
            self.virtpassd.wait_session("g")
            self.assertIn("running", client.monitor(self.ref(domain), STATUS))
            server.event("STOP")
            self.assertEqual(client.monitor_event()[1][2], number - 1)
            server.close()
            self.upstream.stop_domain(domain)
            limits.poll_until(lambda: "g" not in self.virtpassd.sessions(), "the session is gone")
            server.reopen()
            self.upstream.start_domain(domain, number)

    def test_stop_while_libvirtd_is_being_asked(self):
        """What libvirtd has not answered is given up, and nothing of it leaks (sanitizers look)"""
        asked = []

        def keeps_silent(_peer, frame):
            asked.append(frame)
            return upstream.NO_REPLY
        self.upstream.on(rpc.REMOTE, rpc.DOMAIN_GET_XML, keeps_silent)
        self.guest("g")
        limits.poll_until(lambda: asked, "virtpassd asks for the XML")
        self.assertEqual(self.virtpassd.end(), 0)
        self.virtpassd.start()

    def test_domain_without_our_words(self):
        """Served by libvirtd's own monitor, and told so"""
        domain = self.upstream.add("plain", number=7, event=upstream.STARTED)
        client = self.client()
        self.assertIn("libvirt's monitor", client.monitor(self.ref(domain), STATUS))
        self.assertIn("libvirt's monitor", client.monitor(self.ref(domain), "info", 1))
        entry = self.virtpassd.sessions()["plain"]
        self.assertEqual((entry["session"], entry["uuid"]), ("shared", domain.uuid))

    def test_domain_shut_off(self):
        domain = self.upstream.add("off", self.session_xml("off"))
        self.qemu("off")
        self.assertEqual(self.client().monitor_error(self.ref(domain), STATUS)[0], 55)

    def test_unknown_domain(self):
        client = self.client()
        self.assertEqual(client.monitor_error(("x", guest.uuid("x"), -1), STATUS)[0], 42)
        self.works(client)

    def test_while_virtpassd_itself_is_not_connected_yet(self):
        """Its own connection to libvirtd is slower than a client: that is answered in the end, and
        a command of virtpassd's own never reaches QEMU"""
        domain, _ = self.guest("g", event=None)
        self.virtpassd.end()
        limits.poll_until(lambda: not self.upstream.open_peers(), "what it had sent is taken")
        self.upstream.frames.clear()
        opened = []
        good = self.upstream.handlers[rpc.REMOTE, rpc.OPEN]

        def first_waits(peer, frame):
            opened.append((peer, frame))
            return upstream.NO_REPLY if len(opened) == 1 else good(peer, frame)
        self.upstream.on(rpc.REMOTE, rpc.OPEN, first_waits)
        self.virtpassd.start()
        limits.poll_until(lambda: opened, "virtpassd opens its own connection")
        client = self.client()
        status = client.post_monitor(self.ref(domain), STATUS)
        own = client.post_monitor(self.ref(domain), '{"execute":"__org.virtpass_query-session"}')
        limits.stays(lambda: not [frame for _, frame in self.upstream.frames
                                  if b"__org.virtpass" in frame.payload], "it stays inside")
        opened[0][0].answer(opened[0][1])
        self.assertIn("return", text(client.reply(status)))
        self.assertIn('"domain": "g"', text(client.reply(own)))
        self.virtpassd.wait_session("g")

    def test_copied_definition(self):
        """Plain libvirtd let somebody copy a definition, our words included: the socket that they
        name belongs to the original, and only the original is talked to"""
        original, server = self.guest("g", 1)
        self.virtpassd.wait_session("g")
        words = upstream.session_words(self.virtpassd.session_dir, original.uuid)
        copy = self.upstream.add("copy", guest.domain("copy", after=words), 2, upstream.STARTED)
        client = self.client()
        self.assertIn("running", client.monitor(self.ref(original), STATUS))
        commands = len(server.commands)
        self.assertIn("libvirt's monitor", client.monitor(self.ref(copy), STATUS))
        self.assertEqual(self.virtpassd.sessions()["copy"]["session"], "shared")
        self.assertEqual(len(server.named("query-status")), 1)
        self.assertEqual(len(server.commands), commands)
        self.assertEqual(server.connections, 1, "the copy has not knocked at the original's")
        self.assertIn("running", client.monitor(self.ref(original), STATUS))

    def test_copy_that_came_first(self):
        """The copy runs alone, and knocks nowhere"""
        original = guest.uuid("g")
        words = upstream.session_words(self.virtpassd.session_dir, original)
        self.qemu("g")
        copy = self.upstream.add("copy", guest.domain("copy", after=words), 2, upstream.STARTED)
        client = self.client()
        self.assertIn("libvirt's monitor", client.monitor(self.ref(copy), STATUS))
        entry = self.virtpassd.sessions()["copy"]
        self.assertEqual(entry["session"], "shared")
        self.assertIn(original, entry["reason"])

    @limits.limit(120)
    def test_a_thousand(self):
        """After a restart sessions to a thousand running guests are there within 2 s"""
        servers = []
        for number in range(1, 1001):
            name = f"n{number}"
            servers.append(self.qemu(name))
            self.upstream.add(name, self.session_xml(name), number)
        self.virtpassd.end()
        started = time.monotonic()
        self.virtpassd.start()
        limits.poll_until(lambda: all(server.named("qmp_capabilities") for server in servers),
                          "a thousand sessions", timeout=60)
        took = time.monotonic() - started
        print(f"# {took:.2f} s for a thousand sessions")
        self.assertLess(took, limits.seconds(2), "seconds until all have been attached")
        client = self.client()
        for number in (1, 500, 1000):
            domain = self.upstream.domains[guest.uuid(f"n{number}")]
            self.assertIn("running", client.monitor(self.ref(domain), STATUS))


class Log(OneGuest):
    """What whoever reads the log at its normal level is told of the end of a session."""

    def lines(self):
        return [line for line in self.virtpassd.process.log_text().split("\n")
                if "QMP session" in line]

    def said(self, text):
        return any(text in line for line in self.lines())

    def test_guest_that_stops(self):
        """QEMU is gone some time before libvirtd says so, long enough for several attempts"""
        self.server.close()
        limits.poll_until(lambda: self.said("ready -> lost"), "the end of the session")
        limits.stays(lambda: not self.said("connecting -> lost"), "no failure is told of", 2)
        self.upstream.stop_domain(self.domain)
        limits.poll_until(lambda: "g" not in self.virtpassd.sessions(), "the session is gone")
        self.assertEqual(len(self.lines()), 2, self.lines())

    def test_guest_that_runs_on_without_its_socket(self):
        """That is a failure, told of once, though not at once"""
        self.server.close()
        limits.poll_until(lambda: self.said("connecting -> lost"), "it is told")
        limits.stays(lambda: sum("connecting" in line for line in self.lines()) == 1,
                     "it is told once", 6)
        self.server.reopen()
        self.virtpassd.wait_session("g")
        self.still_good()

    def test_socket_that_was_never_there(self):
        self.upstream.add("h", self.session_xml("h"), 2, upstream.STARTED)
        limits.poll_until(lambda: self.said("h: QMP session connecting -> lost"), "it is told")


class Process(Scripted):
    """The peer of a session is the process that libvirt has started for the domain"""

    def lost(self, *parts):
        """The session is not there, for this reason; libvirtd's monitor serves."""
        def reason():
            text = self.virtpassd.sessions().get("g", {}).get("reason", "")
            return text if all(part in text for part in parts) else None
        limits.poll_until(reason, f"a reason with {parts}")
        self.assertEqual(self.virtpassd.sessions()["g"]["session"], "shared")

    def lifecycle(self, domain):
        self.upstream.lifecycle(domain, upstream.RESUMED)

    def path(self):
        return self.virtpassd.session_path(guest.uuid("g"))

    @contextlib.contextmanager
    def call_under_way(self, domain):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            client = self.client()
            yield pool.submit(client.monitor, self.ref(domain), STATUS)

    def by_libvirtd(self, domain, **more):
        self.assertIn("libvirt's monitor", self.client().monitor(self.ref(domain), STATUS, **more))

    def test_socket_bound_before_the_guest_started(self):
        """It hears nothing and gets no descriptor; with the guest's own socket all is well"""
        stranger = Stranger(self, self.path())
        domain = self.upstream.add("g", self.session_xml("g"), 1, upstream.STARTED)
        self.lost(str(stranger.pid), self.path(), str(os.getpid()))
        with open("/dev/null", "rb") as file:
            self.by_libvirtd(domain, fds=[file.fileno()])
        self.assertEqual(stranger.heard()[1], 0)
        connections = stranger.heard()[0]
        limits.stays(lambda: stranger.heard()[0] == connections, "it is not tried again and again")
        stranger.close()
        self.qemu("g")
        self.lifecycle(domain)
        self.virtpassd.wait_session("g")
        self.assertIn("running", self.client().monitor(self.ref(domain), STATUS))

    def test_socket_bound_while_the_session_serves(self):
        """A name that somebody else has taken is no way in, also after a restart"""
        domain, server = self.guest("g")
        self.virtpassd.wait_session("g")
        os.rename(self.path(), self.path() + ".away")
        stranger = Stranger(self, self.path())
        self.assertIn("running", self.client().monitor(self.ref(domain), STATUS))
        self.virtpassd.restart()
        self.lost(str(stranger.pid))
        self.assertEqual(stranger.heard()[1], 0)
        stranger.close()
        os.rename(self.path() + ".away", self.path())
        self.lifecycle(domain)
        self.virtpassd.wait_session("g")
        self.assertEqual(len(server.named("query-status")), 1)

    def test_guest_that_has_long_run_without_its_socket(self):
        """It will not make one any more: nobody waits for it"""
        domain = self.upstream.add("g", self.session_xml("g"), 1)
        noted = time.time() - 60
        os.utime(domain.pid_file.path, (noted, noted))
        self.lifecycle(domain)
        begin = time.monotonic()
        self.by_libvirtd(domain)
        self.assertLess(time.monotonic() - begin, 6)
        self.lost(self.path(), "No such file")
        self.qemu("g")
        self.virtpassd.wait_session("g")

    def test_socket_of_a_guest_that_has_crashed(self):
        """It is removed, that of a guest that runs is not"""
        self.guest("g")
        dead = self.virtpassd.session_path(guest.uuid("crashed"))
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(dead)
        for path in dead, self.path():
            os.utime(path, (time.time() - 120,) * 2)
        self.virtpassd.restart()
        limits.poll_until(lambda: not os.path.lexists(dead), "it is removed")
        self.virtpassd.wait_session("g")
        self.assertTrue(os.path.lexists(self.path()))

    def test_guest_that_may_still_make_its_socket(self):
        """It is waited for, and its session serves the first command"""
        domain = self.upstream.add("g", self.session_xml("g"), 1, upstream.STARTED)
        with self.call_under_way(domain) as reply:
            limits.stays(lambda: not reply.done(), "it waits", 1)
            server = self.qemu("g")
            self.assertIn("running", reply.result(limits.seconds(5)))
        self.assertEqual(len(server.named("query-status")), 1)

    def test_guest_with_a_uuid_of_its_own(self):
        """<sysinfo> may give the guest's system another uuid: QEMU is not asked for it"""
        server = self.qemu("g", uuid=guest.uuid("other"))
        domain = self.upstream.add("g", self.session_xml("g"), 1, upstream.STARTED)
        self.virtpassd.wait_session("g")
        self.assertIn("running", self.client().monitor(self.ref(domain), STATUS))
        self.assertEqual(server.named("query-uuid"), [])

    def test_pid_file_that_names_another_guest(self):
        """A QEMU has inherited the descriptor of its pid file: what it writes there is believed
        only of who holds the lock"""
        stranger = Stranger(self, self.path())
        domain = self.upstream.add("g", self.session_xml("g"), 1)
        domain.note_process(stranger.pid)
        self.lifecycle(domain)
        self.lost(str(stranger.pid), "lock")
        domain.note_process(locked=False)
        self.lifecycle(domain)
        self.lost(str(os.getpid()), "lock")
        self.assertEqual(stranger.heard(), (0, 0))

    def test_pid_files_that_are_none(self):
        """None of them keeps virtpassd waiting, and the next good one is read"""
        path = os.path.join(self.upstream.state_dir, "g.pid")
        server = self.qemu("g")
        domain = self.upstream.add("g", self.session_xml("g"), 1)
        domain.pid_file.close()
        domain.pid_file = None

        def link():
            os.symlink("/etc/hostname", path)

        def write(text):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        for make, part in ((lambda: os.mkfifo(path), "not a regular file"),
                           (link, "g.pid"), (lambda: write(""), "no number"),
                           (lambda: write("9999999".ljust(PID_FILE_MAX)), "has ended"),
                           (lambda: write("1" * (PID_FILE_MAX + 1)), "33 bytes"),
                           (lambda: write("-5"), "no number"),
                           (lambda: write("999999999\n"), "has ended")):
            make()
            self.lifecycle(domain)
            self.lost(part)
            os.unlink(path)
        self.assertEqual(server.connections, 0)
        domain.note_process()
        self.lifecycle(domain)
        self.virtpassd.wait_session("g")

    def test_paths_that_are_no_sockets(self):
        domain = self.upstream.add("g", self.session_xml("g"), 1)
        with open(self.virtpassd.path("away"), "w", encoding="ascii"):
            pass
        for make in (os.mkfifo, lambda path: os.symlink(self.virtpassd.path("away"), path),
                     lambda path: os.link(self.virtpassd.path("away"), path)):
            make(self.path())
            self.lifecycle(domain)
            self.lost("not a socket")
            os.unlink(self.path())
        self.qemu("g")
        self.lifecycle(domain)
        self.virtpassd.wait_session("g")


class Handshake(Scripted):
    def attach(self, script=None):
        domain, server = self.guest("g", script=script)
        self.virtpassd.wait_session("g")
        return domain, server

    def test_with_oob(self):
        _, server = self.attach()
        self.assertEqual([message.get("execute") for message in server.commands],
                         ["qmp_capabilities"])
        self.assertEqual(server.commands[0]["arguments"], {"enable": ["oob"]})
        self.assertTrue(self.virtpassd.sessions()["g"]["oob"])

    def test_without_oob(self):
        """A QEMU that does not offer it is not asked for it, and serves"""
        script = qmp.Script()
        script.greeting = {"QMP": {"version": qmp.VERSION, "capabilities": []}}
        domain, server = self.attach(script)
        self.assertNotIn("enable", server.commands[0].get("arguments", {}))
        self.assertIn("running", self.client().monitor(self.ref(domain), STATUS))
        self.assertFalse(self.virtpassd.sessions()["g"]["oob"])

    def test_other_capabilities(self):
        script = qmp.Script()
        script.greeting = {"QMP": {"version": qmp.VERSION, "capabilities": ["new", "oob", {}]}}
        _, server = self.attach(script)
        self.assertEqual(server.commands[0]["arguments"], {"enable": ["oob"]})

    def test_events_during_the_handshake(self):
        class Noisy(qmp.Script):
            def command(self, peer, message):
                peer.server.next_micros += 1
                peer.write({"event": "NOISE", "timestamp": {
                    "seconds": 1, "microseconds": peer.server.next_micros}})
                return super().command(peer, message)
        domain, _ = self.attach(Noisy())
        self.assertIn("running", self.client().monitor(self.ref(domain), STATUS))


class Identifiers(OneGuest):
    IDS = ('1', '"a"', '"libvirt-7"', 'null', '{"x": [1, 2,  3]}', '-1.5e3', '""', 'true',
           '"\\u00e4 \\n"', '[]', '99999999999999999999')

    def test_come_back(self):
        """Byte for byte as the client wrote them"""
        client = self.client()
        for value in self.IDS:
            for command in (f'{{"execute":"query-status","id":{value}}}',
                            f'{{ "id" : {value} , "execute" : "query-status" }}'):
                reply = self.ask(client, command)
                self.assertTrue(reply.endswith(f', "id": {value}}}'), reply)
                self.assertEqual(json.loads(reply)["return"]["status"], "running")

    def test_none_came_and_none_comes_back(self):
        self.assertEqual(self.ask(self.client(), STATUS),
                         '{"return": {"status": "running", "singlestep": false, "running": true}}')

    def test_same_id_of_two_clients(self):
        clients = [self.client() for _ in range(4)]
        calls = [client.post_monitor(self.reference,
                                     '{"execute":"echo","arguments":{"n":%d},"id":1}' % number)
                 for number, client in enumerate(clients)]
        for number, (client, call) in enumerate(zip(clients, calls)):
            self.assertEqual(json.loads(text(client.reply(call))),
                             {"return": {"n": number}, "id": 1})

    def test_id_in_errors(self):
        reply = json.loads(self.ask(self.client(), '{"execute":"no-such","id":"mine"}'))
        self.assertEqual(reply["error"]["class"], "CommandNotFound")
        self.assertEqual(reply["id"], "mine")

    def test_id_inside_of_arguments_is_not_one(self):
        command = '{"execute":"echo","arguments":{"id":"inner","deep":{"id":2}}}'
        self.assertEqual(json.loads(self.ask(self.client(), command)),
                         {"return": {"id": "inner", "deep": {"id": 2}}})


class Verbatim(qmp.Script):
    """Replies in a form that no serialiser would choose; @ stands for the id."""

    FORMS = {
        "spaces": '{"return" :  { "a" : [ 1 , 2.50e1,"\\u00e4\\/" ] } , "id" : @ }',
        "id first": '{ "id": @, "return": {"id": 3}}',
        "error": '{"id": @, "error": {"class": "Odd", "desc": "d\\"d"}}',
        "more": '{"return": {}, "id": @, "new member": [null, true, -0]}',
    }

    def do_form(self, peer, message):
        form = self.FORMS[message["arguments"]["name"]]
        peer.write_bytes(form.replace("@", json.dumps(message["id"])).encode() + b"\r\n")


class Bytes(OneGuest):
    script = Verbatim

    def test_replies_are_qemus(self):
        """Every byte but the id"""
        client = self.client()
        for name, form in Verbatim.FORMS.items():
            command = '{"execute":"form","arguments":{"name":"%s"},"id":"mine"}' % name
            self.assertEqual(self.ask(client, command), form.replace("@", '"mine"'))

    def test_commands_arrive_as_they_are(self):
        client = self.client()
        for arguments in ('{"a":1.50}', '{"a":"\\u00e4\\n","b":[[],{}]}',
                          '{"x":123456789012345678}'):
            self.ask(client, '{"execute":"echo","arguments":%s}' % arguments)
            self.assertEqual(self.server.named("echo")[-1]["arguments"], json.loads(arguments))


class Flight(OneGuest):
    """How many commands QEMU has at a time, and whose turn it is."""

    def setUp(self):
        super().setUp()
        self.server.script.held = ("wait",)

    def wait_command(self, mark):
        return '{"execute":"wait","arguments":{"mark":"%s"}}' % mark

    def marks(self):
        return [message["arguments"]["mark"] for message in self.server.named("wait")]

    def answer(self, message):
        self.server.reply(message, {"return": message["arguments"]["mark"]})

    def test_eight_at_a_time(self):
        client = self.client()
        calls = [client.post_monitor(self.reference, self.wait_command(n)) for n in range(20)]
        self.server.wait_command("wait", IN_FLIGHT_MAX)
        limits.stays(lambda: len(self.marks()) == IN_FLIGHT_MAX, "8 commands in flight")
        self.assertEqual(self.virtpassd.sessions()["g"]["in_flight"], IN_FLIGHT_MAX)
        for number in range(20):
            self.answer(self.server.wait_command("wait", number + 1))
        for number, call in enumerate(calls):
            self.assertEqual(json.loads(text(client.reply(call)))["return"], str(number))
        self.assertEqual(self.marks(), [str(number) for number in range(20)])

    def test_replies_out_of_order(self):
        """QEMU answers in order. Whoever does not may lose the session, but no reply ever reaches
        another command than its own"""
        client = self.client()
        calls = [client.post_monitor(self.reference, self.wait_command(n)) for n in range(8)]
        self.server.wait_command("wait", 8)
        for message in reversed(self.server.named("wait")):
            self.answer(message)
        for number, call in enumerate(calls):
            try:
                self.assertEqual(json.loads(text(client.reply(call)))["return"], str(number))
            except rpc.RpcError as error:
                self.assertIn("'g'", error.message)
        self.virtpassd.wait_session("g")
        self.still_good(client)

    def test_turns(self):
        """One that floods delays another by a few commands only"""
        greedy, modest = self.client(), self.client()
        for number in range(30):
            greedy.post_monitor(self.reference, self.wait_command(f"a{number}"))
        self.server.wait_command("wait", IN_FLIGHT_MAX)
        call = modest.post_monitor(self.reference, self.wait_command("b"))
        self.works(modest)  # by now virtpassd has read the command
        answered = 0
        while "b" not in self.marks()[:answered]:
            self.answer(self.server.wait_command("wait", answered + 1))
            answered += 1
        self.assertEqual(json.loads(text(modest.reply(call)))["return"], "b")
        self.assertLessEqual(self.marks().index("b"), IN_FLIGHT_MAX + 2)

    def test_out_of_band_overtakes(self):
        client = self.client()
        for number in range(20):
            client.post_monitor(self.reference, self.wait_command(number))
        self.server.wait_command("wait", IN_FLIGHT_MAX)
        command = '{"exec-oob":"query-yank","id":"now"}'
        self.assertEqual(json.loads(self.ask(client, command)), {"return": [], "id": "now"})
        self.assertEqual(json.loads(self.ask(self.client(), '{"exec-oob":"query-yank"}')),
                         {"return": []})
        self.assertEqual(len(self.marks()), IN_FLIGHT_MAX)

    def test_client_leaves_with_commands_in_flight(self):
        """Its replies are dropped, its place is free, and nobody gets what was not his"""
        for _ in range(3):
            client = self.client()
            for number in range(12):
                client.post_monitor(self.reference, self.wait_command(number))
            self.server.wait_command("wait", IN_FLIGHT_MAX)
            self.works(client)
            client.close()
        limits.poll_until(lambda: self.virtpassd.sessions()["g"]["clients"] == 0, "they are gone")
        for message in self.server.named("wait"):
            self.answer(message)
        self.still_good()
        self.assertEqual(self.virtpassd.sessions()["g"]["in_flight"], 0)

    def test_guest_of_another_domain_does_not_wait(self):
        other, _ = self.guest("h", 2)
        client = self.client()
        for number in range(10):
            client.post_monitor(self.reference, self.wait_command(number))
        self.server.wait_command("wait", IN_FLIGHT_MAX)
        self.assertIn("running", client.monitor(self.ref(other), STATUS))
        self.works(client)

    def test_more_commands_than_are_read_ahead(self):
        """A client that sends without reading is made to wait, and gets every answer"""
        self.server.script.held = ()
        client = self.client()
        count = 500
        sending = Sender(self, client, (client.make_monitor(
            self.reference, '{"execute":"echo","arguments":{"n":%d}}' % n) for n in range(count)))
        for number in range(count):
            self.assertEqual(json.loads(text(client.recv()))["return"]["n"], number)
        sending.finish()


class Descriptors(OneGuest):
    class Script(qmp.Script):
        def do_take(self, peer, _message):
            inodes = [os.fstat(fd).st_ino for fd in peer.fds]
            peer.fds_of(None)
            return {"return": inodes}

    script = Script

    def files(self, count):
        fds = [os.memfd_create(f"f{number}") for number in range(count)]
        for fd in fds:
            self.addCleanup(os.close, fd)
        return fds, [os.fstat(fd).st_ino for fd in fds]

    def test_several_with_one_command(self):
        """libvirt allows one; QEMU takes sixteen"""
        client = self.client()
        before = self.virtpassd.descriptors()
        for count in (1, 2, FDS_MAX):
            fds, inodes = self.files(count)
            reply = json.loads(self.ask(client, '{"execute":"take"}', fds=fds))
            self.assertEqual(reply["return"], inodes)
        limits.poll_until(lambda: self.virtpassd.descriptors() == before, "none is kept")

    def test_more_than_qemu_takes(self):
        client = self.client()
        before = self.virtpassd.descriptors()
        fds, _ = self.files(FDS_MAX + 1)
        code, _, message = client.monitor_error(self.reference, '{"execute":"take"}', fds=fds)
        self.assertEqual(code, 8)
        self.assertIn(str(FDS_MAX), message)
        self.assertEqual(json.loads(self.ask(client, '{"execute":"take"}', fds=fds[:2]))["return"],
                         [os.fstat(fd).st_ino for fd in fds[:2]])
        limits.poll_until(lambda: self.virtpassd.descriptors() == before, "none is kept")

    def test_each_command_its_own(self):
        """Two clients at once: no command sees descriptors of another"""
        clients = [self.client() for _ in range(2)]
        calls = []
        for number in range(20):
            client = clients[number % 2]
            fds, inodes = self.files(1 + number % 3)
            calls.append((client, client.post_monitor(self.reference, '{"execute":"take"}',
                                                      fds=fds), inodes))
            client.post_monitor(self.reference, STATUS)
        for client, call, inodes in calls:
            self.assertEqual(json.loads(text(client.reply(call)))["return"], inodes)

    def test_invalid_command(self):
        """What is not sent keeps no descriptor either"""
        client = self.client()
        before = self.virtpassd.descriptors()
        fds, _ = self.files(3)
        self.assertEqual(client.monitor_error(self.reference, '{"execute":', fds=fds)[0], 1)
        limits.poll_until(lambda: self.virtpassd.descriptors() == before, "none is kept")
        self.still_good(client)


class Human(OneGuest):
    class Script(qmp.Script):
        def do_human_monitor_command(self, _peer, message):
            line = message["arguments"]["command-line"]
            if line == "fail":
                return {"error": {"class": "GenericError", "desc": "because"}}
            if line == "missing":
                return {"error": {"class": "CommandNotFound", "desc": "no such command"}}
            return {"return": line + "\r\n"}

    script = Script

    def test_text(self):
        client = self.client()
        for line in ("info status", "", 'quotes " and \\ and \u00fc\u20ac\U0001f600', "x" * 100000,
                     "tab\tand\x01control"):
            self.assertEqual(self.ask(client, line, flags=1), line + "\r\n")

    def test_errors(self):
        client = self.client()
        code, _, message = client.monitor_error(self.reference, "fail", 1)
        self.assertEqual(code, 1)
        self.assertIn("because", message)
        self.assertEqual(client.monitor_error(self.reference, "missing", 1)[0], 84)
        self.still_good(client)


class Limits(OneGuest):
    class Script(qmp.Script):
        def do_blob(self, peer, message):
            """A reply whose text has exactly this many bytes without id."""
            empty = len('{"return": ""}')
            return {"return": "b" * (message["arguments"]["size"] - empty)}

    script = Script

    def blob(self, size):
        return '{"execute":"blob","arguments":{"size":%d}}' % size

    def test_longest_reply(self):
        client = self.client()
        reply = self.ask(client, self.blob(rpc.STRING_MAX))
        self.assertEqual(len(reply), rpc.STRING_MAX)
        self.still_good(client)

    def test_reply_that_is_too_long(self):
        """An error instead, and everything goes on"""
        client = self.client()
        for size in (rpc.STRING_MAX + 1, 2 * rpc.STRING_MAX):
            _, _, message = client.monitor_error(self.reference, self.blob(size))
            self.assertIn(str(rpc.STRING_MAX), message)
            self.still_good(client)
        self.assertEqual(self.server.connections, 1)

    def test_event_registrations(self):
        """As many as may be, and one more"""
        client = self.client()
        numbers = [client.monitor_events("STOP") for _ in range(CLIENT_EVENTS_MAX)]
        self.assertEqual(len(set(numbers)), CLIENT_EVENTS_MAX)
        with self.assertRaises(rpc.RpcError) as caught:
            client.monitor_events("STOP")
        self.assertIn(str(CLIENT_EVENTS_MAX), caught.exception.message)
        self.still_good(client)

    def test_own_calls(self):
        """Calls about command lines: one more waits until one is done"""
        self.upstream.hold(rpc.REMOTE, rpc.DOMAIN_GET_XML)
        client = self.client()
        command = '{"execute":"__org.virtpass_commandline-alter","arguments":{"mode":"clear"}}'

        def questions():
            return self.upstream.select(
                lambda frame: frame.proc == rpc.DOMAIN_GET_XML and frame.serial >= OURS)
        before = len(questions())
        calls = [client.post_monitor(self.reference, command)
                 for _ in range(CLIENT_OWN_CALLS_MAX + 1)]
        most = before + CLIENT_OWN_CALLS_MAX
        limits.poll_until(lambda: len(questions()) >= most, "they are asked for")
        limits.stays(lambda: len(questions()) == most, "no more at a time")
        for number in range(before, before + len(calls)):
            limits.poll_until(lambda n=number: len(questions()) > n, "its turn has come")
            peer, question = questions()[number]
            peer.answer(question, rpc.error_payload(42, 10, "no"), rpc.ERROR)
        for call in calls:
            with self.assertRaises(rpc.RpcError) as caught:
                client.reply(call)
            self.assertEqual(caught.exception.code, 42)

    def test_longest_command(self):
        client = self.client()
        start, end = '{"execute":"echo","arguments":{"x":"', '"}}'
        padding = "p" * (COMMAND_MAX - len(start) - len(end))
        reply = self.ask(client, start + padding + end)
        self.assertEqual(json.loads(reply)["return"]["x"], padding)
        self.still_good(client)

    def test_nesting(self):
        """Deeper than QEMU takes is refused before it gets there"""
        client = self.client()
        for depth, good in ((500, True), (5000, False), (200000, False)):
            command = ('{"execute":"echo","arguments":{"x":' + "[" * depth + "]" * depth + "}}")
            if good:
                self.ask(client, command)
            else:
                self.assertEqual(client.monitor_error(self.reference, command)[0], 1)
            self.still_good(client)
        self.assertEqual(self.server.connections, 1)

    def test_not_json(self):
        client = self.client()
        before = len(self.server.commands)
        for command in ("", " ", "{", "x", "'a'", '{"execute":"a"} {',
                        '{"execute":"a"}{"execute":"b"}',
                        '{"a":1,}', '{"execute":"\\ud800"}x', "\x00", '{"execute":"q\nr"}', "NaN",
                        '{"execute":"a","id":01}', "\ufeff{}"):
            self.assertEqual(client.monitor_error(self.reference, command)[0], 1, command)
        self.assertEqual(len(self.server.commands), before)
        self.still_good(client)


class Numbers(OneGuest):
    def test_what_sessions_tells(self):
        client, listener = self.client(), self.client()
        listener.monitor_events()
        for _ in range(5):
            self.ask(client, STATUS)
        self.server.event("STOP")
        listener.monitor_event()
        entry = self.virtpassd.sessions()["g"]
        self.assertEqual((entry["domain"], entry["uuid"]), ("g", self.domain.uuid))
        self.assertEqual((entry["session"], entry["state"]), ("dedicated", "ready"))
        self.assertEqual((entry["commands"], entry["events"], entry["in_flight"]), (5, 1, 0))
        self.assertGreater(entry["bytes_in"], 100)
        self.assertGreater(entry["bytes_out"], 100)
        self.assertGreater(entry["latency_p50_us"], 0)
        self.assertGreaterEqual(entry["latency_p99_us"], entry["latency_p50_us"])
