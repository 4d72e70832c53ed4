/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Lines from a terminal, with editing and a history, while libvirt's event loop runs. There is one
 * in the process.
 */
typedef struct VpEditor VpEditor;

/* Candidates for the end of @line, as vp_complete() gives them. */
typedef GPtrArray *(*VpEditorComplete)(const char *line, gsize *ret_start, gpointer data);

/* @prompt is borrowed. @file: a history that is read now and written at the end; NULL: none. */
VpEditor *vp_editor_new(const char *prompt, const char *file, VpEditorComplete complete,
                        gpointer data);
void vp_editor_free(VpEditor *editor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpEditor, vp_editor_free)

/* The next line without its end; NULL: there are no more, or vp_live_is_over(). g_free(). */
char *vp_editor_read(VpEditor *editor);

/* Prints a line (without its end) above the one that is being edited, which stays as it is. */
void vp_editor_print(VpEditor *editor, const char *text);

/* Gives up the line that is being edited. FALSE: none is. */
gboolean vp_editor_cancel(VpEditor *editor);

/* Columns of the terminal. */
guint vp_editor_width(void);
