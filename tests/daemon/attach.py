# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dedicated sessions that are added to running guests: when, how, and what remains."""

import json
import os
import re
import signal
import socket

from harness import guest, limits, qmp, rpc, upstream, xdr
from harness.process import run
from harness.real import RealGuests
from harness.scripted import USER, Scripted
from harness.stranger import Stranger
from harness.virtpassd import virtpass

STATUS = '{"execute":"query-status"}'
ADDING = ["query-version", "chardev-add", "object-add"]
REMOVING = ["object-del", "chardev-remove"]
REPLACING = ["query-version", "chardev-add", *REMOVING, "chardev-add", "object-add"]


class Mute(qmp.Script):
    """A chardev on which there is no monitor yet."""
    greeting = None


class Monitor:
    """libvirtd's monitor of a QEMU that monitors can be added to, by procedure 1."""

    def __init__(self, test, name, version=(11, 1, 3)):
        self.test = test
        self.domain = test.upstream.domains[guest.uuid(name)]
        self.version = version
        self.chardevs = {}       # id -> the scripted server
        self.objects = {}        # id -> id of the chardev
        self.commands = []       # names, and those of clients too
        self.arguments = {}      # name -> the last ones
        self.failing = set()     # names that QEMU refuses
        self.refused = {}        # name -> what libvirtd raises
        self.held = set()        # names that are not answered
        self.make = self.listen  # what is behind a chardev
        self.ended = False
        test.upstream.on(rpc.QEMU, rpc.MONITOR_COMMAND, self.handle)

    def handle(self, peer, frame):
        reader = xdr.Reader(frame.payload)
        domain = self.test.upstream.find(reader)
        self.test.upstream.check_write(peer, domain)
        if domain.id < 0 or self.ended:
            raise upstream.Refuse(55, 20, "Requested operation is not valid: not running")
        command = json.loads(reader.string())
        name, arguments = command["execute"], command.get("arguments", {})
        self.commands.append(name)
        self.arguments[name] = arguments
        if name in self.held:
            return upstream.NO_REPLY
        if name in self.refused:
            raise self.refused[name]
        handler = getattr(self, "do_" + name.replace("-", "_"), lambda _: "libvirt's monitor")
        try:
            if name in self.failing:
                raise ValueError(f"{name} is not liked")
            reply = {"return": handler(arguments), "id": "libvirt-7"}
        except (ValueError, KeyError) as why:
            reply = {"id": "libvirt-7", "error": {"class": "GenericError", "desc": str(why)}}
        return xdr.string(json.dumps(reply))

    def do_query_version(self, _arguments):
        major, minor, micro = self.version
        return {"qemu": {"micro": micro, "minor": minor, "major": major}, "package": ""}

    def do_chardev_add(self, arguments):
        data = arguments["backend"]["data"]
        if arguments["id"] in self.chardevs:
            raise ValueError(f"Chardev with id '{arguments['id']}' already exists")
        path = data["addr"]["data"]["path"]
        if os.path.exists(path):
            os.unlink(path)
        self.chardevs[arguments["id"]] = self.make(path)
        return {}

    def listen(self, path):
        return qmp.Server(self.test.qmp_loop(), path, self.domain.uuid, Mute())

    def do_object_add(self, arguments):
        if arguments["qom-type"] != "monitor-qmp":
            raise ValueError("no such type")
        self.chardevs[arguments["chardev"]].script = qmp.Script()
        self.objects[arguments["id"]] = arguments["chardev"]
        return {}

    def do_object_del(self, arguments):
        self.objects.pop(arguments["id"])
        return {}

    def do_chardev_remove(self, arguments):
        if arguments["id"] in self.objects.values():
            raise ValueError("busy")
        server = self.chardevs.pop(arguments["id"])
        if server:
            server.close()
        return {}

    @property
    def server(self):
        """The one that was added."""
        return next(iter(self.chardevs.values()))

    def close(self):
        """As when the guest ends."""
        self.ended = True
        for server in self.chardevs.values():
            if server:
                server.close()


class Running(Scripted):
    """A guest that runs without virtpassd's words."""

    version = (11, 1, 3)
    after = ""

    def prepare(self):
        self.domain = self.upstream.add("g", guest.domain("g", after=self.after), 1)
        self.qmp_loop()
        self.monitor = Monitor(self, "g", self.version)
        self.addCleanup(self.monitor.close)
        self.path = self.virtpassd.session_path(self.domain.uuid)

    def setUp(self):
        super().setUp()
        self.known()

    def known(self):
        self.virtpassd.wait_session("g", "shared", "absent")

    @property
    def entry(self):
        return self.virtpassd.sessions()["g"]

    def ask(self, client=None, command=STATUS):
        return (client or self.client()).monitor(self.ref(self.domain), command)

    def added(self):
        entry = self.virtpassd.wait_session("g")
        self.assertIs(entry["added"], True)
        self.assertEqual((len(self.monitor.chardevs), len(self.monitor.objects)), (1, 1))

    def by_libvirtd(self, client=None):
        self.assertIn("libvirt's monitor", self.ask(client))

    def by_session(self, client=None):
        self.assertIn('"running": true', self.ask(client))

    def nothing_left(self):
        limits.poll_until(lambda: not self.monitor.chardevs and not self.monitor.objects
                          and not os.path.exists(self.path), "chardev and monitor are removed")

    def reload(self, config):
        self.virtpassd.configure(config)
        os.kill(self.virtpassd.pid, signal.SIGHUP)


class FirstCommand(Running):
    def test_adds_it_and_is_answered_by_it(self):
        self.by_session()
        self.assertEqual(self.monitor.commands, ADDING)
        name = self.monitor.arguments["object-add"]["id"]
        self.assertRegex(name, "^virtpass-added-[0-9a-f]{8}$")
        self.assertEqual(self.monitor.arguments["object-add"],
                         {"qom-type": "monitor-qmp", "id": name, "chardev": name})
        self.assertEqual(self.monitor.arguments["chardev-add"], {"id": name, "backend": {
            "type": "socket", "data": {
                "addr": {"type": "unix", "data": {"path": self.path}},
                "server": True, "wait": False}}})
        self.added()
        self.by_session()
        self.assertEqual(self.monitor.commands, ADDING)

    def test_people_are_told(self):
        def line():
            return virtpass("-c", self.virtpassd.uri, "sessions").stdout.split("\n", 1)[1]
        self.assertRegex(line(), r"^g +shared +absent .*\n +no dedicated session now: it was not ")
        self.by_session()
        self.assertRegex(line(), r"^g +added +ready .*\n$")

    def test_looking_at_it_does_not(self):
        client = self.client()
        client.monitor_events(None)
        self.works(client)
        entry = self.entry
        self.assertEqual((entry["session"], entry["added"]), ("shared", False))
        self.assertIn("first monitor command", entry["reason"])
        self.assertEqual(self.monitor.commands, [])

    def test_many_at_once_keep_their_order(self):
        client = self.client()
        calls = [client.post_monitor(self.ref(self.domain),
                                     '{"execute":"echo","arguments":{"n":%d}}' % number)
                 for number in range(30)]
        for number, call in enumerate(calls):
            reply = xdr.Reader(client.reply(call).payload).string()
            self.assertEqual(json.loads(reply), {"return": {"n": number}})
        self.assertEqual([message["arguments"]["n"] for message in
                          self.monitor.server.named("echo")], list(range(30)))
        self.assertEqual(self.monitor.commands, ADDING)

    def test_of_several_clients(self):
        clients = [self.client() for _ in range(5)]
        calls = [client.post_monitor(self.ref(self.domain), STATUS) for client in clients]
        for client, call in zip(clients, calls):
            self.assertIn('"running": true', xdr.Reader(client.reply(call).payload).string())
        self.assertEqual(self.monitor.commands, ADDING)

    def test_events_come_once(self):
        client = self.client()
        client.monitor_events("STOP")
        self.works(client)
        self.by_session()
        self.monitor.server.event("STOP")
        self.upstream.monitor_event(self.domain, "STOP", seconds=1700000000, micros=123)
        self.assertEqual(client.monitor_event()[2], "STOP")
        limits.stays(lambda: not client.aside, "no second event")

    def test_qmp_socket_comes_and_goes_with_it(self):
        path = self.virtpassd.path("qmp", self.domain.uuid)
        self.assertFalse(os.path.exists(path))
        self.by_session()
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(path)
            self.assertIn(b'"QMP"', peer.recv(4096))
        self.reload({"sessions": {"running_guests": "never"}})
        limits.poll_until(lambda: not os.path.exists(path), "the QMP socket is gone")

    def test_read_only_touches_nothing(self):
        client = self.client(flags=1)
        client.monitor(self.ref(self.domain), STATUS)
        self.assertEqual(self.monitor.commands, ["query-status"])


class Rights(Running):
    options = ()
    config = {"listen": {"unix_sock_rw_perms": "0777"}}

    def test_who_may_not_write_touches_nothing(self):
        client = self.client_as(USER)
        peer = self.peer_of(client)
        self.upstream.denied.add((peer.user(), "g"))
        self.assertEqual(client.monitor_error(self.ref(self.domain), STATUS)[0], 88)
        self.assertEqual(self.monitor.commands, [])
        self.assertEqual(self.entry["session"], "shared")
        self.by_session()


class Refused(Running):
    """Nothing is left behind, libvirtd's monitor serves, and it is not tried again."""

    def refused(self, commands, reason):
        client = self.client()
        self.by_libvirtd(client)
        self.assertEqual(self.monitor.commands, commands + ["query-status"])
        self.by_libvirtd(client)
        self.assertEqual(self.monitor.commands, commands + ["query-status"] * 2)
        entry = self.entry
        self.assertEqual((entry["session"], entry["state"], entry["added"]),
                         ("shared", "absent", False))
        self.assertIn(reason, entry["reason"])
        self.nothing_left()

    def again(self, commands=tuple(ADDING)):
        """What was in the way is gone, and the configuration is read again."""
        self.monitor.failing.clear()
        self.monitor.commands.clear()
        self.reload({})
        limits.poll_until(lambda: "first monitor command" in self.entry["reason"], "it is reloaded")
        self.by_session()
        self.assertEqual(self.monitor.commands, list(commands))
        self.added()

    def test_chardev(self):
        self.monitor.failing = {"chardev-add"}
        self.refused(["query-version", "chardev-add", *REMOVING, "chardev-add"],
                     "chardev-add is not liked")
        self.again()

    def test_monitor(self):
        self.monitor.failing = {"object-add"}
        self.refused([*ADDING, "chardev-remove"], "object-add is not liked")
        self.again()

    def test_version(self):
        self.monitor.failing = {"query-version"}
        self.refused(["query-version"], "query-version is not liked")
        self.again()

    def test_what_was_added_is_somebody_else(self):
        """It is removed again"""
        self.monitor.make = lambda path: Stranger(self, path)
        self.by_libvirtd()
        limits.poll_until(lambda: set(REMOVING) <= set(self.monitor.commands), "it is removed")
        self.nothing_left()
        self.assertIn("is not this domain's", self.entry["reason"])
        self.monitor.commands.clear()
        self.by_libvirtd()
        self.assertEqual(self.monitor.commands, ["query-status"])
        self.monitor.make = self.monitor.listen
        self.again()

    def test_libvirtd_is_busy(self):
        """That passes, so it is no refusal; but the next command does not wait for it again"""
        self.monitor.refused = {"query-version": upstream.Refuse(68, 10, "cannot acquire lock")}
        self.refused(["query-version"], "cannot acquire lock")
        self.monitor.refused = {}
        self.again()

    def test_libvirtd_becomes_busy(self):
        self.monitor.refused = {"object-add": upstream.Refuse(68, 10, "cannot acquire lock")}
        self.refused([*ADDING, "chardev-remove"], "cannot acquire lock")
        self.monitor.refused = {}
        self.again()

    def test_guest_stops_meanwhile(self):
        self.monitor.held = {"chardev-add"}
        client = self.client()
        call = client.post_monitor(self.ref(self.domain), STATUS)
        limits.poll_until(lambda: "chardev-add" in self.monitor.commands, "it is being added")
        self.upstream.stop_domain(self.domain)
        with self.assertRaises(rpc.RpcError):
            client.reply(call)
        self.works(client)
        self.monitor.held = set()
        self.upstream.start_domain(self.domain, 2)
        self.by_session(client)

    def test_libvirtd_goes_meanwhile(self):
        self.monitor.held = {"object-add"}
        client = self.client()
        client.post_monitor(self.ref(self.domain), STATUS)
        limits.poll_until(lambda: "object-add" in self.monitor.commands, "it is being added")
        self.upstream.stop()
        limits.poll_until(client.at_end, "the client's connection ends with libvirtd's")
        self.monitor.held = set()
        self.upstream.listen()
        limits.poll_until(lambda: self.upstream.open_peers(), "virtpassd is connected again")
        self.again(REPLACING)


class Old(Running):
    version = (7, 2, 22)

    def test_is_served_by_libvirtd(self):
        client = self.client()
        for _ in range(3):
            self.by_libvirtd(client)
        self.assertEqual(self.monitor.commands, ["query-version"] + ["query-status"] * 3)
        self.assertRegex(self.entry["reason"], r"from 11\.1 on; this is 7\.2$")


class Left(Running):
    def known(self):
        """Not always "shared"."""

    def test_after_kill(self):
        """kill -9: the session is found again, and nothing is added"""
        self.by_session()
        self.virtpassd.kill()
        self.assertEqual(len(self.monitor.objects), 1)
        self.virtpassd.start()
        self.added()
        self.by_session()
        self.assertEqual(self.monitor.commands, ADDING)
        self.virtpassd.end()
        self.nothing_left()
        self.virtpassd.start()

    def test_after_the_end(self):
        """An ordinary end removes it"""
        self.by_session()
        self.assertEqual(self.virtpassd.end(), 0)
        self.nothing_left()
        self.assertEqual(self.monitor.commands, ADDING + REMOVING)
        self.virtpassd.start()
        self.by_session()

    def test_end_while_libvirtd_does_not_answer(self):
        """It does not wait for ever, and what is left is found"""
        self.by_session()
        self.monitor.held = {"object-del"}
        self.assertEqual(self.virtpassd.end(), 0)
        self.monitor.held = set()
        self.virtpassd.start()
        self.added()

    def test_killed_between_two_steps(self):
        """There is a chardev of this name; it is replaced"""
        self.by_session()
        name = self.monitor.arguments["object-add"]["id"]
        self.virtpassd.kill()
        self.monitor.server.close()
        self.monitor.objects.clear()
        self.monitor.chardevs = {name: None}
        self.monitor.commands.clear()
        self.virtpassd.start()
        self.virtpassd.wait_session("g", "shared", "absent")
        self.by_session()
        self.assertEqual(self.monitor.commands, REPLACING)

    def test_stale_socket(self):
        """Of a QEMU that was killed: nobody is there, and it is added as to any other"""
        self.virtpassd.kill()
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(self.path)
        self.virtpassd.start()
        self.virtpassd.wait_session("g", "shared", "absent")
        self.assertEqual(self.monitor.commands, [])
        self.by_session()
        self.assertEqual(self.monitor.commands, ADDING)

    def test_somebody_removes_it(self):
        """The next command after that is noticed adds it again"""
        self.by_session()
        self.monitor.objects.clear()
        self.monitor.do_chardev_remove(self.monitor.arguments["object-add"])
        limits.poll_until(lambda: self.entry["state"] == "absent", "it is given up")
        self.monitor.commands.clear()
        self.by_session()
        self.assertEqual(self.monitor.commands, ADDING)

    def test_interrupted(self):
        """A connection that is lost is made again, without libvirtd"""
        self.by_session()
        server = self.monitor.server
        server.drop()
        server.wait_connected(2)
        self.added()
        self.assertEqual(self.monitor.commands, ADDING)


class Configured(Running):
    def test_no_longer_wanted(self):
        """Reloading removes it, and brings it back"""
        client = self.client()
        for config in ({"running_guests": "never"}, {"dedicated_sessions": "requested"}):
            self.by_session(client)
            self.reload({"sessions": config})
            self.nothing_left()
            self.virtpassd.wait_session("g", "shared", "absent")
            self.by_libvirtd(client)
            self.assertEqual(self.entry["reason"], "")
            self.reload({})
            limits.poll_until(lambda: "first monitor" in self.entry["reason"], "it is reloaded")
        self.by_session(client)

    def test_killed_and_not_wanted_after(self):
        self.by_session()
        self.virtpassd.kill()
        self.virtpassd.configure({"sessions": {"running_guests": "never"}})
        self.virtpassd.start()
        self.nothing_left()
        self.by_libvirtd()


class AtOnce(Running):
    config = {"sessions": {"running_guests": "at-once"}}

    def known(self):
        self.added()

    def test_is_there_before_any_command(self):
        self.assertTrue(os.path.exists(self.virtpassd.path("qmp", self.domain.uuid)))
        self.assertEqual(self.monitor.commands, ADDING)
        self.by_session()

    def test_guest_that_starts_later(self):
        self.upstream.stop_domain(self.domain)
        limits.poll_until(lambda: "g" not in self.virtpassd.sessions(), "it has stopped")
        self.monitor.close()
        self.monitor = Monitor(self, "g")
        self.addCleanup(self.monitor.close)
        self.upstream.start_domain(self.domain, 2)
        self.added()

    def test_after_kill(self):
        self.virtpassd.kill()
        self.virtpassd.start()
        self.added()
        self.assertEqual(self.monitor.commands, ADDING)


class Elements(Running):
    """The author has the last word."""

    def test_shared(self):
        self.says("shared")
        self.by_libvirtd()
        self.assertEqual(self.monitor.commands, ["query-status"])

    def test_none(self):
        self.says("none")
        self.assertEqual(self.client().monitor_error(self.ref(self.domain), STATUS)[0], 29)
        self.assertEqual(self.monitor.commands, [])

    def test_dedicated(self):
        """Where only those get one who ask for it"""
        self.virtpassd.configure({"sessions": {"dedicated_sessions": "requested"}})
        self.says("dedicated")
        self.by_session()

    def test_shared_where_qemu_has_a_session(self):
        """That one stays alone, too"""
        self.virtpassd.end()
        server = self.qemu("g")
        self.domain.xml = self.session_xml("g").replace(
            "  <qemu:commandline>", guest.session_attribute("shared") + "  <qemu:commandline>")
        self.virtpassd.start()
        self.virtpassd.wait_session("g", "shared", "absent")
        self.by_libvirtd()
        self.assertEqual(self.monitor.commands, ["query-status"])
        self.assertEqual(server.connections, 0)

    def says(self, session):
        self.virtpassd.end()
        self.domain.xml = guest.domain("g", after=guest.session_attribute(session))
        self.virtpassd.start()
        self.virtpassd.wait_session("g", "none" if session == "none" else "shared", "absent")


class Real(RealGuests):
    """A guest that plain virsh defines and starts."""

    def setUp(self):
        super().setUp()
        self.define(how=self.plain)
        self.plain("start", "g")
        self.virtpassd.wait_session("g", "shared", "absent")

    @staticmethod
    def version():
        text = run([guest.EMULATOR, "--version"]).stdout
        return tuple(int(part) for part in re.search(r"version (\d+)\.(\d+)", text).groups())

    def chardevs(self):
        """Ours, as libvirtd's own monitor tells."""
        reply = json.loads(self.plain("qemu-monitor-command", "g", '{"execute":"query-chardev"}'))
        return [entry["label"] for entry in reply["return"] if "virtpass" in entry["label"]]

    def test_older_than_11_1(self):
        if self.version() >= (11, 1):
            self.skipTest("the installed QEMU has monitor-qmp")
        reply = self.through("qemu-monitor-command", "g", STATUS)
        self.assertIn('"id":"libvirt-', reply)
        entry = self.virtpassd.sessions()["g"]
        self.assertEqual((entry["session"], entry["added"]), ("shared", False))
        self.assertIn("this is %d.%d" % self.version(), entry["reason"])
        self.assertEqual(self.chardevs(), [])

    def test_added_used_and_removed(self):
        if self.version() < (11, 1):
            self.skipTest("the installed QEMU is older than 11.1, the first with monitor-qmp")
        reply = self.through("qemu-monitor-command", "g", STATUS)
        self.assertNotIn("libvirt-", reply)
        self.assertIs(self.virtpassd.wait_session("g")["added"], True)
        self.assertEqual(len(self.chardevs()), 1)
        self.assertEqual(self.qmp("query-name")["return"], {"name": "g"})
        self.assertIn("return", self.through("qemu-monitor-command", "g",
                                             '{"exec-oob":"query-yank","id":1}'))
        self.virtpassd.kill()
        self.virtpassd.start()
        self.assertIs(self.virtpassd.wait_session("g")["added"], True)
        self.assertNotIn("libvirt-", self.through("qemu-monitor-command", "g", STATUS))
        for _ in range(5):
            self.virtpassd.end()
            self.assertEqual(self.chardevs(), [])
            self.virtpassd.start()
            self.virtpassd.wait_session("g", "shared", "absent")
            self.assertNotIn("libvirt-", self.through("qemu-monitor-command", "g", STATUS))
        self.assertIn("running", self.plain("domstate", "g"))

    def test_at_once_with_a_qmp_socket(self):
        if self.version() < (11, 1):
            self.skipTest("the installed QEMU is older than 11.1, the first with monitor-qmp")
        self.virtpassd.configure({"sessions": {"running_guests": "at-once"}})
        self.virtpassd.restart()
        self.assertIs(self.virtpassd.wait_session("g")["added"], True)
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(self.virtpassd.path("qmp", "g"))
            file = peer.makefile("rw")
            self.assertIn("QMP", json.loads(file.readline()))
            file.write('{"execute":"qmp_capabilities"}{"execute":"query-name"}\n')
            file.flush()
            self.assertEqual(json.loads(file.readline()), {"return": {}})
            self.assertEqual(json.loads(file.readline()), {"return": {"name": "g"}})
            self.plain("suspend", "g")
            self.assertEqual(json.loads(file.readline())["event"], "STOP")
