# SPDX-License-Identifier: LGPL-2.1-or-later
"""All of QEMU's events that a stock client gets."""

import re
import time

from harness import limits

# More than any of these guests sends.
ALL_EVENTS = ("monitor-events", "1000", "-", "-", "0")

# A guest's memory is saved in as many passes as the machine's load makes of it, and firmware that
# was reset halfway resets itself, once or twice.
ANY_NUMBER = re.compile(r": MIGRATION_PASS |guest-reset")

# A second copy of an event has come by then, for libvirtd passes it on within milliseconds.
QUIET_SECONDS = 1


def quiet(client):
    """All that it has printed, once nothing more comes."""
    seen, since = -1, time.monotonic()

    def nothing_new():
        nonlocal seen, since
        if len(client.lines) != seen:
            seen, since = len(client.lines), time.monotonic()
        return time.monotonic() - since > limits.seconds(QUIET_SECONDS)
    limits.poll_until(nothing_new, "no more events come", timeout=limits.TEST_SECONDS)
    return [line.replace(" ", "") for line in client.lines
            if line != "ready" and not ANY_NUMBER.search(line)]


def shutdowns(lines):
    return [line for line in lines if ":SHUTDOWN" in line]
