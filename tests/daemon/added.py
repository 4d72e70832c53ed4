# SPDX-License-Identifier: LGPL-2.1-or-later
"""The monitor commands that virtpassd answers beside QEMU, as stock clients see them."""

import json
import unittest

from harness import guest, limits, qmp, rpc, upstream, xdr
from harness.process import run
from harness.real import RealGuests
from harness.scripted import Scripted

STATUS = '{"execute":"query-status"}'
NETDEV = '{"execute":"query-netdev"}'
NETWORK = "n: index=0,type=nic,model=e1000,macaddr=0\r\n \\ u: index=0,type=tap,fd=3\r\n"
CALLS_MAX = 32


def text(frame):
    return xdr.Reader(frame.payload).string()


def returned(frame):
    return json.loads(text(frame))["return"]


class Talkative(qmp.Script):
    """A QEMU that answers what query-netdev asks."""

    native = ("query-status",)
    network = NETWORK

    def do_query_commands(self, _peer, _message):
        return {"return": [{"name": name} for name in self.native]}

    def do_human_monitor_command(self, _peer, message):
        assert message["arguments"]["command-line"] == "info network"
        return {"return": self.network}

    def do_qom_list(self, _peer, _message):
        return {"error": {"class": "DeviceNotFound", "desc": "nothing here"}}


class Turns(Scripted):
    """Order, fairness and ends, with a QEMU that says what the test wants."""

    def prepare(self):
        self.script = Talkative()
        self.domain, self.server = self.guest("g", script=self.script, event=None)

    def setUp(self):
        super().setUp()
        self.virtpassd.wait_session("g")

    def post(self, client, command):
        return client.post_monitor(self.ref(self.domain), command)

    def ask(self, client, command):
        return client.monitor(self.ref(self.domain), command)

    def still_good(self, client):
        self.assertIn("running", self.ask(client, STATUS))
        self.assertEqual(json.loads(self.ask(client, NETDEV))["return"][0]["device"], "u")

    def test_answered_in_turn(self):
        """Replies of a client come in the order of its commands, out-of-band ones excepted"""
        client = self.client()
        self.still_good(client)
        self.script.held = ("query-status", "qom-list")
        first = self.post(client, STATUS)
        added = self.post(client, NETDEV)
        last = self.post(client, '{"execute":"echo","arguments":{"mark":1}}')
        held = self.server.wait_command("query-status", 2)
        limits.stays(lambda: not self.server.named("echo")
                     and len(self.server.named("qom-list")) == 3, "the others wait")
        self.server.reply(held, {"return": "now"})
        self.assertEqual(returned(client.reply(first)), "now")
        questions = [self.server.wait_command("qom-list", n) for n in (4, 5, 6)]
        limits.stays(lambda: not self.server.named("echo"), "the last one waits")
        self.assertIn("return", self.ask(client, '{"exec-oob":"query-yank"}'))
        for question in questions:
            self.server.reply(question, {"return": []})
        self.assertEqual(returned(client.reply(added))[0]["device"], "u")
        self.assertEqual(returned(client.reply(last)), {"mark": 1})

    def test_others_are_not_held_up(self):
        """Who asks for a lot delays another by one question"""
        greedy, modest = self.client(), self.client()
        self.script.held = ("query-commands", "query-status", "human-monitor-command",
                            "qom-list")
        calls = [self.post(greedy, NETDEV) for _ in range(CALLS_MAX)]
        question = self.server.wait_command("query-commands")
        call = self.post(modest, STATUS)
        status = self.server.wait_command("query-status")
        self.server.reply(question, {"return": []})
        self.server.reply(status, {"return": "modest"})
        self.assertEqual(returned(modest.reply(call)), "modest")
        network = self.server.wait_command("human-monitor-command")
        lists = [self.server.wait_command("qom-list", number) for number in (1, 2, 3)]
        self.script.held = ()
        self.server.reply(network, {"return": NETWORK})
        for question in lists:
            self.server.reply(question, {"return": []})
        for call in calls:
            self.assertEqual(returned(greedy.reply(call))[0]["type"], "tap")

    def test_native_wins(self):
        """A QEMU that has a command of that name answers it, with the words that came"""
        self.script.native = ("query-status", "query-netdev")
        self.script.do_query_netdev = lambda _peer, message: {"return": message["arguments"]}
        client = self.client()
        for _ in range(2): # before and after it is known
            reply = self.ask(client, '{"execute":"query-netdev","arguments":{"x":[1]},"id":"q"}')
            self.assertEqual(json.loads(reply), {"return": {"x": [1]}, "id": "q"})
        self.assertEqual(len(self.server.named("query-commands")), 1)
        names = json.loads(self.ask(client, '{"execute":"query-commands"}'))["return"]
        self.assertEqual(names.count({"name": "query-netdev"}), 1)
        self.assertIn({"name": "query-qtree"}, names)

    def test_text_that_is_not_understood(self):
        """An error with the line in it, and the next is answered"""
        client = self.client()
        self.script.network = "something else\r\n"
        error = json.loads(self.ask(client, NETDEV))["error"]
        self.assertEqual(error["class"], "GenericError")
        self.assertIn("something else", error["desc"])
        self.script.network = NETWORK
        self.still_good(client)

    def test_netdevs_from_outside(self):
        """Those that need what most machines have not, with the texts that QEMU has for them"""
        self.script.network = (
            "br: index=0,type=tap,helper=(null),br=br0\r\n"
            "bh: index=0,type=tap,helper=/a,b/helper,br=br0\r\n"
            "th: index=0,type=tap,helper=/usr/lib/qemu/qemu-bridge-helper\r\n"
            "vd: index=0,type=vde,sock=/run/vde,fd=39\r\n"
            "tq: index=0,type=tap,ifname=tap1,script=no,downscript=no\r\n"
            "tq: index=0,type=tap,ifname=tap1,script=no,downscript=no\r\n")
        client = self.client()
        found = json.loads(self.ask(client, NETDEV))["return"]
        self.assertEqual([(netdev["device"], netdev["type"], netdev["queues"], netdev["info"])
                          for netdev in found], [
            ("br", "bridge", 1, {"br": "br0"}),
            ("bh", "bridge", 1, {"helper": "/a,b/helper", "br": "br0"}),
            ("th", "tap", 1, {"helper": "/usr/lib/qemu/qemu-bridge-helper"}),
            ("vd", "vde", 1, {"sock": "/run/vde", "fd": 39}),
            ("tq", "tap", 2, {"ifname": "tap1", "script": "no", "downscript": "no"})])
        flat = json.loads(self.ask(client, NETDEV[:-1] + ',"arguments":{"flat":true}}'))["return"]
        self.assertEqual(flat[0], {"id": "br", "type": "bridge", "br": "br0"})

    def test_session_lost(self):
        """An error that says so, for those that run and those that wait"""
        client = self.client()
        self.script.held = ("qom-list",)
        calls = [self.post(client, command) for command in (NETDEV, NETDEV, STATUS)]
        self.server.wait_command("qom-list", 3)
        self.server.drop()
        for call in calls:
            with self.assertRaisesRegex(rpc.RpcError, "lost before the reply"):
                client.reply(call)
        self.script.held = ()
        self.virtpassd.wait_session("g")
        self.still_good(client)

    def test_client_that_leaves(self):
        leaving, other = self.client(), self.client()
        self.script.held = ("qom-list",)
        self.post(leaving, NETDEV)
        questions = [self.server.wait_command("qom-list", n) for n in (1, 2, 3)]
        leaving.hang_up()
        self.script.held = ()
        for question in questions:
            self.server.reply(question, {"return": []})
        self.still_good(other)

    def test_many_at_a_time(self):
        """As many as a client may have commands"""
        client, other = self.client(), self.client()
        self.script.held = ("qom-list",)
        calls = [self.post(client, NETDEV) for _ in range(CALLS_MAX)]
        self.server.wait_command("qom-list", 3)
        self.script.held = ()
        for question in self.server.named("qom-list"):
            self.server.reply(question, {"return": []})
        for call in calls:
            self.assertEqual(returned(client.reply(call))[0]["device"], "u")
        self.still_good(other)

    def test_shared_monitor(self):
        """Without a session of its own a domain has QEMU's commands only"""
        plain = self.upstream.add("plain", number=7, event=upstream.STARTED)
        client = self.client()
        self.assertIn("libvirt's monitor", client.monitor(self.ref(plain), NETDEV))
        self.still_good(client)


class WithQemu(RealGuests):
    """With the QEMU of this machine."""

    def test_listed_with_qemus_own(self):
        self.start()
        names = [row["name"] for row in self.query("query-commands")]
        self.assertEqual(len(names), len(set(names)))
        ours = ["query-mtree", "query-netdev", "query-qtree", "query-usernet"]
        self.assertLess(names.index("query-status"), names.index(ours[0]))
        schema = {entry["name"]: entry for entry in self.query("query-qmp-schema")}
        self.assertEqual(len(schema), len(self.query("query-qmp-schema")))
        for name in ours:
            self.assertIn(name, names)
            command = schema[name]
            self.assertEqual(command["meta-type"], "command")
            self.assert_described(schema, command["arg-type"])
            self.assert_described(schema, command["ret-type"])
        self.assertEqual(schema[schema["query-netdev"]["arg-type"]]["members"],
                         [{"name": "flat", "type": "bool", "default": None}])

    def assert_described(self, schema, name):
        """The type and those that it is made of are in the schema."""
        entry = schema[name]
        self.assertIn(entry["meta-type"], ("object", "array", "builtin"))
        if entry["meta-type"] == "array":
            self.assert_described(schema, entry["element-type"])
        for member in entry.get("members", []):
            self.assert_described(schema, member["type"])

    def test_as_qemu_would(self):
        """Ids and errors have the form that QEMU gives its own"""
        self.start()
        for more in ({}, {"id": 7}, {"id": {"a": [1, None]}}, {"id": "ä\u0001"}):
            native = self.qmp("query-status", **more)
            added = self.qmp("query-netdev", **more)
            self.assertEqual(list(native), list(added))
            self.assertEqual(added.get("id"), more.get("id"))
            native = self.qmp("query-status", {"a": 1}, **more)
            added = self.qmp("query-netdev", {"a": 1}, **more)
            self.assertEqual(list(native.items()), list(added.items()))
        for command in ('{"execute":"query-netdev","foo":1}', '{"exec-oob":"query-netdev"}',
                        '{"execute":"query-netdev","arguments":[]}'):
            reply = json.loads(self.through("qemu-monitor-command", "g", command))
            self.assertIn("desc", reply["error"])
        self.assertEqual(self.failure("query-nothing"), (
            "CommandNotFound", "The command query-nothing has not been found"))
        version = '{"execute":"query-version"}'
        self.assertEqual(self.query("query-version"), json.loads(
            self.plain("qemu-monitor-command", "g", version))["return"])
        self.query("query-netdev")

    def test_what_lasts_survives_edits(self):
        """Through virtpassd, where nobody sees it, and around it: it is in <metadata>"""
        path = self.virtpassd.path("disk.qcow2")
        run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"])
        self.start(devices=guest.disk(path))
        for name in ("a", "b"):
            self.query("savevm", {"name": name})

        def parents():
            shots = {shot["name"]: shot for shot in self.query("query-snapshots")}
            return shots["b"]["parent"] == shots["a"]["uuid"]

        self.assertTrue(parents())
        self.assertIn("snapshots/1.0", self.plain("dumpxml", "g", "--inactive"))
        for form in ((), ("--inactive",)):
            self.assertNotIn("virtpass", self.through("dumpxml", "g", *form))
        for how in (self.through, self.plain):
            xml = how("dumpxml", "g", "--inactive").replace("<vcpu", "<title>t</title><vcpu")
            how("define", self.file(xml))
            self.through("destroy", "g")
            self.through("start", "g")
            self.virtpassd.wait_session("g")
            self.assertTrue(parents())

    def test_read_only_clients(self):
        """Who may not send monitor commands gets none of ours"""
        self.start()
        result = self.through("qemu-monitor-command", "g", NETDEV, check=False, readonly=True)
        self.assertNotEqual(result.returncode, 0)
        self.query("query-netdev")

    def test_python(self):
        self.start()
        connection = self.connection()
        self.assertEqual(self.python_qmp(connection, {"execute": "query-netdev"}), {"return": []})

    def count(self, value, key):
        """Objects that have the key, at any depth."""
        if isinstance(value, dict):
            return (key in value) + sum(self.count(item, key) for item in value.values())
        return sum(self.count(item, key) for item in value) if isinstance(value, list) else 0

    def test_trees_of_machines(self):
        """query-mtree and query-qtree have as many regions, devices and buses as QEMU's texts"""
        self.define()
        self.through("start", "g", "--paused") # firmware moves regions
        self.virtpassd.wait_session("g")
        for number in range(2):
            regions = self.query("query-mtree")
            said = self.human("info mtree -D")
            self.assertEqual(self.count(regions, "priority"), said.count(" (prio "))
            spaces = [name for tree in regions for name in tree.get("address-spaces", [])]
            self.assertEqual(len(spaces), said.count("address-space: "))
            self.assertIn("memory", spaces)
            buses = self.query("query-qtree")
            said = self.human("info qtree")
            self.assertEqual(self.count(buses, "devices"), said.count("bus: "))
            self.assertEqual(self.count(buses, "type") - self.count(buses, "devices"),
                             said.count("dev: "))
            self.assertEqual(self.count(buses, "value"), said.count(" = "))
            self.query("device_add", {"driver": "virtio-scsi-pci", "id": f"s{number}",
                                      "addr": str(10 + number)})


if __name__ == "__main__":
    unittest.main()
