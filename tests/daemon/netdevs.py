# SPDX-License-Identifier: LGPL-2.1-or-later
"""query-netdev, query-usernet and capture, with a guest that has every kind of netdev to be had."""

import json
import os
import signal
import socket
import struct
import subprocess
import threading
import unittest

from harness import guest, limits, upstream
from harness.ports import free_port
from harness.process import Process, run
from harness.real import RealGuests
from harness.virtpassd import program, virtpass


def arguments(*words):
    return ("<qemu:commandline>\n"
            + "".join(f"<qemu:arg value='{word}'/>\n" for word in words)
            + "</qemu:commandline>\n")


USER = """<interface type='user'>
  <mac address='52:54:00:12:34:5{0}'/><model type='{1}'/><alias name='ua-{2}'/>
  <address type='pci' slot='0x1{0}'/>
</interface>
"""


class VhostUser:
    """The other end of a vhost-user netdev: it answers what QEMU asks before any traffic."""

    FEATURES = 1 << 32 | 1 << 30  # version 1; protocol features can be asked for
    ANSWERS = {1: FEATURES, 15: 1, 17: 2}  # those; several queues; two of them

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        connection, _ = self.socket.accept()
        with connection, connection.makefile("rb") as file:
            while header := file.read(12):
                request, _, size = struct.unpack("<III", header)
                file.read(size)
                if request in self.ANSWERS:
                    connection.sendall(struct.pack("<IIIQ", request, 5, 8, self.ANSWERS[request]))

    def stop(self):
        """When QEMU is gone."""
        self.thread.join()
        self.socket.close()


class Netdevs(RealGuests):
    def make_tap(self, letter, *more):
        if os.geteuid() != 0:
            self.skipTest("taps need root")
        if not os.path.exists("/dev/net/tun"):
            self.skipTest("taps need /dev/net/tun")
        name = f"vp{os.getpid()}{letter}"
        made = subprocess.run(["ip", "tuntap", "add", "dev", name, "mode", "tap", *more],
                              capture_output=True, text=True, check=False)
        if made.returncode != 0:
            self.skipTest("no tap can be made here: " + made.stderr.strip())
        self.addCleanup(run, ["ip", "link", "delete", name])
        return name

    def netdevs(self, **options):
        return {netdev.get("device") or netdev["id"]: netdev
                for netdev in self.query("query-netdev", options or None)}

    def libvirt_and_commandline(self):
        """Every type that needs nothing from outside, NICs of several models, a hub."""
        self.tcp, self.udp = free_port(), free_port(socket.SOCK_DGRAM)
        # A test that finds a port taken is one test lost: sockets are unix ones where possible.
        stream = self.virtpassd.path("stream")
        devices = [
            ("user,id=nu,restrict=on,net=10.9.0.0/24,"
             f"hostfwd=tcp:127.0.0.1:{self.tcp}-10.9.0.20:22,hostfwd=udp::{self.udp}-:53",
             "e1000,netdev=nu,id=nic_user,addr=0x08"),
            ("user,id=only6,ipv4=off,ipv6=on", None),
            ("user,id=lone", None),
            ("hubport,id=hp0,hubid=0", "ne2k_pci,netdev=hp0,id=nic_hub,addr=0x09"),
            ("hubport,id=hp1,hubid=0,netdev=lone", None),
            (f"stream,id=st,server=on,addr.type=unix,addr.path={stream}", None),
            ("dgram,id=dgm,remote.type=inet,remote.host=230.0.0.2,remote.port=20749",
             "pcnet,netdev=dgm,addr=0x0a"),
            (f"socket,id=sl,listen=127.0.0.1:{free_port()}",
             "virtio-net-pci,netdev=sl,addr=0x0b"),
            ("socket,id=mc,mcast=230.0.0.1:20745", None),
            ("l2tpv3,id=l2,src=127.0.0.1,dst=127.0.0.1,udp=on,srcport=0,dstport=1,"
             "txsession=1,rxsession=1", None),
        ]
        words = []
        for netdev, device in devices:
            words += ["-netdev", netdev]
            if device:
                words += ["-device", device]
        words += ["-device", "rtl8139,id=nic_alone,addr=0x0c", "-nic", "user,model=e1000"]
        return arguments(*words)

    def test_every_kind(self):
        # At libvirtd itself: virtpassd would give the NIC of -nic and its back end names.
        self.define(how=self.plain,
                    devices=USER.format(1, "virtio", "one") + USER.format(2, "e1000e", "two"),
                    after=self.libvirt_and_commandline() + upstream.session_words(
                        self.virtpassd.session_dir, guest.uuid("g")))
        self.through("start", "g")
        self.virtpassd.wait_session("g")
        found = self.netdevs()

        # libvirt's own
        self.assertEqual(found["hostua-one"], {
            "device": "hostua-one", "type": "user", "peer": "ua-one",
            "peer-path": "/machine/peripheral/ua-one", "queues": 1,
            "info": {"net": "10.0.2.0", "restrict": False, "hostfwd": []}})
        self.assertEqual(found["hostua-two"]["peer"], "ua-two")

        self.assertEqual(found["nu"]["info"], {
            "net": "10.9.0.0", "restrict": True, "hostfwd": found["nu"]["info"]["hostfwd"]})
        self.assertCountEqual(found["nu"]["info"]["hostfwd"], [
            {"protocol": "tcp", "host-address": "127.0.0.1", "host-port": self.tcp,
             "guest-address": "10.9.0.20", "guest-port": 22},
            {"protocol": "udp", "host-port": self.udp, "guest-address": "10.9.0.15",
             "guest-port": 53}])
        self.assertEqual((found["nu"]["peer"], found["nu"]["peer-path"]),
                         ("nic_user", "/machine/peripheral/nic_user"))

        # on a hub
        self.assertEqual((found["lone"]["peer"], found["lone"]["hub"]), ("hp1", 0))
        self.assertNotIn("peer-path", found["lone"])
        self.assertNotIn("hp0", found)

        # of nobody, or of a NIC without a name
        self.assertNotIn("peer", found["only6"])
        self.assertEqual(found["dgm"]["peer"], "pcnet.0")
        self.assertRegex(found["dgm"]["peer-path"], r"^/machine/peripheral-anon/device\[\d+\]$")
        self.assertEqual(found["dgm"]["info"], {"text": "mcast=230.0.0.2:20749"})
        self.assertEqual(found["sl"]["info"], {})
        self.assertEqual(found["st"]["type"], "stream")
        self.assertEqual(found["mc"]["info"], {"text": "socket: mcast=230.0.0.1:20745"})
        self.assertEqual(found["l2"]["type"], "l2tpv3")
        [nameless] = [netdev for name, netdev in found.items() if name.startswith("#net")]
        self.assertRegex(nameless["peer-path"], r"^/machine/unattached/device\[\d+\]$")

        # what it says is what QEMU's own text says
        self.assertEqual(len(found), 11)
        text = self.human("info network")
        for name, netdev in found.items():
            self.assertIn(f"{name}: index=0,type={netdev['type']},", text)

        self.flat_form(found)
        self.usernet(found)
        self.tool(found)

    def flat_form(self, found):
        flat = self.netdevs(flat=True)
        self.assertEqual(set(flat), set(found))
        self.assertCountEqual(flat["nu"].pop("hostfwd"), [
            {"str": f"tcp:127.0.0.1:{self.tcp}-10.9.0.20:22"},
            {"str": f"udp::{self.udp}-10.9.0.15:53"}])
        self.assertEqual(flat["nu"], {"id": "nu", "type": "user", "peer-id": "nic_user",
                                      "net": "10.9.0.0", "restrict": True})
        self.assertEqual(flat["dgm"], {"id": "dgm", "type": "dgram", "peer-id": "pcnet.0"})
        self.assertEqual(self.failure("query-netdev", {"flat": 1}), (
            "GenericError", "Invalid parameter type for 'flat', expected: boolean"))
        self.assertEqual(self.failure("query-netdev", {"device": "nu"}), (
            "GenericError", "Parameter 'device' is unexpected"))

    def usernet(self, found):
        stacks = {stack["device"]: stack for stack in self.query("query-usernet")}
        self.assertEqual(set(stacks), {name for name, netdev in found.items()
                                       if netdev["type"] == "user"})
        self.assertEqual(stacks["lone"]["hub"], 0)
        self.assertNotIn("hub", stacks["nu"])
        before = stacks["nu"]["connections"]
        self.assertEqual({row["state"] for row in before}, {"HOST_FORWARD"})
        with socket.create_connection(("127.0.0.1", self.tcp)):
            def connecting():
                [nu] = [s for s in self.query("query-usernet") if s["device"] == "nu"]
                return [row for row in nu["connections"] if row["state"] != "HOST_FORWARD"]
            [row] = limits.poll_until(connecting, "the connection is seen")
        self.assertEqual((row["protocol"], row["destination-address"], row["destination-port"]),
                         ("tcp", "10.9.0.20", 22))

    def tool(self, found):
        shown = virtpass("-c", self.virtpassd.uri, "netdevs", "g")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        for name, netdev in found.items():
            self.assertRegex(shown.stdout, f"(?m)^{name} +{netdev['type']} ")
        listed = virtpass("-c", self.virtpassd.uri, "netdevs", "g", "--json")
        self.assertEqual(json.loads(listed.stdout), list(found.values()))

    def test_hotplug_and_peers_that_go(self):
        self.start(devices=USER.format(1, "virtio", "one"))
        self.query("netdev_add", {"type": "user", "id": "hot"})
        self.assertNotIn("peer", self.netdevs()["hot"])
        self.query("device_add", {"driver": "e1000", "id": "nic_hot", "netdev": "hot",
                                  "addr": "0x8"})
        self.assertEqual(self.netdevs()["hot"]["peer"], "nic_hot")
        self.query("netdev_add", {"type": "user", "id": "other"})
        self.query("netdev_del", {"id": "other"})
        self.assertEqual(set(self.netdevs()), {"hostua-one", "hot"})

    def test_no_netdev(self):
        self.start()
        self.assertEqual(self.query("query-netdev"), [])
        self.assertEqual(self.query("query-usernet"), [])
        shown = virtpass("-c", self.virtpassd.uri, "netdevs", "g")
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))

    def test_taps(self):
        """Opened by QEMU, and by libvirt with several queues: the name is known in both cases"""
        one, several = self.make_tap("a"), self.make_tap("b", "multi_queue")
        self.start(
            devices=f"<interface type='ethernet'><target dev='{several}' managed='no'/>"
                    "<model type='virtio'/><driver queues='2'/><alias name='ua-mq'/></interface>\n",
            after=arguments("-netdev", f"tap,id=own,ifname={one},script=no,downscript=no"))
        found = self.netdevs()
        self.assertEqual(found["own"]["info"], {"ifname": one, "script": "no",
                                                "downscript": "no"})
        self.assertEqual(found["hostua-mq"]["queues"], 2)
        info = found["hostua-mq"]["info"]
        self.assertEqual(info["ifname"], several)
        self.assertEqual(len(info["fds"]), 2)
        flat = self.netdevs(flat=True)
        self.assertEqual(flat["hostua-mq"]["fds"], ":".join(map(str, info["fds"])))
        self.assertEqual(flat["own"]["ifname"], one)

    def test_vhost_user(self):
        """A process of its own behind it, with two queues"""
        self.start()
        path = self.virtpassd.path("vhost-user")
        other = VhostUser(path)
        self.addCleanup(other.stop)
        self.addCleanup(self.through, "destroy", "g")
        self.query("chardev-add", {"id": "c", "backend": {"type": "socket", "data": {
            "addr": {"type": "unix", "data": {"path": path}}, "server": False}}})
        self.query("netdev_add", {"type": "vhost-user", "id": "vu", "chardev": "c", "queues": 2})
        self.assertEqual(self.netdevs(), {"vu": {
            "device": "vu", "type": "vhost-user", "queues": 2,
            "info": {"chardev": "c"}}})

    # -- virtpass capture ----------------------------------------------------

    def capture(self, *args):
        log = self.virtpassd.path("capture.log")
        return Process([program("VIRTPASS"), "-c", self.virtpassd.uri, "capture", *args], log)

    def frames(self, path):
        """The packets in a pcap file: (length kept, length)."""
        with open(path, "rb") as file:
            data = file.read()
        self.assertEqual(struct.unpack_from("<I", data)[0], 0xa1b2c3d4)
        at, found = 24, []
        while at < len(data):
            found.append(struct.unpack_from("<II", data, at + 8))
            at += 16 + found[-1][0]
        return found

    def test_capture(self):
        """On, some traffic, off again: by Ctrl-C, SIGTERM, SIGKILL and the end of the guest"""
        port = free_port()
        self.start(devices=USER.format(1, "virtio", "one"),
                   after=arguments("-netdev", f"user,id=nu,hostfwd=tcp:127.0.0.1:{port}-:22",
                                   "-device", "e1000,netdev=nu,addr=0x8"))
        path = self.virtpassd.path("x.pcap")

        def filters():
            return [f["id"] for f in self.netdevs()["nu"].get("filters", [])]

        def begin(*more):
            before = len(filters())
            process = self.capture(*more, "g", "nu", path)
            limits.poll_until(lambda: len(filters()) > before, "the filter is there")
            return process

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = begin("--snaplen", "20")
            with socket.create_connection(("127.0.0.1", port)): # slirp asks who has the address
                limits.poll_until(lambda: os.path.getsize(path) > 24, "a packet is there")
            process.signal(number)
            self.assertEqual(process.wait(), 0, process.log_text())
            self.assertEqual(filters(), [])
            kept, whole = self.frames(path)[0]
            self.assertEqual(kept, 20)
            self.assertGreater(whole, 20)

        begin().kill()
        self.assertEqual(len(filters()), 1)
        self.assertEqual(virtpass("-c", self.virtpassd.uri, "capture", "--stop", "g",
                                  "nu").returncode, 0)
        self.assertEqual(filters(), [])

        for args, words in ((("g", "nix", path), "nix"), (("g", "nu", "/nix/x"), "/nix/x"),
                            (("g", "nu"), "expected"), (("--stop", "g", "nu", path), "expected"),
                            (("--snaplen", "-1", "g", "nu", path), "above 0"),
                            (("h", "nu", path), "'h'")):
            result = virtpass("-c", self.virtpassd.uri, "capture", *args)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(words, result.stderr)
        self.assertEqual(filters(), [])

        process = begin()
        self.through("destroy", "g")
        self.assertEqual(process.wait(), 0)
        self.assertIn("has ended", process.log_text())

    def test_filters(self):
        self.start(devices=USER.format(1, "virtio", "one"))
        path = self.virtpassd.path("x.pcap")
        self.query("object-add", {"qom-type": "filter-dump", "id": "f0", "netdev": "hostua-one",
                                  "file": path})
        [shown] = self.netdevs()["hostua-one"]["filters"]
        self.assertEqual((shown["id"], shown["type"]), ("f0", "filter-dump"))
        self.assertIn(f"file={path}", shown["text"])
        self.query("object-del", {"id": "f0"})
        self.assertNotIn("filters", self.netdevs()["hostua-one"])


if __name__ == "__main__":
    unittest.main()
