# SPDX-License-Identifier: LGPL-2.1-or-later
"""Figures as a table for people and as JSON for programs."""

import os
import platform
import statistics
import subprocess
from dataclasses import dataclass, field

COLUMNS = ("raw QMP", "virtpassd", "libvirtd")


@dataclass
class Check:
    """A value and, where there is one, the limit it should keep."""
    text: str                # how it is shown, with {} for the value
    values: list             # one for each repetition
    at_most: float = None
    at_least: float = None
    above: str = None        # of a ratio: what is divided by what
    below: str = None

    @property
    def value(self):
        return statistics.median(self.values)

    @property
    def target(self):
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        return f">= {self.at_least:g}" if self.at_least is not None else ""

    @property
    def met(self):
        """True, False, or None without a target."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.value >= self.at_least if self.at_least is not None else None

    def as_dict(self):
        return {"ratio_of": [self.above, self.below] if self.above else None,
                "value": self.value, "least": min(self.values), "most": max(self.values),
                "target": self.target or None, "met": self.met}


@dataclass
class Figure:
    title: str
    unit: str
    values: dict                                 # column -> median
    checks: list = field(default_factory=list)
    samples: object = None                       # what the medians are of, as it was measured

    def as_dict(self):
        return {"title": self.title.strip(), "unit": self.unit, "medians": self.values,
                "checks": [check.as_dict() for check in self.checks], "samples": self.samples}


def number(value):
    """Three figures or so are all that means anything."""
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def cells(figures):
    """The rows of the table: a figure has a line for each of its checks, at least one."""
    yield ["", "", *COLUMNS, "ratio", "target", "met"]
    for figure in figures:
        left = [figure.title, figure.unit, *(number(figure.values.get(c)) for c in COLUMNS)]
        for check in figure.checks or [None]:
            right = ["", "", ""]
            if check:
                met = {True: "yes", False: "NO", None: ""}[check.met]
                right = [check.text.format(check.value), check.target, met]
            yield left + right
            left = [""] * len(left)


def table(figures):
    rows = list(cells(figures))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        texts = [text.rjust(width) if 2 <= i < 2 + len(COLUMNS) else text.ljust(width)
                 for i, (text, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(texts).rstrip())
    lines.insert(1, "-" * max(len(line) for line in lines))
    return "\n".join(lines)


def _first_line(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL).stdout.partition("\n")[0]


def _processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def machine():
    return {"processors": os.cpu_count(), "processor": _processor(),
            "kernel": platform.release(),
            "qemu": _first_line("qemu-system-x86_64", "--version"),
            "libvirtd": _first_line("libvirtd", "--version")}


def heading(document):
    told, settings = document["machine"], document["settings"]
    load = document["load"]
    return (f"{told['processors']} processors ({told['processor']}), Linux {told['kernel']}\n"
            f"{told['qemu']}; {told['libvirtd']}\n"
            f"load average {load['before']:.2f} before, {load['after']:.2f} after; "
            f"{document['seconds']:.0f} s\n"
            f"medians of {settings['repetitions']} repetitions of {settings['burst_ms']} ms "
            f"each, of {settings['starts']} starts")
