# SPDX-License-Identifier: LGPL-2.1-or-later
"""A definition names where the socket of its session is; virtpassd's loop waits for no place."""

import os

from harness import guest, upstream
from harness.scripted import Scripted
from harness.silent_mount import silent_mount


class Silent(Scripted):
    """As defined at libvirtd itself, past virtpassd: the path is its author's"""

    def test_directory_that_does_not_answer(self):
        directory = os.path.join(self.dir, "far")
        os.mkdir(directory)
        client = self.client()
        words = upstream.session_words(directory, guest.uuid("g"))
        with silent_mount(self, directory):
            self.upstream.add("g", guest.domain("g", after=words), 1, upstream.STARTED)
            for _ in range(20):
                self.works(client)
                self.works(self.client())
