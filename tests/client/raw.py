# SPDX-License-Identifier: LGPL-2.1-or-later
"""What no stock client would send, frame by frame: libvirtd's answer and virtpassd's have to be
the same, and the next good request has to work wherever it works with libvirtd."""

import struct

from harness import guest, rpc, xdr
from harness.compare import Comparison


def words(*values):
    return struct.pack(f">{len(values)}I", *(value & 0xffffffff for value in values))


class Calls(Comparison):
    def case_errors_of_the_protocol(self, side):
        raw = side.raw()
        cases = {
            "unknown procedure": dict(proc=9999),
            "procedure 0": dict(proc=0),
            "negative procedure": dict(proc=-5),
            "unknown program": dict(proc=1, prog=0x12345678),
            "wrong version": dict(proc=rpc.GET_TYPE, vers=2),
            "wrong version of qemu's program": dict(proc=1, prog=rpc.QEMU, vers=7),
            "status of a call": dict(proc=rpc.GET_TYPE, status=rpc.ERROR),
            "event as a call": dict(proc=rpc.MONITOR_EVENT, prog=rpc.QEMU),
            "past the last of qemu's program": dict(proc=8, prog=rpc.QEMU),
            "procedure 0 of qemu's program": dict(proc=0, prog=rpc.QEMU),
            "undecodable lookup": dict(proc=rpc.LOOKUP_NAME, payload=b"\xff" * 8),
            "undecodable monitor command": dict(proc=1, prog=rpc.QEMU, payload=b"\0" * 7),
            "undecodable event registration": dict(proc=4, prog=rpc.QEMU, payload=words(1, 77)),
            "undecodable definition": dict(proc=rpc.DOMAIN_DEFINE_XML, payload=words(1 << 31)),
            "undecodable definition with flags": dict(proc=350, payload=words(5) + b"<a/>\0"),
            "undecodable identity": dict(proc=rpc.SET_IDENTITY, payload=words(1 << 30)),
            "attach": dict(proc=rpc.ATTACH, prog=rpc.QEMU, payload=words(1, 0)),
            "unknown deregistration": dict(proc=5, prog=rpc.QEMU, payload=words(99)),
        }
        for label, fields in cases.items():
            code, domain, message = raw.error(**fields)
            side.note(label, [code, domain, message])
            side.note("next", raw.type())

    def case_trailing_bytes(self, side):
        """libvirtd takes payloads that are longer than what is in them, aligned or not"""
        side.define("g")
        raw = side.raw()
        for extra in (b"", b"\0", b"xyz", b"x" * 1000):
            side.note("type", xdr.Reader(raw.call(rpc.GET_TYPE, extra).payload).string())
            reply = raw.call(rpc.LOOKUP_NAME, xdr.string("g") + extra)
            side.note("lookup", xdr.Reader(reply.payload).domain())
            xml = xdr.string(guest.domain("h"))
            side.note("define", xdr.Reader(raw.call(rpc.DOMAIN_DEFINE_XML, xml + extra).payload)
                      .domain())

    def case_domain_by_uuid_alone(self, side):
        """Name and number in a reference are not looked at"""
        side.start("g")
        raw = side.raw()
        name, uuid, number = raw.lookup("g")
        for reference in ((name, uuid, number), ("other", uuid, 77), ("", uuid, -1)):
            side.note("xml", raw.xml(reference))
            assert '"running"' in raw.monitor(reference, '{"execute":"query-status"}').replace(
                " ", "")
        wrong = ("g", "99999999-9999-9999-9999-555555555555", number)
        side.note("gone", raw.monitor_error(wrong, "{}"))
        side.note("gone, wrong flags", raw.monitor_error(wrong, "{}", 4))
        side.note("gone, files", raw.monitor_error(wrong, "{}", proc=7))

    def case_serials(self, side):
        """Whatever a client numbers its calls with comes back"""
        side.start("g")
        raw = side.raw()
        reference = raw.lookup("g")
        monitor = xdr.domain(*reference) + xdr.string('{"execute":"query-name"}') + xdr.u32(0)
        for serial in (5, 5, 1, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff):
            for program, proc, payload in ((rpc.REMOTE, rpc.GET_TYPE, b""),
                                           (rpc.QEMU, 1, monitor),
                                           (rpc.REMOTE, rpc.DOMAIN_GET_XML,
                                            xdr.domain(*reference) + xdr.u32(0))):
                reply = raw.call(proc, payload, program, serial=serial)
                side.note("serial", [reply.prog, reply.proc, reply.serial, reply.status])

    def case_pipelined(self, side):
        """Sixty calls in one write, each answered once"""
        side.start("g")
        raw = side.raw()
        reference = raw.lookup("g")
        frames = []
        for number in range(20):
            for proc, payload in ((rpc.GET_TYPE, b""), (rpc.LOOKUP_NAME, xdr.string("g")),
                                  (rpc.DOMAIN_GET_XML, xdr.domain(*reference) + xdr.u32(0))):
                frames.append(rpc.Frame(rpc.REMOTE, proc, rpc.CALL, 1000 + len(frames),
                                        payload=payload))
        raw.send_bytes(b"".join(frame.encode() for frame in frames))
        replies = {}
        for frame in frames:
            reply = raw.reply(frame)
            replies[reply.proc] = reply.payload
        side.note("replies", {proc: len(payload) > 0 for proc, payload in replies.items()})
        side.note("next", raw.type())


class Opening(Comparison):
    def case_before_open(self, side):
        """Only authentication and one feature work on a connection that is not open"""
        raw = side.raw(None)
        for label, fields in {
                "type": dict(proc=rpc.GET_TYPE),
                "lookup": dict(proc=rpc.LOOKUP_NAME, payload=xdr.string("g")),
                "define": dict(proc=rpc.DOMAIN_DEFINE_XML, payload=xdr.string(guest.domain("g"))),
                "xml": dict(proc=rpc.DOMAIN_GET_XML,
                            payload=xdr.domain("g", guest.uuid("g")) + xdr.u32(0)),
                "monitor": dict(proc=1, prog=rpc.QEMU, payload=xdr.domain("g", guest.uuid("g"))
                                + xdr.string("{}") + xdr.u32(0)),
                "events": dict(proc=4, prog=rpc.QEMU, payload=words(0, 0, 0)),
                "identity": dict(proc=rpc.SET_IDENTITY, payload=words(0, 0)),
                "null name": dict(proc=rpc.OPEN, payload=words(0, 0)),
                "wrong name": dict(proc=rpc.OPEN, payload=xdr.optional("nonsense:///") + words(0)),
        }.items():
            side.note(label, raw.error(**fields))
        keepalive = raw.call(rpc.SUPPORTS_FEATURE, words(10)).payload
        side.note("keepalive", keepalive.hex())
        raw.open()
        side.note("then", raw.type())

    def case_features(self, side):
        raw = side.raw()
        answers = {number: raw.call(rpc.SUPPORTS_FEATURE, words(number)).payload.hex()
                   for number in range(20)}
        side.note("features", answers)

    def case_close(self, side):
        """An answer, then the end of the connection"""
        raw = side.raw()
        side.note("reply", len(raw.call(rpc.CLOSE).payload))
        assert raw.at_end()

    def case_calls_behind_close(self, side):
        raw = side.raw()
        close = raw.post(rpc.CLOSE)
        raw.reply(close)
        assert side.note("end", raw.at_end())
        side.note("others", side.raw().type())

    def case_names(self, side):
        for name in ("qemu:///session", "qemu:///session?foo=bar", "", "qemu:///wrong"):
            raw = side.raw(None)
            raw.auth()
            try:
                raw.open(name)
                side.note(name, xdr.Reader(raw.call(rpc.GET_URI).payload).string())
            except rpc.RpcError as error:
                side.note(name, [error.code, error.domain, error.message])
                raw.open()
            side.note("then", raw.type())


class Limits(Comparison):
    def frame_of(self, length):
        """A GET_TYPE call of this length, padded behind."""
        return rpc.Frame(rpc.REMOTE, rpc.GET_TYPE, serial=4711,
                         payload=b"\0" * (length - rpc.HEADER.size))

    def case_longest_frame(self, side):
        raw = side.raw()
        frame = self.frame_of(rpc.FRAME_MAX)
        raw.send(frame)
        side.note("at the limit", xdr.Reader(raw.reply(frame).payload).string())
        side.note("next", raw.type())

    def case_wrong_lengths(self, side):
        """A length that cannot be ends the connection, and no other one"""
        bystander = side.raw()
        for length in (0, 1, 3, 4, 24, 27, rpc.FRAME_MAX + 1, rpc.FRAME_MAX + 4, 0x7fffffff,
                       0xfffffffc, 0xffffffff):
            raw = side.raw()
            raw.send_bytes(xdr.u32(length) + self.frame_of(64).encode()[4:])
            side.note(str(length), raw.at_end())
            side.note("another connection", bystander.type())

    def case_incomplete_frames(self, side):
        """A client that leaves in the middle of a frame, after each byte of it"""
        bystander = side.raw()
        data = rpc.Frame(rpc.REMOTE, rpc.LOOKUP_NAME, serial=1, payload=xdr.string("g")).encode()
        for size in range(len(data)):
            raw = rpc.Client(side.sock)
            raw.send_bytes(data[:size])
            raw.close()
        side.note("another connection", bystander.type())

    def case_long_strings(self, side):
        """4 MiB in a string are legal, one byte more is not"""
        side.start("g")
        raw = side.raw()
        reference = raw.lookup("g")
        for size in (rpc.STRING_MAX - 1, rpc.STRING_MAX, rpc.STRING_MAX + 1, rpc.STRING_MAX + 5000):
            command = '{"execute":"query-name"}'.ljust(size)
            payload = xdr.domain(*reference) + xdr.string(command) + xdr.u32(0)
            call = raw.post(1, payload, rpc.QEMU)
            try:
                raw.reply(call)
                side.note(f"command of {size}", "answered")
            except rpc.RpcError as error:
                side.note(f"command of {size}", [error.code, error.domain, error.message])
            side.note("next", raw.type())

    def case_error_that_does_not_fit(self, side):
        """libvirtd would have to repeat 4 MiB in its error, cannot, and hangs up"""
        raw = side.raw()
        raw.post(rpc.LOOKUP_NAME, xdr.string("x" * rpc.STRING_MAX))
        side.note("end", raw.at_end())
        side.note("another connection", side.raw().type())

    def long_xml(self, size):
        xml = guest.domain("g", before="  <description>@</description>\n")
        return xml.replace("@", "d" * (size - len(xml) + 1))

    def case_long_documents(self, side):
        raw = side.raw()
        for size in (rpc.STRING_MAX - 4096, rpc.STRING_MAX + 1):
            try:
                reply = raw.call(rpc.DOMAIN_DEFINE_XML, xdr.string(self.long_xml(size)))
                side.note(f"document of {size}", xdr.Reader(reply.payload).domain()[0])
            except rpc.RpcError as error:
                side.note(f"document of {size}", [error.code, error.domain, error.message])
            side.note("next", raw.type())
        text = raw.xml(("g", guest.uuid("g"), -1))
        side.note("back", len(text) > rpc.STRING_MAX - 8192)

    def case_lying_strings(self, side):
        """A string that says it is longer than its frame"""
        raw = side.raw()
        for size in (1, 4, 5, 1000, rpc.STRING_MAX, rpc.STRING_MAX + 1, 0x7fffffff, 0xffffffff):
            for proc in (rpc.LOOKUP_NAME, rpc.DOMAIN_DEFINE_XML, 350):
                side.note(f"{proc} {size}", raw.error(proc, words(size))[:2])
            side.note("next", raw.type())


class Streams(Comparison):
    def case_nobodys_stream(self, side):
        """Stream frames that belong to no stream are dropped in silence"""
        raw = side.raw()
        for serial, proc, status in ((0, 208, rpc.CONTINUE), (12345, 201, rpc.OK),
                                     (77, 9999, rpc.ERROR)):
            raw.send(rpc.Frame(rpc.REMOTE, proc, rpc.STREAM, serial, status, b"data"))
            raw.send(rpc.Frame(rpc.REMOTE, proc, rpc.STREAM_HOLE, serial, rpc.CONTINUE,
                               xdr.i64(4096) + xdr.u32(0)))
        side.note("next", raw.type())

    def case_messages_from_a_client(self, side):
        """A client has nothing to tell; pings are answered"""
        raw = side.raw()
        raw.call(rpc.SUPPORTS_FEATURE, words(10))
        raw.send(rpc.Frame(rpc.KEEPALIVE, 1, rpc.MESSAGE))
        pong = raw.take(lambda frame: frame.prog == rpc.KEEPALIVE and frame.proc == 2)
        side.note("pong", [pong.type, pong.serial, pong.status, len(pong.payload)])
        side.note("next", raw.type())
