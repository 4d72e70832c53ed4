# SPDX-License-Identifier: LGPL-2.1-or-later
"""Documents with parts that are too long for a question to libvirtd: virtpassd goes on.

A document is at most 4 MiB, as is each string of libvirt's protocol. But bytes of another encoding
become two or more in UTF-8, and what is added to a definition makes that longer.
"""

from harness import guest, limits, rpc, xdr
from harness.system import SystemTest

HEAD = "<?xml version='1.0' encoding='ISO-8859-1'?>"

# In Latin-1 below 4 MiB, in UTF-8 above.
LONG = "\xe9" * 2200000

RIGHTS = {
    "alice": [("connect.getattr", "*")],
    "dave": [("connect." + name, "*") for name in ("getattr", "read", "write", "search-domains")],
    "bob": [("*", "*")],
}

DEVICE = "<qemu:extra>-device pci-testdev</qemu:extra>"
COMMANDLINE = f"<qemu:commandline>{DEVICE}</qemu:commandline>"


def in_latin1(xml):
    """A string of the protocol."""
    data = (HEAD + xml).encode("latin-1")
    return xdr.u32(len(data)) + data + b"\0" * (-len(data) % 4)


def domain(kind="qemu", emulator=guest.EMULATOR, before=""):
    xml = guest.domain("long", after=COMMANDLINE, before=before)
    xml = xml.replace("<domain type='qemu'", f"<domain type='{kind}'")
    if emulator is None:
        return xml.replace(f"<emulator>{guest.EMULATOR}</emulator>", "")
    return xml.replace(guest.EMULATOR, emulator)


class Sizes(SystemTest):
    more = {"rights": RIGHTS}

    def attack(self, user, procedure, payload, program=rpc.REMOTE):
        other = self.client("root")
        with self.system.client(user) as client:
            try:
                client.call(procedure, payload, program, timeout=60)
            except rpc.RpcError as error:
                print(f"# {user}: {ascii(str(error))[:200]}")
            except (rpc.Closed, ConnectionError) as error:
                print(f"# {user}: {error!r}")
        self.assertTrue(self.system.virtpassd.running, self.system.virtpassd.log_tail()[-2000:])
        other.call(rpc.GET_LIB_VERSION)

    def setUp(self):
        super().setUp()
        if not self.system.virtpassd.running:
            self.system.start_virtpassd()

    def test_type(self):
        """The default emulator is asked for by type, machine and architecture"""
        self.attack("alice", rpc.DOMAIN_DEFINE_XML, in_latin1(domain(LONG, None)))

    def test_emulator(self):
        self.attack("alice", rpc.DOMAIN_DEFINE_XML, in_latin1(domain(emulator="/" + LONG)))

    def test_stock(self):
        """Devices are added, so a command line is asked for"""
        self.attack("dave", rpc.DOMAIN_DEFINE_XML,
                    in_latin1(domain(before=f"<description>{LONG}</description>")))

    def test_snapshot(self):
        """The name of a snapshot that is defined again"""
        xml = f"<domainsnapshot><name>{LONG}</name></domainsnapshot>"
        self.attack("alice", 185, xdr.domain("long", guest.uuid("long")) + in_latin1(xml)
                    + xdr.u32(1))

    @limits.limit(180)
    def test_alter(self):
        """What is added to a long definition"""
        metadata = "<x:x xmlns:x='urn:x'>" + "a" * (4193304 - 2000) + "</x:x>"
        xml = guest.domain("big", before=f"<metadata>{metadata}</metadata>")
        self.system.virsh("root", "define", self.system.file(xml),
                          sock=self.system.sock_libvirtd)
        self.addCleanup(self.system.virsh, "root", "undefine", "big",
                        sock=self.system.sock_libvirtd)
        words = "".join(f"<qemu:arg value='{'a' * 1000}'/>" for _ in range(20))
        change = f"<qemu:commandline xmlns:qemu='{guest.QEMU_NS}'>{words}</qemu:commandline>"
        self.attack("bob", 0x1000, xdr.domain("big", guest.uuid("big")) + xdr.u32(0)
                    + xdr.optional(change) + xdr.u32(0), rpc.QEMU)
