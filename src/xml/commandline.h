/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/plan.h"
#include "xml/index.h"

/* What of a <commandline> is more than libvirt's business. */
typedef enum VpXmlCommandlineKind {
    VP_XML_STOCK,         /* nothing */
    VP_XML_STOCK_DEVICES, /* devices are added or set, in words as libvirt has them */
    VP_XML_EXTENDED,      /* elements that only we know */
} VpXmlCommandlineKind;

VpXmlCommandlineKind vp_xml_commandline_kind(const VpXmlNode *commandline);

/*
 * Appends its words and alterations to @plan and its <env> (VpXmlNode) to @env; the nodes in @skip
 * (may be NULL) are passed over. false: an error, also for what libvirt would pass over in silence.
 */
bool vp_xml_commandline_read(const VpXmlIndex *index, const VpXmlNode *commandline,
                             GHashTable *skip, VpPlan *plan, GPtrArray *env, GError **error);

/* The <arg value=''> and <env> that libvirt reads. */
bool vp_xml_commandline_is_arg(const VpXmlNode *node);
bool vp_xml_commandline_is_env(const VpXmlNode *node);

/* Whether the word is an option that may add a device. */
bool vp_xml_commandline_adds_device(const char *word);

/* Whether the word is the option that sets a property of another one. */
bool vp_xml_commandline_sets(const char *word);

/* Whether libvirt and the kernel can carry the word: libvirt writes attributes such that a line
 * break or tab in them is a space when it is read again. */
bool vp_xml_commandline_can_store(const char *word);
