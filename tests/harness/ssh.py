# SPDX-License-Identifier: LGPL-2.1-or-later
"""An ssh server of the test's own, for whoever runs the tests, and URIs that lead through it.

The server is dropbear, which is one program and no service of the system. It knows keys only from
the home of the user, so it has a mount namespace of its own in which an empty directory is that
home. The client is OpenSSH's, as libvirt starts it, without the configuration of the machine.
"""

import os
import pwd
import shutil
import socket
import unittest

from harness import leaks, limits, ports, proctree
from harness.process import Process, run

# Tracebacks end where a test called us.
__unittest = True

PROGRAMS = ("dropbear", "dropbearkey", "nc", "ssh", "ssh-keygen")

CLIENT = """\
#!/bin/sh
exec ssh -F /dev/null -o UserKnownHostsFile={hosts} -o GlobalKnownHostsFile=/dev/null \\
    -o IdentitiesOnly=yes -o LogLevel=ERROR "$@"
"""


def with_home(home, directory):
    """Words in front of a program that is to see the directory as that home."""
    mounted = ["--mount", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', directory,
               home]
    if os.geteuid() == 0:
        return ["unshare", *mounted]
    # Who may mount is root in his namespace; the program is the user again in another.
    return ["unshare", "--user", "--map-root-user", *mounted,
            "unshare", f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}"]


class Server:
    """Listens on a port of 127.0.0.1; its files are below the test's root."""

    def __init__(self):
        user = pwd.getpwuid(os.geteuid())
        missing = [program for program in PROGRAMS if not shutil.which(program)]
        if missing:
            raise unittest.SkipTest(f"there is no {', '.join(missing)}")
        if not os.path.isdir(user.pw_dir):
            raise unittest.SkipTest(f"{user.pw_name} has no home")
        self.dir = os.path.join(leaks.root(), "ssh")
        self.port = ports.free_port()
        self.user = user.pw_name
        os.makedirs(self.path("home/.ssh"), mode=0o700)
        self._make_keys()
        self.process = Process([*with_home(user.pw_dir, self.path("home")), "dropbear", "-F", "-E",
                                "-s", "-j", "-k", "-r", self.path("host"), "-P", self.path("pid"),
                                "-p", f"127.0.0.1:{self.port}"], self.path("log"), shared=True)
        limits.poll_until(self._listens, "the ssh server listens")

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def _write(self, name, text, mode=0o600):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def _make_keys(self):
        for name in ("key", "stranger"):
            self._run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(name))
        shutil.copy(self.path("key.pub"), self.path("home/.ssh/authorized_keys"))
        words = self._run("dropbearkey", "-t", "ed25519", "-f", self.path("host"))
        key = next(line for line in words.split("\n") if line.startswith("ssh-"))
        self._write("hosts", f"[127.0.0.1]:{self.port} {key}\n")
        self._write("client", CLIENT.format(hosts=self.path("hosts")), 0o700)

    @staticmethod
    def _run(*argv):
        result = run(argv)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def _listens(self):
        assert self.process.running, "the ssh server ended: " + self.process.log_tail()
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def uri(self, sock, key="key", **parameters):
        """Of whoever listens on the socket, for libvirt's clients."""
        parameters = {"socket": sock, "keyfile": self.path(key), "no_tty": 1,
                      "command": self.path("client"), **parameters}
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"qemu+ssh://{self.user}@127.0.0.1:{self.port}/session?{query}"

    def connections(self):
        """Processes that serve somebody."""
        return [pid for pid in proctree.descendants(self.process.pid)
                if "dropbear" in proctree.command_line(pid)]

    def stop(self):
        self.process.stop()
        shutil.rmtree(self.dir)
