#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tell-prefix.sh PREFIX SBINDIR LIBDIR: the last words of "meson install". A build directory keeps
# the prefix that it was made with, whatever a later "meson setup" says, and meson says nothing of it.
# Nor does it show what an install script says that succeeds; so that goes where meson's own errors go.

tell() {
    echo "virtpassd is now $1/$2/virtpassd, its library is in $1/$3."
    [ "$1" != /usr ] || return 0
    cat << END
*** This build directory was made for the prefix $1, not for /usr: systemd and AppArmor may not look
*** there. For /usr make a new one: meson setup build-install --prefix=/usr
END
}

tell "$@" 2> /dev/null >> "/proc/$PPID/fd/2" || tell "$@"
