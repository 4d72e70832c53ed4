/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The schema that is installed, and what it says of documents. */

#include <glib.h>
#include <libxml/relaxng.h>
#include <stdbool.h>
#include <string.h>

static xmlRelaxNG *schema;

static inline void
load_schema(void)
{
    xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewParserCtxt(VIRTPASS_SCHEMA);

    schema = xmlRelaxNGParse(parser);
    g_assert_nonnull(schema);
    xmlRelaxNGFreeParserCtxt(parser);
}

static inline void
say_nothing(void *data G_GNUC_UNUSED, const char *format G_GNUC_UNUSED, ...)
{
}

static inline bool
is_valid_document(const char *xml)
{
    xmlDoc *document = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, XML_PARSE_NONET);
    xmlRelaxNGValidCtxt *validator = xmlRelaxNGNewValidCtxt(schema);
    int result = -1;

    g_assert_nonnull(document);
    xmlRelaxNGSetValidErrors(validator, say_nothing, say_nothing, NULL);
    result = xmlRelaxNGValidateDoc(validator, document);
    g_assert_cmpint(result, >=, 0);
    xmlRelaxNGFreeValidCtxt(validator);
    xmlFreeDoc(document);
    return result == 0;
}
