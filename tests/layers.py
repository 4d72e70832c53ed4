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

# Calls that may wait: for a disk or a server that is away, for a FIFO's other end, for a name
# service, for another process. Some are found by a flag that they lack.
MAY_BLOCK = re.compile(
    r"(?<![\w>.])(g_file_get_contents|g_file_set_contents\w*|g_file_test|g_file_read_link"
    r"|g_mkdir_with_parents|g_dir_open|g_spawn_sync|g_spawn_command_line_sync|g_usleep"
    r"|g_key_file_load_from_file|fopen|realpath|readlink|opendir|access|l?stat|openat2?|open"
    r"|connect|usleep|nanosleep|sleep|system|popen|waitpid"
    r"|getpw(?:nam|uid)(?:_r)?|getgr(?:nam|gid)(?:_r)?|getgrouplist|initgroups|getaddrinfo)\(")

# The daemon's thread is in these.
NOTHING_BLOCKS_IN = ["src/base", "src/rpc", "src/qmp", "src/qmp_server", "src/added", "src/probe",
                     "src/qemu_passthrough"]

# "FILE:FUNCTION" and why it may call them all the same.
EARLY = "before the loop runs"
WORKER = "in a worker"
PROC = "in /proc, of numbers that the kernel has at hand"
OURS = "our own or libvirt's run directory"
CHILD = "in a child process, or to start one"
CONFIG = "reads the configuration, at the start and at SIGHUP"
END = "when virtpassd ends"
MAY_CALL = {
    "src/base/inet.c:vp_inet_listen": EARLY,
    "src/rpc/tls_context.c:read_file": CONFIG,
    "src/added/job.c:process_bytes": PROC,
    "src/added/netdev.c:read_interface": PROC,
    "src/probe/cache.c:add_time": WORKER,
    "src/probe/cache.c:add_multiarch": WORKER,
    "src/probe/cache.c:vp_probe_stamp": WORKER,
    "src/probe/cache.c:read_file": WORKER,
    "src/probe/cache.c:make_room": "our own cache",
    "src/probe/cache.c:vp_probe_cache_store": "our own cache",
    "src/probe/child.c:place_descriptors": CHILD,
    "src/probe/child.c:open_emulator": CHILD,
    "src/probe/child.c:start_process": PROC,
    "src/probe/sandbox.c:go_first_when_memory_is_short": CHILD,
    "src/probe/sandbox.c:write_file": CHILD,
    "src/probe/sandbox.c:pid_in_proc": PROC,
    "src/probe/sandbox.c:vp_sandbox_program": PROC,
    "src/probe/sandbox.c:find_user": EARLY,
    "src/probe/sandbox_root.c:make_file": CHILD,
    "src/probe/sandbox_root.c:put": CHILD,
    "src/probe/sandbox_root.c:put_name": CHILD,
    "src/probe/sandbox_root.c:find_real": CHILD,
    "src/qemu_passthrough/admission.c:connect_there": WORKER,
    "src/qemu_passthrough/access.c:vp_access_question": "/dev/null",
    "src/qemu_passthrough/added_host.c:emulator": PROC,
    "src/qemu_passthrough/config.c:parse_group": CONFIG,
    "src/qemu_passthrough/config.c:user_pki_file": CONFIG,
    "src/qemu_passthrough/config.c:set_tls_defaults": CONFIG,
    "src/qemu_passthrough/daemon.c:prepare_session_dir": EARLY,
    "src/qemu_passthrough/dead_sockets.c:is_dead": WORKER,
    "src/qemu_passthrough/dead_sockets.c:vp_dead_sockets_sweep": WORKER,
    "src/qemu_passthrough/embed.c:write_default": EARLY,
    "src/qemu_passthrough/embed.c:prepare_directory": EARLY,
    "src/qemu_passthrough/embed.c:write_file": CHILD,
    "src/qemu_passthrough/embed.c:start_child": CHILD,
    "src/qemu_passthrough/embed.c:spawn": CHILD,
    "src/qemu_passthrough/embed.c:on_libvirtd_exit": "it has ended",
    "src/qemu_passthrough/embed.c:end_libvirtd": END,
    "src/qemu_passthrough/local_dir.c:look_at_dir": WORKER,
    "src/qemu_passthrough/local_dir.c:goes_through_no_link": WORKER,
    "src/qemu_passthrough/names.c:user_name": WORKER,
    "src/qemu_passthrough/names.c:group_name": WORKER,
    "src/qemu_passthrough/listener.c:take_lock": EARLY,
    "src/qemu_passthrough/listener.c:choose_access": EARLY,
    "src/qemu_passthrough/qmp_sockets.c:is_link": OURS,
    "src/qemu_passthrough/qmp_sockets.c:remove_link": OURS,
    "src/qemu_passthrough/qmp_sockets.c:listen_at": OURS,
    "src/qemu_passthrough/qmp_sockets.c:remove_stale": OURS,
    "src/qemu_passthrough/shims.c:vp_shims_check_program": EARLY,
    "src/qemu_passthrough/upstream.c:vp_upstream_path": OURS,
    "src/base/process.c:vp_process_start_time": PROC,
    "src/base/process.c:vp_process_name": PROC,
    "src/base/file.c:vp_file_open": "O_NONBLOCK; who names the path says where it may be",
    "src/base/socket.c:vp_socket_connect": "a non-blocking socket of the unix kind",
    "src/qemu_passthrough/process.c:read_proc": WORKER,
    "src/qemu_passthrough/previous.c:look_at_file": WORKER,
    "src/qemu_passthrough/guest_dir.c:vp_guest_dir_socket": "lstat(), in libvirt's directory",
    "src/qemu_passthrough/guest_socket.c:open_place": "O_PATH, where the sockets are",
    "src/qemu_passthrough/guest_socket.c:is_in_sticky_directory": "where the sockets are",
    "src/qemu_passthrough/attach.c:vp_attach_set": "the directory of the sockets",
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


def blocking_calls(directory):
    """(FILE:FUNCTION, line, call) of the daemon's own code."""
    for path in sources(directory, ".c") if directory in NOTHING_BLOCKS_IN else []:
        if path.name.startswith(("test-", "print-")):
            continue
        function, comment = "", False
        for number, line in enumerate(lines(path), 1):
            if found := re.match(r"(\w+)\(", line):
                function = found[1]
                continue
            comment = line.lstrip().startswith(("/*", "*")) or (
                comment and "*/" not in line and not line.strip().endswith(";"))
            if not comment and (found := MAY_BLOCK.search(line)):
                yield f"{name(path)}:{function}", number, found[1]


def blocking(directory):
    for place, number, call in blocking_calls(directory):
        if place not in MAY_CALL:
            yield f"{place}, line {number}, calls {call}(), which may block"


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
    "calls nothing that may block, but where MAY_CALL says why": blocking,
    "has the same rule in docs/architecture.md": documented,
}


# Limits that no test names, with why not.
UNTESTED = {
    "VP_ADDED_KEPT_MAX": "test-lineage.c stays below it by VP_LINEAGE_MAX",
    "VP_CLIENTS_MAX": "what may be configured: test-config.c writes it as people do",
    "VP_LIBVIRT_SNAPSHOTS_MAX": "it takes a libvirtd with as many snapshots",
    "VP_NET_TEXT_MAX": "QEMU's, not ours",
    "VP_PROBE_CPU_SECONDS_MAX": "the kernel's to keep",
    "VP_PROBE_FILES_OPEN_MAX": "the kernel's to keep",
    "VP_PROBE_STDERR_TURN_MAX": "what comes in the next turn is the same",
    "VP_PROCESS_STATUS_MAX": "Linux writes the file, and no longer",
    "VP_REGEX_HEAP_KIB_MAX": "PCRE's to keep",
}


def limits():
    """The sizes that src has a name for."""
    for path in sorted((ROOT / "src").rglob("*.h")):
        yield from re.findall(r"^#define (VP_\w+_MAX)\b", path.read_text(encoding="utf-8"), re.M)


def words_of_tests():
    """Tests in Python have their own constants, without VP_."""
    paths = [*(ROOT / "src").rglob("test-*.[ch]"), *(ROOT / "tests").rglob("*.[ch]"),
             *(path for path in (ROOT / "tests").rglob("*.py") if path.name != "layers.py")]
    return {word for path in paths
            for word in re.findall(r"\b\w+_MAX\b", path.read_text(encoding="utf-8"))}


class Limits(unittest.TestCase):
    def test_every_limit_is_named_by_a_test(self):
        words = words_of_tests()
        unnamed = {limit for limit in limits()
                   if not {limit, limit.removeprefix("VP_")} & words}
        self.assertEqual(unnamed, set(UNTESTED))


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

    def test_blocking_calls_are_needed(self):
        there = {place for directory in NOTHING_BLOCKS_IN
                 for place, _, _ in blocking_calls(directory)}
        self.assertLessEqual(set(MAY_CALL), there)


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
