# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests are separated from each other and from virtpassd.

The attacker is a QEMU that has been taken over and is not confined: any program of the user that
every QEMU runs as. Sockets, queues and files of other guests, and what virtpassd reads, are in
directories of that user's.
"""

import json
import os
import re
import select
import socket
import time

from attacks_documents import WAIT_MAX, Pinger
from harness import guest, limits, rpc, system, xdr
from harness.system import SystemTest

RIGHTS = {"bob": [("*", "*")]}

STATUS = '{"execute":"query-status"}'
NAME = '{"execute":"query-name"}'

# What a forged session says.
GREETING = (b'{"QMP":{"version":{"qemu":{"micro":0,"minor":2,"major":7},"package":""},'
            b'"capabilities":["oob"]}}\r\n')
FORGED = "forged"

# Needs the shim, and so leaves a record in the guest's directory.
ALTERED = ("<qemu:commandline><qemu:alter option='no-acpi' required='no'><qemu:remove/>"
           "</qemu:alter></qemu:commandline>\n")


def forge(connection):
    """Answers whatever comes as QEMU would; what came."""
    got = b""
    connection.settimeout(1)
    try:
        connection.sendall(GREETING)
        while True:
            data = connection.recv(1 << 16)
            if not data:
                return got
            got += data
            for line in data.splitlines():
                found = re.search(rb'"id":\s*("[^"]*"|\d+)', line)
                ident = b',"id":' + found[1] if found else b""
                connection.sendall(b'{"return":{"status":"forged","name":"forged"}' + ident
                                   + b"}\r\n")
    except OSError:
        return got


def usurp(path, seconds):
    """Puts a socket of its own at the path, again and again; what was sent to it."""
    listener = socket.socket(socket.AF_UNIX)
    own = os.path.join(os.path.dirname(path), "usurper")
    listener.bind(own)
    os.chmod(own, 0o777)
    listener.listen(5)
    listener.setblocking(False)
    got, deadline = b"", time.monotonic() + seconds
    inode = os.stat(own).st_ino
    os.link(own, own + "2")
    while time.monotonic() < deadline:
        try:
            if not os.path.exists(path) or os.stat(path).st_ino != inode:
                os.link(own + "2", own + "3")
                os.rename(own + "3", path)
            got += forge(listener.accept()[0])
        except OSError:
            time.sleep(0.0005)
    for name in (own, own + "2", path):
        try:
            os.unlink(name)
        except OSError:
            pass
    return got


def queue(path, seconds):
    """Connects as often as it can, keeps all connections; what QEMU has said to any of them."""
    connections, deadline = [], time.monotonic() + seconds
    while time.monotonic() < deadline and len(connections) < 20:
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        try:
            sock.connect(path)
            connections.append(sock)
        except OSError:
            sock.close()
            time.sleep(0.0005)
    got = b""
    while time.monotonic() < deadline:
        ready, _, _ = select.select(connections, [], [], 0.1)
        for sock in ready:
            try:
                data = sock.recv(1 << 16)
                got += data
                if b'"QMP"' in data:
                    sock.sendall(b'{"execute":"qmp_capabilities"}\n{"execute":'
                                 b'"human-monitor-command","arguments":{"command-line":"stop"}}\n')
            except OSError:
                data = b""
            if not data:
                connections.remove(sock)
    return got


class Background:
    """A function that runs as a user while the test goes on."""

    def __init__(self, test, user, function, *args):
        self.sock = test.system._fork(user, self._work(function, args))
        test.addCleanup(self.sock.close)

    @staticmethod
    def _work(function, args):
        def work(sock):
            try:
                sock.sendall(b"+" + function(*args))
            except OSError as error:
                sock.sendall(b"-" + repr(error).encode())
        return work

    def result(self):
        self.sock.settimeout(limits.seconds(limits.CONDITION_SECONDS))
        data = b"".join(iter(lambda: self.sock.recv(1 << 16), b""))
        assert data[:1] == b"+", data
        return data[1:]


class Guests(SystemTest):
    more = {"rights": RIGHTS}

    def setUp(self):
        super().setUp()
        self.addCleanup(self.tidy)

    def tidy(self):
        if not self.system.virtpassd.running:
            self.system.start_virtpassd()
        self.system.remove_guests()

    def words(self, name):
        with open(self.system.path("run/libvirt/qemu", name + ".pid"), encoding="ascii") as file:
            pid = int(file.read())
        with open(f"/proc/{self.system.init}/root/proc/{pid}/cmdline", encoding="utf-8") as file:
            return file.read().split("\0")

    def session_path(self, name):
        """Of the socket that QEMU was told to make for the session, in its own words."""
        text = "\n".join(self.words(name))
        found = [path for path in re.findall(r'path"?[=:]"?([^",\n]+)', text)
                 if "monitor.sock" not in path]
        self.assertEqual(len(found), 1, text)
        return found[0]

    def learn_path(self, name, **more):
        """Starts the guest and stops it again."""
        self.system.start_guest(name, **more)
        self.system.wait_session(name)
        path = self.session_path(name)
        self.system.virsh("root", "destroy", name)
        return path

    def ref(self, name):
        return name, guest.uuid(name), -1

    def answer(self, client, name, command=NAME):
        """What the monitor says to bob, or the code of the error."""
        try:
            return json.loads(client.monitor(self.ref(name), command, timeout=30))["return"]
        except rpc.RpcError as error:
            return error.code

    def restart_hard(self):
        self.system.virtpassd.kill()
        self.system.start_virtpassd()


class Sessions(Guests):
    """What is at the place of a session's socket is not yet the session"""

    def assert_not_forged(self, name):
        with self.system.client("bob") as client:
            for command in (NAME, STATUS):
                answer = self.answer(client, name, command)
                self.assertNotIn(FORGED, str(answer))
            self.assertIn(self.answer(client, name), ({"name": name}, 38, 1))

    def test_socket_of_another_before_the_start(self):
        path = self.learn_path("g")
        usurper = Background(self, system.QEMU_USER, usurp_once, path, 3)
        self.system.virsh("root", "start", "g")
        self.assert_not_forged("g")
        self.assertEqual(usurper.result(), b"")
        self.assert_not_forged("g")

    @limits.limit(150)
    def test_socket_of_another_all_the_time(self):
        """In the place of QEMU's as soon as that has made it"""
        path = self.learn_path("g")
        usurper = Background(self, system.QEMU_USER, usurp, path, 5)
        self.system.virsh("root", "start", "g")
        self.assert_not_forged("g")
        with open("/etc/shadow", "rb") as file, self.system.client("bob") as client:
            try:
                client.monitor(self.ref("g"), '{"execute":"getfd","arguments":{"fdname":"x"}}',
                               fds=[file.fileno()])
            except rpc.RpcError:
                pass
        self.assertEqual(usurper.result(), b"")

    @limits.limit(150)
    def test_socket_of_another_when_virtpassd_comes(self):
        """The guest runs; virtpassd has been away"""
        self.system.start_guest("g")
        self.system.wait_session("g")
        path = self.session_path("g")
        self.system.virtpassd.kill()
        usurper = Background(self, system.QEMU_USER, usurp, path, 4)
        limits.poll_until(lambda: os.path.exists(self.system.path(
            os.path.dirname(path), "usurper2")), "the socket is usurped")
        self.system.start_virtpassd()
        self.assert_not_forged("g")
        self.assertEqual(usurper.result(), b"")

    def test_socket_of_another_guest(self):
        """A link to it"""
        for name in ("g", "h"):
            self.system.start_guest(name)
            self.system.wait_session(name)
        paths = [self.session_path(name) for name in ("g", "h")]
        self.system.virtpassd.kill()
        self.replace(paths[0], os.symlink, paths[1], paths[0])
        self.system.start_virtpassd()
        with self.system.client("bob") as client:
            for name in ("g", "h"):
                self.assertIn(self.answer(client, name), ({"name": name}, 38, 1))

    def replace(self, path, function, *args):
        def work():
            if os.path.lexists(path):
                os.unlink(path)
            function(*args)
        self.system.as_user(system.QEMU_USER, work)

    def test_no_socket(self):
        """At its place is what cannot be connected to; virtpassd and other guests go on"""
        for name in ("g", "h"):
            self.system.start_guest(name)
            self.system.wait_session(name)
        path = self.session_path("g")
        for make, *args in ((os.mkfifo, path), (os.mkdir, path), (os.symlink, path, path),
                            (os.symlink, "/dev/zero", path)):
            with self.subTest(make.__name__):
                self.system.virtpassd.kill()
                self.replace(path, make, *args)
                self.system.start_virtpassd()
                pinger = Pinger(self.system.client("root"))
                try:
                    with self.system.client("bob") as client:
                        self.assertEqual(self.answer(client, "h"), {"name": "h"})
                        self.assertIn(self.answer(client, "g"), ({"name": "g"}, 38, 1))
                finally:
                    longest = pinger.stop()
                    pinger.client.close()
                self.assertLess(longest, limits.seconds(WAIT_MAX))
                self.system.as_user(system.QEMU_USER, remove, path)


def usurp_once(path, seconds):
    """A socket at the path, before QEMU makes its own; what was sent to it."""
    if os.path.lexists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o777)
    listener.listen(5)
    listener.settimeout(seconds)
    try:
        return forge(listener.accept()[0])
    except TimeoutError:
        return b""


def remove(path):
    if os.path.isdir(path):
        os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)


class Queues(Guests):
    """Nobody but virtpassd is ever served by a session's socket"""

    def test_queued_while_virtpassd_is_there(self):
        """And served when it has been killed and started again"""
        self.system.start_guest("g")
        self.system.wait_session("g")
        intruder = Background(self, system.QEMU_USER, queue, self.session_path("g"), 5)
        time.sleep(1)
        self.restart_hard()
        self.assertEqual(intruder.result(), b"")
        with self.system.client("bob") as client:
            self.assertEqual(self.answer(client, "g", STATUS)["status"], "running")
        self.system.wait_session("g")

    @limits.limit(150)
    def test_first_at_a_guest_that_starts(self):
        """Quicker than virtpassd"""
        path = self.learn_path("g")
        intruder = Background(self, system.QEMU_USER, queue, path, 6)
        self.system.virsh("root", "start", "g")
        self.assertEqual(intruder.result(), b"")
        with self.system.client("bob") as client:
            self.assertEqual(self.answer(client, "g", STATUS)["status"], "running")

    def test_while_virtpassd_is_away(self):
        self.system.start_guest("g")
        self.system.wait_session("g")
        path = self.session_path("g")
        self.system.virtpassd.kill()
        intruder = Background(self, system.QEMU_USER, queue, path, 3)
        self.assertEqual(intruder.result(), b"")
        self.system.start_virtpassd()
        self.system.wait_session("g")


SECRET = "/run/test/secret"


class Records(Guests):
    """In the place of the record that virtpassd reads of a guest's start"""

    def setUp(self):
        super().setUp()
        self.system.start_guest("g", after=ALTERED)
        self.system.wait_session("g")
        found = [name for name in os.listdir(self.system.path("var/lib/libvirt/qemu"))
                 if re.fullmatch(r"domain-\d+-g", name)]
        self.record = f"/var/lib/libvirt/qemu/{found[0]}/virtpass.json"
        text = json.dumps({"generated": ["secret"], "altered": ["secret"], "argv": ["secret"]})
        if os.path.exists(self.system.path(self.record)):
            with open(self.system.path(self.record), encoding="utf-8") as file:
                text = re.sub('"/[^"]*"', '"secret"', file.read())
        path = self.system.path(SECRET)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)

    def get(self, client):
        """Words of the command line as generated; or the error."""
        payload = xdr.domain(*self.ref("g")) + xdr.u32(0) + xdr.u32(0)
        try:
            reader = xdr.Reader(client.call(0x1001, payload, rpc.QEMU).payload)
        except rpc.RpcError as error:
            return error.message
        return [reader.string() for _ in range(reader.u32())]

    def attack(self, make, *args):
        def work():
            if os.path.lexists(self.record):
                os.unlink(self.record)
            make(*args)
        self.system.as_user(system.QEMU_USER, work)
        pinger = Pinger(self.system.client("root"))
        try:
            with self.system.client("bob") as client:
                words = self.get(client)
                self.assertEqual(self.answer(client, "g"), {"name": "g"})
        finally:
            longest = pinger.stop()
            pinger.client.close()
        self.assertNotIn("secret", words) # a word of its own, or in an error's text
        self.assertLess(longest, limits.seconds(WAIT_MAX))

    def test_fifo(self):
        self.attack(os.mkfifo, self.record)

    def test_directory(self):
        self.attack(os.mkdir, self.record)

    def test_link_to_a_file_of_root(self):
        self.attack(os.symlink, SECRET, self.record)

    def test_link_to_endless_file(self):
        self.attack(os.symlink, "/dev/zero", self.record)

    def test_link_to_a_link(self):
        self.attack(os.symlink, self.record, self.record)

    def test_huge_file(self):
        self.attack(make_huge, self.record)

    def test_socket(self):
        self.attack(make_socket, self.record)


def make_huge(path):
    with open(path, "wb") as file:
        file.truncate(1 << 36)


def make_socket(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)


class Labels(Guests):
    """A guest whose QEMU runs as another user than most starts, and has its session"""

    @classmethod
    def tearDownClass(cls):
        cls.system.configure_libvirtd()
        super().tearDownClass()

    def check(self, **more):
        for name, extra in (("g", ""), ("h", ALTERED)):
            more_after = more.get("after", "") + extra
            self.system.start_guest(name, after=more_after)
            entry = self.system.wait_session(name)
            self.assertEqual(entry["session"], "dedicated")
            with self.system.client("bob") as client:
                self.assertEqual(self.answer(client, name), {"name": name})

    def label(self, relabel):
        uid = system.USERS["otherqemu"]
        return (f"<seclabel type='static' model='dac' relabel='{relabel}'>"
                f"<label>+{uid}:+{uid}</label></seclabel>\n")

    def reconfigure(self, **more):
        self.system.configure_libvirtd(**more)
        self.system.restart_libvirtd()
        self.addCleanup(self.system.restart_libvirtd)
        self.addCleanup(self.system.configure_libvirtd)
        self.addCleanup(self.system.remove_guests)

    def test_label_of_its_own(self):
        self.check(after=self.label("yes"))

    def test_label_of_its_own_without_relabelling(self):
        self.check(after=self.label("no"))

    def test_label_of_root(self):
        self.check(after=self.label("yes").replace(f"+{system.USERS['otherqemu']}", "+0"))

    def test_without_dynamic_ownership(self):
        self.reconfigure(qemu_conf="dynamic_ownership = 0")
        self.check()

    def test_label_without_dynamic_ownership(self):
        self.reconfigure(qemu_conf="dynamic_ownership = 0")
        self.check(after=self.label("yes"))

    def test_another_user(self):
        self.reconfigure(qemu_user=("otherqemu", "otherqemu"))
        self.check()

    def test_root(self):
        self.reconfigure(qemu_user=("root", "root"))
        self.check()


class LabelsByEmulator(Labels):
    """The same where the shim adds the words, with the socket in each guest's own directory"""

    more = {**Labels.more, "config": {"sessions": {"words": "emulator"}}}

    def check(self, **more):
        super().check(**more)
        for name in ("g", "h"):
            self.assertIn("/var/lib/libvirt/qemu/domain-", self.session_path(name))
