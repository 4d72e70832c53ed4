# SPDX-License-Identifier: LGPL-2.1-or-later
"""File descriptors that travel with calls and replies."""

import json
import os
import socket

import libvirt
import libvirt_qemu

from harness import guest, rpc, xdr
from harness.compare import Comparison

GREETING = "RFB 003.008"


class Graphics(Comparison):
    def case_from_the_server(self, side):
        """virDomainOpenGraphicsFD returns a descriptor of libvirtd's"""
        side.start("g", devices=guest.vnc(side.path("vnc")))
        assert GREETING in side.note("fd", side.client("graphics-fd", "g"))
        domain = side.connect().lookupByName("g")
        for _ in range(5):
            with socket.socket(fileno=domain.openGraphicsFD(0, 1)) as console:
                console.settimeout(10)
                assert console.recv(12).startswith(GREETING.encode())
        side.note("no such", side.error(domain.openGraphicsFD, 7, 0))
        side.define("off")
        side.note("off", side.client("graphics-fd", "off"))

    def case_to_the_server(self, side):
        """virDomainOpenGraphics hands one over"""
        side.start("g", devices=guest.vnc(side.path("vnc")))
        assert GREETING in side.note("fd", side.client("graphics", "g"))
        side.note("off", side.client("graphics", "nobody"))


class MonitorFiles(Comparison):
    """One descriptor with a command, as libvirt has it; several are virtpassd's own."""

    def start(self, side):
        side.start("g")
        return side.connect().lookupByName("g")

    def send(self, domain, command, files, flags=0):
        reply = libvirt_qemu.qemuMonitorCommandWithFiles(domain, command, files, flags)
        # The binding returns the text alone or with the files that came back.
        parsed = json.loads(reply if isinstance(reply, str) else reply[0])
        parsed.pop("id", None)
        return parsed

    def case_getfd(self, side):
        domain = self.start(side)
        command = '{"execute":"getfd","arguments":{"fdname":"mine"}}'
        with open("/dev/null", "rb") as file:
            side.note("getfd", self.send(domain, command, [file.fileno()]))
            side.note("again", self.send(domain, command, [file.fileno()]))
        side.note("closefd", self.send(domain, command.replace("getfd", "closefd"), []))
        side.note("closed", self.send(domain, command.replace("getfd", "closefd"), []))
        side.note("without", self.send(domain, command, []))

    def case_add_fd(self, side):
        domain = self.start(side)
        with open(side.write("file", "content"), "r+b") as file:
            reply = self.send(domain, '{"execute":"add-fd","arguments":{"fdset-id":7}}',
                              [file.fileno()])
        side.note("add-fd", sorted(reply["return"]))
        fdsets = self.send(domain, '{"execute":"query-fdsets"}', [])["return"]
        target = os.readlink(f"/proc/{side.libvirtd.qemu_pid('g')}/fd/{reply['return']['fd']}")
        assert target == side.path("file"), target
        side.note("sets", [entry["fdset-id"] for entry in fdsets if entry["fdset-id"] == 7])

    def case_unused_descriptor(self, side):
        domain = self.start(side)
        with open("/dev/null", "rb") as file:
            for _ in range(10):
                side.note("reply", self.send(domain, '{"execute":"query-name"}', [file.fileno()]))
        side.note("next", self.send(domain, '{"execute":"query-name"}', []))

    def case_c_client(self, side):
        self.start(side)
        command = '{"execute":"getfd","arguments":{"fdname":"c"}}'
        out = side.client("monitor-files", "g", command, "0", "/dev/null")
        first, rest = out.split("\n", 1)
        side.note("reply", [json.loads(first)["return"], rest])
        side.note("hmp", side.client("monitor-files", "g", "getfd x", "1", "/dev/null"))
        side.note("flags", side.client("monitor-files", "g", command, "2", "/dev/null"))

    def case_wrong_domains(self, side):
        side.define("off")
        off = side.connect().lookupByName("off")
        with open("/dev/null", "rb") as file:
            side.note("off", side.error(libvirt_qemu.qemuMonitorCommandWithFiles, off, "{}",
                                        [file.fileno()], 0))
            side.virsh("undefine", "off")
            side.note("gone", side.error(libvirt_qemu.qemuMonitorCommandWithFiles, off, "{}",
                                         [file.fileno()], 0))
            side.note("next", off.connect().getType())


class Files(Comparison):
    def case_associate(self, side):
        """A disk whose file the client opened"""
        image = side.qcow2("image")
        xml = guest.disk(image).replace("file='" + image, "fdgroup='mine' file='" + image)
        side.define("g", devices=xml)
        side.note("associate", side.client("fd-associate", "g", "mine", image))
        side.note("state", side.virsh("domstate", "g"))
        os.unlink(image)
        side.virsh("destroy", "g")
        side.note("not there any more", side.virsh_fails("start", "g"))

    def case_not_associated(self, side):
        image = side.qcow2("image")
        xml = guest.disk(image).replace("file='" + image, "fdgroup='other' file='" + image)
        side.define("g", devices=xml)
        side.note("wrong group", side.client("fd-associate", "g", "mine", image))

    def case_create_with_files(self, side):
        """QEMU's driver has no such call; the refusal has to arrive and the connection to live"""
        side.define("g")
        side.note("c", side.client("create-with-files", "g", "/dev/null", "/dev/null"))
        connection = side.connect()
        with open("/dev/null", "rb") as file:
            side.note("xml", side.error(connection.createXMLWithFiles, guest.domain("h"),
                                        [file.fileno()], 0))
        side.note("next", [domain.name() for domain in connection.listAllDomains()])


class Raw(Comparison):
    def case_as_many_as_a_frame_carries(self, side):
        """32 descriptors are legal, 33 end the connection"""
        side.define("g")
        raw = side.raw()
        reference = raw.lookup("g")
        payload = xdr.domain(*reference) + xdr.string("group")
        associate = 443
        with open("/dev/null", "rb") as file:
            call = raw.post(associate, payload + xdr.i32(0) * 2, fds=[file.fileno()] * 32)
            try:
                raw.reply(call)
                side.note("32", "accepted")
            except rpc.RpcError as error:
                side.note("32", [error.code, error.message])
            side.note("next", raw.type())
            frame = rpc.Frame(rpc.REMOTE, associate, rpc.CALL_FDS, 99, payload=payload)
            raw.send_bytes(frame.encode(nfds=33))
        side.note("33", raw.at_end())
        assert side.virsh("list", "--all", "--name").split() == ["g"]

    def case_none_and_unasked(self, side):
        """A frame type for descriptors with none in it, and with some that nobody takes"""
        side.start("g")
        raw = side.raw()
        frame = rpc.Frame(rpc.REMOTE, rpc.GET_TYPE, rpc.CALL_FDS, 77)
        raw.send(frame)
        side.note("none", xdr.Reader(raw.reply(frame).payload).string())
        with open("/dev/null", "rb") as file:
            for _ in range(20):
                reply = raw.call(rpc.GET_TYPE, fds=[file.fileno()] * 3)
        side.note("unasked", xdr.Reader(reply.payload).string())
        assert not raw.stray_fds

    def case_back_to_back(self, side):
        """Calls with and without descriptors in one write, as they cross reads of a proxy"""
        side.start("g")
        raw = side.raw()
        reference = raw.lookup("g")
        with open("/dev/null", "rb") as file:
            calls = []
            for number in range(12):
                command = json.dumps({"execute": "getfd", "arguments": {"fdname": f"f{number}"}})
                calls.append(raw.post_monitor(reference, command, fds=[file.fileno()]))
                calls.append(raw.post(rpc.GET_TYPE))
        answers = [xdr.Reader(raw.reply(call).payload).string() for call in calls]
        side.note("types", answers[1::2])
        side.note("getfd", [json.loads(answer)["return"] for answer in answers[::2]])


class LibvirtVersion(Comparison):
    def case_same(self, side):
        connection = side.connect()
        side.note("daemon", connection.getLibVersion())
        side.note("client", libvirt.getVersion())
