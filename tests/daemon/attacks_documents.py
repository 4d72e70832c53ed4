# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nothing of a client's is acted on before libvirtd has judged that this client may.

Every procedure that carries a document, with documents that would have programs run, files made
or the daemon kept busy, sent by users who may not do it. What is looked for is what such a document
would leave behind: a program that ran, an entry in a directory, a question to libvirtd about it.
"""

import collections
import os
import re
import socket
import threading
import time

import documents
from harness import guest, limits, rpc, system, xdr
from harness.system import SystemTest

# So every document's domain is called, and libvirtd's log knows it by that.
MARKER = "hostile"

# Where everybody may write, and the attacker has his programs.
FREE = "/run/free"

# In place of an emulator: leaves a mark as whom and with which words it was started, knocks at a
# port, and stays for a while, so that it is also seen where it can do neither.
EMULATOR = """#!/bin/sh
echo "$(id -u) $*" > """ + FREE + """/marks/$$
bash -c 'exec 3<>/dev/tcp/127.0.0.1/4242'
sleep {seconds}
"""

PORT = 4242

# Procedures of ours, by what they take: see src/remote/qemu_protocol.x.
COMMANDLINE_ALTER, COMMANDLINE_GET, SESSION_INFO = 0x1000, 0x1001, 0x1002

# What another client has to wait for at most, in seconds: with room for a loaded machine, and as it
# is meant.
WAIT_MAX, WAIT_MEANT = 0.5, 0.05

EVERYBODY = {
    "alice": [("connect.getattr", "*")],
    "bob": [("*", "*")],
    "carol": [("connect." + name, "*") for name in ("getattr", "read", "write", "search-domains")]
             + [("domain.getattr", "*"), ("domain.read", "*")],
}


def flat(xml):
    return " ".join(xml.split())


def domain(emulator, after):
    xml = guest.domain(MARKER, after=after).replace(guest.EMULATOR, emulator)
    return flat(xml)


def altered(emulator, words):
    return domain(emulator, f"<qemu:commandline>{words}</qemu:commandline>")


# What costs many steps for each value but just not as many as PCRE is allowed, nor ends early for
# want of a character.
BOMB_VALUE = "a" * 24
BOMB_WORDS = "".join(f"<qemu:arg value='-fw_cfg'/><qemu:arg value='name=opt/x{number},"
                     f"string={BOMB_VALUE}'/>" for number in range(60))
BOMB = BOMB_WORDS + 300 * ("<qemu:alter option='fw_cfg' required='no'>"
                           "<qemu:match>a.*a.*a.*[!?]</qemu:match><qemu:remove/></qemu:alter>")

# By what they are after. {}: a program of the attacker's.
DOCUMENTS = {
    "probe": lambda program: altered(program, "<qemu:extra>-device lsi</qemu:extra>"),
    "shim": lambda program: altered(
        program, "<qemu:alter option='no-acpi' required='no'><qemu:remove/></qemu:alter>"),
    "native": lambda program: domain(program, "<!-- VIRTPASS_PLAN -->"),
    "path": lambda program: altered(
        "/../../../run/x/er", "<qemu:alter option='m' required='no'><qemu:remove/></qemu:alter>"),
    "path below": lambda program: altered(
        FREE + "/../../../../../etc/x", "<qemu:extra>-device lsi</qemu:extra>"),
    "session": lambda program: domain(program, "<qemu:monitorpassthrough/>"),
}

WRAP = {185: documents.SNAPSHOT, 411: documents.CHECKPOINT}


def payload(procedure, layout, document):
    """As documents.py has it, with flags and a format that libvirtd knows."""
    known = {"u": xdr.u32(0)}
    if procedure == 136:
        known["s"] = xdr.string("qemu-argv")
    return b"".join(known.get(letter) or documents.payload(letter, document) for letter in layout)


def calls(document):
    """(program, procedure, payload, name) of every call that can carry the document."""
    for procedure, layout, name in documents.INCOMING:
        text = WRAP.get(procedure, "{}").format(document)
        yield rpc.REMOTE, procedure, payload(procedure, layout, text), name
    ref = xdr.domain("victim", guest.uuid("victim"))
    found = re.search("<qemu:commandline>.*</qemu:commandline>", document)
    if found:
        fragment = found[0].replace("<qemu:commandline>",
                                    f"<qemu:commandline xmlns:qemu='{guest.QEMU_NS}'>")
        yield (rpc.QEMU, COMMANDLINE_ALTER,
               ref + xdr.u32(0) + xdr.optional(fragment) + xdr.u32(0), "alter")
    yield rpc.QEMU, COMMANDLINE_GET, ref + xdr.u32(1) + xdr.u32(0), "get"
    yield rpc.QEMU, SESSION_INFO, ref + xdr.u32(0), "session information"


# How far the attacker has come: {name: function of his client}.
STATES = {
    "nothing sent": lambda client: None,
    "authentication asked for": lambda client: client.auth(),
    "open refused": lambda client: client.error(rpc.OPEN, xdr.optional("nobody:///") + xdr.u32(0)),
    "open read-only": lambda client: client.open("qemu:///system", 1),
    "open in the same write": lambda client: client.post(
        rpc.OPEN, xdr.optional("qemu:///system") + xdr.u32(1)),
}


def open_connection(client):
    client.auth()
    client.open("qemu:///system")


class Pinger:
    """Another client that asks for libvirt's version all the time, and keeps the longest wait."""

    def __init__(self, client):
        self.client = client
        self.longest = 0
        self.ended = threading.Event()
        self.problem = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            while not self.ended.is_set():
                begin = time.monotonic()
                self.client.call(rpc.GET_LIB_VERSION)
                self.longest = max(self.longest, time.monotonic() - begin)
                time.sleep(0.002)
        except Exception as error:  # pylint: disable=broad-except
            self.problem = error

    def stop(self):
        self.ended.set()
        self.thread.join()
        if self.problem:
            raise self.problem
        return self.longest


class Hostile(SystemTest):
    more = {"rights": EVERYBODY}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.mkdir(cls.system.path(FREE, "marks"))
        os.chmod(cls.system.path(FREE, "marks"), 0o1777)
        cls.system.virsh("root", "define", cls.system.file(guest.domain("victim")))
        cls.kept = cls.system.as_user("mallory", cls.make_emulator, "kept", 30)
        cls.quick = cls.system.as_user("mallory", cls.make_emulator, "quick", 0.1)

    @staticmethod
    def make_emulator(name, seconds):
        path = f"{FREE}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(EMULATOR.format(seconds=seconds))
        os.chmod(path, 0o755)
        return path

    def setUp(self):
        super().setUp()
        self.before = self.tree()
        self.addCleanup(self.remove_marks)
        self.addCleanup(self.recover)
        self.addCleanup(self.undefine)
        self.opened = system.Opened(*map(self.system.path, (self.kept, self.quick)))
        self.addCleanup(self.opened.close)
        self.port = self.system.hold("root", self.listener)
        self.addCleanup(self.port.close)

    @staticmethod
    def listener():
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", PORT))
        sock.listen(100)
        sock.setblocking(False)
        return sock

    def undefine(self):
        for name in (MARKER, "good"):
            self.system.virsh("root", "undefine", name, sock=self.system.sock_libvirtd,
                              check=False)

    # -- what is left behind ------------------------------------------------

    def tree(self):
        return self.system.tree("run", "etc", "var/lib", "var/cache/virtpassd")

    def marks(self):
        """(uid, words) of what ran and could say so."""
        found = []
        for entry in os.scandir(self.system.path(FREE, "marks")):
            with open(entry, encoding="utf-8") as file:
                uid, _, words = file.read().strip().partition(" ")
            found.append((uid, re.sub(r"qmp-\w+", "qmp-N", words)))
        return found

    def remove_marks(self):
        for entry in os.scandir(self.system.path(FREE, "marks")):
            os.unlink(entry)

    def knocked(self):
        try:
            self.port.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def running(self):
        return {pid: line for pid, line in self.system.processes().items()
                if self.kept in line or self.quick in line}

    def recover(self):
        """After an attack that succeeded: libvirtd waits for what it has started."""
        if not self.running():
            return
        self.system.virtpassd.kill()
        self.system.libvirtd.kill()
        for pid in self.running():
            self.system.run("root", ["kill", "-9", str(pid)])
        self.system.start_libvirtd()
        self.system.start_virtpassd()

    def assert_nothing_done(self):
        self.assertEqual(self.marks(), [])
        self.assertFalse(self.knocked(), "a program connected to a port of the host's")
        self.assertEqual(self.running(), {})
        self.assertEqual(self.opened.count(), 0, "a program of the attacker's was opened")
        self.assertEqual(self.tree(), self.before)

    def assert_serves(self):
        """The next good request works."""
        xml = guest.domain("good", after=guest.session_attribute())
        self.system.virsh("bob", "define", self.system.file(xml))
        self.assertIn("monitorpassthrough", self.system.virsh("bob", "dumpxml", "good"))
        self.system.virsh("bob", "undefine", "good")

    # -- the attack ---------------------------------------------------------

    def send(self, user, sock, prepare, documents_sent):
        """Every call with every document, one after the other; names of those without a reply."""
        silent = []
        client = self.system.client(user, sock, name=None)
        prepare(client)
        for document in documents_sent:
            for program, procedure, data, name in calls(document):
                try:
                    client.call(procedure, data, program, timeout=2)
                    silent.append(name + ": done")
                except rpc.RpcError:
                    continue
                except (rpc.Closed, OSError) as error:
                    silent.append(f"{name}: {error!r}")
                    client.close()
                    client = self.system.client(user, sock, name=None)
                    prepare(client)
        client.close()
        return silent

    def all_documents(self, program):
        return [make(program) for make in DOCUMENTS.values()]


class Bombs(Hostile):
    """Whose document costs much, whatever he may do: others do not wait for it"""

    def measure(self, user, prepare, procedures=(10, 11, 136, 350)):
        pinger = Pinger(self.system.client("root"))
        client = self.client(user, name=None)
        begin = time.monotonic()
        try:
            prepare(client)
            for program, procedure, data, _ in calls(altered(guest.EMULATOR, BOMB)):
                if procedure in procedures:
                    self.answered(client, client.post(procedure, data, program))
            limits.poll_until(lambda: not self.is_busy(), "virtpassd has come to an end", 40)
        finally:
            longest = pinger.stop()
            pinger.client.close()
        meant = "as meant" if longest <= WAIT_MEANT else f"more than {WAIT_MEANT * 1000:.0f} ms"
        print(f"# {user}: {time.monotonic() - begin:.1f} s of work; another client waited "
              f"{longest * 1000:.0f} ms at most, {meant}")
        self.assertLess(longest, limits.seconds(WAIT_MAX))

    def answered(self, client, call):
        try:
            client.reply(call, 30)
        except rpc.RpcError as error:
            print(f"# {call.proc}: {str(error)[:150]}")

    def is_busy(self):
        """Has virtpassd used the processor much, within a while?"""
        used = []
        for _ in range(2):
            with open(f"/proc/{self.system.virtpassd.pid}/stat", encoding="ascii") as file:
                used.append(int(file.read().rpartition(")")[2].split()[11]))
            time.sleep(1)
        return used[1] - used[0] > 20

    def test_before_judgement(self):
        self.measure("mallory", STATES["nothing sent"])

    def test_read_only(self):
        self.measure("alice", STATES["open read-only"])

    def test_without_the_right(self):
        self.measure("carol", open_connection)

    def test_with_every_right(self):
        self.measure("bob", open_connection, (11, 136))


class BeforeJudgement(Hostile):
    """A user in no group, who has not opened a connection, or a read-only one"""

    def attack(self, state, user="mallory", directly=None):
        """directly: the state in which libvirtd itself gets them, where that is another."""
        prepare, sent = STATES[state], self.all_documents(self.kept)
        for ours, theirs in ((self.system.sock, self.system.sock_libvirtd),
                             (self.system.sock_ro, self.system.sock_libvirtd_ro)):
            with self.subTest(ours):
                size = self.system.log_size()
                self.send(user, theirs, STATES[directly or state], sent)
                direct = collections.Counter(self.system.calls_with(MARKER, size))
                size = self.system.log_size()
                pinger = Pinger(self.system.client("root"))
                try:
                    silent = self.send(user, ours, prepare, sent)
                finally:
                    longest = pinger.stop()
                    pinger.client.close()
                through = collections.Counter(self.system.calls_with(MARKER, size))
                print(f"# {state}: another client waited {longest * 1000:.0f} ms at most")
                self.assert_nothing_done()
                self.assertEqual(silent, [])
                self.assertEqual(through - direct, collections.Counter())
                self.assertLess(longest, limits.seconds(WAIT_MAX))
                self.assert_serves()

    def test_nothing_sent(self):
        self.attack("nothing sent")

    def test_authentication_asked_for(self):
        self.attack("authentication asked for")

    def test_open_refused(self):
        self.attack("open refused")

    def test_open_read_only(self):
        self.attack("open read-only", "alice")

    def test_open_in_the_same_write(self):
        # libvirtd may come to the next call first.
        self.attack("open in the same write", "alice", "open read-only")

    def test_marks_are_seen(self):
        """A program that does run is noticed in all the ways that the other tests look for"""
        self.system.as_user("mallory", os.spawnl, os.P_NOWAIT, self.quick, self.quick, "words")
        limits.poll_until(self.running, "it is seen running")
        limits.poll_until(self.marks, "it has left its mark")
        limits.poll_until(self.knocked, "it has connected")
        limits.poll_until(lambda: not self.running(), "it ends")
        self.assertGreater(self.opened.count(), 0)
        self.assertEqual(self.marks(), [(str(system.USERS["mallory"]), "words")])


class WithoutTheRight(Hostile):
    """A read-write connection is open, but libvirtd does not let this user define a domain.

    libvirtd itself looks at the emulator of some documents before it says no, on whatever
    connection they come: what may be seen is what is seen when they are sent to it directly.
    """

    def attack(self, user):
        sent = self.all_documents(self.quick)
        found = []
        for sock in (self.system.sock_libvirtd, self.system.sock):
            size = self.system.log_size()
            pinger = Pinger(self.system.client("root", sock))
            try:
                silent = self.send(user, sock, open_connection, sent)
            finally:
                longest = pinger.stop()
                pinger.client.close()
            limits.poll_until(lambda: not self.running(), "his programs have ended")
            found.append((set(self.marks()), silent,
                          collections.Counter(self.system.calls_with(MARKER, size))))
            self.remove_marks()
            print(f"# {user}: another client waited {longest * 1000:.0f} ms at most")
        (marks, silent, direct), (marks_through, silent_through, through) = found
        self.assertLess(longest, limits.seconds(WAIT_MAX))
        self.assertEqual(marks_through - marks, set())
        # What libvirtd has not: she may read the definition, and with it the command line.
        self.assertEqual([name for name in silent_through if name != "get: done"], silent)
        self.assertEqual(through - direct, collections.Counter())
        self.assertEqual(self.tree(), self.before)
        self.assert_serves()

    def test_alice(self):
        """Who may connect only"""
        self.attack("alice")

    def test_carol(self):
        """Who may read only"""
        self.attack("carol")
