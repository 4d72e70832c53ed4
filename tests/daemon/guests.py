# SPDX-License-Identifier: LGPL-2.1-or-later
"""virtpassd with a real libvirtd and real guests: definitions, sessions, and what must survive."""

import json
import os
import re
import signal
import threading

import libvirt

from harness import guest, limits, proctree, rpc, xdr
from harness.libvirtd import Libvirtd, VirshFailed
from harness.process import run
from harness.real import RealGuests
from harness.virtpassd import virtpass

STATUS = '{"execute":"query-status"}'
ELEMENT = re.compile(r"<qemu:monitorpassthrough[^>]*>")


class Guests(RealGuests):
    def client(self):
        client = rpc.Client(self.virtpassd.sock, "qemu:///session")
        self.addCleanup(client.close)
        return client

    def words(self, name="g", uuid=None):
        """What plain libvirtd shows of ours, as one line each."""
        path = self.virtpassd.session_path(uuid or guest.uuid(name))
        return ["<qemu:arg value='-chardev'/>",
                f"<qemu:arg value='socket,id=virtpass-qmp,path={path},server=on,wait=off'/>",
                "<qemu:arg value='-mon'/>",
                "<qemu:arg value='chardev=virtpass-qmp,mode=control'/>"]

    def assert_words(self, xml, name="g", uuid=None, count=1):
        lines = [line.strip() for line in xml.split("\n")]
        for word in self.words(name, uuid):
            self.assertEqual(lines.count(word), count, f"{word} in\n{xml}")

    def assert_no_trace(self, xml):
        """What a reader through virtpassd gets has nothing of ours."""
        self.assertNotIn("virtpass", xml)

    def dedicated_reply(self, name="g"):
        """A reply that came over the session has no id of libvirtd's."""
        reply = self.through("qemu-monitor-command", name, STATUS)
        self.assertNotIn("libvirt-", reply)
        self.assertEqual(json.loads(reply)["return"]["running"], True)

    def shared_reply(self, name="g"):
        self.assertIn('"id":"libvirt-', self.through("qemu-monitor-command", name, STATUS))


class Definitions(Guests):
    def test_words_are_seen_by_plain_libvirtd_only(self):
        self.define()
        self.assert_words(self.plain("dumpxml", "g"))
        self.assert_no_trace(self.through("dumpxml", "g"))

    def test_upstream_form_is_stock_xml(self):
        """libvirtd validates it by its own schema and starts it by itself"""
        self.define(after=guest.session_attribute())
        self.plain("define", "--validate", self.file(self.plain("dumpxml", "g", "--inactive")))
        self.virtpassd.end()
        self.plain("start", "g")
        self.virtpassd.start()
        self.virtpassd.wait_session("g")
        self.dedicated_reply()

    def test_defining_what_was_dumped_changes_nothing(self):
        """Again and again, through virtpassd and around it"""
        self.define(after="<qemu:commandline><qemu:arg value='-name'/>"
                          "<qemu:arg value='debug-threads=on'/></qemu:commandline>\n")
        first, plain = self.through("dumpxml", "g"), self.plain("dumpxml", "g")
        for reader, writer in ((self.through, self.through), (self.plain, self.through),
                               (self.plain, self.plain)) * 2:
            writer("define", self.file(reader("dumpxml", "g", "--inactive", "--security-info")))
            self.assertEqual(self.through("dumpxml", "g"), first)
            self.assertEqual(self.plain("dumpxml", "g"), plain)
        self.assert_words(plain)

    def test_authors_own_words_stay(self):
        own = "<qemu:commandline>\n    <qemu:arg value='-name'/>\n    " \
              "<qemu:arg value='a,b'/>\n    <qemu:env name='N' value='V'/>\n  </qemu:commandline>"
        self.define(after="  " + own + "\n")
        self.assertIn(own, self.through("dumpxml", "g"))
        self.assert_words(self.plain("dumpxml", "g"))
        self.assertIn("<qemu:env name='N' value='V'/>", self.plain("dumpxml", "g"))

    def test_transient_guest(self):
        self.through("create", self.file(guest.domain("g")))
        self.virtpassd.wait_session("g")
        self.assert_words(self.plain("dumpxml", "g"))
        self.assert_no_trace(self.through("dumpxml", "g"))
        self.dedicated_reply()

    def test_uuid_that_libvirtd_chooses(self):
        """A definition without uuid"""
        xml = re.sub(r"  <uuid>.*</uuid>\n", "", guest.domain("g"))
        self.through("define", self.file(xml))
        self.through("start", "g")
        self.virtpassd.wait_session("g")
        self.assert_words(self.plain("dumpxml", "g"),
                          uuid=self.plain("domuuid", "g").strip())

    def test_renamed(self):
        self.define()
        self.through("domrename", "g", "h")
        self.through("start", "h")
        self.virtpassd.wait_session("h")
        self.assert_no_trace(self.through("dumpxml", "h"))

    def test_cloned_through_virtpassd(self):
        """Another name and uuid get another session"""
        self.start("g")
        xml = self.through("dumpxml", "g", "--inactive").replace(guest.uuid("g"), guest.uuid("h"))
        self.through("define", self.file(xml.replace("<name>g<", "<name>h<")))
        self.through("start", "h")
        self.virtpassd.wait_session("h")
        self.assert_words(self.plain("dumpxml", "h"), "h")
        self.dedicated_reply("h")
        self.dedicated_reply("g")

    def test_cloned_through_plain_libvirtd(self):
        """The copy carries the original's socket; neither is ever taken for the other"""
        self.start("g")
        self.through("destroy", "g")
        xml = self.plain("dumpxml", "g").replace(guest.uuid("g"), guest.uuid("h"))
        xml = (xml.replace("<name>g<", "<name>h<")
               .replace("virtpass-libvirt-" + guest.uuid("h"),
                        "virtpass-libvirt-" + guest.uuid("g")))
        self.plain("define", self.file(xml))
        self.plain("start", "h")
        self.own_names("h")
        self.through("start", "g")  # its QEMU takes the socket's name over
        self.own_names("g", "h")
        self.virtpassd.restart()
        self.virtpassd.wait_session("g")
        self.own_names("g", "h")
        self.assertEqual(self.virtpassd.sessions()["h"]["session"], "shared")

    def own_names(self, *names):
        for name in names:
            reply = self.through("qemu-monitor-command", name, '{"execute":"query-name"}')
            self.assertEqual(json.loads(reply)["return"]["name"], name)

    def test_snapshot_documents_have_no_trace(self):
        disk = self.virtpassd.path("disk.qcow2")
        run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "1M"])
        self.start(devices=guest.disk(disk))
        self.through("snapshot-create-as", "g", "s1")
        self.assert_no_trace(self.through("snapshot-dumpxml", "g", "s1"))
        self.assert_words(self.plain("snapshot-dumpxml", "g", "s1"), count=2)

    def test_managed_save_starts_by_plain_libvirtd(self):
        self.start()
        self.through("managedsave", "g")
        self.assert_no_trace(self.through("managedsave-dumpxml", "g"))
        self.assert_words(self.plain("managedsave-dumpxml", "g"))
        self.plain("start", "g")
        self.virtpassd.wait_session("g")
        self.dedicated_reply()


class Attribute(Guests):
    def elements(self):
        """What a reader sees of it; libvirtd writes quotes in its own way."""
        return ELEMENT.findall(self.through("dumpxml", "g").replace('"', "'"))

    def check(self, value, session, reply):
        element = guest.session_attribute(value).strip()
        self.define(after="  " + element + "\n")
        self.assertEqual(self.elements(), [element])
        self.through("start", "g")
        limits.poll_until(lambda: self.virtpassd.sessions()["g"]["session"] == session,
                          f"the session is {session}")
        self.assertEqual(self.virtpassd.sessions()["g"]["requested"], value or "dedicated")
        reply()
        self.assertEqual(self.elements(), [element])

    def test_nothing_said(self):
        self.check(None, "dedicated", self.dedicated_reply)

    def test_dedicated(self):
        self.check("dedicated", "dedicated", self.dedicated_reply)

    def test_shared(self):
        self.check("shared", "shared", self.shared_reply)
        self.assertNotIn("virtpass-qmp", self.plain("dumpxml", "g"))

    def test_none(self):
        """Refused, with the name of the domain"""
        def refused():
            for words in ((STATUS,), ("--hmp", "info status")):
                with self.assertRaises(VirshFailed) as caught:
                    self.through("qemu-monitor-command", "g", *words)
                self.assertIn("'g'", str(caught.exception))
        self.check("none", "none", refused)
        self.assertNotIn("virtpass-qmp", self.plain("dumpxml", "g"))
        self.assertEqual(self.through("domstate", "g").strip(), "running")

    def test_wrong_value(self):
        """An error that names element and value, and no definition"""
        with self.assertRaises(VirshFailed) as caught:
            self.define(after=guest.session_attribute("nonsense"))
        for word in ("monitorpassthrough", "session", "nonsense"):
            self.assertIn(word, str(caught.exception))
        self.assertEqual(self.plain("list", "--all", "--name").split(), [])
        self.define()

    def test_changed(self):
        self.define(after=guest.session_attribute("none"))
        for value, count in (("dedicated", 1), ("shared", 0), (None, 1), ("none", 0)):
            self.define(after=guest.session_attribute(value))
            self.assert_words(self.plain("dumpxml", "g"), count=count)
        self.define()
        self.assert_words(self.plain("dumpxml", "g"))
        self.assert_no_trace(self.through("dumpxml", "g"))
        self.assertEqual(self.elements(), [])


class NotAdded(Guests):
    """What a guest has that was started without a session and gets none while it runs"""

    # With QEMU 11.1 a monitor command would be what adds it.
    config = {"sessions": {"running_guests": "never"}}

    def test_definition_of_plain_libvirtd(self):
        """Left alone until somebody defines it through virtpassd"""
        self.define(how=self.plain)
        self.assertNotIn("virtpass", self.plain("dumpxml", "g"))
        self.plain("start", "g")
        self.shared_reply()
        self.assertEqual(self.virtpassd.sessions()["g"]["session"], "shared")
        self.plain("destroy", "g")
        self.through("edit", "g", env=dict(self.libvirtd.environment,
                                           EDITOR="sed -i s/32768/49152/"))
        self.assert_words(self.plain("dumpxml", "g"))
        self.through("start", "g")
        self.virtpassd.wait_session("g")
        self.dedicated_reply()


class Requested(Guests):
    config = {"sessions": {"dedicated_sessions": "requested"}}

    def test_only_who_asks(self):
        self.define("plain")
        self.define("asks", after=guest.session_attribute())
        self.assertNotIn("virtpass", self.plain("dumpxml", "plain"))
        self.assert_words(self.plain("dumpxml", "asks"), "asks")
        for name in ("plain", "asks"):
            self.through("start", name)
        self.virtpassd.wait_session("asks")
        self.dedicated_reply("asks")
        self.shared_reply("plain")

    def test_element_removed(self):
        """The words go with the element"""
        self.define(after=guest.session_attribute())
        self.define()
        self.assertNotIn("virtpass", self.plain("dumpxml", "g"))

    def test_reloaded_policy(self):
        """SIGHUP: from then on every domain"""
        self.virtpassd.configure({"sessions": {"dedicated_sessions": "all"}})
        self.virtpassd.process.signal(signal.SIGHUP)

        def defined():
            self.define()
            return "virtpass" in self.plain("dumpxml", "g")
        limits.poll_until(defined, "the new policy holds")


class Sessions(Guests):
    def test_stock_clients_use_it(self):
        self.start()
        self.dedicated_reply()
        entry = self.virtpassd.sessions()["g"]
        self.assertEqual((entry["session"], entry["oob"]), ("dedicated", True))
        self.assertGreater(entry["commands"], 0)

    def test_log_of_an_ordinary_life(self):
        """Connected, ready, over: no failure in it, whichever way the guest ends"""
        for end in ("destroy", "managedsave", "destroy"):
            before = len(self.virtpassd.process.log_text())
            self.start()
            self.through(end, "g")
            log = self.virtpassd.process.log_text()[before:]
            self.assertIn("g: QMP session negotiating -> ready", log)
            for word in ("connecting -> lost", "No such file", "warning"):
                self.assertNotIn(word, log)

    def test_ping(self):
        self.start()
        result = virtpass("-c", self.virtpassd.uri, "ping", "g")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotEqual(virtpass("-c", self.virtpassd.uri, "ping", "nobody").returncode, 0)

    def test_two_clients_share_one(self):
        self.start()
        clients = [self.client() for _ in range(3)]
        reference = clients[0].lookup("g")
        calls = [(client, client.post_monitor(reference, '{"execute":"query-name","id":%d}' % n))
                 for n in range(30) for client in clients]
        for index, (client, call) in enumerate(calls):
            reply = json.loads(xdr.Reader(client.reply(call).payload).string())
            self.assertEqual(reply, {"return": {"name": "g"}, "id": index // 3})
        self.assertEqual(self.virtpassd.sessions()["g"]["connections"], 1)

    def test_id_of_ones_own(self):
        """An error in libvirt, a matter of course here"""
        self.start()
        reply = self.through("qemu-monitor-command", "g", '{"execute":"query-name","id":"mine"}')
        self.assertEqual(json.loads(reply)["id"], "mine")

    def test_out_of_band(self):
        self.start()
        reply = self.through("qemu-monitor-command", "g", '{"exec-oob":"query-yank","id":1}')
        self.assertEqual(json.loads(reply)["id"], 1)
        self.assertIn("return", json.loads(reply))
        reply = self.through("qemu-monitor-command", "g", '{"exec-oob":"query-status","id":2}')
        self.assertIn("does not support OOB", json.loads(reply)["error"]["desc"])

    def test_several_descriptors(self):
        """Each add-fd takes one of those that came"""
        self.start()
        client = self.client()
        reference = client.lookup("g")
        with open("/dev/null", "rb") as file:
            for number in range(3):
                reply = json.loads(client.monitor(
                    reference, '{"execute":"add-fd","arguments":{"fdset-id":%d}}' % number,
                    fds=[file.fileno()] * 2))
                self.assertEqual(reply["return"]["fdset-id"], number)
        sets = json.loads(client.monitor(reference, '{"execute":"query-fdsets"}'))["return"]
        self.assertEqual(sorted(entry["fdset-id"] for entry in sets), [0, 1, 2])

    def test_no_taint_by_commands(self):
        """Through libvirtd's monitor each of them marks the guest and rewrites its status file"""
        self.start()
        self.dedicated_reply()
        self.assertNotIn("custom monitor", self.plain("dominfo", "g"))

    def test_started_by_plain_libvirtd(self):
        self.define()
        self.plain("start", "g")
        self.virtpassd.wait_session("g")
        self.dedicated_reply()

    def test_command_right_after_start(self):
        """A client is served by the session although it has only just been made"""
        self.define()
        for _ in range(3):
            self.through("start", "g")
            self.dedicated_reply()
            self.through("destroy", "g")

    def test_stale_socket_of_a_killed_qemu(self):
        self.start()
        os.kill(self.libvirtd.qemu_pid("g"), signal.SIGKILL)
        limits.poll_until(lambda: self.through("domstate", "g").strip() == "shut off", "g is off")
        self.through("start", "g")
        self.virtpassd.wait_session("g")
        self.dedicated_reply()


class Survival(Guests):
    def hammer(self, stop, counts, index):
        """A client under load, which takes the end of its connection as it comes."""
        try:
            with rpc.Client(self.virtpassd.sock, "qemu:///session") as client:
                reference = client.lookup("g")
                while not stop.is_set():
                    calls = [client.post_monitor(reference, STATUS) for _ in range(8)]
                    client.type()
                    for call in calls:
                        client.reply(call)
                        counts[index] += 1
        except (rpc.Closed, ConnectionError):
            return

    def test_kill_under_load(self):
        """kill -9 of virtpassd: guest and libvirtd go on, and everything answers after a restart"""
        self.start()
        qemu, libvirtd = self.libvirtd.qemu_pid("g"), self.libvirtd.process.pid
        for _ in range(3):
            stop, counts = threading.Event(), [0] * 6
            threads = [threading.Thread(target=self.hammer, args=(stop, counts, n))
                       for n in range(6)]
            for thread in threads:
                thread.start()
            limits.poll_until(lambda c=counts: min(c) > 50, lambda c=counts: f"load: {c}")
            self.virtpassd.kill()
            stop.set()
            for thread in threads:
                thread.join()
            self.assertEqual(self.libvirtd.qemu_pid("g"), qemu)
            self.assertTrue(proctree.alive(qemu) and proctree.alive(libvirtd))
            self.assertEqual(self.plain("domstate", "g").strip(), "running")
            self.assertIn("running", self.plain("qemu-monitor-command", "g", STATUS))
            self.virtpassd.start()
            self.virtpassd.wait_session("g")
            self.dedicated_reply()

    def test_qemu_killed_with_commands_outstanding(self):
        """Each client gets an error at once, naming the domain"""
        self.start()
        pid = self.libvirtd.qemu_pid("g")
        clients = [self.client() for _ in range(4)]
        reference = clients[0].lookup("g")
        os.kill(pid, signal.SIGSTOP)
        limits.poll_until(lambda: proctree.stopped(pid), "QEMU is stopped")
        calls = [(client, client.post_monitor(reference, STATUS))
                 for client in clients for _ in range(10)]
        self.assertEqual(clients[0].type(), "QEMU")
        os.kill(pid, signal.SIGKILL)
        for client, call in calls:
            with self.assertRaises(rpc.RpcError) as caught:
                client.reply(call, timeout=5)
            self.assertIn("'g'", caught.exception.message)
        for client in clients:
            self.assertEqual(client.type(), "QEMU")
        limits.poll_until(lambda: self.through("domstate", "g").strip() == "shut off", "g is off")
        code, _, message = clients[0].monitor_error(reference, STATUS)
        self.assertEqual((code, message),
                         (55, "Requested operation is not valid: domain is not running"))

    def test_stopped_qemu_makes_only_its_callers_wait(self):
        self.start("g")
        self.start("h")
        pid = self.libvirtd.qemu_pid("g")
        client, other = self.client(), self.client()
        stuck, free = client.lookup("g"), client.lookup("h")
        os.kill(pid, signal.SIGSTOP)
        self.addCleanup(os.kill, pid, signal.SIGCONT)
        limits.poll_until(lambda: proctree.stopped(pid), "QEMU is stopped")
        call = client.post_monitor(stuck, STATUS)
        for asker in (client, other):
            self.assertIn("running", asker.monitor(free, STATUS, timeout=5))
            self.assertEqual(asker.type(), "QEMU")
        quitter = self.client()
        quitter.post_monitor(stuck, STATUS)
        quitter.close()
        limits.stays(lambda: not client.aside, "no answer while QEMU is stopped")
        os.kill(pid, signal.SIGCONT)
        self.assertIn("running", xdr.Reader(client.reply(call).payload).string())

    def restarted(self, restart):
        self.start()
        connected = self.client()
        before = self.virtpassd.sessions()["g"]
        restart()
        self.assertTrue(connected.at_end())
        limits.poll_until(lambda: self.works_again(), "a new client is served")
        after = self.virtpassd.wait_session("g")
        self.assertEqual(after["connections"], before["connections"])
        self.dedicated_reply()
        self.define("new")
        self.through("start", "new")
        self.virtpassd.wait_session("new")

    def works_again(self):
        return self.through("list", "--name", check=False).stdout.split() == ["g"]

    def test_libvirtd_restarted(self):
        """Clients see what they see today, the session goes on over the same connection"""
        self.restarted(self.libvirtd.restart)

    def test_libvirtd_killed(self):
        def kill():
            self.libvirtd.kill()
            self.libvirtd.start()
        self.restarted(kill)

    def test_guest_ends_by_itself(self):
        self.start()
        with self.assertRaises(VirshFailed):
            self.through("qemu-monitor-command", "g", '{"execute":"quit"}')
            raise VirshFailed("whether a reply still comes is up to QEMU")
        limits.poll_until(lambda: "g" not in self.virtpassd.sessions(), "the session is gone")
        self.assertEqual(self.through("domstate", "g").strip(), "shut off")

    def test_many_starts_leave_nothing(self):
        self.start()
        self.through("destroy", "g")
        limits.poll_until(lambda: not self.virtpassd.sessions(), "the session is gone")
        before = self.virtpassd.descriptors()
        for _ in range(4):
            self.through("start", "g")
            self.virtpassd.wait_session("g")
            self.through("destroy", "g")
            limits.poll_until(lambda: not self.virtpassd.sessions(), "the session is gone")
        limits.poll_until(lambda: self.virtpassd.descriptors() <= before, "no descriptor is kept")


class Migration(Guests):
    def test_to_a_stock_libvirtd(self):
        """The destination has no virtpassd, and needs none"""
        other = Libvirtd("lw", host_uuid="5f0c37d4-91b0-4c1d-8f55-0e1d52f1a003")
        self.addCleanup(other.stop)
        other.start()
        self.start()
        for options in (["--live", "--persistent", "--undefinesource"],):
            self.through("migrate", "g", other.uri, "--migrateuri", "tcp://127.0.0.1", *options)
        self.assertEqual(other.virsh("domstate", "g").strip(), "running")
        # The client took the XML from one to the other: as its author wrote it.
        self.assertEqual(self.plain("list", "--all", "--name").split(), [])
        self.assertIn("running", other.virsh("qemu-monitor-command", "g", STATUS))
        other.virsh("destroy", "g")
        other.virsh("start", "g")
        self.assertEqual(other.virsh("domstate", "g").strip(), "running")

    def test_from_a_stock_libvirtd(self):
        other = Libvirtd("lw", host_uuid="5f0c37d4-91b0-4c1d-8f55-0e1d52f1a003")
        self.addCleanup(other.stop)
        other.start()
        other.virsh("create", self.file(guest.domain("g")))
        other.virsh("migrate", "g", self.virtpassd.uri, "--live", "--migrateuri",
                    "tcp://127.0.0.1")
        self.virtpassd.wait_session("g")
        self.dedicated_reply()
        self.assert_no_trace(self.through("dumpxml", "g"))


class Autostart(Guests):
    def test_flag(self):
        self.define()
        self.through("autostart", "g")
        connection = libvirt.open(self.libvirtd.uri)
        self.assertEqual(connection.lookupByName("g").autostart(), 1)
        connection.close()
        for directory, _, files in os.walk(self.libvirtd.dir):
            if "autostarted" in files:  # libvirtd's note that it has done so since the boot
                os.unlink(os.path.join(directory, "autostarted"))
        self.libvirtd.restart()
        limits.poll_until(lambda: self.plain("domstate", "g").strip() == "running",
                          "libvirtd starts it by itself")
        self.virtpassd.wait_session("g")
        self.dedicated_reply()


class Programs(Guests):
    def test_virtpass_at_libvirtd(self):
        """The tool says that it is not virtpassd that answers"""
        self.start()
        result = virtpass("-c", self.libvirtd.uri, "sessions")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("not virtpassd", result.stderr)

    def test_sessions_for_people(self):
        self.start()
        result = virtpass("-c", self.virtpassd.uri, "sessions")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"(?m)^g +dedicated +ready ")
