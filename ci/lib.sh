# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash

# What ./quickstart, ./check and ci/in-release share: telling what is done, and installing what
# ci/packages lists. To be sourced by bash with "set -euo pipefail"; needs nothing but a Debian
# base system.

ci_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# libvirtd lives in sbin, which ordinary users of Debian do not have in PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

say() {
    printf '==> %s\n' "$*"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# The comment that a script opens with is its help: everything from the line after "#!" and SPDX
# up to the first line that is no comment.
show_help() {
    awk 'NR <= 2 { next } !/^#/ { if (seen) exit; next } { seen = 1; sub(/^# ?/, ""); print }' "$1"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# proof_holds PROOF: is the command or file there?
proof_holds() {
    case $1 in
    /*) compgen -G "$1" > /dev/null ;;
    *) command -v "$1" > /dev/null ;;
    esac
}

# is_missing PACKAGE PROOF: a proof with "?" in front is missed only where apt knows the package.
is_missing() {
    case $2 in
    \?*) ! proof_holds "${2#?}" && [ -n "$(known_packages "$1" 2> /dev/null)" ] ;;
    *) ! proof_holds "$2" ;;
    esac
}

# missing_rows GROUP...: the rows of ci/packages, "PACKAGE PROOF", of what is missing.
missing_rows() {
    local group package proof

    while read -r group package proof; do
        case " $* " in
        *" $group "*) ! is_missing "$package" "$proof" || printf '%s %s\n' "$package" "$proof" ;;
        esac
    done < <(grep -v -e '^#' -e '^$' "$ci_dir/packages")
}

# known_packages PACKAGE...: those that this release can install.
known_packages() {
    LC_ALL=C apt-cache policy "$@" | awk '
        /^[^ ]/ { package = substr($1, 1, length($1) - 1) }
        $1 == "Candidate:" && $2 != "(none)" { print package }'
}

# apt must neither ask nor start services: libvirtd of the system is none of our business.
# A policy-rc.d says so where there is none yet, for as long as apt runs.
apt_install() {
    # shellcheck disable=SC2016 # the inner shell expands
    as_root env DEBIAN_FRONTEND=noninteractive bash -c '
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap "rm -f $policy" EXIT
            printf "#!/bin/sh\nexit 101\n" > "$policy"
            chmod 755 "$policy"
        fi
        apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0 "$@"
    ' apt_install "$@"
}

# need_packages GROUP...: installs what of these groups is missing, or dies and says what is.
need_packages() {
    local -a rows=() packages=() known=()

    mapfile -t rows < <(missing_rows "$@")
    [ ${#rows[@]} -gt 0 ] || return 0
    packages=("${rows[@]%% *}")
    if ! command -v apt-get > /dev/null; then
        die "missing: ${packages[*]} (names of Debian packages), and there is no apt-get"
    fi
    if [ "$(id -u)" != 0 ] && ! command -v sudo > /dev/null; then
        die "missing: ${packages[*]}; install them as root, or install sudo"
    fi
    say "Installing what is missing: ${packages[*]}"
    as_root apt-get update -q
    mapfile -t rows < <(missing_rows "$@") # again: what the release has is known only now
    packages=("${rows[@]%% *}")
    mapfile -t known < <(known_packages "${packages[@]}")
    if [ ${#known[@]} -gt 0 ]; then
        apt_install "${known[@]}"
    fi
    hash -r
    mapfile -t rows < <(missing_rows "$@")
    [ ${#rows[@]} -eq 0 ] || die "still missing after the installation: ${rows[*]}"
}

# setup_build DIR [OPTION...]: configures the build directory with these options, afresh if need be.
setup_build() {
    local dir=$1

    shift
    if [ -e "$dir/build.ninja" ] && meson setup --reconfigure "$dir" "$@" > /dev/null; then
        return 0
    fi
    rm -rf "$dir"
    meson setup "$dir" "$@"
}
