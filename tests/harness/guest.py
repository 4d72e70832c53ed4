# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests for tests: TCG, little memory, firmware only, so that they start within a second."""

import uuid as uuids

QEMU_NS = "http://libvirt.org/schemas/domain/qemu/1.0"
EMULATOR = "/usr/bin/qemu-system-x86_64"

# Where names of guests get their uuids from: the same in every run.
_SPACE = uuids.UUID("6f0c2d3e-3a47-4d8b-9c1c-7a5e14a2b3c4")


def uuid(name):
    return str(uuids.uuid5(_SPACE, name))


def domain(name, *, devices="", before="", after="", memory=32, uuid_text=None, boot="hd"):
    """Domain XML. before: elements ahead of <os>; after: elements behind <devices>, where
    qemu: elements go."""
    space = f" xmlns:qemu='{QEMU_NS}'" if "<qemu:" in after else ""
    return f"""<domain type='qemu'{space}>
  <name>{name}</name>
  <uuid>{uuid_text or uuid(name)}</uuid>
{before}  <memory unit='MiB'>{memory}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <boot dev='{boot}'/>
  </os>
  <features><acpi/></features>
  <devices>
    <emulator>{EMULATOR}</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
{devices}  </devices>
{after}</domain>
"""


def session_attribute(value=None):
    """The element that asks for a session."""
    return "<qemu:monitorpassthrough" + (f" session='{value}'" if value else "") + "/>\n"


def disk(path, kind="qcow2", target="hda", bus="ide"):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='{kind}'/>"
            f"<source file='{path}'/><target dev='{target}' bus='{bus}'/></disk>\n")


def vnc(path):
    return (f"<graphics type='vnc' socket='{path}'/>"
            "<video><model type='vga'/></video>\n")


def boot_sector(text):
    """A disk image of one sector, which writes the text to COM1 and then echoes what comes there.

    Between two looks at the port it halts until the next timer tick, to leave the processor to
    the other tests.
    """
    code = bytes.fromhex(
        "31c0 8ed8"       # xor ax,ax; mov ds,ax
        "be 2c7c"         # mov si,text
        "ac 84c0 7406"    # next: lodsb; test al,al; jz echo
        "ba f803 ee"      # mov dx,0x3f8; out dx,al
        "ebf5"            # jmp next
        "fb f4"           # echo: sti; hlt
        "ba fd03 ec a801 74f6"      # poll: mov dx,0x3fd; in al,dx; test al,1; jz echo
        "ba f803 ec ee"   # mov dx,0x3f8; in al,dx; out dx,al
        "ebf1"            # jmp poll
        .replace(" ", ""))
    start = 0x2c
    assert len(code) <= start
    sector = code.ljust(start, b"\x90") + text.encode("ascii") + b"\0"
    return sector.ljust(510, b"\0") + b"\x55\xaa"


def acpi_sector():
    """A disk image of one sector: a guest that says R on COM1 and goes down when its power button
    is pressed."""
    code = bytes.fromhex(
        "31c0 8ed8"       # xor ax,ax; mov ds,ax
        "ba 0206 b8 0001 ef"        # mov dx,0x602; mov ax,0x100; out dx,ax (button enabled)
        "ba f803 b0 52 ee"          # mov dx,0x3f8; mov al,'R'; out dx,al
        "fb f4"           # wait: sti; hlt
        "ba 0006 ed a9 0001 74f5"   # mov dx,0x600; in ax,dx; test ax,0x100; jz wait
        "ba 0406 b8 0020 ef"        # mov dx,0x604; mov ax,0x2000; out dx,ax (soft off)
        "ebfe"            # jmp $
        .replace(" ", ""))
    return code.ljust(510, b"\x90") + b"\x55\xaa"
