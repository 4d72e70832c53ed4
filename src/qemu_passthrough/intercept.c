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

#define IN(procedure, layout) \
    { VP_REMOTE_PROGRAM, procedure, vp_xml_call, NULL, layout, NULL, false }
#define IN_RUNNING(procedure, layout) \
    { VP_REMOTE_PROGRAM, procedure, vp_xml_call, NULL, layout, NULL, true }
#define OUT(procedure, layout) \
    { VP_REMOTE_PROGRAM, procedure, NULL, vp_xml_reply, NULL, layout, false }
#define OURS(program, procedure, call, reply) { program, procedure, call, reply, NULL, NULL, false }

static const VpIntercept table[] = {
    OURS(VP_REMOTE_PROGRAM, VP_REMOTE_CONNECT_OPEN, vp_open_call, vp_open_reply),
    OURS(VP_REMOTE_PROGRAM, VP_REMOTE_CONNECT_SET_IDENTITY, vp_identity_call, NULL),

    IN(VP_REMOTE_DOMAIN_CREATE_XML, "Xu"),
    IN(VP_REMOTE_DOMAIN_DEFINE_XML, "X"),
    IN(VP_REMOTE_DOMAIN_DEFINE_XML_FLAGS, "Xu"),
    IN(VP_REMOTE_DOMAIN_CREATE_XML_WITH_FILES, "Xu"),
    { VP_REMOTE_PROGRAM, VP_REMOTE_CONNECT_DOMAIN_XML_TO_NATIVE, vp_xml_call, vp_native_reply,
      "sXu", NULL, false },
    IN_RUNNING(VP_REMOTE_DOMAIN_SAVE_FLAGS, "DsYu"),
    IN_RUNNING(VP_REMOTE_DOMAIN_RESTORE_FLAGS, "sYu"),
    IN_RUNNING(VP_REMOTE_DOMAIN_SAVE_PARAMS, "DTu"),
    IN_RUNNING(VP_REMOTE_DOMAIN_RESTORE_PARAMS, "Tu"),
    IN_RUNNING(VP_REMOTE_DOMAIN_SAVE_IMAGE_DEFINE_XML, "sXu"),
    IN_RUNNING(VP_REMOTE_DOMAIN_MANAGED_SAVE_DEFINE_XML, "DYu"),
    IN(VP_REMOTE_DOMAIN_SNAPSHOT_CREATE_XML, "DXu"),
    IN(VP_REMOTE_DOMAIN_CHECKPOINT_CREATE_XML, "DXu"),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PREPARE2, "ShShX"),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PREPARE_TUNNEL, "hShX"),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_BEGIN3, "DYhSh"),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PREPARE3, "oShShX"),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PREPARE_TUNNEL3, "ohShX"),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PERFORM3, "DYoSShSh"),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_BEGIN3_PARAMS, "DTu"),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PREPARE3_PARAMS, "Tou"),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS, "Tou"),
    IN_RUNNING(VP_REMOTE_DOMAIN_MIGRATE_PERFORM3_PARAMS, "DSTou"),

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
