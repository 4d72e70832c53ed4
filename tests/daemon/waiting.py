# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who can take a place in the queue of a guest's session, as the user that all QEMUs run as.

The guest's QEMU is a process of that user here, which takes one client at a time, and only when it
is told to; the attacker is another process of the same user.
"""

import json
import os
import pwd
import subprocess
import sys

from harness import guest, limits, upstream
from harness.scripted import USER, Scripted

STATUS = '{"execute":"query-status"}'

# A QEMU: notes itself as libvirt does, listens with QEMU's backlog, and says what it is told.
#     PID-FILE-DESCRIPTOR PATH
# Standard input: "accept" lets it take clients.
QEMU = """
import contextlib, fcntl, json, os, socket, sys

def say(client, message):
    with contextlib.suppress(OSError):
        client.sendall(json.dumps(message).encode() + b"\\r\\n")

note, path = int(sys.argv[1]), sys.argv[2]
os.ftruncate(note, 0)
os.write(note, b"%d\\n" % os.getpid())
fcntl.lockf(note, fcntl.LOCK_EX)
listener = socket.socket(socket.AF_UNIX)
os.umask(0o002)
listener.bind(path)
listener.listen(1)
print("listens", flush=True)
sys.stdin.readline()
while True:
    client = listener.accept()[0]
    say(client, {"QMP": {"version": {}, "capabilities": []}})
    data = b""
    while True:
        try:
            more = client.recv(65536)
        except OSError:
            more = b""
        if not more:
            break
        data += more
        while b"\\n" in data:
            line, data = data.split(b"\\n", 1)
            message = json.loads(line)
            print(message["execute"], flush=True)
            reply = {"return": {"running": True}}
            if "id" in message:
                reply["id"] = message["id"]
            say(client, reply)
"""

# Connects to the path it is given, sends a command and stays. Says how that went.
INTRUDER = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.setblocking(False)
try:
    sock.connect(sys.argv[1])
    sock.send(b'{"execute":"intruder"}\\n')
    print("in", flush=True)
except OSError as why:
    print(type(why).__name__, flush=True)
sys.stdin.readline()
"""


class Queue(Scripted):
    options = ()

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("only root can run processes as another user")
        self.user = pwd.getpwnam(USER)
        super().setUp()
        os.chown(self.virtpassd.session_dir, self.user.pw_uid, self.user.pw_gid)
        self.path = self.virtpassd.session_path(guest.uuid("g"))
        note = os.path.join(self.upstream.state_dir, "g.pid")
        self.note = os.open(note, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.addCleanup(os.close, self.note)
        self.qemu_process = self.run_as_user(QEMU, str(self.note), self.path)
        self.assertEqual(self.qemu_process.stdout.readline(), "listens\n")
        self.domain = self.upstream.add("g", self.session_xml("g"))
        self.domain.state_dir = None  # the pid file is there already

    def run_as_user(self, script, *args):
        process = subprocess.Popen([sys.executable, "-c", script, *args], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   user=self.user.pw_uid, group=self.user.pw_gid,
                                   extra_groups=[], pass_fds=[self.note])

        def stop():
            process.kill()
            process.communicate()
        self.addCleanup(stop)
        return process

    def intrude(self, path):
        process = self.run_as_user(INTRUDER, path)
        return process, process.stdout.readline().strip()

    def accept(self):
        print(file=self.qemu_process.stdin, flush=True)

    def start_guest(self):
        self.domain.id = 1
        self.upstream.lifecycle(self.domain, upstream.STARTED)

    def reason(self, part):
        limits.poll_until(
            lambda: part in self.virtpassd.sessions().get("g", {}).get("reason", ""), part)

    def retried(self):
        self.upstream.lifecycle(self.domain, upstream.RESUMED)

    def session_works(self):
        self.virtpassd.wait_session("g")
        reply = self.client().monitor(self.ref(self.domain), STATUS)
        self.assertEqual(json.loads(reply), {"return": {"running": True}})

    def test_closed_as_soon_as_it_is_ours(self):
        """By its name, by another one that was made before, and after the end of virtpassd"""
        link = self.virtpassd.session_dir + "/link"
        os.link(self.path, link)
        self.accept()
        self.start_guest()
        self.session_works()
        for end in (lambda: None, self.virtpassd.kill):
            end()
            for path in (self.path, link):
                self.assertEqual(self.intrude(path)[1], "PermissionError")
        self.virtpassd.start()
        self.session_works()

    def test_somebody_waits_in_the_queue(self):
        """No client is served while he does, and his place is not made free for him by us"""
        intruder, how = self.intrude(self.path)
        self.assertEqual(how, "in")
        self.start_guest()
        self.reason("wait at")
        self.assertIn("libvirt's monitor", self.client().monitor(self.ref(self.domain), STATUS))
        inode = os.stat(self.path)
        self.assertEqual((inode.st_uid, inode.st_mode & 0o777), (0, 0o600))
        intruder.kill()
        intruder.wait()
        self.retried()
        self.reason("wait at")  # what he has sent would still be read
        self.accept()
        self.assertEqual(self.qemu_process.stdout.readline(), "intruder\n")
        self.retried()
        self.session_works()

    def test_queue_that_is_full(self):
        for _ in range(2):
            self.assertEqual(self.intrude(self.path)[1], "in")
        self.start_guest()
        self.reason("queue is full")
        self.assertIn("libvirt's monitor", self.client().monitor(self.ref(self.domain), STATUS))

    def test_sticky_directory(self):
        """There only its owner can replace the file, so it stays his; and the guest's own user is
        not another guest's"""
        os.chown(self.virtpassd.session_dir, 0, 0)
        os.chmod(self.virtpassd.session_dir, 0o1733)
        self.accept()
        self.start_guest()
        self.session_works()
        self.assertEqual(os.stat(self.path).st_uid, self.user.pw_uid)
