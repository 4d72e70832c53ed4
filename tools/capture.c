/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass capture: the traffic of one netdev into a pcap file, for as long as this runs.
 *
 * QEMU does the work, by a filter-dump object; here it is put on and taken off again. The signals
 * that end us are blocked from the beginning and taken where we wait, so that none gets in between
 * the two. What SIGKILL leaves behind is found by its name, and --stop takes it off.
 */

#include "ask.h"
#include "command.h"

#include "json/write.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of all filters of ours; this process's number follows. */
#define PREFIX "virtpass-capture-"

/* How often the domain is looked at. */
#define LOOK_SECONDS 1

static int snaplen;
static gboolean stop;

static const GOptionEntry options[] = {
    { "snaplen", 0, 0, G_OPTION_ARG_INT, &snaplen, "Bytes of each packet that are kept (65536)",
      "N" },
    { "stop", 0, 0, G_OPTION_ARG_NONE, &stop,
      "Take captures off the netdev that were left behind, and make none", NULL },
    { NULL },
};

/* true: the object is gone, or was not there any more. */
static bool
take_off(virDomainPtr domain, const char *id)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autofree char *command = NULL;
    g_autoptr(VpJsonTree) tree = NULL;

    vp_json_begin_object(&writer, NULL);
    vp_json_add_string(&writer, "execute", "object-del");
    vp_json_begin_object(&writer, "arguments");
    vp_json_add_string(&writer, "id", id);
    vp_json_end(&writer);
    vp_json_end(&writer);
    command = vp_json_writer_steal(&writer);
    return vp_ask(domain, command, &tree) != NULL;
}

static bool
put_on(virDomainPtr domain, const char *id, const char *netdev, const char *file)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autofree char *path = g_canonicalize_filename(file, NULL);
    g_autofree char *command = NULL;
    g_autoptr(VpJsonTree) tree = NULL;

    vp_json_begin_object(&writer, NULL);
    vp_json_add_string(&writer, "execute", "object-add");
    vp_json_begin_object(&writer, "arguments");
    vp_json_add_string(&writer, "qom-type", "filter-dump");
    vp_json_add_string(&writer, "id", id);
    vp_json_add_string(&writer, "netdev", netdev);
    vp_json_add_string(&writer, "file", path);
    if (snaplen > 0)
        vp_json_add_int(&writer, "maxlen", snaplen);
    vp_json_end(&writer);
    vp_json_end(&writer);
    command = vp_json_writer_steal(&writer);
    if (vp_ask(domain, command, &tree))
        return true;
    fprintf(stderr, "'virtpass netdevs' shows whether there is a netdev '%s'. QEMU writes '%s' "
            "itself: it needs the rights to, those of AppArmor or SELinux too.\n", netdev, path);
    return false;
}

/* Until a signal comes or the domain ends. true: the domain still runs. */
static bool
wait_for_end(virDomainPtr domain, const sigset_t *signals)
{
    const struct timespec look = { .tv_sec = LOOK_SECONDS };

    while (sigtimedwait(signals, NULL, &look) < 0) {
        if (errno == EAGAIN && virDomainIsActive(domain) != 1)
            return false;
    }
    return true;
}

static int
capture(virDomainPtr domain, const char *netdev, const char *file)
{
    g_autofree char *id = g_strdup_printf(PREFIX "%d", (int)getpid());
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    if (!put_on(domain, id, netdev, file))
        return VP_EXIT_FAILED;
    fprintf(stderr, "Capturing '%s' into '%s'; Ctrl-C ends it.\n", netdev, file);
    if (!wait_for_end(domain, &signals)) {
        fputs("The domain has ended, or cannot be asked any more.\n", stderr);
        return VP_EXIT_OK;
    }
    return take_off(domain, id) ? VP_EXIT_OK : VP_EXIT_FAILED;
}

/* Takes off what earlier captures of the netdev have left. */
static int
clean_up(virDomainPtr domain, const char *netdev)
{
    g_autoptr(VpJsonTree) tree = NULL;
    const VpJsonNode *list = vp_ask(domain, "{\"execute\":\"query-netdev\"}", &tree);
    int status = list ? VP_EXIT_OK : VP_EXIT_FAILED;

    for (guint i = 0; i < vp_json_length(list); i++) {
        const VpJsonNode *filters = vp_json_get(vp_json_at(list, i), "filters");

        if (g_strcmp0(vp_json_get_string(vp_json_at(list, i), "device"), netdev) != 0)
            continue;
        for (guint k = 0; k < vp_json_length(filters); k++) {
            const char *id = vp_json_get_string(vp_json_at(filters, k), "id");

            if (g_str_has_prefix(id, PREFIX) && !take_off(domain, id))
                status = VP_EXIT_FAILED;
        }
    }
    return status;
}

static int
run(char **arguments)
{
    g_autoptr(VpDomainRef) domain = NULL;

    if (stop == (arguments[2] != NULL) || snaplen < 0) {
        fputs("error: expected DOMAIN NETDEV FILE, or --stop DOMAIN NETDEV; --snaplen takes a "
              "number above 0\n", stderr);
        return VP_EXIT_USAGE;
    }
    domain = vp_find_domain(arguments[0]);
    if (!domain)
        return VP_EXIT_FAILED;
    return stop ? clean_up(domain, arguments[1]) : capture(domain, arguments[1], arguments[2]);
}

const VpCommand vp_command_capture = {
    .name = "capture",
    .arguments = "DOMAIN NETDEV FILE",
    .summary = "Write the traffic of a netdev to a pcap file",
    .options = options,
    .min_arguments = 2,
    .max_arguments = 3,
    .run = run,
};
