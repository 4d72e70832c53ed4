/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * libvirt's event loop, and what ends it.
 *
 * There is one loop in the process, so its state is the file's. Signals are blocked before libvirt
 * starts threads, and come in by a descriptor: what they interrupt is then always the wait, and a
 * function of ours never. A connection that is silently gone, as remote ones can be, is found out
 * by libvirt's keepalive.
 */

#include "live.h"

#include "base/fd.h"
#include "command.h"

#include <libvirt/libvirt-qemu.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 5

/* One registration. */
typedef struct Listener {
    int monitor;            /* number of a monitor event's callback, -1 */
    int lifecycle;          /* of a lifecycle event's, -1 */
    VpLiveEventFunc on_event;
    VpLiveFunc on_stopped;
    gpointer data;
} Listener;

static virConnectPtr watched; /* the connection, once it is ours to watch */
static GPtrArray *listeners;  /* of Listener */
static int signals = -1;      /* descriptor */
static VpLiveFunc on_interrupt;
static gpointer interrupt_data;
static bool over;
static int end_status;

void
vp_live_stop(int status)
{
    if (!over)
        end_status = status;
    over = true;
}

bool
vp_live_is_over(void)
{
    return over;
}

void
vp_live_on_interrupt(VpLiveFunc func, gpointer data)
{
    on_interrupt = func;
    interrupt_data = data;
}

static void
on_signal(int watch G_GNUC_UNUSED, int fd, int events G_GNUC_UNUSED, void *opaque G_GNUC_UNUSED)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGINT && on_interrupt)
        on_interrupt(interrupt_data);
    else
        vp_live_stop(VP_EXIT_OK);
}

void
vp_live_prepare(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    virEventRegisterDefaultImpl();
    signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals >= 0)
        virEventAddHandle(signals, VIR_EVENT_HANDLE_READABLE, on_signal, NULL, NULL);
    listeners = g_ptr_array_new_with_free_func(g_free);
}

static void
on_closed(virConnectPtr conn G_GNUC_UNUSED, int reason, void *opaque G_GNUC_UNUSED)
{
    if (over)
        return;
    fprintf(stderr, "error: the connection has ended%s\n",
            reason == VIR_CONNECT_CLOSE_REASON_KEEPALIVE ? ": no answer any more" : "");
    vp_live_stop(VP_EXIT_FAILED);
}

virConnectPtr
vp_live_connect(void)
{
    virConnectPtr conn = vp_connect();

    if (!conn || watched)
        return conn;
    /* A hypervisor's driver in this process has neither; then nothing can be lost. */
    virConnectSetKeepAlive(conn, KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
    virConnectRegisterCloseCallback(conn, on_closed, NULL, NULL);
    watched = conn;
    return conn;
}

static Listener *
listener_new(gpointer data)
{
    Listener *listener = g_new0(Listener, 1);

    listener->monitor = listener->lifecycle = -1;
    listener->data = data;
    g_ptr_array_add(listeners, listener);
    return listener;
}

static void
on_monitor_event(virConnectPtr conn G_GNUC_UNUSED, virDomainPtr domain, const char *name,
                 long long seconds, unsigned int micros, const char *details, void *opaque)
{
    const Listener *listener = opaque;
    VpLiveEvent event = { .domain = virDomainGetName(domain), .name = name, .seconds = seconds,
                          .micros = micros, .data = details };

    virDomainGetUUIDString(domain, event.uuid);
    if (!over)
        listener->on_event(&event, listener->data);
}

bool
vp_live_listen(virDomainPtr domain, const char *regex, VpLiveEventFunc func, gpointer data)
{
    Listener *listener = listener_new(data);

    listener->on_event = func;
    listener->monitor = virConnectDomainQemuMonitorEventRegister(
        watched, domain, regex, on_monitor_event, listener, NULL,
        regex ? VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX : 0);
    if (listener->monitor < 0)
        vp_fail_libvirt("monitor events");
    return listener->monitor >= 0;
}

static int
on_lifecycle(virConnectPtr conn G_GNUC_UNUSED, virDomainPtr domain G_GNUC_UNUSED, int event,
             int detail G_GNUC_UNUSED, void *opaque)
{
    const Listener *listener = opaque;

    if (event == VIR_DOMAIN_EVENT_STOPPED && !over)
        listener->on_stopped(listener->data);
    return 0;
}

bool
vp_live_on_stopped(virDomainPtr domain, VpLiveFunc func, gpointer data)
{
    Listener *listener = listener_new(data);

    listener->on_stopped = func;
    listener->lifecycle = virConnectDomainEventRegisterAny(watched, domain,
                                                           VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                                           VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle),
                                                           listener, NULL);
    if (listener->lifecycle < 0)
        vp_fail_libvirt("domain events");
    return listener->lifecycle >= 0;
}

static void
let_go(void)
{
    for (guint i = 0; i < listeners->len; i++) {
        const Listener *listener = g_ptr_array_index(listeners, i);

        if (listener->monitor >= 0)
            virConnectDomainQemuMonitorEventDeregister(watched, listener->monitor);
        if (listener->lifecycle >= 0)
            virConnectDomainEventDeregisterAny(watched, listener->lifecycle);
    }
    g_clear_pointer(&listeners, g_ptr_array_unref);
    if (watched)
        virConnectUnregisterCloseCallback(watched, on_closed);
    vp_clear_fd(&signals);
}

void
vp_live_step(void)
{
    if (virEventRunDefaultImpl() < 0) {
        vp_fail_libvirt("waiting for events");
        vp_live_stop(VP_EXIT_FAILED);
    }
}

int
vp_live_run(void)
{
    while (!over)
        vp_live_step();
    let_go();
    return end_status;
}
