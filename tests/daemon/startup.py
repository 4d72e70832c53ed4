# SPDX-License-Identifier: LGPL-2.1-or-later
"""The process itself: sockets, configuration, signals, service manager."""

import grp
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import unittest

from harness import leaks, limits, rpc, upstream
from harness.process import Process, base_environment, run
from harness.scripted import USER, Scripted
from harness.virtpassd import NotifySocket, Virtpassd, program

def listening(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen(8)
    return sock


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.dir = os.path.join(leaks.root(), "x")
        os.mkdir(self.dir)
        self.addCleanup(shutil.rmtree, self.dir)

    def virtpassd(self, *args, environment=None):
        return run([program("VIRTPASSD"), *args], env=environment)

    def write(self, text):
        path = os.path.join(self.dir, "x.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def check(self, text):
        return self.virtpassd("--check-config", "--shim", program("VIRTPASS_EMULATOR"),
                              "--config", self.write(text))

    def test_help_and_version(self):
        for option, word in (("--help", "--upstream"), ("--version", "virtpassd")):
            result = self.virtpassd(option)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(word, result.stdout)

    def test_wrong_usage(self):
        for args in (["--nonsense"], ["argument"], ["--upstream"], ["--keep-guests"],
                     ["--log-level", "loud"], ["--embed", "/x", "--upstream", "/y"]):
            with self.subTest(args=args):
                result = self.virtpassd(*args)
                self.assertEqual(result.returncode, 2)
                self.assertIn(args[0].lstrip("-"), result.stderr)

    def test_good_configuration(self):
        for text in ("", "# only words\n", "[sessions]\ndedicated_sessions=requested\n",
                     "[listen]\nunix_sock_rw_perms = 0770\nunix_sock_ro_perms=0777\n",
                     "[limits]\nmax_clients = 1\n[log]\nlevel = debug\n"):
            with self.subTest(text=text):
                result = self.check(text)
                self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_wrong_configuration(self):
        """The message names file, key and value"""
        for text, *words in (
                ("[sessions]\ndedicated_sessions = some\n", "dedicated_sessions", "some", "all"),
                ("[sessions]\ndedicated_session = all\n", "dedicated_session"),
                ("[session]\nx = y\n", "session"),
                ("[listen]\nunix_sock_rw_perms = 9\n", "unix_sock_rw_perms", "9"),
                ("[listen]\nunix_sock_rw_perms = 01777\n", "unix_sock_rw_perms", "01777"),
                ("[listen]\nunix_sock_group = no-such-group\n", "unix_sock_group", "no-such-group"),
                ("[limits]\nmax_clients = 0\n", "max_clients", "0"),
                ("[limits]\nmax_clients = 1000001\n", "max_clients", "1000001"),
                ("[limits]\nmax_clients = many\n", "max_clients", "many"),
                ("[log]\nlevel = loud\n", "level", "loud", "debug"),
                ("no section\n", "x.conf"),
                ("[log\n", "x.conf")):
            with self.subTest(text=text):
                result = self.check(text)
                self.assertEqual(result.returncode, 2)
                for word in ("x.conf", *words):
                    self.assertIn(word, result.stderr)

    def test_missing_file_that_was_named(self):
        result = self.virtpassd("--check-config", "--config", "/nonexistent/file")
        self.assertEqual(result.returncode, 2)
        self.assertIn("/nonexistent/file", result.stderr)

    def test_wrong_configuration_is_not_served(self):
        result = self.virtpassd("--config", self.write("[log]\nlevel = loud\n"), "--session",
                                environment=base_environment(HOME=self.dir,
                                                             XDG_RUNTIME_DIR=self.dir))
        self.assertEqual(result.returncode, 2)


class Sockets(Scripted):
    def another(self, name="vq"):
        """A second instance with its own directory, unless told otherwise."""
        other = Virtpassd(self.upstream.path, name, options=["--session"])
        self.addCleanup(other.stop)
        return other

    def test_second_instance_is_refused(self):
        """Same sockets: it says so and ends, the first one is not disturbed"""
        client = self.client()
        other = self.another()
        argv = self.virtpassd.argv()
        result = run(argv)
        self.assertEqual(result.returncode, 1)
        self.assertIn(self.virtpassd.dir, result.stderr)
        self.works(client)
        self.works(self.client())
        other.start()
        self.works(self.client(path=other.sock))

    def test_stale_sockets_are_replaced(self):
        self.virtpassd.kill()
        for path in (self.virtpassd.sock, self.virtpassd.sock_ro):
            self.assertTrue(stat.S_ISSOCK(os.stat(path).st_mode))
        self.virtpassd.start()
        self.works(self.client())
        self.works(self.client(path=self.virtpassd.sock_ro))

    def test_modes(self):
        """As upstream's, but the read-write one never for others; or as configured"""
        other = self.another()
        for config, rw in (({}, 0o660), ({"listen": {"unix_sock_rw_perms": "0700"}}, 0o700)):
            other.configure(config)
            other.start()
            self.assertEqual(os.stat(other.sock).st_mode & 0o777, rw)
            other.end()

    @unittest.skipUnless(os.geteuid() == 0, "only root may give a socket to any group")
    def test_group(self):
        other = self.another()
        other.configure({"listen": {"unix_sock_group": "daemon"}})
        other.start()
        self.assertEqual(os.stat(other.sock).st_gid, grp.getgrnam("daemon").gr_gid)

    def activated(self, names, before=lambda path: None):
        """An instance that got these sockets from a service manager. before: is called with the
        first path when the sockets are there and the daemon is not."""
        other = self.another()
        socks = [listening(os.path.join(self.dir, name)) for name in names]
        for sock in socks:
            self.addCleanup(sock.close)
        before(os.path.join(self.dir, names[0]))
        other.passed = socks
        other.start()
        return other

    def test_socket_activation(self):
        """Serves what it was given, makes nothing of its own and leaves the sockets alone"""
        names = ("virtpassd-sock", "virtpassd-sock-ro")
        paths = [os.path.join(self.dir, name) for name in names]
        other = self.activated(names)
        self.works(self.client(path=paths[0]))
        self.works(self.client(path=paths[1]))
        self.assertEqual(self.peer_of(self.client(path=paths[0])).flags & 1, 0)
        self.assertEqual(self.peer_of(self.client(path=paths[1])).flags & 1, 1)
        self.assertFalse(os.path.exists(other.sock))
        other.end()
        self.assertTrue(all(os.path.exists(path) for path in paths))

    def test_activation_by_one_socket(self):
        self.activated(("virtpassd-sock",))
        self.works(self.client(path=os.path.join(self.dir, "virtpassd-sock")))

    def test_client_that_came_before_the_daemon(self):
        """It waits in the queue of the socket that the service manager made"""
        early = []

        def come(path):
            early.append(rpc.Client(path))
            self.addCleanup(early[0].close)
            early[0].post(rpc.AUTH_LIST, serial=77)
        self.activated(("virtpassd-sock",), come)
        self.assertEqual(early[0].recv().serial, 77)


class Signals(Scripted):
    def test_sigterm(self):
        """Ends with 0, its sockets are gone, clients and libvirtd see the end"""
        domain, server = self.guest("g")
        self.virtpassd.wait_session("g")
        server.script.held = ("wait",)
        client = self.client()
        client.post_monitor(self.ref(domain), '{"execute":"wait"}')
        server.wait_command("wait")
        peer = self.peer_of(client)
        self.virtpassd.end()
        self.assertTrue(client.at_end() or client.recv().status == rpc.ERROR)
        limits.poll_until(peer.closed.is_set, "libvirtd sees the end")
        limits.poll_until(lambda: not server.peer, "QEMU sees the end")

    def test_sigint(self):
        self.virtpassd.process.signal(signal.SIGINT)
        self.assertEqual(self.virtpassd.process.wait(), 0)
        self.assertFalse(os.path.exists(self.virtpassd.sock))

    def test_sigpipe(self):
        """Is nothing to die of"""
        self.virtpassd.process.signal(signal.SIGPIPE)
        self.works(self.client())

    def reload(self, config):
        self.virtpassd.process.mark_log()
        self.virtpassd.configure(config)
        self.virtpassd.process.signal(signal.SIGHUP)

    def logged(self, word):
        limits.poll_until(lambda: word in self.virtpassd.process.log_since_mark(10000),
                          f"{word} in the log")

    def test_sighup(self):
        """What can change changes, and connected clients stay"""
        client = self.client()
        self.reload({"log": {"level": "debug"}})
        self.logged("reloaded")
        self.works(client)
        self.logged("CONNECT_GET_TYPE")
        self.reload({"log": {"level": "error"}})
        self.works(client)
        self.reload({"log": {"level": "debug"}})
        self.logged("reloaded")
        self.works(client)

    def test_sighup_with_a_wrong_file(self):
        """Named in the log; what was, goes on"""
        client = self.client()
        self.reload({"log": {"level": "deafening"}})
        self.logged("deafening")
        self.works(client)
        self.works(self.client())
        self.reload({})
        self.logged("reloaded")

    def test_debug_names_procedures(self):
        self.reload({"log": {"level": "debug"}})
        self.logged("reloaded")
        client = self.client()
        client.error(7777)
        self.logged("CONNECT_OPEN")
        self.logged("7777")


class Manager(Scripted):
    def test_what_the_service_manager_is_told(self):
        """READY, then RELOADING and READY around a reload, and STOPPING at the end"""
        self.virtpassd.end()
        notify = NotifySocket(os.path.join(self.dir, "notify"))
        self.addCleanup(notify.close)
        process = Process(self.virtpassd.argv(), self.virtpassd.path("virtpassd.log"),
                          env=base_environment(NOTIFY_SOCKET=notify.path, HOME=self.dir))
        self.addCleanup(process.kill)
        limits.poll_until(lambda: notify.said("READY=1"), "READY=1")
        self.works(self.client())
        notify.words.clear()
        process.signal(signal.SIGHUP)
        limits.poll_until(lambda: notify.said("READY=1"), "READY=1 again")
        self.assertLess(notify.words.index("RELOADING=1"), notify.words.index("READY=1"))
        process.signal(signal.SIGTERM)
        limits.poll_until(lambda: notify.said("STOPPING=1"), "STOPPING=1")
        self.assertEqual(process.wait(), 0)


class MaxClients(Scripted):
    config = {"limits": {"max_clients": "3"}}

    def test_limit(self):
        """The fourth waits until one of three leaves"""
        clients = [self.client() for _ in range(3)]
        fourth = rpc.Client(self.virtpassd.sock)
        self.addCleanup(fourth.close)
        call = fourth.post(rpc.AUTH_LIST)
        with self.assertRaises(TimeoutError):
            fourth.recv(timeout=limits.ABSENCE_SECONDS)
        for client in clients:
            self.works(client)
        clients[0].close()
        fourth.reply(call)
        fourth.open()
        self.works(fourth)


class Absent(Scripted):
    """libvirtd is not there when virtpassd starts."""

    def prepare(self):
        self.upstream.stop()

    def test_clients_are_told_and_served_later(self):
        client = rpc.Client(self.virtpassd.sock)
        self.addCleanup(client.close)
        with self.assertRaises(rpc.RpcError) as caught:
            client.auth()
        self.assertIn(self.upstream.path, caught.exception.message)
        self.upstream.listen()
        self.works(self.client())
        domain, _ = self.guest("g")
        self.virtpassd.wait_session("g")
        self.assertEqual(self.client().domains()[0][:2], (domain.name, domain.uuid))


class Busy(Scripted):
    def test_many_connections(self):
        """Three hundred at once, and none is kept afterwards"""
        limits.poll_until(self.upstream.open_peers, "virtpassd's own connection")
        before = self.virtpassd.descriptors()
        clients = [rpc.Client(self.virtpassd.sock, "qemu:///session") for _ in range(300)]
        for client in clients:
            self.works(client)
        for client in clients:
            client.close()
        limits.poll_until(lambda: self.virtpassd.descriptors() <= before, "all are gone")
        limits.poll_until(lambda: len(self.upstream.open_peers()) <= 1, "upstream too")

    def test_connections_that_say_nothing(self):
        """Opened and closed without a word"""
        limits.poll_until(self.upstream.open_peers, "virtpassd's own connection")
        before = self.virtpassd.descriptors()
        for _ in range(200):
            rpc.dial(self.virtpassd.sock).close()
        self.works(self.client())
        limits.poll_until(lambda: self.virtpassd.descriptors() <= before + 2, "all are gone")


def can_run_as(user):
    """Whether this user can execute our program where it lies."""
    entry = pwd.getpwnam(user)
    return subprocess.run([program("VIRTPASSD"), "--version"], user=entry.pw_uid,
                          group=entry.pw_gid, extra_groups=[], check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env=base_environment()).returncode == 0


class OrdinaryUser(unittest.TestCase):
    """Run as an ordinary user, in session mode, with nothing on the command line."""

    def setUp(self):
        program("VIRTPASSD")
        self.dir = os.path.join(leaks.root(), "u")
        os.mkdir(self.dir, 0o700)
        self.addCleanup(shutil.rmtree, self.dir)
        self.who = {}
        if os.geteuid() == 0:
            try:
                allowed = can_run_as(USER)
            except PermissionError:
                allowed = False
            if not allowed:
                self.skipTest(f"{USER} cannot reach {program('VIRTPASSD')}")
            entry = pwd.getpwnam(USER)
            self.who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            os.chown(self.dir, entry.pw_uid, entry.pw_gid)
        self.environment = base_environment(
            HOME=self.dir, XDG_RUNTIME_DIR=self.dir + "/r", XDG_CONFIG_HOME=self.dir + "/c",
            XDG_CACHE_HOME=self.dir + "/k", XDG_DATA_HOME=self.dir + "/d")
        self.directory("r")

    def directory(self, name):
        path = os.path.join(self.dir, name)
        os.mkdir(path, 0o700)
        if self.who:
            os.chown(path, self.who["user"], self.who["group"])

    def upstream(self, name):
        """A libvirtd of this user's."""
        if not os.path.exists(self.dir + "/r/libvirt"):
            self.directory("r/libvirt")
        server = upstream.Upstream(f"{self.dir}/r/libvirt/{name}")
        self.addCleanup(server.close)
        if self.who:
            os.chown(server.path, self.who["user"], self.who["group"])
        return server

    def start(self):
        process = Process([program("VIRTPASSD")], os.path.join(leaks.root(), "u.log"),
                          env=self.environment, **self.who)
        self.addCleanup(os.unlink, os.path.join(leaks.root(), "u.log"))
        self.addCleanup(process.kill)
        self.sock = self.dir + "/r/virtpassd/virtpassd-sock"
        limits.poll_until(lambda: self.listens() or not process.running, "the socket is there")
        self.assertTrue(process.running, process.log_text())
        return process

    def listens(self):
        """Between bind() and listen() there is a socket already that refuses."""
        try:
            rpc.dial(self.sock).close()
        except OSError:
            return False
        return True

    def test_default_places(self):
        """In front of the user's libvirtd, below XDG_RUNTIME_DIR"""
        self.upstream("libvirt-sock")
        process = self.start()
        with rpc.Client(self.sock, "qemu:///session") as client:
            self.assertEqual(client.type(), "QEMU")
        self.assertEqual(process.stop(), 0)
        self.assertFalse(os.path.exists(self.sock))

    def test_virtqemud_is_preferred(self):
        self.upstream("libvirt-sock")
        server = self.upstream("virtqemud-sock")
        self.start()
        with rpc.Client(self.sock, "qemu:///session") as client:
            client.error(7654)
        server.wait_call(rpc.REMOTE, 7654)

    def test_upstream_of_a_group_that_is_not_ours(self):
        """No group gets in then: ours would be another one than libvirtd lets in"""
        if not self.who:
            self.skipTest("only root can make a file of a group that is not its user's")
        server = self.upstream("libvirt-sock")
        os.chown(server.path, self.who["user"], 0)
        os.chmod(server.path, 0o770)
        self.start()
        with rpc.Client(self.sock, "qemu:///session") as client:
            self.assertEqual(client.type(), "QEMU")
        status = os.stat(self.sock)
        self.assertEqual((status.st_gid, status.st_mode & 0o777), (self.who["group"], 0o700))

    def test_starts_libvirtd_as_libvirts_own_client_would(self):
        self.start()
        with rpc.Client(self.sock, "qemu:///session") as client:
            self.assertEqual(client.type(), "QEMU")
        self.assertTrue(os.path.exists(self.dir + "/r/libvirt/libvirt-sock"))
        self.addCleanup(self.end_libvirtd)

    def end_libvirtd(self):
        with open(self.dir + "/r/libvirt/libvirtd.pid", encoding="ascii") as file:
            pid = int(file.read())
        os.kill(pid, signal.SIGTERM)
        limits.poll_until(lambda: not os.path.exists(f"/proc/{pid}"), "libvirtd has ended")


class Trace(Scripted):
    options = ("--session", "--debug")

    def test_every_frame(self):
        """--debug: each frame with direction, name, serial and size"""
        client = self.client()
        self.works(client)
        lines = self.virtpassd.process.log_text()
        for name in ("AUTH_LIST", "CONNECT_OPEN", "CONNECT_GET_TYPE"):
            self.assertTrue(re.search(rf"[-=]>.*{name}", lines), name)
            self.assertTrue(re.search(rf"<[-=].*{name}", lines), name)
