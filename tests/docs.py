#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is written for people, held against what the programs really take.

Options: --help, manual page and completion name the same. Keys: configuration file, manual page
and parser know the same. Installation: each file is where a distribution looks for it.
"""

import grp
import json
import os
import pathlib
import re
import tempfile
import unittest

from harness.process import run
from harness.virtpassd import program

ROOT = pathlib.Path(__file__).resolve().parent.parent

# An option in running text: not a part of a longer word.
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*[a-z])")

# What is installed, below the prefix. LIBDIR is where meson found libraries to be.
INSTALLED = {
    "LIBDIR/libvirt-qemu-passthrough.so",
    "LIBDIR/libvirt-qemu-passthrough.so.0",
    "LIBDIR/libvirt-qemu-passthrough.so.VERSION",
    "LIBDIR/pkgconfig/libvirt-qemu-passthrough.pc",
    "bin/virtpass",
    "bin/virtpass-emulator",
    "etc/apparmor.d/abstractions/libvirt-qemu.d/virtpassd",
    "etc/apparmor.d/virtpassd",
    "etc/virtpassd/virtpassd.conf",
    "include/libvirt-qemu-passthrough.h",
    "lib/systemd/system/virtpassd-ro.socket",
    "lib/systemd/system/virtpassd-tls.socket",
    "lib/systemd/system/virtpassd.service",
    "lib/systemd/system/virtpassd.socket",
    "lib/sysusers.d/virtpassd.conf",
    "sbin/virtpassd",
    "share/bash-completion/completions/virtpass",
    "share/bash-completion/completions/virtpassd",
    "share/libvirt-qemu-passthrough/schemas/domain-qemu.rng",
    "share/man/man1/virtpass.1",
    "share/man/man5/virtpassd.conf.5",
    "share/man/man8/virtpass-emulator.8",
    "share/man/man8/virtpassd.8",
    # meson tells of one of several links that are called the same; this is the last.
    "lib/virtpass-emulators/usr/bin/qemu-system-x86_64/virtpass-emulator",
}


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def output(variable, *args):
    """What a program of ours prints when all is well."""
    result = run([program(variable), *args])
    assert result.returncode == 0, f"{variable} {args}: {result.stderr}"
    return result.stdout


def options(words):
    return set(OPTION.findall(words.replace("\\-", "-")))


def commands():
    """The names in virtpass's list of commands."""
    listed = re.search(r"^Commands:\n((?: +.*\n)+)", output("VIRTPASS", "--help"), re.M)
    return re.findall(r"^  ([a-z][a-z-]*)", listed[1], re.M)


def complete(name, *words):
    """What bash would offer for the last of these words."""
    script = ('. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "_$1"; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    result = run(["bash", "-c", script, "bash", str(ROOT / "data/bash-completion" / name),
                  name, *words])
    assert result.returncode == 0 and not result.stderr, result.stderr
    return set(result.stdout.split())


def manual_keys():
    """{(group, key)} that virtpassd.conf(5) describes; what is indented are values of keys."""
    keys, group, depth, after_tp = set(), None, 0, False
    for line in text("man/virtpassd.conf.5.in").splitlines():
        if line.startswith(".SS ["):
            group = line[5:-1]
        elif line.startswith(".SH"):
            group = None
        depth += line.startswith(".RS") - line.startswith(".RE")
        if after_tp and group and not depth:
            keys.add((group, line.removeprefix(".B ")))
        after_tp = line == ".TP"
    return keys


def shipped_keys():
    """{(group, key): value} of virtpassd.conf, as if nothing in it were commented out."""
    keys, group = {}, None
    for line in text("data/virtpassd.conf").splitlines():
        if line.startswith("["):
            group = line[1:-1]
        elif found := re.match(r"#(\w+) = (.*)", line):
            keys[group, found[1]] = found[2]
    return keys


def parsed_keys():
    """The table of the parser itself."""
    table = re.search(r"keys\[\] = \{(.*?)\n\};", text("src/qemu_passthrough/config.c"), re.S)
    kind = r"(?:parse_\w+, FIELD|CHOICE|NUMBER)\(.*\)"
    return set(re.findall(r'\{ "(\w+)", "(\w+)", ' + kind + r' \}', table[1]))


# Where it is before it is installed.
SHIM = ["--shim", program("VIRTPASS_EMULATOR")]


def check_config(keys):
    """How virtpassd --check-config judges a file with {(group, key): value}."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        for (group, key), value in keys.items():
            file.write(f"[{group}]\n{key} = {value}\n")
        file.flush()
        return run([program("VIRTPASSD"), "--check-config", *SHIM, "--config", file.name])


def introspect(build, what):
    result = run(["meson", "introspect", what, str(build)])
    assert result.returncode == 0, result.stderr
    return result.stdout


class Options(unittest.TestCase):
    def test_virtpassd_manual_has_the_options_of_help(self):
        self.assertEqual(options(text("man/virtpassd.8.in").split(".SH OPTIONS")[1]
                                 .split(".SH SOCKETS")[0]),
                         options(output("VIRTPASSD", "--help")))

    def test_virtpass_manual_has_the_options_and_commands_of_help(self):
        manual = text("man/virtpass.1.in")
        described = re.findall(r"^\.SS ([a-z-]+) ", manual, re.M)
        self.assertEqual(described, commands())
        options_of_help = options(output("VIRTPASS", "--help"))
        for command in commands():
            options_of_help |= options(output("VIRTPASS", command, "--help"))
        self.assertEqual(options(manual), options_of_help)

    def test_completion_of_virtpassd_has_the_options_of_help(self):
        self.assertEqual(complete("virtpassd", "--"), options(output("VIRTPASSD", "--help")))
        self.assertEqual(complete("virtpassd", "--log-level", "w"), {"warning"})

    def test_completion_of_virtpass_has_the_options_of_help(self):
        self.assertEqual(complete("virtpass", "--"), options(output("VIRTPASS", "--help")))
        for command in commands():
            self.assertIn(command, complete("virtpass", ""))
            self.assertEqual(complete("virtpass", "-c", "x:///", command, "--"),
                             options(output("VIRTPASS", command, "--help")), command)

    def test_version_is_that_of_the_project(self):
        version = re.search(r"version: '([\d.]+)'", text("meson.build"))[1]
        for variable in "VIRTPASSD", "VIRTPASS":
            self.assertIn(version, output(variable, "--version").split())


class Keys(unittest.TestCase):
    def test_file_manual_and_parser_know_the_same_keys(self):
        self.assertEqual(set(shipped_keys()), parsed_keys())
        self.assertEqual(manual_keys(), parsed_keys())

    def test_shipped_file_is_accepted_as_it_is(self):
        result = run([program("VIRTPASSD"), "--check-config", *SHIM, "--config",
                      str(ROOT / "data/virtpassd.conf")])
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_shipped_file_is_accepted_with_all_keys_set(self):
        keys = shipped_keys()
        keys["listen", "unix_sock_group"] = grp.getgrgid(os.getgid()).gr_name
        result = check_config(keys)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_each_key_is_known_only_in_its_own_group(self):
        for group, key in shipped_keys():
            for wrong in ("nonsense", key), (group, key + "s"):
                result = check_config({wrong: "x"})
                self.assertNotEqual(result.returncode, 0, wrong)
                self.assertIn(f"[{wrong[0]}] {wrong[1]}", result.stderr)


class Manuals(unittest.TestCase):
    def test_pages_are_good_roff(self):
        for page in sorted((ROOT / "man").glob("*.in")):
            result = run(["groff", "-man", "-Tutf8", "-ww", "-z", str(page)])
            self.assertEqual((result.returncode, result.stderr), (0, ""), page.name)


class Readme(unittest.TestCase):
    def test_commands_exist(self):
        readme = text("README.md")
        for script in set(re.findall(r"(?<![\w.])\./([\w./-]+)", readme)):
            self.assertTrue(os.access(ROOT / script, os.X_OK), script)
        for command in set(re.findall(r"virtpass (?:-c \S+ )?([a-z][a-z-]+)", readme)):
            self.assertIn(command, commands())
        known = options(output("VIRTPASSD", "--help"))
        for line in re.findall(r"virtpassd (--.*)", readme):
            self.assertLessEqual(options(line), known, line)

    def test_links_lead_somewhere(self):
        for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
            for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
                self.assertTrue((page.parent / link).exists(), f"{page.name}: {link}")


class Installation(unittest.TestCase):
    def test_each_file_is_where_a_distribution_looks_for_it(self):
        build = pathlib.Path(program("VIRTPASSD")).resolve().parents[2]
        plan = json.loads(introspect(build, "--installed"))
        option = {option["name"]: option["value"]
                  for option in json.loads(introspect(build, "--buildoptions"))}
        version = json.loads(introspect(build, "--projectinfo"))["version"]
        expected = {path.replace("LIBDIR", option["libdir"]).replace("VERSION", version)
                    for path in INSTALLED}
        self.assertEqual({os.path.relpath(path, option["prefix"]) for path in plan.values()},
                         expected)
