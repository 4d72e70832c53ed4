# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what is libvirtd's to say, and cannot be had in another way.

Real users with the rights that polkit's rules give them, at libvirtd and through virtpassd.
"""

import json
import time

import documents
from harness import guest, limits, rpc, system, xdr
from harness.system import SystemTest

STATUS = '{"execute":"query-status"}'
STOP = '{"execute":"stop"}'

# From the end of a right at libvirtd to its end here. 1 s is meant; more is for a loaded machine.
WITHDRAWN_SECONDS = 3

CONNECT_READ = [("connect." + name, "*") for name in ("getattr", "read", "search-domains")]
CONNECT = [*CONNECT_READ, ("connect.write", "*")]


def domain_rights(names, which="*"):
    return [("domain." + name, which) for name in names.split()]


EVERY_DOMAIN_RIGHT = " ".join(system.PERMISSIONS["domain"].split())

# Ten people, from nothing to everything.
PEOPLE = {
    "user0": [],
    "user1": [("connect.getattr", "*")],
    "user2": CONNECT_READ,
    "user3": CONNECT,
    "user4": [*CONNECT, *domain_rights("getattr")],
    "user5": [*CONNECT, *domain_rights("getattr read")],
    "user6": [*CONNECT, *domain_rights("getattr read write")],
    "user7": [*CONNECT, *domain_rights(EVERY_DOMAIN_RIGHT, "!alive")],
    "user8": [*CONNECT, *domain_rights(EVERY_DOMAIN_RIGHT, "alive")],
    "user9": [("*", "*")],
}

RIGHTS = {
    **PEOPLE,
    "alice": [("connect.getattr", "*")],
    "bob": [("*", "*")],
    "carol": [("*", "!alive"), *CONNECT],
    "dave": [("*", "*")],
}


class Qmp:
    """A QMP client of the socket for them, as a user."""

    def __init__(self, test, user, path):
        self.sock = test.system.connect(user, path)
        test.addCleanup(self.sock.close)
        self.sock.settimeout(limits.seconds(limits.CONDITION_SECONDS))
        self.file = self.sock.makefile("r")
        test.addCleanup(self.file.close)

    def line(self):
        """The next message, None at the end."""
        try:
            text = self.file.readline()
        except ConnectionResetError:
            return None
        return json.loads(text) if text else None

    def call(self, execute):
        """The reply; None when the connection has ended."""
        try:
            self.sock.sendall(json.dumps({"execute": execute}).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            return None
        while True:
            message = self.line()
            if message is None or "return" in message or "error" in message:
                return message


    def wait_end(self):
        """Nothing may come before it but why it is."""
        self.sock.settimeout(limits.seconds(WITHDRAWN_SECONDS))
        while (message := self.line()) is not None:
            assert "error" in message, message


class Rights(SystemTest):
    more = {"rights": RIGHTS}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.system.start_guest("alive")
        cls.system.virsh("root", "define", cls.system.file(guest.domain("victim")))
        cls.system.wait_session("alive")
        cls.alive = cls.system.client("root", cls.system.sock_libvirtd)
        cls.addClassCleanup(cls.alive.close)
        cls.ref = cls.alive.lookup("alive")

    def status(self):
        """Of the guest, at libvirtd."""
        return json.loads(self.alive.monitor(self.ref, STATUS))["return"]["status"]


# --- verdicts cannot be forged ------------------------------------------------

class Forged(Rights):
    """A reply to a call of the client's own is never taken for libvirtd's verdict about him"""

    # Ours have been 0x80000000 and up; a client's are what it likes.
    SERIALS = [*range(0x80000000, 0x80000010), 0, 1, 2, 0x7fffffff, 0xffffffff, 0xfffffffe]

    def frames(self, serial):
        """(name, frames in one write)"""
        version = rpc.Frame(rpc.REMOTE, rpc.GET_LIB_VERSION, serial=serial)
        stop = rpc.Frame(rpc.QEMU, rpc.MONITOR_COMMAND, serial=77, payload=xdr.domain(*self.ref)
                         + xdr.string(STOP) + xdr.u32(0))
        same = rpc.Frame(rpc.QEMU, rpc.MONITOR_COMMAND, serial=serial, payload=stop.payload)
        return [("before", [version, stop]), ("after", [stop, version]),
                ("around", [version, stop, version]), ("at", [version, same])]

    def attempt(self, user, frames):
        """Sends them in one write on a connection of its own; True when the guest has stopped."""
        with self.system.client(user) as client:
            if any(frame.fds for frame in frames):
                for frame in frames:
                    client.send(frame)
            else:
                client.send_bytes(b"".join(frame.encode() for frame in frames))
            for _ in frames:
                try:
                    client.take(lambda frame: frame.type == rpc.REPLY, 3)
                except (rpc.Closed, ConnectionError, TimeoutError):
                    break
        stopped = self.status() != "running"
        if stopped:
            self.alive.monitor(self.ref, '{"execute":"cont"}')
        return stopped

    @limits.limit(120)
    def test_serials_around_ours(self):
        won = [(name, hex(serial)) for serial in self.SERIALS
               for name, frames in self.frames(serial) if self.attempt("alice", frames)]
        self.assertEqual(won, [])

    def test_the_same_question(self):
        """The client asks libvirtd the very question that virtpassd asks, about a guest of his"""
        own = xdr.domain("victim", guest.uuid("victim")) + xdr.string("x") + xdr.u32(0)
        won = []
        with open("/dev/null", "rb") as file:
            for serial in self.SERIALS:
                question = rpc.Frame(rpc.REMOTE, rpc.FD_ASSOCIATE, rpc.CALL_FDS, serial,
                                     payload=own, fds=[file.fileno()])
                stop = self.frames(serial)[0][1][1]
                won += [hex(serial) for frames in ([question, stop], [question, stop, question])
                        if self.attempt("carol", frames)]
        self.assertEqual(won, [])

    def test_before_the_identity_is_set(self):
        """In one write with OPEN, so that a reply comes while virtpassd tells who the client is"""
        opening = rpc.Frame(rpc.REMOTE, rpc.OPEN, serial=5,
                            payload=xdr.optional("qemu:///system") + xdr.u32(0))
        won = []
        for serial in self.SERIALS:
            for name, frames in self.frames(serial):
                client = self.system.client("alice", name=None)
                with client:
                    client.auth()
                    client.send_bytes(b"".join(frame.encode() for frame in [opening, *frames]))
                    try:
                        for _ in range(len(frames) + 1):
                            client.take(lambda frame: frame.type == rpc.REPLY, 3)
                    except (rpc.Closed, ConnectionError, TimeoutError):
                        pass
                if self.status() != "running":
                    won.append((name, hex(serial)))
                    self.alive.monitor(self.ref, '{"execute":"cont"}')
        self.assertEqual(won, [])

    def test_good_client(self):
        """Whoever may is served, whatever his serials are"""
        with self.system.client("bob") as client:
            for serial in self.SERIALS:
                client.serial = serial
                self.assertIn("running", client.monitor(self.ref, STATUS))
                client.serial = serial
                client.call(rpc.GET_LIB_VERSION)


# --- a right that is withdrawn ------------------------------------------------

class Withdrawn(Rights):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.restore)

    def restore(self):
        self.system.grant(RIGHTS)
        client = self.client("dave", self.system.sock_libvirtd)
        limits.poll_until(lambda: self.allowed(client), "the right is back")

    def allowed(self, client):
        try:
            client.monitor(self.ref, STATUS)
        except rpc.RpcError as error:
            self.assertEqual(error.code, 88)
            return False
        return True

    def withdraw(self):
        """Returns when libvirtd itself says no."""
        direct = self.client("dave", self.system.sock_libvirtd)
        self.assertTrue(self.allowed(direct))
        self.system.grant({**RIGHTS, "dave": RIGHTS["user5"]})
        limits.poll_until(lambda: not self.allowed(direct), "libvirtd refuses")
        return time.monotonic()

    def within(self, since, condition, what):
        limits.poll_until(condition, what, WITHDRAWN_SECONDS)
        print(f"# {what} after {time.monotonic() - since:.2f} s")

    def test_monitor_commands(self):
        client = self.client("dave")
        self.assertTrue(self.allowed(client))
        since = self.withdraw()
        self.within(since, lambda: not self.allowed(client), "a command is refused")
        limits.stays(lambda: not self.allowed(client), "and stays refused")

    def test_qmp_connection_in_use(self):
        qmp = Qmp(self, "dave", self.system.qmp_path(self.ref[1]))
        self.assertIn("QMP", qmp.line())
        self.assertIn("return", qmp.call("qmp_capabilities"))
        self.assertIn("return", qmp.call("query-status"))
        since = self.withdraw()
        self.within(since, lambda: not self.served(qmp), "it is closed")
        qmp.wait_end()
        self.assert_not_let_in()

    def test_qmp_connection_at_rest(self):
        """It is closed, and no event comes through it any more"""
        qmp = Qmp(self, "dave", self.system.qmp_path(self.ref[1]))
        self.assertIn("QMP", qmp.line())
        self.assertIn("return", qmp.call("qmp_capabilities"))
        since = self.withdraw()
        qmp.wait_end()
        print(f"# it is closed after {time.monotonic() - since:.2f} s")

    @staticmethod
    def served(qmp):
        return "return" in (qmp.call("query-status") or {})

    def assert_not_let_in(self):
        qmp = Qmp(self, "dave", self.system.qmp_path(self.ref[1]))
        message = qmp.line()
        self.assertTrue(message is None or "error" in message, message)

    def test_qmp_connection_not_negotiated(self):
        qmp = Qmp(self, "dave", self.system.qmp_path(self.ref[1]))
        self.assertIn("QMP", qmp.line())
        since = self.withdraw()
        qmp.wait_end()
        print(f"# it is closed after {time.monotonic() - since:.2f} s")


# --- who may write, but not connect -----------------------------------------------

class NotConnecting(Rights):
    """Whom libvirtd does not let open a connection has no use of rights on a domain"""

    more = {"rights": {**RIGHTS, "mallory": domain_rights(EVERY_DOMAIN_RIGHT)}}

    def test_at_libvirtds_protocol(self):
        for path in (self.system.sock_libvirtd, self.system.sock):
            with self.system.client("mallory", path, name=None) as client:
                client.auth()
                self.assertRaises(rpc.RpcError, client.open, "qemu:///system")

    def test_at_the_qmp_socket(self):
        qmp = Qmp(self, "mallory", self.system.qmp_path(self.ref[1]))
        message = qmp.line()
        self.assertTrue(message is None or "error" in message, message)


# --- a read-only socket whose libvirtd asks --------------------------------------

class Asking(SystemTest):
    """libvirtd asks polkit who it is; whom it would not let in without a password, is not let in"""

    more = {"rights": RIGHTS,
            "libvirtd_conf": 'auth_unix_ro = "polkit"\nauth_unix_rw = "polkit"',
            "config": {"listen": {"unix_sock_rw_perms": None, "unix_sock_ro_perms": None}}}

    def gets_in(self, user, path):
        """Can he do a thing there?"""
        try:
            client = self.system.client(user, path, name=None)
        except PermissionError:
            return False
        with client:
            try:
                client.auth()
                client.open("qemu:///system", 1)
                client.type()
            except (rpc.RpcError, rpc.Closed, ConnectionError):
                return False
        return True

    def test_who_gets_in(self):
        for user in ("mallory", "alice", "bob"):
            with self.subTest(user):
                self.assertFalse(self.gets_in(user, self.system.sock_libvirtd_ro), "directly")
                self.assertFalse(self.gets_in(user, self.system.sock_ro), "through virtpassd")
        self.assertTrue(self.gets_in("root", self.system.sock_ro))
        self.assertFalse(self.gets_in("mallory", self.system.sock))

    def test_whom_polkit_lets_in(self):
        """Each action by itself, and no longer than it is allowed."""
        sockets = {"unix.monitor": self.system.sock_ro, "unix.manage": self.system.sock}
        self.addCleanup(self.system.grant, RIGHTS)
        for action, path in sockets.items():
            self.system.grant({**RIGHTS, "bob": [*RIGHTS["bob"], (action, "*")]})
            limits.poll_until(lambda path=path: self.gets_in("bob", path), f"bob has {action}")
            self.assertFalse(self.gets_in("alice", self.system.sock_ro))
            for other in set(sockets.values()) - {path}:
                self.assertFalse(self.gets_in("bob", other), other)
        self.system.grant(RIGHTS)
        limits.poll_until(lambda: not self.gets_in("bob", self.system.sock), "bob has none")

    def test_libvirtd_that_begins_to_ask(self):
        """While virtpassd runs"""
        self.addCleanup(self.reconfigure, self.more["libvirtd_conf"])
        self.reconfigure("")
        self.assertTrue(self.gets_in("alice", self.system.sock_libvirtd_ro))
        self.system.end_virtpassd()
        self.system.start_virtpassd()
        self.assertTrue(self.gets_in("alice", self.system.sock_ro))
        self.reconfigure(self.more["libvirtd_conf"])
        self.assertFalse(self.gets_in("alice", self.system.sock_libvirtd_ro))
        self.assertFalse(self.gets_in("alice", self.system.sock_ro))

    def reconfigure(self, conf):
        self.system.configure_libvirtd(libvirtd_conf=conf)
        self.system.restart_libvirtd()


# --- everybody, everything ----------------------------------------------------

NO_DISK = "<disk type='file'><source file='/nonexistent/x'/><target dev='hda'/></disk>\n"
NEW = guest.domain("new", devices=NO_DISK)
SNAPSHOT = ("<domainsnapshot><name>s</name><disks><disk name='vdz' snapshot='external'/></disks>"
            "</domainsnapshot>")

# Where nothing can be made, nor is.
FILE = "/nonexistent/x/y"

# Procedures that answer with a document, and those that only virtpassd touches.
LOOKUPS = [(14, "Du", "xml"), (235, "su", "xml of a save image"), (388, "Du", "managed save"),
           (186, "sDu", "snapshot"), (412, "sDu", "checkpoint"), (135, "ssu", "from native")]


class Matrix(Rights):
    """Ten people, every procedure that virtpassd touches: libvirtd's verdict, in every case"""

    def part(self, letter, name, document, flags, procedure):
        """All of it such that libvirtd does look at the rights, and that nothing comes of it."""
        fields = ("dxml", "file") if procedure in (440, 441) else ("destination_xml",)
        texts = {"file": FILE}
        return {
            "D": xdr.domain(name, guest.uuid(name)), "u": xdr.u32(flags), "h": xdr.u64(0),
            "X": xdr.string(document), "Y": xdr.optional(document), "s": xdr.string(FILE),
            "T": xdr.params([(field, xdr.STRING, texts.get(field, document)) for field in fields]),
        }.get(letter) or documents.payload(letter, document)

    def calls(self):
        """(name, program, procedure, payload)"""
        for name in ("alive", "victim"):
            for procedure, layout, words in (*documents.INCOMING, *LOOKUPS):
                document = {185: SNAPSHOT, 411: documents.CHECKPOINT.format("")}.get(procedure, NEW)
                for flags in (0, 1, 2) if procedure == 14 else (0,):
                    yield (f"{words} of {name}, flags {flags}", rpc.REMOTE, procedure,
                           b"".join(self.part(letter, name, document, flags, procedure)
                                    for letter in layout))
            ref = xdr.domain(name, guest.uuid(name))
            for procedure in (rpc.MONITOR_COMMAND, rpc.MONITOR_COMMAND_FILES):
                for flags, command in ((0, STATUS), (1, "info status"), (0, '{"execute":"none"}')):
                    yield (f"{command} of {name}", rpc.QEMU, procedure,
                           ref + xdr.string(command) + xdr.u32(flags))
            yield (f"agent of {name}", rpc.QEMU, rpc.AGENT_COMMAND,
                   ref + xdr.string("{}") + xdr.i32(1) + xdr.u32(0))
            yield (f"events of {name}", rpc.QEMU, rpc.EVENT_ADD,
                   xdr.u32(1) + ref + xdr.optional("STOP") + xdr.u32(0))
        yield "events", rpc.QEMU, rpc.EVENT_ADD, xdr.u32(0) + xdr.optional(None) + xdr.u32(0)
        yield "no events", rpc.QEMU, rpc.EVENT_REMOVE, xdr.i32(4711)
        yield "attach", rpc.QEMU, rpc.ATTACH, xdr.u32(1) + xdr.u32(0)
        yield "feature", rpc.REMOTE, rpc.SUPPORTS_FEATURE, xdr.i32(8)
        yield "open again", rpc.REMOTE, rpc.OPEN, xdr.optional("qemu:///system") + xdr.u32(0)
        yield "identity", rpc.REMOTE, rpc.SET_IDENTITY, xdr.params(
            [("unix-user-id", xdr.ULLONG, 0), ("process-id", xdr.LLONG, 1),
             ("process-time", xdr.ULLONG, 0)]) + xdr.u32(0)

    @staticmethod
    def verdict(call):
        try:
            call()
        except rpc.RpcError as error:
            return error.code, error.domain
        except (rpc.Closed, ConnectionError) as error:
            return repr(error)
        return "done"

    def one(self, user, path, program, procedure, payload):
        client = self.system.client(user, path, name=None)
        with client:
            client.auth()
            opened = self.verdict(lambda: client.open("qemu:///system"))
            if procedure == rpc.OPEN and payload is None or opened != "done":
                return opened
            return self.verdict(lambda: client.call(procedure, payload, program))

    def everything(self, user, path):
        """{name: verdict}, on one connection but for what changes that."""
        found = {"open": self.one(user, path, rpc.REMOTE, rpc.OPEN, None)}
        if found["open"] != "done":
            return found
        with self.system.client(user, path) as client:
            for name, program, procedure, payload in self.calls():
                if (program, procedure) in ((rpc.REMOTE, rpc.OPEN), (rpc.REMOTE, rpc.SET_IDENTITY)):
                    found[name] = self.one(user, path, program, procedure, payload)
                else:
                    found[name] = self.verdict(
                        lambda p=(procedure, payload, program): client.call(*p))
        self.system.virsh("root", "undefine", "new", sock=self.system.sock_libvirtd, check=False)
        return found

    @limits.limit(180)
    def test_everybody(self):
        count, different, kinds = 0, [], {}
        for user in PEOPLE:
            directly = self.everything(user, self.system.sock_libvirtd)
            through = self.everything(user, self.system.sock)
            count += len(directly)
            different += [(user, name, verdict, through.get(name))
                          for name, verdict in directly.items() if verdict != through.get(name)]
            for verdict in directly.values():
                kinds[verdict] = kinds.get(verdict, 0) + 1
        print(f"# {count} verdicts, {len(different)} different; libvirtd's: {kinds}")
        for line in different:
            print("#", *line)
        self.assertEqual(different, [])
        self.assertEqual(self.status(), "running")

    def test_own_procedures(self):
        """What libvirtd has not takes domain.write"""
        for user, rights in PEOPLE.items():
            may = any(right in rights for right in (("*", "*"), ("domain.write", "*"),
                                                    ("domain.write", "alive")))
            if user == "user0":
                continue
            with self.subTest(user), self.system.client(user) as client:
                for procedure, payload in (
                        (0x1000, xdr.u32(0) + xdr.optional(
                            f"<qemu:commandline xmlns:qemu='{guest.QEMU_NS}'/>") + xdr.u32(1)),
                        (0x1001, xdr.u32(2) + xdr.u32(0)), (0x1002, xdr.u32(0))):
                    verdict = self.verdict(lambda p=(procedure, xdr.domain(*self.ref) + payload):
                                           client.call(*p, rpc.QEMU))
                    if procedure != 0x1000:
                        self.assertEqual(verdict == "done", may, (hex(procedure), verdict))
                    elif not may:
                        self.assertNotEqual(verdict, "done", hex(procedure))
