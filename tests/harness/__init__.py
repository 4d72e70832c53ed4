# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests in tests/client and tests/daemon share; see run.py for how they are run."""
