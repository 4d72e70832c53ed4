/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Command lines and what changes of them come to: what two monitor commands of virtpassd return,
 * behind accessors. An object is made only of a reply that has all of it, so that its accessors
 * cannot fail.
 */

#include "client/failure.h"
#include "client/libvirt-qemu-passthrough.h"
#include "client/reply.h"

#include <libvirt/virterror.h>

struct _virtpassCommandline {
    VpJsonTree *reply;
    GPtrArray *words;       /* of const char *, in the reply, NULL behind the last; so below */
    GPtrArray *environment;
};

struct _virtpassAlteration {
    VpJsonTree *reply;
    const char *xml;
    GPtrArray *generated;
    GPtrArray *altered;
    GPtrArray *warnings;
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtpassCommandline, virtpassCommandlineFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtpassAlteration, virtpassAlterationFree)

/* --- Command lines ---------------------------------------------------------- */

static const char *const forms[] = {
    [VIRTPASS_COMMANDLINE_GENERATED] = "generated",
    [VIRTPASS_COMMANDLINE_ALTERED] = "altered",
    [VIRTPASS_COMMANDLINE_RUNNING] = "running",
};

/* Takes the reply over. */
static virtpassCommandlinePtr
read_commandline(VpJsonTree *reply)
{
    g_autoptr(virtpassCommandline) commandline = g_new0(virtpassCommandline, 1);
    const VpJsonNode *value = vp_json_get(vp_json_root(reply), "return");

    commandline->reply = reply;
    commandline->words = vp_client_texts(value, "words");
    if (!commandline->words)
        return NULL;
    commandline->environment = vp_client_texts(value, "environment");
    return commandline->environment ? g_steal_pointer(&commandline) : NULL;
}

int
virtpassDomainGetCommandline(virDomainPtr dom, unsigned int form,
                             virtpassCommandlinePtr *commandline, unsigned int flags)
{
    g_auto(VpJsonWriter) command = vp_client_own_command("query-commandline");
    virtpassCommandlinePtr found = NULL;
    VpJsonTree *reply = NULL;

    if (!vp_client_begin(flags, 0))
        return -1;
    if (form >= G_N_ELEMENTS(forms))
        return vp_client_fail(VIR_ERR_INVALID_ARG, "invalid argument: unknown form %u of a command "
                              "line", form);
    vp_json_begin_object(&command, "arguments");
    vp_json_add_string(&command, "form", forms[form]);
    vp_json_end(&command);
    reply = vp_client_ask_own(dom, "query-commandline", &command);
    if (!reply)
        return -1;
    found = read_commandline(reply);
    if (!found)
        return -1;
    *commandline = found;
    return 0;
}

int
virtpassCommandlineGetWords(const virtpassCommandline *commandline, const char *const **words)
{
    return vp_client_give_texts(commandline->words, words);
}

int
virtpassCommandlineGetEnvironment(const virtpassCommandline *commandline,
                                  const char *const **variables)
{
    return vp_client_give_texts(commandline->environment, variables);
}

void
virtpassCommandlineFree(virtpassCommandlinePtr commandline)
{
    if (!commandline)
        return;
    g_clear_pointer(&commandline->words, g_ptr_array_unref);
    g_clear_pointer(&commandline->environment, g_ptr_array_unref);
    vp_json_tree_free(commandline->reply);
    g_free(commandline);
}

/* --- Alterations ------------------------------------------------------------ */

static const char *const modes[] = {
    [VIRTPASS_ALTER_ADD] = "add",
    [VIRTPASS_ALTER_REPLACE] = "replace",
    [VIRTPASS_ALTER_CLEAR] = "clear",
};

static int
check_mode(unsigned int mode, const char *xml)
{
    if (mode >= G_N_ELEMENTS(modes))
        return vp_client_fail(VIR_ERR_INVALID_ARG, "invalid argument: unknown mode %u of altering",
                              mode);
    if (mode == VIRTPASS_ALTER_CLEAR && xml)
        return vp_client_fail(VIR_ERR_INVALID_ARG, "invalid argument: XML, where alterations are "
                              "only cleared");
    if (mode != VIRTPASS_ALTER_CLEAR && !xml)
        return vp_client_fail(VIR_ERR_INVALID_ARG, "invalid argument: no XML with the alterations");
    return 0;
}

/* Takes the reply over. */
static virtpassAlterationPtr
read_alteration(VpJsonTree *reply)
{
    g_autoptr(virtpassAlteration) alteration = g_new0(virtpassAlteration, 1);
    const VpJsonNode *value = vp_json_get(vp_json_root(reply), "return");

    alteration->reply = reply;
    alteration->xml = vp_json_get_string(value, "xml");
    if (!alteration->xml) {
        vp_client_fail(VIR_ERR_INTERNAL_ERROR, "internal error: what was returned has no \"xml\"");
        return NULL;
    }
    alteration->generated = vp_client_texts(value, "generated");
    if (alteration->generated)
        alteration->altered = vp_client_texts(value, "altered");
    if (alteration->altered)
        alteration->warnings = vp_client_texts(value, "warnings");
    return alteration->warnings ? g_steal_pointer(&alteration) : NULL;
}

static VpJsonTree *
ask_alteration(virDomainPtr dom, unsigned int mode, const char *xml, bool dry_run)
{
    g_auto(VpJsonWriter) command = vp_client_own_command("commandline-alter");

    vp_json_begin_object(&command, "arguments");
    vp_json_add_string(&command, "mode", modes[mode]);
    vp_json_add_given(&command, "xml", xml);
    if (dry_run)
        vp_json_add_bool(&command, "dry-run", true);
    vp_json_end(&command);
    return vp_client_ask_own(dom, "commandline-alter", &command);
}

int
virtpassDomainAlterCommandline(virDomainPtr dom, unsigned int mode, const char *xml,
                               virtpassAlterationPtr *alteration, unsigned int flags)
{
    g_autoptr(virtpassAlteration) found = NULL;
    VpJsonTree *reply = NULL;

    if (!vp_client_begin(flags, VIRTPASS_DOMAIN_ALTER_COMMANDLINE_DRY_RUN) ||
        check_mode(mode, xml) < 0)
        return -1;
    reply = ask_alteration(dom, mode, xml, flags & VIRTPASS_DOMAIN_ALTER_COMMANDLINE_DRY_RUN);
    if (!reply)
        return -1;
    found = read_alteration(reply);
    if (!found)
        return -1;
    if (alteration)
        *alteration = g_steal_pointer(&found);
    return 0;
}

const char *
virtpassAlterationGetXML(const virtpassAlteration *alteration)
{
    return alteration->xml;
}

int
virtpassAlterationGetGenerated(const virtpassAlteration *alteration, const char *const **words)
{
    return vp_client_give_texts(alteration->generated, words);
}

int
virtpassAlterationGetAltered(const virtpassAlteration *alteration, const char *const **words)
{
    return vp_client_give_texts(alteration->altered, words);
}

int
virtpassAlterationGetWarnings(const virtpassAlteration *alteration, const char *const **warnings)
{
    return vp_client_give_texts(alteration->warnings, warnings);
}

void
virtpassAlterationFree(virtpassAlterationPtr alteration)
{
    if (!alteration)
        return;
    g_clear_pointer(&alteration->generated, g_ptr_array_unref);
    g_clear_pointer(&alteration->altered, g_ptr_array_unref);
    g_clear_pointer(&alteration->warnings, g_ptr_array_unref);
    vp_json_tree_free(alteration->reply);
    g_free(alteration);
}
