# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ports of 127.0.0.1 for servers that tests start."""

import socket


def free_port(kind=socket.SOCK_STREAM):
    """One that nobody has at the moment."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
