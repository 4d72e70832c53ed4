# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt-qemu-passthrough.so: its symbols, its errors, and what its calls say and return.

What a call sends and how it takes an answer is tested against a scripted libvirtd, and all of it
once more for real, through virtpassd.
"""

import json
import os
import pathlib
import re
import unittest

import libvirt

from harness import guest, leaks, rpc, upstream, xdr
from harness.process import run
from harness.real import RealGuests
from harness.virtpassd import program

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LAYER = SOURCE / "src/client"
HEADER = LAYER / "libvirt-qemu-passthrough.h"

NOTHING = "-"   # NULL as an argument
GENERATED, ALTERED, RUNNING = "0", "1", "2"
ADD, REPLACE, CLEAR = "0", "1", "2"
DRY_RUN = OOB = "1"

ALTERATION = (f"<qemu:commandline xmlns:qemu='{guest.QEMU_NS}'>"
              "<qemu:alter option='name'><qemu:modify>debug-threads=off</qemu:modify></qemu:alter>"
              "</qemu:commandline>")
MATCHES_NOTHING = (f"<qemu:commandline xmlns:qemu='{guest.QEMU_NS}'>"
                   "<qemu:alter option='kernel' required='no'><qemu:remove/></qemu:alter>"
                   "</qemu:commandline>")


def call(uri, *args):
    """What the test program prints, as a list of (title, rest of the line)."""
    result = run([program("VIRTPASS_TEST_LIBRARY_CLIENT"), uri, *args])
    assert result.returncode == 0 and not result.stderr, (args, result.stdout, result.stderr)
    return [tuple(line.partition(" ")[::2]) for line in result.stdout.splitlines()]


def example(uri, *args):
    return run([program("VIRTPASS_EXAMPLE"), uri, *args])


def only(lines, title):
    return [rest for head, rest in lines if head == title]


class Failing(unittest.TestCase):
    def assert_error(self, lines, code, domain, error_class, message, in_libvirt):
        """in_libvirt: what virGetLastError() has, or None."""
        self.assertEqual([head for head, _ in lines], ["error", "libvirt"], lines)
        self.assertRegex(lines[0][1], f"^{code} {domain} {error_class} {message}$")
        self.assertEqual(lines[1][1], f"{in_libvirt} same" if in_libvirt else "0")


def library():
    return pathlib.Path(program("VIRTPASS_LIBRARY"))


def exported():
    result = run(["nm", "-D", "--defined-only", str(library())])
    assert result.returncode == 0, result.stderr
    return {words[2] for words in map(str.split, result.stdout.splitlines())}


class Package(unittest.TestCase):
    def test_symbols_are_those_of_the_version_script(self):
        node, names = re.search(r"^(\w+[\d.]+) \{\nglobal:\n(.*)^local:\n    \*;\n\};$",
                                (LAYER / "libvirt-qemu-passthrough.syms").read_text("utf-8"),
                                re.S | re.M).groups()
        names = re.findall(r"^    (\w+);$", names, re.M)
        self.assertEqual(names, sorted(names))
        expected = {f"{name}@@{node}" for name in names} | {node}
        self.assertEqual({name for name in exported() if not name.startswith("__asan")}, expected)

    def test_symbols_are_those_of_the_header(self):
        declared = re.findall(r"^VIRTPASS_API [^;]*?\b(virtpass\w+)\(", HEADER.read_text("utf-8"),
                              re.M)
        self.assertEqual(len(declared), len(set(declared)))
        self.assertEqual(set(declared), {name.partition("@")[0] for name in exported()
                                         if name.startswith("virtpass")})

    def test_every_declaration_is_documented(self):
        text = HEADER.read_text("utf-8")
        for name in re.findall(r"^VIRTPASS_API [^;]*?\b(virtpass\w+)\(", text, re.M):
            above = text[:text.index(f"{name}(")].rpartition("\nVIRTPASS_API")[0]
            self.assertTrue(above.endswith("*/"), name)

    def test_header_by_itself_in_plain_c(self):
        for standard in "c99", "c11":
            result = run(["cc", f"-std={standard}", "-pedantic", "-Wall", "-Wextra", "-Werror",
                          "-fsyntax-only", "-x", "c", str(HEADER)])
            self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_pkg_config_file_leads_to_header_and_library(self):
        files = library().resolve().parent
        environment = dict(os.environ, PKG_CONFIG_PATH=str(files))
        words = run(["pkg-config", "--cflags", "--libs", "libvirt-qemu-passthrough-uninstalled"],
                    env=environment)
        self.assertEqual(words.returncode, 0, words.stderr)
        result = run(["cc", "-Wall", "-Werror", "-o", os.path.join(leaks.root(), "example"),
                      str(SOURCE / "examples/commandline.c"), *words.stdout.split(),
                      "-Wl,--unresolved-symbols=ignore-in-shared-libs"])
        os.unlink(os.path.join(leaks.root(), "example"))
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_version_is_that_of_the_project(self):
        version = re.search(r"version: '(\d+)\.(\d+)\.(\d+)'",
                            (SOURCE / "meson.build").read_text("utf-8")).groups()
        major, minor, micro = map(int, version)
        number = major * 1000000 + minor * 1000 + micro
        self.assertEqual(call("test:///default", "errors"), [("version", f"{number} {number}")])


class Arguments(Failing):
    """What is refused here, and what libvirt refuses, whatever the connection."""

    def refused(self, message, *args):
        lines = call("test:///default", *args)
        self.assert_error(lines, libvirt.VIR_ERR_INVALID_ARG, 0, "-",
                          re.escape("invalid argument: " + message), None)

    def test_flags(self):
        self.refused("unsupported flags (0x8)", "session", "test", "8")
        self.refused("unsupported flags (0x1)", "sessions", "1")
        self.refused("unsupported flags (0x2)", "execute", "test", "stop", NOTHING, "3")
        self.refused("unsupported flags (0x1)", "commandline", "test", GENERATED, "1")
        self.refused("unsupported flags (0x80000000)", "alter", "test", CLEAR, NOTHING,
                     "0x80000000")

    def test_values(self):
        self.refused("unknown form 3 of a command line", "commandline", "test", "3", "0")
        self.refused("unknown mode 3 of altering", "alter", "test", "3", NOTHING, "0")
        self.refused("no XML with the alterations", "alter", "test", ADD, NOTHING, "0")
        self.refused("no XML with the alterations", "alter", "test", REPLACE, NOTHING, "0")
        self.refused("XML, where alterations are only cleared", "alter", "test", CLEAR, "<x/>", "0")

    def test_arguments_of_a_command(self):
        for text, why in (("[]", ""), ("", ": parse error: premature EOF, near byte 0"),
                          ('{}, "id": 1', ": parse error: trailing garbage, near byte 3")):
            self.refused("the arguments are no JSON object" + why, "execute", "test", "stop", text,
                         "0")

    def test_libvirt_refuses(self):
        for args in (("session", "test", "0"), ("execute", "test", "stop", NOTHING, "0"),
                     ("commandline", "test", GENERATED, "0"),
                     ("alter", "test", ADD, ALTERATION, "0")):
            self.assert_error(call("test:///default", *args), libvirt.VIR_ERR_NO_SUPPORT,
                              r"\d+", "-", "this function is not supported .*",
                              libvirt.VIR_ERR_NO_SUPPORT)

    def test_no_domain(self):
        self.assert_error(call("test:///default", "session", NOTHING, "0"),
                          libvirt.VIR_ERR_INVALID_DOMAIN, r"\d+", "-", "invalid domain pointer.*",
                          libvirt.VIR_ERR_INVALID_DOMAIN)

    def test_list_ends_at_the_first_refusal(self):
        lines = call("test:///default", "sessions", "0")
        self.assertRegex(lines[0][1], f"^{libvirt.VIR_ERR_NO_SUPPORT} ")
        self.assertEqual(len(lines), 2)


class Scripted(Failing):
    """Straight to a scripted libvirtd, which answers as virtpassd would, or as it should not."""

    def setUp(self):
        self.upstream = upstream.Upstream(os.path.join(leaks.root(), "up"))
        self.addCleanup(self.upstream.close)
        self.uri = "qemu+unix:///session?socket=" + self.upstream.path
        self.domain = self.upstream.add("g", number=1)
        self.sent = []
        self.answers = []
        self.upstream.on(rpc.QEMU, rpc.MONITOR_COMMAND, self.monitor)

    def monitor(self, _peer, frame):
        reader = xdr.Reader(frame.payload)
        reader.domain()
        self.sent.append(json.loads(reader.string()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, upstream.Refuse):
            raise answer
        return xdr.string(answer if isinstance(answer, str) else json.dumps(answer))

    def call(self, answer, *args):
        self.sent.clear()
        self.answers = [answer]
        return call(self.uri, *args)

    def refused(self, answer, message, *args, code=libvirt.VIR_ERR_INTERNAL_ERROR):
        lines = self.call(answer, *args)
        self.assert_error(lines, code, 0, "-", re.escape(message), None)

    # -- commands -----------------------------------------------------------

    def test_execute(self):
        lines = self.call('{"return": {"a" :[1e3, "\\u00e9"]}, "id": 7}', "execute", "g",
                          "query-\"x", '{"b": {"c": null}}', "0")
        self.assertEqual(lines, [("result", '{"a" :[1e3, "\\u00e9"]}')])
        self.assertEqual(self.sent[0], {"execute": 'query-"x', "arguments": {"b": {"c": None}}})

    def test_execute_out_of_band(self):
        self.assertEqual(self.call({"return": []}, "execute", "g", "x", NOTHING, OOB),
                         [("result", "[]")])
        self.assertEqual(self.sent[0], {"exec-oob": "x"})

    def test_qmp_errors(self):
        for error_class, text, code in (
                ("GenericError", "it \u00e4 does not", libvirt.VIR_ERR_OPERATION_FAILED),
                ("DeviceNotFound", "", libvirt.VIR_ERR_OPERATION_FAILED),
                ("CommandNotFound", "no such", libvirt.VIR_ERR_NO_SUPPORT)):
            lines = self.call({"error": {"class": error_class, "desc": text}},
                              "execute", "g", "x", NOTHING, "0")
            self.assert_error(lines, code, libvirt.VIR_FROM_QEMU, error_class, text, None)

    def test_errors_that_are_none(self):
        self.assert_error(self.call({"error": []}, "execute", "g", "x", NOTHING, "0"),
                          libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_FROM_QEMU, "GenericError",
                          "the error that was answered has no text", None)
        for answer, why in (("", "parse error: premature EOF, near byte 0"),
                            ("{", "parse error: premature EOF, near byte 1"),
                            ("[]", 'it has neither "return" nor "error"'),
                            ({"Return": 1}, 'it has neither "return" nor "error"')):
            self.refused(answer, "internal error: the answer is no QMP reply: " + why,
                         "execute", "g", "x", NOTHING, "0")

    def test_libvirtd_refuses(self):
        lines = self.call(upstream.Refuse(55, 20, "it \u00e4 is not running"), "session", "g", "0")
        self.assert_error(lines, 55, 20, "-", "it \u00e4 is not running", 55)

    # -- sessions -----------------------------------------------------------

    def test_session_with_nothing_in_it(self):
        lines = self.call({"return": {}}, "session", "g", "0")
        self.assertEqual(only(lines, "monitor"), ["-1 -1"])
        self.assertEqual(only(lines, "state"), ["(null)"])
        self.assertEqual(set(only(lines, "counter")), {f"{number} -1" for number in range(11)})
        self.assertEqual(only(lines, "json"), ["{}"])

    def test_session_of_the_future(self):
        answer = {"session": "direct", "requested": "none", "oob": True, "added": True,
                  "events": 1 << 40, "more": [1]}
        lines = self.call({"return": answer}, "session", "g", "0")
        self.assertEqual(only(lines, "monitor"), ["-1 0"])
        self.assertEqual(only(lines, "oob"), ["1"])
        self.assertEqual(only(lines, "added"), ["1"])
        self.assertIn(f"4 {1 << 40}", only(lines, "counter"))
        self.assertEqual(json.loads(only(lines, "json")[0]), answer)

    def test_no_virtpassd(self):
        answer = {"error": {"class": "CommandNotFound", "desc": "?"}}
        for name, *args in (("query-session", "session", "g", "0"),
                            ("query-commandline", "commandline", "g", ALTERED, "0"),
                            ("commandline-alter", "alter", "g", CLEAR, NOTHING, "0")):
            self.refused(answer, "the connection does not lead through a virtpassd that knows the "
                         "command __org.virtpass_" + name, *args, code=libvirt.VIR_ERR_NO_SUPPORT)

    def test_what_is_no_object(self):
        for name, *args in (("query-session", "session", "g", "0"),
                            ("query-commandline", "commandline", "g", ALTERED, "0"),
                            ("commandline-alter", "alter", "g", CLEAR, NOTHING, "0")):
            self.refused({"return": []}, f"internal error: what __org.virtpass_{name} has returned "
                         "is no object", *args)

    def test_list(self):
        for number in (2, 3):
            self.upstream.add(f"g{number}", number=number)
        good, gone = {"return": {"domain": "x"}}, upstream.Refuse(42, 10, "no domain")
        stopped = upstream.Refuse(55, 10, "not running")
        for answers, expected in (([good, good, good], 3), ([gone, good, stopped, good], 1),
                                  ([gone, stopped, gone, good], 0)):
            self.answers = answers
            self.assertEqual(only(call(self.uri, "sessions", "0"), "session"), ["x"] * expected)
        self.answers = [good, {"error": {"class": "CommandNotFound"}}, good]
        self.assertRegex(call(self.uri, "sessions", "0")[0][1], f"^{libvirt.VIR_ERR_NO_SUPPORT} ")

    # -- command lines ------------------------------------------------------

    def test_commandline(self):
        words, variables = ["/usr/bin/qemu", "-name", "a b", ""], ["A=1", "B="]
        for form, name in ((GENERATED, "generated"), (ALTERED, "altered"), (RUNNING, "running")):
            lines = self.call({"return": {"form": name, "words": words, "environment": variables}},
                              "commandline", "g", form, "0")
            self.assertEqual(only(lines, "word"), words)
            self.assertEqual(only(lines, "variable"), variables)
            self.assertEqual(self.sent[0], {"execute": "__org.virtpass_query-commandline",
                                            "arguments": {"form": name}})

    def test_commandline_that_is_none(self):
        for answer, member in (({}, "words"), ({"words": "x"}, "words"), ({"words": [1]}, "words"),
                               ({"words": []}, "environment"),
                               ({"words": [], "environment": ["x", None]}, "environment")):
            self.refused({"return": answer}, "internal error: what was returned has no list of "
                         f'texts "{member}"', "commandline", "g", RUNNING, "0")

    def test_alter(self):
        answer = {"xml": "<domain/>", "generated": ["q", "-a"], "altered": ["q"],
                  "warnings": ["alter 1: nothing"]}
        expected = [("generated", "q"), ("generated", "-a"), ("altered", "q"),
                    ("warning", "alter 1: nothing"), ("xml", "<domain/>")]
        for mode, name, xml in ((ADD, "add", ALTERATION), (REPLACE, "replace", ALTERATION),
                                (CLEAR, "clear", NOTHING)):
            arguments = {"mode": name} | ({"xml": xml} if xml != NOTHING else {})
            self.assertEqual(self.call({"return": answer}, "alter", "g", mode, xml, "0"), expected)
            self.assertEqual(self.sent, [{"execute": "__org.virtpass_commandline-alter",
                                          "arguments": arguments}])
            self.assertEqual(self.call({"return": answer}, "alter-only", "g", mode, xml, DRY_RUN),
                             [("done", "")])
            self.assertEqual(self.sent[0]["arguments"], arguments | {"dry-run": True})

    def test_alter_with_an_answer_that_is_none(self):
        answer = {"xml": "<domain/>", "generated": [], "altered": [], "warnings": []}
        for member in "generated", "altered", "warnings":
            for wrong in None, [1], {}:
                self.refused({"return": answer | {member: wrong}}, "internal error: what was "
                             f'returned has no list of texts "{member}"',
                             "alter", "g", CLEAR, NOTHING, "0")
        self.refused({"return": answer | {"xml": 1}}, 'internal error: what was returned has no '
                     '"xml"', "alter-only", "g", CLEAR, NOTHING, "0")

    def test_alter_refused(self):
        text = "line 3: <qemu:alter> has no option=''"
        lines = self.call({"error": {"class": "GenericError", "desc": text}},
                          "alter", "g", ADD, ALTERATION, "0")
        self.assert_error(lines, libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_FROM_QEMU,
                          "GenericError", re.escape(text), None)


class Real(Failing, RealGuests):
    """Through virtpassd, with a guest that runs."""

    def setUp(self):
        super().setUp()
        self.uri = self.virtpassd.uri
        self.start()

    def call(self, *args):
        return call(self.uri, *args)

    def test_session(self):
        lines = self.call("session", "g", "0")
        self.assertEqual(only(lines, "domain"), [f"g {guest.uuid('g')}"])
        self.assertEqual(only(lines, "monitor"), ["2 2"])
        self.assertEqual(only(lines, "state"), ["ready"])
        self.assertEqual(only(lines, "reason"), [""])
        self.assertEqual(only(lines, "oob"), ["1"])
        self.assertEqual(only(lines, "added"), ["0"])
        counters = dict(map(str.split, only(lines, "counter")))
        self.assertEqual(counters.pop("10"), "-1")
        told = json.loads(only(lines, "json")[0])
        for number, name in enumerate(("clients", "commands", "in_flight", "waiting", "events",
                                       "bytes_in", "bytes_out", "connections", "latency_p50_us",
                                       "latency_p99_us")):
            self.assertEqual(int(counters[str(number)]), told[name], name)
        self.assertEqual(counters["7"], "1")

    def test_sessions(self):
        self.define("off")
        self.assertEqual(self.call("sessions", "0"), [("session", "g")])

    def test_domain_that_does_not_run(self):
        self.define("off")
        self.assert_error(self.call("session", "off", "0"), libvirt.VIR_ERR_OPERATION_INVALID,
                          r"\d+", "-", ".*not running.*", libvirt.VIR_ERR_OPERATION_INVALID)

    def test_execute(self):
        lines = self.call("execute", "g", "qom-get",
                          '{"path": "/machine", "property": "type"}', "0")
        self.assertRegex(lines[0][1], '^"pc.*"$')
        self.assertEqual(self.call("execute", "g", "query-yank", NOTHING, OOB)[0][0], "result")
        self.assert_error(self.call("execute", "g", "device_del", '{"id": "x"}', "0"),
                          libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_FROM_QEMU,
                          "DeviceNotFound", "Device 'x' not found", None)
        self.assert_error(self.call("execute", "g", "x", NOTHING, "0"),
                          libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_FROM_QEMU,
                          "CommandNotFound", "The command x has not been found", None)

    def test_without_virtpassd(self):
        uri = self.libvirtd.uri
        self.assertRegex(call(uri, "execute", "g", "query-status", NOTHING, "0")[0][1], "running")
        for name, *args in (("query-session", "session", "g", "0"),
                            ("query-session", "sessions", "0"),
                            ("query-commandline", "commandline", "g", ALTERED, "0"),
                            ("commandline-alter", "alter", "g", ADD, ALTERATION, DRY_RUN)):
            self.assertEqual(call(uri, *args)[0], (
                "error", f"{libvirt.VIR_ERR_NO_SUPPORT} 0 - the connection does not lead through a "
                f"virtpassd that knows the command __org.virtpass_{name}"))
        result = example(uri, "g")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("session: the connection does not lead through", result.stderr)

    # -- command lines ------------------------------------------------------

    def words(self, form, name="g"):
        return only(self.call("commandline", name, form, "0"), "word")

    def test_command_lines(self):
        self.assertEqual(self.words(RUNNING), self.libvirtd.qemu_words("g"))
        for form in GENERATED, ALTERED:
            self.assertEqual(self.words(form)[0], guest.EMULATOR)
            self.assertIn("-machine", self.words(form))

    def test_alterations(self):
        self.define("off")
        lines = self.call("alter", "off", ADD, ALTERATION, DRY_RUN)
        self.assertIn("debug-threads=on", " ".join(only(lines, "generated")))
        self.assertIn("debug-threads=off", " ".join(only(lines, "altered")))
        self.assertEqual(only(lines, "warning"), [])
        self.assertNotIn("<qemu:alter", self.virtpassd.virsh("dumpxml", "off"))
        self.assertEqual(self.call("alter-only", "off", ADD, ALTERATION, "0"), [("done", "")])
        self.assertIn("<qemu:alter option=", self.virtpassd.virsh("dumpxml", "off"))
        self.assertIn("debug-threads=off", " ".join(self.words(ALTERED, "off")))
        self.assertNotIn("debug-threads=off", " ".join(self.words(GENERATED, "off")))
        self.call("alter-only", "off", CLEAR, NOTHING, "0")
        self.assertNotIn("<qemu:alter", self.virtpassd.virsh("dumpxml", "off"))

    def test_alterations_that_are_wrong(self):
        warnings = only(self.call("alter", "g", ADD, MATCHES_NOTHING, DRY_RUN), "warning")
        self.assertEqual(len(warnings), 1)
        self.assertIn("kernel", warnings[0])
        lines = self.call("alter", "g", ADD, ALTERATION.replace("option=", "opt="), "0")
        self.assertEqual(lines[0][0], "error")
        self.assertIn("option", lines[0][1])
        self.assertIn("debug-threads=off",
                      " ".join(only(self.call("alter", "g", ADD, ALTERATION, DRY_RUN), "altered")))

    def test_example(self):
        result = example(self.uri, "g")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("g: dedicated session, with out-of-band commands", result.stdout)
        self.assertIn("\n    -machine\n", result.stdout)
        result = example(self.uri, "g", self.file(ALTERATION))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("debug-threads=off", result.stdout)
