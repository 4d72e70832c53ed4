# SPDX-License-Identifier: LGPL-2.1-or-later
"""Time limits, in one place, so that a slower build (ASan) stretches all of them alike.

A test never sleeps for a fixed time to let something happen: it polls the condition with
poll_until(). The limits here are for what does *not* happen any more, so they may be generous.
"""

import os
import time

FACTOR = float(os.environ.get("VIRTPASS_TEST_TIME_FACTOR", "1"))

# One test, unless it says otherwise with @limit.
TEST_SECONDS = 60

# A condition that normally holds within milliseconds.
CONDITION_SECONDS = 15

# How long something must stay away before we believe that it does not come. Longer does not make
# a test sharper: what is looked for would have been there in a few milliseconds.
ABSENCE_SECONDS = 0.3


def seconds(value):
    return value * FACTOR


def limit(value):
    """Decorator: this test may take so many seconds."""
    def mark(function):
        function.time_limit = value
        return function
    return mark


class Timeout(AssertionError):
    pass


def poll_until(condition, what, timeout=CONDITION_SECONDS):
    """Calls condition() until its result is true, and returns that result.

    what: the condition in words, or a function that returns them when it did not come true.
    """
    deadline = time.monotonic() + seconds(timeout)
    pause = 0.001
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            words = what() if callable(what) else what
            raise Timeout(f"{words}: not within {seconds(timeout):g} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def stays(condition, what, duration=ABSENCE_SECONDS):
    """Fails when condition() becomes false within the duration."""
    deadline = time.monotonic() + seconds(duration)
    while time.monotonic() < deadline:
        if not condition():
            raise AssertionError(f"{what}: no longer")
        time.sleep(0.01)
