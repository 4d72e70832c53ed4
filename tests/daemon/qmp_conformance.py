# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same bytes to a bare QEMU monitor and to virtpassd's QMP socket: the same answers."""

import json
import os
import random
import sys
import unittest

from harness import guest, limits, proctree
from harness.monitor import PLACE, Monitor, forgive_slips
from harness.process import Process
from harness.scripted import Scripted

QEMU = "/usr/bin/qemu-system-x86_64"
STATUS = b'{"execute":"query-status"}'

# Ends whatever was begun: QEMU answers this byte with an error and starts anew.
RESET = b"\n\xff"

# What is well-formed, or QEMU's parser has to say something about.
IDS = [b"1", b"-7", b'"x"', b'"\\"\\\\\\u00e9"', b"null", b"true", b"[1, [2], {}]",
       b'{"a": {"b": "c"}}', b"1.5", b'"' + b"y" * 2000 + b'"', b"9007199254740993",
       b'"\\u0000"', b"'it\\'s'"]

COMMANDS = [
    STATUS,
    b'{"execute": "query-name"}',
    b'{"execute":"query-status","arguments":{}}',
    b'{"execute":"query-status","arguments":{"a":1}}',
    b'{"execute":"query-status","arguments":[]}',
    b'{"execute":"query-status","arguments":null}',
    b'{"execute":"query-status","foo":1}',
    b'{"execute":"no-such-command"}',
    b'{"execute":""}',
    b'{"execute":1}',
    b'{"execute":null}',
    b'{"execute":["query-status"]}',
    b"{}",
    b'{"arguments":{}}',
    b'{"exec-oob":"query-yank"}',
    b'{"exec-oob":"query-status"}',
    b'{"exec-oob":"no-such-command"}',
    b'{"exec-oob":1}',
    b'{"execute":"query-status","exec-oob":"query-yank"}',
    b'{"ex\\u0065cute":"query-status"}',
    b'{"execute":"qu\\u0065ry-status"}',
    b'{"\\u0065xec-oob":"query-yank"}',
    b'{"execute":"qmp_capabilities","arguments":{"enable":["no-such"]}}',
    b'{"execute":"qmp_capabilities","arguments":{"enable":[1]}}',
    b'{"execute":"qmp_capabilities","arguments":{"enable":"oob"}}',
    b'{"execute":"qmp_capabilities","arguments":{"a":1}}',
    b'{"execute":"query-qmp-schema","arguments":{"a":1}}',
    b'{"execute":"human-monitor-command","arguments":{"command-line":"info status"}}',
    b'{"execute":"human-monitor-command","arguments":{"command-line":"no-such"}}',
    b'{"execute":"human-monitor-command","arguments":{"command-line":"getfd f"}}',
    b'{"execute":"human-monitor-command","arguments":{"command-line":"\xc3\xa9\xe2\x82\xac"}}',
    b'{"execute":"human-monitor-command"}',
    b'{"execute":"getfd","arguments":{"fdname":"f"}}',
    b'{"execute":"getfd","arguments":{"fdname":"1f"}}',
    b'{"execute":"getfd","arguments":{"fdname":""}}',
    b'{"execute":"getfd","arguments":{"fdname":1}}',
    b'{"execute":"getfd"}',
    b'{"execute":"closefd","arguments":{"fdname":"f"}}',
    b'{"execute":"closefd","arguments":{"fdname":"a\\"b"}}',
    b'{"execute":"add-fd","arguments":{"fdset-id":-1}}',
    b'{"execute":"add-fd"}',
    b'{"execute":"remove-fd","arguments":{"fdset-id":5}}',
    b'{"execute":"add_client","arguments":{"protocol":"vnc","fdname":"f"}}',
    b'{"execute":"netdev_add","arguments":{"type":"tap","id":"n","fd":"f"}}',
    b'{"execute":"netdev_add","arguments":{"type":"tap","id":"n","fds":"f:g"}}',
    b'{"execute":"chardev-add","arguments":{"id":"c","backend":{"type":"socket","data":'
    b'{"addr":{"type":"fd","data":{"str":"f"}}}}}}',
    b'{"execute":"migrate-incoming","arguments":{"uri":"fd:f"}}',
    b'{"execute":"device_add","arguments":{"driver":"no-such"}}',
    b'{"execute":"object-add","arguments":{"qom-type":"rng-builtin","id":"r"}}',
    b'{"execute":"object-add","arguments":{"qom-type":"rng-builtin","id":"r"}}',
    b'{"execute":"object-del","arguments":{"id":"r"}}',
    b'{"execute":"object-del","arguments":{"id":"r"}}',
    b'{"execute":"qom-get","arguments":{"path":"/no-such","property":"x"}}',
    b'{"execute":"stop"}',
    b'{"execute":"cont"}',
    b"{'execute':'query-status'}",
    b"{'execute':'query-status', 'arguments':{\"it's\":'\"'}}",
]

# What is no JSON, or not for everybody.
BROKEN = [
    b'{"execute": nope}', b'{"execute": "query-status",}', b'{"execute" "query-status"}',
    b'{"execute":: "query-status"}', b'{,}', b'{:}', b'{1:2}', b'{[]:1}', b'{"a"}', b'{"a":}',
    b'[', b']', b'}', b'{]}', b'[}', b'{"a":[}]', b'[1 2]', b'[1,,2]', b'[1,]', b'[,1]',
    b'1', b'-1', b'"x"', b"'x'", b'true', b'false', b'null', b'nul', b'truefalse', b'[]', b'[1, 2]',
    b'01', b'-', b'--1', b'+1', b'1.', b'.5', b'1e', b'1e+', b'1E5', b'0x10', b'1x', b'-01',
    b'\xff', b'\xfe', b'\xff\xff', b'\x80', b'\xc3\xa9', b'\x00', b'\x01', b'\x7f', b'\x0b',
    b'\x0c', b'A', b'_', b'%d', b'%p', b'%', b'/', b'/* x */', b'// x', b'#', b';', b'\\', b'`',
    b'"a\nb"', b'"a\tb"', b'"\\x"', b'"\\u12"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\',
    b'{"a":"\\ud83d\\ude00"}', b'{"execute":"query-status","a":"\xef\xbf\xbf"}',
    b'{"execute":"query-status","id":"\xc0\x80"}', b'{"execute":"query-status","id":"\xc0\xaf"}',
    b'{"execute":"query-status","id":"\xf4\x90\x80\x80"}',
    b'{"execute":"query-status","id":"\xff"}',
    b'{"execute":"query-status","execute":"query-status"}', b'{"id":1,"execute":"stop","id":2}',
    b'{"execute":\x0b"query-status"}', b'{"execute":"query-status"\x0c}',
    b'\xef\xbb\xbf' + STATUS,
    b'[' * 900 + b']' * 900, b'{"a":' * 100 + b'1' + b'}' * 100,
    b'{"execute":"query-status","id":' + b'[' * 900 + b']' * 900 + b'}',
]

ALPHABET = [bytes([byte]) for byte in b'{}[],:"\'\\ 01e.-tru%\n\t\x00\x80\xc3\xff'] + [STATUS]


def pipelines():
    """Several commands, with and without space between them."""
    for separator in (b"", b" ", b"\r\n", b"\n\n\t"):
        yield separator.join(COMMANDS[:8])
        yield separator.join([STATUS, BROKEN[0], STATUS, b"[1]", STATUS])
    yield b"".join(b'{"execute":"query-status","id":%d}' % number for number in range(100))
    yield STATUS * 40
    yield b'{"execute":"stop"}{"execute":"cont"}' * 5


def mutated(count):
    """Good text with some bytes gone, doubled or exchanged; the same in every run."""
    chance = random.Random(2010)
    for _ in range(count):
        text = bytearray(chance.choice(COMMANDS) + b" " + chance.choice(COMMANDS + BROKEN) + STATUS)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(text))
            end = at + chance.randint(0, 2)
            text[at:end] = chance.choice(ALPHABET)
        yield bytes(text)


def exchanges():
    yield from COMMANDS
    for number in IDS:
        for command in (STATUS, b'{"execute":"no-such"}', b'{"execute":"stop"}'):
            yield command[:-1] + b',"id":' + number + b"}"
    yield from BROKEN
    yield from pipelines()


def normalised(line):
    """Timestamps are the only thing that may differ: QEMU writes JSON in one way, but an id comes
    back from us as it was sent."""
    message = json.loads(line.decode(errors="surrogateescape"))
    if "timestamp" in message:
        message["timestamp"] = None
    return message


def without_columns(messages):
    """Before negotiation commands get a prefix, so columns may be those of something longer."""
    for message in messages:
        if "desc" in message.get("error", {}):
            message["error"]["desc"] = PLACE.sub(r"\1:C\3", message["error"]["desc"])
    return messages


class Conversation:
    """One monitor, connected to again for each exchange."""

    def __init__(self, path):
        self.path = path
        self.count = 0

    def hold(self, data, negotiate, piece=None):
        """Sends the bytes; everything that comes back, up to the answer of a last command."""
        monitor = Monitor(self.path, negotiate)
        last = f"last-{self.count}"
        self.count += 1
        try:
            if piece:
                for start in range(0, len(data), piece):
                    monitor.send(data[start:start + piece])
            else:
                monitor.send(data)
            monitor.send(RESET + json.dumps({"execute": "query-name", "id": last}).encode())
            messages = []
            while True:
                line = monitor.line()
                assert line is not None, f"the connection ended after {messages}"
                message = normalised(line)
                if message.get("id") == last:
                    return messages
                messages.append(message)
        finally:
            monitor.close()


# Becomes the program behind the path of a pid file, which names it and is locked by it.
AS_LIBVIRT = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
os.write(fd, b"%d" % os.getpid())
if os.path.isfile(sys.argv[1]):
    fcntl.lockf(fd, fcntl.LOCK_EX)
os.set_inheritable(fd, True)
os.execv(sys.argv[2], sys.argv[2:])
"""


@unittest.skipUnless(os.path.exists(QEMU), "QEMU is not installed")
class Conformance(Scripted):
    """One QEMU behind virtpassd, and another that is asked straight."""

    def prepare(self):
        self.paths = [self.virtpassd.session_path(guest.uuid("g")), self.virtpassd.path("bare")]
        domain = self.upstream.add("g", self.session_xml("g"), -1, None)
        pid_file = os.path.join(domain.state_dir, "g.pid")
        domain.state_dir = None  # the file is QEMU's
        self.qemu, _ = [self.start_qemu(path, file)
                        for path, file in zip(self.paths, (pid_file, "/dev/null"))]
        domain.id = 1

    def start_qemu(self, path, pid_file):
        process = Process([sys.executable, "-c", AS_LIBVIRT, pid_file, QEMU, "-machine", "none",
                           "-nodefaults", "-display", "none", "-uuid", guest.uuid("g"),
                           "-qmp", f"unix:{path},server=on,wait=off"],
                          self.virtpassd.path("qemu.log"))
        self.addCleanup(process.kill)
        limits.poll_until(lambda: os.path.exists(path), "QEMU listens")
        return process

    def setUp(self):
        super().setUp()
        path = self.virtpassd.path("qmp", guest.uuid("g"))
        limits.poll_until(lambda: os.path.exists(path), "the QMP socket")
        self.ours = Conversation(path)
        self.bare = Conversation(self.paths[1])

    def compare(self, data, negotiate, piece=None):
        bare = self.bare.hold(data, negotiate)
        ours = self.ours.hold(data, negotiate, piece)
        if negotiate is None:
            bare, ours = without_columns(bare), without_columns(ours)
        if forgive_slips(bare, ours) != ours:
            self.fail(f"{data[:300]!r}, {negotiate}, in pieces of {piece}:\n"
                      f"QEMU says {json.dumps(bare)[:2000]}\nwe say    {json.dumps(ours)[:2000]}")

    def test_before_negotiation(self):
        for data in exchanges():
            self.compare(data, None)

    def test_in_band(self):
        for data in exchanges():
            self.compare(data, ())

    def test_out_of_band(self):
        """One at a time: who overtakes whom is a matter of time"""
        for data in COMMANDS + BROKEN:
            self.compare(data, ("oob",))

    def test_mutations(self):
        for data in mutated(300):
            self.compare(data, ())

    def test_negotiation_in_a_pipeline(self):
        for data in (b'{"execute":"qmp_capabilities"}' + STATUS,
                     b'{"execute":"qmp_capabilities"}' * 2 + STATUS,
                     STATUS + b'{"execute":"qmp_capabilities","id":1}' + STATUS,
                     b'{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}'
                     b'{"exec-oob":"query-yank","arguments":{"a":1}}',
                     b'{"execute":"qmp_capabilities","arguments":{"enable":[]}}'
                     b'{"exec-oob":"query-yank"}',
                     b'{"execute":"qmp_capabilities","arguments":{"enable":["no"]}}' + STATUS,
                     b'{"execute":"qmp_capabilities","exec-oob":"x"}' + STATUS,
                     b"{'execute':'qmp_capabilities'}" + STATUS,
                     b'{"execute":"qmp_capabilities","id":1,"id":2}' + STATUS):
            self.compare(data, None)

    def test_split_at_every_byte(self):
        for data in COMMANDS[:12] + BROKEN[:60]:
            self.compare(data, (), 1)

    def test_greeting(self):
        greetings = []
        for conversation in (self.ours, self.bare):
            monitor = Monitor(conversation.path, None)
            greetings.append(monitor.greeting)
            monitor.close()
        self.assertEqual(*greetings)

    def test_garbage_beside_a_client(self):
        """Whoever sends what is no JSON keeps its answers to itself"""
        noisy, quiet = Monitor(self.ours.path), Monitor(self.ours.path)
        self.addCleanup(noisy.close)
        self.addCleanup(quiet.close)
        for _ in range(20):
            noisy.send(b"]" * 10 + b"\xff" * 10 + STATUS)
            for number in range(5):
                self.assertEqual(quiet.ask({"execute": "query-name", "id": number}),
                                 {"return": {}, "id": number})
            for _ in range(20):
                self.assertIn("JSON parse error", noisy.answer()["error"]["desc"])
            self.assertIn("return", noisy.answer())

    def test_descriptors(self):
        """Names are each client's own; what it leaves is closed with it"""
        first, second = Monitor(self.ours.path), Monitor(self.ours.path)
        self.addCleanup(second.close)
        before = proctree.open_descriptors(self.qemu.pid)
        for name in ("f", "g", "h"):
            first.execute("getfd", (0,), fdname=name)
        second.execute("getfd", (0,), fdname="f")
        self.assertIn("named 'g' not found", second.error("closefd", fdname="g"))
        second.execute("closefd", fdname="f")
        first.execute("closefd", fdname="f")
        self.assertEqual(first.ask({"execute": "getfd", "arguments": {"fdname": "x"}}),
                         {"error": {"class": "GenericError",
                                    "desc": "No file descriptor supplied via SCM_RIGHTS"}})
        added = first.execute("add-fd", (0,), opaque="mine")
        sets = second.execute("query-fdsets")
        self.assertEqual([entry["fdset-id"] for entry in sets], [added["fdset-id"]])
        second.execute("remove-fd", **{"fdset-id": added["fdset-id"]})
        self.assertEqual(proctree.open_descriptors(self.qemu.pid), before + 2)
        first.close()
        limits.poll_until(lambda: proctree.open_descriptors(self.qemu.pid) == before,
                          "nothing is left in QEMU")
