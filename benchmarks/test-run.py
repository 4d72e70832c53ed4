# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command `benchmarks/run`: that it works and shows every figure.

What the figures are is no test's business: they depend on the machine and on what else it does.
"""

import json
import os
import pathlib
import re
import signal
import tempfile
import unittest

from harness import leaks, limits, proctree
from harness.process import Process, base_environment, run

HERE = pathlib.Path(__file__).resolve().parent
BUILD = os.environ["VIRTPASS_BENCH_BUILD"]
COMMAND = [str(HERE / "run"), "--quick", "--build", BUILD,
           "--repetitions", "2", "--guests", "2", "--count", "20"]

# It starts a libvirtd, which may have to ask QEMU what it can.
RUN_SECONDS = 150

RAW, VIRTPASSD, LIBVIRTD = "raw QMP", "virtpassd", "libvirtd"
FORWARDER = "forwarder"
THREE = {RAW, VIRTPASSD, LIBVIRTD}

# Each figure: which ways it shows, and how many targets.
FIGURES = {
    "query-status, one client: p50": (THREE, 2),
    "query-qmp-schema, one client: p50": (THREE, 1),
    "16 clients, one domain (raw: one, 8 in flight)": (THREE, 1),
    "16 clients, 2 domains (raw: one for each)": (THREE, 0),
    "virDomainGetInfo, forwarded: p50": ({VIRTPASSD, LIBVIRTD, FORWARDER}, 1),
    "virDomainGetInfo, by a forwarder that only copies: p50": ({FORWARDER}, 0),
    "query-netdev, beside what it asks QEMU: p50": ({RAW, VIRTPASSD}, 0),
    "query-qtree, beside what it asks QEMU: p50": ({RAW, VIRTPASSD}, 0),
    "CPU for one query-status: QEMU's monitor thread": (THREE, 0),
    "CPU for one query-status: QEMU's other threads": (THREE, 0),
    "CPU for one query-status: virtpassd": (THREE, 0),
    "CPU for one query-status: libvirtd": (THREE, 0),
    "context switches: virtpassd": (THREE, 0),
    "QMP socket: query-status, one client: p50": ({RAW, VIRTPASSD}, 1),
    "QMP socket: query-qmp-schema, one client: p50": ({RAW, VIRTPASSD}, 1),
    "QMP socket: one client, 8 in flight": ({RAW, VIRTPASSD}, 1),
    "QMP socket: 64 clients (raw: one, 8 in flight)": ({RAW, VIRTPASSD}, 2),
    "QMP socket: memory per idle client, of 20": ({VIRTPASSD}, 1),
    "QMP socket: query-status beside 20 idle clients: p50": ({RAW, VIRTPASSD}, 1),
    "125 words, altered 10 times": ({VIRTPASSD}, 1),
    "starting a guest through virtpass-emulator": ({VIRTPASSD}, 1),
    "query-available-devices, beside what it asks QEMU: p50": ({RAW, VIRTPASSD}, 0),
    "what a QEMU can do, asked of a process": ({VIRTPASSD}, 1),
    "what a QEMU can do, from a file": ({VIRTPASSD}, 1),
    "what a QEMU can do, from memory": ({VIRTPASSD}, 1),
    "memory of virtpassd alone": ({VIRTPASSD}, 0),
    "memory per idle client, of 20": ({VIRTPASSD}, 1),
    "memory per idle session, of 20": ({VIRTPASSD}, 1),
    "memory per client that has used a session": ({VIRTPASSD}, 0),
    "attaching 20 sessions after a start": ({VIRTPASSD}, 1),
}


def is_positive(title):
    """Others may be 0: few clients find room in memory that is there already, and not every
    process has a part in every command; and what a start takes is not known so exactly."""
    return not title.startswith(("CPU", "context switches", "memory per", "starting",
                                 "QMP socket: memory"))


def environment():
    kept = {name: value for name, value in os.environ.items() if name.startswith("VIRTPASS_TEST_")}
    return base_environment(HOME="/", **kept)


class Run(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile(dir=leaks.root()) as file:
            cls.result = run([*COMMAND, "--json", file.name], env=environment(),
                             timeout=RUN_SECONDS)
            assert cls.result.returncode == 0, cls.result.stderr
            cls.document = json.load(file)
        cls.figures = {figure["title"]: figure for figure in cls.document["figures"]}

    def test_every_figure_is_measured(self):
        for title, (ways, _) in FIGURES.items():
            with self.subTest(title):
                medians = self.figures[title]["medians"]
                self.assertEqual(set(medians), ways)
                if is_positive(title):
                    self.assertGreater(min(medians.values()), 0)

    def test_targets_are_told_and_judged(self):
        for title, (_, count) in FIGURES.items():
            with self.subTest(title):
                aims = [check for check in self.figures[title]["checks"] if check["target"]]
                self.assertEqual(len(aims), count)
                for check in aims:
                    sign, limit = check["target"].split()
                    kept = {"<=": check["value"] <= float(limit),
                            ">=": check["value"] >= float(limit)}[sign]
                    self.assertIs(check["met"], kept)

    def test_every_repetition_is_in_the_json(self):
        samples = self.figures["query-status, one client: p50"]["samples"]
        for way in THREE:
            self.assertEqual([burst["repetition"] for burst in samples[way]], [0, 1])
            for burst in samples[way]:
                self.assertLessEqual(burst["min"], burst["p50"])
                self.assertLessEqual(burst["p50"], burst["p99"])
                self.assertLessEqual(burst["calls"], burst["sent"])

    def test_the_table_has_a_line_for_every_figure(self):
        lines = self.result.stdout.splitlines()
        for title, (_, count) in FIGURES.items():
            with self.subTest(title):
                line, = (line for line in lines if line.startswith(title))
                if count:
                    self.assertRegex(line, r"[<>]= [\d.]+ +(yes|NO)$")

    def test_the_machine_is_told(self):
        self.assertRegex(self.result.stdout, r"\d+ processors")
        self.assertRegex(self.result.stdout, r"load average [\d.]+ before, [\d.]+ after")


class Interrupted(unittest.TestCase):
    @limits.limit(RUN_SECONDS)
    def test_it_ends_all_that_it_started(self):
        log = os.path.join(leaks.root(), "log")
        process = Process(COMMAND, log, env=environment())
        limits.poll_until(lambda: "round trip" in process.log_text(), "guests run", RUN_SECONDS)
        lines = [proctree.command_line(pid) for pid in proctree.descendants(process.pid)]
        directory, = set(re.findall(r"/dev/shm/vpb-[^/ ]+", "\n".join(lines)))
        process.signal(signal.SIGTERM)
        self.assertEqual(process.wait(), 128 + signal.SIGTERM)
        os.unlink(log)
        self.assertFalse(os.path.exists(directory))
