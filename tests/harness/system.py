# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole system of its own: D-Bus, polkitd, libvirtd in system mode, virtpassd as root in front.

Everything runs in namespaces (mount, pid, net, ipc, uts) made for it. What these programs own on
a host (/etc, /run and their directories below /var) is a directory of the test's there, so the
test reads and changes it from outside: System.path("run/virtpassd") is /run/virtpassd inside.
Ending the first process of the pid namespace ends all of them.

Users are real: as_user() runs a function of the test as one of them inside, client() makes a
connection whose other end is a process of his, as libvirtd and virtpassd see it. What a user may
do at libvirtd is said by grant(), which writes a rule for polkit.

It takes root. Where namespaces cannot be made the tests are skipped, and say why.
"""

import array
import ctypes
import functools
import json
import os
import pickle
import re
import shutil
import socket
import struct
import unittest

from harness import guest, leaks, limits, proctree, rpc
from harness.process import Process, base_environment, run, sanitizer_report
from harness.virtpassd import NotifySocket, program

# Tracebacks end where a test called us.
__unittest = True

# Those that libvirt's packages would make, and people. "root" is there already.
QEMU_USER = "libvirt-qemu"
PROBE_USER = "virtpass-probe"
USERS = {"alice": 61001, "bob": 61002, "carol": 61003, "dave": 61004, "mallory": 61005,
         "otherqemu": 61006, PROBE_USER: 61007, QEMU_USER: 64055,
         **{f"user{number}": 61010 + number for number in range(10)}}
GROUPS = {"kvm": 61100, "libvirt": 61101, "otherqemu": 61006, PROBE_USER: 61007,
          QEMU_USER: 64055}
MEMBERS = {"libvirt": ["bob"]}
NO_GROUP = 65534

NAMESPACES = {"mnt": 0x00020000, "uts": 0x04000000, "ipc": 0x08000000, "pid": 0x20000000,
              "net": 0x40000000}

# Host directories in whose place the test's own are mounted. Those of /var may not be there.
PRIVATE = ("etc", "run", "var/lib/libvirt", "var/cache/libvirt", "var/log/libvirt",
           "var/lib/virtpassd", "var/cache/virtpassd")

# The first process of the pid namespace. Orphans are reaped by the kernel: it ignores SIGCHLD.
# $1: the test's directory
INIT = """
set -e
for dir in $PRIVATE; do
    mount --bind "$1/$dir" "/$dir"
done
# Control groups are the host's: libvirtd does without.
while read -r _ dir kind _; do
    case $kind in cgroup*) echo "$dir" ;; esac
done < /proc/self/mounts | sort -r | while read -r dir; do umount -l "$dir"; done
! test -e /dev/kvm || mount --bind /dev/null /dev/kvm
mount --bind "$1/actions" /usr/share/polkit-1/actions
hostname inside
ip link set lo up
touch /run/ready
# Nobody here waits for what libvirtd has left behind, and libvirtd waits until that is gone.
exec /usr/bin/python3 -c 'import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    signal.pause()'
"""

# libvirt's objects and permissions, of which it asks polkit as org.libvirt.api.OBJECT.PERMISSION.
PERMISSIONS = {
    "connect": "getattr read write search-domains search-networks search-network-ports "
               "search-storage-pools search-node-devices search-interfaces search-secrets "
               "search-nwfilters search-nwfilter-bindings detect-storage-pools pm-control "
               "interface-transaction",
    "domain": "getattr read write read-secure start stop reset save delete migrate snapshot "
              "suspend hibernate core-dump pm-control init-control inject-nmi send-input "
              "send-signal fs-trim fs-freeze block-read block-write mem-read open-graphics "
              "open-device screenshot open-namespace set-time set-password checkpoint backup",
    "storage-pool": "getattr read write save delete start stop refresh format search-storage-vols",
    "storage-vol": "getattr read create delete format resize data-read data-write",
    "network": "getattr read write save delete start stop search-ports",
    "node-device": "getattr read write start stop detach save delete",
    "secret": "getattr read write read-secure save delete",
    "interface": "getattr read write save delete start stop",
    "nwfilter": "getattr read write save delete",
}

ACTION = """<action id="{}"><description>x</description><message>x</message><defaults>
<allow_any>{}</allow_any><allow_inactive>{}</allow_inactive><allow_active>{}</allow_active>
</defaults></action>
"""

# In front of it what grant() was given.
RULE = """
var rights = %s;
polkit.addRule(function(action, subject) {
    var prefix = "org.libvirt.unix.";
    if (action.id.indexOf(prefix) != 0)
        return polkit.Result.NOT_HANDLED;
    var wanted = action.id.substr("org.libvirt.".length);
    var list = rights[subject.user] || [];
    for (var i = 0; i < list.length; i++) {
        if (list[i][0] == wanted)
            return polkit.Result.YES;
    }
    return polkit.Result.NOT_HANDLED;
});
polkit.addRule(function(action, subject) {
    var prefix = "org.libvirt.api.";
    if (action.id.indexOf(prefix) != 0)
        return polkit.Result.NOT_HANDLED;
    var wanted = action.id.substr(prefix.length);
    var name = action.lookup("domain_name");
    var list = rights[subject.user] || [];
    for (var i = 0; i < list.length; i++) {
        var permission = list[i][0], domain = list[i][1];
        if (permission != "*" && permission != wanted)
            continue;
        if (domain == "*" || !name || domain == name ||
            (domain[0] == "!" && domain.substr(1) != name))
            return polkit.Result.YES;
    }
    return polkit.Result.NO;
});
"""

LIBVIRTD_CONF = """\
host_uuid = "5f0c37d4-91b0-4c1d-8f55-0e1d52f1a009"
access_drivers = [ "polkit" ]
unix_sock_group = "libvirt"
unix_sock_ro_perms = "0777"
unix_sock_rw_perms = "0777"
auth_unix_ro = "none"
auth_unix_rw = "none"
max_client_requests = 64
max_clients = 200
log_outputs = "1:file:/var/log/libvirt/libvirtd.log"
log_filters = "1:libvirt.domain 3:."
"""

QEMU_CONF = """\
stdio_handler = "file"
security_driver = "none"
namespaces = []
user = "{user}"
group = "{group}"
"""

# Everybody may connect: what is judged is what libvirtd says of him.
VIRTPASSD_CONF = {"listen": {"unix_sock_rw_perms": "0777", "unix_sock_ro_perms": "0777"}}

# Debian has it beside the agent helper, others in libexec.
POLKITD = ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd")

libc = ctypes.CDLL(None, use_errno=True)


@functools.cache
def why_not():
    """Why such a system cannot be made here, or None."""
    if os.geteuid() != 0:
        return "a system libvirtd takes root"
    for name in ("dbus-daemon", "libvirtd", "nsenter", "unshare", "setpriv", "ip"):
        if not shutil.which(name):
            return f"{name} is not installed"
    if not any(map(os.path.exists, POLKITD)):
        return "polkitd is not installed"
    flags = ["--" + name for name in ("mount", "pid", "net", "ipc", "uts", "fork", "mount-proc")]
    tried = run(["unshare", *flags, "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
    return tried.returncode and "namespaces cannot be made: " + tried.stderr.strip() or None


def _put(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def _table(path, rows):
    """Rows of passwd or group, in place of those of the same name."""
    names = {row.split(":")[0] for row in rows}
    numbers = {row.split(":")[2] for row in rows}
    with open(path, encoding="utf-8") as file:
        kept = [line for line in file.read().splitlines()
                if line.split(":")[0] not in names and line.split(":")[2:3] != []
                and line.split(":")[2] not in numbers]
    _put(path, "\n".join([*kept, *rows]) + "\n")


class Inside(Process):
    """A program in the namespaces. Our child is nsenter; the program is nsenter's."""

    def __init__(self, system, argv, log, **more):
        super().__init__([*system.enter, *argv], log, **more)
        self.inner = limits.poll_until(self._find, f"{argv[0]} is started")
        if self.shared:
            leaks.share_process(self.inner)

    def _find(self):
        try:
            with open(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children",
                      encoding="ascii") as file:
                found = file.read().split()
        except OSError:
            found = []
        if not found and self.popen.poll() is not None:
            raise AssertionError(f"{self.popen.args} ended: {self.log_tail()}")
        return found and int(found[0])

    @property
    def pid(self):
        return self.inner

    @property
    def pid_inside(self):
        """As the namespace counts."""
        with open(f"/proc/{self.inner}/status", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("NSpid:"))
        return int(line.split()[-1])

    def signal(self, number):
        if self.running:
            try:
                os.kill(self.inner, number)
            except ProcessLookupError:
                pass


class Held(socket.socket):
    """A connected socket whose peer credentials are those of a process that lives as long."""

    def close(self):
        super().close()
        if getattr(self, "holder", None):
            self.holder.close()
            self.holder = None


class Remote(Exception):
    """What a function that ran inside has raised, in words."""


class System:
    def __init__(self, name="sys", *, qemu_user=(QEMU_USER, "kvm"), qemu_conf="",
                 libvirtd_conf="", config=None, rights=None):
        """libvirtd_conf, qemu_conf: more lines. config: virtpassd's, {section: {key: value}}, where
        None takes out what is there by default. rights: as grant() takes."""
        self.dir = os.path.join(leaks.root(), name)
        self.init = self.unshare = None
        self.dbus = self.polkitd = self.libvirtd = self.virtpassd = None
        self.options = []
        self._directories()
        self._etc()
        self.configure_libvirtd(qemu_user=qemu_user, qemu_conf=qemu_conf,
                                libvirtd_conf=libvirtd_conf)
        self.configure(config or {})
        self.grant(rights or {})

    # -- what it has of files -----------------------------------------------

    def path(self, *parts):
        """Outside, of what is "/" + parts inside."""
        return os.path.join(self.dir, *(part.lstrip("/") for part in parts))

    def _directories(self):
        os.mkdir(self.dir, 0o711)
        for name in (*PRIVATE[1:], "actions"):
            os.makedirs(self.path(name), 0o755)
        for name in ("run/dbus", "run/test", "run/free", "var/lib/libvirt/qemu"):
            os.makedirs(self.path(name))
        os.chmod(self.path("run/free"), 0o1777)  # anybody's
        shutil.copy(program("VIRTPASS_EMULATOR"), self.path("run/test/virtpass-emulator"))
        for name in PRIVATE[2:]:
            os.makedirs("/" + name, exist_ok=True)  # only what mounts can be put on

    def _etc(self):
        """As the host's, with users of ours and nothing about libvirt and polkit."""
        def kept(directory, names):
            return [name for name in names
                    if directory == "/etc" and name in ("libvirt", "polkit-1", "virtpassd")
                    or not os.path.exists(os.path.join(directory, name))]
        shutil.copytree("/etc", self.path("etc"), symlinks=True, ignore=kept)
        os.makedirs(self.path("etc/libvirt"))
        os.makedirs(self.path("etc/virtpassd"))
        os.makedirs(self.path("etc/polkit-1/rules.d"))
        _put(self.path("etc/machine-id"), "5f0c37d491b04c1d8f550e1d52f1a009\n")
        _table(self.path("etc/passwd"),
               [f"{name}:x:{uid}:{self.gid(name)}::/nonexistent:/bin/sh"
                for name, uid in USERS.items()])
        _table(self.path("etc/group"),
               [f"{name}:x:{gid}:{','.join(MEMBERS.get(name, ()))}"
                for name, gid in GROUPS.items()])
        self._actions()

    def _actions(self):
        no, ask = ("no",) * 3, ("auth_admin",) * 3
        rows = [(f"org.libvirt.api.{kind}.{name}", no)
                for kind, names in PERMISSIONS.items() for name in names.split()]
        rows += [("org.libvirt.unix.monitor", ask), ("org.libvirt.unix.manage", ask)]
        _put(self.path("actions/test.policy"), "<policyconfig>\n" + "".join(
            ACTION.format(name, *defaults) for name, defaults in rows) + "</policyconfig>\n")

    @staticmethod
    def gid(user):
        if user == QEMU_USER:
            return GROUPS["kvm"]
        return 0 if user == "root" else GROUPS.get(user, NO_GROUP)

    def configure_libvirtd(self, *, qemu_user=(QEMU_USER, "kvm"), qemu_conf="", libvirtd_conf=""):
        """For its next start."""
        _put(self.path("etc/libvirt/libvirtd.conf"), self._override(LIBVIRTD_CONF, libvirtd_conf))
        _put(self.path("etc/libvirt/qemu.conf"),
             self._override(QEMU_CONF.format(user=qemu_user[0], group=qemu_user[1]), qemu_conf))

    @staticmethod
    def _override(text, more):
        """Configuration with the keys of more in place of text's."""
        keys = {line.split("=")[0].strip() for line in more.splitlines()}
        kept = [line for line in text.splitlines() if line.split("=")[0].strip() not in keys]
        return "\n".join([*kept, *more.splitlines()]) + "\n"

    def configure(self, config):
        """virtpassd, for its next start."""
        merged = {section: dict(keys) for section, keys in VIRTPASSD_CONF.items()}
        for section, keys in config.items():
            merged.setdefault(section, {}).update(keys)
        _put(self.path("etc/virtpassd/virtpassd.conf"), "".join(
            f"[{section}]\n" + "".join(f"{key}={value}\n" for key, value in keys.items()
                                       if value is not None)
            for section, keys in merged.items()))

    def grant(self, rights):
        """Who may what from now on: {user: [(permission or "*", domain, "!domain" or "*")..]};
        "unix.manage" and "unix.monitor" stand for libvirtd's sockets, and "*" does not. root may
        everything, as far as libvirtd asks."""
        rights = {"root": [("*", "*")], **rights}
        _put(self.path("rule"), RULE % json.dumps(rights))
        os.rename(self.path("rule"), self.path("etc/polkit-1/rules.d/10-test.rules"))

    # -- life ---------------------------------------------------------------

    def start(self):
        self._start_init()
        self._start_bus()
        self.start_libvirtd()
        self.start_virtpassd()
        return self

    @property
    def enter(self):
        """Words in front of a program that is to run inside."""
        return ["nsenter", "-t", str(self.init), "-m", "-p", "-n", "-i", "-u", "--wd=/", "--"]

    def _start_init(self):
        argv = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child",
                "--mount-proc", "sh", "-c", INIT, "sh", self.dir]
        self.unshare = Process(argv, self.path("init.log"), shared=True,
                               env=base_environment(PRIVATE=" ".join(PRIVATE)))

        def ready():
            assert self.unshare.running, self.unshare.log_tail()
            return os.path.exists(self.path("run/ready"))
        limits.poll_until(ready, "the namespaces are made")
        with open(f"/proc/{self.unshare.pid}/task/{self.unshare.pid}/children",
                  encoding="ascii") as file:
            self.init = int(file.read())

    def _start(self, argv, name, **more):
        return Inside(self, argv, self.path(name + ".log"), shared=True, **more)

    def _start_bus(self):
        self.dbus = self._start(["dbus-daemon", "--system", "--nofork", "--nopidfile"], "dbus")
        bus = self.path("run/dbus/system_bus_socket")
        limits.poll_until(lambda: os.path.exists(bus), "the bus is there")
        polkitd = next(path for path in POLKITD if os.path.exists(path))
        self.polkitd = self._start([polkitd, "--no-debug"], "polkitd")
        owned = ["dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.DBus", "/",
                 "org.freedesktop.DBus.GetNameOwner", "string:org.freedesktop.PolicyKit1"]
        limits.poll_until(lambda: self.run("root", owned).returncode == 0, "polkitd is there")

    def start_libvirtd(self):
        self._fetch_cache()
        self.libvirtd = self._start(["libvirtd", "--timeout", "0"], "libvirtd")
        limits.poll_until(self._libvirtd_answers, "libvirtd answers", 60)

    def _libvirtd_answers(self):
        assert self.libvirtd.running, "libvirtd ended: " + self.libvirtd.log_tail()
        try:
            with self.client("root", self.sock_libvirtd) as client:
                return client.type() == "QEMU"
        except (FileNotFoundError, ConnectionError, rpc.Closed, rpc.RpcError):
            return False

    def restart_libvirtd(self):
        self.libvirtd.stop()
        self.start_libvirtd()

    def start_virtpassd(self):
        argv = [program("VIRTPASSD"), "--upstream", self.sock_libvirtd,
                "--shim", "/run/test/virtpass-emulator",
                "--config", "/etc/virtpassd/virtpassd.conf", *self.options]
        notify = NotifySocket(self.path("run/test/notify"))
        try:
            self.virtpassd = self._start(argv, "virtpassd", env=base_environment(
                HOME="/", NOTIFY_SOCKET="/run/test/notify"))

            def ready():
                assert self.virtpassd.running, self.virtpassd.log_tail()
                return notify.said("READY=1")
            limits.poll_until(ready, "virtpassd says READY=1")
        finally:
            notify.close()

    def end_virtpassd(self):
        """SIGTERM. It has to obey, and no sanitizer may have complained."""
        was_running = self.virtpassd.running
        code = self.virtpassd.stop()
        report = sanitizer_report(self.virtpassd.log_text())
        assert not report, report
        assert code == 0 or not was_running, f"virtpassd: {code}\n" + self.virtpassd.log_tail()

    def stop(self):
        try:
            if self.virtpassd:
                self.end_virtpassd()
        finally:
            self._end_namespaces()
            self._store_cache()
            if not os.environ.get("VIRTPASS_TEST_KEEP"):
                shutil.rmtree(self.dir)

    def _end_namespaces(self):
        if self.init:
            proctree.kill(self.init)
        if self.unshare:
            self.unshare.kill()
        for process in (self.dbus, self.polkitd, self.libvirtd, self.virtpassd):
            if process:
                process.popen.wait()

    # -- capabilities cache -------------------------------------------------

    def _cache(self):
        common = os.environ.get("VIRTPASS_TEST_CACHE")
        return common and common + "-system", self.path("var/cache/libvirt/qemu/capabilities")

    def _fetch_cache(self):
        common, own = self._cache()
        if common and os.path.isdir(common) and not os.path.isdir(own):
            shutil.copytree(common, own)

    def _store_cache(self):
        """Before the directory goes; QEMU is asked at the first definition."""
        common, own = self._cache()
        if common and os.path.isdir(own) and not os.path.isdir(common):
            shutil.copytree(own, f"{common}.{os.getpid()}")
            try:
                os.rename(f"{common}.{os.getpid()}", common)
            except OSError:  # another file's tests were first
                shutil.rmtree(f"{common}.{os.getpid()}")

    # -- sockets, as named inside -------------------------------------------

    sock_libvirtd = "/run/libvirt/libvirt-sock"
    sock_libvirtd_ro = "/run/libvirt/libvirt-sock-ro"
    sock = "/run/virtpassd/virtpassd-sock"
    sock_ro = "/run/virtpassd/virtpassd-sock-ro"

    # -- as a user, inside --------------------------------------------------

    def run(self, user, argv, **more):
        """Runs a program to its end as this user; CompletedProcess."""
        words = [] if user == "root" else ["setpriv", "--reuid", user, "--regid",
                                           str(self.gid(user)), "--init-groups",
                                           "--inh-caps=-all"]
        more.setdefault("env", base_environment(HOME="/nonexistent"))
        return run([*self.enter, *words, *argv], **more)

    def virsh(self, user, *args, sock=None, readonly=False, check=True):
        """Stock virsh. Returns its output, or with check=False what it ended with."""
        options = ["--readonly"] if readonly else []
        uri = "qemu+unix:///system?socket=" + (sock or self.sock)
        result = self.run(user, ["virsh", *options, "-q", "-c", uri, *args])
        if not check:
            return result
        assert result.returncode == 0, f"virsh {' '.join(args)}: {result.stderr.strip()}"
        return result.stdout

    def _become(self, user):
        uid = USERS.get(user, 0)
        if uid:
            groups = [gid for name, gid in GROUPS.items() if user in MEMBERS.get(name, ())]
            os.setgroups(groups)
            os.setresgid(*[self.gid(user)] * 3)
            os.setresuid(*[uid] * 3)
        os.umask(0o022)

    def _enter(self):
        """The process itself keeps its pid: only its children are in the pid namespace."""
        pidfd = os.pidfd_open(self.init)
        if libc.setns(pidfd, sum(NAMESPACES.values())) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(pidfd)
        os.chdir("/")

    def _fork(self, user, function):
        """Runs function(socket) as this user, inside, in a process of its own; returns our end
        of the socket. An orphan from the beginning, it is reaped by the supervisor."""
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            try:
                ours.close()
                self._enter()
                if os.fork() == 0:
                    self._become(user)
                    function(theirs)
            finally:
                os._exit(0)
        theirs.close()
        os.waitpid(child, 0)
        return ours

    def as_user(self, user, function, *args):
        """The result of function(*args), which is run as this user, inside."""
        def work(sock):
            try:
                result = (True, function(*args))
            except BaseException as error:  # pylint: disable=broad-except
                result = (False, error)
            try:
                data = pickle.dumps(result)
            except Exception:  # pylint: disable=broad-except
                data = pickle.dumps((False, Remote(repr(result))))
            sock.sendall(data)
        with self._fork(user, work) as sock:
            sock.settimeout(limits.seconds(limits.TEST_SECONDS))
            data = b"".join(iter(lambda: sock.recv(1 << 16), b""))
        assert data, f"a function run as {user} ended without a result"
        good, result = pickle.loads(data)
        if not good:
            raise result
        return result

    def hold(self, user, make):
        """A socket that make() has made as this user, inside; the process that did lives until
        it is closed here."""
        def work(sock):
            try:
                made = make()
            except OSError as error:
                sock.sendall(bytes([error.errno]))
                return
            rights = array.array("i", [made.fileno()])
            sock.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            made.close()
            sock.recv(1)
        holder = self._fork(user, work)
        holder.settimeout(limits.seconds(limits.CONDITION_SECONDS))
        word, ancillary, _, _ = holder.recvmsg(1, socket.CMSG_SPACE(4))
        if not ancillary:
            holder.close()
            number = word[0] if word else 0
            raise OSError(number, os.strerror(number))
        held = Held(fileno=array.array("i", ancillary[0][2])[0])
        held.holder = holder
        return held

    def connect(self, user, path):
        """A connection of this user's to a unix socket."""
        def make():
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(path)
            return sock
        return self.hold(user, make)

    def client(self, user, path=None, name="qemu:///system", flags=0):
        """A raw client; with name=None not even opened."""
        sock = self.connect(user, path or self.sock)
        try:
            return rpc.Client(sock, name, flags)
        except BaseException:
            sock.close()
            raise

    # -- guests -------------------------------------------------------------

    def file(self, text, name="x.xml"):
        """The path inside of a file with this text."""
        _put(self.path("run/test", name), text)
        return "/run/test/" + name

    def start_guest(self, name, **more):
        """As root, through virtpassd. more: what guest.domain() takes."""
        self.virsh("root", "define", self.file(guest.domain(name, **more)))
        self.virsh("root", "start", name)

    def remove_guests(self):
        """All there are, at libvirtd itself."""
        for command, names in (("destroy", ["--name"]), ("undefine", ["--all", "--name"])):
            for name in self.virsh("root", "list", *names, sock=self.sock_libvirtd).split():
                self.virsh("root", command, name, sock=self.sock_libvirtd)

    def sessions(self):
        """What "virtpass sessions --json" tells, by name of the domain."""
        result = self.run("root", [program("VIRTPASS"), "-c", "qemu+unix:///system?socket="
                                   + self.sock, "sessions", "--json"])
        assert result.returncode == 0, result.stderr
        return {entry["domain"]: entry for entry in json.loads(result.stdout)}

    def wait_session(self, name, session="dedicated", state="ready"):
        def there():
            entry = self.sessions().get(name, {})
            return (entry.get("session"), entry.get("state")) == (session, state) and entry
        return limits.poll_until(there, lambda: f"{session} session of {name} is {state}; "
                                                f"there is {self.sessions()}")

    def qmp_path(self, uuid):
        """Of the socket for QMP clients, inside."""
        return "/run/virtpassd/qmp/" + uuid

    # -- looking at it ------------------------------------------------------

    def processes(self):
        """{pid: command line} of what runs inside, both as counted there."""
        found = {}
        for name in os.listdir(f"/proc/{self.init}/root/proc"):
            try:
                with open(f"/proc/{self.init}/root/proc/{name}/cmdline", "rb") as file:
                    found[int(name)] = file.read().replace(b"\0", b" ").decode(errors="replace")
            except (OSError, ValueError):  # it has ended, or is no process
                pass
        return found

    def tree(self, *names):
        """{path: kind and target} of what is below these directories."""
        found = {}
        for name in names:
            for directory, directories, files in os.walk(self.path(name)):
                for entry in directories + files:
                    path = os.path.join(directory, entry)
                    kind = os.lstat(path).st_mode & 0o170000
                    found[path[len(self.dir):]] = (kind, os.readlink(path)
                                                   if os.path.islink(path) else None)
        return found

    def log_size(self):
        return os.path.getsize(self.path("var/log/libvirt/libvirtd.log"))

    def calls_with(self, text, since):
        """Names of the functions of libvirt's API, in order, whose arguments had this text in
        them, by libvirtd's log from that size on."""
        with open(self.path("var/log/libvirt/libvirtd.log"), "rb") as file:
            file.seek(since)
            lines = file.read().decode(errors="replace").splitlines()
        return [found[1] for line in lines
                if text in line and (found := re.search(r" debug : (vir\w+):\d+ : ", line))]


class Opened:
    """Counts how often files are opened or executed from now on, by whomever."""

    OPEN = 0x20  # IN_OPEN

    def __init__(self, *paths):
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for path in paths:
            if libc.inotify_add_watch(self.fd, os.fsencode(path), self.OPEN) < 0:
                raise OSError(ctypes.get_errno(), "inotify_add_watch", path)

    def count(self):
        """Since the last time."""
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return 0
        size, found = struct.calcsize("iIII"), 0
        while data:
            data = data[size + struct.unpack_from("iIII", data)[3]:]
            found += 1
        return found

    def close(self):
        os.close(self.fd)


class SystemTest(unittest.TestCase):
    """One system for the tests of a class. more: what System takes."""

    more = {}

    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason:
            raise unittest.SkipTest(reason)
        cls.system = System(**cls.more)
        cls.addClassCleanup(cls.system.stop)
        cls.system.start()

    def setUp(self):
        for process in (self.system.libvirtd, self.system.virtpassd):
            process.mark_log()

    def describe_failure(self):
        return (self.system.libvirtd.log_since_mark()
                + self.system.virtpassd.log_since_mark())

    def client(self, *args, **more):
        """As System.client(); closed with the test."""
        client = self.system.client(*args, **more)
        self.addCleanup(client.close)
        return client
