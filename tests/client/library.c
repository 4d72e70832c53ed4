/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * An application on libvirt-qemu-passthrough.so, for tests/client/library.py.
 *
 *     library URI COMMAND [ARGUMENT...]
 *
 * Each command is a row of the table at the end; "-" as an argument is NULL. It prints what it got,
 * one item a line, and ends with 0. What fails is printed as "error CODE DOMAIN CLASS MESSAGE",
 * with a second line for what libvirt itself has, "libvirt CODE", and is a result like any other.
 * A wrong use of the program ends with 2.
 */

#include "quiet.h"

#include <glib.h>
#include <libvirt-qemu-passthrough.h>
#include <libvirt/virterror.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)

typedef struct Call {
    virConnectPtr conn;
    virDomainPtr dom; /* named by the first argument; NULL where it is "-" */
    char **args;      /* behind that; NULL-terminated */
} Call;

typedef struct Command {
    const char *name;
    int n_args;    /* behind the domain */
    bool no_domain;
    void (*run)(const Call *call);
} Command;

static void
print_error(void)
{
    virErrorPtr error = virGetLastError();
    const char *error_class = virtpassGetLastErrorClass();

    printf("error %d %d %s %s\n", virtpassGetLastErrorCode(), virtpassGetLastErrorDomain(),
           error_class ?: "-", virtpassGetLastErrorMessage());
    printf("libvirt %d%s\n", error ? error->code : 0,
           error && g_strcmp0(error->message, virtpassGetLastErrorMessage()) == 0 ? " same" : "");
}

static void
print_texts(const char *title, int n, const char *const *texts)
{
    g_assert(n >= 0 && !texts[n]);
    for (int i = 0; i < n; i++)
        printf("%s %s\n", title, texts[i]);
}

static const char *
argument(const Call *call, int i)
{
    return g_str_equal(call->args[i], "-") ? NULL : call->args[i];
}

static unsigned int
number(const Call *call, int i)
{
    return g_ascii_strtoull(call->args[i], NULL, 0);
}

static void
print_session(const virtpassSession *session)
{
    printf("domain %s %s\n", virtpassSessionGetDomainName(session),
           virtpassSessionGetDomainUUID(session));
    printf("monitor %d %d\n", virtpassSessionGetMonitor(session),
           virtpassSessionGetRequestedMonitor(session));
    printf("state %s\n", virtpassSessionGetState(session));
    printf("reason %s\n", virtpassSessionGetReason(session));
    printf("oob %d\n", virtpassSessionHasOOB(session));
    printf("added %d\n", virtpassSessionIsAdded(session));
    for (unsigned int i = 0; i <= VIRTPASS_SESSION_LATENCY_P99_US + 1; i++)
        printf("counter %u %lld\n", i, virtpassSessionGetCounter(session, i));
    printf("json %s\n", virtpassSessionGetJSON(session));
}

/* session DOMAIN FLAGS */
static void
run_session(const Call *call)
{
    virtpassSessionPtr session = NULL;

    if (virtpassDomainGetSession(call->dom, &session, number(call, 0)) < 0) {
        g_assert(!session);
        print_error();
        return;
    }
    print_session(session);
    virtpassSessionFree(session);
}

/* sessions FLAGS */
static void
run_sessions(const Call *call)
{
    virtpassSessionPtr *sessions = NULL;
    int n = virtpassConnectListSessions(call->conn, &sessions, number(call, 0));

    if (n < 0) {
        g_assert(!sessions);
        print_error();
        return;
    }
    g_assert(!sessions[n] && virtpassGetLastErrorCode() == VIR_ERR_OK);
    for (int i = 0; i < n; i++) {
        printf("session %s\n", virtpassSessionGetDomainName(sessions[i]));
        virtpassSessionFree(sessions[i]);
    }
    free(sessions);
}

/* execute DOMAIN COMMAND ARGUMENTS FLAGS */
static void
run_execute(const Call *call)
{
    char *result = NULL;

    if (virtpassDomainExecute(call->dom, argument(call, 0), argument(call, 1), &result,
                              number(call, 2)) < 0) {
        g_assert(!result);
        print_error();
        return;
    }
    printf("result %s\n", result);
    free(result);
    g_assert(virtpassDomainExecute(call->dom, argument(call, 0), argument(call, 1), NULL,
                                   number(call, 2)) == 0);
}

/* commandline DOMAIN FORM FLAGS */
static void
run_commandline(const Call *call)
{
    virtpassCommandlinePtr commandline = NULL;
    const char *const *texts = NULL;
    int n = 0;

    if (virtpassDomainGetCommandline(call->dom, number(call, 0), &commandline,
                                     number(call, 1)) < 0) {
        g_assert(!commandline);
        print_error();
        return;
    }
    n = virtpassCommandlineGetWords(commandline, &texts);
    g_assert(n == virtpassCommandlineGetWords(commandline, NULL));
    print_texts("word", n, texts);
    n = virtpassCommandlineGetEnvironment(commandline, &texts);
    print_texts("variable", n, texts);
    virtpassCommandlineFree(commandline);
}

/* alter DOMAIN MODE XML FLAGS */
static void
run_alter(const Call *call)
{
    virtpassAlterationPtr alteration = NULL;
    const char *const *texts = NULL;
    int n = 0;

    if (virtpassDomainAlterCommandline(call->dom, number(call, 0), argument(call, 1), &alteration,
                                       number(call, 2)) < 0) {
        g_assert(!alteration);
        print_error();
        return;
    }
    n = virtpassAlterationGetGenerated(alteration, &texts);
    print_texts("generated", n, texts);
    n = virtpassAlterationGetAltered(alteration, &texts);
    print_texts("altered", n, texts);
    n = virtpassAlterationGetWarnings(alteration, &texts);
    print_texts("warning", n, texts);
    printf("xml %s\n", virtpassAlterationGetXML(alteration));
    virtpassAlterationFree(alteration);
}

/* alter-only DOMAIN MODE XML FLAGS: without looking at what it comes to */
static void
run_alter_only(const Call *call)
{
    if (virtpassDomainAlterCommandline(call->dom, number(call, 0), argument(call, 1), NULL,
                                       number(call, 2)) < 0)
        print_error();
    else
        puts("done");
}

/* An error of one thread: the other has none. */
static void *
see_no_error(void *data)
{
    virConnectPtr conn = data;

    g_assert(virtpassGetLastErrorCode() == VIR_ERR_OK && !virtpassGetLastErrorMessage());
    g_assert(virtpassConnectListSessions(conn, NULL, 2) < 0);
    g_assert(virtpassGetLastErrorCode() == VIR_ERR_INVALID_ARG);
    return NULL;
}

/* errors: what does not depend on the connection */
static void
run_errors(const Call *call)
{
    g_assert(virtpassGetLastErrorCode() == VIR_ERR_OK);
    g_assert(virtpassGetLastErrorDomain() == VIR_FROM_NONE);
    g_assert(!virtpassGetLastErrorMessage() && !virtpassGetLastErrorClass());
    g_assert(virtpassConnectListSessions(call->conn, NULL, 1) < 0);
    g_thread_join(g_thread_new("other", see_no_error, call->conn));
    g_assert_cmpstr(virtpassGetLastErrorMessage(), ==,
                    "invalid argument: unsupported flags (0x1)");
    virtpassResetLastError();
    g_assert(virtpassGetLastErrorCode() == VIR_ERR_OK && !virtpassGetLastErrorMessage());
    virtpassSessionFree(NULL);
    virtpassCommandlineFree(NULL);
    virtpassAlterationFree(NULL);
    printf("version %lu %d\n", virtpassGetVersion(), LIBVIRT_QEMU_PASSTHROUGH_VERSION_NUMBER);
}

static const Command commands[] = {
    { "session", 1, false, run_session },
    { "sessions", 1, true, run_sessions },
    { "execute", 3, false, run_execute },
    { "commandline", 2, false, run_commandline },
    { "alter", 3, false, run_alter },
    { "alter-only", 3, false, run_alter_only },
    { "errors", 0, true, run_errors },
};

static const Command *
find_command(const char *name, int n_args)
{
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        const Command *command = &commands[i];

        if (g_str_equal(command->name, name))
            return command->n_args + !command->no_domain == n_args ? command : NULL;
    }
    return NULL;
}

static void
run(virConnectPtr conn, const Command *command, char **args)
{
    g_autoptr(virDomain) dom = NULL;

    if (!command->no_domain && !g_str_equal(args[0], "-"))
        dom = virDomainLookupByName(conn, args[0]);
    command->run(&(Call){ conn, dom, args + !command->no_domain });
}

int
main(int argc, char **argv)
{
    const Command *command = argc > 2 ? find_command(argv[2], argc - 3) : NULL;
    virConnectPtr conn = NULL;

    if (!command)
        return 2;
    be_quiet();
    conn = virConnectOpen(argv[1]);
    if (!conn)
        return 2;
    run(conn, command, argv + 3);
    virConnectClose(conn);
    return 0;
}
