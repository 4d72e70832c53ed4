#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ci/tally.py, which has the last word in ./check: nothing that failed may be counted as passed."""

import json
import os
import pathlib
import tempfile
import unittest

from harness.process import run

TALLY = pathlib.Path(__file__).resolve().parent.parent / "ci/tally.py"


class Tally(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def path(self, name):
        path = pathlib.Path(self.directory.name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def tally(self, *programs, tap="", reports=None):
        """(exit status, what is printed) for (meson's verdict, exit status, TAP) of programs."""
        log = self.path("build/meson-logs/testlog.json")
        records = [{"name": f"t{number}", "result": verdict, "returncode": status,
                    "stdout": stdout, "stderr": "words on stderr\n"}
                   for number, (verdict, status, stdout) in enumerate(programs)]
        log.write_text("".join(json.dumps(record) + "\n" for record in records))
        self.path("own.tap").write_text(tap)
        for name, found in (reports or {}).items():
            self.path(f"reports/{name}").write_text(found)
        os.makedirs(self.path("reports"), exist_ok=True)
        result = run(["/usr/bin/python3", str(TALLY), "--reports", str(self.path("reports")),
                      str(log), str(self.path("own.tap"))])
        self.assertEqual(result.stderr, "")
        return result.returncode, result.stdout

    def expect(self, status, last, *programs, **more):
        code, printed = self.tally(*programs, **more)
        self.assertEqual((code, printed.splitlines()[-1]), (status, last))
        return printed

    def test_counts_results_and_not_programs(self):
        self.expect(0, "4 passed, 0 failed, 0 skipped",
                    ("OK", 0, "TAP version 13\n1..2\nok 1 - a\nok 2 /x/y\n# okay\n"),
                    ("OK", 0, "ok\nok 2 - issue #1 # not a directive\n1..2\n"))

    def test_subtests_are_not_counted_twice(self):
        self.expect(0, "1 passed, 0 failed, 0 skipped",
                    ("OK", 0, "    ok 1 - part\n    not ok 2 - part\nok 1 - whole\n1..1\n"))

    def test_skips_are_shown_with_their_reason(self):
        printed = self.expect(0, "1 passed, 0 failed, 2 skipped",
                              ("OK", 0, "ok 1 /a # SKIP no such device\nok 2 - b\n1..2\n"),
                              ("SKIP", 0, "1..0 # SKIP nothing to see\n"))
        self.assertIn("no such device", printed)
        self.assertIn("nothing to see", printed)

    def test_failures_are_shown_with_what_was_printed(self):
        printed = self.expect(1, "1 passed, 1 failed, 0 skipped",
                              ("ERROR", 1, "ok 1 - a\n# because\nnot ok 2 - bad\n1..2\n"))
        self.assertIn("# because", printed)
        self.assertIn("words on stderr", printed)

    def test_program_that_died_has_failed_whatever_it_printed(self):
        for verdict, status in ("ERROR", -11), ("TIMEOUT", -15), ("FAIL", 0), ("INTERRUPT", 1):
            self.expect(1, "1 passed, 1 failed, 0 skipped", (verdict, status, "ok 1 - a\n1..1\n"))

    def test_program_without_results_has_failed(self):
        self.expect(1, "1 passed, 1 failed, 0 skipped", ("OK", 0, "ok 1 - a\n1..1\n"),
                    ("OK", 0, "hello\n"))

    def test_plain_tap_is_counted_too(self):
        self.expect(1, "2 passed, 1 failed, 0 skipped", ("OK", 0, "ok 1 - a\n1..1\n"),
                    tap="ok - fuzz-a: Done\nnot ok - fuzz-b\n")

    def test_what_a_sanitizer_wrote_is_a_failure(self):
        printed = self.expect(1, "1 passed, 1 failed, 0 skipped", ("OK", 0, "ok 1 - a\n1..1\n"),
                              reports={"report.1": "heap-buffer-overflow\n"})
        self.assertIn("heap-buffer-overflow", printed)

    def test_search_for_leaks_in_a_killed_process(self):
        gone = "==12==Unable to get registers from thread 11.\n"
        self.expect(0, "1 passed, 0 failed, 0 skipped", ("OK", 0, "ok 1 - a\n1..1\n"),
                    reports={"report.11": gone})
        self.expect(1, "1 passed, 1 failed, 0 skipped", ("OK", 0, "ok 1 - a\n1..1\n"),
                    reports={"report.11": gone + "==11==ERROR: LeakSanitizer: leaks\n"})

    def test_nothing_passed_is_no_success(self):
        self.expect(1, "0 passed, 0 failed, 0 skipped")
        self.expect(1, "0 passed, 0 failed, 1 skipped", ("SKIP", 0, "1..0 # SKIP all\n"))

    def test_missing_log_is_a_failure(self):
        result = run(["/usr/bin/python3", str(TALLY), str(self.path("build/nothing/here.json"))])
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout.splitlines()[-1], "0 passed, 1 failed, 0 skipped")
