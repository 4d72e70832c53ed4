#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What <qemu:replace> makes of a value, held against sed: an author tries his expression there.

The expressions are generated, and so are the texts. sed takes the longest match and PCRE the first
that it finds, so that only those expressions are compared whose first match is the longest one,
wherever in the text it begins.
"""

import itertools
import json
import os
import re
import unittest

from harness.process import run

PRINT = os.environ["VIRTPASS_TEST_ARGV"]

ATOMS = ["a", "b", ".", "[ab]", "(ab)"]
TIMES = ["", "*", "?", "+", "{2}"]
TEXTS = ["".join(letters) for size in range(5) for letters in itertools.product("ab", repeat=size)]
TEXTS += ["host", "c", "ac", "caab", "ab,cd=ab"]

# Fewer would be no proof.
PATTERNS_MIN = 400


def patterns():
    items = [atom + times for atom in ATOMS for times in TIMES]
    for first, second in itertools.product(["", *items], items):
        yield first + second
    for item in items:
        yield from ("^" + item, item + "$", f"^{item}$", f"({item}|c)", f"({item})*")
    yield from ("^", "$", "^$", "x*", "^a*|b*$")


def first_is_longest(pattern, text):
    compiled = re.compile(pattern)
    for start in range(len(text) + 1):
        match = compiled.match(text, start)
        ends = [end for end in range(start, len(text) + 1) if compiled.fullmatch(text, start, end)]
        if match and max(ends, default=start) > match.end():
            return False
    return True


def ours(pattern, texts):
    result = run([PRINT, "replace", pattern, r"<\0>"], stdin="\n".join(texts))
    assert result.returncode == 0, result.stderr
    news = json.loads(result.stdout)
    return [text if new is None else new for text, new in zip(texts, news, strict=True)]


def seds(all_patterns):
    """{pattern: [what each text becomes]}"""
    script = "h\n" + "".join(f"g\ns/{pattern}/<&>/g\np\n" for pattern in all_patterns)
    result = run(["sed", "-n", "-E", script], stdin="\n".join(TEXTS) + "\n")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.split("\n")[:-1]
    return {pattern: lines[i::len(all_patterns)] for i, pattern in enumerate(all_patterns)}


class Replace(unittest.TestCase):
    def test_as_sed_does(self):
        all_patterns = list(patterns())
        compared = 0
        for pattern, expected in seds(all_patterns).items():
            pairs = [(text, new) for text, new in zip(TEXTS, expected, strict=True)
                     if first_is_longest(pattern, text)]
            if pairs:
                compared += 1
                with self.subTest(pattern=pattern):
                    texts, news = zip(*pairs)
                    self.assertEqual(ours(pattern, texts), list(news))
        self.assertGreater(compared, PATTERNS_MIN)

    def test_once_at_a_place(self):
        self.assertEqual(ours(".*", ["host", "", "\u00e4"]), ["<host>", "<>", "<\u00e4>"])
        self.assertEqual(ours("a*", ["baaac", "\u00e4"]), ["<>b<aaa>c<>", "<>\u00e4<>"])
