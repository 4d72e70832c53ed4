/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/budget.h"

/*
 * Regular expressions of an author, matched with bounded work.
 *
 * A budget is shared by all that is compiled of one document, and by all that one application of a
 * plan does. What runs out of it fails with VP_ERROR_LIMIT, and so does all that comes after.
 */

typedef struct VpRegex VpRegex;

/* NULL and @error: longer than VP_REGEX_MAX, no UTF-8, no regular expression, or nothing is left of
 * @budget. */
VpRegex *vp_regex_new(const char *pattern, VpBudget *budget, GError **error);
void vp_regex_free(VpRegex *regex);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpRegex, vp_regex_free)

typedef enum VpMatch {
    VP_MATCH_NO,
    VP_MATCH_YES,
    VP_MATCH_FAILED, /* @error is set: a limit was passed */
} VpMatch;

/* Text that is no UTF-8 matches nothing. */
VpMatch vp_regex_match(VpRegex *regex, const char *subject, VpBudget *budget, GError **error);

/* Whether nothing that is made of the option's value @written can match, be it the text of one key
 * or the canonical form. Costs next to nothing, and is often false although nothing matches. */
bool vp_regex_rules_out(const VpRegex *regex, const char *written);

/* Whether @text is a replacement: \1 and \g<name> well written. */
bool vp_regex_check_replacement(const char *text, GError **error);

/* Every match in @subject replaced, as sed does: behind a match no empty one. NULL with @error, or
 * without it when nothing matches. */
char *vp_regex_replace(VpRegex *regex, const char *subject, const char *replacement,
                       VpBudget *budget, GError **error);
