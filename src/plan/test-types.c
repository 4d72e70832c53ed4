/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Types from a list: the driver's own before the one for all others, and what is not there.
 */

#include "plan/types.h"

static GPtrArray *
make_list(void)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)vp_key_type_free);

    g_ptr_array_add(list, vp_key_type_new("device", NULL, "addr", VP_TYPE_STRING));
    g_ptr_array_add(list, vp_key_type_new("device", "pc-dimm", "addr", VP_TYPE_INT));
    g_ptr_array_add(list, vp_key_type_new("device", "isa-fdc", "fallback", VP_TYPE_OTHER));
    g_ptr_array_add(list, vp_key_type_new("netdev", NULL, "queues", VP_TYPE_INT));
    return list;
}

static void
test_names(void)
{
    VpValueType type = VP_TYPE_UNKNOWN;

    for (VpValueType i = VP_TYPE_UNKNOWN; i <= VP_TYPE_OTHER; i++) {
        g_assert_true(vp_value_type_find(vp_value_type_names[i], &type));
        g_assert_cmpint(type, ==, i);
    }
    g_assert_null(vp_value_type_names[VP_TYPE_OTHER + 1]);
    g_assert_false(vp_value_type_find("integer", &type));
    g_assert_false(vp_value_type_find("", &type));
    g_assert_cmpint(type, ==, VP_TYPE_OTHER);
}

static void
test_lookup(void)
{
    g_autoptr(GPtrArray) list = make_list();
    VpKeyTypes types = vp_key_types(list);
    const VpTypeSource *source = &types.source;

    g_assert_cmpint(source->lookup(source, "device", "lsi", "addr"), ==, VP_TYPE_STRING);
    g_assert_cmpint(source->lookup(source, "device", NULL, "addr"), ==, VP_TYPE_STRING);
    g_assert_cmpint(source->lookup(source, "device", "pc-dimm", "addr"), ==, VP_TYPE_INT);
    g_assert_cmpint(source->lookup(source, "device", "isa-fdc", "fallback"), ==, VP_TYPE_OTHER);
    g_assert_cmpint(source->lookup(source, "device", "lsi", "fallback"), ==, VP_TYPE_UNKNOWN);
    g_assert_cmpint(source->lookup(source, "device", NULL, "fallback"), ==, VP_TYPE_UNKNOWN);
    g_assert_cmpint(source->lookup(source, "device", "lsi", "queues"), ==, VP_TYPE_UNKNOWN);
    g_assert_cmpint(source->lookup(source, "netdev", "tap", "queues"), ==, VP_TYPE_INT);
    g_assert_null(source->has_device);
}

static void
test_collect(void)
{
    g_autoptr(GPtrArray) list = make_list(), found = NULL;
    VpKeyTypes types = vp_key_types(list);
    const VpKeyType *known = NULL;

    found = g_ptr_array_new_with_free_func((GDestroyNotify)vp_key_type_free);
    types.source.collect(&types.source, "device", "none", found);
    g_assert_cmpuint(found->len, ==, 0);
    types.source.collect(&types.source, "device", "addr", found);
    g_assert_cmpuint(found->len, ==, 2);
    known = found->pdata[0];
    g_assert_null(known->driver);
    g_assert_cmpint(known->type, ==, VP_TYPE_STRING);
    known = found->pdata[1];
    g_assert_cmpstr(known->option, ==, "device");
    g_assert_cmpstr(known->driver, ==, "pc-dimm");
    g_assert_cmpstr(known->key, ==, "addr");
    g_assert_cmpint(known->type, ==, VP_TYPE_INT);
    vp_key_type_free(NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plan/types/names", test_names);
    g_test_add_func("/plan/types/lookup", test_lookup);
    g_test_add_func("/plan/types/collect", test_collect);
    return g_test_run();
}
