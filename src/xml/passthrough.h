/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Domain XML as its author writes it and as libvirtd gets it.
 *
 * translate: author's form -> upstream form (stock libvirt XML); restore: the way back.
 * Both work on the text: what they do not have to change keeps its bytes. restore() of what
 * translate() gave is the author's document to the byte, whatever that looked like, unless it
 * had no uuid or was not in UTF-8; these two it has got then.
 *
 * Where things are: index.c finds them, author.c reads the elements that libvirt does not know
 * (a new one is a row there), kept.c carries them in <metadata>, session_words.c knows the
 * words of a session, translate.c and restore.c decide.
 */

/* libvirt's namespace for QEMU, and that of our element in <metadata>. */
#define VP_XML_QEMU_NS "http://libvirt.org/schemas/domain/qemu/1.0"
#define VP_XML_VIRTPASS_NS "http://virtpass.org/schemas/domain/1.0"

/* Id of the chardev that carries the dedicated session; how its words are known again. */
#define VP_XML_SESSION_CHARDEV "virtpass-qmp"

/* <qemu:monitorpassthrough session='...'>. Names: vp_xml_session_names[]. */
typedef enum VpSessionKind {
    VP_SESSION_DEDICATED, /* a QMP socket of our own */
    VP_SESSION_SHARED,    /* libvirtd's monitor */
    VP_SESSION_NONE,      /* monitor commands are refused */
} VpSessionKind;

extern const char *const vp_xml_session_names[];

/* Which domains get a dedicated session without asking. Names: vp_xml_policy_names[]. */
typedef enum VpSessionPolicy {
    VP_POLICY_ALL,       /* every domain that does not say otherwise */
    VP_POLICY_REQUESTED, /* those with <qemu:monitorpassthrough/> */
} VpSessionPolicy;

extern const char *const vp_xml_policy_names[];

/* How documents are translated; borrowed strings. */
typedef struct VpXmlRules {
    VpSessionPolicy policy;
    const char *session_dir; /* absolute directory in which QEMU makes the session sockets;
                              * UTF-8 without control characters, for it is written in XML */
} VpXmlRules;

/* What an (upstream-form) domain document says about its session. */
typedef struct VpXmlSession {
    VpSessionKind kind;  /* what the domain's own words and the author's element amount to */
    char *path;          /* socket of the dedicated session; NULL unless kind is DEDICATED */
    char uuid[37];       /* <uuid>, or "" */
} VpXmlSession;

void vp_xml_session_clear(VpXmlSession *session);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpXmlSession, vp_xml_session_clear)

/*
 * @xml: <domain>, or a document with <domain>/<inactiveDomain> in it (<domainsnapshot>,
 * <domaincheckpoint>), NUL-terminated.
 * true: *ret_xml is the other form, or NULL when not a byte has to change (then the caller
 * passes @xml on as it is). Free with g_free().
 * false: @error says which element is wrong (VP_ERROR_XML, _UNSUPPORTED, _LIMIT).
 *
 * A document that is not well-formed, is no domain document or whose domain type is not one
 * of QEMU's (kvm, qemu, hvf ...) is "unchanged": its errors are libvirtd's to report. So is one
 * with a DOCTYPE, unless something of ours seems to be in it: VP_ERROR_UNSUPPORTED.
 *
 * translate() of upstream form brings the session words up to date and changes nothing else:
 * the session is what the element says that is kept in <metadata>, else what the policy says.
 * Under VP_POLICY_REQUESTED words that nobody asked for go.
 *
 * A session whose socket would have too long a path: VP_ERROR_UNSUPPORTED when the author asked
 * for it, none and a warning in the log when only the policy did.
 */
bool vp_xml_translate(const VpXmlRules *rules, const char *xml, char **ret_xml, GError **error);
bool vp_xml_restore(const char *xml, char **ret_xml, GError **error);

/*
 * Reads the session from a live domain's upstream-form XML. false: not a domain document.
 * DEDICATED takes both QEMU's words and no element that forbids their use. The path is that of
 * the definition, which may be a copy of another domain's: ask QEMU who it is.
 */
bool vp_xml_read_session(const char *xml, VpXmlSession *ret_session, GError **error);
