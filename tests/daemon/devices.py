# SPDX-License-Identifier: LGPL-2.1-or-later
"""query-available-devices and virtpass devices, held against what QEMU itself tells people."""

import glob
import json
import os
import re
import shutil
import threading

import libvirt_qemu

from harness import guest, limits, proctree
from harness.monitor import Monitor
from harness.process import run
from harness.real import RealGuests
from harness.virtpassd import virtpass

QUERY = "query-available-devices"


def ask_qemu(line):
    """What the human monitor of a QEMU without machine says, and its exit status."""
    result = run([guest.EMULATOR, "-machine", "none", "-accel", "tcg", "-nodefaults", "-display",
                  "none", "-S", "-monitor", "stdio"], stdin=f"{line}\nquit\n")
    return result.returncode, result.stdout + result.stderr


class Devices(RealGuests):
    def setUp(self):
        super().setUp()
        self.start("g")

    def devices(self, **options):
        return {device["name"]: device for device in self.query(QUERY, options or None)}

    def names(self, **options):
        return sorted(self.devices(properties=False, **options))

    # -- what is told -------------------------------------------------------

    def test_every_type(self):
        """Every type as "info qdm" tells it, filtered, and without the guest's help."""
        pid = process_with(self.virtpassd.session_path(guest.uuid("g")))
        loaded = modules(pid)
        found = self.devices()
        lines = re.findall(r'^name "(.*?)"(.*?)\r?$', ask_qemu("info qdm")[1], re.M)
        self.assertEqual(set(found), {name for name, _ in lines})
        for name, rest in lines:
            device = found[name]
            self.assertEqual(device["creatable"], ", no-user" not in rest, name)
            for key, word in (("bus", r"bus (\S+?)"), ("alias", r'alias "(.*?)"'),
                              ("description", r'desc "(.*?)"')):
                told = re.search(rf", {word}(?:,|$)", rest)
                self.assertEqual(device.get(key), told and told[1], name)
            self.assertNotIn("props", device)
        self.check_filters(found)
        self.check_wrong_arguments()
        self.assertEqual(modules(pid), loaded)
        limits.poll_until(lambda: not proctree.descendants(self.virtpassd.pid),
                          "virtpassd has no process left")

    def check_filters(self, everything):
        names = self.names
        self.assertEqual(names(name="virtio-net"), ["virtio-net-pci"])
        self.assertEqual(names(name="e1000*"),
                         sorted(name for name in everything if name.startswith("e1000")))
        self.assertEqual(names(name="*io-n?t-pci"), ["virtio-net-pci"])
        self.assertEqual(names(name="**"), sorted(everything))
        self.assertEqual(names(bus="usb-bus"),
                         sorted(name for name, device in everything.items()
                                if device.get("bus") == "usb-bus"))
        self.assertEqual(names(category="network", bus="pci", name="*ne2k*"), ["ne2k_pci"])
        self.assertEqual(names(category="Network", bus="usb-bus"), ["usb-net"])
        for nothing in ({"name": "none"}, {"name": ""}, {"bus": ""}, {"category": "Net"},
                        {"name": "e1000", "bus": "ISA"}, {"name": "*" + "?" * 200},
                        {"name": "*a" * 5000 + "b"}, {"name": "*" * 10000 + "!"}):
            self.assertEqual(names(**nothing), [])

    def check_wrong_arguments(self):
        for wrong in ({"name": 1}, {"bus": None}, {"properties": "on"}, {"colour": "green"}):
            self.assertEqual(self.failure(QUERY, wrong)[0], "GenericError")
            self.assertEqual(self.names(name="e1000"), ["e1000"])

    def test_properties(self):
        """Those of one type are what the guest itself has; others end QEMU when it is asked."""
        native = self.query("device-list-properties", {"typename": "e1000"})
        wanted = sorted((prop for prop in native if not prop["type"].startswith("child<")),
                        key=lambda prop: prop["name"])
        reply = self.python_qmp(self.connection(),
                                {"execute": QUERY, "id": 7, "arguments": {"name": "e1000"}})
        self.assertEqual([device["props"] for device in reply["return"]], [wanted])
        self.assertEqual(reply["id"], 7)
        # All of them are more than fits into libvirt's protocol with newer QEMUs.
        monitor = Monitor(self.virtpassd.path("qmp", guest.uuid("g")))
        self.addCleanup(monitor.close)
        found = {device["name"]: device for device in monitor.execute(QUERY, properties=True)}
        self.assertGreater(sum(len(device.get("props", ())) for device in found.values()), 10000)
        for device in found.values():
            self.assertEqual("props" in device, "broken" not in device)
        for name, device in found.items():
            if "broken" in device:
                status, text = ask_qemu(f"device_add {name},help")
                self.assertNotEqual(status, 0)
                self.assertIn(device["broken"], text)
        self.assertTrue(self.query("query-status")["running"])

    # -- from where ---------------------------------------------------------

    def restart_with_own_cache(self):
        self.virtpassd.environment["XDG_CACHE_HOME"] = self.virtpassd.path("cache")
        self.restart()

    def restart(self):
        self.virtpassd.restart()
        self.virtpassd.wait_session("g")

    def cache_files(self):
        return glob.glob(self.virtpassd.path("cache/virtpassd/*"))

    def test_kept_in_a_file(self):
        """Used after a restart; written anew when it is damaged, or others may write it."""
        self.restart_with_own_cache()
        first = self.devices()
        path, = self.cache_files()
        with open(path, "rb") as file:
            good = file.read()

        def again(rewritten):
            before = os.stat(path)
            self.restart()
            self.assertEqual(self.devices(), first)
            after = os.stat(path)
            self.assertEqual(after.st_ctime_ns != before.st_ctime_ns, rewritten)
            self.assertEqual(after.st_mode & 0o777, 0o644)

        again(rewritten=False)
        with open(path, "wb") as file:
            file.write(good.replace(b"e1000", b"e1009"))
        again(rewritten=True)
        os.chmod(path, 0o666)
        again(rewritten=True)

    def test_others_are_not_held_up(self):
        """While QEMU is asked for the first time another client has its answers."""
        self.restart_with_own_cache()
        domain = self.connection().lookupByName("g")
        thread = threading.Thread(target=self.devices)
        answered = 0
        thread.start()
        while thread.is_alive():
            libvirt_qemu.qemuMonitorCommand(domain, '{"execute":"query-status"}', 0)
            answered += 1
        thread.join()
        self.assertEqual(len(self.cache_files()), 1)
        self.assertGreater(answered, 5)

    def test_a_binary_that_is_gone(self):
        """After an upgrade a guest's QEMU has no name any more, but it answers.

        What it says is kept in no file.
        """
        self.restart_with_own_cache()
        path = self.virtpassd.path("bin/qemu-system-x86_64")
        os.mkdir(os.path.dirname(path))
        for name in ("lib", "share"):  # it looks beside its own directory
            os.symlink(f"/usr/{name}", self.virtpassd.path(name))
        shutil.copy(guest.EMULATOR, path)
        xml = guest.domain("gone").replace(guest.EMULATOR, path)
        self.through("create", self.file(xml))
        self.virtpassd.wait_session("gone")
        for name in self.cache_files():
            os.unlink(name)
        os.unlink(path)
        found = self.query(QUERY, {"name": "e1000"}, name="gone")
        self.assertEqual(found[0]["category"], "Network")
        self.assertEqual(self.cache_files(), [])

    # -- the tool -----------------------------------------------------------

    def tool(self, *args, code=0):
        result = virtpass("-c", self.virtpassd.uri, "devices", *args)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stderr if code else result.stdout

    def test_tool(self):
        lines = self.tool("g").splitlines()
        self.assertEqual(len(lines), len(self.devices()) + 1)
        self.assertRegex(lines[0], r"^DEVICE +ALIAS +BUS +CATEGORY +CREATABLE +DESCRIPTION$")
        self.assertRegex(self.tool("g", "--name", "i44*0FX*"),
                         r"(?m)^i440FX +- +PCI +\S+ +no +Host bridge$")
        text = self.tool("g", "--bus", "usb-bus", "--category", "network")
        self.assertRegex(text, r"(?m)^name +usb-net$")
        self.assertRegex(text, r"(?m)^creatable +yes$")
        self.assertRegex(text, r"(?m)^PROPERTY +TYPE +DEFAULT +DESCRIPTION$")
        self.assertRegex(text, r"(?m)^mac +str +- +Ethernet")
        self.assertEqual(json.loads(self.tool("g", "--json", "--name", "e1000")),
                         self.query(QUERY, {"name": "e1000"}))
        self.assertEqual(json.loads(self.tool("g", "--json", "--name", "none")), [])
        self.assertIn("no device type", self.tool("g", "--name", "none", code=1))
        self.assertIn("nobody", self.tool("nobody", code=1))


def process_with(text):
    """The one that has it on its command line."""
    pid, = (int(name) for name in os.listdir("/proc")
            if name.isdigit() and text in proctree.command_line(int(name)))
    return pid


def modules(pid):
    """Of QEMU's, in a process."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        return set(re.findall(r"/qemu/([\w-]+\.so)", file.read()))
