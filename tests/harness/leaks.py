# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test leaves behind: processes, and entries of the temporary directory.

Watch() is made before setUp and asked after the cleanups. Daemons and guests that a whole file
shares are declared with share_process() or share_guest(), so that a test may restart them.
"""

import os
import time

from harness import limits, proctree

# Until a process that was told to end is gone.
GRACE_SECONDS = 5

_shared_pids = set()
_shared_words = set()


def supervisor():
    return int(os.environ["VIRTPASS_TEST_SUPERVISOR"])


def root():
    return os.environ["VIRTPASS_TEST_ROOT"]


def share_process(pid):
    _shared_pids.add(pid)


def share_guest(name):
    """The QEMU process of this guest belongs to the file, whichever test restarts it."""
    _shared_words.add(f" guest={name},")


def _is_shared(pid):
    if pid in _shared_pids:
        return True
    line = proctree.command_line(pid)
    return any(word in line for word in _shared_words)


class Watch:
    def __init__(self):
        self.processes = proctree.descendants(supervisor())
        self.entries = set(os.listdir(root()))

    def new_processes(self):
        now = proctree.descendants(supervisor()) - self.processes
        return [pid for pid in sorted(now) if not _is_shared(pid)]

    def problems(self):
        deadline = time.monotonic() + limits.seconds(GRACE_SECONDS)
        while self.new_processes() and time.monotonic() < deadline:
            time.sleep(0.02)
        found = [f"left behind: process {pid}: {proctree.command_line(pid)}"
                 for pid in self.new_processes()]
        found += ["left behind: " + os.path.join(root(), name)
                  for name in sorted(set(os.listdir(root())) - self.entries)]
        return found
