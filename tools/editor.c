/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * libedit, on an event loop.
 *
 * libedit asks us for each character (EL_GETCFN), and while there is none libvirt's loop runs. What
 * is printed meanwhile is printed where the line was, which libedit then draws anew below it.
 */

#include "editor.h"

#include "command_help.h"
#include "live.h"

#include <histedit.h>
#include <libvirt/libvirt.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* Lines that are remembered. */
#define HISTORY_LINES 1000

#define WIDTH_DEFAULT 80

struct VpEditor {
    EditLine *el;
    History *history;
    char *file;            /* of the history; NULL: none */
    const char *prompt;
    VpEditorComplete complete;
    gpointer data;         /* for @complete */
    int watch;             /* of standard input */
    bool readable;         /* standard input is */
    bool editing;          /* a line is being read */
    mbstate_t state;       /* of a character whose bytes have not all come */
};

guint
vp_editor_width(void)
{
    struct winsize size = { 0 };

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return WIDTH_DEFAULT;
    return size.ws_col;
}

static VpEditor *
editor_of(EditLine *el)
{
    void *editor = NULL;

    el_get(el, EL_CLIENTDATA, &editor);
    return editor;
}

static char *
get_prompt(EditLine *el)
{
    return (char *)editor_of(el)->prompt;
}

/* --- characters ------------------------------------------------------------- */

static void
on_readable(int watch, int fd G_GNUC_UNUSED, int events G_GNUC_UNUSED, void *opaque)
{
    VpEditor *editor = opaque;

    editor->readable = true;
    virEventUpdateHandle(watch, 0);
}

/* One byte; false: there are no more. */
static bool
read_byte(VpEditor *editor, char *ret_byte)
{
    editor->readable = false;
    virEventUpdateHandle(editor->watch, VIR_EVENT_HANDLE_READABLE);
    while (!editor->readable && !vp_live_is_over())
        vp_live_step();
    virEventUpdateHandle(editor->watch, 0);
    return editor->readable && read(STDIN_FILENO, ret_byte, 1) == 1;
}

/* For EL_GETCFN. */
static int
get_character(EditLine *el, wchar_t *ret_character)
{
    VpEditor *editor = editor_of(el);
    char byte = '\0';

    for (;;) {
        size_t n = 0;

        if (!read_byte(editor, &byte))
            return 0;
        n = mbrtowc(ret_character, &byte, 1, &editor->state);
        if (n == (size_t)-1)
            memset(&editor->state, 0, sizeof(editor->state));
        else if (n != (size_t)-2)
            return 1;
    }
}

/* --- the screen -------------------------------------------------------------- */

/* To the start of the line that is being edited, with nothing from there on. */
static void
wipe(VpEditor *editor)
{
    const LineInfo *line = el_line(editor->el);
    glong before = g_utf8_strlen(line->buffer, line->cursor - line->buffer);
    guint rows = (strlen(editor->prompt) + before) / vp_editor_width();

    if (rows > 0)
        printf("\033[%uA", rows);
    fputs("\r\033[J", stdout);
}

void
vp_editor_print(VpEditor *editor, const char *text)
{
    if (editor->editing)
        wipe(editor);
    puts(text);
    if (editor->editing)
        el_set(editor->el, EL_REFRESH);
    fflush(stdout);
}

gboolean
vp_editor_cancel(VpEditor *editor)
{
    const LineInfo *line = NULL;

    if (!editor->editing)
        return FALSE;
    line = el_line(editor->el);
    el_cursor(editor->el, line->lastchar - line->cursor);
    line = el_line(editor->el);
    puts("^C");
    el_deletestr(editor->el, g_utf8_strlen(line->buffer, line->lastchar - line->buffer));
    el_set(editor->el, EL_REFRESH);
    return TRUE;
}

/* --- completion --------------------------------------------------------------- */

/* What all candidates begin with. */
static char *
common_start(const GPtrArray *candidates)
{
    const char *first = g_ptr_array_index(candidates, 0);
    gsize length = strlen(first);

    for (guint i = 1; i < candidates->len; i++) {
        const char *other = g_ptr_array_index(candidates, i);
        gsize same = 0;

        while (same < length && first[same] == other[same])
            same++;
        length = same;
    }
    return g_strndup(first, length);
}

static void
show_candidates(VpEditor *editor, const GPtrArray *candidates)
{
    g_autoptr(GString) text = g_string_new(NULL);

    vp_append_columns(text, candidates, vp_editor_width());
    g_string_truncate(text, text->len - 1);
    putchar('\n');
    puts(text->str);
    el_set(editor->el, EL_REFRESH);
}

static unsigned char
on_complete(EditLine *el, int character G_GNUC_UNUSED)
{
    VpEditor *editor = editor_of(el);
    const LineInfo *info = el_line(el);
    g_autofree char *line = g_strndup(info->buffer, info->cursor - info->buffer);
    gsize start = 0;
    g_autoptr(GPtrArray) candidates = editor->complete(line, &start, editor->data);
    g_autofree char *text = candidates->len > 0 ? common_start(candidates) : NULL;
    gsize typed = strlen(line) - start;

    if (text && strlen(text) > typed) {
        el_insertstr(el, text + typed);
        return CC_REFRESH;
    }
    if (candidates->len < 2)
        return CC_REFRESH_BEEP;
    show_candidates(editor, candidates);
    return CC_NORM;
}

/* --- life -------------------------------------------------------------------- */

VpEditor *
vp_editor_new(const char *prompt, const char *file, VpEditorComplete complete, gpointer data)
{
    VpEditor *editor = g_new0(VpEditor, 1);
    HistEvent event;

    setlocale(LC_CTYPE, "");
    editor->prompt = prompt;
    editor->file = g_strdup(file);
    editor->complete = complete;
    editor->data = data;
    editor->history = history_init();
    history(editor->history, &event, H_SETSIZE, HISTORY_LINES);
    history(editor->history, &event, H_SETUNIQUE, 1);
    if (editor->file)
        history(editor->history, &event, H_LOAD, editor->file);
    editor->el = el_init("virtpass", stdin, stdout, stderr);
    el_set(editor->el, EL_CLIENTDATA, editor);
    el_set(editor->el, EL_PROMPT, get_prompt);
    el_set(editor->el, EL_EDITOR, "emacs");
    el_set(editor->el, EL_HIST, history, editor->history);
    el_set(editor->el, EL_GETCFN, get_character);
    /* The function of plain characters copies the two texts, and frees the copies never. */
    el_wset(editor->el, EL_ADDFN, L"virtpass-complete", L"Complete the word", on_complete);
    el_set(editor->el, EL_BIND, "^I", "virtpass-complete", NULL);
    el_set(editor->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(editor->el, NULL);
    editor->watch = virEventAddHandle(STDIN_FILENO, 0, on_readable, editor, NULL);
    return editor;
}

void
vp_editor_free(VpEditor *editor)
{
    HistEvent event;

    if (editor->file)
        history(editor->history, &event, H_SAVE, editor->file);
    virEventRemoveHandle(editor->watch);
    history_end(editor->history);
    el_end(editor->el);
    g_free(editor->file);
    g_free(editor);
}

char *
vp_editor_read(VpEditor *editor)
{
    HistEvent event;
    const char *text = NULL;
    int n = 0;

    if (vp_live_is_over())
        return NULL;
    editor->editing = true;
    text = el_gets(editor->el, &n);
    editor->editing = false;
    if (!text || n <= 0 || vp_live_is_over())
        return NULL;
    if (*text != '\n')
        history(editor->history, &event, H_ENTER, text);
    return g_strchomp(g_strdup(text));
}
