/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * An application on stock libvirt.so and libvirt-qemu.so, for the tests of tests/client.
 *
 *     client URI COMMAND [ARGUMENT...]
 *
 * Each command is a row of the table at the end. It prints what it got, one item a line, and
 * ends with 0; what libvirt refuses is printed as "error CODE DOMAIN MESSAGE" and is a result
 * like any other. A wrong use of the program itself ends with 2. Commands that wait for
 * something print "ready" when they are able to receive it, so that nobody has to sleep.
 */

#include "quiet.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virStream, virStreamFree)

/* What goes through one console or one thread at most. */
#define PIECE 256

/* How a command is called: the connection and what stands behind its name. */
typedef struct Call {
    virConnectPtr conn;
    char **args;
    int n_args;
} Call;

typedef struct Command {
    const char *name;
    int n_args;       /* how many it needs; it may take more */
    bool event_loop;  /* whether libvirt's event loop has to be registered before connecting */
    void (*run)(Call *call);
} Command;

static void
print_error(void)
{
    virErrorPtr error = virGetLastError();

    if (error)
        printf("error %d %d %s\n", error->code, error->domain, error->message);
    else
        printf("error without an error\n");
}

/* Prints a string that libvirt gave us, or its error. */
static void
print_result(char *result)
{
    if (!result) {
        print_error();
        return;
    }
    printf("%s\n", result);
    free(result);
}

static void
print_status(const char *what, int status)
{
    if (status < 0)
        print_error();
    else
        printf("%s %d\n", what, status);
}

static virDomainPtr
find_domain(Call *call)
{
    virDomainPtr domain = virDomainLookupByName(call->conn, call->args[0]);

    if (!domain)
        print_error();
    return domain;
}

/* --- plain calls ---------------------------------------------------------- */

static void
run_identify(Call *call)
{
    unsigned long version = 0;
    g_autofree char *uri = virConnectGetURI(call->conn);

    printf("type %s\n", virConnectGetType(call->conn));
    print_status("version", virConnectGetLibVersion(call->conn, &version));
    printf("libvirt %lu\n", version);
    print_status("qemu", virConnectGetVersion(call->conn, &version));
    print_status("encrypted", virConnectIsEncrypted(call->conn));
    print_status("secure", virConnectIsSecure(call->conn));
    print_status("alive", virConnectIsAlive(call->conn));
    printf("uri %s\n", uri);
}

static void
print_lookup(const char *how, virDomainPtr domain)
{
    if (!domain) {
        print_error();
        return;
    }
    printf("%s: %s, %s\n", how, virDomainGetName(domain),
           virDomainGetID(domain) == (unsigned) -1 ? "inactive" : "active");
    virDomainFree(domain);
}

static void
run_lookup(Call *call)
{
    g_autoptr(virDomain) domain = find_domain(call);
    unsigned char uuid[VIR_UUID_BUFLEN];
    char text[VIR_UUID_STRING_BUFLEN];

    if (!domain)
        return;
    virDomainGetUUID(domain, uuid);
    virDomainGetUUIDString(domain, text);
    print_lookup("by uuid", virDomainLookupByUUID(call->conn, uuid));
    print_lookup("by uuid text", virDomainLookupByUUIDString(call->conn, text));
    if (virDomainIsActive(domain) == 1)
        print_lookup("by id", virDomainLookupByID(call->conn, virDomainGetID(domain)));
    print_lookup("by wrong id", virDomainLookupByID(call->conn, 1 << 30));
    print_lookup("by wrong name", virDomainLookupByName(call->conn, "no such domain"));
}

static void
run_info(Call *call)
{
    g_autoptr(virDomain) domain = find_domain(call);
    virDomainInfo info = { 0 };

    if (!domain)
        return;
    print_status("info", virDomainGetInfo(domain, &info));
    printf("state %d, memory %lu of %lu, %d vcpus\n", info.state, info.memory, info.maxMem,
           info.nrVirtCpu);
}

static void
run_stats(Call *call)
{
    virDomainStatsRecordPtr *records = NULL;
    int n = virConnectGetAllDomainStats(call->conn, VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_VCPU,
                                        &records, 0);

    print_status("records", n);
    for (int i = 0; i < n; i++)
        printf("%s: %d parameters or more\n", virDomainGetName(records[i]->dom),
               MIN(records[i]->nparams, 3));
    virDomainStatsRecordListFree(records);
}

/* --- monitor commands ----------------------------------------------------- */

static void
run_monitor(Call *call)
{
    g_autoptr(virDomain) domain = find_domain(call);
    char *result = NULL;

    if (!domain)
        return;
    if (virDomainQemuMonitorCommand(domain, call->args[1], &result, atoi(call->args[2])) < 0)
        print_error();
    else
        print_result(result);
}

static void
close_all(GArray *fds)
{
    for (guint i = 0; i < fds->len; i++)
        close(g_array_index(fds, int, i));
    g_array_unref(fds);
}

/* Opens the files that are named from argument @first on. */
static GArray *
open_files(Call *call, int first)
{
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));

    for (int i = first; i < call->n_args; i++) {
        int fd = open(call->args[i], O_RDWR | O_CLOEXEC);

        if (fd < 0)
            g_error("%s: %s", call->args[i], g_strerror(errno));
        g_array_append_val(fds, fd);
    }
    return fds;
}

static void
run_monitor_files(Call *call)
{
    g_autoptr(virDomain) domain = find_domain(call);
    GArray *fds = open_files(call, 3);
    char *result = NULL;
    unsigned n_out = 0;
    int *out = NULL;

    if (domain && virDomainQemuMonitorCommandWithFiles(domain, call->args[1], fds->len,
                                                       (int *) fds->data, &n_out, &out, &result,
                                                       atoi(call->args[2])) < 0)
        print_error();
    else if (domain)
        print_result(result);
    printf("%u files came back\n", n_out);
    free(out);
    close_all(fds);
}

/* Several threads on one connection, each with monitor commands and plain calls of its own. */
typedef struct Crowd {
    virDomainPtr domain;
    int rounds;
    int wrong; /* atomic */
} Crowd;

static gpointer
crowd_member(gpointer data)
{
    const char *command = "{\"execute\":\"query-name\"}";
    Crowd *crowd = data;

    for (int i = 0; i < crowd->rounds; i++) {
        virDomainInfo info = { 0 };
        g_autofree char *result = NULL;

        if (virDomainQemuMonitorCommand(crowd->domain, command, &result, 0) < 0 ||
            !strstr(result, virDomainGetName(crowd->domain)))
            g_atomic_int_inc(&crowd->wrong);
        if (virDomainGetInfo(crowd->domain, &info) < 0 || info.nrVirtCpu != 1)
            g_atomic_int_inc(&crowd->wrong);
    }
    return NULL;
}

static void
run_threads(Call *call)
{
    g_autoptr(virDomain) domain = find_domain(call);
    g_autoptr(GPtrArray) threads = g_ptr_array_new();
    Crowd crowd = { .domain = domain, .rounds = atoi(call->args[2]) };

    if (!domain)
        return;
    for (int i = 0; i < atoi(call->args[1]); i++)
        g_ptr_array_add(threads, g_thread_new("crowd", crowd_member, &crowd));
    for (guint i = 0; i < threads->len; i++)
        g_thread_join(threads->pdata[i]);
    printf("%u threads, %d wrong\n", threads->len, crowd.wrong);
}

/* --- descriptors ---------------------------------------------------------- */

static void
print_greeting(int fd)
{
    char text[13] = "";

    if (read(fd, text, 12) < 0)
        printf("read: %s\n", g_strerror(errno));
    printf("%s", text);
    close(fd);
}

static void
run_graphics_fd(Call *call)
{
    g_autoptr(virDomain) domain = find_domain(call);
    int fd = domain ? virDomainOpenGraphicsFD(domain, 0, VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH) : -1;

    if (domain && fd < 0)
        print_error();
    else if (fd >= 0)
        print_greeting(fd);
}

static void
run_graphics(Call *call)
{
    g_autoptr(virDomain) domain = find_domain(call);
    int pair[2];

    if (!domain || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return;
    print_status("open", virDomainOpenGraphics(domain, 0, pair[0],
                                               VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH));
    close(pair[0]);
    print_greeting(pair[1]);
}

static void
run_fd_associate(Call *call)
{
    g_autoptr(virDomain) domain = find_domain(call);
    GArray *fds = open_files(call, 2);

    if (domain) {
        print_status("associate", virDomainFDAssociate(domain, call->args[1], fds->len,
                                                       (int *) fds->data, 0));
        print_status("create", virDomainCreate(domain));
    }
    close_all(fds);
}

static void
run_create_with_files(Call *call)
{
    g_autoptr(virDomain) domain = find_domain(call);
    GArray *fds = open_files(call, 1);

    if (domain)
        print_status("create", virDomainCreateWithFiles(domain, fds->len, (int *) fds->data, 0));
    close_all(fds);
}

/* --- events --------------------------------------------------------------- */

/* Where a client that waits for events stands. */
typedef struct Wait {
    int wanted; /* events that are still to come */
    int kind;   /* lifecycle events of another kind do not count */
} Wait;

static void
count_event(Wait *wait)
{
    fflush(stdout);
    wait->wanted--;
}

static int
on_lifecycle(virConnectPtr conn, virDomainPtr domain, int event, int detail, void *data)
{
    Wait *wait = data;

    printf("%s: %d %d\n", virDomainGetName(domain), event, detail);
    fflush(stdout);
    wait->wanted -= event == wait->kind;
    return 0;
}

static void
on_monitor_event(virConnectPtr conn, virDomainPtr domain, const char *event, long long seconds,
                 unsigned micros, const char *details, void *data)
{
    printf("%s: %s %s%s\n", virDomainGetName(domain), event, details ? details : "without data",
           seconds > 0 && micros < 1000000 ? "" : ", and a wrong time");
    count_event(data);
}

static void
wait_for_events(Wait *wait)
{
    printf("ready\n");
    fflush(stdout);
    while (wait->wanted > 0 && virEventRunDefaultImpl() == 0)
        continue;
}

/* lifecycle COUNT KIND: until so many events of this kind. */
static void
run_lifecycle(Call *call)
{
    Wait wait = { .wanted = atoi(call->args[0]), .kind = atoi(call->args[1]) };
    int id = virConnectDomainEventRegisterAny(call->conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                              VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), &wait, NULL);

    if (id < 0) {
        print_error();
        return;
    }
    wait_for_events(&wait);
    print_status("deregistered", virConnectDomainEventDeregisterAny(call->conn, id));
}

/* monitor-events COUNT DOMAIN EVENT FLAGS; "-" stands for all domains, all events. */
static void
run_monitor_events(Call *call)
{
    Wait wait = { .wanted = atoi(call->args[0]) };
    bool one = strcmp(call->args[1], "-") != 0;
    g_autoptr(virDomain) domain = one ? virDomainLookupByName(call->conn, call->args[1]) : NULL;
    const char *event = strcmp(call->args[2], "-") != 0 ? call->args[2] : NULL;
    int id = virConnectDomainQemuMonitorEventRegister(call->conn, domain, event, on_monitor_event,
                                                      &wait, NULL, atoi(call->args[3]));

    if (id < 0) {
        print_error();
        return;
    }
    wait_for_events(&wait);
    print_status("deregistered", virConnectDomainQemuMonitorEventDeregister(call->conn, id));
    print_status("deregistered again", virConnectDomainQemuMonitorEventDeregister(call->conn, id));
}

static void
on_close(virConnectPtr conn, int reason, void *data)
{
    printf("closed %d\n", reason);
    count_event(data);
}

/* Waits until the connection breaks. */
static void
run_wait_close(Call *call)
{
    Wait wait = { .wanted = 1 };

    print_status("callback", virConnectRegisterCloseCallback(call->conn, on_close, &wait, NULL));
    print_status("keepalive", virConnectSetKeepAlive(call->conn, 1, 3));
    wait_for_events(&wait);
    print_status("alive", virConnectIsAlive(call->conn));
}

/* --- an event-driven stream ----------------------------------------------- */

typedef struct Console {
    GString *got;
    const char *expect; /* what has to come */
    const char *send;   /* what to send then, NULL when it is sent */
    bool done;
} Console;

static void
console_read(virStreamPtr stream, Console *console)
{
    char piece[PIECE];
    int n = virStreamRecv(stream, piece, sizeof(piece));

    if (n > 0)
        g_string_append_len(console->got, piece, n);
    console->done = n == -1 || n == 0;
    if (!strstr(console->got->str, console->expect))
        return;
    if (console->send)
        virStreamEventUpdateCallback(stream, VIR_STREAM_EVENT_READABLE | VIR_STREAM_EVENT_WRITABLE);
    else
        console->done = true;
}

static void
console_ready(virStreamPtr stream, int events, void *data)
{
    Console *console = data;

    if (events & (VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP))
        console->done = true;
    if (events & VIR_STREAM_EVENT_READABLE)
        console_read(stream, console);
    if (events & VIR_STREAM_EVENT_WRITABLE && console->send) {
        virStreamSend(stream, console->send, strlen(console->send));
        console->expect = console->send;
        console->send = NULL;
        virStreamEventUpdateCallback(stream, VIR_STREAM_EVENT_READABLE);
    }
}

/* console NAME EXPECT SEND: resumes the guest, waits for EXPECT, sends SEND and waits for it. */
static void
run_console(Call *call)
{
    g_autoptr(virDomain) domain = find_domain(call);
    g_autoptr(virStream) stream = virStreamNew(call->conn, VIR_STREAM_NONBLOCK);
    Console console = { g_string_new(NULL), call->args[1], call->args[2], false };

    if (!domain)
        return;
    if (virDomainOpenConsole(domain, NULL, stream, VIR_DOMAIN_CONSOLE_FORCE) < 0) {
        print_error();
        return;
    }
    virStreamEventAddCallback(stream, VIR_STREAM_EVENT_READABLE, console_ready, &console, NULL);
    print_status("resume", virDomainResume(domain));
    while (!console.done && virEventRunDefaultImpl() == 0)
        continue;
    printf("%s\n", console.got->str);
    virStreamEventRemoveCallback(stream);
    print_status("finish", virStreamFinish(stream));
    g_string_free(console.got, TRUE);
}

/* --- table ---------------------------------------------------------------- */

static const Command commands[] = {
    { "identify", 0, false, run_identify },
    { "lookup", 1, false, run_lookup },
    { "info", 1, false, run_info },
    { "stats", 0, false, run_stats },
    { "monitor", 3, false, run_monitor },
    { "monitor-files", 3, false, run_monitor_files },
    { "threads", 3, false, run_threads },
    { "graphics-fd", 1, false, run_graphics_fd },
    { "graphics", 1, false, run_graphics },
    { "fd-associate", 3, false, run_fd_associate },
    { "create-with-files", 1, false, run_create_with_files },
    { "lifecycle", 2, true, run_lifecycle },
    { "monitor-events", 4, true, run_monitor_events },
    { "wait-close", 0, true, run_wait_close },
    { "console", 3, true, run_console },
};

static const Command *
find_command(const char *name, int n_args)
{
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        if (strcmp(commands[i].name, name) == 0 && n_args >= commands[i].n_args)
            return &commands[i];
    return NULL;
}

int
main(int argc, char **argv)
{
    const Command *command = argc > 2 ? find_command(argv[2], argc - 3) : NULL;
    Call call = { .args = argv + 3, .n_args = argc - 3 };

    if (!command) {
        fprintf(stderr, "usage: client URI COMMAND [ARGUMENT...]\n");
        return 2;
    }
    be_quiet();
    if (command->event_loop)
        virEventRegisterDefaultImpl();
    call.conn = virConnectOpen(argv[1]);
    if (!call.conn) {
        print_error();
        return 0;
    }
    command->run(&call);
    virConnectClose(call.conn);
    return 0;
}
