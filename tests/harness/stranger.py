# SPDX-License-Identifier: LGPL-2.1-or-later
"""A process that listens where a guest's QEMU should."""

import os
import subprocess
import sys

# Greets as QEMU does. To each line that it reads it says how many connections and bytes have come.
STRANGER = """
import contextlib, os, select, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
listener.listen(8)
print("listens", flush=True)
peers, count, connections = [], 0, 0
while True:
    for ready in select.select([listener, sys.stdin, *peers], [], [])[0]:
        if ready is listener:
            peers.append(listener.accept()[0])
            connections += 1
            with contextlib.suppress(OSError):
                peers[-1].send(b'{"QMP": {"version": {}, "capabilities": ["oob"]}}\\r\\n')
        elif ready is sys.stdin:
            if not sys.stdin.readline():
                sys.exit()
            print(connections, count, flush=True)
        else:
            data = b""
            with contextlib.suppress(OSError):
                data = ready.recv(65536)
            count += len(data)
            if not data:
                peers.remove(ready)
"""


class Stranger:
    """Another process than the guest's at the path of its socket."""

    def __init__(self, test, path):
        self.process = subprocess.Popen([sys.executable, "-c", STRANGER, path], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.path = path
        test.addCleanup(self.close)
        assert self.process.stdout.readline() == "listens\n"

    @property
    def pid(self):
        return self.process.pid

    def heard(self):
        """(connections, bytes)"""
        print(file=self.process.stdin, flush=True)
        return tuple(map(int, self.process.stdout.readline().split()))

    def close(self):
        """As when it ends."""
        if self.process.poll() is None:
            self.process.communicate()
            os.unlink(self.path)
