# SPDX-License-Identifier: LGPL-2.1-or-later
"""The installation that README.md describes, into a /usr and an /etc of the test's own.

In a mount namespace both are overlays, so what is installed runs from where it belongs, by the
machine's own dynamic linker, and the machine sees nothing of it. The checkout is a copy in which
./quickstart has been, and dpkg-architecture is not there to help meson, as on a new machine.
ci/install-by-readme does the rest, on a fresh system too (ci/in-release).
"""

import os
import shutil
import sys
import unittest

from harness import leaks, limits
from harness.process import base_environment, run

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHOOSE = os.path.join(SOURCE, "data/library-dir.py")

# Arguments: a directory, the source, a command.
ENTER = """
set -eu
mount -t tmpfs -o mode=755 install "$1"
for top in usr etc; do
    mkdir -p "$1/$top/upper" "$1/$top/work"
    mount -t overlay -o "lowerdir=/$top,upperdir=$1/$top/upper,workdir=$1/$top/work" overlay /$top
done
mount -t tmpfs -o mode=755 cache /var/cache
rm -f /usr/bin/dpkg-architecture
rm -rf /usr/local/*/*virtpass* /usr/*bin/virtpass* /usr/lib/virtpass* /usr/lib/*/libvirt-qemu-pass*
cp -a "$2" "$1/source"
cd "$1/source"
shift 2
exec "$@"
"""

# Builds only what is installed, which is half of it.
NINJA = """#!/bin/sh
targets=
if [ "$1" = -C ] && [ $# = 2 ]; then
    targets=$(meson introspect --targets "$2" | %s -c '
import json, os, sys
for target in json.load(sys.stdin):
    if target["installed"]:
        print(os.path.relpath(target["filename"][0], sys.argv[1]))' "$(realpath "$2")")
fi
exec %s "$@" $targets
""" % (sys.executable, shutil.which("ninja"))


def choose(*args, tools):
    """What library-dir.py says where these are the programs."""
    result = run([sys.executable, CHOOSE, *args], env=base_environment(PATH=tools))
    assert result.returncode == 0, result.stderr
    return result.stdout.split("\n")[:2]


class Base(unittest.TestCase):
    def setUp(self):
        self.dir = os.path.join(leaks.root(), "i")
        os.mkdir(self.dir)
        self.addCleanup(shutil.rmtree, self.dir)

    def program(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, 0o755)


class LibraryDirectory(Base):
    """Where the library goes, by what the dynamic linker says of itself."""

    LDCONFIG = """#!/bin/sh
echo "/sbin/ldconfig: Can't stat /usr/local/lib/some-linux-gnu: No such file or directory" >&2
echo "/sbin/ldconfig: Path \\`/usr/lib' given more than once" >&2
echo "/usr/local/lib: (from /etc/ld.so.conf.d/libc.conf:2)"
echo "	libx.so.1 -> libx.so.1.0"
echo "/usr/lib/some-linux-gnu: (from /etc/ld.so.conf.d/some-linux-gnu.conf:3)"
echo "/usr/lib: (from <builtin>:0)"
"""

    def choose(self, *args):
        self.program("ldconfig", self.LDCONFIG)
        return choose(*args, tools=self.dir)

    def test_searched_already(self):
        for libdir in ("lib", "lib/some-linux-gnu"):
            self.assertEqual(self.choose("/usr", libdir, "some-linux-gnu"), [libdir, "searched"])

    def test_lib64_that_nobody_searches(self):
        for prefix in ("/usr", "/usr/local"):
            self.assertEqual(self.choose(prefix, "lib64", "some-linux-gnu"),
                             ["lib/some-linux-gnu", "searched"])
            self.assertEqual(self.choose(prefix, "lib64", ""), ["lib", "searched"])
            self.assertEqual(self.choose(prefix, "lib64"), ["lib", "searched"])

    def test_lib64_that_is_searched(self):
        self.program("ldconfig", "#!/bin/sh\necho '/usr/lib64: (from <builtin>:0)'\n")
        self.assertEqual(choose("/usr", "lib64", "", tools=self.dir), ["lib64", "searched"])

    def test_other_places(self):
        """Elsewhere, or what somebody has chosen: it stays, and programs have to be told"""
        self.assertEqual(self.choose("/opt/x", "lib64", "some-linux-gnu"),
                         ["lib64", "not searched"])
        self.assertEqual(self.choose("/usr", "lib/own", "some-linux-gnu"),
                         ["lib/own", "not searched"])

    def test_nobody_to_ask(self):
        if shutil.which("ldconfig", path="/usr/sbin:/sbin"):
            self.program("ldconfig", "#!/bin/sh\nexit 1\n")
        self.assertEqual(choose("/usr", "lib64", "x", tools=self.dir), ["lib64", "unknown"])


class Readme(Base):
    def enter(self, source, *command):
        """Runs it behind the overlays, in a copy of the directory."""
        environment = base_environment(CFLAGS="-O0 -g0")
        environment["PATH"] = self.dir + ":" + environment["PATH"]
        mount = os.path.join(leaks.root(), "m")
        os.makedirs(mount, exist_ok=True)
        self.addCleanup(shutil.rmtree, mount, ignore_errors=True)
        return run(["unshare", "--mount", "sh", "-c", ENTER, "sh", mount, source, *command],
                   env=environment, timeout=800)

    def checkout(self):
        source = os.path.join(self.dir, "source")
        shutil.copytree(SOURCE, source, symlinks=True,
                        ignore=shutil.ignore_patterns("build*", ".git", "__pycache__", "corpus"))
        return source

    @limits.limit(850)
    def test_installs_what_runs(self):
        if os.geteuid() != 0:
            self.skipTest("only root can mount overlays")
        result = self.enter(self.dir, "true")
        if result.returncode != 0:
            self.skipTest(f"no overlays here: {result.stderr.strip()}")
        self.program("ninja", NINJA)
        result = self.enter(self.checkout(), "ci/install-by-readme", "--here")
        for line in result.stdout.split("\n"):
            if line.startswith("==>") or "***" in line:
                print("#", line)
        self.assertEqual(result.returncode, 0,
                         (result.stdout + result.stderr)[-4000:])
