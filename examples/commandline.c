/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shows a domain's monitor session and QEMU's command line; or, given a file with alterations, what
 * these would make of it, without changing anything.
 *
 *     cc -o commandline commandline.c $(pkg-config --cflags --libs libvirt-qemu-passthrough)
 *     ./commandline 'qemu+unix:///system?socket=/run/virtpassd/virtpassd-sock' DOMAIN [FILE]
 *
 * FILE has something like
 *
 *     <qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
 *       <qemu:alter option='machine'><qemu:modify>usb=off</qemu:modify></qemu:alter>
 *     </qemu:commandline>
 */

#include <libvirt-qemu-passthrough.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>

/* The library's error is the one to show: it has libvirt's as well. */
static int
fail(const char *what)
{
    const char *error_class = virtpassGetLastErrorClass();

    fprintf(stderr, "%s: %s%s%s\n", what, error_class ? error_class : "", error_class ? ": " : "",
            virtpassGetLastErrorMessage());
    return EXIT_FAILURE;
}

static void
print_texts(const char *title, const char *const *texts)
{
    printf("%s:\n", title);
    for (; *texts; texts++)
        printf("    %s\n", *texts);
}

static int
show_session(virDomainPtr dom)
{
    virtpassSessionPtr session;

    if (virtpassDomainGetSession(dom, &session, 0) < 0)
        return fail("session");
    printf("%s: %s session, %s out-of-band commands, %lld commands up to now\n",
           virtpassSessionGetDomainName(session),
           virtpassSessionGetMonitor(session) == VIRTPASS_MONITOR_DEDICATED ? "dedicated"
                                                                            : "no dedicated",
           virtpassSessionHasOOB(session) ? "with" : "without",
           virtpassSessionGetCounter(session, VIRTPASS_SESSION_COMMANDS));
    virtpassSessionFree(session);
    return EXIT_SUCCESS;
}

static int
show_commandline(virDomainPtr dom)
{
    virtpassCommandlinePtr commandline;
    const char *const *words;

    if (virtpassDomainGetCommandline(dom, VIRTPASS_COMMANDLINE_ALTERED, &commandline, 0) < 0)
        return fail("command line");
    virtpassCommandlineGetWords(commandline, &words);
    print_texts("command line", words);
    virtpassCommandlineFree(commandline);
    return EXIT_SUCCESS;
}

static int
try_alterations(virDomainPtr dom, const char *xml)
{
    virtpassAlterationPtr alteration;
    const char *const *texts;

    if (virtpassDomainAlterCommandline(dom, VIRTPASS_ALTER_ADD, xml, &alteration,
                                       VIRTPASS_DOMAIN_ALTER_COMMANDLINE_DRY_RUN) < 0)
        return fail("alterations");
    virtpassAlterationGetAltered(alteration, &texts);
    print_texts("command line", texts);
    virtpassAlterationGetWarnings(alteration, &texts);
    print_texts("warnings", texts);
    virtpassAlterationFree(alteration);
    return EXIT_SUCCESS;
}

static int
try_file(virDomainPtr dom, const char *path)
{
    static char xml[65536];
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(xml, 1, sizeof(xml) - 1, file) : 0;

    if (!file) {
        perror(path);
        return EXIT_FAILURE;
    }
    fclose(file);
    xml[size] = '\0';
    return try_alterations(dom, xml);
}

static int
run(virDomainPtr dom, const char *path)
{
    int status;

    if (path)
        return try_file(dom, path);
    status = virDomainIsActive(dom) == 1 ? show_session(dom) : EXIT_SUCCESS;
    return status == EXIT_SUCCESS ? show_commandline(dom) : status;
}

int
main(int argc, char **argv)
{
    int status = EXIT_FAILURE;
    virConnectPtr conn;
    virDomainPtr dom;

    if (argc < 3 || argc > 4) {
        fprintf(stderr, "Usage: %s URI DOMAIN [FILE]\n", argv[0]);
        return EXIT_FAILURE;
    }
    conn = virConnectOpen(argv[1]); /* libvirt prints its own errors */
    dom = conn ? virDomainLookupByName(conn, argv[2]) : NULL;
    if (dom) {
        status = run(dom, argv[3]);
        virDomainFree(dom);
    }
    if (conn)
        virConnectClose(conn);
    return status;
}
