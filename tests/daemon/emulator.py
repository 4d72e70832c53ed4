# SPDX-License-Identifier: LGPL-2.1-or-later
"""virtpass-emulator: what it makes of its words, and what libvirtd makes of it."""

import json
import os
import shutil
import stat
import unittest
from xml.sax.saxutils import quoteattr

from harness import guest, leaks, limits, proctree, shim
from harness.compare import remove_objects
from harness.libvirtd import shared_libvirtd
from harness.process import base_environment, run
from harness.virtpassd import program

PROBE = ["-S", "-no-user-config", "-nodefaults", "-nographic", "-machine", "none,accel=tcg",
         "-qmp", "unix:/x/qmp-a/qmp.monitor,server=on,wait=off", "-pidfile", "/x/qmp.pid",
         "-daemonize"]

# Stands for QEMU: says how it was started.
FAKE = """\
#!/bin/sh
for word; do printf 'word %s\\n' "$word"; done
echo "pid $$"
echo "cwd $(pwd)"
env | sed 's/^/env /'
for fd in /proc/$$/fd/*; do echo "fd ${fd##*/} $(readlink $fd)"; done
"""


class Direct(unittest.TestCase):
    """Started by hand, with a fake QEMU."""

    def setUp(self):
        self.dir = os.path.join(leaks.root(), "e")
        self.addCleanup(shutil.rmtree, self.dir)
        os.makedirs(self.file("run"))
        self.qemu = self.file("qemu")
        self.write("qemu", FAKE)
        os.chmod(self.qemu, 0o755)
        self.shim = shim.path(self.qemu, below=self.dir)

    def file(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text):
        with open(self.file(name), "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, name):
        with open(self.file(name), encoding="utf-8") as file:
            return file.read()

    def master_key(self):
        return ["-object", json.dumps({"qom-type": "secret", "id": "masterKey0", "format": "raw",
                                       "file": self.file("run/master-key.aes")})]

    def start(self, *words, plan=None, argv0=None, more=None, **options):
        environment = base_environment(LIFE="42", **(more or {}))
        if plan is not None:
            environment[shim.VARIABLE] = plan
        return run([argv0 or self.shim, *words], env=environment, **options)

    def guest(self, *steps, words=(), **more):
        return self.start("-name", "guest=g,debug-threads=on", *words,
                          plan=shim.plan(*steps, emulator=self.qemu), **more)

    def said(self, result, what):
        """What the fake QEMU said of one kind."""
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        start = what + " "
        return [line[len(start):] for line in result.stdout.splitlines() if line.startswith(start)]

    def assert_refused(self, result, sentence):
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertRegex(result.stderr, "^virtpass-emulator: .*" + sentence)

    def test_probe_passes_through(self):
        result = self.start(*PROBE)
        self.assertEqual(self.said(result, "word"), PROBE)
        self.assertIn("LIFE=42", self.said(result, "env"))

    def test_version_passes_through(self):
        self.assertEqual(self.said(self.start("--version"), "word"), ["--version"])

    def test_guest_without_plan(self):
        result = self.start("-name", "guest=g,debug-threads=on")
        self.assert_refused(result, "has no <qemu:env name='VIRTPASS_PLAN'>")

    def test_session(self):
        """In the tree for that it adds a session's words to a guest, and asks for no plan"""
        link = shim.path(self.qemu, below=self.dir, tree="virtpass-sessions")
        words = ["-name", "guest=g,debug-threads=on", *self.master_key()]
        socket = self.file("run/virtpass-qmp")
        altered = [*words, "-chardev", f"socket,id=virtpass-qmp,path={socket},server=on,wait=off",
                   "-mon", "chardev=virtpass-qmp,mode=control"]
        self.assertEqual(self.said(self.start(*words, argv0=link), "word"), altered)
        record = json.loads(self.read("run/virtpass.json"))
        self.assertEqual((record["generated"], record["altered"]),
                         ([link, *words], [self.qemu, *altered]))
        self.assertEqual(self.said(self.start(*PROBE, argv0=link), "word"), PROBE)
        self.assert_refused(self.start("-name", "guest=g", "-m", argv0=link), "-m is the last word")

    def test_session_without_directory(self):
        """The guest starts without"""
        link = shim.path(self.qemu, below=self.dir, tree="virtpass-sessions")
        result = self.start("-name", "guest=g", argv0=link)
        self.assertEqual(result.returncode, 0)
        self.assertIn("word guest=g\n", result.stdout)
        self.assertNotIn("chardev", result.stdout)
        self.assertIn("no directory for a dedicated session's socket", result.stderr)

    def test_paths_that_lead_elsewhere(self):
        below = os.path.join(self.dir, "virtpass-emulators")
        link = os.path.join(below, "x", "..", self.qemu.lstrip("/"), "virtpass-emulator")
        os.makedirs(os.path.join(below, "x"))
        self.assert_refused(self.start("--version", argv0=link), "started by libvirt, as")

    def test_not_by_its_own_name(self):
        self.assert_refused(self.start(argv0=program("VIRTPASS_EMULATOR")),
                            "started by libvirt, as .*here as '/")

    def test_words_are_altered_and_the_rest_is_as_it_was(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        result = self.guest(shim.alter("m", {"do": "modify", "text": "size=64"}),
                            words=["-m", "32", "-foo bar", "a\nb"], pass_fds=[writer], cwd="/")
        self.assertEqual(self.said(result, "word"),
                         ["-name", "guest=g,debug-threads=on", "-m", "64", "-foo bar", "a"])
        self.assertEqual(self.said(result, "cwd"), ["/"])
        environment = self.said(result, "env")
        self.assertIn("LIFE=42", environment)
        self.assertFalse([line for line in environment if line.startswith(shim.VARIABLE)])
        pipe = os.readlink(f"/proc/self/fd/{writer}")
        self.assertIn(f"{writer} {pipe}", self.said(result, "fd"))

    def test_files(self):
        words = ["-no-reboot", *self.master_key()]
        result = self.guest({"group": "chardev", "id": "c", "values": [["backend", "null"]]},
                            shim.alter("no-reboot", {"do": "remove"}),
                            shim.alter("vnc", {"do": "remove"}, number=2, required=False),
                            words=words)
        config, record = self.file("run/virtpass.conf"), self.file("run/virtpass.json")
        altered = ["-name", "guest=g,debug-threads=on", *words[1:], "-readconfig", config]
        self.assertEqual(self.said(result, "word"), altered)
        self.assertEqual(self.read("run/virtpass.conf"), '[chardev "c"]\n  backend = "null"\n')
        self.assertEqual(json.loads(self.read("run/virtpass.json")), {
            "version": 1, "altered": [self.qemu, *altered],
            "generated": [self.shim, "-name", "guest=g,debug-threads=on", *words],
            "warnings": ["alter 2 (-vnc): there is no -vnc"]})
        for path in (config, record):
            self.assertEqual(stat.S_IMODE(os.lstat(path).st_mode), 0o600)
        self.assertEqual(sorted(os.listdir(self.file("run"))), ["virtpass.conf", "virtpass.json"])

    def test_links_are_not_followed(self):
        os.symlink(self.file("target"), self.file("run/virtpass.json"))
        self.said(self.guest(words=self.master_key()), "word")
        self.assertFalse(os.path.exists(self.file("target")))
        self.assertEqual(json.loads(self.read("run/virtpass.json"))["version"], 1)

    def test_directory_of_a_session(self):
        self.said(self.guest(more={"XDG_CACHE_HOME": self.file("run/.cache")}), "word")
        self.assertEqual(os.listdir(self.file("run")), ["virtpass.json"])

    def test_without_directory(self):
        self.said(self.guest(more={"XDG_CACHE_HOME": self.file("run")}), "word")
        result = self.guest({"group": "chardev", "id": "c", "values": [["backend", "null"]]})
        self.assert_refused(result, "no directory for QEMU's configuration file")
        self.assertEqual(os.listdir(self.file("run")), [])

    def test_directory_that_is_gone(self):
        os.rmdir(self.file("run"))
        result = self.guest(words=self.master_key())
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stderr, "^virtpass-emulator: cannot write .*virtpass.json: ")
        result = self.guest({"group": "action"}, words=self.master_key())
        self.assert_refused(result, "cannot write .*virtpass.conf: No such file")

    def test_plans_that_are_none(self):
        for plan in ("", "{", '{"version":99}', "[]"):
            result = self.start("-name", "guest=g", plan=plan)
            self.assert_refused(result, "VIRTPASS_PLAN: ")
        result = self.start("-name", "guest=g", plan='{"version":1}')
        self.assert_refused(result, "VIRTPASS_PLAN")
        self.said(self.guest(), "word")

    def test_sentence_is_one_line(self):
        result = self.guest(shim.alter("append", {"do": "match", "regex": "x"}),
                            words=["-append", "a\nb"])
        self.assert_refused(result, r"alter 1 \(-append\): there is no -append with a value "
                                    r"matching 'x'; there is only '-append a b'")

    def test_words_that_are_no_command_line(self):
        self.assert_refused(self.guest(words=["-m"]), "-m is the last word")

    def test_emulator_that_is_missing(self):
        os.unlink(self.qemu)
        self.assert_refused(self.guest(), f"cannot execute {self.qemu}: No such file")
        self.assert_refused(self.start("--version"), f"cannot execute {self.qemu}: No such file")

    def test_itself_as_emulator(self):
        result = self.start("-name", "guest=g", plan=shim.plan(emulator=self.shim))
        self.assert_refused(result, "has no <qemu:env")


class WithLibvirtd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shim = shim.path()
        cls.libvirtd = shared_libvirtd()

    def setUp(self):
        self.libvirtd.process.mark_log()
        self.addCleanup(remove_objects, self.libvirtd)

    def describe_failure(self):
        return self.libvirtd.process.log_since_mark()

    def define(self, *steps, devices=""):
        after = (f"<qemu:commandline><qemu:env name='{shim.VARIABLE}' "
                 f"value={quoteattr(shim.plan(*steps))}/></qemu:commandline>\n")
        text = guest.domain("g", after=after, devices=devices)
        path = self.libvirtd.path("x.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(f">{guest.EMULATOR}<", f">{self.shim}<"))
        self.libvirtd.virsh("define", path)

    def process(self):
        """(words, environment) of the guest's QEMU."""
        with open(f"/proc/{self.libvirtd.qemu_pid('g')}/environ", encoding="utf-8") as file:
            return self.libvirtd.qemu_words("g"), file.read().split("\0")

    def records(self):
        base = self.libvirtd.path("c/libvirt/qemu/lib")
        return [os.path.join(base, name, "virtpass.json") for name in os.listdir(base)
                if os.path.exists(os.path.join(base, name, "virtpass.json"))]

    def monitor(self, command):
        answer = self.libvirtd.virsh("qemu-monitor-command", "g", json.dumps({"execute": command}))
        return json.loads(answer)["return"]

    def test_capabilities_are_those_of_qemu(self):
        through = self.libvirtd.virsh("domcapabilities", "--emulatorbin", self.shim)
        plain = self.libvirtd.virsh("domcapabilities", "--emulatorbin", guest.EMULATOR)
        self.assertIn(f"<path>{self.shim}</path>", through)
        self.assertEqual(through.replace(self.shim, guest.EMULATOR), plain)

    def test_guest_and_its_life(self):
        self.define(shim.alter("name", {"do": "modify", "text": "process=altered"}),
                    shim.alter("device", {"do": "match", "key": "id", "regex": "^rng0$"},
                               {"do": "modify", "text": "max-bytes=1024"},
                               {"do": "remove-key", "key": "addr"}, number=2),
                    {"group": "chardev", "id": "extra", "values": [["backend", "null"]]},
                    {"words": ["-device", '{"driver":"lsi","id":"added"}']},
                    devices="<rng model='virtio'><rate bytes='64'/><backend model='random'>"
                            "/dev/urandom</backend></rng>\n")
        self.libvirtd.virsh("start", "g")
        self.check_running()
        records = self.records()
        self.assertEqual(len(records), 1)
        with open(records[0], encoding="utf-8") as file:
            record = json.load(file)
        self.assertEqual(record["altered"], self.process()[0])
        self.assertEqual(record["generated"][0], self.shim)
        self.libvirtd.virsh("managedsave", "g")
        self.assertEqual(self.records(), [])
        self.libvirtd.virsh("start", "g")
        self.check_running()
        self.assertIn("-incoming", self.process()[0])
        self.libvirtd.virsh("destroy", "g")
        self.assertEqual(self.records(), [])

    def check_running(self):
        words, environment = self.process()
        self.assertEqual(words[0], guest.EMULATOR)
        self.assertIn("guest=g,debug-threads=on,process=altered", words)
        rng = next(word for word in words if '"id":"rng0"' in word)
        self.assertIn('"max-bytes":1024', rng)
        self.assertIn('"addr":"0x1e"', rng)  # another one than libvirt's
        self.assertEqual(words[-4:-1], ["-device", '{"driver":"lsi","id":"added"}', "-readconfig"])
        self.assertFalse([line for line in environment if line.startswith(shim.VARIABLE)])
        self.assertIn("extra", [chardev["label"] for chardev in self.monitor("query-chardev")])
        self.assertEqual(self.monitor("query-status")["status"], "running")

    def test_reason_is_seen_by_who_starts_the_guest(self):
        self.define(shim.alter("device", {"do": "match", "key": "id", "regex": "^net0$"},
                               {"do": "remove"}, number=3, line=17),
                    devices="<controller type='virtio-serial'/>\n")
        result = self.libvirtd.virsh("start", "g", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("virtpass-emulator: alter 3 (-device, line 17): there is no -device with id "
                      "matching '^net0$'; there is only '-device virtio-serial-pci,"
                      "id=virtio-serial0", result.stderr)
        self.define(shim.alter("name", {"do": "modify", "text": "process=x"}))
        self.libvirtd.virsh("start", "g")
        self.assertIn("guest=g,debug-threads=on,process=x", self.process()[0])
        self.assertTrue(proctree.alive(self.libvirtd.qemu_pid("g")))

    @limits.limit(120)
    def test_touched_shim_is_probed_again(self):
        counter = self.libvirtd.path("probes")
        emulator = self.libvirtd.path("counting-qemu")
        with open(emulator, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\necho >>{counter}\nexec {guest.EMULATOR} "$@"\n')
        os.chmod(emulator, 0o755)
        copy = self.libvirtd.path("shim")
        shutil.copy(program("VIRTPASS_EMULATOR"), copy)
        link = shim.path(emulator, below=self.libvirtd.dir)
        os.unlink(link)
        os.symlink(copy, link)

        def probes():
            self.libvirtd.virsh("domcapabilities", "--emulatorbin", link)
            return os.path.getsize(counter)

        first = probes()
        self.assertEqual(probes(), first)
        seconds = int(os.stat(link).st_ctime)
        limits.poll_until(lambda: os.utime(link) or int(os.stat(link).st_ctime) > seconds,
                          "another second")
        self.assertGreater(probes(), first)
