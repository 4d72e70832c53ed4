# SPDX-License-Identifier: LGPL-2.1-or-later
"""Altered command lines: from define to the words of the running QEMU, and back in dumpxml."""

import glob
import json
import os
import re

from harness import guest, limits, rpc, shim, xdr
from harness.libvirtd import VirshFailed
from harness.real import RealGuests
from harness.virtpassd import virtpass

COMMANDLINE_ALTER, COMMANDLINE_GET, SESSION_INFO = 0x1000, 0x1001, 0x1002
ADD, REPLACE, CLEAR = range(3)
DRY_RUN = 1
XMLNS = f"xmlns:qemu='{guest.QEMU_NS}'"


def commandline(*elements):
    return "".join(["  <qemu:commandline>\n", *(f"    {e}\n" for e in elements),
                    "  </qemu:commandline>\n"])


def fragment(*elements):
    return f"<qemu:commandline {XMLNS}>" + "".join(elements) + "</qemu:commandline>"


# Shows in the words of every guest, and harms none.
NO_TIMESTAMP = ("<qemu:alter option='msg'><qemu:modify>timestamp=off</qemu:modify>"
                "</qemu:alter>")
NOTHING_THERE = ("<qemu:alter option='device'><qemu:match key='id'>^nosuch$</qemu:match>"
                 "<qemu:remove/></qemu:alter>")


def after(words, option):
    """The value behind each instance of the option."""
    return [words[i + 1] for i, word in enumerate(words[:-1]) if word == option]


class Commandlines(RealGuests):
    def define(self, *elements, name="g", how=None, xml=None, **more):
        """elements: of <qemu:commandline>. xml: instead of all else."""
        xml = xml or guest.domain(name, after=commandline(*elements) if elements else "", **more)
        (how or self.through)("define", self.file(xml))
        return xml

    def process_words(self, name="g"):
        return self.libvirtd.qemu_words(name)

    def start(self, *elements, **more):
        self.define(*elements, **more)
        self.through("start", "g")
        return self.process_words()

    def fails_to_start(self, *elements, **more):
        self.define(*elements, **more)
        result = self.through("start", "g", check=False)
        self.assertNotEqual(result.returncode, 0)
        return result.stderr

    def monitor(self, command, name="g", **arguments):
        return self.qmp("__org.virtpass_" + command, arguments, name)

    def answer(self, command, name="g", **arguments):
        return self.query("__org.virtpass_" + command, arguments, name)

    def tool(self, *args, code=0, **more):
        result = virtpass("-c", self.virtpassd.uri, *args, **more)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout if code == 0 else result.stderr


class FromDefineToProcess(Commandlines):
    def test_altered(self):
        words = self.start(NO_TIMESTAMP)
        self.assertEqual(after(words, "-msg"), ["timestamp=off"])
        self.assertEqual(words[0], guest.EMULATOR)

    def test_the_author_reads_what_he_wrote(self):
        """Through us his elements and his emulator, through plain libvirtd stock XML"""
        self.define(NO_TIMESTAMP,
                    "<qemu:extra>-global kvm-pit.lost_tick_policy=discard</qemu:extra>")
        seen = self.through("dumpxml", "g")
        # libvirt prints what is in <metadata> with its own indentation and the other quotes.
        self.assertIn(NO_TIMESTAMP, re.sub(r">\s+<", "><", seen.replace('"', "'")))
        self.assertIn("<qemu:extra>-global", seen)
        self.assertIn(f"<emulator>{guest.EMULATOR}</emulator>", seen)
        self.assertNotIn("irtpass", seen)
        stock = self.plain("dumpxml", "g")
        self.assertIn(f"<emulator>{shim.path()}</emulator>", stock)
        self.plain("define", "--validate", self.file(stock))
        self.assertEqual(self.through("dumpxml", "g"), seen)

    def test_defining_what_was_read_changes_nothing(self):
        self.define(NO_TIMESTAMP)
        seen = self.through("dumpxml", "g")
        self.define(xml=seen)
        stock = self.plain("dumpxml", "g")
        self.assertEqual(self.through("dumpxml", "g"), seen)
        self.define(xml=seen)
        self.assertEqual(self.plain("dumpxml", "g"), stock)

    def test_without_an_emulator_libvirts_own_is_taken(self):
        xml = guest.domain("g", after=commandline(NO_TIMESTAMP))
        line = f"    <emulator>{guest.EMULATOR}</emulator>\n"
        self.assertIn(line, xml)
        self.define(xml=xml.replace(line, ""))
        self.assertIn(line, self.through("dumpxml", "g"))
        self.through("start", "g")
        self.assertEqual(self.process_words()[0], guest.EMULATOR)

    def test_only_a_session_keeps_the_real_emulator(self):
        self.define()
        self.assertIn(guest.EMULATOR, self.plain("dumpxml", "g"))

    def test_started_while_virtpassd_is_down(self):
        self.define(NO_TIMESTAMP)
        self.virtpassd.end()
        self.plain("start", "g")
        self.assertEqual(after(self.process_words(), "-msg"), ["timestamp=off"])
        self.virtpassd.start()

    def test_saved_and_restored(self):
        self.start(NO_TIMESTAMP)
        self.through("managedsave", "g")
        self.through("start", "g")
        self.assertEqual(after(self.process_words(), "-msg"), ["timestamp=off"])

    def test_what_matches_nothing_does_not_start(self):
        error = self.fails_to_start(NO_TIMESTAMP, NOTHING_THERE)
        for words in ("alter 2", "device", "nosuch"):
            self.assertIn(words, error)
        self.define(NO_TIMESTAMP)
        self.through("start", "g")

    def test_a_broken_element_is_refused_at_define(self):
        with self.assertRaisesRegex(VirshFailed, "line 1[0-9].*alter"):
            self.define("<qemu:alter><qemu:remove/></qemu:alter>")
        self.define(NO_TIMESTAMP)

    def test_domxml_to_native(self):
        """What would really run, and neither the shim nor its plan"""
        self.define(NO_TIMESTAMP)
        native = self.through("domxml-to-native", "qemu-argv", "--domain", "g")
        self.assertIn("timestamp=off", native)
        self.assertIn(guest.EMULATOR, native)
        self.assertNotIn("VIRTPASS", native)
        self.assertNotIn(shim.path(), native)
        self.define(NOTHING_THERE, name="h")
        with self.assertRaisesRegex(VirshFailed, "nosuch"):
            self.through("domxml-to-native", "qemu-argv", "--domain", "h")

    def test_domxml_to_native_that_is_too_long(self):
        """For libvirt's protocol, once it is quoted for a shell; the next answer comes"""
        quotes = "'" * 80000
        controllers = "".join(f"<controller type='virtio-serial' index='{i}'/>" for i in range(16))
        self.define("<qemu:alter option='device'><qemu:match key='driver'>^virtio-serial-pci$"
                    f"</qemu:match><qemu:modify>x={quotes}</qemu:modify></qemu:alter>",
                    devices=controllers)
        with self.assertRaisesRegex(VirshFailed, "does not fit into libvirt's protocol"):
            self.through("domxml-to-native", "qemu-argv", "--domain", "g")
        self.define(NO_TIMESTAMP)
        self.assertIn("timestamp=off",
                      self.through("domxml-to-native", "qemu-argv", "--domain", "g"))

    def test_a_lost_alteration_is_logged_at_define(self):
        self.define(NOTHING_THERE)
        limits.poll_until(lambda: "nosuch" in self.virtpassd.process.log_text(),
                          "the log tells that the domain would not start")


class AddedDevices(Commandlines):
    """Devices that QEMU would create before libvirt's, and whose addresses they would take."""

    def starts(self, *elements, machine="pc", snippets="", devices=""):
        xml = guest.domain("g", after=(commandline(*elements) if elements else "") + snippets,
                           devices=devices).replace("machine='pc'", f"machine='{machine}'")
        xml = xml.replace("<domain type='qemu'>", f"<domain type='qemu' {XMLNS}>")
        self.define(xml=xml)
        self.through("start", "g")
        self.assertEqual(self.through("dumpxml", "--inactive", "g").count("lsi"),
                         xml.count("lsi"))
        self.virtpassd.wait_session("g")
        tree = self.through("qemu-monitor-command", "g", "--hmp", "info", "qtree")
        self.through("destroy", "g")
        return tree

    CONTROLLER = ("<controller type='scsi' model='virtio-scsi'/><rng model='virtio'>"
                  "<backend model='random'>/dev/urandom</backend></rng>")

    def test_as_words(self):
        for machine in ("pc", "q35"):
            with self.subTest(machine):
                tree = self.starts("<qemu:arg>-device</qemu:arg>", "<qemu:arg>lsi</qemu:arg>",
                                   machine=machine, devices=self.CONTROLLER)
                self.assertIn("dev: lsi53c895a", tree)

    def test_as_extra(self):
        tree = self.starts("<qemu:extra>-device lsi,id=one -device lsi,id=two</qemu:extra>",
                           devices=self.CONTROLLER)
        self.assertEqual(tree.count("dev: lsi53c895a"), 2)

    def test_before_devices_that_libvirt_writes_last(self):
        """shmem comes behind <qemu:commandline> and has an address all the same"""
        tree = self.starts("<qemu:arg>-device</qemu:arg>", "<qemu:arg>lsi</qemu:arg>",
                           devices=self.CONTROLLER + "<shmem name='virtpass-test'><model "
                           "type='ivshmem-plain'/><size unit='M'>1</size></shmem>")
        self.addCleanup(os.unlink, "/dev/shm/virtpass-test")
        self.assertIn("dev: lsi53c895a", tree)
        self.assertIn("dev: ivshmem-plain", tree)

    def test_as_snippet(self):
        for machine in ("pc", "q35"):
            with self.subTest(machine):
                tree = self.starts(snippets="<qemu:device id='one'><driver>lsi</driver>"
                                            "</qemu:device>\n",
                                   machine=machine, devices=self.CONTROLLER)
                self.assertIn('dev: lsi53c895a, id "one"', tree)

    def test_on_a_bus_of_libvirts(self):
        tree = self.starts("<qemu:arg value='-device'/>",
                           "<qemu:arg value='lsi,id=x,bus=pci.2'/>",
                           machine="q35",
                           devices="<controller type='pci' index='1' model='pcie-root-port'/>"
                                   "<controller type='pci' index='2' model='pcie-to-pci-bridge'/>")
        self.assertIn('dev: lsi53c895a, id "x"', tree)

    def test_clash(self):
        error = self.fails_to_start(NO_TIMESTAMP,
                                    "<qemu:arg value='-device'/>",
                                    "<qemu:arg value='lsi,id=x,bus=pci.0,addr=0x1'/>")
        self.assertIn("lsi", error)


class Asking(Commandlines):
    """The command line of a domain, and changing it: monitor commands, procedures, virtpass."""

    def test_generated_altered_running(self):
        self.start(NO_TIMESTAMP)
        self.virtpassd.wait_session("g")
        words = {form: self.answer("query-commandline", form=form)["words"]
                 for form in ("generated", "altered", "running")}
        self.assertEqual(after(words["generated"], "-msg"), ["timestamp=on"])
        self.assertEqual(after(words["altered"], "-msg"), ["timestamp=off"])
        self.assertEqual(words["running"], self.process_words())
        self.assertEqual(words["altered"], words["running"])
        self.assertEqual(words["generated"][0], guest.EMULATOR)

    def test_record_that_the_guest_has_replaced(self):
        """The guest's directory is its own: a FIFO, a link or garbage in it stops nobody, and
        QEMU's own words are told instead"""
        self.start(NO_TIMESTAMP)
        self.virtpassd.wait_session("g")
        base = self.libvirtd.path("c/libvirt/qemu/lib")
        record, = glob.glob(base + "/domain-*-g/virtpass.json")
        os.rename(record, record + ".good")

        def write(text):
            with open(record, "w", encoding="ascii") as file:
                file.write(text)
        for make in (lambda: os.mkfifo(record), lambda: os.symlink(record + ".good", record),
                     lambda: os.mkdir(record), lambda: write("{"), lambda: write("[" * 9000)):
            make()
            words = self.answer("query-commandline", form="generated")["words"]
            self.assertEqual(words, self.process_words())
            (os.rmdir if os.path.isdir(record) else os.unlink)(record)
        os.rename(record + ".good", record)
        words = self.answer("query-commandline", form="generated")["words"]
        self.assertEqual(after(words, "-msg"), ["timestamp=on"])

    def test_of_a_domain_that_does_not_run(self):
        self.define(NO_TIMESTAMP)
        words = self.answer("query-commandline", form="altered")["words"]
        self.assertEqual(after(words, "-msg"), ["timestamp=off"])
        self.assertIn("error", self.monitor("query-commandline", form="running"))
        self.define(NOTHING_THERE)
        self.assertIn("nosuch", self.monitor("query-commandline", form="altered")["error"]["desc"])
        self.assertIn("words", self.answer("query-commandline", form="generated"))

    def test_of_a_domain_without_alterations(self):
        self.start()
        self.virtpassd.wait_session("g")
        words = [self.answer("query-commandline", form=form)["words"]
                 for form in ("generated", "altered", "running")]
        self.assertEqual(words, [self.process_words()] * 3)

    def test_alter(self):
        """Add, replace, clear; the definition is what it was but for the alterations"""
        original = self.through("dumpxml", "g") if self.define() else None
        added = self.answer("commandline-alter", mode="add", xml=fragment(NO_TIMESTAMP))
        self.assertEqual(after(added["altered"], "-msg"), ["timestamp=off"])
        self.assertEqual(after(added["generated"], "-msg"), ["timestamp=on"])
        self.assertEqual(self.through("dumpxml", "g").count("<qemu:alter"), 1)
        self.answer("commandline-alter", mode="add", xml=fragment(NOTHING_THERE))
        self.assertEqual(self.through("dumpxml", "g").count("<qemu:alter"), 2)
        replaced = self.answer("commandline-alter", mode="replace", xml=fragment(NO_TIMESTAMP))
        self.assertEqual(replaced["warnings"], [])
        self.assertEqual(self.through("dumpxml", "g").count("<qemu:alter"), 1)
        self.answer("commandline-alter", mode="clear")
        self.assertEqual(self.through("dumpxml", "g"), original)
        self.assertIn(guest.EMULATOR, self.plain("dumpxml", "g"))

    def test_dry_run(self):
        self.define()
        before = self.plain("dumpxml", "g")
        result = self.answer("commandline-alter", mode="add", xml=fragment(NOTHING_THERE),
                             **{"dry-run": True})
        self.assertEqual(result["altered"], [])
        self.assertIn("nosuch", "".join(result["warnings"]))
        self.assertEqual(self.plain("dumpxml", "g"), before)

    def test_wrong_arguments(self):
        """Refused in QMP's words, and the next good one works"""
        self.define()
        for command, arguments in (
                ("commandline-alter", {}),
                ("commandline-alter", {"mode": "nonsense"}),
                ("commandline-alter", {"mode": 1}),
                ("commandline-alter", {"mode": "add"}),
                ("commandline-alter", {"mode": "clear", "xml": fragment(NO_TIMESTAMP)}),
                ("commandline-alter", {"mode": "clear", "what": 1}),
                ("commandline-alter", {"mode": "clear", "xml": 1}),
                ("commandline-alter", {"mode": "add", "xml": fragment(NOTHING_THERE),
                                       "dry-run": "yes"}),
                ("commandline-alter", {"mode": "add", "xml": "<qemu:commandline>"}),
                ("commandline-alter", {"mode": "add", "xml": "<a/>"}),
                ("commandline-alter", {"mode": "add", "xml": fragment("<qemu:alter/>")}),
                ("query-commandline", {}),
                ("query-commandline", {"form": "nonsense"})):
            with self.subTest(command, arguments=arguments):
                reply = self.monitor(command, **arguments)
                self.assertEqual(reply["error"]["class"], "GenericError")
        self.answer("query-commandline", form="altered")

    def test_ids(self):
        self.define()
        reply = json.loads(self.through(
            "qemu-monitor-command", "g",
            '{"execute":"__org.virtpass_query-commandline","id":{"a":[1]},'
            '"arguments":{"form":"generated"}}'))
        self.assertEqual(reply["id"], {"a": [1]})

    def test_unknown_domain(self):
        with self.assertRaisesRegex(VirshFailed, "failed to get domain|not found"):
            self.monitor("query-commandline", name="nobody", form="altered")

    def test_read_only(self):
        self.define()
        result = self.through("qemu-monitor-command", "g",
                              '{"execute":"__org.virtpass_query-commandline",'
                              '"arguments":{"form":"generated"}}', readonly=True, check=False)
        self.assertIn("read only", result.stderr)


class Procedures(Commandlines):
    def setUp(self):
        super().setUp()
        self.define()
        self.client = rpc.Client(self.virtpassd.sock, "qemu:///session")
        self.addCleanup(self.client.close)

    def call(self, number, *fields, prog=rpc.QEMU):
        domain = ("g", guest.uuid("g"), -1)
        payload = xdr.domain(*domain) + b"".join(fields)
        return xdr.Reader(self.client.call(number, payload, prog=prog).payload)

    @staticmethod
    def strings(reader):
        return [reader.string() for _ in range(reader.u32())]

    def alter(self, mode, xml=None, flags=0):
        reader = self.call(COMMANDLINE_ALTER, xdr.u32(mode), xdr.optional(xml), xdr.u32(flags))
        return reader.string(), *(self.strings(reader) for _ in range(3))

    def get(self, form, flags=0):
        reader = self.call(COMMANDLINE_GET, xdr.u32(form), xdr.u32(flags))
        return self.strings(reader), self.strings(reader)

    def test_alter_and_get(self):
        xml, generated, altered, warnings = self.alter(ADD, fragment(NO_TIMESTAMP))
        self.assertIn(NO_TIMESTAMP, xml)
        self.assertEqual((after(generated, "-msg"), after(altered, "-msg"), warnings),
                         (["timestamp=on"], ["timestamp=off"], []))
        self.assertEqual(self.get(0)[0], generated)
        self.assertEqual(self.get(1)[0], altered)
        self.assertTrue(all("=" in variable for variable in self.get(1)[1]))
        self.assertNotIn("<qemu:alter", self.alter(CLEAR)[0])

    def test_wrong_arguments(self):
        domain = xdr.domain("g", guest.uuid("g"), -1)
        for number, payload in (
                (COMMANDLINE_ALTER, xdr.u32(3) + xdr.u32(0) + xdr.u32(0)),
                (COMMANDLINE_ALTER, xdr.u32(CLEAR) + xdr.u32(0) + xdr.u32(2)),
                (COMMANDLINE_GET, xdr.u32(3) + xdr.u32(0)),
                (COMMANDLINE_GET, xdr.u32(0) + xdr.u32(1)),
                (SESSION_INFO, xdr.u32(1))):
            with self.subTest(hex(number), payload=payload):
                self.client.error(number, domain + payload, prog=rpc.QEMU)
        self.get(0)

    def test_session_info(self):
        code = self.client.error(SESSION_INFO, xdr.domain("g", guest.uuid("g"), -1) + xdr.u32(0),
                                 prog=rpc.QEMU)[0]
        self.assertEqual(code, 55)
        self.through("start", "g")
        self.virtpassd.wait_session("g")
        info = json.loads(self.call(SESSION_INFO, xdr.u32(0)).string())
        self.assertEqual((info["domain"], info["session"]), ("g", "dedicated"))


class Tools(Commandlines):
    def test_alter_and_argv(self):
        self.define()
        path = self.file(fragment(NO_TIMESTAMP), "alter.xml")
        self.assertIn("timestamp=off", self.tool("alter", "g", path, "--dry-run"))
        self.assertNotIn("<qemu:alter", self.through("dumpxml", "g"))
        self.tool("alter", "g", path)
        self.assertIn("timestamp=off", self.tool("argv", "g"))
        self.assertIn("timestamp=on", self.tool("argv", "g", "--generated"))
        diff = self.tool("argv", "g", "--diff").splitlines()
        self.assertEqual([line for line in diff if line[0] in "-+"],
                         ["--msg timestamp=on", "+-msg timestamp=off"])
        document = json.loads(self.tool("argv", "g", "--json"))
        self.assertEqual(after(document["words"], "-msg"), ["timestamp=off"])
        self.assertIn("does not run", self.tool("argv", "g", "--running", code=1))
        result = json.loads(self.tool("alter", "g", "--clear", "--json"))
        self.assertNotIn("qemu:alter", result["xml"])

    def test_alter_that_finds_nothing(self):
        self.define()
        path = self.file(fragment(NOTHING_THERE), "alter.xml")
        error = self.tool("alter", "g", path, "--dry-run", code=1)
        self.assertIn("nosuch", error)
        self.assertIn("would not start", error)

    def test_wrong_usage(self):
        self.define()
        self.tool("alter", "g", code=2)
        self.tool("alter", "g", self.file(fragment(NO_TIMESTAMP)), "--clear", code=2)
        self.tool("argv", "g", "--diff", "--running", code=2)
        self.assertIn("no such file", self.tool("alter", "g", "/nonexistent", code=1).lower())
