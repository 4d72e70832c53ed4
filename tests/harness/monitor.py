# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QMP client as there are many: a socket, lines of JSON, nothing of virtpassd's."""

import array
import json
import re
import select
import socket

from harness import limits

# The place in a parse error of QEMU 11.1.
PLACE = re.compile(r"(\d+):(\d+)(: JSON parse error.*)", re.S)


def forgive_slips(messages, ours):
    """The messages of a QEMU, with our columns where its own are one more. QEMU 11.1 counts a byte
    twice that ends a number, a word or what it skips, and is a token itself."""
    def forgive(message, our_message):
        places = [PLACE.fullmatch(one.get("error", {}).get("desc", ""))
                  for one in (message, our_message)]
        if not all(places):
            return message
        (line, column, text), (our_line, our_column, our_text) = map(re.Match.groups, places)
        slipped = (line, int(column), text) == (our_line, int(our_column) + 1, our_text)
        return our_message if slipped else message
    if len(messages) != len(ours):
        return messages
    return [forgive(*pair) for pair in zip(messages, ours, strict=True)]


class Monitor:
    """Connected to a monitor's socket, ours or QEMU's own. negotiate: with these capabilities;
    None: not at all."""

    def __init__(self, path, negotiate=()):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(limits.seconds(limits.CONDITION_SECONDS))
        self.sock.connect(path)
        self.input = b""
        self.events = []
        self.greeting = self.message()
        if negotiate is not None:
            arguments = {"enable": list(negotiate)} if negotiate else {}
            self.execute("qmp_capabilities", **arguments)

    def close(self):
        self.sock.close()

    def send(self, data, fds=()):
        """Bytes, or a message."""
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        if fds:
            rights = array.array("i", fds).tobytes()
            self.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        else:
            self.sock.sendall(data)

    def line(self):
        """The next line without its end; None at the end of the connection."""
        while b"\n" not in self.input:
            data = self.sock.recv(1 << 16)
            if not data:
                return None
            self.input += data
        line, self.input = self.input.split(b"\n", 1)
        assert line.endswith(b"\r"), line
        return line[:-1]

    def message(self):
        line = self.line()
        return None if line is None else json.loads(line)

    def answer(self):
        """The next message that is no event; events are kept."""
        while True:
            message = self.message()
            if message is None or "event" not in message:
                return message
            self.events.append(message)

    def ask(self, message, fds=()):
        self.send(message, fds)
        return self.answer()

    def execute(self, command, fds=(), **arguments):
        """What the command returns; it must not fail."""
        message = {"execute": command}
        if arguments:
            message["arguments"] = arguments
        answer = self.ask(message, fds)
        assert answer and "return" in answer, (message, answer)
        return answer["return"]

    def error(self, command, **arguments):
        """The text of the command's error."""
        answer = self.ask({"execute": command, "arguments": arguments})
        assert answer and "error" in answer, answer
        return answer["error"]["desc"]

    def event(self, name):
        """The next event of this name."""
        while True:
            for message in self.events:
                if message["event"] == name:
                    self.events.remove(message)
                    return message
            message = self.message()
            assert message is not None, f"no {name}"
            if "event" in message:
                self.events.append(message)

    def silent(self):
        """Nothing comes."""
        ready, _, _ = select.select([self.sock], [], [], limits.seconds(limits.ABSENCE_SECONDS))
        return not self.input and not ready

    def ended(self):
        """The connection ends without another message but events."""
        return self.answer() is None
