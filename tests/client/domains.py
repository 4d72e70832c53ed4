# SPDX-License-Identifier: LGPL-2.1-or-later
"""Domains over virsh and libvirt.so: listing, definition, XML, life, metadata, refusals."""

import itertools
import re

import libvirt

from harness import guest, limits
from harness.compare import Comparison

# What virtpassd adds to the command line of a domain.
SESSION_WORDS = re.compile(r" -chardev socket,id=virtpass-qmp,\S+ -mon chardev=virtpass-qmp,\S+")

DUMP_OPTIONS = ("--inactive", "--security-info", "--update-cpu", "--migratable")

# Stands for everything that can be in a definition; QEMU never sees it.
RICH = {
    "before": "  <title>A title</title>\n  <description>with &lt;markup&gt; &amp; \u00fcmlauts"
              "</description>\n"
              "  <metadata><app:data xmlns:app='http://example.org/app'>x<app:y a='1'/></app:data>"
              "</metadata>\n",
    "after": "<qemu:commandline><qemu:arg value='-name'/><qemu:arg value='x,y=&quot;z&quot;'/>"
             "<qemu:env name='E' value='v w'/></qemu:commandline>\n"
             "<qemu:capabilities><qemu:del capability='blockdev'/></qemu:capabilities>\n",
}


def combinations(options):
    for count in range(len(options) + 1):
        yield from itertools.combinations(options, count)


class Listing(Comparison):
    def case_list(self, side):
        side.note("empty", side.virsh("list", "--all", "--name"))
        side.define("off")
        side.start("on")
        for options in ([], ["--all"], ["--inactive"], ["--all", "--uuid"], ["--all", "--title"],
                        ["--with-managed-save", "--all"], ["--transient", "--all", "--name"],
                        ["--state-shutoff", "--name"], ["--persistent", "--all", "--name"]):
            words = [line.split()[-2:] for line in side.virsh("list", *options).splitlines()]
            side.note(" ".join(options), sorted(words))
            assert options != ["--all", "--uuid"] or len([w for w in words if w]) == 2

    def case_host(self, side):
        side.note("uri", side.virsh("uri"))
        assert side.sock in side.virsh("uri")
        for command in ("version", "hostname", "nodeinfo", "capabilities", "sysinfo", "maxvcpus",
                        "cpu-models x86_64", "domcapabilities --virttype qemu", "pool-list --all",
                        "iface-list --all", "secret-list", "nodedev-list --cap storage"):
            result = side.virsh(*command.split(), check=False)
            side.note(command, [result.returncode, result.stdout, result.stderr])

    def case_c_client(self, side):
        side.define("off")
        side.start("on")
        for command in ("identify", "lookup off", "lookup on", "info on", "info off", "stats",
                        "info nobody"):
            side.note(command, side.client(*command.split()))

    def case_python_client_without_event_loop(self, side):
        side.define("off")
        side.start("on")
        connection = side.connect()
        side.note("domains", sorted(domain.name() for domain in connection.listAllDomains()))
        side.note("numbers", [connection.numOfDomains(), connection.numOfDefinedDomains()])
        side.note("defined", connection.listDefinedDomains())
        side.note("info", connection.lookupByName("on").info()[:4])
        stats = connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)
        side.note("stats", sorted((domain.name(), record) for domain, record in stats))
        side.note("unknown", side.error(connection.lookupByUUIDString, guest.uuid("nobody")))


class Definition(Comparison):
    def case_define_and_undefine(self, side):
        side.note("define", side.virsh("define", side.write("g.xml", guest.domain("g"))))
        side.note("dominfo", side.virsh("dominfo", "g"))
        side.note("again", side.virsh("define", side.write("g.xml", guest.domain("g", memory=48))))
        assert "49152" in side.note("dominfo", side.virsh("dominfo", "g"))
        side.note("undefine", side.virsh("undefine", "g"))
        side.note("gone", side.virsh_fails("dominfo", "g"))

    def case_define_validated(self, side):
        good = side.write("good.xml", guest.domain("g"))
        side.note("good", side.virsh("define", "--validate", good))
        bad = side.write("bad.xml", guest.domain("g", after="<nonsense/>\n"))
        side.note("bad", side.virsh_fails("define", "--validate", bad))
        side.note("bad but not validated", side.virsh("define", bad))

    def case_refused_definitions(self, side):
        wrong = {
            "not xml": "<domain",
            "not a domain": "<network/>",
            "no name": "<domain type='qemu'/>",
            "wrong type": guest.domain("g").replace("'qemu'", "'nonsense'"),
            "wrong emulator": guest.domain("g").replace(guest.EMULATOR, "/nonexistent/qemu"),
            "uuid taken": guest.domain("other", uuid_text=guest.uuid("g")),
            "name taken": guest.domain("g", uuid_text=guest.uuid("other")),
            "bad uuid": guest.domain("g", uuid_text="not-a-uuid"),
        }
        side.define("g")
        connection = side.connect()
        for label, xml in wrong.items():
            side.note(label, side.error(connection.defineXML, xml))
        assert side.virsh("list", "--all", "--name").split() == ["g"]

    def case_create_transient(self, side):
        xml = side.write("g.xml", guest.domain("g"))
        side.note("create", side.virsh("create", xml))
        assert "g" in side.note("transient", side.virsh("list", "--transient", "--name"))
        side.note("xml", side.virsh("dumpxml", "g"))
        side.note("again", side.virsh_fails("create", xml))
        side.note("paused", side.virsh("create", "--paused", side.write(
            "h.xml", guest.domain("h"))))
        side.note("state", side.virsh("domstate", "--reason", "h"))
        side.virsh("destroy", "g")
        side.note("gone", side.virsh_fails("dominfo", "g"))

    def case_edit(self, side):
        side.define("g", **RICH)
        before = side.virsh("dumpxml", "g")
        editor = dict(side.libvirtd.environment, EDITOR="sed -i s/32768/65536/g")
        side.note("edit", side.virsh("edit", "g", env=editor))
        after = side.note("after", side.virsh("dumpxml", "g"))
        assert after == before.replace("32768", "65536") and after != before
        editor["EDITOR"] = "true"
        side.note("nothing", side.virsh("edit", "g", env=editor))

    def case_rename_and_desc(self, side):
        side.define("g")
        side.note("rename", side.virsh("domrename", "g", "h"))
        side.note("title", side.virsh("desc", "h", "--config", "--title", "--new-desc", "T"))
        side.note("desc", side.virsh("desc", "h", "--config", "--new-desc", "many words"))
        assert "many words" in side.note("xml", side.virsh("dumpxml", "h"))

    def case_metadata(self, side):
        uri = "http://example.org/app"
        side.start("g", before=RICH["before"])
        connection = side.connect()
        domain = connection.lookupByName("g")
        element = libvirt.VIR_DOMAIN_METADATA_ELEMENT
        side.note("from the definition", domain.metadata(element, uri))
        for flags in (libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG):
            domain.setMetadata(element, f"<n{flags}/>", "k", uri + str(flags), flags)
            side.note("set", domain.metadata(element, uri + str(flags), flags))
        side.note("virsh", side.virsh("metadata", "g", "--uri", uri))
        side.note("removed", side.virsh("metadata", "g", "--uri", uri, "--remove", "--config"))
        side.note("gone", side.error(domain.metadata, element, uri,
                                     libvirt.VIR_DOMAIN_AFFECT_CONFIG))
        side.note("live", side.virsh("dumpxml", "g"))
        side.note("stored", side.virsh("dumpxml", "g", "--inactive"))


# One virsh for all combinations of options.
DUMP_ALL = "; ".join("dumpxml {0} " + " ".join(options) for options in combinations(DUMP_OPTIONS))


class Xml(Comparison):
    def dump(self, side, name):
        text = side.note("dumpxml", side.virsh(DUMP_ALL.format(name)))
        assert text.count("</domain>") == 2 ** len(DUMP_OPTIONS)

    def case_inactive(self, side):
        side.define("g", **RICH)
        self.dump(side, "g")
        assert "<title>A title</title>" in side.virsh("dumpxml", "g")

    def case_active(self, side):
        side.start("g", before=RICH["before"])
        self.dump(side, "g")

    def case_changed_while_active(self, side):
        side.start("g")
        side.define("g", memory=64)
        self.dump(side, "g")
        assert side.virsh("dumpxml", "g") != side.virsh("dumpxml", "g", "--inactive")

    def case_same_bytes_without_our_words(self, side):
        """A domain that plain libvirtd defined has the same bytes on both sides"""
        path = side.write("g.xml", guest.domain("g", **RICH))
        side.libvirtd.virsh("define", path)
        text = side.note("dumpxml", side.virsh(DUMP_ALL.format("g")))
        self.assertEqual(text, side.libvirtd.virsh(DUMP_ALL.format("g")))
        assert text.count("</domain>") == 2 ** len(DUMP_OPTIONS)

    def case_command_line(self, side):
        path = side.write("g.xml", guest.domain("g"))
        for label, args in (("xml", ["--xml", path]), ("domain", ["--domain", "g"])):
            if label == "domain":
                side.virsh("define", path)
            line = side.virsh("domxml-to-native", "qemu-argv", *args).strip()
            # The words of the session are true there, but not part of what is compared.
            side.note(label, SESSION_WORDS.sub("", line.replace("\\\n", "")))
            assert len(SESSION_WORDS.findall(line)) == side.through
        side.note("from", side.virsh_fails("domxml-from-native", "qemu-argv", path))


class Life(Comparison):
    def case_start_and_stop(self, side):
        side.define("g")
        side.note("start", side.virsh("start", "g"))
        side.note("state", side.virsh("domstate", "--reason", "g"))
        side.note("started already", side.virsh_fails("start", "g"))
        side.note("destroy", side.virsh("destroy", "g"))
        side.note("state", side.virsh("domstate", "--reason", "g"))
        side.note("not running", side.virsh_fails("destroy", "g"))
        side.note("paused", side.virsh("start", "--paused", "g"))
        side.note("state", side.virsh("domstate", "--reason", "g"))
        side.note("graceful", side.virsh("destroy", "--graceful", "g"))

    def case_suspend_and_resume(self, side):
        side.start("g")
        for command in ("suspend", "suspend", "resume", "resume"):
            result = side.virsh(command, "g", check=False)
            side.note(command, [result.returncode, result.stdout, result.stderr])
            side.note("state", side.virsh("domstate", "--reason", "g"))

    def case_reboot_and_reset(self, side):
        side.start("g")
        side.note("reset", side.virsh("reset", "g"))
        side.note("reboot", side.virsh("reboot", "--mode", "acpi", "g"))
        side.note("shutdown", side.virsh("shutdown", "--mode", "acpi", "g"))
        side.note("agent", side.virsh_fails("reboot", "--mode", "agent", "g"))
        side.note("nmi", side.virsh("inject-nmi", "g"))
        side.note("key", side.virsh("send-key", "g", "KEY_ENTER"))
        side.note("state", side.virsh("domstate", "g"))

    def case_start_fails(self, side):
        """A guest that QEMU refuses: its own words arrive"""
        side.define("g", after="<qemu:commandline><qemu:arg value='-nonsense'/>"
                               "</qemu:commandline>\n")
        message = side.virsh_fails("start", "g")
        # libvirtd's own words before it depend on which of its threads is first.
        side.note("start", message[message.index("qemu-system"):])
        assert "-nonsense: invalid option" in message
        side.note("state", side.virsh("domstate", "g"))

    def case_autodestroy(self, side):
        """A guest of a connection ends with it"""
        connection = libvirt.open(side.uri)
        connection.createXML(guest.domain("g"), libvirt.VIR_DOMAIN_START_AUTODESTROY)
        assert "g" in side.note("list", side.virsh("list", "--name"))
        connection.close()
        # libvirtd learns of it from virtpassd, which learns of it by itself.
        limits.poll_until(lambda: not side.virsh("list", "--all", "--name").strip(), "it has ended")
        side.note("afterwards", side.virsh("list", "--all", "--name"))
        assert "g" not in side.virsh("list", "--name")

    def case_device_changes(self, side):
        side.start("g")
        device = side.write("rng.xml", "<rng model='virtio'><backend model='random'>/dev/urandom"
                                       "</backend></rng>")
        side.note("attach", side.virsh("attach-device", "g", device, "--live"))
        side.note("attached", side.virsh("dumpxml", "g"))
        side.note("config", side.virsh("attach-device", "g", device, "--config"))
        side.note("stored", side.virsh("dumpxml", "g", "--inactive"))
        side.note("detach", side.virsh("detach-device", "g", device, "--config"))


class Refusals(Comparison):
    def case_unknown_domain(self, side):
        for command in ("start", "destroy", "dumpxml", "suspend", "managedsave", "undefine",
                        "dominfo", "domjobinfo", "qemu-monitor-command nobody --hmp info"):
            words = command.split() if " " in command else [command, "nobody"]
            side.note(command, side.virsh_fails(*words))

    def case_shut_off_domain(self, side):
        side.define("g")
        for command in ("destroy g", "suspend g", "resume g", "reset g", "save g f", "domjobinfo g",
                        "qemu-monitor-command g --hmp info", "screenshot g f", "console g"):
            result = side.virsh(*command.split(), check=False)
            side.note(command, [result.returncode, result.stdout, result.stderr])

    def case_read_only(self, side):
        side.start("g")
        for command in ("list --name", "dumpxml g", "dominfo g", "domstate g"):
            side.note(command, side.virsh(*command.split(), readonly=True))
        for command in ("destroy g", "define f.xml", "dumpxml g --security-info", "suspend g",
                        "undefine g", "reset g", "managedsave g", "snapshot-create g",
                        "qemu-monitor-command g --hmp info"):
            side.note(command, side.virsh_fails(*command.split(), readonly=True))
        side.note("state", side.virsh("domstate", "g"))

    def case_connection_names(self, side):
        for name in ("qemu:///nonsense", "qemu:///", "xen:///system", "test:///default", "wrong"):
            uri = f"qemu+unix:///session?socket={side.sock}&name={name}"
            try:
                libvirt.open(uri).close()
                side.note(name, "opened")
            except libvirt.libvirtError as error:
                side.note(name, [error.get_error_code(), error.get_error_domain(), str(error)])
        side.note("next", side.virsh("list", "--all"))
