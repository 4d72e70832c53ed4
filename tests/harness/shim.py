# SPDX-License-Identifier: LGPL-2.1-or-later
"""The emulator shim as libvirt would find it: a link to it in a tree that says which emulator it
stands for (src/plan/shim.c). The tree has a lasting place in the build directory, for libvirtd's
findings about an emulator are kept by its path."""

import json
import os

from harness import guest
from harness.virtpassd import lasting_directory, program

VARIABLE = "VIRTPASS_PLAN"


def path(emulator=guest.EMULATOR, below=None, tree="virtpass-emulators"):
    """The shim's path for this emulator; made if it is not there."""
    link = f"{below or lasting_directory()}/{tree}{emulator}/virtpass-emulator"
    target = program("VIRTPASS_EMULATOR")
    os.makedirs(os.path.dirname(link), exist_ok=True)
    temporary = f"{link}.{os.getpid()}"
    os.symlink(target, temporary)
    os.rename(temporary, link)
    return link


def plan(*steps, emulator=guest.EMULATOR, types=()):
    return json.dumps({"version": 1, "emulator": emulator, "steps": list(steps),
                       "types": list(types)})


def alter(option, *actions, number=1, **more):
    return {"alter": option, "number": number, "actions": list(actions), **more}
