/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/domain.h"

/* What is made of an author's elements: the content of a <commandline> of ours. */
typedef struct VpXmlMade {
    GPtrArray *words;     /* of char *: its <arg>s, but for the session's */
    GPtrArray *names;     /* of char *: its <env>s */
    GPtrArray *values;    /* of char *, beside names */
    const char *emulator; /* the real one where a shim stands for it, else NULL */
} VpXmlMade;

/*
 * The attributes by which it is known again, for our element in <metadata>: text that begins with
 * a space. @kept: the author's elements (VpXmlNode).
 */
char *vp_xml_made_attributes(const VpXmlMade *made, const GPtrArray *kept);

/* Looks for what the attributes say; VP_XML_MADE_INTACT: adds the nodes to @domain->ours. */
VpXmlMadeState vp_xml_made_find(VpXmlDomain *domain);

/* The path of the real emulator where a shim stands for it, else NULL. */
const char *vp_xml_made_emulator(const VpXmlDomain *domain);
