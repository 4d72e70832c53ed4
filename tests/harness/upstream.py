# SPDX-License-Identifier: LGPL-2.1-or-later
"""A scripted libvirtd: the upstream that a test holds in its hand.

It keeps a small model (domains with XML, lifecycle events, an access rule) so that virtpassd
finds what it looks for, and records every frame with its bytes. A test replaces what it is
about: on(program, procedure, handler), or takes frames with wait_frame() and answers by itself
when nothing but recording is asked for: hold(program, procedure).

A thread for each connection; the lock is for the records and the model.
"""

import contextlib
import fcntl
import os
import shutil
import socket
import threading

from harness import guest, limits, rpc, xdr
from harness.rpc import (AUTH_LIST, CLOSE, DOMAIN_DEFINE_XML, DOMAIN_DEFINE_XML_FLAGS,
                         DOMAIN_GET_XML, EVENT_DEREGISTER, EVENT_LIFECYCLE, EVENT_REGISTER,
                         FD_ASSOCIATE, GET_STATE, GET_TYPE, GET_URI,
                         LIST_ALL_DOMAINS, LOOKUP_ID, LOOKUP_NAME, LOOKUP_UUID, OPEN, QEMU, REMOTE,
                         SET_IDENTITY, SET_METADATA, SUPPORTS_FEATURE)

# Features of a stock libvirtd 9.0 (facts of its own SUPPORTS_FEATURE answers).
FEATURES = {3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

# (event, detail) of lifecycle events.
DEFINED, STARTED, STOPPED, UNDEFINED, RESUMED = (0, 0), (2, 0), (5, 1), (1, 0), (4, 0)


class Refuse(Exception):
    """Raised by a handler to answer with an error."""

    def __init__(self, code, domain, message):
        super().__init__(message)
        self.payload = rpc.error_payload(code, domain, message)


UNDECODABLE = Refuse(39, 7, "Unable to decode message payload")

NO_REPLY = object()


class PidFile:
    """What libvirt leaves of a guest's process: its number, and a lock that the process holds.

    As a rule it is the test's own, in which the scripted QEMUs are. Nothing else in the test may
    open the file: the lock of a process is gone with the first descriptor that it closes.
    """

    def __init__(self, path, pid=None, locked=True):
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        os.write(self.fd, f"{pid or os.getpid()}\n".encode())
        if locked:
            fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        os.close(self.fd)


class Domain:
    """What the model knows of one domain."""

    def __init__(self, name, xml=None, number=-1, state_dir=None):
        self.name = name
        self.uuid = guest.uuid(name)
        self.state_dir = state_dir
        self.pid_file = None
        self._id = -1
        self.id = number
        self.xml = xml or guest.domain(name)

    @property
    def id(self):
        return self._id

    @id.setter
    def id(self, number):
        """With it comes and goes the pid file."""
        if self.pid_file and number < 0:
            self.pid_file.close()
            self.pid_file = None
        if self.state_dir and number >= 0 and not self.pid_file:
            self.note_process()
        self._id = number

    def note_process(self, pid=None, locked=True):
        """Another pid file than one that names the test's process."""
        if self.pid_file:
            self.pid_file.close()
        self.pid_file = PidFile(os.path.join(self.state_dir, self.name + ".pid"), pid, locked)

    @property
    def ref(self):
        return xdr.domain(self.name, self.uuid, self.id)


def session_words(path, uuid):
    """What virtpassd adds to a domain, as libvirtd would show it."""
    socket_words = f"socket,id=virtpass-qmp,path={path}/virtpass-libvirt-{uuid},server=on,wait=off"
    words = ("-chardev", socket_words, "-mon", "chardev=virtpass-qmp,mode=control")
    args = "".join(f"    <qemu:arg value='{word}'/>\n" for word in words)
    return f"  <qemu:commandline>\n{args}  </qemu:commandline>\n"


class Peer(rpc.Connection):
    """One connection that virtpassd made."""

    def __init__(self, upstream, sock):
        super().__init__(sock)
        self.upstream = upstream
        self.name = None         # of OPEN, None before
        self.flags = 0           # of OPEN
        self.identity = None     # dict of the last SET_IDENTITY
        self.callbacks = {}      # id -> event number
        self.monitor_callbacks = {}  # id -> name of QEMU's event, None for all
        self.closed = threading.Event()
        self.reading = threading.Event()  # cleared: frames are left in the socket
        self.reading.set()
        self.write_lock = threading.Lock()

    def send(self, frame):
        with self.write_lock:
            super().send(frame)

    def answer(self, call, payload=b"", status=rpc.OK, kind=rpc.REPLY, fds=()):
        self.send(rpc.Frame(call.prog, call.proc, kind, call.serial, status, payload, call.vers,
                            list(fds)))

    def message(self, prog, proc, payload):
        self.send(rpc.Frame(prog, proc, rpc.MESSAGE, 1, rpc.OK, payload))

    def user(self):
        return self.identity.get("unix-user-id") if self.identity else None


class Upstream:
    def __init__(self, path):
        self.path = path
        self.lock = threading.RLock()
        self.domains = {}
        self.frames = []             # (peer, frame) of all that came
        self.peers = []              # all connections there ever were
        self.held = set()
        self.denied = set()          # (uid, name of the domain) without domain.write
        self.next_callback = 0
        self.answered = (rpc.CALL, rpc.CALL_FDS)  # types of frames that get a reply
        self.linger = False          # keep the way back open when a peer has sent its last byte
        self.handlers = {(prog, proc): getattr(self, name) for prog, proc, name in MODEL}
        # Where virtpassd looks for pid files, as the system's and as a user's.
        self.state_dir = os.path.join(os.path.dirname(path), "qemu")
        os.makedirs(self.state_dir, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.symlink(".", os.path.join(self.state_dir, "run"))
        self.listener = None
        self.listen()

    # -- life ---------------------------------------------------------------

    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self.listener.listen(256)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            peer = Peer(self, sock)
            with self.lock:
                self.peers.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def stop(self):
        """Dies: all connections break, the socket is gone."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)
        for peer in self.peers:
            peer.hang_up()
        for peer in self.peers:
            assert peer.closed.wait(limits.seconds(limits.CONDITION_SECONDS))
            peer.close()
        with self.lock:
            self.peers.clear()

    def close(self):
        if self.listener.fileno() >= 0:
            self.stop()
        for _, frame in self.frames:
            frame.close_fds()
        for domain in self.domains.values():
            if domain.pid_file:
                domain.pid_file.close()
                domain.pid_file = None
        shutil.rmtree(self.state_dir, ignore_errors=True)

    # -- serving ------------------------------------------------------------

    def _serve(self, peer):
        try:
            while True:
                frame = peer.recv(timeout=24 * 3600)
                peer.reading.wait()
                with self.lock:
                    self.frames.append((peer, frame))
                self._dispatch(peer, frame)
        except (rpc.Closed, OSError):
            pass
        finally:
            if not self.linger:
                peer.hang_up()
            peer.closed.set()

    def _dispatch(self, peer, frame):
        key = (frame.prog, frame.proc)
        if frame.type not in self.answered or key in self.held:
            return
        handler = self.handlers.get(key)
        try:
            if handler is None:
                raise Refuse(39, 7, f"unknown procedure: {frame.proc}")
            payload = handler(peer, frame)
        except (Refuse, ValueError) as why:
            refusal = why if isinstance(why, Refuse) else UNDECODABLE
            peer.answer(frame, refusal.payload, rpc.ERROR)
            return
        if payload is not NO_REPLY:
            peer.answer(frame, payload or b"")
            if key == (REMOTE, CLOSE):
                peer.hang_up()

    def on(self, prog, proc, handler):
        """handler(peer, frame) returns the reply's payload, NO_REPLY, or raises Refuse."""
        self.handlers[prog, proc] = handler

    def hold(self, prog, proc):
        """Frames of this procedure are only recorded."""
        self.held.add((prog, proc))

    # -- records ------------------------------------------------------------

    def select(self, wanted):
        with self.lock:
            return [(peer, frame) for peer, frame in self.frames if wanted(frame)]

    def wait_frame(self, wanted, what="frame at the upstream", count=1):
        """The count-th recorded (peer, frame) for which wanted(frame) is true."""
        limits.poll_until(lambda: len(self.select(wanted)) >= count, what)
        return self.select(wanted)[count - 1]

    def wait_call(self, prog, proc, count=1):
        return self.wait_frame(lambda f: (f.prog, f.proc) == (prog, proc),
                               f"procedure {proc} at the upstream", count)

    def open_peers(self):
        return [peer for peer in self.peers if not peer.closed.is_set()]

    # -- the model ----------------------------------------------------------

    def add(self, name, xml=None, number=-1, event=None):
        known = self.domains.get(guest.uuid(name))
        domain = Domain(name, xml, number, self.state_dir)
        if known and known.pid_file and number < 0:  # a definition of what runs
            domain.pid_file, known.pid_file = known.pid_file, None
        with self.lock:
            self.domains[domain.uuid] = domain
        if event:
            self.lifecycle(domain, event)
        return domain

    def lifecycle(self, domain, event):
        for peer in self.open_peers():
            for callback, number in list(peer.callbacks.items()):
                if number == 0:
                    with contextlib.suppress(ConnectionError):  # gone, which we learn later
                        peer.message(REMOTE, EVENT_LIFECYCLE, xdr.i32(callback) + domain.ref
                                     + xdr.i32(event[0]) + xdr.i32(event[1]))

    def start_domain(self, domain, number):
        domain.id = number
        self.lifecycle(domain, STARTED)

    def stop_domain(self, domain):
        domain.id = -1
        self.lifecycle(domain, STOPPED)

    def find(self, reader):
        name, uuid, _ = reader.domain()
        if uuid not in self.domains:
            raise Refuse(42, 10, "Domain not found: no domain with matching uuid "
                         f"'{uuid}' ({name})")
        return self.domains[uuid]

    def check_write(self, peer, domain):
        if (peer.user(), domain.name) in self.denied:
            raise Refuse(88, 55, "access denied: 'QEMU' denied access")

    def do_auth_list(self, _peer, _frame):
        return xdr.u32(1) + xdr.i32(0)

    def do_open(self, peer, frame):
        reader = xdr.Reader(frame.payload)
        peer.name, peer.flags = reader.optional(), reader.u32()

    def do_nothing(self, _peer, _frame):
        return b""

    def do_type(self, _peer, _frame):
        return xdr.string("QEMU")

    def do_uri(self, _peer, _frame):
        return xdr.string("qemu:///system")

    def do_feature(self, _peer, frame):
        return xdr.i32(xdr.Reader(frame.payload).i32() in FEATURES)

    def do_identity(self, peer, frame):
        entries = xdr.Reader(frame.payload).params()
        peer.identity = {field: value for field, _, value in entries}

    def do_list(self, _peer, frame):
        reader = xdr.Reader(frame.payload)
        reader.u32()
        flags = reader.u32()
        with self.lock:
            found = [domain for domain in self.domains.values()
                     if not flags & 3 or flags & 3 == 3 or (flags & 1) == (domain.id > 0)]
        return (xdr.u32(len(found)) + b"".join(domain.ref for domain in found)
                + xdr.u32(len(found)))

    def do_lookup_uuid(self, _peer, frame):
        uuid = xdr.Reader(frame.payload).uuid()
        return self.find(xdr.Reader(xdr.domain("", uuid))).ref

    def _lookup(self, matches, what):
        for domain in list(self.domains.values()):
            if matches(domain):
                return domain.ref
        raise Refuse(42, 10, "Domain not found: " + what)

    def do_lookup_name(self, _peer, frame):
        name = xdr.Reader(frame.payload).string()
        return self._lookup(lambda d: d.name == name, f"no domain with matching name '{name}'")

    def do_lookup_id(self, _peer, frame):
        number = xdr.Reader(frame.payload).i32()
        return self._lookup(lambda d: d.id == number, f"no domain with matching id {number}")

    def do_xml(self, _peer, frame):
        return xdr.string(self.find(xdr.Reader(frame.payload)).xml)

    def do_state(self, _peer, frame):
        domain = self.find(xdr.Reader(frame.payload))
        return xdr.i32(1 if domain.id > 0 else 5) + xdr.i32(1)

    def do_set_metadata(self, peer, frame):
        reader = xdr.Reader(frame.payload)
        domain = self.find(reader)
        self.check_write(peer, domain)
        kind = reader.i32()
        for _ in range(3):
            reader.optional()
        if kind not in (0, 1, 2):
            raise Refuse(8, 10, "invalid argument: unknown metadata type")
        if reader.u32() & 1 and domain.id < 0:
            raise Refuse(55, 20, "Requested operation is not valid: domain is not running")

    def do_fd_associate(self, peer, frame):
        domain = self.find(xdr.Reader(frame.payload))
        self.check_write(peer, domain)

    def do_register(self, peer, frame):
        number = xdr.Reader(frame.payload).i32()
        with self.lock:
            callback = self.next_callback
            self.next_callback += 1
        peer.callbacks[callback] = number
        return xdr.i32(callback)

    def do_deregister(self, peer, frame):
        peer.callbacks.pop(xdr.Reader(frame.payload).i32(), None)

    def do_monitor_register(self, peer, frame):
        """libvirtd's own monitor events; monitor_event() sends one."""
        reader = xdr.Reader(frame.payload)
        if reader.u32():
            reader.domain()
        with self.lock:
            callback = self.next_callback
            self.next_callback += 1
        peer.monitor_callbacks[callback] = reader.optional()
        return xdr.i32(callback)

    def do_monitor_deregister(self, peer, frame):
        peer.monitor_callbacks.pop(xdr.Reader(frame.payload).i32(), None)

    def monitor_event(self, domain, name, details=None, seconds=1700000000, micros=1):
        """To all that registered for this name or for all."""
        for peer in self.open_peers():
            for callback, wanted in list(peer.monitor_callbacks.items()):
                if wanted in (None, name):
                    peer.message(QEMU, rpc.MONITOR_EVENT, xdr.i32(callback) + domain.ref
                                 + xdr.string(name) + xdr.i64(seconds) + xdr.u32(micros)
                                 + xdr.optional(details))

    def do_define(self, _peer, frame):
        xml = xdr.Reader(frame.payload).string()
        name = xml.partition("<name>")[2].partition("</name>")[0]
        return self.add(name, xml, event=DEFINED).ref

    def do_monitor(self, peer, frame):
        reader = xdr.Reader(frame.payload)
        domain = self.find(reader)
        self.check_write(peer, domain)
        if domain.id < 0:
            raise Refuse(55, 20, "Requested operation is not valid: domain is not running")
        if '"__org' in reader.string():
            return xdr.string('{"id":"libvirt-7","error":{"class":"CommandNotFound","desc":"?"}}')
        return xdr.string('{"return":"libvirt\'s monitor","id":"libvirt-7"}')


MODEL = (
    (REMOTE, AUTH_LIST, "do_auth_list"),
    (REMOTE, OPEN, "do_open"),
    (REMOTE, CLOSE, "do_nothing"),
    (REMOTE, GET_TYPE, "do_type"),
    (REMOTE, GET_URI, "do_uri"),
    (REMOTE, SUPPORTS_FEATURE, "do_feature"),
    (REMOTE, SET_IDENTITY, "do_identity"),
    (REMOTE, LIST_ALL_DOMAINS, "do_list"),
    (REMOTE, LOOKUP_UUID, "do_lookup_uuid"),
    (REMOTE, LOOKUP_NAME, "do_lookup_name"),
    (REMOTE, LOOKUP_ID, "do_lookup_id"),
    (REMOTE, DOMAIN_GET_XML, "do_xml"),
    (REMOTE, GET_STATE, "do_state"),
    (REMOTE, SET_METADATA, "do_set_metadata"),
    (REMOTE, FD_ASSOCIATE, "do_fd_associate"),
    (REMOTE, EVENT_REGISTER, "do_register"),
    (REMOTE, EVENT_DEREGISTER, "do_deregister"),
    (REMOTE, DOMAIN_DEFINE_XML, "do_define"),
    (REMOTE, DOMAIN_DEFINE_XML_FLAGS, "do_define"),
    (QEMU, rpc.EVENT_ADD, "do_monitor_register"),
    (QEMU, rpc.EVENT_REMOVE, "do_monitor_deregister"),
    (QEMU, rpc.MONITOR_COMMAND, "do_monitor"),
    (QEMU, rpc.MONITOR_COMMAND_FILES, "do_monitor"),
)
