/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A guest's process and the shim's note beside it, at the limits of both. The process is this
 * program once more, which then only waits for the end of its input. The rest is tested with
 * guests: tests/daemon/commandline.py.
 */

#include "qemu_passthrough/process.h"

#include "base/fd.h"
#include "base/limits.h"
#include "plan/shim.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* By which the process is told from the tests, and which names the guest's directory. */
#define OBJECT "-object"

typedef struct Guest {
    pid_t pid;
    int input; /* the process ends with it */
} Guest;

/* Linux lets a program's words take a quarter of its stack. */
static void
allow_long_words(gpointer data G_GNUC_UNUSED)
{
    const struct rlimit limit = { 64 * 1024 * 1024, 64 * 1024 * 1024 };

    if (setrlimit(RLIMIT_STACK, &limit) < 0)
        _exit(1);
}

static Guest
guest_start(char *const *words)
{
    char *environment[] = { NULL };
    Guest guest = { .input = -1 };
    g_autoptr(GError) error = NULL;

    g_spawn_async_with_pipes(NULL, (char **)words, environment, G_SPAWN_DO_NOT_REAP_CHILD,
                             allow_long_words, NULL, &guest.pid, &guest.input, NULL, NULL, &error);
    g_assert_no_error(error);
    return guest;
}

static void
guest_end(Guest *guest)
{
    vp_clear_fd(&guest->input);
    waitpid(guest->pid, NULL, 0);
}

/* What is found; each may be NULL. */
typedef struct Found {
    bool over;
    char **words;
    char **generated;
    GError *error;
} Found;

static void
on_process(VpProcessWords *found, gpointer data)
{
    Found *ret = data;

    ret->over = true;
    ret->words = g_steal_pointer(&found->words);
    ret->generated = g_steal_pointer(&found->generated);
    ret->error = g_steal_pointer(&found->error);
}

static Found
look_at(char *const *words)
{
    Guest guest = guest_start(words);
    g_autoptr(VpLoop) loop = vp_loop_new(NULL, NULL);
    g_autoptr(VpWorkers) workers = vp_workers_new(loop, 1, NULL);
    Found found = { 0 };

    vp_process_look(workers, "test", guest.pid, on_process, &found);
    while (!found.over)
        g_main_context_iteration(NULL, TRUE);
    guest_end(&guest);
    return found;
}

static void
found_clear(Found *found)
{
    g_strfreev(found->words);
    g_strfreev(found->generated);
    g_clear_error(&found->error);
}

/* Words of @size bytes, the NUL of each included. */
static GPtrArray *
make_words(gsize size)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(words, g_file_read_link("/proc/self/exe", NULL));
    g_ptr_array_add(words, g_strdup(OBJECT));
    size -= strlen(words->pdata[0]) + 1 + sizeof(OBJECT);
    while (size > 0) {
        gsize part = MIN(size, 100000);

        g_ptr_array_add(words, g_strnfill(part - 1, 'x'));
        size -= part;
    }
    g_ptr_array_add(words, NULL);
    return words;
}

static void
test_words_limit(void)
{
    for (guint more = 0; more <= 1; more++) {
        g_autoptr(GPtrArray) words = make_words(VP_PROCESS_WORDS_MAX + more);
        Found found = look_at((char **)words->pdata);

        if (more == 0) {
            g_assert_no_error(found.error);
            g_assert_true(g_strv_equal((const char *const *)found.words,
                                       (const char *const *)words->pdata));
        } else {
            g_assert_null(found.words);
            g_assert_nonnull(strstr(found.error->message, "2097152"));
        }
        found_clear(&found);
    }
}

/* A note that has @size bytes. */
static void
write_record(const char *path, gsize size)
{
    const char *text = "{\"version\":1,\"generated\":[\"g\"],\"altered\":[\"a\"]}";
    g_autofree char *padding = g_strnfill(size - strlen(text), ' ');
    g_autofree char *padded = g_strconcat(text, padding, NULL);

    g_assert_true(g_file_set_contents(path, padded, size, NULL));
}

static void
test_record_limit(void)
{
    g_autofree char *directory = g_dir_make_tmp("virtpass-test-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, VP_SHIM_RECORD, NULL);
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *object = g_strdup_printf("secret,id=masterKey0,format=raw,file=%s/key",
                                              directory);
    char *words[] = { program, (char *)OBJECT, object, NULL };

    for (guint more = 0; more <= 1; more++) {
        Found found = { 0 };

        write_record(path, VP_SHIM_RECORD_MAX + more);
        found = look_at(words);
        g_assert_no_error(found.error);
        g_assert_true(g_strv_equal((const char *const *)found.words,
                                   (const char *const *)words));
        g_assert_true((found.generated != NULL) == (more == 0));
        found_clear(&found);
    }
    g_unlink(path);
    g_rmdir(directory);
}

int
main(int argc, char **argv)
{
    char byte = 0;

    if (argc > 1 && strcmp(argv[1], OBJECT) == 0)
        return read(STDIN_FILENO, &byte, 1) == 0 ? 0 : 1;
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_passthrough/process/words-limit", test_words_limit);
    g_test_add_func("/qemu_passthrough/process/record-limit", test_record_limit);
    return g_test_run();
}
