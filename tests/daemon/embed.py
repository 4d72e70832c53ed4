# SPDX-License-Identifier: LGPL-2.1-or-later
"""--embed DIR: a private libvirtd with all of its state below one directory."""

import os
import pwd
import shutil
import signal
import subprocess
import unittest

from harness import guest, leaks, limits, proctree, rpc
from harness.libvirtd import virsh
from harness.process import Process, base_environment, sanitizer_report
from harness.scripted import USER
from harness.virtpassd import program

STATUS = '{"execute":"query-status"}'


class Embed(unittest.TestCase):
    """As whoever runs the tests."""

    who = {}

    def setUp(self):
        program("VIRTPASSD")
        self.base = os.path.join(leaks.root(), "b")
        os.mkdir(self.base, 0o711)
        self.addCleanup(shutil.rmtree, self.base)
        self.dir = os.path.join(self.base, "e")
        self.sock = os.path.join(self.dir, "virtpassd-sock")
        self.uri = "qemu+unix:///session?socket=" + self.sock
        self.log = os.path.join(leaks.root(), "e.log")
        self.addCleanup(lambda: os.path.exists(self.log) and os.unlink(self.log))
        self.environment = base_environment(HOME=self.base)
        self.process = None
        self.addCleanup(self.end_everything)
        if self.who:
            os.chown(self.base, self.who["user"], self.who["group"])
        self.prefill_cache()

    def prefill_cache(self):
        """What libvirtd found out about QEMU before; it checks by itself whether it holds."""
        common = os.environ.get("VIRTPASS_TEST_CACHE")
        if not common or not os.path.isdir(common):
            return
        shutil.copytree(common, os.path.join(self.dir, "cache/libvirt/qemu/cache/capabilities"))
        for directory, _, files in os.walk(self.dir) if self.who else ():
            for path in (directory, *(os.path.join(directory, name) for name in files)):
                os.chown(path, self.who["user"], self.who["group"])

    def describe_failure(self):
        words = [self.process.log_text() if self.process else ""]
        for directory, _, files in os.walk(self.dir):
            for name in files:
                if name == "libvirtd.log":
                    with open(os.path.join(directory, name), encoding="utf-8") as file:
                        words.append(file.read()[-3000:])
        return "\n".join(words)

    # -- life ---------------------------------------------------------------

    def start(self, *options):
        self.process = Process([program("VIRTPASSD"), "--embed", self.dir, *options], self.log,
                               env=self.environment, **self.who)
        limits.poll_until(self.answers, "it serves")

    def answers(self):
        assert self.process.running, self.process.log_text()
        try:
            with rpc.Client(self.sock, "qemu:///session") as client:
                return client.type() == "QEMU"
        except (OSError, rpc.Closed, rpc.RpcError):
            return False

    def stop(self):
        code = self.process.stop()
        self.assertEqual(sanitizer_report(self.process.log_text()), "")
        self.assertEqual(code, 0, self.process.log_text())

    def end_everything(self):
        if self.process:
            self.process.kill()
        for pid in self.processes():
            proctree.kill(pid)
        limits.poll_until(lambda: not self.processes(), "everything below the directory has ended")

    def processes(self, word=""):
        """Pids of libvirtd and QEMU that have this directory in their words or environment."""
        found = []
        for pid in proctree.descendants(leaks.supervisor()):
            line = proctree.command_line(pid)
            if self.process and pid == self.process.pid:
                continue
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    about = line + file.read().decode(errors="replace")
            except OSError:
                continue
            if self.dir + "/" in about and word in line:
                found.append(pid)
        return found

    def virsh(self, *args):
        return virsh(self.uri, *args, env=self.environment)

    def start_guest(self):
        path = os.path.join(self.base, "g.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(guest.domain("g"))
        self.virsh("define", path)
        self.virsh("start", "g")

    def dedicated(self):
        reply = self.virsh("qemu-monitor-command", "g", STATUS)
        self.assertIn("running", reply)
        self.assertNotIn("libvirt-", reply)

    # -- tests --------------------------------------------------------------

    @limits.limit(90)
    def test_guest_and_end(self):
        """Everything works over DIR/virtpassd-sock, and ends with virtpassd"""
        self.start()
        self.start_guest()
        self.dedicated()
        self.assertEqual(len(self.processes("guest=g")), 1)
        self.assertTrue(self.processes("libvirtd"))
        self.stop()
        limits.poll_until(lambda: not self.processes(), lambda: f"left: {self.processes()}")
        self.assertFalse(os.path.exists(self.sock))

    @limits.limit(90)
    def test_all_state_is_below_the_directory(self):
        self.start()
        self.start_guest()
        self.stop()
        outside = [name for name in os.listdir(self.base) if name not in ("e", "g.xml")]
        self.assertEqual(outside, [])
        self.start()
        self.assertEqual(self.virsh("list", "--all", "--name").split(), ["g"])
        self.virsh("start", "g")
        self.dedicated()
        self.stop()

    @limits.limit(90)
    def test_keep_guests(self):
        """They outlive it and are found again"""
        self.start("--keep-guests")
        self.start_guest()
        qemu = self.processes("guest=g")
        self.stop()
        limits.poll_until(lambda: self.processes() == qemu, "the guest alone is left")
        self.start()
        self.assertEqual(self.virsh("list", "--name").split(), ["g"])
        self.dedicated()
        self.stop()
        limits.poll_until(lambda: not self.processes(), "the guest has ended too")

    @limits.limit(90)
    def test_killed(self):
        """kill -9: the guest goes on, libvirtd does not, and the next start finds the guest"""
        self.start()
        self.start_guest()
        qemu = self.processes("guest=g")
        self.process.kill()
        limits.poll_until(lambda: self.processes() == qemu, "the guest alone is left")
        self.start()
        self.assertEqual(self.virsh("list", "--name").split(), ["g"])
        self.dedicated()
        self.assertEqual(self.processes("guest=g"), qemu)
        self.stop()

    @limits.limit(90)
    def test_libvirtd_is_supervised(self):
        """Killed, it is started again; guests and sessions do not notice"""
        self.start()
        self.start_guest()
        self.dedicated()
        before = [pid for pid in self.processes("libvirtd") if pid not in self.processes("guest=g")]
        os.kill(before[0], signal.SIGKILL)
        limits.poll_until(lambda: not proctree.alive(before[0]), "libvirtd is gone")
        limits.poll_until(self.answers, "it serves again")
        self.dedicated()
        self.stop()

    def test_second_instance_in_the_same_directory(self):
        self.start()
        result = subprocess.run([program("VIRTPASSD"), "--embed", self.dir], check=False, text=True,
                                stderr=subprocess.PIPE, env=self.environment, **self.who,
                                timeout=limits.seconds(30))
        self.assertEqual(result.returncode, 1)
        self.assertIn(self.dir, result.stderr)
        self.assertTrue(self.answers())
        self.stop()

    def test_directory_whose_sockets_would_be_too_long(self):
        """Said at once, with the path, instead of failing at the first guest"""
        long = os.path.join(self.base, "x" * 80)
        result = subprocess.run([program("VIRTPASSD"), "--embed", long], check=False, text=True,
                                stderr=subprocess.PIPE, env=self.environment, **self.who,
                                timeout=limits.seconds(30))
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(long, result.stderr)


@unittest.skipUnless(os.geteuid() == 0, "the tests run as an ordinary user anyway")
class EmbedAsOrdinaryUser(Embed):
    def setUp(self):
        entry = pwd.getpwnam(USER)
        self.who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        try:
            subprocess.run([program("VIRTPASSD"), "--version"], check=True, **self.who,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except (PermissionError, subprocess.CalledProcessError):
            self.skipTest(f"{USER} cannot run {program('VIRTPASSD')} where it lies")
        super().setUp()
