# SPDX-License-Identifier: LGPL-2.1-or-later
"""unittest with TAP output: one line for each test, diagnostics in front of it with '#'.

Around each test: a time limit, and a comparison of processes and of the temporary directory
before and after (leaks.py).
"""

import faulthandler
import os
import sys
import time
import unittest

from harness import leaks, limits

# For whoever wants to make the suite faster.
SHOW_TIMES = "VIRTPASS_TEST_TIMES" in os.environ


def say(text):
    for line in text.rstrip("\n").split("\n"):
        print("# " + line)


class Result(unittest.TestResult):
    """Collects what happened to the test that runs now, and prints it when it stops."""

    def __init__(self):
        super().__init__()
        self.number = 0
        self.problems = []
        self.skipped_because = None
        self.watch = None
        self.failed = False
        self.started = time.monotonic()

    # -- what unittest calls ------------------------------------------------

    def startTest(self, test):
        super().startTest(test)
        self.problems = []
        self.skipped_because = None
        self.started = time.monotonic()
        # From a thread of C: it also ends a test that hangs inside of libvirt.so.
        faulthandler.dump_traceback_later(limits.seconds(time_limit(test)), exit=True)
        self.watch = leaks.Watch()

    def stopTest(self, test):
        self.problems += self.watch.problems()
        faulthandler.cancel_dump_traceback_later()
        self.report(test_name(test))
        super().stopTest(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.problem(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.problem(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.problems.append(subtest._subDescription())
            self.problem(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.skipped_because = reason
        if not isinstance(test, unittest.TestCase):  # raised in setUpClass
            self.report(str(test))

    # -- printing -----------------------------------------------------------

    def problem(self, test, err):
        self.problems.append(self._exc_info_to_string(err, test))
        if not isinstance(test, unittest.TestCase):  # setUpClass or tearDownClass
            self.report(str(test))
            return
        describe = getattr(test, "describe_failure", None)
        if describe:
            self.problems.append(describe())

    def report(self, name):
        self.number += 1
        self.failed |= bool(self.problems)
        for text in self.problems:
            say(text)
        if SHOW_TIMES:
            say(f"{time.monotonic() - self.started:.2f} s")
        line = ("not ok" if self.problems else "ok") + f" {self.number} - {name}"
        if self.skipped_because and not self.problems:
            line += " # SKIP " + self.skipped_because.replace("\n", " ")
        print(line, flush=True)
        self.problems = []
        self.skipped_because = None


def time_limit(test):
    method = getattr(test, getattr(test, "_testMethodName", ""), None)
    return getattr(method, "time_limit", limits.TEST_SECONDS)


def test_name(test):
    """The words of the method's name; its first doc line where it has one."""
    described = test.shortDescription()
    name = test._testMethodName.removeprefix("test_").replace("_", " ")
    return described.rstrip(".") if described else name


def chosen(module, names):
    tests = unittest.TestSuite()
    for case in unittest.defaultTestLoader.loadTestsFromModule(module):
        kept = [test for test in case
                if not names or any(name in test.id() for name in names)]
        tests.addTest(unittest.TestSuite(kept))
    return tests


def run(module, names):
    result = Result()
    chosen(module, names).run(result)
    sys.stdout.flush()
    return not result.failed
