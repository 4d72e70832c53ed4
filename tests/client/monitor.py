# SPDX-License-Identifier: LGPL-2.1-or-later
"""Monitor commands and monitor events as stock clients send and get them.

JSON is compared as values: a reply through virtpassd keeps QEMU's own spacing, and the id that
libvirtd would have put in is not there.
"""

import contextlib
import json
import os
import signal

import libvirt
import libvirt_qemu

from harness import guest, limits
from harness.compare import Comparison

HMP = libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP
REGEX = libvirt_qemu.VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX
NOCASE = libvirt_qemu.VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_NOCASE

# From this version on libvirt says in other words what is wrong with JSON.
OTHER_JSON_WORDS = 10008000

COMMANDS = {
    "plain": '{"execute":"query-status"}',
    "spaces": '\n  { "execute" : "query-name" }\r\n',
    "arguments": '{"execute":"qom-get","arguments":{"path":"/machine","property":"type"}}',
    "array": "[1]",
    "string": '"x"',
    "number": "1",
    "empty object": "{}",
    "unknown command": '{"execute":"no-such"}',
    "missing argument": '{"execute":"qom-get"}',
    "extra argument": '{"execute":"query-status","arguments":{"a":1}}',
    "extra member": '{"execute":"query-status","nonsense":1}',
    "negotiation": '{"execute":"qmp_capabilities"}',
    "unicode": '{"execute":"no-such-\u00fc\u20ac\\u00e4\\n"}',
    "execute is no string": '{"execute":1}',
    "long": '{"execute":"qom-get","arguments":{"path":"/' + "x" * 70000 + '","property":"type"}}',
    "large reply": '{"execute":"query-qmp-schema"}',
}

# libvirt's newer parser waits for more digits, and takes UTF-8 for none; ours goes on taking both.
REFUSED_BY_NEWER = ("number", "unicode")

NOT_JSON = {
    "truncated": '{"execute":',
    "trailing garbage": '{"execute":"query-status"} x',
    "two objects": '{"execute":"query-status"}{"execute":"query-status"}',
    "single quotes": "{'execute':'query-status'}",
    "plain text": "query-status",
    "empty": "",
    "spaces only": "   ",
    "broken utf-8 escape": '{"execute":"\\uD83"}',
    "control character": '{"execute":"a\tb"}',
}

HUMAN = ("info status", "info name", "info uuid", "foo bar", "", "info version", "help info status")


def value(reply):
    """A reply without what libvirtd adds to it."""
    parsed = json.loads(reply)
    if str(parsed.get("id", "")).startswith("libvirt-"):
        del parsed["id"]
    return parsed


# A type that has no name to be told by, and that QEMU itself has no use for.
ARRAY_OF_ANY = {"name": "[any]", "meta-type": "array", "element-type": "any"}


def without_added(reply):
    """query-qmp-schema lists virtpassd's commands too, whose types have names that QEMU's have
    not: the rest has to be QEMU's own."""
    entries = reply.get("return")
    if isinstance(entries, list):
        reply["return"] = [entry for entry in entries if "__org.virtpass" not in json.dumps(entry)
                           and entry != ARRAY_OF_ANY]
    return reply


class Commands(Comparison):
    def monitor(self, side, name="g"):
        """A function that sends one command to a running guest."""
        domain = side.connect().lookupByName(name)
        return lambda text, flags=0: libvirt_qemu.qemuMonitorCommand(domain, text, flags)

    def case_qmp(self, side):
        side.start("g")
        monitor = self.monitor(side)
        for label, command in COMMANDS.items():
            if label not in REFUSED_BY_NEWER or libvirt.getVersion() < OTHER_JSON_WORDS:
                side.note(label, without_added(value(monitor(command))))
        assert value(monitor(COMMANDS["plain"]))["return"]["running"] is True

    def case_not_json(self, side):
        side.start("g")
        monitor = self.monitor(side)
        for label, command in NOT_JSON.items():
            code, domain, message = side.error(monitor, command)
            assert code == libvirt.VIR_ERR_INTERNAL_ERROR, message
            if libvirt.getVersion() < OTHER_JSON_WORDS:
                side.note(label, [code, domain, message])
            side.note("next", value(monitor(COMMANDS["plain"])))

    def case_hmp(self, side):
        side.start("g")
        monitor = self.monitor(side)
        for command in HUMAN:
            side.note(command, monitor(command, HMP))
        assert monitor("info status", HMP) == "VM status: running\r\n"

    def case_flags(self, side):
        side.start("g")
        monitor = self.monitor(side)
        for flags in (2, 4, 3, 1 << 31):
            side.note(str(flags), side.error(monitor, COMMANDS["plain"], flags))
        side.note("next", value(monitor(COMMANDS["plain"])))

    def case_wrong_domains(self, side):
        side.define("off")
        connection = side.connect()
        off = connection.lookupByName("off")
        for command in (*COMMANDS.values(), NOT_JSON["truncated"]):
            side.note("off", side.error(libvirt_qemu.qemuMonitorCommand, off, command, 0)[:3])
        side.note("hmp", side.error(libvirt_qemu.qemuMonitorCommand, off, "info", HMP))
        side.note("agent", side.error(libvirt_qemu.qemuAgentCommand, off, "{}", 1, 0))
        side.virsh("undefine", "off")
        side.note("gone", side.error(libvirt_qemu.qemuMonitorCommand, off, COMMANDS["plain"], 0))

    def case_agent(self, side):
        side.start("g", devices="<channel type='unix'><target type='virtio' "
                                "name='org.qemu.guest_agent.0'/></channel>\n")
        domain = side.connect().lookupByName("g")
        side.note("not connected", side.error(libvirt_qemu.qemuAgentCommand, domain,
                                              '{"execute":"guest-ping"}', 1, 0))
        side.note("flags", side.error(libvirt_qemu.qemuAgentCommand, domain, "{}", 1, 1))

    def case_changes_the_guest(self, side):
        """What a monitor command did is seen by libvirtd"""
        side.start("g")
        monitor = self.monitor(side)
        side.note("stop", value(monitor('{"execute":"stop"}')))
        side.wait_state("g", "paused")
        side.note("state", side.virsh("domstate", "--reason", "g"))
        side.note("cont", value(monitor('{"execute":"cont"}')))
        side.wait_state("g", "running")
        with contextlib.suppress(libvirt.libvirtError):  # QEMU may end before it has replied
            monitor('{"execute":"quit"}')
        side.wait_state("g", "shut off")
        side.note("afterwards", side.error(monitor, COMMANDS["plain"]))

    def case_paused_guest(self, side):
        side.define("g")
        side.virsh("start", "--paused", "g")
        side.note("status", value(self.monitor(side)(COMMANDS["plain"])))

    def case_c_client(self, side):
        side.start("g")
        for command, flags in (("info status", "1"), ("nonsense", "1"), ("{", "2")):
            side.note(command, side.client("monitor", "g", command, flags))
        side.note("qmp", value(side.client("monitor", "g", COMMANDS["plain"], "0")))
        side.note("off", side.client("monitor", "nobody", "x", "0"))

    def case_many_threads(self, side):
        """Twelve threads on one connection get each its own replies"""
        side.start("g")
        out = side.note("threads", side.client("threads", "g", "12", "20"))
        assert "12 threads, 0 wrong" in out


class Virsh(Comparison):
    def case_command(self, side):
        side.start("g")
        command = ("qemu-monitor-command", "g")
        for words in ((COMMANDS["plain"],), ("query-name",), ("--pretty", COMMANDS["plain"]),
                      ("--pretty", "query-name"), ("no-such",), (COMMANDS["array"],),
                      ("qom-get", '"path":"/machine"', '"property":"type"')):
            side.note(" ".join(words), value(side.virsh(*command, *words)))
        for words in (("--hmp", "info status"), ("--hmp", "info", "status"), ("--hmp", "nonsense"),
                      ("--return-value", "query-name")):
            side.note(" ".join(words), side.virsh(*command, *words).replace(" ", ""))
        for words in (("--return-value", "no-such"), ("--hmp", "--pretty", "x"), ('{"execute":',)):
            result = side.virsh(*command, *words, check=False)
            side.note(" ".join(words), [result.returncode, result.stderr])

    def case_descriptor(self, side):
        side.start("g")
        with open("/dev/null", "rb") as file:
            fd = file.fileno()
            reply = side.virsh("qemu-monitor-command", "g", "--pass-fds", str(fd),
                               '{"execute":"add-fd","arguments":{"opaque":"mine"}}', pass_fds=[fd])
        side.note("add-fd", sorted(value(reply)["return"]))
        side.note("info fdsets", "mine" in side.virsh("qemu-monitor-command", "g", "query-fdsets"))

    def case_event(self, side):
        """virsh qemu-monitor-event prints what came, in every mode"""
        side.define("g")
        side.virsh("start", "--paused", "g")
        for words in ([], ["--event", "RESET"], ["--event", "reset", "--no-case"],
                      ["--event", "R.S.T", "--regex"], ["--domain", "g"], ["--pretty"]):
            waiting = side.background("virsh", "-q", "-c", side.uri, "qemu-monitor-event", "--loop",
                                      *words)
            limits.poll_until(lambda w=waiting: self.reset(side) and any(w.lines),
                              "virsh qemu-monitor-event prints an event")
            line = waiting.cancel()[0]
            before, _, after = line.partition(" at ")
            assert before == "event RESET", line
            side.note(" ".join(words), [before, after.partition(" for ")[2].replace(" ", "")])

    def reset(self, side):
        side.virsh("qemu-monitor-command", "g", "system_reset")
        return True


class Events(Comparison):
    """C clients with an event loop, each registered in one way."""

    def start_paused(self, side, *names):
        for name in names:
            side.define(name)
            side.virsh("start", "--paused", name)

    def act(self, side, name, times=1):
        """RESET with data, RESUME and STOP without. Resets come first: firmware that finds itself
        reset halfway resets once more, sooner or later."""
        for command in ("system_reset",) * times + ("cont", "stop") * times:
            side.virsh("qemu-monitor-command", name, command)

    def registered(self, side, count, domain, event, flags):
        return side.client_background("monitor-events", str(count), domain, event, str(flags))

    def note_lines(self, side, label, waiting):
        """Details are JSON of data; QEMU's own spacing stays when virtpassd delivers it."""
        return side.note(label, "\n".join(waiting.finish()).replace(" ", ""))

    def case_all(self, side):
        self.start_paused(side, "g")
        waiting = self.registered(side, 3, "-", "-", 0)
        self.act(side, "g")
        lines = self.note_lines(side, "events", waiting)
        assert 'g:RESET{"guest":false,"reason":"host-qmp-system-reset"}' in lines

    def case_exact(self, side):
        self.start_paused(side, "g")
        waiting = self.registered(side, 2, "-", "STOP", 0)
        wrong_case = self.registered(side, 1, "-", "stop", 0)
        self.act(side, "g", 2)
        self.note_lines(side, "STOP", waiting)
        limits.stays(lambda: wrong_case.lines == ["ready"], "nothing for 'stop'")

    def case_no_case(self, side):
        self.start_paused(side, "g")
        waiting = self.registered(side, 2, "-", "sToP", NOCASE)
        part = self.registered(side, 1, "-", "sto", NOCASE)
        self.act(side, "g", 2)
        self.note_lines(side, "sToP", waiting)
        limits.stays(lambda: part.lines == ["ready"], "nothing for 'sto'")

    def case_regular_expression(self, side):
        self.start_paused(side, "g")
        waiting = [self.registered(side, count, "-", event, flags) for count, event, flags in
                   ((4, "^RES", REGEX), (2, "TO", REGEX), (4, "^res(et|ume)$", REGEX | NOCASE),
                    (6, ".", REGEX))]
        none = self.registered(side, 1, "-", "^ESET", REGEX)
        self.act(side, "g", 2)
        for number, client in enumerate(waiting):
            self.note_lines(side, str(number), client)
        limits.stays(lambda: none.lines == ["ready"], "nothing for '^ESET'")

    def case_one_domain(self, side):
        self.start_paused(side, "g", "h")
        waiting = self.registered(side, 3, "g", "-", 0)
        named = self.registered(side, 1, "g", "STOP", 0)
        self.act(side, "h")
        self.act(side, "g")
        self.note_lines(side, "all of g", waiting)
        self.note_lines(side, "STOP of g", named)

    def case_guest_started_later(self, side):
        """A registration holds for guests to come"""
        side.define("g")
        everything = self.registered(side, 1, "-", "RESET", 0)
        one = self.registered(side, 1, "g", "RESET", 0)
        side.virsh("start", "--paused", "g")
        self.act(side, "g")
        self.note_lines(side, "all", everything)
        self.note_lines(side, "g", one)

    def case_end_of_the_guest(self, side):
        self.start_paused(side, "g")
        waiting = self.registered(side, 1, "-", "SHUTDOWN", 0)
        os.kill(side.libvirtd.qemu_pid("g"), signal.SIGTERM)
        self.note_lines(side, "SHUTDOWN", waiting)

    def case_refused(self, side):
        self.start_paused(side, "g")
        for event, flags in (("[", REGEX), ("(", REGEX | NOCASE), ("x", 4), ("x", 64)):
            side.note(f"{event} {flags}",
                      side.client("monitor-events", "1", "-", event, str(flags)))
        waiting = self.registered(side, 1, "-", "STOP", 0)
        self.act(side, "g")
        self.note_lines(side, "next", waiting)

    def case_two_registrations_of_one_client(self, side):
        """The python binding, with an event loop, in a process of its own"""
        self.start_paused(side, "g")
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "listen.py")
        waiting = side.background("/usr/bin/python3", script, side.uri, "STOP", "RES.*", "2", "6")
        waiting.wait_lines("ready")
        self.act(side, "g", 2)
        lines = [line.replace(" ", "") for line in waiting.finish()]
        side.note("events", sorted(lines))
        assert len(lines) == 8, lines


class ReadOnly(Comparison):
    def case_read_only(self, side):
        side.start("g")
        domain = side.connect(readonly=True).lookupByName("g")
        side.note("command", side.error(libvirt_qemu.qemuMonitorCommand, domain, "{}", 0))
        side.note("agent", side.error(libvirt_qemu.qemuAgentCommand, domain, "{}", 1, 0))
        side.note("files", side.error(libvirt_qemu.qemuMonitorCommandWithFiles, domain, "{}", [],
                                      0))
        raw = side.raw(flags=1)
        reference = raw.lookup("g")
        for flags in (0, 1, 2):
            side.note("raw", raw.monitor_error(reference, "{}", flags))
            side.note("raw files", raw.monitor_error(reference, "{}", flags, proc=7))
        side.note("unknown domain", raw.monitor_error(("x", guest.uuid("x"), -1), "{}"))
        side.note("still", raw.type())
