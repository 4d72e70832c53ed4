# SPDX-License-Identifier: LGPL-2.1-or-later
"""Threads of a process that stand still for a while, as if what they wait for did not come."""

import contextlib
import ctypes
import os

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
libc.ptrace.restype = ctypes.c_long


def _ptrace(request, tid):
    if libc.ptrace(request, tid, None, None) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _threads(pid, name):
    for tid in map(int, os.listdir(f"/proc/{pid}/task")):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="utf-8") as file:
            if file.read().strip() == name:
                yield tid


@contextlib.contextmanager
def frozen(test, pid, name):
    """The threads of that name; the test is skipped where no process may be traced."""
    tids = list(_threads(pid, name))
    test.assertNotEqual(tids, [], f"no thread is called {name}")
    stopped = []
    try:
        for tid in tids:
            try:
                _ptrace(SEIZE, tid)
            except OSError as error:
                test.skipTest(f"processes cannot be traced here: {error}")
            stopped.append(tid)
            _ptrace(INTERRUPT, tid)
            os.waitpid(tid, WALL)
        yield
    finally:
        for tid in stopped:
            _ptrace(DETACH, tid)
