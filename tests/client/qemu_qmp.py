# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's own Python client, and its qmp-shell: on a domain's QMP socket and on a raw monitor of the
same guest, and nothing that they tell apart."""

import asyncio
import importlib.util
import os
import shutil
import unittest

from harness import guest
from harness.process import base_environment, run
from harness.real import RealGuests
from harness.snapshot import commandline

SHELL = "qmp-shell"

# Commands that leave nothing behind, good ones and others, in the shell's own syntax.
LINES = """\
query-status
query-version
query-name
no-such-command
qom-get path=/machine property=type
qom-get path=/machine
object-add qom-type=memory-backend-ram id=m0 size=1048576
object-add qom-type=memory-backend-ram id=m0 size=1048576
qom-get path=/objects/m0 property=size
object-del id=m0
object-del id=m0
netdev_add type=user id=n0 restrict=true
query-rx-filter name=none
netdev_del id=n0
blockdev-add driver=null-co node-name=b0 read-zeroes=true cache={"direct":true}
blockdev-del node-name=b0
stop
query-status
cont
transaction(
abort
)
not even = a command
"""

HUMAN_LINES = """\
info status
info name
no-such-command
object_add memory-backend-ram,id=m1,size=1M
info memdev
object_del m1
"""

CLIENTS = 8
COMMANDS = 50


class QemuQmp(RealGuests):
    @classmethod
    def setUpClass(cls):
        if not shutil.which(SHELL) or not importlib.util.find_spec("qemu"):
            raise unittest.SkipTest("there is no qmp-shell: python3-qemu-qmp is a package of "
                                    "Debian from 14 on")
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.raw = os.path.join(self.virtpassd.session_dir, "raw")
        self.start(after=commandline("-qmp", f"unix:{self.raw},server=on,wait=off"))
        self.ours = self.virtpassd.path("qmp", guest.uuid("g"))

    # -- qmp-shell ------------------------------------------------------------

    def shell(self, path, lines, *options):
        result = run([SHELL, *options, path], stdin=lines,
                     env=base_environment(HOME=self.virtpassd.dir))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout, result.stderr

    def same_shell(self, lines, *options):
        raw, ours = (self.shell(path, lines, *options) for path in (self.raw, self.ours))
        self.assertEqual(ours, raw)
        return ours[0]

    def test_shell(self):
        for options in ((), ("-v", "-p")):
            output = self.same_shell(LINES, *options)
            self.assertIn("Connected to QEMU", output)
            self.assertGreaterEqual(output.count("return"), 12)
            self.assertIn("no-such-command has not been found", output)

    def test_human_monitor_in_shell(self):
        self.assertIn("VM status: running", self.same_shell(HUMAN_LINES, "-H"))

    def test_added_commands_in_shell(self):
        self.assertIn('"return": []', self.shell(self.ours, "query-netdev\n")[0])

    # -- the client -----------------------------------------------------------

    def talk(self, conversation):
        """What a conversation comes to, raw and here: a coroutine function of a client."""
        from qemu.qmp import QMPClient

        async def hold(path):
            client = QMPClient("test")
            await client.connect(path)
            try:
                return await asyncio.wait_for(conversation(client), 60)
            finally:
                await client.disconnect()

        raw, ours = (asyncio.run(hold(path)) for path in (self.raw, self.ours))
        self.assertEqual(ours, raw)
        return ours

    def test_client(self):
        from qemu.qmp import ExecuteError

        async def conversation(client):
            greeting = client.greeting._asdict()
            record = [greeting, await client.execute("query-name")]
            for name, arguments in (("no-such", None), ("stop", {"a": 1}), ("getfd", None),
                                    ("getfd", {"fdname": "f"}), ("closefd", {"fdname": "f"})):
                try:
                    record.append(await client.execute(name, arguments))
                except ExecuteError as error:
                    record.append([error.error_class, str(error)])
            client.send_fd_scm(0)
            record.append(await client.execute("getfd", {"fdname": "f"}))
            record.append(await client.execute("closefd", {"fdname": "f"}))
            record.append(await client.execute_msg({"execute": "query-name", "id": "mine"}))
            return record

        record = self.talk(conversation)
        self.assertEqual(record[1], {"name": "g"})
        self.assertEqual(record[2][0], "CommandNotFound")
        self.assertEqual(record[-1], {"name": "g"})

    def test_events(self):
        async def conversation(client):
            names = []
            with client.listener() as listener:
                for command in ("stop", "cont", "system_reset"):
                    await client.execute(command)
                async for event in listener:
                    names.append((event["event"], event.get("data")))
                    if event["event"] == "RESET":
                        return names

        names = self.talk(conversation)
        self.assertEqual([name for name, _ in names][:2], ["STOP", "RESUME"])

    def test_many_at_once(self):
        """As no raw monitor can: each with many commands under way"""
        from qemu.qmp import QMPClient

        async def one(number):
            client = QMPClient(str(number))
            await client.connect(self.ours)
            names = await asyncio.gather(*(client.execute("query-name") for _ in range(COMMANDS)))
            await client.disconnect()
            return names

        async def all_of_them():
            return await asyncio.gather(*map(one, range(CLIENTS)))

        self.assertEqual(asyncio.run(all_of_them()), [[{"name": "g"}] * COMMANDS] * CLIENTS)


if __name__ == "__main__":
    unittest.main()
