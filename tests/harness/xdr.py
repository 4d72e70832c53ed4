# SPDX-License-Identifier: LGPL-2.1-or-later
"""XDR as libvirt uses it, written and read by hand.

On purpose not generated from the daemon's own protocol file: a mistake there must not be able
to agree with itself here.
"""

import struct
import uuid as uuids

INT, UINT, LLONG, ULLONG, DOUBLE, BOOLEAN, STRING = range(1, 8)

_FORMATS = {INT: ">i", UINT: ">I", BOOLEAN: ">i", LLONG: ">q", ULLONG: ">Q", DOUBLE: ">d"}


def u32(value):
    return struct.pack(">I", value)


def i32(value):
    return struct.pack(">i", value)


def u64(value):
    return struct.pack(">Q", value)


def i64(value):
    return struct.pack(">q", value)


def opaque(data):
    return u32(len(data)) + data + b"\0" * (-len(data) % 4)


def string(text):
    return opaque(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)


def optional(text):
    """A string that may be absent."""
    return u32(0) if text is None else u32(1) + string(text)


def uuid(text):
    return uuids.UUID(text).bytes


def domain(name, uuid_text, number=-1):
    return string(name) + uuid(uuid_text) + i32(number)


def params(entries):
    """Typed parameters: (field, type, value)."""
    out = u32(len(entries))
    for field, kind, value in entries:
        out += string(field) + i32(kind)
        out += string(value) if kind == STRING else struct.pack(_FORMATS[kind], value)
    return out


class Reader:
    """Takes values off the front of a payload."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, size):
        if self.at + size > len(self.data):
            raise ValueError(f"payload of {len(self.data)} bytes ends before {self.at + size}")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def u32(self):
        return self.number(">I")

    def i32(self):
        return self.number(">i")

    def i64(self):
        return self.number(">q")

    def u64(self):
        return self.number(">Q")

    def opaque(self):
        size = self.u32()
        data = self.take(size)
        self.take(-size % 4)
        return data

    def string(self):
        return self.opaque().decode("utf-8", "surrogateescape")

    def optional(self):
        return self.string() if self.u32() else None

    def uuid(self):
        return str(uuids.UUID(bytes=self.take(16)))

    def domain(self):
        return self.string(), self.uuid(), self.i32()

    def params(self):
        entries = []
        for _ in range(self.u32()):
            field, kind = self.string(), self.i32()
            value = self.string() if kind == STRING else self.number(_FORMATS[kind])
            entries.append((field, kind, value))
        return entries

    def rest(self):
        return self.data[self.at:]

    def finish(self):
        if self.rest():
            raise ValueError(f"{len(self.rest())} bytes too many in the payload")
