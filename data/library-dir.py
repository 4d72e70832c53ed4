#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Says where the shared library is to be installed.

    library-dir.py PREFIX LIBDIR [MULTIARCH]

LIBDIR is meson's choice, below PREFIX. On Debian meson takes lib64 when dpkg-architecture is not
there to be asked, and the dynamic linker never looks into that. Then it is the directory that the
compiler calls its own (gcc -print-multiarch), or lib.

Prints the directory, below PREFIX again, and on a second line "searched" when the dynamic linker
of this system finds libraries there, "not searched" when programs have to be told, and "unknown"
where there is no glibc to say.
"""

import os
import re
import subprocess
import sys

# As ldconfig lists what it searches, and what it would search if it were there.
SEARCHED = re.compile(r"^(?:\S*ldconfig\S*: Can't (?:stat|open directory) )?(/[^:\n]*):", re.M)


def searched():
    """The directories, or None."""
    environment = dict(os.environ, LC_ALL="C", PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    try:
        # Neither writes the cache nor makes links.
        result = subprocess.run(["ldconfig", "-N", "-X", "-v"], env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                                errors="replace")
    except OSError:
        return None
    return {os.path.realpath(path) for path in SEARCHED.findall(result.stdout)} or None


def choose(prefix, libdir, multiarch, paths):
    if paths is None:
        return libdir, "unknown"

    def found(directory):
        return os.path.realpath(os.path.join(prefix, directory)) in paths
    choices = [libdir]
    if libdir == "lib64":
        choices += [os.path.join("lib", multiarch)] * bool(multiarch) + ["lib"]
    for directory in choices:
        if found(directory):
            return directory, "searched"
    return libdir, "not searched"


print("\n".join(choose(*sys.argv[1:3], "".join(sys.argv[3:4]), searched())))
