# SPDX-License-Identifier: LGPL-2.1-or-later
"""The harness itself: whatever goes wrong in a test must come out as "not ok"."""

import os
import sys
import tempfile
import unittest

from harness.process import run

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run.py")

HEAD = """\
import os, subprocess, sys, time, unittest
from harness import leaks, limits, rpc, xdr

class Example(unittest.TestCase):
"""


def body(code):
    return HEAD + "".join(f"    {line}\n" for line in code.split("\n"))


class Runner(unittest.TestCase):
    def lines(self, code):
        """(exit status, lines) of the runner on a file with this class body."""
        with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
            file.write(body(code))
            file.flush()
            result = run([sys.executable, RUN, file.name],
                         env=dict(os.environ, VIRTPASS_TEST_TIME_FACTOR="1"))
        return result.returncode, result.stdout.split("\n")

    def fails(self, code, name, reason):
        status, lines = self.lines(code)
        self.assertNotEqual(status, 0)
        self.assertTrue(any(line.startswith("not ok") and name in line for line in lines), lines)
        self.assertTrue(any(line.startswith("#") and reason in line for line in lines), lines)
        return lines

    def test_all_well(self):
        status, lines = self.lines("def test_one(self): pass\n"
                                   "def test_two(self):\n '''In other words.'''")
        self.assertEqual(status, 0)
        self.assertEqual(lines[:2], ["ok 1 - one", "ok 2 - In other words"])
        self.assertEqual(lines[-2], "1..3")

    def test_skip_says_why(self):
        status, lines = self.lines("@unittest.skip('the reason')\ndef test_one(self): pass")
        self.assertEqual((status, lines[0]), (0, "ok 1 - one # SKIP the reason"))

    def test_failure(self):
        self.fails("def test_one(self): self.fail('words')", "one", "words")

    def test_failure_in_one_of_several_sub_tests(self):
        lines = self.fails("def test_one(self):\n"
                           " for n in range(3):\n"
                           "  with self.subTest(n=n): self.assertNotEqual(n, 1)", "one", "n=1")
        self.assertEqual(lines[-2], "1..2")

    def test_exception_in_class_set_up(self):
        self.fails("@classmethod\ndef setUpClass(cls): raise OSError('words')\n"
                   "def test_one(self): pass", "setUpClass", "words")

    def test_exception_in_clean_up(self):
        self.fails("def test_one(self): self.addCleanup(lambda: 1 // 0)", "one", "ZeroDivision")

    def test_process_left_behind(self):
        lines = self.fails("def test_one(self):\n"
                           " subprocess.Popen(['setsid', '-f', 'sleep', '66'])", "one", "sleep 66")
        self.assertTrue(any("not ok 2 - no process" in line for line in lines), lines)

    def test_file_left_behind(self):
        self.fails("def test_one(self): open(leaks.root() + '/left', 'w').close()", "one", "/left")

    def test_death_of_the_test_program(self):
        lines = self.fails("def test_one(self): pass\ndef test_two(self): os._exit(0)",
                           "ended by itself", "without its last line")
        self.assertEqual(lines[0], "ok 1 - one")

    def test_time_limit(self):
        self.fails("@limits.limit(1)\ndef test_one(self): time.sleep(60)",
                   "ended by itself", "without its last line")

    def test_condition_that_does_not_come_true(self):
        self.fails("def test_one(self): limits.poll_until(lambda: 0, 'the moon', 0.1)",
                   "one", "the moon: not within 0.1 s")
