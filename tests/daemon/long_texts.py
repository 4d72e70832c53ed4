# SPDX-License-Identifier: LGPL-2.1-or-later
"""Texts that are so long that they would hold up other clients: where they go instead."""

import contextlib
import json
import time

from harness import guest, limits, rpc, upstream
from harness.scripted import Scripted

STATUS = '{"execute":"query-status"}'

# Of a command that a session takes, of its bytes as JSON.
COMMAND_MAX = 1024 * 1024
HUMAN_MAX = COMMAND_MAX // 6

# XML that the loop's thread reads itself.
INLINE_XML_MAX = 32 * 1024

LIBVIRTS = "libvirt's monitor"


def filled(xml, size):
    """The definition with a description that makes it so long."""
    with_one = xml.replace("<uuid>", "<description>@</description><uuid>", 1)
    return with_one.replace("@", "d" * (size - len(with_one) + 1), 1)


class Commands(Scripted):
    def prepare(self):
        self.domain, self.server = self.guest("g", event=None)

    def setUp(self):
        super().setUp()
        self.virtpassd.wait_session("g")

    def forwarded(self):
        return len(self.upstream.select(lambda frame: (frame.prog, frame.proc) == (rpc.QEMU, 1)))

    def test_commands(self):
        """The longest that the session takes, and one byte more, which libvirtd gets"""
        client = self.client()
        for more in (0, 1, 3 * COMMAND_MAX):
            command = STATUS.ljust(COMMAND_MAX + more)
            reply = client.monitor(self.ref(self.domain), command)
            self.assertEqual(LIBVIRTS in reply, more > 0, reply)
        self.assertEqual(len(self.server.named("query-status")), 1)

    def test_commands_of_ours(self):
        """They go the same way, whatever their name"""
        client = self.client()
        command = '{"execute":"__org.virtpass_query-session"}'
        for more in (0, 1):
            reply = client.monitor(self.ref(self.domain), command.ljust(COMMAND_MAX + more))
            self.assertEqual("dedicated" in reply, more == 0, reply)
            self.assertEqual(self.forwarded(), more)

    def test_human_commands(self):
        client = self.client()
        for more in (0, 1):
            call = client.post_monitor(self.ref(self.domain), "\1" * (HUMAN_MAX + more), 1)
            with contextlib.suppress(rpc.RpcError):
                client.reply(call)
            self.assertEqual(self.forwarded(), more)
        sent = self.server.named("human-monitor-command")
        self.assertEqual([len(message["arguments"]["command-line"]) for message in sent],
                         [HUMAN_MAX])

    def test_domain_that_refuses_commands(self):
        """Long ones too"""
        xml = guest.domain("n", after=guest.session_attribute("none"))
        client = self.client()
        client.define(xml)
        domain = self.upstream.domains[guest.uuid("n")]
        self.upstream.start_domain(domain, 3)
        code, _, message = client.monitor_error(self.ref(domain), STATUS.ljust(COMMAND_MAX + 1))
        self.assertEqual(code, 29, message)
        self.assertEqual(self.forwarded(), 0)


class Definitions(Scripted):
    """What libvirtd tells us of guests that run, or may"""

    def start(self, name, number, size):
        server = self.qemu(name)
        xml = filled(self.session_xml(name), size)
        return self.upstream.add(name, xml, number, upstream.STARTED), server

    def test_session(self):
        """Whatever the length of its definition, a guest has its session"""
        for number, size in enumerate((INLINE_XML_MAX, INLINE_XML_MAX + 1, 4 * 1024 * 1024), 1):
            domain, _ = self.start(f"g{number}", number, size)
            self.virtpassd.wait_session(domain.name)
            reply = self.client().monitor(self.ref(domain), STATUS)
            self.assertEqual(json.loads(reply)["return"]["running"], True)

    def test_guest_that_ends_meanwhile(self):
        """While its definition is read, or asked for again"""
        domain, _ = self.start("g", 1, 4 * 1024 * 1024)
        for number in range(2, 12):
            self.upstream.wait_frame(lambda frame: frame.proc == rpc.DOMAIN_GET_XML)
            time.sleep(0.01 * (number % 4))
            self.upstream.stop_domain(domain)
            self.upstream.start_domain(domain, number)
        self.virtpassd.wait_session("g")
        reply = self.client().monitor(self.ref(domain), STATUS)
        self.assertEqual(json.loads(reply)["return"]["running"], True)

    def test_that_is_not_understood(self):
        domain = self.upstream.add("g", "<domain>" + "x" * INLINE_XML_MAX, 1, upstream.STARTED)
        limits.poll_until(
            lambda: "libvirtd's XML is not understood" in self.virtpassd.process.log_text(),
            "it is told")
        self.assertIn(LIBVIRTS, self.client().monitor(self.ref(domain), STATUS))

    def test_end_meanwhile(self):
        """An ordinary end, while one is read"""
        for number in range(1, 6):
            self.start(f"g{number}", number, 4 * 1024 * 1024)
        self.assertEqual(self.virtpassd.end(), 0)

