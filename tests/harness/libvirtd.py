# SPDX-License-Identifier: LGPL-2.1-or-later
"""A private libvirtd: session mode, everything it owns in one short directory.

As root it runs in a user namespace in which it is an ordinary user (its mode depends on
geteuid() alone), as an ordinary user plainly. Paths are kept short for the sake of sun_path.
Probing QEMU's capabilities takes seconds, so a cache of them is handed from run to run in
VIRTPASS_TEST_CACHE; libvirtd itself checks whether it still holds.
"""

import functools
import os
import pwd
import shutil
import signal
import unittest

from harness import leaks, limits, proctree, rpc
from harness.process import Process, base_environment, run

# Tracebacks end where a test called us.
__unittest = True

# Whom libvirtd believes to be when the tests run as root. Any user that has a name will do.
USER = "nobody"

QEMU_CONF = """\
stdio_handler = "file"
security_driver = "none"
"""

# virtpassd's tests keep more calls in flight than libvirtd reads ahead by default.
LIBVIRTD_CONF = """\
host_uuid = "{host_uuid}"
max_client_requests = 64
max_clients = 200
"""


def as_user():
    """Words in front of a program that has to see itself as an ordinary user."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(USER)
    return ["unshare", "-U", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}"]


class Libvirtd:
    def __init__(self, name="lv", *, host_uuid="5f0c37d4-91b0-4c1d-8f55-0e1d52f1a001",
                 shared=False, conf="", options=()):
        """conf: more lines of libvirtd.conf. options: more of the command line."""
        self.options = options
        self.dir = os.path.join(leaks.root(), name)
        self.shared = shared
        self.process = None
        for sub in ("h", "r", "c/libvirt", "k", "d"):
            os.makedirs(os.path.join(self.dir, sub), mode=0o700)
        self._write("c/libvirt/qemu.conf", QEMU_CONF)
        self._write("c/libvirt/libvirtd.conf", LIBVIRTD_CONF.format(host_uuid=host_uuid) + conf)
        self._fetch_cache()

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def _write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    @property
    def sock(self):
        return self.path("r/libvirt/libvirt-sock")

    @property
    def uri(self):
        return "qemu+unix:///session?socket=" + self.sock

    @property
    def environment(self):
        return base_environment(
            HOME=self.path("h"), XDG_RUNTIME_DIR=self.path("r"), XDG_CONFIG_HOME=self.path("c"),
            XDG_CACHE_HOME=self.path("k"), XDG_DATA_HOME=self.path("d"))

    # -- capabilities cache -------------------------------------------------

    def _cache(self):
        return os.environ.get("VIRTPASS_TEST_CACHE"), self.path("k/libvirt/qemu/cache/capabilities")

    def _fetch_cache(self):
        common, own = self._cache()
        if common and os.path.isdir(common):
            shutil.copytree(common, own)

    def _store_cache(self):
        common, own = self._cache()
        if not common or not os.path.isdir(own):
            return
        os.makedirs(common, exist_ok=True)
        for name in os.listdir(own):
            target = os.path.join(common, name)
            with open(os.path.join(own, name), "rb") as file:
                text = file.read()
            if os.path.exists(target) and open(target, "rb").read() == text:
                continue
            with open(f"{target}.{os.getpid()}", "wb") as file:
                file.write(text)
            os.rename(f"{target}.{os.getpid()}", target)

    # -- life ---------------------------------------------------------------

    def start(self):
        self.process = Process([*as_user(), "libvirtd", "--timeout", "0", *self.options],
                               self.path("libvirtd.log"), env=self.environment, cwd="/",
                               shared=self.shared)
        limits.poll_until(self._answers, "libvirtd answers")
        return self

    def _answers(self):
        assert self.process.running, "libvirtd ended: " + self.process.log_tail()
        try:
            with rpc.Client(self.sock, "qemu:///session") as client:
                return client.type() == "QEMU"
        except (FileNotFoundError, ConnectionRefusedError, rpc.Closed):
            return False

    def restart(self):
        """Guests go on."""
        self.process.stop()
        self.start()

    def kill(self):
        self.process.kill()

    def stop(self):
        """Ends guests, then libvirtd, and removes the directory."""
        for pid in self.qemu_pids():
            proctree.kill(pid)
        code = self.process.stop()
        self._store_cache()
        if not os.environ.get("VIRTPASS_TEST_KEEP"):
            shutil.rmtree(self.dir)
        assert code in (0, -signal.SIGKILL), f"libvirtd ended with {code}"

    # -- looking at guests --------------------------------------------------

    def qemu_pids(self):
        words = self.dir + "/"
        return [pid for pid in proctree.descendants(leaks.supervisor())
                if words in (line := proctree.command_line(pid)) and "guest=" in line]

    def qemu_pid(self, name):
        """The process of a running guest."""
        with open(self.path("r/libvirt/qemu/run", name + ".pid"), encoding="ascii") as file:
            return int(file.read())

    def qemu_words(self, name):
        """What it was started with, its own name first."""
        with open(f"/proc/{self.qemu_pid(name)}/cmdline", encoding="utf-8") as file:
            return file.read().split("\0")[:-1]

    def virsh(self, *args, **more):
        return virsh(self.uri, *args, env=self.environment, **more)


@functools.cache
def shared_libvirtd():
    """The one of a file's tests, which ends with the file."""
    server = Libvirtd(shared=True)
    unittest.addModuleCleanup(server.stop)
    return server.start()


class VirshFailed(AssertionError):
    pass


# QEMU's "migrate-incoming" at the destination; the guest runs on where it was.
PORT_TAKEN = "Failed to find an available port: Address already in use"


def virsh(uri, *args, env=None, check=True, readonly=False, **more):
    """Runs stock virsh; returns its standard output, or with check=False what it ended with."""
    options = ["--readonly"] if readonly else []
    argv = ["virsh", *options, "-q", "-c", uri, *args]
    result = run(argv, env=env, **more)
    # Between libvirtd's choice of a port for a migration and QEMU's use another test may take it.
    for _ in range(3):
        if not (check and result.returncode != 0 and PORT_TAKEN in result.stderr):
            break
        result = run(argv, env=env, **more)
    if not check:
        return result
    if result.returncode != 0:
        raise VirshFailed(f"virsh {' '.join(args)}: {result.stderr.strip()}")
    return result.stdout
