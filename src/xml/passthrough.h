/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/plan.h"

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
 * Where things are: index.c finds them; author.c, commandline.c, alter.c and group.c read the
 * elements that libvirt does not know, kept.c carries them in <metadata>, made.c knows what was
 * made of them, emulator.c the shim that takes <emulator>'s place, session_words.c the words of a
 * session; translate.c and restore.c decide.
 *
 * The elements themselves are documented in docs/schemas/domain-qemu.rng.
 */

/* libvirt's namespace for QEMU, that of the proposal of 2010, which means the same, and that of
 * our element in <metadata>. */
#define VP_XML_QEMU_NS "http://libvirt.org/schemas/domain/qemu/1.0"
#define VP_XML_QEMU_2010_NS "http://qemu.org/schemas/qemu/1.0"
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

/* How a domain that is to have a session and nothing else of ours gets the words for it. Names:
 * vp_xml_words_names[]. */
typedef enum VpSessionWords {
    VP_WORDS_COMMANDLINE, /* <qemu:arg> elements */
    VP_WORDS_EMULATOR,    /* the shim, as <emulator>, adds them */
} VpSessionWords;

extern const char *const vp_xml_words_names[];

/* What libvirt chooses a default emulator by; NULL where the document does not say. */
typedef struct VpXmlMachine {
    const char *type;    /* <domain type=''> */
    const char *arch;    /* <os><type arch=''> */
    const char *machine; /* <os><type machine=''> */
} VpXmlMachine;

/* How documents are translated; all of it is borrowed. */
typedef struct VpXmlRules {
    VpSessionPolicy policy;
    const char *session_dir; /* absolute directory in which QEMU makes the session sockets;
                              * UTF-8 without control characters, for it is written in XML */
    bool running;            /* documents describe a guest that runs elsewhere or did (migration,
                              * restore): what is stock in them is what it was started with, and
                              * stays, -device words too */

    const GPtrArray *previous; /* of char *: for the wishes, see plan.h; NULL: none */

    /* Turns what the author wants into words for the command line and a plan for the shim.
     * @wishes: as in argv/compile.h, `emulator` set. *ret_words: NULL-terminated, g_strfreev();
     * *ret_plan: vp_plan_to_json(), NULL when the shim has nothing to do. @compile NULL: documents
     * that need it are refused (VP_ERROR_UNSUPPORTED); stock ones are not looked into. */
    bool (*compile)(const VpPlan *wishes, char ***ret_words, char **ret_plan, gpointer data,
                    GError **error);
    /* The emulator that libvirt takes when <emulator> is missing; g_free(). NULL and @error: not
     * known. Asked only for documents that vp_xml_needs() lists. */
    char *(*default_emulator)(const VpXmlMachine *machine, gpointer data, GError **error);
    /* The path, as libvirtd sees it, of the virtpass-emulator that stands for @emulator (see
     * plan/shim.h); g_free(). NULL and @error: there is none. Needed with @compile. */
    char *(*shim)(const char *emulator, gpointer data, GError **error);
    VpSessionWords words;    /* EMULATOR where that can be; takes @session_shim */
    /* The same for the shim that adds a session's words (VP_SHIM_SESSION_TREE). NULL: there is
     * none, and one that is in a document stays as it is. */
    char *(*session_shim)(const char *emulator, gpointer data, GError **error);
    gpointer data;           /* of the four */
} VpXmlRules;

/* What has to be known before one domain of a document can be translated. */
typedef struct VpXmlNeeds {
    VpPlan *wishes;       /* as @compile will get it, but `emulator` is NULL when it is libvirt's
                           * choice, which depends on the rest */
    char *type;           /* as in VpXmlMachine */
    char *arch;
    char *machine;
    bool facts;           /* facts about the QEMU binary are wanted: something is set in what may be
                           * JSON, or a device is added */
    bool upstream;        /* the shim is in it already: only the right to it is to be known */
} VpXmlNeeds;

void vp_xml_needs_free(VpXmlNeeds *needs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpXmlNeeds, vp_xml_needs_free)

/*
 * The domains for which vp_xml_translate() with the same rules will call compile(), of
 * VpXmlNeeds, in document order; no element when it calls it for none. So a caller who must not
 * block can find everything out first. Callbacks of @rules are not called, only whether @compile
 * is NULL matters. NULL: the error with which translate would end as well.
 */
GPtrArray *vp_xml_needs(const VpXmlRules *rules, const char *xml, GError **error);

/* What an (upstream-form) domain document says about its session. */
typedef struct VpXmlSession {
    VpSessionKind kind;  /* what the domain's own words and the author's element amount to */
    char *path;          /* socket of the dedicated session; NULL unless kind is DEDICATED, or if
                          * it is in_run_dir */
    bool in_run_dir;     /* it is VP_SHIM_SOCKET in the directory of the running guest */
    char uuid[37];       /* <uuid>, or "" */
    VpSessionKind asked; /* by the author's element; DEDICATED where there is none */
    bool says;           /* there is such an element */
    bool has_words;      /* QEMU has a session's socket, used or not */
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
 * translate() of upstream form brings the session words and the shim's directory up to date and
 * changes nothing else: the session is what the element says that is kept in <metadata>, else what
 * the policy says. Under VP_POLICY_REQUESTED words that nobody asked for go. Upstream form to
 * which an author has added elements is restored first, and all of it is translated anew.
 *
 * What was made of the author's elements may have been changed without us, by an edit of the
 * definition through plain libvirtd. Words that were added behind ours are the author's own from
 * then on. After any other change the elements no longer say what the domain is: both directions
 * leave them in <metadata> and the rest as it is, which is what runs, and translate() writes a
 * warning to the log. New elements in such a document are refused.
 *
 * A session whose socket would have too long a path: VP_ERROR_UNSUPPORTED when the author asked
 * for it, none and a warning in the log when only the policy did.
 */
bool vp_xml_translate(const VpXmlRules *rules, const char *xml, char **ret_xml, GError **error);
bool vp_xml_restore(const char *xml, char **ret_xml, GError **error);

/* Whether all elements of ours in the document, a domain or one with domains in it, are what they
 * have to be. false: @error says what is not, or that this is no such document. */
bool vp_xml_validate(const char *xml, GError **error);

/*
 * Reads the session from a live domain's upstream-form XML. false: not a domain document.
 * DEDICATED takes both QEMU's words and no element that forbids their use. The path is that of
 * the definition, which may be a copy of another domain's: ask QEMU who it is.
 */
bool vp_xml_read_session(const char *xml, VpXmlSession *ret_session, GError **error);

/*
 * What virtpassd keeps with a domain: elements in <metadata>, in namespaces of their own below
 * "http://virtpass.org/schemas/state/". restore() takes them out.
 */
typedef struct VpXmlState VpXmlState;

/* Those of a document in upstream form: of VpXmlState, owned by the array; maybe none. Of several
 * in one namespace (a snapshot has up to two domains in it) the first. */
GPtrArray *vp_xml_state_read(const char *xml);

/* What libvirt says of one snapshot. */
typedef struct VpXmlSnapshot {
    char *name;
    char *parent;    /* name of its parent; NULL: it has none */
    gint64 created;  /* seconds since 1970 */
    bool internal;   /* it is in the images of the disks, all that was saved of it */
    char *kept;      /* the text that virtpassd keeps under the key asked for, in the definition of
                      * the domain as it was then; NULL: there is none */
} VpXmlSnapshot;

void vp_xml_snapshot_clear(VpXmlSnapshot *snapshot);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpXmlSnapshot, vp_xml_snapshot_clear)

/* What a domain's own <commandline>s add, the first domain of a document in upstream form.
 * *ret_words: their words, NULL-terminated, g_strfreev(). *ret_plan: the shim's plan, g_free(),
 * NULL: there is none. false: no domain document. */
bool vp_xml_read_added(const char *xml, char ***ret_words, char **ret_plan);

/* Reads libvirt's <domainsnapshot>. false: it is none, or says too little. */
bool vp_xml_read_snapshot(const char *xml, const char *key, VpXmlSnapshot *ret_snapshot);

/* Puts those into an upstream-form document that has none in the same namespace. Result as for
 * vp_xml_translate(). */
bool vp_xml_state_put(const char *xml, const GPtrArray *states, char **ret_xml, GError **error);

/* The <emulator> of a domain's document in upstream form, as libvirtd prints it; g_free(). NULL: it
 * has none, or is no such document. */
char *vp_xml_read_emulator(const char *xml);

/* The <uuid> of the first domain of a document, as it is written; g_free(). NULL: it has none, or
 * is none that we would translate. */
char *vp_xml_read_uuid(const char *xml);
