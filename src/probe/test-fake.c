/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A QEMU as an inquiry sees it, with device types a, b, c ..., and one that misbehaves. How is in
 * the name by which it is called: NAME or NAME-NUMBER.
 *
 *     good         as QEMU; between its answers it tells of events
 *     dies         ends when it is asked for "b", saying why
 *     dies-all-N   has N types and ends with each of them
 *     hangs        never answers for "b"
 *     silent       says nothing
 *     garbage      says what is no QMP
 *     refuses      answers qom-list-types with an error
 *     odd          gives no list of properties for "b"
 *     stray        answers once more than it was asked
 *     exits        ends at once, saying nothing
 *     closes       closes the monitor and stays
 *     chatters     says 1 MiB on stderr before it dies as "dies"
 *     says-N       says N bytes in all on its monitor
 *     message-N    greets with a message of N bytes, the end of its line not counted, before the
 *                  first answer
 *     rights       tells its user, variables and descriptors as the version's package
 *     endless      begins a message that has no end
 *     attack-NAME  does what test-attack.c says, and tells what it has gained in the same place
 */

#include "probe/test-attack.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MONITOR_FD 3

static const char *path;
static const char *name;
static long number;
static long said;

static bool
is(const char *what)
{
    return strncmp(name, what, strlen(what)) == 0;
}

static void
say(const char *text)
{
    size_t size = strlen(text);

    while (size > 0) {
        ssize_t n = write(MONITOR_FD, text, size);

        if (n <= 0)
            _exit(0);
        text += n;
        size -= n;
        said += n;
    }
}

/* An event of @size bytes, at least 40. */
static void
say_event(long size)
{
    char *text = malloc(size + 1);

    memset(text, 'x', size);
    memcpy(text, "{\"event\": \"E\", \"data\": \"", 24);
    strcpy(text + size - 4, "\"}\r\n");
    say(text);
    free(text);
}

/* As many as are needed to have said @number bytes with another @rest. */
static void
fill(long rest)
{
    while (number - rest - said > (1 << 20) + 100)
        say_event(1 << 20);
    if (number - rest - said >= 40)
        say_event(number - rest - said);
}

static void
say_without_end(void)
{
    say("{\"x\": \"");
    for (;;)
        say("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
}

static void
list_rights(char *out, size_t size)
{
    extern char **environ;
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry = NULL;
    size_t n = snprintf(out, size, "uid %d %d gains %d cwd %s env", (int)getuid(), (int)getgid(),
                        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0, getcwd((char[64]){ 0 }, 64));

    for (char **at = environ; *at; at++)
        n += snprintf(out + n, size - n, " %.*s", (int)strcspn(*at, "="), *at);
    n += snprintf(out + n, size - n, " fds");
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
            n += snprintf(out + n, size - n, " %s", entry->d_name);
}

static void
greet(void)
{
    char rights[4096] = "P", text[5120];

    if (is("garbage"))
        say("SSH-2.0-OpenSSH\r\n");
    if (is("rights"))
        list_rights(rights, sizeof(rights));
    if (is("attack-"))
        vp_attack(name + strlen("attack-"), path, rights, sizeof(rights));
    if (is("endless"))
        say_without_end();
    snprintf(text, sizeof(text), "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7, \"minor\": 2, "
             "\"micro\": 1}, \"package\": \"%s\"}, \"capabilities\": []}}\r\n", rights);
    say(text);
    if (is("message"))
        say_event(number + 2);
}

static void
say_types(void)
{
    long n = is("dies-all") ? number : 3;
    char text[64];

    say("{\"return\": [");
    for (long i = 0; i < n; i++) {
        if (is("dies-all"))
            snprintf(text, sizeof(text), "%s{\"name\": \"t%06ld\"}", i ? ", " : "", i);
        else
            snprintf(text, sizeof(text), "%s{\"name\": \"%c\"}", i ? ", " : "", 'a' + (int)i);
        say(text);
    }
    say("]}\r\n");
}

static void
die(void)
{
    for (int i = 0; is("chatters") && i < 1 << 16; i++)
        fputs("a line to fill\n\n", stderr);
    fputs("first line\nmissing 'b'\n", stderr);
    _exit(1);
}

static void
say_properties(const char *command)
{
    static const char good[] = "{\"return\": [{\"name\": \"p\", \"type\": \"bool\"}]}\r\n";
    bool second = strstr(command, "\"b\"") != NULL, last = strstr(command, "\"c\"") != NULL;

    if (is("dies-all") || (second && (is("dies") || is("chatters"))))
        die();
    if (second && is("hangs"))
        pause();
    if (last && is("says"))
        fill(strlen(good));
    say(second && is("odd") ? "{\"return\": {}}\r\n" : good);
    if (last && is("stray"))
        say(good);
}

static void
answer(const char *command)
{
    if (strstr(command, "device-list-properties"))
        say_properties(command);
    else if (strstr(command, "qom-list-types") && is("refuses"))
        say("{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\r\n");
    else if (strstr(command, "qom-list-types"))
        say_types();
    else if (strstr(command, "info qdm"))
        say("{\"return\": \"Misc devices:\\r\\nname \\\"a\\\", bus B\\r\\n\"}\r\n");
    else if (strstr(command, "query-"))
        say("{\"return\": []}\r\n");
    else
        say("{\"return\": {}}\r\n");
    if (is("good"))
        say("{\"timestamp\": {}, \"event\": \"E\"}\r\n");
}

/* Commands follow each other without anything between. */
static void
serve(void)
{
    char command[4096], c = 0;
    size_t n = 0;
    int depth = 0;

    while (read(MONITOR_FD, &c, 1) == 1 && n + 1 < sizeof(command)) {
        command[n++] = c;
        depth += (c == '{') - (c == '}');
        if (depth == 0) {
            command[n] = '\0';
            answer(command);
            n = 0;
        }
    }
}

int
main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/'), *dash = NULL;

    path = argv[0];
    name = slash ? slash + 1 : argv[0];
    dash = strrchr(name, '-');
    number = dash ? atol(dash + 1) : 0;
    if (is("exits"))
        return 1;
    if (is("closes"))
        close(MONITOR_FD);
    if (is("silent") || is("closes"))
        pause();
    greet();
    serve();
    return 0;
}
