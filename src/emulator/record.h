/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * What the shim did, as JSON in the file VP_SHIM_RECORD:
 *
 *     {"version":1,
 *      "generated":[the words that libvirt started it with, the program first],
 *      "altered":[the words of the guest's QEMU],
 *      "warnings":[sentences about alterations with required='no' that found nothing]}
 */
#define VP_RECORD_VERSION 1

char *vp_record_text(char *const *generated, char *const *altered, const GPtrArray *warnings);

/* A file that only its owner may read and that was not there before. */
bool vp_record_write_file(const char *path, const char *text, GError **error);
