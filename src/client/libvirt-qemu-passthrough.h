/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * libvirt-qemu-passthrough: what virtpassd adds to libvirt, for programs.
 *
 * The library is used beside libvirt.so. A program opens a connection that goes through virtpassd,
 *
 *     conn = virConnectOpen("qemu+unix:///system?socket=/run/virtpassd/virtpassd-sock");
 *
 * and gives its domains to the functions below. These need nothing from the connection but
 * virDomainQemuMonitorCommand(), so that every transport and authentication of libvirt's will do,
 * and every way by which a program came by its virDomainPtr.
 *
 *     cc prog.c $(pkg-config --cflags --libs libvirt-qemu-passthrough)
 *
 * Conventions, for all functions that do not say otherwise:
 *
 * - Functions that can fail return -1, and 0 or a count when they succeed. What they return through
 *   a pointer is set when they succeed and left alone when they fail.
 * - What is returned through a pointer belongs to the caller, who frees it with the function that
 *   is named. What a virtpass...Get...() accessor returns belongs to its object and lives as long
 *   as that. Objects do not change once they are there and may be read by several threads.
 * - Texts are UTF-8 where QEMU's and libvirt's are. Arguments must not be NULL unless it is said
 *   what NULL means.
 * - flags are a bitwise OR of the values of the enumeration that is named, or 0. An unknown flag is
 *   an error (VIR_ERR_INVALID_ARG).
 * - All functions may be called in any thread, and block until libvirt has answered. Where memory
 *   runs out the process ends.
 *
 * Enumerations grow at their end only, and structures are opaque: a program that was built with an
 * older header works with a newer library.
 *
 * Since 0.1, all that says nothing else.
 */

#ifndef LIBVIRT_QEMU_PASSTHROUGH_H
#define LIBVIRT_QEMU_PASSTHROUGH_H

#include <libvirt/libvirt.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VIRTPASS_API __attribute__((visibility("default")))
#else
#define VIRTPASS_API
#endif

/* --- Version ---------------------------------------------------------------- */

/* Of this header: major * 1000000 + minor * 1000 + micro, as LIBVIR_VERSION_NUMBER. */
#define LIBVIRT_QEMU_PASSTHROUGH_VERSION_NUMBER 1000

/* The same number of the library that the program runs with. Cannot fail. */
VIRTPASS_API unsigned long virtpassGetVersion(void);

/* --- Errors ----------------------------------------------------------------- */

/*
 * Each thread has an error of its own: that of the last function of this library which could fail.
 * The functions that can fail begin with clearing it. It has one of three sources:
 *
 * - libvirt refused. Code, domain and text are libvirt's, and virGetLastError() still has it too
 *   (but after virtpassConnectListSessions()). The class is NULL.
 * - QEMU or virtpassd answered a command with a QMP error. Its class is there, its text unchanged;
 *   the code is VIR_ERR_NO_SUPPORT for the class "CommandNotFound" and VIR_ERR_OPERATION_FAILED for
 *   all others, the domain VIR_FROM_QEMU. libvirt knows of no error.
 * - The arguments were wrong (VIR_ERR_INVALID_ARG) or the answer could not be understood
 *   (VIR_ERR_INTERNAL_ERROR); the domain is VIR_FROM_NONE, the class is NULL.
 *
 * A connection that does not lead through virtpassd is seen as VIR_ERR_NO_SUPPORT, with a text that
 * says so. Of a domain that does not run libvirtd may say VIR_ERR_OPERATION_INVALID instead.
 */

/* A virErrorNumber; VIR_ERR_OK: there is no error. */
VIRTPASS_API int virtpassGetLastErrorCode(void);

/* A virErrorDomain: what part of libvirt it came from. */
VIRTPASS_API int virtpassGetLastErrorDomain(void);

/* "GenericError", "DeviceNotFound", "CommandNotFound" ... as the QMP error says; NULL: it is no QMP
 * error, or there is none. Valid until the thread's next call of a function that can fail. */
VIRTPASS_API const char *virtpassGetLastErrorClass(void);

/* For people; NULL: there is no error. Valid as above. */
VIRTPASS_API const char *virtpassGetLastErrorMessage(void);

/* Forgets the thread's error. libvirt's own is left alone. */
VIRTPASS_API void virtpassResetLastError(void);

/* --- Monitor commands ------------------------------------------------------- */

typedef enum virtpassDomainExecuteFlags {
    /* Out of band: overtakes what QEMU is busy with. For the few commands that QEMU allows it for
     * ("allow-oob" in query-qmp-schema), and where the domain has a dedicated session. */
    VIRTPASS_DOMAIN_EXECUTE_OOB = 1 << 0,
} virtpassDomainExecuteFlags;

/*
 * Executes one command of QEMU's monitor (QMP), or one that virtpassd adds.
 *
 * Over virDomainQemuMonitorCommand() it has: the command is put together and the reply is taken
 * apart here, and a QMP error is an error. It also works on connections to plain libvirtd, for what
 * that can do.
 *
 * @dom        a domain that runs
 * @command    the command's name, "query-status"
 * @arguments  a JSON object with its arguments, NULL: none
 * @result     is set to the value of "return", JSON text with the bytes that QEMU wrote, to be
 *             freed with free(); NULL: it is not wanted
 * @flags      virtpassDomainExecuteFlags
 */
VIRTPASS_API int virtpassDomainExecute(virDomainPtr dom, const char *command,
                                       const char *arguments, char **result, unsigned int flags);

/* --- Sessions --------------------------------------------------------------- */

/* What is known of the monitor session of one running domain, at one moment. */
typedef struct _virtpassSession virtpassSession;
typedef virtpassSession *virtpassSessionPtr;

/* Which monitor monitor commands of a domain go to. */
typedef enum virtpassMonitor {
    VIRTPASS_MONITOR_UNKNOWN = -1,   /* one that this version of the library does not know */
    VIRTPASS_MONITOR_NONE = 0,       /* they are refused */
    VIRTPASS_MONITOR_SHARED = 1,     /* libvirtd's own, behind its locks and timeouts */
    VIRTPASS_MONITOR_DEDICATED = 2,  /* the domain's own session of virtpassd */
} virtpassMonitor;

/* Numbers of a session; they count from when it came to be. */
typedef enum virtpassSessionCounter {
    VIRTPASS_SESSION_CLIENTS = 0,        /* programs that use it now */
    VIRTPASS_SESSION_COMMANDS = 1,       /* commands sent */
    VIRTPASS_SESSION_IN_FLIGHT = 2,      /* commands with QEMU now */
    VIRTPASS_SESSION_WAITING = 3,        /* commands that wait for their turn now */
    VIRTPASS_SESSION_EVENTS = 4,         /* events received */
    VIRTPASS_SESSION_BYTES_IN = 5,       /* from QEMU */
    VIRTPASS_SESSION_BYTES_OUT = 6,      /* to QEMU */
    VIRTPASS_SESSION_CONNECTIONS = 7,    /* how often it was connected */
    VIRTPASS_SESSION_LATENCY_P50_US = 8, /* median time of the last answers, in microseconds */
    VIRTPASS_SESSION_LATENCY_P99_US = 9, /* the slowest of a hundred of these */
} virtpassSessionCounter;

/*
 * Asks for the session of a running domain.
 *
 * @session  to be freed with virtpassSessionFree()
 * @flags    none yet: 0
 */
VIRTPASS_API int virtpassDomainGetSession(virDomainPtr dom, virtpassSessionPtr *session,
                                          unsigned int flags);

/*
 * Asks for the sessions of all running domains that the connection can see. A domain that stops
 * meanwhile is left out.
 *
 * When it fails, virGetLastError() may have nothing: what has to be tidied up clears it.
 *
 * @sessions  is set to an array that ends with NULL; each is to be freed with
 *            virtpassSessionFree(), the array with free()
 * @flags     none yet: 0
 *
 * Returns how many there are, or -1.
 */
VIRTPASS_API int virtpassConnectListSessions(virConnectPtr conn, virtpassSessionPtr **sessions,
                                             unsigned int flags);

/* The domain's name. Like the other texts of a session it is NULL if virtpassd has not told it,
 * which one of another version may do. */
VIRTPASS_API const char *virtpassSessionGetDomainName(const virtpassSession *session);

/* As virDomainGetUUIDString() writes it. */
VIRTPASS_API const char *virtpassSessionGetDomainUUID(const virtpassSession *session);

/* Which monitor serves now, a virtpassMonitor. */
VIRTPASS_API int virtpassSessionGetMonitor(const virtpassSession *session);

/* Which monitor the domain's definition asks for, a virtpassMonitor. */
VIRTPASS_API int virtpassSessionGetRequestedMonitor(const virtpassSession *session);

/* Of the dedicated session: "ready", "connecting", "negotiating", "lost", or "absent" where the
 * domain has none. More may be added. */
VIRTPASS_API const char *virtpassSessionGetState(const virtpassSession *session);

/* Why there is no dedicated session, or why it was lost last; "" where there is nothing to tell. */
VIRTPASS_API const char *virtpassSessionGetReason(const virtpassSession *session);

/* 1 if commands can be executed out of band (VIRTPASS_DOMAIN_EXECUTE_OOB), else 0. */
VIRTPASS_API int virtpassSessionHasOOB(const virtpassSession *session);

/* 1 if virtpassd gave the session to a guest that ran already, 0 if the guest was started with it
 * or has none. */
VIRTPASS_API int virtpassSessionIsAdded(const virtpassSession *session);

/* @counter: a virtpassSessionCounter. -1: there is no such number, or none yet (a latency before
 * the first command). */
VIRTPASS_API long long virtpassSessionGetCounter(const virtpassSession *session,
                                                 unsigned int counter);

/* All that virtpassd told, a JSON object: for what this version of the library does not know. */
VIRTPASS_API const char *virtpassSessionGetJSON(const virtpassSession *session);

/* NULL is allowed. */
VIRTPASS_API void virtpassSessionFree(virtpassSessionPtr session);

/* --- Command lines ---------------------------------------------------------- */

/* A command line of QEMU's. */
typedef struct _virtpassCommandline virtpassCommandline;
typedef virtpassCommandline *virtpassCommandlinePtr;

/* Of a domain that runs, the first two are of what it was started with, else of its next start. */
typedef enum virtpassCommandlineForm {
    VIRTPASS_COMMANDLINE_GENERATED = 0, /* as libvirt writes it, without our alterations */
    VIRTPASS_COMMANDLINE_ALTERED = 1,   /* what QEMU gets in the end */
    VIRTPASS_COMMANDLINE_RUNNING = 2,   /* what the running process has; needs one */
} virtpassCommandlineForm;

/*
 * Asks for a command line of a domain.
 *
 * @form         a virtpassCommandlineForm
 * @commandline  to be freed with virtpassCommandlineFree()
 * @flags        none yet: 0
 */
VIRTPASS_API int virtpassDomainGetCommandline(virDomainPtr dom, unsigned int form,
                                              virtpassCommandlinePtr *commandline,
                                              unsigned int flags);

/* The words, of which the first is the program. Returns how many there are; *words (NULL: not
 * wanted) is set to them, and ends with NULL. Cannot fail. */
VIRTPASS_API int virtpassCommandlineGetWords(const virtpassCommandline *commandline,
                                             const char *const **words);

/* The same for the environment: each is NAME=VALUE. None with VIRTPASS_COMMANDLINE_RUNNING. */
VIRTPASS_API int virtpassCommandlineGetEnvironment(const virtpassCommandline *commandline,
                                                   const char *const **variables);

/* NULL is allowed. */
VIRTPASS_API void virtpassCommandlineFree(virtpassCommandlinePtr commandline);

/* --- Alterations ------------------------------------------------------------ */

/* What a change of a domain's alterations comes to. */
typedef struct _virtpassAlteration virtpassAlteration;
typedef virtpassAlteration *virtpassAlterationPtr;

/* What is to be done with the <qemu:alter> elements that the definition has. */
typedef enum virtpassAlterMode {
    VIRTPASS_ALTER_ADD = 0,     /* the new ones come behind them */
    VIRTPASS_ALTER_REPLACE = 1, /* the new ones take their place */
    VIRTPASS_ALTER_CLEAR = 2,   /* they are taken out */
} virtpassAlterMode;

typedef enum virtpassDomainAlterCommandlineFlags {
    /* Changes nothing, only tells what would be. */
    VIRTPASS_DOMAIN_ALTER_COMMANDLINE_DRY_RUN = 1 << 0,
} virtpassDomainAlterCommandlineFlags;

/*
 * Changes the alterations in the persistent definition of a domain, running or not. They take
 * effect when the domain is started the next time. Alterations that cannot be carried out are no
 * error here but warnings, and an error when the domain is started.
 *
 * @mode        a virtpassAlterMode
 * @xml         <qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'> with the
 *              new <qemu:alter> elements in it; NULL with VIRTPASS_ALTER_CLEAR, and only there
 * @alteration  to be freed with virtpassAlterationFree(); NULL: it is not wanted
 * @flags       virtpassDomainAlterCommandlineFlags
 */
VIRTPASS_API int virtpassDomainAlterCommandline(virDomainPtr dom, unsigned int mode,
                                                const char *xml,
                                                virtpassAlterationPtr *alteration,
                                                unsigned int flags);

/* The definition as it is now, with a dry run as it would be: as its author reads it. */
VIRTPASS_API const char *virtpassAlterationGetXML(const virtpassAlteration *alteration);

/* The command line that libvirt generates for this definition, without alterations. Returns how
 * many words there are; *words (NULL: not wanted) is set to them, and ends with NULL. Cannot
 * fail. */
VIRTPASS_API int virtpassAlterationGetGenerated(const virtpassAlteration *alteration,
                                                const char *const **words);

/* The same for what QEMU gets in the end. No words at all: the alterations cannot be carried out,
 * and the warnings tell why. */
VIRTPASS_API int virtpassAlterationGetAltered(const virtpassAlteration *alteration,
                                              const char *const **words);

/* The same for what is worth a warning: alterations that match nothing. Sentences for people. */
VIRTPASS_API int virtpassAlterationGetWarnings(const virtpassAlteration *alteration,
                                               const char *const **warnings);

/* NULL is allowed. */
VIRTPASS_API void virtpassAlterationFree(virtpassAlterationPtr alteration);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRT_QEMU_PASSTHROUGH_H */
