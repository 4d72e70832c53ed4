#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts single test results and prints the last line of ./check.

usage: tally.py [--reports DIR] FILE...

A FILE is meson's testlog.json, which holds the output of each test program, or plain TAP. The
count is of TAP results, not of programs. Meson's verdict on the program comes on top: one that
died, ran out of time or broke its plan has failed even if every result it got to print is "ok".
DIR is where sanitizers wrote what they found; each file in it is a failure, unless all it says is
that the process was killed during the search for leaks at its end.

Lines that are indented belong to a subtest, whose parent has a result of its own.
"""

import argparse
import json
import os
import re
import sys

# "ok 1 - name # SKIP reason"; GLib writes no dash.
RESULT = re.compile(r'(not )?ok\b(?: \d+)?(?:\s*-)?\s*(.*?)(?:\s*#\s*SKIP\b\s*(.*))?$', re.I)
OUTPUT_LINES = 60
PLAN_SKIP = re.compile(r'1\.\.0\s*#\s*SKIP\b\s*(.*)$', re.I)
# LeakSanitizer's second process, about a first one that has gone.
NOT_SEARCHED = re.compile(r'\s*(==\d+==Unable to get registers from thread \d+\.\s*)+')


def show_output(title, record):
    """The end of what a program printed; a line of TAP that says ok helps nobody here."""
    print(f'==> {title}')
    for stream in 'stdout', 'stderr':
        lines = [text for text in record.get(stream, '').splitlines() if not text.startswith('ok ')]
        for text in lines[-OUTPUT_LINES:]:
            print(f'    {text}')


class Tally:
    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skips = []

    def line(self, program, text):
        """Counts one line of TAP; false when it is no result."""
        skip_all = PLAN_SKIP.match(text)
        if skip_all:
            self.skips.append(f'{program} as a whole: {skip_all[1] or "no reason given"}')
            return True
        result = RESULT.match(text)
        if not result:
            return False
        failed, name, skipped = result.groups()
        if failed:
            self.failures.append(f'{program}: {name}')
        elif skipped is not None:
            self.skips.append(f'{program}: {name or "(no name)"}: {skipped or "no reason given"}')
        else:
            self.passed += 1
        return True

    def program(self, build, record):
        """Counts one record of a testlog.json."""
        name = f'{build}: {record["name"]}'
        before = len(self.failures)
        results = [self.line(name, text) for text in record.get('stdout', '').splitlines()]
        verdict = f'{record["result"]}, exit status {record.get("returncode")}'
        if record['result'] in ('OK', 'SKIP'):
            if not any(results):
                self.failures.append(f'{name}: printed no result')
        elif len(self.failures) == before:
            self.failures.append(f'{name}: {verdict}')
        if len(self.failures) > before:
            show_output(f'{name} ({verdict})', record)

    def file(self, path):
        if not os.path.exists(path):
            self.failures.append(f'{path}: the tests did not run')
            return
        with open(path, encoding='utf-8', errors='replace') as lines:
            for text in lines:
                if path.endswith('.json'):
                    self.program(path.split('/')[-3], json.loads(text))
                else:
                    self.line(os.path.basename(path), text)

    def reports(self, directory):
        for name in sorted(os.listdir(directory)):
            with open(os.path.join(directory, name), errors='replace') as report:
                found = report.read()
            print(f'==> What a sanitizer found ({name}):')
            print(found)
            if not NOT_SEARCHED.fullmatch(found):
                self.failures.append(f'sanitizer: {name}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--reports', metavar='DIR')
    parser.add_argument('files', metavar='FILE', nargs='+')
    args = parser.parse_args()

    tally = Tally()
    for path in args.files:
        tally.file(path)
    if args.reports:
        tally.reports(args.reports)
    for title, items in ('Skipped', tally.skips), ('Failed', tally.failures):
        if items:
            print(f'==> {title}:')
        for item in items:
            print(f'    {item}')
    print(f'{tally.passed} passed, {len(tally.failures)} failed, {len(tally.skips)} skipped')
    return 0 if tally.passed and not tally.failures else 1


if __name__ == '__main__':
    sys.exit(main())
