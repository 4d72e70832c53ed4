#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs one file of unittest cases and prints TAP.

    run.py FILE [NAME...]     NAME: only tests whose name contains one of these

Two processes. The inner one loads FILE and prints one line for each test. The outer one is the
supervisor: subreaper of everything that is started, it passes the lines on, and when the inner
one has ended, however that happened, it ends by pid what is left, removes the temporary
directory, and adds a last test of its own: that there was nothing to end or to remove.

A test that outlives its limit (limits.py) ends the inner process with a traceback of all its
threads; the supervisor reports that as a failure. VIRTPASS_TEST_KEEP=1 keeps the directory.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS)

from harness import proctree, tap  # noqa: E402 (the path has to be set first)

# The inner program's way to say that it has run all tests.
LAST_LINE = "# all tests have run"

# What a daemon that was told to end may need for it.
GRACE_SECONDS = 3

# The longest path below it that becomes a socket (QEMU's monitor) takes about 80 of 108 bytes.
TMPDIR_MAX = 24


def load(path):
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    name = os.path.splitext(os.path.basename(path))[0].replace("-", "_")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def inner(path, names):
    good = tap.run(load(path), names)
    print(LAST_LINE, flush=True)
    return 0 if good else 1


def leftover_processes():
    deadline = time.monotonic() + GRACE_SECONDS
    while True:
        left = proctree.descendants(os.getpid())
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)


def reap_ended():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def end_processes(pids):
    """Ends them and whatever they still start meanwhile. The first process of a pid namespace ends
    only when all others of it have been waited for, and those that entered it are our orphans."""
    while pids:
        for pid in pids:
            proctree.kill(pid)
        time.sleep(0.02)
        reap_ended()
        pids = proctree.descendants(os.getpid())


def short_directory():
    """TMPDIR unless socket paths below it would not fit into sun_path."""
    name = tempfile.gettempdir()
    return name if len(name) <= TMPDIR_MAX else "/tmp"


class Supervisor:
    def __init__(self, argv):
        self.root = tempfile.mkdtemp(prefix="vp-", dir=short_directory())
        os.chmod(self.root, 0o711)
        self.argv = argv
        self.count = 0
        self.failed = 0
        self.complete = False

    def line(self, ok, name, diagnostics=()):
        self.count += 1
        self.failed += not ok
        for text in diagnostics:
            print("# " + text)
        print(("ok" if ok else "not ok") + f" {self.count} - {name}", flush=True)

    def relay(self, stream):
        for line in stream:
            self.complete |= line.rstrip() == LAST_LINE
            if line.startswith(("ok ", "not ok ")):
                self.count += 1
                self.failed += line.startswith("not")
            sys.stdout.write(line)
            sys.stdout.flush()

    def reap(self, child):
        """Waits for the child and, because we are the subreaper, for everybody else's orphans."""
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == child:
                return os.waitstatus_to_exitcode(status)

    def reap_orphans(self):
        while True:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                time.sleep(0.01)

    def run(self):
        environment = dict(os.environ, VIRTPASS_TEST_ROOT=self.root,
                           VIRTPASS_TEST_SUPERVISOR=str(os.getpid()))
        read_end, write_end = os.pipe()
        child = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--inner", *self.argv],
            env=environment, stdin=subprocess.DEVNULL, stdout=write_end, close_fds=True)
        os.close(write_end)
        with open(read_end, "r", encoding="utf-8", errors="replace") as stream:
            relay = threading.Thread(target=self.relay, args=(stream,), daemon=True)
            relay.start()
            code = self.reap(child.pid)
            child.returncode = code
            threading.Thread(target=self.reap_orphans, daemon=True).start()
            # Programs that outlive the tests may hold the pipe open.
            left = leftover_processes()
            lines = [f"process {pid}: {proctree.command_line(pid)}" for pid in sorted(left)]
            end_processes(left)
            relay.join()
        if not self.complete:
            self.line(False, "the test program ended by itself",
                      [f"it ended with {code}, without its last line"])
        self.leftovers(lines)
        print(f"1..{self.count}")
        return 1 if self.failed or code else 0

    def leftovers(self, lines):
        lines += ["directory entry: " + os.path.join(self.root, name)
                  for name in sorted(os.listdir(self.root))]
        if os.environ.get("VIRTPASS_TEST_KEEP"):
            print("# kept: " + self.root)
        else:
            shutil.rmtree(self.root, ignore_errors=True)
        self.line(not lines, "no process, socket or directory is left behind", lines)

    def interrupted(self, number, _frame):
        end_processes(proctree.descendants(os.getpid()))
        shutil.rmtree(self.root, ignore_errors=True)
        os._exit(128 + number)


def main():
    if sys.argv[1:2] == ["--inner"]:
        return inner(sys.argv[2], sys.argv[3:])
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    proctree.become_subreaper()
    supervisor = Supervisor(sys.argv[1:])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, supervisor.interrupted)
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
