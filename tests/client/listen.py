#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A python client with libvirt's event loop: listens to two kinds of monitor events at once.

    listen.py URI NAME REGEXP FLAGS COUNT

Prints "ready" when both are registered, then each event, the registrations' numbers in front,
and ends after COUNT of them. FLAGS are those of the regular expression, 1 apart.
"""

import sys

import libvirt
import libvirt_qemu


def main(uri, name, regexp, flags, count):
    left = [int(count)]

    def arrived(_conn, domain, event, _seconds, _micros, details, which):
        print(f"{which} {domain.name()} {event} {details}", flush=True)
        left[0] -= 1

    libvirt.virEventRegisterDefaultImpl()
    connection = libvirt.open(uri)
    register = libvirt_qemu.qemuMonitorEventRegister
    ids = [register(connection, None, name, arrived, "first", 0),
           register(connection, None, regexp, arrived, "second", int(flags) | 1)]
    print("ready", flush=True)
    while left[0] > 0:
        libvirt.virEventRunDefaultImpl()
    for number in ids:
        libvirt_qemu.qemuMonitorEventDeregister(connection, number)
    print("deregistered", flush=True)
    connection.close()


main(*sys.argv[1:])
