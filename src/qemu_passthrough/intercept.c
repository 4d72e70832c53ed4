/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The table of the procedures we touch, and nothing else: a new one is a row here and
 * a handler in the file it belongs to.
 *
 * XML in both directions, by layout. Left alone on purpose: the XML that the BEGIN
 * procedures of migration return, for it goes to another libvirtd and has to stay in
 * the form that any libvirtd takes; on its way in (PREPARE, PERFORM) it is translated,
 * which changes nothing in what is already in that form but the socket's directory.
 */

#include "qemu_passthrough/intercept.h"

#define XML(number, layout, from) \
    .program = VP_REMOTE_PROGRAM, .procedure = number, .call = vp_xml_call, \
    .call_layout = layout, .origin = VP_ORIGIN_##from
#define IN(procedure, layout, origin) { XML(procedure, layout, origin) }
#define IN_DEFINED(procedure, layout) { XML(procedure, layout, DEFINITION), .defines = true }
#define IN_RUNNING(procedure, layout, origin) { XML(procedure, layout, origin), .running = true }
#define OUT(number, layout) \
    { .program = VP_REMOTE_PROGRAM, .procedure = number, .reply = vp_xml_reply, \
      .reply_layout = layout }
#define OURS(number, its_procedure, on_call, on_reply) \
    { .program = number, .procedure = its_procedure, .call = on_call, .reply = on_reply }

static const VpIntercept table[] = {
    OURS(VP_REMOTE_PROGRAM, VP_REMOTE_CONNECT_OPEN, vp_open_call, vp_open_reply),
    OURS(VP_REMOTE_PROGRAM, VP_REMOTE_CONNECT_SET_IDENTITY, vp_identity_call, NULL),
    OURS(VP_REMOTE_PROGRAM, VP_REMOTE_CONNECT_SUPPORTS_FEATURE, vp_feature_call, NULL),

    IN(VP_REMOTE_DOMAIN_CREATE_XML, "Xu", DEFINITION),
    IN_DEFINED(VP_REMOTE_DOMAIN_DEFINE_XML, "X"),
    IN_DEFINED(VP_REMOTE_DOMAIN_DEFINE_XML_FLAGS, "Xu"),
    IN(VP_REMOTE_DOMAIN_CREATE_XML_WITH_FILES, "Xu", DEFINITION),
    { XML(VP_REMOTE_CONNECT_DOMAIN_XML_TO_NATIVE, "sXu", NONE), .reply = vp_xml_reply,
      .native = true },
    IN_RUNNING(VP_REMOTE_DOMAIN_SAVE_FLAGS, "DsYu", GUEST),
    IN_RUNNING(VP_REMOTE_DOMAIN_RESTORE_FLAGS, "sYu", IMAGE),
    IN_RUNNING(VP_REMOTE_DOMAIN_SAVE_PARAMS, "DTu", GUEST),
    IN_RUNNING(VP_REMOTE_DOMAIN_RESTORE_PARAMS, "Tu", IMAGE),
    IN_RUNNING(VP_REMOTE_DOMAIN_SAVE_IMAGE_DEFINE_XML, "sXu", IMAGE),
    IN_RUNNING(VP_REMOTE_DOMAIN_MANAGED_SAVE_DEFINE_XML, "DYu", MANAGED),
    IN(VP_REMOTE_DOMAIN_SNAPSHOT_CREATE_XML, "DXu", SNAPSHOT),
    IN(VP_REMOTE_DOMAIN_CHECKPOINT_CREATE_XML, "DXu", NONE),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PREPARE2, "ShShX", NONE),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PREPARE_TUNNEL, "hShX", NONE),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_BEGIN3, "DYhSh", GUEST),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PREPARE3, "oShShX", NONE),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PREPARE_TUNNEL3, "ohShX", NONE),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PERFORM3, "DYoSShSh", GUEST),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_BEGIN3_PARAMS, "DTu", GUEST),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PREPARE3_PARAMS, "Tou", NONE),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS, "Tou", NONE),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PERFORM3_PARAMS, "DSTou", GUEST),

    OUT(VP_REMOTE_DOMAIN_GET_XML_DESC, "X"),
    OUT(VP_REMOTE_CONNECT_DOMAIN_XML_FROM_NATIVE, "X"),
    OUT(VP_REMOTE_DOMAIN_SAVE_IMAGE_GET_XML_DESC, "X"),
    OUT(VP_REMOTE_DOMAIN_MANAGED_SAVE_GET_XML_DESC, "X"),
    OUT(VP_REMOTE_DOMAIN_SNAPSHOT_GET_XML_DESC, "X"),
    OUT(VP_REMOTE_DOMAIN_CHECKPOINT_GET_XML_DESC, "X"),

    OURS(VP_QEMU_PROGRAM, VP_QEMU_MONITOR_COMMAND, vp_monitor_call, NULL),
    OURS(VP_QEMU_PROGRAM, VP_QEMU_MONITOR_COMMAND_WITH_FILES, vp_monitor_call, NULL),
    OURS(VP_QEMU_PROGRAM, VP_QEMU_EVENT_REGISTER, vp_event_register_call, NULL),
    OURS(VP_QEMU_PROGRAM, VP_QEMU_EVENT_DEREGISTER, vp_event_deregister_call, NULL),
    OURS(VP_QEMU_PROGRAM, VP_QEMU_COMMANDLINE_ALTER, vp_commandline_alter_call, NULL),
    OURS(VP_QEMU_PROGRAM, VP_QEMU_COMMANDLINE_GET, vp_commandline_get_call, NULL),
    OURS(VP_QEMU_PROGRAM, VP_QEMU_SESSION_INFO, vp_session_info_call, NULL),
};

const VpIntercept *
vp_intercept_find(guint32 program, gint32 procedure)
{
    /* Most calls are not in the table; it is short, and a row is compared in two instructions. */
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        if (table[i].procedure == procedure && table[i].program == program)
            return &table[i];
    }
    return NULL;
}
