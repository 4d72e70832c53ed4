# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every procedure that carries domain XML, by its layout: documents are translated on their way
in and restored on their way out, and what stands around them keeps its bytes."""

import os

from harness import guest, limits, rpc, upstream, xdr
from harness.scripted import Scripted, sanitizer_environment, wait_read
from harness.silent_mount import silent_mount

SNAPSHOT = "<domainsnapshot><name>s</name>{}</domainsnapshot>"
CHECKPOINT = "<domaincheckpoint><name>c</name>{}</domaincheckpoint>"

# Letters as in libvirt's protocol: s string, S optional string, o opaque, u 32 bits, h 64 bits,
# D domain, T typed parameters; X the document, Y the document as an optional string.
INCOMING = [
    (10, "Xu", "create"),
    (11, "X", "define"),
    (350, "Xu", "define with flags"),
    (309, "Xu", "create with files"),
    (136, "sXu", "to native"),
    (233, "sYu", "restore"),
    (232, "DsYu", "save"),
    (236, "sXu", "define a save image"),
    (389, "DYu", "define a managed save"),
    (185, "DXu", "snapshot"),
    (411, "DXu", "checkpoint"),
    (108, "ShShX", "prepare 2"),
    (148, "hShX", "prepare tunnel"),
    (213, "DYhSh", "begin 3"),
    (214, "oShShX", "prepare 3"),
    (215, "ohShX", "prepare tunnel 3"),
    (216, "DYoSShSh", "perform 3"),
    (302, "DTu", "begin 3 with parameters"),
    (303, "Tou", "prepare 3 with parameters"),
    (304, "Tou", "prepare tunnel 3 with parameters"),
    (305, "DSTou", "perform 3 with parameters"),
    (440, "DTu", "save with parameters"),
    (441, "Tu", "restore with parameters"),
]

OUTGOING = [
    (14, "X", "xml"),
    (135, "X", "from native"),
    (235, "X", "xml of a save image"),
    (388, "X", "xml of a managed save"),
    (186, "X", "snapshot"),
    (412, "X", "checkpoint"),
]

# Documents of a migration leave in the form that any libvirtd takes.
LEFT_ALONE = [
    (213, "oX", "begin 3"),
    (302, "oX", "begin 3 with parameters"),
]

DOCUMENT_FIELDS = ("destination_xml", "persistent_xml", "dxml")


def parameters(document):
    entries = [("bandwidth", xdr.ULLONG, 7), ("migrate_uri", xdr.STRING, "tcp:x"),
               ("compression.mt.level", xdr.INT, -1), ("on", xdr.BOOLEAN, 1),
               ("ratio", xdr.DOUBLE, 0.5)]
    entries += [(field, xdr.STRING, document) for field in DOCUMENT_FIELDS]
    return xdr.params(entries + [("disks", xdr.STRING, "vda")])


def payload(layout, document):
    """A payload of this layout, with odd lengths so that padding matters."""
    parts = {
        "s": xdr.string("/some/path"), "S": xdr.optional("dconn"), "o": xdr.opaque(b"\x00\xffc"),
        "u": xdr.u32(0x81), "h": xdr.u64(1 << 40), "D": xdr.domain("g", guest.uuid("g"), 4),
        "T": parameters(document), "X": xdr.string(document), "Y": xdr.optional(document),
    }
    return b"".join(parts[letter] for letter in layout)


class Base(Scripted):
    def setUp(self):
        super().setUp()
        self.words = upstream.session_words(self.virtpassd.session_dir, guest.uuid("g"))
        self.author = guest.domain("g")
        self.client_end = self.client()
        self.peer = self.peer_of(self.client_end)

    def path(self, name, make):
        path = os.path.join(self.dir, name)
        make(path)
        return path

    def stored(self, document):
        """What virtpassd makes of a document, seen in a definition."""
        self.client_end.define(document)
        return self.upstream.domains[guest.uuid("g")].xml

    def got(self, procedure, layout, document):
        """The payload that arrives at the client."""
        frame = rpc.Frame(rpc.REMOTE, procedure, rpc.REPLY, 5, payload=payload(layout, document))
        self.peer.send(frame)
        return self.client_end.recv().payload


class Documents(Base):
    def sent(self, procedure, layout, document):
        """The payload that arrives upstream."""
        self.upstream.hold(rpc.REMOTE, procedure)
        call = self.client_end.post(procedure, payload(layout, document))
        _, frame = self.upstream.wait_frame(lambda f: f.proc == procedure
                                            and f.serial == call.serial)
        return frame.payload

    def test_incoming(self):
        stored = self.stored(self.author)
        self.assertNotEqual(stored, self.author)
        for procedure, layout, name in INCOMING:
            with self.subTest(name):
                wrap = {185: SNAPSHOT, 411: CHECKPOINT}.get(procedure, "{}")
                self.assertEqual(self.sent(procedure, layout, wrap.format(self.author)),
                                 payload(layout, wrap.format(stored)))

    def test_incoming_twice(self):
        """What is in upstream's form already passes unchanged"""
        stored = self.stored(self.author)
        for procedure, layout, name in INCOMING:
            with self.subTest(name):
                wrap = {185: SNAPSHOT, 411: CHECKPOINT}.get(procedure, "{}")
                self.assertEqual(self.sent(procedure, layout, wrap.format(stored)),
                                 payload(layout, wrap.format(stored)))

    def test_without_the_optional_document(self):
        for procedure, layout, name in INCOMING:
            if "Y" not in layout:
                continue
            with self.subTest(name):
                self.upstream.hold(rpc.REMOTE, procedure)
                absent = b"".join(xdr.u32(0) if letter == "Y" else payload(letter, "")
                                  for letter in layout)
                call = self.client_end.post(procedure, absent)
                _, frame = self.upstream.wait_frame(lambda f, c=call: f.same_bytes(c))
                self.assertEqual(frame.payload, absent)

    def test_outgoing(self):
        stored = self.stored(self.author)
        for procedure, layout, name in OUTGOING:
            with self.subTest(name):
                wrap = {186: SNAPSHOT, 412: CHECKPOINT}.get(procedure, "{}")
                self.assertEqual(self.got(procedure, layout, wrap.format(stored)),
                                 payload(layout, wrap.format(self.author)))
                self.assertEqual(self.got(procedure, layout, wrap.format(self.author)),
                                 payload(layout, wrap.format(self.author)))

    def test_both_domains_of_a_snapshot(self):
        stored = self.stored(self.author)
        two = SNAPSHOT.format("{0}{1}")
        inactive = [text.replace("<domain ", "<inactiveDomain ").replace("</domain>",
                                                                       "</inactiveDomain>")
                    for text in (stored, self.author)]
        self.assertEqual(self.got(186, "X", two.format(stored, inactive[0])),
                         payload("X", two.format(self.author, inactive[1])))

    def test_migration_leaves_in_upstreams_form(self):
        stored = self.stored(self.author)
        for procedure, layout, name in LEFT_ALONE:
            with self.subTest(name):
                self.assertEqual(self.got(procedure, layout, stored), payload(layout, stored))

    def test_other_sockets_directory(self):
        """A guest that migrates in brings the words of its source; ours take their place"""
        foreign = guest.domain("g", after=upstream.session_words("/elsewhere", guest.uuid("g")))
        for procedure, layout, name in INCOMING:
            with self.subTest(name):
                wrap = {185: SNAPSHOT, 411: CHECKPOINT}.get(procedure, "{}")
                came = self.sent(procedure, layout, wrap.format(foreign))
                self.assertNotIn(b"/elsewhere", came)
                self.assertIn(self.virtpassd.session_path(guest.uuid("g")).encode(), came)

    def test_what_is_no_qemu_domain(self):
        """Passes as it is: libvirtd says what is wrong with it"""
        for document in ("", "<domain", "<network/>", "<!-- only words -->", "not xml at all",
                         self.author.replace("type='qemu'", "type='lxc'"),
                         self.author.replace("type='qemu'", "type='test'"),
                         self.author.replace("</domain>", ""), "<domain type='qemu'/>\0<x/>"):
            with self.subTest(document[:30]):
                self.assertEqual(self.sent(11, "X", document), payload("X", document))

    def test_payload_that_does_not_fit_its_layout(self):
        """Passes as it is"""
        for procedure, layout, name in INCOMING:
            whole = payload(layout, self.author)
            for body in (b"", whole[:7], whole[:-4], whole[:len(whole) // 2], b"\xff" * 40):
                with self.subTest(name, size=len(body)):
                    self.upstream.hold(rpc.REMOTE, procedure)
                    call = self.client_end.post(procedure, body)
                    self.upstream.wait_frame(lambda f, c=call: f.same_bytes(c),
                                             "the frame as it was sent")

    def test_descriptors_beside_a_document(self):
        """A call whose document changes keeps its descriptors, in their order"""
        self.upstream.hold(rpc.REMOTE, 309)
        fds = [os.memfd_create(f"f{number}") for number in range(3)]
        for fd in fds:
            self.addCleanup(os.close, fd)
        self.client_end.post(309, payload("Xu", self.author), fds=fds)
        _, frame = self.upstream.wait_call(rpc.REMOTE, 309)
        self.assertIn(b"virtpass-qmp", frame.payload)
        self.assertEqual([os.fstat(fd).st_ino for fd in frame.fds],
                         [os.fstat(fd).st_ino for fd in fds])

    def test_error_replies_to_them(self):
        for procedure, *_ in OUTGOING + LEFT_ALONE:
            frame = rpc.Frame(rpc.REMOTE, procedure, rpc.REPLY, 5, rpc.ERROR,
                              rpc.error_payload(42, 10, "words"))
            self.peer.send(frame)
            self.assertTrue(frame.same_bytes(self.client_end.recv()))


class SavedBase(Base):
    """The file of a saved guest is read first, for what is kept in it"""

    def setUp(self):
        super().setUp()
        self.upstream.on(rpc.REMOTE, 235, lambda _peer, _frame: xdr.string(self.author))
        self.upstream.on(rpc.REMOTE, 233, lambda _peer, _frame: b"")

    def restore(self, path, client=None):
        client = client or self.client_end
        return client.post(233, xdr.string(path) + xdr.optional(self.author) + xdr.u32(0))

    def arrived(self):
        return [frame.proc for _, frame in self.upstream.select(lambda f: f.proc in (233, 235))]


class SavedGuest(SavedBase):
    def test_file(self):
        path = self.path("image", lambda path: open(path, "wb").close())
        self.restore(path)
        self.client_end.recv()
        self.assertEqual(self.arrived(), [235, 233])

    def test_what_can_be_read_once(self):
        """A pipe is left to libvirtd, and so is what is not there"""
        for path in (self.path("pipe", os.mkfifo), os.path.join(self.dir, "none")):
            self.restore(path)
            self.client_end.recv()
        self.assertEqual(self.arrived(), [233, 233])

    def test_file_system_that_does_not_answer(self):
        """Only who named the file waits; when it is known that there is none, the call goes on"""
        directory = self.path("far", os.mkdir)
        leaving, waiting = self.client(), self.client()
        with silent_mount(self, directory):
            for client in (leaving, waiting):
                self.restore(os.path.join(directory, "image"), client)
                wait_read(client.sock)
                self.works(self.client_end)
            leaving.close()
            self.works(self.client())
            self.assertEqual(self.arrived(), [])
        waiting.recv()
        self.assertEqual(self.arrived(), [233])
        self.works(waiting)


# What makes virtpassd look at the emulator: what it can do, and whether it has changed.
WANTS_FACTS = "<qemu:arg value='-device'/><qemu:arg value='virtio-rng-pci'/>"
WANTS_SHIM = "<qemu:alter option='no-user-config'><qemu:remove/></qemu:alter>"


class FarEmulator(Base):
    """The path of the emulator is on a file system that does not answer"""

    def setUp(self):
        super().setUp()
        self.directory = self.path("far", os.mkdir)
        self.emulator = os.path.join(self.directory, "qemu")

    def document(self, emulator, wish):
        return guest.domain("g", after=f"<qemu:commandline>{wish}</qemu:commandline>\n").replace(
            guest.EMULATOR, emulator)

    def test_upstream_form(self):
        """What libvirtd holds may come back while nobody answers"""
        stored = self.stored(self.document(self.emulator, WANTS_SHIM))
        with silent_mount(self, self.directory):
            self.assertEqual(self.stored(stored), stored)
            self.works(self.client_end)

    def test_file_system_that_does_not_answer(self):
        """Only who named it waits; when it is known that there is none, the call goes on"""
        clients = {self.client(): wish for wish in (WANTS_FACTS, WANTS_SHIM, WANTS_FACTS)}
        leaving, *waiting = clients
        with silent_mount(self, self.directory):
            for client, wish in clients.items():
                client.post(11, xdr.string(self.document(self.emulator, wish)))
                wait_read(client.sock)
                self.works(self.client_end)
            leaving.close()
            self.stored(self.document(guest.EMULATOR, WANTS_FACTS))
        for client in waiting:
            client.recv()
            self.works(client)
        defined = self.upstream.select(lambda frame: frame.proc == 11)
        self.assertEqual([self.emulator.encode() in frame.payload for _, frame in defined],
                         [False, True, True])


class EndBeforeTheAnswer(SavedBase):
    # The search for leaks stops all threads first, and one that waits for a file cannot be stopped.
    environment = sanitizer_environment("detect_leaks=0")

    def test_end(self):
        """virtpassd ends although a thread of it waits for a file"""
        directory = self.path("far", os.mkdir)
        with silent_mount(self, directory):
            self.restore(os.path.join(directory, "image"))
            wait_read(self.client_end.sock)
            self.works(self.client())
            self.assertEqual(self.virtpassd.end(), 0)


class Long(Base):
    """At the limit of libvirt's strings, and one byte past it."""

    def long(self, size, text):
        filler = "d" * (size - len(text) - len("<description></description>\n"))
        long = text.replace("  <memory", f"<description>{filler}</description>\n  <memory", 1)
        self.assertEqual(len(long), size)
        return long

    def test_document_that_becomes_as_long_as_can_be(self):
        growth = len(self.stored(self.author)) - len(self.author)
        document = self.long(rpc.STRING_MAX - growth, self.author)
        self.assertEqual(len(self.stored(document)), rpc.STRING_MAX)
        self.works(self.client_end)

    def test_document_that_becomes_too_long(self):
        """An error that says so, from us, and the next request works"""
        growth = len(self.stored(self.author)) - len(self.author)
        before = len(self.upstream.select(lambda frame: frame.proc == 11))
        for extra in (1, growth):
            document = self.long(rpc.STRING_MAX - growth + extra, self.author)
            _, _, message = self.client_end.error(11, xdr.string(document))
            self.assertIn(str(rpc.STRING_MAX), message)
            self.works(self.client_end)
        self.assertEqual(len(self.upstream.select(lambda frame: frame.proc == 11)), before)

    def test_longest_reply(self):
        stored = self.stored(self.author)
        longest = self.long(rpc.STRING_MAX, stored)
        came = self.got(14, "X", longest)
        self.assertEqual(len(xdr.Reader(came).string()),
                         rpc.STRING_MAX - len(stored) + len(self.author))
        too_long = xdr.string(longest + " ")
        frame = rpc.Frame(rpc.REMOTE, 14, rpc.REPLY, 5, payload=too_long)
        self.peer.send(frame)
        self.assertTrue(frame.same_bytes(self.client_end.recv()))

    @limits.limit(120)
    def test_frame_that_becomes_too_long(self):
        """Seven long strings beside a document that grows: the frame's own limit"""
        filler = [(f"p{number}", xdr.STRING, "x" * rpc.STRING_MAX) for number in range(7)]
        document = [("destination_xml", xdr.STRING, self.author)]
        rest = rpc.FRAME_MAX - rpc.HEADER.size - len(xdr.params(filler + document)) - 40
        filler.append(("last", xdr.STRING, "x" * (rest // 4 * 4)))
        body = xdr.params(filler + document) + xdr.opaque(b"") + xdr.u32(0)
        self.assertLessEqual(rpc.HEADER.size + len(body), rpc.FRAME_MAX)
        self.assertGreater(rpc.HEADER.size + len(body) + 100, rpc.FRAME_MAX)
        self.upstream.hold(rpc.REMOTE, 303)
        call = self.client_end.post(303, body)
        with self.assertRaises(rpc.RpcError) as caught:
            self.client_end.reply(call)
        self.assertIn("grows to", caught.exception.message)
        self.works(self.client_end)
