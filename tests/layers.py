#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rules of docs/architecture.md that can be seen in the text of the source.

Which layer may include which, who may use which library, and the shape of files. One test for
each rule and directory, so that a failure says where to look.
"""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPDX = "SPDX-License-Identifier: LGPL-2.1-or-later"

# What a layer may include besides itself. A directory that is not here has no place yet.
MAY_INCLUDE = {
    "src/base": [],
    "src/remote": [],
    "src/json": ["base"],
    "src/plan": ["base", "json"],
    "src/rpc": ["base", "remote"],
    "src/qmp": ["base", "json"],
    "src/qmp_server": ["base", "json", "qmp"],
    "src/xml": ["base", "plan"],
    "src/argv": ["base", "json", "plan"],
    "src/probe": ["base", "json", "plan", "qmp"],
    "src/added": ["base", "json", "qmp", "probe"],
    "src/emulator": ["base", "json", "plan", "argv"],
    "src/client": ["base", "json"],
    "src/qemu_passthrough": ["base", "remote", "json", "plan", "rpc", "qmp", "xml", "argv", "probe",
                             "added", "qmp_server"],
    "tools": ["base", "json", "plan", "xml", "argv", "probe", "qmp_server", "client"],
}

# Libraries that are known to one or few layers only: the first word of an <include>.
ONLY_IN = {
    "libxml": ["src/xml"],
    "yajl": ["src/json"],
    "pcre2": ["src/plan"],
    "gnutls": ["src/rpc"],
    "libvirt": ["src/client", "tools"],
    "histedit": ["tools"],
    "gio": ["src/probe", "src/qemu_passthrough"],
    "seccomp": ["src/probe"],
}

FUNCTION_LINES_MAX = 100
FILE_LINES_MAX = 700
LINE_COLUMNS_MAX = 100

# What is longer all the same, and why: "FILE" or "FILE:FUNCTION".
LONGER_WITH_REASON = {}

# Written at build time, in no layer: the version and the directories of the installation.
GENERATED = ["build-config.h"]

# What attaches a source to a context or runs it. base/loop.c says why only it may do that.
ATTACHES = re.compile(r"\bg_(source_attach|timeout_add\w*|idle_add\w*|unix_fd_add\w*"
                      r"|unix_signal_add\w*|child_watch_add\w*|main_loop_\w+|main_context_i\w+"
                      r"|task_return_\w+)\(")
MAY_ATTACH = {
    "src/base/loop.c": "vp_loop_attach()",
    "src/probe/probe.c": "runs a context of its own",
    "src/probe/look.c": "returns in a thread, whose source wakes GLib up",
    "src/qemu_passthrough/admission.c": "the same",
    "src/qemu_passthrough/daemon.c": "signals, before the loop runs",
}

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|not implemented|unimplemented)\b", re.I)


def sources(directory, *suffixes):
    return sorted(path for path in (ROOT / directory).rglob("*")
                  if path.suffix in (suffixes or (".c", ".h")))


def name(path):
    return str(path.relative_to(ROOT))


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def includes(directory, pattern):
    """(file, what is included) for each include that matches."""
    for path in sources(directory, ".c", ".h", ".x"):
        for line in lines(path):
            found = re.match(r'[%\s]*#\s*include\s*' + pattern, line)
            if found:
                yield name(path), found[1]


def included_layers(directory):
    own = directory.removeprefix("src/")
    allowed = MAY_INCLUDE[directory] + [own]
    for path, header in includes(directory, r'"([^"]+)"'):
        layer = header.split("/")[0] if "/" in header else own if own == "tools" else ""
        if layer not in allowed and header not in GENERATED:
            yield f"{path} includes {header}"


def included_libraries(directory):
    for path, library in includes(directory, r"<([\w-]+)[/.]"):
        if directory not in ONLY_IN.get(library, [directory]):
            yield f"{path} includes <{library}...>"


def functions(path):
    """(name, length) of each function: what stands between braces at column 0."""
    function, start = "", None
    for number, line in enumerate(lines(path), 1):
        if found := re.match(r"(\w+)\(", line):
            function = found[1]
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            yield function, number - start - 1
            start = None


def overlong(directory):
    """(place, lines) of functions and files that are over their limit, exceptions included."""
    for path in sources(directory):
        if len(lines(path)) > FILE_LINES_MAX:
            yield name(path), len(lines(path))
        for function, length in functions(path):
            if length > FUNCTION_LINES_MAX:
                yield f"{name(path)}:{function}", length


def too_long(directory):
    for place, length in overlong(directory):
        if place not in LONGER_WITH_REASON:
            yield f"{place} has {length} lines"


def long_lines(directory):
    for path in sources(directory, ".c", ".h", ".x", ".py"):
        for number, line in enumerate(lines(path), 1):
            if len(line) > LINE_COLUMNS_MAX:
                yield f"{name(path)}:{number} has {len(line)} columns"


def other_loops(directory):
    for path in sources(directory, ".c"):
        if name(path) not in MAY_ATTACH and not path.name.startswith("test-"):
            for number, line in enumerate(lines(path), 1):
                if found := ATTACHES.search(line):
                    yield f"{name(path)}:{number} calls {found[0]}...): vp_loop_attach() is there"


def heads(directory):
    """The licence on top of each file, then in a .c file what it is for."""
    for path in sources(directory, ".c", ".h", ".x"):
        text = path.read_text(encoding="utf-8")
        head = re.split(r"^#", text, maxsplit=1, flags=re.M)[0]
        if not text.startswith(f"/* {SPDX} */\n"):
            yield f"{name(path)} does not begin with its licence"
        elif path.suffix == ".c" and head.count("/*") < 2:
            yield f"{name(path)} does not say on top what it is for"


def unfinished(directory):
    for path in sources(directory, ".c", ".h", ".x", ".py"):
        for number, line in enumerate(lines(path), 1):
            if UNFINISHED.search(line):
                yield f"{name(path)}:{number}: {line.strip()}"


def documented_layers():
    """{directory: what it may include} from the table of docs/architecture.md."""
    table = {}
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    for directory, cell in re.findall(r"^\| `([\w/]+)` \|.*\| ([^|]*) \|$", text, re.M):
        above = [layer.removeprefix("src/") for layer in table]
        known = re.findall(r"\w+", cell) if cell not in ("GLib only", "nothing of ours") else []
        table[directory] = above if cell == "all of the above" else known
    return table


def documented(directory):
    said = documented_layers().get(directory)
    if said is None:
        yield f"docs/architecture.md has no row for {directory}"
    elif sorted(said) != sorted(MAY_INCLUDE[directory]):
        yield f"docs/architecture.md says {said}, here it is {MAY_INCLUDE[directory]}"


RULES = {
    "includes only what its layer may": included_layers,
    "leaves libraries to the layer that owns them": included_libraries,
    f"has no function over {FUNCTION_LINES_MAX}, no file over {FILE_LINES_MAX} lines": too_long,
    f"has no line over {LINE_COLUMNS_MAX} columns": long_lines,
    "begins each file with its licence and its purpose": heads,
    "has nothing unfinished": unfinished,
    "leaves GLib's sources to base/loop.c": other_loops,
    "has the same rule in docs/architecture.md": documented,
}


class Layers(unittest.TestCase):
    def test_every_directory_has_its_rule(self):
        there = {name(path) for path in (ROOT / "src").iterdir() if path.is_dir()}
        self.assertLessEqual(there, set(MAY_INCLUDE))

    def test_no_long_lines_elsewhere(self):
        for directory in ("tests", "benchmarks", "examples"):
            self.assertEqual(list(long_lines(directory)), [])

    def test_exceptions_are_needed(self):
        longer = {place for directory in MAY_INCLUDE for place, _ in overlong(directory)}
        self.assertLessEqual(set(LONGER_WITH_REASON), longer)


def add_rule(number, directory, title, rule):
    def test(self):
        problems = list(rule(directory))
        if problems:
            self.fail("\n" + "\n".join(problems))

    test.__doc__ = f"{directory} {title}"
    setattr(Layers, f"test_rule_{number:03}", test)


def add_rules():
    directories = [directory for directory in MAY_INCLUDE if sources(directory)]
    pairs = [(directory, title) for directory in directories for title in RULES]
    for number, (directory, title) in enumerate(pairs):
        add_rule(number, directory, title, RULES[title])


add_rules()
