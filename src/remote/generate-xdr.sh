#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# generate-xdr.sh RPCGEN INPUT.x OUTPUT.c
#
# rpcgen puts the path of its input into the generated #include. This makes the
# include the one that the rest of the source uses, and keeps the build
# directory's place out of the generated code.
set -eu
name=$(basename "$2" .x)
temporary=$3.tmp
trap 'rm -f "$temporary"' EXIT
rm -f "$temporary"
"$1" -M -c -o "$temporary" "$2"
sed "s|#include \".*$name.h\"|#include \"remote/$name.h\"|" "$temporary" > "$3"
