# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon under test: started, looked at, restarted, killed.

VIRTPASSD and VIRTPASS name the programs. Ready is what the daemon itself says through
NOTIFY_SOCKET, so that waiting for it makes no connection that a scripted upstream would see.
"""

import json
import os
import shutil
import signal
import socket
import sys
import unittest

from harness import leaks, limits, proctree
from harness.libvirtd import virsh
from harness.process import Process, base_environment, run, sanitizer_report


# Passes sockets as a service manager does: from descriptor 3 on, and with pid and count in the
# environment of the very process that is going to be the daemon.
#     ACTIVATE FD,FD.. PROGRAM [ARGUMENT...]
ACTIVATE = """
import fcntl, os, sys
passed = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(",")]
for number, fd in enumerate(passed):
    os.dup2(fd, 3 + number)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(passed)))
os.execv(sys.argv[2], sys.argv[2:])
"""


def program(variable):
    path = os.environ.get(variable)
    if not path or not os.path.exists(path):
        raise unittest.SkipTest(f"{variable} names no program")
    return path


def available():
    return os.path.exists(os.environ.get("VIRTPASSD", ""))


def virtpass(*args, **more):
    return run([program("VIRTPASS"), *args], **more)


def lasting_directory():
    """Of the build, where there is one."""
    cache = os.environ.get("VIRTPASS_TEST_CACHE")
    return os.path.dirname(cache) if cache else leaks.root()


class NotifySocket:
    """Where a service manager would listen."""

    def __init__(self, path):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.sock.bind(path)
        os.chmod(path, 0o666)
        self.words = []

    def said(self, word):
        while True:
            try:
                self.words += self.sock.recv(4096).decode().split("\n")
            except BlockingIOError:
                return word in self.words

    def close(self):
        self.sock.close()
        os.unlink(self.path)


class Virtpassd:
    """name: of its directory below the test's root. config: {section: {key: value}}."""

    def __init__(self, upstream, name="vp", *, config=None, options=("--session",), shared=False,
                 environment=None, prefix=()):
        self.dir = os.path.join(leaks.root(), name)
        self.upstream = upstream
        self.options = list(options)
        self.shared = shared
        # The polkit of the machine is asked nothing.
        self.environment = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus",
                            **(environment or {})}
        self.prefix = list(prefix)
        self.process = None
        self.passed = []  # sockets that it gets as from a service manager
        self.session_dir = os.path.join(self.dir, "s")
        os.makedirs(self.session_dir, mode=0o711)
        os.chmod(self.dir, 0o711)
        self.config_file = os.path.join(self.dir, "conf")
        self.configure(config or {})

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def configure(self, config):
        # What libvirtd and virtpassd find out about QEMU is kept from test to test.
        config = {"emulator": {"directory": lasting_directory()}, **config}
        with open(self.config_file, "w", encoding="utf-8") as file:
            for section, keys in config.items():
                file.write(f"[{section}]\n")
                file.writelines(f"{key}={value}\n" for key, value in keys.items())

    @property
    def sock(self):
        return self.path("virtpassd-sock")

    @property
    def sock_ro(self):
        return self.path("virtpassd-sock-ro")

    @property
    def uri(self):
        return "qemu+unix:///session?socket=" + self.sock

    @property
    def uri_ro(self):
        return "qemu+unix:///session?socket=" + self.sock_ro

    def session_path(self, uuid):
        return os.path.join(self.session_dir, "virtpass-libvirt-" + uuid)

    @property
    def pid(self):
        return self.process.pid

    def argv(self):
        return [*self.prefix, program("VIRTPASSD"), "--upstream", self.upstream,
                "--listen-dir", self.dir, "--session-dir", self.session_dir,
                "--shim", program("VIRTPASS_EMULATOR"), "--config", self.config_file,
                *self.options]

    # -- life ---------------------------------------------------------------

    def start(self, argv=None, **popen):
        argv = argv or self.argv()
        if self.passed:
            numbers = [sock.fileno() for sock in self.passed]
            argv = [sys.executable, "-c", ACTIVATE, ",".join(map(str, numbers)), *argv]
            popen["pass_fds"] = numbers
        notify = NotifySocket(self.path("notify"))
        try:
            variables = {"HOME": self.dir, "XDG_RUNTIME_DIR": self.dir,
                         "XDG_CACHE_HOME": os.path.join(lasting_directory(), "k"),
                         "NOTIFY_SOCKET": notify.path, **self.environment}
            environment = base_environment(**variables)
            self.process = Process(argv, self.path("virtpassd.log"), env=environment,
                                   shared=self.shared, **popen)
            limits.poll_until(lambda: self._ready(notify), "virtpassd says READY=1")
        finally:
            notify.close()
        return self

    def _ready(self, notify):
        if not self.process.running:
            raise AssertionError(f"virtpassd ended with {self.process.popen.returncode}:\n"
                                 + self.process.log_tail())
        return notify.said("READY=1")

    def kill(self):
        return self.process.kill()

    def restart(self):
        self.end()
        self.start()

    def end(self):
        """SIGTERM; it has to end with 0 and to leave no socket of its own."""
        was_running = self.process.running
        code = self.process.stop()
        report = sanitizer_report(self.process.log_text())
        assert not report, report
        if was_running:
            assert code == 0, f"virtpassd ended with {code}:\n" + self.process.log_tail()
            left = [path for path in (self.sock, self.sock_ro) if os.path.exists(path)]
            assert not left, f"left behind by virtpassd: {left}"
        return code

    def stop(self):
        try:
            if self.process:
                code = self.end()
                assert code in (0, -signal.SIGKILL), f"virtpassd had ended with {code}"
        finally:
            if not os.environ.get("VIRTPASS_TEST_KEEP"):
                shutil.rmtree(self.dir)

    # -- looking at it ------------------------------------------------------

    def virsh(self, *args, **more):
        return virsh(self.uri, *args, **more)

    def sessions(self):
        """What "virtpass sessions --json" tells, by name of the domain."""
        result = virtpass("-c", self.uri, "sessions", "--json")
        assert result.returncode == 0, result.stderr
        return self._by_name(result)

    @staticmethod
    def _by_name(result):
        return {entry["domain"]: entry for entry in json.loads(result.stdout)}

    def wait_session(self, name, session="dedicated", state="ready"):
        """Until the domain's session is what it should be; returns its entry."""
        def there():
            result = virtpass("-c", self.uri, "sessions", "--json")
            if result.returncode != 0:  # it has only just been started
                return None
            entry = self._by_name(result).get(name, {"session": None, "state": None})
            return (entry["session"], entry["state"]) == (session, state) and entry
        return limits.poll_until(there, f"{session} session of {name} is {state}")

    def descriptors(self):
        return proctree.open_descriptors(self.pid)

    def resident_kib(self):
        return proctree.resident_kib(self.pid)
