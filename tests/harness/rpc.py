# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's RPC, frame by frame: Frame, Connection (either end) and Client.

Everything is blocking with a time limit. A Connection never reads past the frame it is asked
for, so a descriptor that does not belong where it comes is seen, and kept in stray_fds.
"""

import array
import os
import socket
import ssl
import struct
from dataclasses import dataclass, field

from harness import limits, xdr

# Tracebacks end where a test called us.
__unittest = True

REMOTE = 0x20008086
QEMU = 0x20008087
LXC = 0x00068000
KEEPALIVE = 0x6b656570

CALL, REPLY, MESSAGE, STREAM, CALL_FDS, REPLY_FDS, STREAM_HOLE = range(7)
OK, ERROR, CONTINUE = range(3)

HEADER = struct.Struct(">IIIiIIi")
FRAME_MAX = 32 * 1024 * 1024 + 4
STRING_MAX = 4 * 1024 * 1024

# REMOTE procedures the tests use by name.
OPEN, CLOSE, GET_TYPE, GET_LIB_VERSION = 1, 2, 3, 157
DOMAIN_CREATE_XML, DOMAIN_DEFINE_XML, DOMAIN_GET_XML = 10, 11, 14
LOOKUP_ID, LOOKUP_NAME, LOOKUP_UUID = 22, 23, 24
SUPPORTS_FEATURE, AUTH_LIST, GET_URI = 60, 66, 110
GET_STATE, SET_METADATA, GET_METADATA, LIST_ALL_DOMAINS = 212, 264, 265, 273
EVENT_REGISTER, EVENT_DEREGISTER, EVENT_LIFECYCLE = 316, 317, 318
DOMAIN_DEFINE_XML_FLAGS, SET_IDENTITY, FD_ASSOCIATE = 350, 419, 443

# QEMU_PROGRAM procedures.
MONITOR_COMMAND, ATTACH, AGENT_COMMAND, EVENT_ADD, EVENT_REMOVE, MONITOR_EVENT = range(1, 7)
MONITOR_COMMAND_FILES = 7


class RpcError(Exception):
    """An error that came as a reply."""

    def __init__(self, payload):
        reader = xdr.Reader(payload)
        self.code, self.domain = reader.i32(), reader.i32()
        self.message = reader.optional()
        self.level = reader.i32()
        super().__init__(f"{self.code}/{self.domain} {self.message}")


class Closed(Exception):
    """The peer has closed the connection."""


def error_payload(code, domain, message):
    return (xdr.i32(code) + xdr.i32(domain) + xdr.optional(message) + xdr.i32(2)
            + xdr.u32(0) * 4 + xdr.i32(-1) * 2 + xdr.u32(0))


@dataclass
class Frame:
    prog: int = REMOTE
    proc: int = 0
    type: int = CALL
    serial: int = 0
    status: int = OK
    payload: bytes = b""
    vers: int = 1
    fds: list = field(default_factory=list)

    @property
    def carries_fds(self):
        return self.type in (CALL_FDS, REPLY_FDS)

    def encode(self, nfds=None):
        """The frame's bytes without those that carry the descriptors."""
        count = len(self.fds) if nfds is None else nfds
        body = (xdr.u32(count) if self.carries_fds else b"") + self.payload
        return HEADER.pack(HEADER.size + len(body), self.prog, self.vers, self.proc, self.type,
                           self.serial, self.status) + body

    def same_bytes(self, other):
        return self.encode() == other.encode()

    def close_fds(self):
        while self.fds:
            os.close(self.fds.pop())


class Connection:
    """One end of a connection: whole frames out and in."""

    def __init__(self, sock):
        self.sock = sock
        self.stray_fds = []
        sock.settimeout(limits.seconds(limits.CONDITION_SECONDS))

    def send_bytes(self, data):
        self.sock.sendall(data)

    def send_fd(self, fd):
        rights = array.array("i", [fd])
        self.sock.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

    def send(self, frame):
        self.send_bytes(frame.encode())
        for fd in frame.fds if frame.carries_fds else ():
            self.send_fd(fd)

    def _receive(self, size):
        if isinstance(self.sock, ssl.SSLSocket):
            return self.sock.recv(size), []
        chunk, ancillary, flags, _ = self.sock.recvmsg(size, socket.CMSG_SPACE(4 * 64),
                                                       socket.MSG_CMSG_CLOEXEC)
        assert not flags & socket.MSG_CTRUNC
        return chunk, ancillary

    def _read(self, size, fds):
        data = bytearray()
        while len(data) < size:
            chunk, ancillary = self._receive(min(size - len(data), 1 << 20))
            for level, kind, rights in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    numbers = array.array("i")
                    numbers.frombytes(rights[:len(rights) - len(rights) % numbers.itemsize])
                    fds.extend(numbers)
            if not chunk:
                raise Closed(f"closed after {len(data)} of {size} bytes")
            data += chunk
        return bytes(data)

    def recv(self, timeout=limits.CONDITION_SECONDS):
        """The next frame. Closed when there is none any more, TimeoutError when none comes."""
        self.sock.settimeout(limits.seconds(timeout))
        length, = struct.unpack(">I", self._read(4, self.stray_fds))
        assert HEADER.size <= length <= FRAME_MAX, f"frame of {length} bytes"
        body = self._read(length - 4, self.stray_fds)
        _, prog, vers, proc, kind, serial, status = HEADER.unpack(
            struct.pack(">I", length) + body[:HEADER.size - 4])
        frame = Frame(prog, proc, kind, serial, status, body[HEADER.size - 4:], vers)
        if frame.carries_fds:
            count, = struct.unpack(">I", frame.payload[:4])
            frame.payload = frame.payload[4:]
            for _ in range(count):
                self._read(1, frame.fds)
            assert len(frame.fds) == count, f"{len(frame.fds)} descriptors instead of {count}"
        return frame

    def shutdown_write(self):
        self.sock.shutdown(socket.SHUT_WR)

    def hang_up(self):
        """Ends both directions; whoever waits in another thread is woken."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def at_end(self, timeout=limits.CONDITION_SECONDS):
        """Whether the peer closes without sending anything more."""
        self.sock.settimeout(limits.seconds(timeout))
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.sock.close()
        while self.stray_fds:
            os.close(self.stray_fds.pop())


def dial(path, timeout=limits.CONDITION_SECONDS):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(limits.seconds(timeout))
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


class Client(Connection):
    """A client that sends what it is told to, sensible or not."""

    def __init__(self, path, name=None, flags=0):
        """path: of a unix socket, or a connected socket. With a name the connection is opened as
        well."""
        super().__init__(path if isinstance(path, socket.socket) else dial(path))
        self.serial = 0
        self.aside = []
        if name is not None:
            self.auth()
            self.open(name, flags)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def next_serial(self):
        self.serial += 1
        return self.serial - 1

    def post(self, proc, payload=b"", prog=REMOTE, fds=(), **fields):
        """Sends a call and returns its frame, without waiting."""
        frame = self.make(proc, payload, prog, fds, **fields)
        self.send(frame)
        return frame

    def make(self, proc, payload=b"", prog=REMOTE, fds=(), **fields):
        serial = fields.pop("serial", None)
        return Frame(prog, proc, CALL_FDS if fds else CALL, payload=payload, fds=list(fds),
                     serial=self.next_serial() if serial is None else serial, **fields)

    def take(self, wanted, timeout=limits.CONDITION_SECONDS):
        """The first frame for which wanted(frame) is true; others are kept for later."""
        for index, frame in enumerate(self.aside):
            if wanted(frame):
                return self.aside.pop(index)
        while True:
            frame = self.recv(timeout)
            if wanted(frame):
                return frame
            self.aside.append(frame)

    def reply(self, call, timeout=limits.CONDITION_SECONDS):
        """The reply to a call that post() returned; RpcError when it is an error."""
        frame = self.take(lambda f: f.type in (REPLY, REPLY_FDS) and f.serial == call.serial
                          and f.prog == call.prog, timeout)
        if frame.status == ERROR:
            raise RpcError(frame.payload)
        return frame

    def call(self, proc, payload=b"", prog=REMOTE, timeout=limits.CONDITION_SECONDS, **more):
        return self.reply(self.post(proc, payload, prog, **more), timeout)

    def error(self, proc, payload=b"", prog=REMOTE, **more):
        """Calls what must fail; returns (code, domain, message)."""
        try:
            self.call(proc, payload, prog, **more)
        except RpcError as error:
            return error.code, error.domain, error.message
        raise AssertionError(f"procedure {proc} of {prog:#x} succeeded")

    # -- calls by name ------------------------------------------------------

    def auth(self):
        reader = xdr.Reader(self.call(AUTH_LIST).payload)
        return [reader.i32() for _ in range(reader.u32())]

    def open(self, name="qemu:///session", flags=0):
        self.call(OPEN, xdr.optional(name) + xdr.u32(flags))

    def type(self):
        return xdr.Reader(self.call(GET_TYPE).payload).string()

    def lookup(self, name):
        """(name, uuid, id)"""
        return xdr.Reader(self.call(LOOKUP_NAME, xdr.string(name)).payload).domain()

    def domains(self, flags=0):
        reader = xdr.Reader(self.call(LIST_ALL_DOMAINS, xdr.i32(1) + xdr.u32(flags)).payload)
        return [reader.domain() for _ in range(reader.u32())]

    def define(self, xml):
        reply = self.call(DOMAIN_DEFINE_XML, xdr.string(xml))
        return xdr.Reader(reply.payload).domain()

    def xml(self, domain, flags=0):
        reply = self.call(DOMAIN_GET_XML, xdr.domain(*domain) + xdr.u32(flags))
        return xdr.Reader(reply.payload).string()

    def make_monitor(self, domain, command, flags=0, fds=(), proc=None):
        proc = proc or (MONITOR_COMMAND_FILES if fds else MONITOR_COMMAND)
        payload = xdr.domain(*domain) + xdr.string(command) + xdr.u32(flags)
        return self.make(proc, payload, QEMU, fds)

    def post_monitor(self, domain, command, flags=0, fds=(), proc=None):
        frame = self.make_monitor(domain, command, flags, fds, proc)
        self.send(frame)
        return frame

    def monitor(self, domain, command, flags=0, fds=(), proc=None,
                timeout=limits.CONDITION_SECONDS):
        reply = self.reply(self.post_monitor(domain, command, flags, fds, proc), timeout)
        return xdr.Reader(reply.payload).string()

    def monitor_error(self, domain, command, flags=0, **more):
        try:
            answer = self.monitor(domain, command, flags, **more)
        except RpcError as error:
            return error.code, error.domain, error.message
        raise AssertionError(f"{command} succeeded: {answer}")

    def monitor_events(self, event=None, domain=None, flags=0):
        """Registers; returns the callback id."""
        payload = (xdr.u32(0) if domain is None else xdr.u32(1) + xdr.domain(*domain))
        reply = self.call(EVENT_ADD, payload + xdr.optional(event) + xdr.u32(flags), QEMU)
        return xdr.Reader(reply.payload).i32()

    def monitor_event(self, timeout=limits.CONDITION_SECONDS):
        """(callback id, domain, event, seconds, micros, details) of the next monitor event."""
        frame = self.take(lambda f: (f.prog, f.proc, f.type) == (QEMU, MONITOR_EVENT, MESSAGE),
                          timeout)
        reader = xdr.Reader(frame.payload)
        event = (reader.i32(), reader.domain(), reader.string(), reader.i64(), reader.u32(),
                 reader.optional())
        reader.finish()
        return event
