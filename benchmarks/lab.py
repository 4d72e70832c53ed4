# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured: a private libvirtd with guests behind virtpassd, and a scripted one.

Both live in one directory on a tmpfs, libvirtd's status files included: it rewrites one for
every monitor command, and on a disk that would be most of what it takes.
"""

import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

from harness import guest, libvirtd, limits, proctree, rpc, virtpassd, xdr
from harness.process import Lines

TMPFS = "/dev/shm"
URI = "qemu:///session"
QUERY_STATUS = '{"execute":"query-status"}'
QUERY_SCHEMA = '{"execute":"query-qmp-schema"}'

# Flag of DOMAIN_CREATE_XML.
START_PAUSED = 1

# libvirtd's defaults but for what a private one needs. The harness's own differ.
LIBVIRTD_CONF = 'host_uuid = "5f0c37d4-91b0-4c1d-8f55-0e1d52f1a003"\n'

# A monitor that is nobody's but ours, beside libvirt's and virtpassd's: the raw QMP socket.
RAW_MONITOR = """\
  <qemu:commandline>
    <qemu:arg value='-chardev'/>
    <qemu:arg value='socket,id=benchmark,path={path},server=on,wait=off'/>
    <qemu:arg value='-mon'/>
    <qemu:arg value='chardev=benchmark,mode=control'/>
  </qemu:commandline>
"""

DEVICES = """\
    <interface type='user'><model type='virtio'/><alias name='ua-0'/></interface>
    <serial type='null'/>
    <input type='keyboard' bus='virtio'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <controller type='scsi' model='virtio-scsi'/>
    <watchdog model='i6300esb'/>
"""

# QEMU's name for the thread that reads and writes its monitors, as far as the kernel keeps it.
MONITOR_THREAD = "IO mon_iothread"

# libvirtd probes QEMU before the first guest, on a machine that may be busy.
CREATE_SECONDS = 90


class Supervisor:
    """Runs a function in a child, and ends what is left when that has ended, however it did.

    It is the subreaper of all that is started below it, and reaps: libvirtd takes a QEMU that
    is a zombie for one that does not die, and waits.
    """

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="vpb-", dir=TMPFS)
        os.chmod(self.dir, 0o711)
        os.environ["VIRTPASS_TEST_ROOT"] = self.dir
        os.environ["VIRTPASS_TEST_SUPERVISOR"] = str(os.getpid())

    def run(self, function):
        """function(directory) returns the exit status."""
        proctree.become_subreaper()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._interrupted)
        child = os.fork()
        if child == 0:
            self._run_child(function)
        try:
            return self._reap_until(child)
        finally:
            self._clean_up()

    def _run_child(self, function):
        status = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            status = function(self.dir)
        except BaseException:  # pylint: disable=broad-except
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)

    @staticmethod
    def _reap_until(child):
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code

    @staticmethod
    def _interrupted(number, _frame):
        raise SystemExit(128 + number)

    def _clean_up(self):
        while pids := proctree.descendants(os.getpid()):
            for pid in pids:
                proctree.kill(pid)
            time.sleep(0.01)
        shutil.rmtree(self.dir, ignore_errors=True)


class Guest:
    def __init__(self, name, directory):
        self.name = name
        self.uuid = guest.uuid(name)
        self.raw = os.path.join(directory, name)
        self.xml = guest.domain(name, devices=DEVICES, after=RAW_MONITOR.format(path=self.raw))

    @property
    def ref(self):
        return self.name, self.uuid

    def qmp(self, daemon):
        """The socket that virtpassd makes for QMP clients."""
        return daemon.path("qmp", self.uuid)


class RealLab:
    """libvirtd and virtpassd in front of it; guests that QEMU has set up and does not run."""

    def __init__(self, count):
        self.libvirtd = libvirtd.Libvirtd("lv")
        with open(self.libvirtd.path("c/libvirt/libvirtd.conf"), "w", encoding="ascii") as file:
            file.write(LIBVIRTD_CONF)
        self.libvirtd.start()
        self.virtpassd = virtpassd.Virtpassd(self.libvirtd.sock, "vp").start()
        raw = self.virtpassd.path("raw")
        os.mkdir(raw)
        self.guests = [Guest(f"bench{number}", raw) for number in range(count)]
        with rpc.Client(self.virtpassd.sock, URI) as client:
            for item in self.guests:
                client.call(rpc.DOMAIN_CREATE_XML, xdr.string(item.xml) + xdr.u32(START_PAUSED),
                            timeout=CREATE_SECONDS)
            for item in self.guests:
                limits.poll_until(lambda: self._is_dedicated(client, item),
                                  f"a session of {item.name}'s own")

    @staticmethod
    def _is_dedicated(client, item):
        """libvirtd would have put an id of its own into the command."""
        return '"libvirt-' not in client.monitor(item.ref, QUERY_STATUS)

    def spenders(self):
        """Whose cost is shown: {name: Threads}. QEMU reads monitors in a thread of their own."""
        qemu = self.libvirtd.qemu_pid(self.guests[0].name)
        return {"QEMU's monitor thread": Threads(qemu, MONITOR_THREAD.startswith),
                "QEMU's other threads": Threads(qemu, lambda n: not MONITOR_THREAD.startswith(n)),
                "virtpassd": Threads(self.virtpassd.pid),
                "libvirtd": Threads(self.libvirtd.process.pid)}

    def template(self, session_dir):
        """The first guest's XML as libvirtd has it, for a scripted libvirtd to fill in."""
        first = self.guests[0]
        with rpc.Client(self.libvirtd.sock, URI) as client:
            xml = client.xml(first.ref)
        path = self.virtpassd.session_path(first.uuid)
        assert path in xml, f"no session in the domain's XML: {xml}"
        xml = xml.replace(path, os.path.join(session_dir, "virtpass-libvirt-@UUID@"))
        return re.sub(rf"\b{first.name}\b", "@NAME@", xml.replace(first.uuid, "@UUID@"))

    def stop(self):
        self.virtpassd.stop()
        self.libvirtd.stop()


class Forwarder:
    """A process that copies bytes between clients and libvirtd, and does nothing else."""

    def __init__(self, root, program, upstream):
        self.sock = os.path.join(root, "forwarder")
        self.process = Lines([program, upstream, self.sock], os.path.join(root, "forwarder.log"))
        self.process.wait_lines("listening")

    def stop(self):
        self.process.stop()


class ScriptedLab:
    """A scripted libvirtd with so many domains and their monitors; virtpassd comes and goes."""

    def __init__(self, root, program, real, sessions):
        directory = os.path.join(root, f"scripted{sessions}")
        os.mkdir(directory)
        self.sessions = sessions
        self.starts = 0
        upstream = os.path.join(directory, "upstream")
        self.virtpassd = virtpassd.Virtpassd(upstream, f"vp{sessions}")
        template = os.path.join(directory, "template")
        with open(template, "w", encoding="utf-8") as file:
            file.write(real.template(self.virtpassd.session_dir))
        self.scripted = Lines([program, upstream, self.virtpassd.session_dir, template,
                               str(sessions)], os.path.join(directory, "log"))
        self.scripted.wait_lines("listening")

    def start(self):
        """Starts virtpassd; seconds until the last of the sessions was ready."""
        begin = time.monotonic_ns()
        self.virtpassd.start()
        if not self.sessions:
            return 0.0
        self.starts += 1
        self.scripted.wait_lines("ready", self.starts)
        ready = [line for line in self.scripted.lines if line.startswith("ready")]
        return (int(ready[-1].split()[1]) - begin) / 1e9

    def end(self):
        self.virtpassd.end()
        if self.sessions:
            self.scripted.wait_lines("idle", self.starts)

    def uuids(self):
        return [f"5c21b7ed-0000-4000-8000-{number:012x}" for number in range(self.sessions)]

    def stop(self):
        self.virtpassd.stop()
        self.scripted.kill()


class Threads:
    """What the threads of a process spend, or those with names that are wanted."""

    def __init__(self, pid, wanted=lambda name: True):
        self.pid = pid
        self.wanted = wanted

    def _read(self, name):
        """The file of this name of each thread."""
        directory = f"/proc/{self.pid}/task"
        for task in os.listdir(directory):
            try:
                with open(f"{directory}/{task}/comm", encoding="ascii") as file:
                    if not self.wanted(file.read().rstrip("\n")):
                        continue
                with open(f"{directory}/{task}/{name}", encoding="ascii") as file:
                    yield file.read()
            except FileNotFoundError:  # a thread that has just ended
                pass

    def cpu_seconds(self):
        return sum(int(text.split()[0]) for text in self._read("schedstat")) / 1e9

    def switches(self):
        """Context switches."""
        return sum(int(line.split()[1]) for text in self._read("status")
                   for line in text.splitlines() if "ctxt_switches" in line)


def memory(pid):
    """KiB of a process that has come to rest: {"Rss": ..., "Pss": ..., "Pss_Anon": ...}."""
    threads = Threads(pid)
    used = None
    while used != (used := threads.cpu_seconds()):
        time.sleep(0.1)
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        fields = (line.split() for line in file if line.endswith(" kB\n"))
        return {words[0].rstrip(":"): int(words[1]) for words in fields}
