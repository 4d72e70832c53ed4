# SPDX-License-Identifier: LGPL-2.1-or-later
"""A virtpassd of its own for each test, between a scripted libvirtd and scripted QEMUs."""

import fcntl
import os
import pwd
import shutil
import struct
import termios
import threading
import time
import unittest

from harness import guest, leaks, limits, qmp, rpc, upstream
from harness.virtpassd import Virtpassd

__unittest = True

# An ordinary user, for tests that run as root.
USER = "nobody"


def unread(sock):
    """Bytes that were sent and that the peer has not read yet."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0]


def sanitizer_environment(option):
    """For a virtpassd that AddressSanitizer is to treat in another way, where there is one."""
    options = os.environ.get("ASAN_OPTIONS")
    return {"ASAN_OPTIONS": f"{options}:{option}"} if options else {}


def measured_environment():
    """For a virtpassd whose memory is measured: a sanitizer keeps what was freed, but not much."""
    return sanitizer_environment("quarantine_size_mb=4")


def wait_read(sock):
    limits.poll_until(lambda: unread(sock) == 0, "the peer reads what was sent")


class Sender:
    """Sends from a thread of its own, because the other side is slow on purpose."""

    def __init__(self, test, connection, frames):
        """frames: what connection.send() takes, one after the other."""
        self.connection = connection
        self.frames = frames
        self.sent = 0
        self.error = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        test.addCleanup(self._stop)

    def _run(self):
        try:
            for frame in self.frames:
                self.connection.send(frame)
                self.sent += 1
        except OSError as error:
            self.error = error

    def _stop(self):
        self.connection.hang_up()
        self.thread.join()

    def started(self):
        limits.poll_until(lambda: self.sent > 0, "the first frame is sent")

    def stuck(self):
        """Waits until it makes no progress any more; returns how many frames went."""
        self.started()
        last = [-1, 0.0]

        def unchanged():
            if last[0] != self.sent:
                last[:] = self.sent, time.monotonic()
            return time.monotonic() - last[1] > limits.seconds(limits.ABSENCE_SECONDS)
        limits.poll_until(unchanged, "the sender is stuck")
        return self.sent

    def finish(self):
        self.thread.join(limits.seconds(limits.CONDITION_SECONDS))
        assert not self.thread.is_alive(), f"stuck after {self.sent} frames"
        assert self.error is None, self.error


class Scripted(unittest.TestCase):
    # As a system daemon where the tests run as root; else what an ordinary user can have.
    options = ("--session",)
    config = {}
    environment = {}

    def setUp(self):
        self.dir = os.path.join(leaks.root(), "t")
        os.mkdir(self.dir, 0o711)
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.upstream = upstream.Upstream(os.path.join(self.dir, "up"))
        self.addCleanup(self.upstream.close)
        self.loop = None
        self.virtpassd = Virtpassd(self.upstream.path, options=self.options, config=self.config,
                                   environment=self.environment)
        self.addCleanup(self.virtpassd.stop)
        self.prepare()
        self.virtpassd.start()

    def prepare(self):
        """What has to be there before virtpassd starts."""

    def describe_failure(self):
        virtpassd = getattr(self, "virtpassd", None)  # setUp may not have come that far
        process = virtpassd and virtpassd.process
        return process.log_since_mark() if process else ""

    # -- clients ------------------------------------------------------------

    def client(self, name="qemu:///session", flags=0, path=None):
        client = rpc.Client(path or self.virtpassd.sock, name, flags)
        self.addCleanup(client.close)
        return client

    def client_as(self, user, name="qemu:///system", flags=0, path=None):
        """A client that another user connected; for root only."""
        if os.geteuid() != 0:
            self.skipTest("only root can connect as another user")
        entry = pwd.getpwnam(user)
        os.setegid(entry.pw_gid)
        os.seteuid(entry.pw_uid)
        try:
            client = rpc.Client(path or self.virtpassd.sock)
        finally:
            os.seteuid(0)
            os.setegid(0)
        self.addCleanup(client.close)
        if name is not None:
            client.auth()
            client.open(name, flags)
        return client

    def peer_of(self, client):
        """The upstream's end of this client's connection."""
        marker = os.urandom(12)
        self.upstream.on(rpc.REMOTE, 7000, lambda _peer, frame: frame.payload)
        assert client.call(7000, marker).payload == marker
        peer, _ = self.upstream.wait_frame(lambda frame: frame.payload == marker)
        return peer

    def works(self, client):
        """The next good request of this client is answered."""
        self.assertEqual(client.type(), "QEMU")

    # -- domains ------------------------------------------------------------

    def qmp_loop(self):
        if not self.loop:
            self.loop = qmp.Loop()
            self.addCleanup(self.loop.stop)
        return self.loop

    def session_xml(self, name, **more):
        """XML of a domain that has virtpassd's words, as libvirtd shows it."""
        words = upstream.session_words(self.virtpassd.session_dir, guest.uuid(name))
        return guest.domain(name, after=words, **more)

    def qemu(self, name, script=None, uuid=None):
        """A scripted QEMU behind the session socket of the domain."""
        server = qmp.Server(self.qmp_loop(), self.virtpassd.session_path(guest.uuid(name)),
                            uuid or guest.uuid(name), script)
        self.addCleanup(server.close)
        return server

    def guest(self, name, number=1, script=None, event=upstream.STARTED):
        """A running domain with its scripted QEMU: (domain, server)."""
        server = self.qemu(name, script)
        return self.upstream.add(name, self.session_xml(name), number, event), server

    def ref(self, domain):
        return (domain.name, domain.uuid, domain.id)
