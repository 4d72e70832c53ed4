# SPDX-License-Identifier: LGPL-2.1-or-later
"""Streams: console and channel both ways, screenshots, volumes up and down, with holes."""

import hashlib
import os

import libvirt

from harness import guest
from harness.compare import Comparison

KIB = 1024
MIB = 1024 * KIB

BANNER = "virtpass test guest"
SERIAL = "<serial type='pty'/>\n"


def pattern(size, seed=1):
    """Bytes that do not repeat in a way that hides a lost or doubled chunk."""
    block = hashlib.sha512(bytes([seed])).digest()
    out = bytearray()
    while len(out) < size:
        block = hashlib.sha512(block).digest()
        out += block * 64
    return bytes(out[:size])


class Console(Comparison):
    def start_talker(self, side):
        """A guest that writes its banner to the console and echoes what it gets, still paused."""
        image = side.write("boot.img", guest.boot_sector(BANNER + "\r\n"))
        side.define("g", devices=SERIAL + guest.disk(image, "raw"))
        side.virsh("start", "--paused", "g")

    def receive_until(self, stream, text):
        got = b""
        while text not in got:
            piece = stream.recv(256)
            assert piece, f"end of the stream after {got}"
            got += piece
        return got

    def case_blocking_client(self, side):
        self.start_talker(side)
        connection = side.connect()
        domain = connection.lookupByName("g")
        stream = connection.newStream(0)
        domain.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        domain.resume()
        self.receive_until(stream, BANNER.encode())
        stream.send(b"echo?")
        self.receive_until(stream, b"echo?")
        side.note("banner and echo", "came")
        stream.finish()

    def case_event_driven_client(self, side):
        self.start_talker(side)
        out = side.client("console", "g", BANNER, "and back")
        side.note("console", [BANNER in out, "and back" in out, "finish" in out])
        assert BANNER in out and "and back" in out, out

    def case_aborted(self, side):
        self.start_talker(side)
        connection = side.connect()
        domain = connection.lookupByName("g")
        for _ in range(3):
            stream = connection.newStream(0)
            domain.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_SAFE)
            stream.abort()
        side.note("afterwards", domain.isActive())

    def case_taken_over(self, side):
        """Who opens a console by force ends the one before"""
        self.start_talker(side)
        first, second = side.connect(), side.connect()
        streams = []
        for connection in (first, second):
            stream = connection.newStream(0)
            connection.lookupByName("g").openConsole(None, stream,
                                                     libvirt.VIR_DOMAIN_CONSOLE_FORCE)
            streams.append(stream)
        side.note("the first", side.error(streams[0].recv, 16)[:2])
        streams[1].send(b"x")
        side.note("no force", side.error(first.lookupByName("g").openConsole, None,
                                         first.newStream(0), libvirt.VIR_DOMAIN_CONSOLE_SAFE)[:2])
        streams[1].abort()

    def case_guest_ends(self, side):
        self.start_talker(side)
        connection = side.connect()
        domain = connection.lookupByName("g")
        stream = connection.newStream(0)
        domain.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        side.virsh("destroy", "g")
        try:
            side.note("end", repr(stream.recv(16)))
            stream.finish()
        except libvirt.libvirtError as error:
            side.note("end", [error.get_error_code(), error.get_error_domain()])

    def case_wrong_device(self, side):
        self.start_talker(side)
        connection = side.connect()
        domain = connection.lookupByName("g")
        side.note("no such", side.error(domain.openConsole, "nonsense", connection.newStream(0), 0))
        side.note("channel", side.error(domain.openChannel, None, connection.newStream(0), 0))
        side.note("active", domain.isActive())


class Screenshot(Comparison):
    def case_screenshot(self, side):
        side.start("g", devices=guest.vnc(side.path("vnc")))
        side.note("virsh", side.virsh("screenshot", "g", side.path("shot")).rpartition("shot")[2])
        with open(side.path("shot"), "rb") as file:
            shot = file.read()
        assert shot.startswith((b"P6", b"\x89PNG")), shot[:16]
        side.note("kind", shot[:2].hex())
        side.note("wrong screen", side.virsh_fails("screenshot", "g", side.path("shot"),
                                                   "--screen", "3"))
        side.note("again", side.virsh("screenshot", "g", side.path("again")).count("Screenshot"))


class Volumes(Comparison):
    def pool(self, side):
        os.mkdir(side.path("pool"))
        side.virsh("pool-create-as", "p", "dir", "--target", side.path("pool"))

    def volume(self, side, name, size):
        side.virsh("vol-create-as", "p", name, str(size), "--format", "raw")
        return side.path("pool/" + name)

    def content(self, path):
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    def case_up_and_down(self, side):
        """3 MiB and a bit, so that nothing is aligned"""
        self.pool(side)
        data = pattern(3 * MIB + 777)
        volume = self.volume(side, "v", len(data))
        side.note("up", side.virsh("vol-upload", "v", side.write("up", data), "--pool", "p"))
        assert side.note("volume", self.content(volume)) == hashlib.sha256(data).hexdigest()
        side.note("down", side.virsh("vol-download", "v", side.path("down"), "--pool", "p"))
        assert side.note("file", self.content(side.path("down"))) == self.content(volume)

    def case_part(self, side):
        self.pool(side)
        data = pattern(MIB)
        self.volume(side, "v", len(data))
        side.virsh("vol-upload", "v", side.write("up", data), "--pool", "p")
        side.virsh("vol-upload", "v", side.write("part", pattern(70000, 2)), "--pool", "p",
                   "--offset", "1234", "--length", "70000")
        side.virsh("vol-download", "v", side.path("down"), "--pool", "p",
                   "--offset", "1000", "--length", "100000")
        with open(side.path("down"), "rb") as file:
            down = file.read()
        expected = data[:1234] + pattern(70000, 2) + data[71234:]
        self.assertEqual(down, expected[1000:101000])
        side.note("down", hashlib.sha256(down).hexdigest())

    def case_sparse(self, side):
        """Holes at the start, between and at the end stay holes"""
        self.pool(side)
        size = 8 * MIB
        source = side.path("source")
        with open(source, "wb") as file:
            file.truncate(size)
            for offset in (MIB, 3 * MIB + 512 * KIB):
                file.seek(offset)
                file.write(pattern(64 * KIB, offset // KIB % 251))
        volume = self.volume(side, "v", size)
        side.note("up", side.virsh("vol-upload", "v", source, "--pool", "p", "--sparse"))
        side.note("down", side.virsh("vol-download", "v", side.path("down"), "--pool", "p",
                                     "--sparse"))
        for path in (volume, side.path("down")):
            assert self.content(path) == self.content(source)
            assert os.stat(path).st_blocks * 512 < size // 4, f"{path} has no holes"
        side.note("content", self.content(volume))

    def case_empty_and_hole_only(self, side):
        self.pool(side)
        for name, size in (("empty", 0), ("hole", 2 * MIB)):
            self.volume(side, name, max(size, 512))
            with open(side.path("source"), "wb") as file:
                file.truncate(size)
            side.virsh("vol-upload", name, side.path("source"), "--pool", "p", "--sparse")
            side.virsh("vol-download", name, side.path("down"), "--pool", "p", "--sparse")
            side.note(name, self.content(side.path("down")))

    def case_refused(self, side):
        self.pool(side)
        self.volume(side, "v", MIB)
        too_much = side.write("up", pattern(MIB + 4096))
        result = side.virsh("vol-upload", "v", too_much, "--pool", "p", check=False)
        side.note("too much", result.returncode)
        connection = side.connect()
        volume = connection.storagePoolLookupByName("p").storageVolLookupByName("v")
        side.note("flags", side.error(volume.upload, connection.newStream(0), 0, 0, 64))
        side.note("next", volume.info())

    def case_aborted_halfway(self, side):
        self.pool(side)
        data = pattern(4 * MIB)
        volume = self.volume(side, "v", len(data))
        with open(volume, "r+b") as file:
            file.write(data)
        connection = side.connect()
        handle = connection.storagePoolLookupByName("p").storageVolLookupByName("v")
        for _ in range(3):
            stream = connection.newStream(0)
            handle.download(stream, 0, 0, 0)
            self.assertEqual(stream.recv(4096), data[:4096])
            stream.abort()
        side.note("next", handle.info())

    def case_two_at_once(self, side):
        """Two streams of one connection do not mix"""
        self.pool(side)
        connection = side.connect()
        pool = connection.storagePoolLookupByName("p")
        streams = []
        for number in (1, 2):
            path = self.volume(side, f"v{number}", MIB)
            with open(path, "r+b") as file:
                file.write(pattern(MIB, number))
            stream = connection.newStream(0)
            pool.refresh()
            pool.storageVolLookupByName(f"v{number}").download(stream, 0, 0, 0)
            streams.append([stream, bytearray()])
        while any(stream for stream, _ in streams):
            for entry in streams:
                piece = entry[0].recv(5000) if entry[0] else b""
                entry[1].extend(piece)
                if not piece and entry[0]:
                    entry[0].finish()
                    entry[0] = None
        for number, (_, data) in enumerate(streams, 1):
            self.assertEqual(bytes(data), pattern(MIB, number))
        side.note("both", [hashlib.sha256(data).hexdigest() for _, data in streams])
