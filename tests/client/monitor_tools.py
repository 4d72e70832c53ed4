# SPDX-License-Identifier: LGPL-2.1-or-later
"""virtpass events, qmp and monitor, over virtpassd and plain libvirtd, held against QEMU itself."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import unittest

from harness import guest, limits
from harness.monitor import Monitor, forgive_slips
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
    b'{"a":1,"a":2}', b'"\\x"', b'"\\u12"', b'"\\ud800"', b'["\xef\xbf\xbf"]', b'{"a":01}',
    b"[1 2]", b'{"execute":"query-status","foo":1}', b'{"exec-oob":"query-yank","id":4}',
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


# What moves the cursor or changes colours: what is left is what was written anew.
CONTROL = re.compile(r"\r|\x1b\[[0-9;]*[A-Za-z]")


class Terminal:
    """virtpass monitor at a terminal of 100 columns."""

    def __init__(self, test, uri, name="g", **environment):
        master, slave = pty.openpty()
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("4H", 40, 100, 0, 0))
        self.master = master
        self.popen = subprocess.Popen(
            [program("VIRTPASS"), "-c", uri, "monitor", name], stdin=slave, stdout=slave,
            stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=base_environment(TERM="xterm", HOME=test.virtpassd.dir,
                                 XDG_STATE_HOME=test.virtpassd.path("state"), **environment))
        os.close(slave)
        test.addCleanup(self.close)
        self.text = ""

    def read(self):
        """What has come; False at the end."""
        ready, _, _ = select.select([self.master], [], [], 0.05)
        try:
            data = os.read(self.master, 65536) if ready else None
        except OSError:  # nobody has the terminal any more
            data = b""
        self.text += (data or b"").decode(errors="replace")
        return data != b""

    def expect(self, *words):
        """Until the words (regular expressions) have come, in this order; all up to there is
        forgotten."""
        pattern = re.compile(".*?".join(words), re.S)

        def there():
            self.read()
            self.text = CONTROL.sub("", self.text)
            return pattern.search(self.text)
        found = limits.poll_until(there, lambda: f"{words} in {self.text!r}")
        self.text = self.text[found.end():]
        return found[0]

    def type(self, keys):
        os.write(self.master, keys.encode())

    def ended(self):
        limits.poll_until(lambda: not self.read(), lambda: f"the end of {self.text!r}")
        return self.popen.wait(limits.seconds(limits.CONDITION_SECONDS))

    def close(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        os.close(self.master)


class Tools(RealGuests):
    def tool(self, *args, uri=None, **more):
        return virtpass("-c", uri or self.virtpassd.uri, *args, **more)

    def bare_qemu(self):
        """The path of its monitor."""
        path = self.virtpassd.path("bare")
        process = Process([QEMU, "-machine", "none", "-nodefaults", "-display", "none", "-name",
                           "g", "-qmp", f"unix:{path},server=on,wait=off"],
                          self.virtpassd.path("qemu.log"))
        self.addCleanup(process.kill)
        limits.poll_until(lambda: os.path.exists(path), "QEMU listens")
        return path

    # -- qmp -----------------------------------------------------------------

    def compare(self, bare, ours):
        for peer in (bare, ours):  # places in what is broken are counted from here
            peer.send(b"\n")
        for number, data in enumerate(EXCHANGES):
            said = hold(ours, data, number)
            expected = forgive_slips(hold(bare, data, number), said)
            self.assertEqual(sorted(map(str, said)) if b"stop" in data else said,
                             sorted(map(str, expected)) if b"stop" in data else expected, data)

    def test_qmp_answers_as_qemu_does(self):
        """The guest stops and runs, and so does the bare QEMU; only order of events may differ"""
        self.start()
        path = self.bare_qemu()
        bare = Monitor(path)
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
        bare.close()

        bare = Monitor(path)
        self.addCleanup(bare.close)
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

    # -- monitor -------------------------------------------------------------

    def monitor(self, *lines, uri=None, stdin=None):
        """virtpass monitor without a terminal: (status, output, errors)."""
        options = [word for line in lines for word in ("-e", line)]
        result = self.tool("monitor", "g", *options, uri=uri, stdin=stdin)
        return result.returncode, result.stdout, result.stderr

    def test_monitor_in_scripts(self):
        self.start()
        status, output, errors = self.monitor("stop", "query-status")
        self.assertEqual((status, errors), (0, ""))
        self.assertRegex(output, r'^{}\n{"status": "paused",'
                                 r'( "singlestep": false,)? "running": false}\n$')  # until 8.2
        self.assertEqual(self.monitor("object-add qom-type=memory-backend-ram id=m size=1M",
                                      "qom-get path=/objects/m property=size"),
                         (0, "{}\n1048576\n", ""))
        self.assertEqual(self.monitor('qom-get {"path": "/objects/m", "property": "size"}')[1],
                         "1048576\n")
        status, output, errors = self.monitor("query-name", "no-such", "query-name")
        self.assertEqual((status, output.count("\n")), (1, 1))
        self.assertIn("no-such has not been found (CommandNotFound)", errors)
        for line, words in (("device_del id=x", "'x' not found"), ("stop x", "key=value"),
                            ("help nothing", "'nothing'"), ("object-add id=", "Parameter")):
            status, output, errors = self.monitor(line)
            self.assertEqual((status, output), (1, ""), line)
            self.assertIn(words, errors)
        script = "# a comment\n\n!info status\nhelp query-status\nexit\nno-such\n"
        status, output, errors = self.monitor(stdin=script)
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("VM status: paused", output)
        self.assertIn("query-status\nreturns object\n", output)
        # the commands that virtpassd adds, and plain libvirtd without them
        self.assertEqual(self.monitor("query-netdev"), (0, "[]\n", ""))
        self.assertIn("query-netdev", self.monitor("help")[1])
        status, output, errors = self.monitor("cont", "query-netdev", uri=self.libvirtd.uri)
        self.assertEqual((status, output), (1, "{}\n"))
        self.assertIn("CommandNotFound", errors)
        result = self.tool("monitor", "g", "--json", "-e", '{"execute":"query-name","id":"mine"}')
        self.assertEqual(json.loads(result.stdout), {"return": {"name": "g"}, "id": "mine"})

    def test_monitor_at_a_terminal(self):
        self.start()
        terminal = Terminal(self, self.virtpassd.uri)
        terminal.expect("g> ")
        terminal.type("query-stat\t\t")
        terminal.expect("query-stats +query-stats-schemas +query-status", "query-stat")
        terminal.type("u\t\n")
        terminal.expect("status", "running", "g> ")
        terminal.type("set_li\tn\tvnc0 u\ttrue\n")
        terminal.expect("name=vnc0 up=true", "Device 'vnc0' not found")
        terminal.type("blockdev-add driver=nul\t")
        terminal.expect("driver=null-")
        terminal.type("\x03")                      # Ctrl-C gives up the line
        terminal.expect("g> ")
        # an event comes while a line is being typed, and the line stays
        terminal.type("query-na")
        terminal.expect("query-na")
        self.qmp("stop")
        terminal.expect(" g ", "STOP", "g> query-na")
        terminal.type("me\n")
        terminal.expect("\\{.*name.*\\}", "g> ")
        terminal.type("quit\n")
        terminal.expect("would end the guest", "g> ")
        terminal.type("exit\n")
        self.assertEqual(terminal.ended(), 0)
        self.assertIn("paused", self.plain("domstate", "g"))

        terminal = Terminal(self, self.virtpassd.uri, NO_COLOR="1")
        terminal.expect("g> ")
        terminal.type("\x1b[A\x1b[A\x1b[A\n")     # three up in the history: query-name
        terminal.expect('\\{"name": "g"\\}', "g> ")
        terminal.type("cont\n")
        terminal.expect(" g RESUME")
        self.through("destroy", "g")
        terminal.expect("The guest has ended")
        self.assertEqual(terminal.ended(), 0)


if __name__ == "__main__":
    unittest.main()
