/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The name of a procedure as libvirt's protocol has it, without the program's
 * prefix ("DOMAIN_GET_XML_DESC"). NULL when it is younger than our table or the
 * program is none that we know: such messages are forwarded all the same.
 */
const char *vp_procedure_name(guint32 program, gint32 procedure);
