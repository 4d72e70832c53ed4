# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file system whose server answers nothing, as a share does whose host has gone."""

import contextlib
import ctypes
import os

DEVICE = "/dev/fuse"
MNT_DETACH = 2

libc = ctypes.CDLL(None, use_errno=True)


def _check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@contextlib.contextmanager
def silent_mount(test, directory):
    """Who looks at something in the directory waits until the end, and finds nothing then."""
    if os.geteuid() != 0:
        test.skipTest("only root can mount a file system")
    if not os.path.exists(DEVICE):
        test.skipTest(f"there is no {DEVICE} to make a file system with that does not answer")
    fd = os.open(DEVICE, os.O_RDWR)
    try:
        options = f"fd={fd},rootmode=40000,user_id=0,group_id=0"
        _check(libc.mount(b"silent", os.fsencode(directory), b"fuse", 0, options.encode()))
    except OSError as error:
        os.close(fd)
        test.skipTest(f"no file system can be mounted here: {error}")
    try:
        yield
    finally:
        os.close(fd)  # ends all that wait
        _check(libc.umount2(os.fsencode(directory), MNT_DETACH))
