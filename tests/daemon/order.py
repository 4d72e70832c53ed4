# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nothing is done for a client before libvirtd has said that it may: what a document asks for waits
for the connection to be open for writing, and for libvirtd's judgement of this client.

The documents name a program of the client's as their emulator, which leaves a mark when it runs.
"""

import contextlib
import itertools
import os
import shutil
import stat

from daemon.documents import CHECKPOINT, INCOMING, SNAPSHOT, payload
from daemon.rights import SystemMode, as_root
from harness import guest, limits, rpc, upstream, xdr
from harness.rpc import Frame
from harness.scripted import USER

CAPABILITIES = 342
TO_NATIVE = 136
DEFINE = 350
DENIED = upstream.Refuse(88, 55, "access denied: 'QEMU' denied access")

ALTERED = """<qemu:commandline><qemu:alter option='device'><qemu:match>x</qemu:match>
<qemu:modify>a=b</qemu:modify></qemu:alter><qemu:arg value='-device'/><qemu:arg value='edu'/>
</qemu:commandline><!-- VIRTPASS_PLAN -->"""


def trees(*roots):
    """All that is below, as a set of paths."""
    return {os.path.join(base, name) for root in roots for base, directories, files in os.walk(root)
            for name in directories + files}


@as_root
class Stage(SystemMode):
    def prepare(self):
        self.mark = os.path.join(self.dir, "mark")
        self.program = os.path.join(self.dir, "emulator")
        with open(self.program, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\necho run by $(id -u) >> {self.mark}\nexit 1\n")
        os.chmod(self.program, 0o755)
        with open(self.mark, "w", encoding="ascii"):
            os.chmod(self.mark, 0o666)
        self.links = os.path.join(self.dir, "links")
        os.mkdir(self.links)
        self.virtpassd.configure({"emulator": {"directory": self.links}, **self.config})
        self.upstream.on(rpc.REMOTE, CAPABILITIES, self.capabilities)
        self.serials = itertools.count(4000)
        self.asked = []       # (user, emulator) of each question about capabilities
        self.barred = set()   # users who may not ask

    def capabilities(self, peer, frame):
        emulator = xdr.Reader(frame.payload).optional()
        self.asked.append((peer.user(), emulator))
        if peer.user() in self.barred:
            raise DENIED
        path = emulator or guest.EMULATOR
        return xdr.string(f"<domainCapabilities><path>{path}</path></domainCapabilities>")

    def document(self, emulator=None, name="g"):
        xml = guest.domain(name, after=ALTERED)
        return xml.replace(guest.EMULATOR, emulator or self.program)

    def nothing_was_done(self):
        """The program did not run, and nothing was made for it."""
        limits.stays(lambda: os.path.getsize(self.mark) == 0, "the emulator is not run", 0.2)
        self.assertEqual(trees(self.links), set())

    def opened(self, user, **more):
        client = self.client_as(user, **more)
        self.peer_of(client)  # all that opening sends has arrived
        return client

    def refused(self, client, document):
        with self.assertRaises(rpc.RpcError) as caught:
            client.call(DEFINE, xdr.string(document) + xdr.u32(0))
        self.assertEqual((caught.exception.code, caught.exception.domain), (88, 55))
        self.assertEqual(self.upstream.select(lambda f: f.proc == DEFINE), [])
        self.nothing_was_done()
        self.works(client)


@as_root
class Order(Stage):
    def passes(self, client, procedure, layout):
        """The frame arrives as it was sent, and libvirtd is asked nothing else."""
        wrap = {185: SNAPSHOT, 411: CHECKPOINT}.get(procedure, "{}")
        self.upstream.hold(rpc.REMOTE, procedure)
        before = len(self.upstream.frames)
        call = Frame(rpc.REMOTE, procedure, serial=next(self.serials),
                     payload=payload(layout, wrap.format(self.document())))
        client.send(call)
        peer, frame = self.upstream.wait_frame(lambda f: f.serial == call.serial)
        self.upstream.held.discard((rpc.REMOTE, procedure))
        self.assertTrue(frame.same_bytes(call))
        frames = self.upstream.frames[before:]
        self.assertEqual([f.proc for owner, f in frames if owner is peer], [procedure])
        self.assertFalse([f.proc for owner, f in frames
                          if owner is not peer and self.program.encode() in f.payload])

    def all_pass(self, connect):
        for procedure, layout, name in INCOMING:
            with self.subTest(name):
                client = connect()
                self.passes(client, procedure, layout)
                client.close()
        self.nothing_was_done()
        good = self.client("qemu:///system")
        good.define(guest.domain("good"))
        self.works(good)

    def test_before_open(self):
        for user in (USER, "root"):
            for path in (self.virtpassd.sock, self.virtpassd.sock_ro):
                with self.subTest(f"{user} at {os.path.basename(path)}"):
                    self.all_pass(lambda u=user, p=path: self.client_as(u, None, path=p))

    def test_before_open_but_authenticated(self):
        def connect():
            client = self.client_as(USER, None)
            client.auth()
            return client
        self.all_pass(connect)

    def test_after_open_was_refused(self):
        def refuse(_peer, _frame):
            raise upstream.Refuse(38, 7, "no")

        def connect():
            client = self.client_as(USER, None)
            client.auth()
            self.upstream.on(rpc.REMOTE, rpc.OPEN, refuse)
            with self.assertRaises(rpc.RpcError):
                client.open("qemu:///system", 0)
            self.upstream.on(rpc.REMOTE, rpc.OPEN, self.upstream.do_open)
            return client
        self.all_pass(connect)

    def test_read_only(self):
        self.all_pass(lambda: self.opened(USER, flags=1))
        self.all_pass(lambda: self.opened(USER, path=self.virtpassd.sock_ro))
        self.all_pass(lambda: self.opened("root", flags=1))

    def test_another_driver(self):
        self.all_pass(lambda: self.opened(USER, name="test:///default"))

    def test_no_right_to_write_to_the_domain(self):
        """That is asked first, and then nothing else"""
        self.upstream.add("g")
        client = self.opened(USER)
        self.upstream.denied.add((self.peer_of(client).user(), "g"))
        self.refused(client, self.document())
        self.assertEqual(self.asked, [])

    def test_no_right_to_have_it_run(self):
        """A domain that is not known yet: libvirtd does not run the program for this client"""
        client = self.opened(USER)
        user = self.peer_of(client).user()
        self.barred.add(user)
        self.refused(client, self.document())
        self.assertEqual(self.asked, [(user, self.program)])

    def test_stock_documents_need_no_question_that_is_refused(self):
        """Who may define at libvirtd may do so here, whatever else he may not"""
        client = self.opened(USER)
        self.barred.add(self.peer_of(client).user())
        words = ("<qemu:commandline><qemu:arg value='-device'/><qemu:arg value='edu'/>"
                 "</qemu:commandline>")
        client.define(guest.domain("stock", after=words))
        self.assertIn("<qemu:arg value='edu'/>", self.upstream.domains[guest.uuid("stock")].xml)

    def test_judged_before_anything_is_done(self):
        """In this order, on the client's connection; nothing of it on virtpassd's own"""
        client = self.opened(USER)
        peer = self.peer_of(client)
        before = len(self.upstream.frames)
        self.upstream.hold(rpc.REMOTE, CAPABILITIES)
        call = client.post(DEFINE, xdr.string(self.document()) + xdr.u32(0))
        _, question = self.upstream.wait_call(rpc.REMOTE, CAPABILITIES)
        self.nothing_was_done()
        peer.answer(question, xdr.string("<domainCapabilities/>"))
        with contextlib.suppress(rpc.RpcError):  # the program is no QEMU
            client.reply(call)
        procedures = [f.proc for owner, f in self.upstream.frames[before:] if owner is peer]
        self.assertEqual(procedures[:3], [rpc.DOMAIN_GET_XML, rpc.FD_ASSOCIATE, CAPABILITIES])
        for owner, frame in self.upstream.frames[before:]:
            if owner is not peer:
                self.assertNotIn(self.program.encode(), frame.payload)
                self.assertNotIn(b"VIRTPASS_PLAN", frame.payload)
        self.works(client)

    def test_a_comment_is_no_plan(self):
        """Nothing is asked about a definition that only seems to have alterations"""
        xml = guest.domain("c").replace("<memory", "<!-- VIRTPASS_PLAN --><memory", 1)
        self.client("qemu:///system").define(xml)
        self.assertEqual(self.upstream.select(lambda f: f.proc == TO_NATIVE), [])

    def test_path_of_another_directory(self):
        """Whatever the emulator's path, nothing is made beside the tree of links"""
        before = trees(self.dir)
        for path in (f"/../../..{self.dir}/x/er", f"/usr/bin/../..{self.dir}/y", "relative/z"):
            client = self.opened(USER)
            with self.assertRaises(rpc.RpcError):
                client.call(DEFINE, xdr.string(self.document(path)) + xdr.u32(0))
            self.works(client)
        outside = {path for path in trees(self.dir) - before if not path.startswith(self.links)}
        self.assertEqual({path for path in outside if stat.S_ISLNK(os.lstat(path).st_mode)}, set())
        self.assertFalse(os.path.exists(os.path.join(self.dir, "x")))


@as_root
class Sessions(Stage):
    """A document that gets a session by the shim, and asks for nothing else"""

    config = {**Stage.config, "sessions": {"words": "emulator"}}

    def plain(self, name="g"):
        return guest.domain(name).replace(guest.EMULATOR, self.program)

    def stored(self, name="g"):
        return self.upstream.domains[guest.uuid(name)].xml

    def link(self, tree="virtpass-sessions"):
        return f"{self.links}/{tree}{self.program}/virtpass-emulator"

    def test_judged_before_the_link(self):
        client = self.opened(USER)
        peer = self.peer_of(client)
        self.upstream.hold(rpc.REMOTE, CAPABILITIES)
        call = client.post(DEFINE, xdr.string(self.plain()) + xdr.u32(0))
        _, question = self.upstream.wait_call(rpc.REMOTE, CAPABILITIES)
        self.nothing_was_done()
        self.assertEqual(self.upstream.select(lambda f: f.proc == DEFINE), [])
        peer.answer(question, xdr.string("<domainCapabilities/>"))
        client.reply(call)
        self.assertIn(f"<emulator>{self.link()}</emulator>", self.stored())
        self.assertTrue(os.path.islink(self.link()))

    def test_no_right_to_have_it_run(self):
        """What he defines has its words in the command line: that takes no link"""
        client = self.opened(USER)
        user = self.peer_of(client).user()
        self.barred.add(user)
        client.define(self.plain())
        self.assertEqual(self.asked, [(user, self.program)])
        self.assertIn(f"<emulator>{self.program}</emulator>", self.stored())
        self.assertIn("id=virtpass-qmp", self.stored())
        self.nothing_was_done()

    def test_upstream_form(self):
        """As libvirtd has it: its emulator is a client's word as well"""
        alter = ("<qemu:commandline><qemu:alter option='no-acpi' required='no'><qemu:remove/>"
                 "</qemu:alter></qemu:commandline>\n")
        xml = guest.domain("g", after=alter).replace(guest.EMULATOR, self.program)
        self.client("qemu:///system").define(xml)
        upstream_form = self.stored()
        self.assertIn(self.link("virtpass-emulators"), upstream_form)
        self.assertTrue(os.path.islink(self.link("virtpass-emulators")))
        shutil.rmtree(os.path.join(self.links, "virtpass-emulators"))
        client = self.opened(USER)
        user = self.peer_of(client).user()
        self.barred.add(user)
        client.define(upstream_form)
        self.assertEqual((self.asked[-1], self.stored()), ((user, self.program), upstream_form))
        self.nothing_was_done()
        self.barred.clear()
        client.define(upstream_form)
        self.assertTrue(os.path.islink(self.link("virtpass-emulators")))
