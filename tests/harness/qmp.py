# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scripted QMP peers: what virtpassd finds behind a session socket, well-behaved or not.

One asyncio loop in a thread of its own serves all of them, so that a thousand are cheap. A
Script is the behaviour; the default one is a QEMU with nothing to do. Like QEMU's chardev a
server talks to one client at a time. Descriptors that come with a command are kept beside it.
"""

import array
import asyncio
import json
import os
import socket
import threading

from harness import limits

VERSION = {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "scripted"}
FDS_MAX = 64
DECODER = json.JSONDecoder()


class Loop:
    """The thread in which the servers live."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine):
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        return future.result(limits.seconds(limits.CONDITION_SECONDS))

    def call(self, function, *args):
        async def wrapped():
            return function(*args)
        return self.run(wrapped())

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class Script:
    """How a server behaves. Derive from it, or set attributes of an instance."""

    greeting = {"QMP": {"version": VERSION, "capabilities": ["oob"]}}

    # Commands that only collect; answer them with Server.reply().
    held = ()

    def connected(self, peer):
        if self.greeting is not None:
            peer.write(self.greeting)

    def command(self, peer, message):
        """Returns the reply without id, or None to stay silent."""
        name = message.get("execute") or message.get("exec-oob")
        if name in self.held:
            return None
        handler = getattr(self, "do_" + str(name).replace("-", "_"), None)
        if handler:
            return handler(peer, message)
        return {"error": {"class": "CommandNotFound",
                          "desc": f"The command {name} has not been found"}}

    def do_qmp_capabilities(self, _peer, _message):
        return {"return": {}}

    def do_query_uuid(self, peer, _message):
        return {"return": {"UUID": peer.server.uuid}}

    def do_query_status(self, _peer, _message):
        return {"return": {"status": "running", "singlestep": False, "running": True}}

    def do_query_yank(self, _peer, _message):
        return {"return": []}

    def do_echo(self, _peer, message):
        """Not a command of QEMU's: gives back its arguments."""
        return {"return": message.get("arguments", {})}

    def do_getfd(self, peer, message):
        return {"return": {"fds": len(peer.fds_of(message))}}


class Peer:
    """The client that is connected now. All of it runs in the loop's thread."""

    def __init__(self, server, sock):
        self.server = server
        self.sock = sock
        self.input = b""
        self.output = b""
        self.fds = []
        self.paused = False

    def start(self):
        loop = self.server.loop.loop
        loop.add_reader(self.sock, self.readable)
        self.server.script.connected(self)

    def readable(self):
        try:
            data, ancillary, _, _ = self.sock.recvmsg(1 << 16, socket.CMSG_SPACE(4 * FDS_MAX),
                                                      socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", ()
        for level, kind, rights in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array.array("i")
                numbers.frombytes(rights)
                self.fds.extend(numbers)
        if not data:
            self.close()
            return
        self.server.bytes_received += len(data)
        self.input += data
        self.split()

    def split(self):
        """Whole messages, once the last one has its line end; one may have some inside too."""
        if not self.input.endswith(b"\n"):
            return
        text, self.input = self.input.decode(), b""
        while text.strip() and self.sock.fileno() >= 0:
            message, end = DECODER.raw_decode(text.lstrip())
            text = text.lstrip()[end:]
            self.message(message)

    def message(self, message):
        self.server.commands.append(message)
        reply = self.server.script.command(self, message)
        if reply is not None:
            self.reply(message, reply)

    def reply(self, message, reply):
        self.write(dict(reply, id=message["id"]) if "id" in message else reply)

    def fds_of(self, _message):
        """Takes the descriptors that have come so far."""
        taken, self.fds = self.fds, []
        for fd in taken:
            os.close(fd)
        return taken

    def write(self, message):
        self.write_bytes(json.dumps(message).encode() + b"\r\n")

    def write_bytes(self, data):
        if self.sock.fileno() < 0:
            return
        self.output += data
        self.writable()

    def writable(self):
        loop = self.server.loop.loop
        try:
            sent = self.sock.send(self.output)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self.server.bytes_sent += sent
        self.output = self.output[sent:]
        if self.output:
            loop.add_writer(self.sock, self.writable)
        else:
            loop.remove_writer(self.sock)

    def pause(self, paused):
        """Stops reading, as a QEMU does that is busy or stopped."""
        loop = self.server.loop.loop
        if paused:
            loop.remove_reader(self.sock)
        else:
            loop.add_reader(self.sock, self.readable)

    def close(self):
        if self.sock.fileno() < 0:
            return
        loop = self.server.loop.loop
        loop.remove_reader(self.sock)
        loop.remove_writer(self.sock)
        self.sock.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []
        self.server.disconnected(self)


class Server:
    """A session socket with a script behind it."""

    def __init__(self, loop, path, uuid, script=None):
        self.loop = loop
        self.path = path
        self.uuid = uuid
        self.script = script or Script()
        self.commands = []       # every message that came, oldest first
        self.connections = 0     # how often somebody connected
        self.bytes_received = 0
        self.bytes_sent = 0
        self.next_micros = 123
        self.peer = None
        self.listener = None
        loop.call(self.listen)

    # -- in the loop's thread -----------------------------------------------

    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self.listener.listen(8)
        self.listener.setblocking(False)
        self.loop.loop.add_reader(self.listener, self.accept)

    def accept(self):
        try:
            sock, _ = self.listener.accept()
        except BlockingIOError:
            return
        sock.setblocking(False)
        self.connections += 1
        self.loop.loop.remove_reader(self.listener)
        self.peer = Peer(self, sock)
        self.peer.start()

    def disconnected(self, peer):
        if self.peer is peer:
            self.peer = None
        if self.listener:
            self.loop.loop.add_reader(self.listener, self.accept)

    def _shut(self):
        if not self.listener:
            return
        self.loop.loop.remove_reader(self.listener)
        self.listener.close()
        self.listener = None
        os.unlink(self.path)
        if self.peer:
            self.peer.close()

    # -- for tests ----------------------------------------------------------

    def close(self):
        """As when QEMU ends."""
        self.loop.call(self._shut)

    def reopen(self):
        self.loop.call(self.listen)

    def drop(self):
        """Closes the connection but keeps listening."""
        self.loop.call(lambda: self.peer and self.peer.close())

    def write(self, data):
        """Bytes, or a message, to whoever is connected."""
        def send():
            (self.peer.write_bytes if isinstance(data, bytes) else self.peer.write)(data)
        self.loop.call(send)

    def event(self, name, data=None, seconds=1700000000, micros=None):
        """Like QEMU's, no two at the same microsecond unless told so."""
        if micros is None:
            micros = self.next_micros
            self.next_micros = (micros + 1) % 1000000
        message = {"timestamp": {"seconds": seconds, "microseconds": micros}, "event": name}
        self.write(message if data is None else dict(message, data=data))

    def reply(self, message, reply):
        """To a command that the script held; nothing happens if its sender is gone."""
        self.loop.call(lambda: self.peer and self.peer.reply(message, reply))

    def pause(self, paused=True):
        self.loop.call(lambda: self.peer.pause(paused))

    def named(self, name):
        """Commands of this name that have come."""
        return [message for message in list(self.commands)
                if name in (message.get("execute"), message.get("exec-oob"))]

    def wait_command(self, name, count=1):
        limits.poll_until(lambda: len(self.named(name)) >= count,
                          f"{count} {name} at the scripted QMP peer")
        return self.named(name)[count - 1]

    def wait_connected(self, count=1):
        limits.poll_until(lambda: self.connections >= count,
                          f"connection {count} to the scripted QMP peer")
