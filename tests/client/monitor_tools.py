# SPDX-License-Identifier: LGPL-2.1-or-later
"""virtpass events and qmp: over virtpassd and over plain libvirtd, held against QEMU itself."""

import json
import os
import subprocess
import unittest

from harness import guest, limits
from harness.monitor import Monitor
from harness.process import Lines, Process, base_environment
from harness.real import RealGuests
from harness.virtpassd import program, virtpass

QEMU = "/usr/bin/qemu-system-x86_64"

STATUS = b'{"execute":"query-status"}'

# Good, bad, pipelined: what a monitor answers in the same way on every machine.
EXCHANGES = [
    STATUS + b'{"execute":"query-name","id":{"a":[1,null]}}' + STATUS,
    b"{'execute':'query-status','id':'it\\'s'}",
    b'{"execute":"no-such-command","id":1}{"execute":"query-status","arguments":{"a":1},"id":2}',
    b'{"execute": nope}' + STATUS, b"[1,2]", b"7 true", b'{"id":3}', b'{"execute":1}', b"]", b"{,}",
    b'{"a":1,"a":2}', b'"\\x"', b'"\\u12"', b'"\\ud800"', b'["\xef\xbf\xbf"]', b'{"a":01}', b"[1 2]",
    b'{"execute":"query-status","foo":1}', b'{"exec-oob":"query-yank","id":4}',
    b'{"execute":"qmp_capabilities"}',
    b"[" * 1000 + b"]" * 1000, b"A" + STATUS + b'{"execute":"query-status","id":"last"}',
    b'{"execute":"stop","id":"s"}{"execute":"cont","id":"c"}',
]

# Ends whatever was begun: QEMU answers this byte with an error and starts anew.
RESET = b"\n\xff"


def normalised(line):
    message = json.loads(line)
    if "timestamp" in message:
        message["timestamp"] = None
    return message


class Tool:
    """virtpass qmp, spoken to through its pipes."""

    def __init__(self, test, uri, name="g"):
        log = open(test.virtpassd.path("qmp.log"), "ab")
        self.popen = subprocess.Popen([program("VIRTPASS"), "-c", uri, "qmp", name],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                      env=base_environment())
        log.close()
        test.addCleanup(self.close)
        self.greeting = json.loads(self.popen.stdout.readline())

    def send(self, data):
        self.popen.stdin.write(data)
        self.popen.stdin.flush()

    def line(self):
        return self.popen.stdout.readline()

    def negotiate(self, *capabilities):
        self.send(json.dumps({"execute": "qmp_capabilities",
                              "arguments": {"enable": capabilities}}).encode())
        answer = json.loads(self.line())
        assert answer == {"return": {}}, answer

    def finish(self):
        """No more input: (status, what else it said)."""
        self.popen.stdin.close()
        rest = [json.loads(line) for line in self.popen.stdout]
        return self.popen.wait(limits.seconds(limits.CONDITION_SECONDS)), rest

    def close(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self.popen.stdout.close()
        if not self.popen.stdin.closed:
            self.popen.stdin.close()


def hold(peer, data, number):
    """Everything that comes back, up to the answer of a last command."""
    peer.send(data)
    last = f"last-{number}"
    peer.send(RESET + json.dumps({"execute": "query-uuid", "id": last}).encode())
    messages = []
    while True:
        line = peer.line()
        assert line, f"the end, after {messages}"
        message = normalised(line)
        if message.get("id") == last:
            return messages
        messages.append(message)


class Tools(RealGuests):
    def tool(self, *args, uri=None, **more):
        return virtpass("-c", uri or self.virtpassd.uri, *args, **more)

    def bare_monitor(self):
        path = self.virtpassd.path("bare")
        process = Process([QEMU, "-machine", "none", "-nodefaults", "-display", "none", "-name",
                           "g", "-qmp", f"unix:{path},server=on,wait=off"],
                          self.virtpassd.path("qemu.log"))
        self.addCleanup(process.kill)
        limits.poll_until(lambda: os.path.exists(path), "QEMU listens")
        monitor = Monitor(path)
        self.addCleanup(monitor.close)
        return monitor

    # -- qmp -----------------------------------------------------------------

    def compare(self, bare, ours):
        for number, data in enumerate(EXCHANGES):
            expected = hold(bare, data, number)
            said = hold(ours, data, number)
            self.assertEqual(sorted(map(str, said)) if b"stop" in data else said,
                             sorted(map(str, expected)) if b"stop" in data else expected, data)

    def test_qmp_answers_as_qemu_does(self):
        """The guest stops and runs, and so does the bare QEMU; only order of events may differ"""
        self.start()
        bare = self.bare_monitor()
        ours = Tool(self, self.virtpassd.uri)
        self.assertEqual(ours.greeting, bare.greeting)
        ours.send(STATUS + b'{"execute":1,"id":1}{"execute":"qmp_capabilities",'
                  b'"arguments":{"enable":["no"]}}')
        self.assertEqual(json.loads(ours.line())["error"]["desc"],
                         "Expecting capabilities negotiation with 'qmp_capabilities'")
        self.assertEqual(json.loads(ours.line())["id"], 1)
        self.assertIn("'no'", json.loads(ours.line())["error"]["desc"])
        ours.negotiate()
        self.compare(bare, ours)
        self.assertEqual(ours.finish(), (0, []))

        plain = Tool(self, self.libvirtd.uri)
        self.assertEqual(plain.greeting["QMP"]["version"], bare.greeting["QMP"]["version"])
        self.assertEqual(plain.greeting["QMP"]["capabilities"], [])
        plain.send(b'{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}')
        self.assertEqual(json.loads(plain.line())["error"]["desc"], "Capability oob not available")
        plain.negotiate()
        self.compare(bare, plain)
        self.assertEqual(plain.finish(), (0, []))

    def test_qmp_out_of_band_and_end_of_input(self):
        self.start()
        ours = Tool(self, self.virtpassd.uri)
        ours.negotiate("oob")
        ours.send(b'{"exec-oob":"query-yank","id":"o"}')
        answer = json.loads(ours.line())
        self.assertEqual((answer["id"], type(answer["return"])), ("o", list))
        ours.send(b'{"exec-oob":"query-status","id":"o"}')
        self.assertIn("does not support OOB", json.loads(ours.line())["error"]["desc"])
        # everything that was sent is answered, an unfinished command is not
        ours.send(b'{"execute":"query-status"}' * 100 + b'{"execute":')
        status, rest = ours.finish()
        self.assertEqual((status, len(rest)), (0, 100))

    def test_qmp_ends_with_the_guest(self):
        self.start()
        ours = Tool(self, self.virtpassd.uri)
        ours.negotiate()
        ours.send(b'{"execute":"quit"}')
        lines = [json.loads(line) for line in ours.popen.stdout]
        self.assertIn({"return": {}}, lines)
        self.assertEqual(ours.popen.wait(limits.seconds(limits.CONDITION_SECONDS)), 0)
        limits.poll_until(lambda: "running" not in self.plain("domstate", "g"), "the guest ends")
        result = self.tool("qmp", "g")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("not running", result.stderr)

    # -- events --------------------------------------------------------------

    def events(self, *args, uri=None):
        return Lines([program("VIRTPASS"), "-c", uri or self.virtpassd.uri, "events", *args],
                     self.virtpassd.path("events.log"))

    def poke(self, watchers):
        """Stops and continues the guest until everybody has seen something."""
        def seen():
            self.qmp("stop")
            self.qmp("cont")
            return all(watcher.lines for watcher in watchers)
        limits.poll_until(seen, "events are seen")

    def test_events(self):
        self.start()
        people = self.events("g")
        programs = self.events("--json")
        filtered = self.events("g", "--filter", "^RES", "--json", "--count", "1")
        plain = self.events("g", "--json", uri=self.libvirtd.uri)
        self.poke([people, programs, filtered, plain])

        [line] = filtered.finish()
        self.assertEqual(json.loads(line)["event"], "RESUME")
        people.wait_lines(" g RESUME")
        self.assertRegex(people.lines[0], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} g [A-Z]+$")
        event = json.loads(programs.lines[0])
        self.assertEqual((event["domain"], event["uuid"]), ("g", guest.uuid("g")))
        self.assertEqual(set(event), {"domain", "uuid", "event", "timestamp"})
        self.assertEqual(json.loads(plain.lines[0])["domain"], "g")

        self.through("reset", "g")
        people.wait_lines("RESET guest=false reason=host-qmp-system-reset")
        programs.wait_lines('"data": {"guest":')
        plain.cancel()
        self.assertEqual(plain.popen.returncode, 0)
        self.virtpassd.end()
        for watcher in people, programs:
            self.assertEqual(watcher.wait(), 1)
        self.assertIn("the connection has ended", people.log_text())

    def test_events_refused(self):
        for args, status, words in ((("events", "none"), 1, "'none'"),
                                    (("events", "--filter", "("), 2, "--filter"),
                                    (("events", "--count", "-1"), 2, "--count"),
                                    (("qmp", "none"), 1, "'none'")):
            result = self.tool(*args)
            self.assertEqual(result.returncode, status, result.stderr)
            self.assertIn(words, result.stderr)
        result = self.tool("events", uri="qemu+unix:///session?socket=/nowhere")
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot connect", result.stderr)


if __name__ == "__main__":
    unittest.main()
