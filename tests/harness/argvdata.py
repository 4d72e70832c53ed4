# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cases of tests/qemuxml2argvdata, and command lines compared such that the result is the same
with every libvirt.

NAME.xml is a domain as its author writes it. NAME.args says how the command line that QEMU gets
differs from the one that libvirt generates for the domain without the author's elements:

    change -device net0         properties of an option that is there
      - "mac": "52:54:00:00:00:01"
      + "mac": "52:54:00:00:00:ff"
    remove -no-shutdown
    add -device {"driver":"lsi"}
      behind -msg timestamp=on
    environment A=b c
    file virtpass.conf          what -readconfig reads
      [object "o9"]
    warning ...

NAME.err is the error with which it ends instead. "..." at the end of a line stands for what
depends on the version of a library or on what else is on the command line.
VIRTPASS_TEST_REGENERATE=1 writes what has changed anew, for review.
"""

import difflib
import functools
import json
import os
import pathlib
import re
import shlex
import xml.etree.ElementTree as etree

from harness import guest

DIRECTORY = pathlib.Path(__file__).resolve().parent.parent / "qemuxml2argvdata"
REGENERATE = "VIRTPASS_TEST_REGENERATE" in os.environ

NAMESPACES = (guest.QEMU_NS, "http://qemu.org/schemas/qemu/1.0")
LIBVIRTS = [f"{{{guest.QEMU_NS}}}{name}" for name in ("capabilities", "deprecation", "override")]


def names():
    return sorted(path.stem for path in DIRECTORY.glob("*.xml"))


def file(name, suffix):
    return DIRECTORY / f"{name}.{suffix}"


def without_our_elements(name):
    """What plain libvirt would make of the document."""
    domain = etree.parse(file(name, "xml")).getroot()
    for child in list(domain):
        space = re.match(r"\{(.*)\}", child.tag)
        if space and space[1] in NAMESPACES and child.tag not in LIBVIRTS:
            domain.remove(child)
    return etree.tostring(domain, encoding="unicode")


# -- command lines -----------------------------------------------------------

def options(words):
    """[(option, value or None)] of the words behind the program."""
    found = []
    for word in words:
        if word.startswith("-") or not found or found[-1][1] is not None:
            found.append((word, None))
        else:
            found[-1] = (found[-1][0], word)
    return found


def parse(text):
    """Environment and options of a command line as libvirt writes it."""
    words = shlex.split(text.replace("\\\n", " "))
    program = next(i for i, word in enumerate(words) if not re.match(r"[A-Z_]+=", word))
    return words[:program], options(words[program + 1:])


@functools.cache
def properties(value):
    """{key: "key with value"} in the syntax of the value."""
    if value is None:
        return {}
    if value.startswith("{"):
        return {key: f"{json.dumps(key)}: {json.dumps(member)}"
                for key, member in json.loads(value).items()}
    parts = re.split(r"(?<!,),(?!,)", value.replace(",,", "\0"))
    parts = [part.replace("\0", ",,") for part in parts]
    return {part.split("=")[0] if "=" in part else "": part for part in parts}


def identity(option):
    """What tells instances of an option from one another."""
    name, value = option
    if value is None:
        return name
    known = properties(value)
    for key in ("id", "node-name", "qom-type", "driver"):
        if key in known:
            return f"{name} {re.split(': |=', known[key], maxsplit=1)[1]}".replace('"', "")
    return f"{name} {value.split(',')[0]}"


def as_text(option):
    return " ".join(word for word in option if word is not None)


def change(old, new):
    before, after = properties(old[1]), properties(new[1])
    yield f"change {identity(old)}"
    for key, text in before.items():
        if after.get(key) != text:
            yield f"  - {text}"
    for key, text in after.items():
        if before.get(key) != text:
            yield f"  + {text}"


def addition(all_options, position):
    yield f"add {as_text(all_options[position])}"
    yield "  behind " + (identity(all_options[position - 1]) if position else "the program")


def block(before, after, all_after, offset):
    """What became of some options in a row."""
    rest = list(before)
    for position, new in enumerate(after):
        old = next((option for option in rest if identity(option) == identity(new)), None)
        if not old:
            yield from addition(all_after, offset + position)
            continue
        yield from change(old, new)
        rest.remove(old)
    for old in rest:
        yield f"remove {identity(old)}"


def difference(before, after):
    """Lines that say how one list of options became the other."""
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind != "equal":
            yield from block(before[start:end], after[new_start:new_end], after, new_start)
