# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that tests start: each in its own log file, each ended by its pid."""

import os
import signal
import subprocess
import threading

from harness import leaks, limits, proctree

# Tracebacks end where a test called us.
__unittest = True

# Until a daemon that got SIGTERM has ended; then it is killed and the test fails.
TERM_SECONDS = 15

# What a sanitizer writes when it has found something.
SANITIZER_WORDS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")


def base_environment(**more):
    """Nothing of the machine's own configuration, but what sanitizers and coverage need."""
    kept = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "G_DEBUG", "G_MESSAGES_DEBUG")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return dict(environment, LC_ALL="C", TZ="UTC", **more)


def run(argv, *, env=None, stdin=None, timeout=limits.TEST_SECONDS, **more):
    """Runs a program to its end. Returns CompletedProcess with text in stdout and stderr."""
    if stdin is None:
        more.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(argv, env=env or base_environment(), input=stdin, text=True,
                          errors="surrogateescape", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False,
                          timeout=limits.seconds(timeout), **more)


class Process:
    """A program that runs beside the test."""

    def __init__(self, argv, log, *, env=None, shared=False, **popen):
        self.log = log
        self.shared = shared
        self.mark = 0
        with open(log, "ab") as file:
            popen.setdefault("stdout", file)
            self.popen = subprocess.Popen(argv, env=env or base_environment(),
                                          stdin=subprocess.DEVNULL, stderr=file, **popen)
        if shared:
            leaks.share_process(self.popen.pid)

    @property
    def pid(self):
        return self.popen.pid

    @property
    def running(self):
        return self.popen.poll() is None

    def wait(self, timeout=TERM_SECONDS):
        return self.popen.wait(limits.seconds(timeout))

    def signal(self, number):
        if self.running:
            self.popen.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.popen.wait()

    def stop(self):
        """SIGTERM; returns the exit code. Who does not obey is killed, and the test fails."""
        if not self.running:
            return self.popen.returncode
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise limits.Timeout(f"{self.popen.args[0]} did not end on SIGTERM") from None

    def freeze(self):
        self.signal(signal.SIGSTOP)
        limits.poll_until(lambda: proctree.stopped(self.pid), "stopped by SIGSTOP")

    def thaw(self):
        self.signal(signal.SIGCONT)

    def log_text(self):
        with open(self.log, "r", encoding="utf-8", errors="replace") as file:
            return file.read()

    def log_tail(self, lines=25):
        return "\n".join(self.log_text().split("\n")[-lines - 1:])

    def mark_log(self):
        self.mark = os.path.getsize(self.log)

    def log_since_mark(self, lines=40):
        """What the program logged since mark_log(), for the report of a failure."""
        text = self.log_text()[self.mark:].split("\n")
        return f"--- log of {os.path.basename(self.log)}:\n" + "\n".join(text[-lines:])


def sanitizer_report(text):
    """The sanitizer's report in a log, or ''."""
    starts = [text.find(word) for word in SANITIZER_WORDS if word in text]
    return text[min(starts):][:4000] if starts else ""


class Lines(Process):
    """A program whose standard output is read line by line while it runs."""

    def __init__(self, argv, log, **more):
        super().__init__(argv, log, stdout=subprocess.PIPE, **more)
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        with self.popen.stdout as stream:
            for line in stream:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))

    def wait_lines(self, wanted, count=1):
        """Until so many lines contain the text."""
        limits.poll_until(lambda: sum(wanted in line for line in self.lines) >= count,
                          f"{count} lines with {wanted!r} from {self.popen.args[0]}")

    def finish(self):
        """Waits for the program's own end; returns all it printed."""
        limits.poll_until(lambda: not self.running,
                          lambda: f"{self.popen.args[0]} ends; it printed {self.lines}")
        code = self.popen.returncode
        self.reader.join()
        assert code == 0, f"{self.popen.args} ended with {code}: {self.log_tail()}"
        return self.lines

    def cancel(self, number=signal.SIGINT):
        """Ends it with a signal; returns all it printed."""
        self.signal(number)
        self.wait()
        self.reader.join()
        return self.lines
