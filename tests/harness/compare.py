# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same case against libvirtd and through virtpassd, and what came out compared.

A method case_NAME(self, side) of a Comparison becomes test_NAME. It runs twice, with a Side
that is first libvirtd itself and then virtpassd in front of the same libvirtd, and both times
everything it made is undone afterwards. What it side.note()s is the record; volatile things
(ids, ptys, sockets) are replaced in it, and the records have to be equal. The case asserts by
itself what must hold at all, so that two equal failures do not pass.

Without a virtpassd (VIRTPASSD not set) a case runs against libvirtd only and says so.
"""

import difflib
import functools
import json
import os
import re
import shutil
import unittest

import libvirt

from harness import guest, leaks, limits, proctree, rpc, virtpassd
from harness.libvirtd import shared_libvirtd, virsh
from harness.process import Lines, run

# Tracebacks end where a test called us.
__unittest = True

# libvirt's own messages on stderr would end up between the lines of TAP.
libvirt.registerErrorHandler(lambda _context, _error: None, None)

# What differs between two runs of the same thing.
VOLATILE = [
    (re.compile(r"/dev/pts/\d+"), "/dev/pts/N"),
    (re.compile(r"(<domain [^>]*?id=')\d+'"), r"\1N'"),
    (re.compile(r"domain-\d+-"), "domain-N-"),
    (re.compile(r"libvirt-\d+"), "libvirt-N"),
    (re.compile(r"<creationTime>\d+"), "<creationTime>N"),
    (re.compile(r"\bId: +\d+"), "Id: N"),
    (re.compile(r"^CPU time: .*", re.M), "CPU time: N"),
    # How a guest became tainted: libvirtd says so of each that has words of its own.
    (re.compile(r"^Messages: +tainted: .*\n(  .*\n)*", re.M), ""),
]


def normal(text, side):
    text = text.replace(side.sock, "SOCKET")
    for pattern, replacement in VOLATILE:
        text = pattern.sub(replacement, text)
    return text


class Side:
    """One way to reach libvirtd, and what a case does over it."""

    def __init__(self, case, name, sock, uri):
        self.case = case
        self.name = name
        self.sock = sock
        self.uri = uri
        self.record = []
        self.cleanups = []
        self.dir = os.path.join(leaks.root(), "case")

    @property
    def through(self):
        return self.name == "through"

    @property
    def libvirtd(self):
        return self.case.libvirtd

    # -- the record ---------------------------------------------------------

    def note(self, label, value):
        if not isinstance(value, str):
            value = json.dumps(value, indent=1, sort_keys=True, default=str)
        self.record.append(f"{label}: {value}")
        return value

    def text(self):
        return normal("\n".join(self.record), self)

    # -- files --------------------------------------------------------------

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, content):
        mode = "wb" if isinstance(content, bytes) else "w"
        with open(self.path(name), mode) as file:
            file.write(content)
        return self.path(name)

    def qcow2(self, name, size="1M"):
        result = run(["qemu-img", "create", "-q", "-f", "qcow2", self.path(name), size])
        assert result.returncode == 0, result.stderr
        return self.path(name)

    # -- programs -----------------------------------------------------------

    def virsh(self, *args, **more):
        return virsh(self.uri, *args, **more)

    def virsh_fails(self, *args, **more):
        """What virsh says when it fails, as it must."""
        result = self.virsh(*args, check=False, **more)
        assert result.returncode != 0, f"virsh {' '.join(args)}: {result.stdout}"
        return result.stderr.strip()

    def client(self, *args, check=True, **more):
        """The C program of tests/client/client.c."""
        result = run([virtpassd.program("VIRTPASS_TEST_CLIENT"), self.uri, *args], **more)
        if check:
            assert result.returncode == 0, f"client {' '.join(args)}: {result.stderr}"
        return result.stdout

    def background(self, *argv, **more):
        """A program beside the case, ended with it; its lines can be waited for."""
        process = Lines(list(argv), os.path.join(self.dir, "background.log"), **more)
        self.cleanups.append(process.kill)
        return process

    def client_background(self, *args):
        """The C program, once it has said that it is ready."""
        program = virtpassd.program("VIRTPASS_TEST_CLIENT")
        process = self.background(program, self.uri, *args)
        process.wait_lines("ready")
        return process

    # -- libvirt ------------------------------------------------------------

    def connect(self, readonly=False):
        opened = (libvirt.openReadOnly if readonly else libvirt.open)(self.uri)
        self.cleanups.append(opened.close)
        return opened

    def raw(self, name="qemu:///session", flags=0):
        """A connection of our own, frame by frame."""
        client = rpc.Client(self.sock, name, flags)
        self.cleanups.append(client.close)
        return client

    def error(self, function, *args):
        """[code, domain, message] of a call that must fail."""
        try:
            function(*args)
        except libvirt.libvirtError as error:
            return [error.get_error_code(), error.get_error_domain(), error.get_error_message()]
        raise AssertionError(f"{function.__name__} succeeded")

    def define(self, name, **more):
        """Defines a guest over this side; returns its name."""
        self.virsh("define", self.write(name + ".xml", guest.domain(name, **more)))
        return name

    def start(self, name, **more):
        self.define(name, **more)
        self.virsh("start", name)
        return name

    def wait_state(self, name, state):
        limits.poll_until(lambda: self.virsh("domstate", name).strip() == state,
                          f"{name} is {state}")

    # -- life ---------------------------------------------------------------

    def begin(self):
        os.mkdir(self.dir, 0o711)

    def end(self):
        """Undoes what the case did, over libvirtd itself."""
        try:
            for function in reversed(self.cleanups):
                function()
            remove_objects(self.libvirtd)
        finally:
            shutil.rmtree(self.dir)


def remove_objects(server):
    """Removes every guest and every pool of a libvirtd."""
    for pid in server.qemu_pids():
        proctree.kill(pid)
    connection = libvirt.open(server.uri)
    limits.poll_until(lambda: connection.numOfDomains() == 0, "libvirtd has no guest any more")
    for domain in connection.listAllDomains():
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
                             | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                             | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA)
    for pool in connection.listAllStoragePools():
        persistent = pool.isPersistent()
        if pool.isActive():
            pool.destroy()
        if persistent:
            pool.undefine()
    connection.close()


@functools.cache
def daemons():
    """(libvirtd, virtpassd or None), which end with the file that asked first."""
    server = shared_libvirtd()
    if not virtpassd.available():
        return server, None
    daemon = virtpassd.Virtpassd(server.sock, shared=True)
    unittest.addModuleCleanup(daemon.stop)
    return server, daemon.start()


def _make_test(case):
    @functools.wraps(case)
    def test(self):
        self.compare(functools.partial(case, self))
    return test


class Comparison(unittest.TestCase):
    """Base of the client-side suite. A file's classes share one libvirtd and one virtpassd."""

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        for name, value in list(vars(cls).items()):
            if name.startswith("case_"):
                setattr(cls, "test_" + name.removeprefix("case_"), _make_test(value))

    @classmethod
    def setUpClass(cls):
        cls.libvirtd, cls.virtpassd = daemons()

    def setUp(self):
        for daemon in filter(None, (self.libvirtd, self.virtpassd)):
            daemon.process.mark_log()

    def describe_failure(self):
        return "".join(daemon.process.log_since_mark()
                       for daemon in filter(None, (self.libvirtd, self.virtpassd)))

    def run_side(self, case, side):
        side.begin()
        try:
            case(side)
        except Exception as error:
            error.add_note(f"({side.name})")
            raise
        finally:
            side.end()
        return side.text()

    def direct(self):
        return Side(self, "direct", self.libvirtd.sock, self.libvirtd.uri)

    def through(self):
        return Side(self, "through", self.virtpassd.sock, self.virtpassd.uri)

    def compare(self, case):
        direct = self.run_side(case, self.direct())
        self.assertTrue(direct, "the case notes nothing")
        if not self.virtpassd:
            self.skipTest("ran against libvirtd alone, VIRTPASSD names no program")
        through = self.run_side(case, self.through())
        if direct != through:
            difference = difflib.unified_diff(direct.split("\n"), through.split("\n"),
                                              "direct", "through virtpassd", lineterm="")
            self.fail("\n".join(difference))
