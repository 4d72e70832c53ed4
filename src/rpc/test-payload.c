/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Payloads as bytes, spelled out from the description of the protocol, against the structures
 * that rpcgen makes of ours.
 */

#include "rpc/payload.h"

#include <string.h>

#define UUID "c7a5fdbd-cdaf-9455-926a-d65c16db1809"

static const guint8 uuid_bytes[16] = {
    0xc7, 0xa5, 0xfd, 0xbd, 0xcd, 0xaf, 0x94, 0x55, 0x92, 0x6a, 0xd6, 0x5c, 0x16, 0xdb, 0x18, 0x09,
};

/* Decodes from a heap block of exactly @size bytes, so that a sanitizer sees a read behind it. */
static bool
decode(const guint8 *payload, gsize size, void *func, void *object)
{
    g_autofree guint8 *copy = g_memdup2(payload, size);

    return vp_xdr_decode(copy, size, func, object);
}

/* The object gives these bytes, and every payload that is cut short is none. */
static void
check_bytes(const guint8 *expected, gsize size, void *func, void *object, gsize object_size)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autofree guint8 *decoded = g_malloc0(object_size);

    g_byte_array_append(out, (const guint8 *)"in front", 8);
    g_assert_true(vp_xdr_append(out, func, object));
    g_assert_cmpmem(out->data + 8, out->len - 8, expected, size);
    for (gsize n = 1; n < size; n++) {
        memset(decoded, 0, object_size);
        g_assert_false(decode(expected, n, func, decoded));
    }
}

/* --- errors -------------------------------------------------------------- */

/* As libvirtd answers a call with a wrong number. */
static const guint8 error_bytes[] = {
    0x00, 0x00, 0x00, 0x27, /* code: 39, RPC */
    0x00, 0x00, 0x00, 0x07, /* origin: 7, RPC */
    0x00, 0x00, 0x00, 0x01, /* a message is there */
    0x00, 0x00, 0x00, 0x15, /* its length: 21 */
    'u', 'n', 'k', 'n', 'o', 'w', 'n', ' ', 'p', 'r', 'o', 'c', 'e', 'd', 'u', 'r', 'e', ':', ' ',
    '-', '1', 0x00, 0x00, 0x00, /* three bytes of padding */
    0x00, 0x00, 0x00, 0x02, /* level: error */
    0x00, 0x00, 0x00, 0x00, /* no domain */
    0x00, 0x00, 0x00, 0x01, /* str1 is there */
    0x00, 0x00, 0x00, 0x02, /* its length */
    '%', 's', 0x00, 0x00,   /* and two bytes of padding */
    0x00, 0x00, 0x00, 0x00, /* no str2 */
    0x00, 0x00, 0x00, 0x00, /* no str3 */
    0xff, 0xff, 0xff, 0xff, /* int1: -1 */
    0x80, 0x00, 0x00, 0x00, /* int2: the least */
    0x00, 0x00, 0x00, 0x00, /* no network */
};

static void
test_error_body(void)
{
    vp_string message = (char *)"unknown procedure: -1", str1 = (char *)"%s";
    vp_error_body body = {
        .code = 39, .origin = 7, .message = &message, .level = 2, .str1 = &str1, .int1 = -1,
        .int2 = G_MININT32,
    };
    vp_error_body decoded = { 0 };

    check_bytes(error_bytes, sizeof(error_bytes), xdr_vp_error_body, &body, sizeof(body));
    g_assert_true(decode(error_bytes, sizeof(error_bytes), xdr_vp_error_body, &decoded));
    g_assert_cmpint(decoded.code, ==, 39);
    g_assert_cmpint(decoded.origin, ==, 7);
    g_assert_cmpstr(*decoded.message, ==, message);
    g_assert_cmpint(decoded.level, ==, 2);
    g_assert_null(decoded.dom);
    g_assert_cmpstr(*decoded.str1, ==, "%s");
    g_assert_null(decoded.str2);
    g_assert_null(decoded.str3);
    g_assert_cmpint(decoded.int1, ==, -1);
    g_assert_cmpint(decoded.int2, ==, G_MININT32);
    g_assert_null(decoded.net);
    vp_xdr_clear(xdr_vp_error_body, &decoded);
}

/* A domain and a network in it, which old libvirts sent. */
static void
test_error_body_with_objects(void)
{
    vp_domain domain = { .name = (char *)"guest", .id = 7 };
    vp_network network = { .name = (char *)"default" };
    vp_error_body body = { .code = 1, .dom = &domain, .net = &network };
    vp_error_body decoded = { 0 };
    g_autoptr(GByteArray) out = g_byte_array_new();

    memcpy(domain.uuid, uuid_bytes, 16);
    memcpy(network.uuid, uuid_bytes, 16);
    g_assert_true(vp_xdr_append(out, xdr_vp_error_body, &body));
    /* 11 words; the domain has its name in 3 words, uuid, id; the network its name in 3, uuid. */
    g_assert_cmpuint(out->len, ==, 11 * 4 + (12 + 16 + 4) + (12 + 16));
    g_assert_true(decode(out->data, out->len, xdr_vp_error_body, &decoded));
    g_assert_cmpstr(decoded.dom->name, ==, "guest");
    g_assert_cmpmem(decoded.dom->uuid, 16, uuid_bytes, 16);
    g_assert_cmpint(decoded.dom->id, ==, 7);
    g_assert_cmpstr(decoded.net->name, ==, "default");
    vp_xdr_clear(xdr_vp_error_body, &decoded);
}

/* --- CONNECT_OPEN -------------------------------------------------------- */

static const guint8 open_bytes[] = {
    0x00, 0x00, 0x00, 0x01, /* a name is there */
    0x00, 0x00, 0x00, 0x0e, /* its length: 14 */
    'q', 'e', 'm', 'u', ':', '/', '/', '/', 's', 'y', 's', 't', 'e', 'm', 0x00, 0x00,
    0x00, 0x00, 0x00, 0x01, /* flags: read-only */
};

static void
test_open_args(void)
{
    vp_string name = (char *)"qemu:///system";
    vp_open_args args = { .name = &name, .flags = VP_OPEN_READ_ONLY };
    vp_open_args decoded = { 0 };

    check_bytes(open_bytes, sizeof(open_bytes), xdr_vp_open_args, &args, sizeof(args));
    g_assert_true(decode(open_bytes, sizeof(open_bytes), xdr_vp_open_args, &decoded));
    g_assert_cmpstr(*decoded.name, ==, "qemu:///system");
    g_assert_cmpuint(decoded.flags, ==, 1);
    vp_xdr_clear(xdr_vp_open_args, &decoded);
}

static void
test_open_args_without_name(void)
{
    static const guint8 bytes[] = {
        0x00, 0x00, 0x00, 0x00, /* no name */
        0xff, 0xff, 0xff, 0xff, /* flags: all */
    };
    vp_open_args args = { .flags = 0xffffffff };
    vp_open_args decoded = { 0 };

    check_bytes(bytes, sizeof(bytes), xdr_vp_open_args, &args, sizeof(args));
    g_assert_true(decode(bytes, sizeof(bytes), xdr_vp_open_args, &decoded));
    g_assert_null(decoded.name);
    g_assert_cmphex(decoded.flags, ==, 0xffffffff);
}

/* --- CONNECT_SET_IDENTITY ------------------------------------------------ */

static const guint8 identity_bytes[] = {
    0x00, 0x00, 0x00, 0x03, /* parameters */
    0x00, 0x00, 0x00, 0x09, /* length of the first one's name */
    'u', 's', 'e', 'r', '-', 'n', 'a', 'm', 'e', 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x07, /* type: string */
    0x00, 0x00, 0x00, 0x04, /* its length */
    'r', 'o', 'o', 't',     /* no padding */
    0x00, 0x00, 0x00, 0x0a, /* length of the second one's name */
    'p', 'r', 'o', 'c', 'e', 's', 's', '-', 'i', 'd', 0x00, 0x00,
    0x00, 0x00, 0x00, 0x03, /* type: signed, 8 bytes */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, /* -2 */
    0x00, 0x00, 0x00, 0x0c, /* length of the third one's name */
    'p', 'r', 'o', 'c', 'e', 's', 's', '-', 't', 'i', 'm', 'e',
    0x00, 0x00, 0x00, 0x04, /* type: unsigned, 8 bytes */
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
    0x00, 0x00, 0x00, 0x00, /* flags */
};

static void
test_identity_args(void)
{
    vp_param params[3] = {
        { .field = (char *)"user-name", .value = { .type = VP_PARAM_STRING } },
        { .field = (char *)"process-id", .value = { .type = VP_PARAM_LLONG } },
        { .field = (char *)"process-time", .value = { .type = VP_PARAM_ULLONG } },
    };
    vp_set_identity_args args = { .params = { .params_len = 3, .params_val = params } };
    vp_set_identity_args decoded = { 0 };

    params[0].value.vp_param_value_u.s = (char *)"root";
    params[1].value.vp_param_value_u.l = -2;
    params[2].value.vp_param_value_u.ul = 0x0102030405060708;
    check_bytes(identity_bytes, sizeof(identity_bytes), xdr_vp_set_identity_args, &args,
                sizeof(args));
    g_assert_true(decode(identity_bytes, sizeof(identity_bytes), xdr_vp_set_identity_args,
                         &decoded));
    g_assert_cmpuint(decoded.params.params_len, ==, 3);
    g_assert_cmpstr(decoded.params.params_val[0].value.vp_param_value_u.s, ==, "root");
    g_assert_cmpint(decoded.params.params_val[1].value.vp_param_value_u.l, ==, -2);
    g_assert_cmphex(decoded.params.params_val[2].value.vp_param_value_u.ul, ==,
                    0x0102030405060708);
    vp_xdr_clear(xdr_vp_set_identity_args, &decoded);
}

/* Every type that a parameter can have. */
static void
test_param_values(void)
{
    static const gsize sizes[] = { 0, 4, 4, 8, 8, 8, 4 };

    for (int type = VP_PARAM_INT; type <= VP_PARAM_BOOLEAN; type++) {
        vp_param param = { .field = (char *)"name", .value = { .type = type } };
        vp_param decoded = { 0 };
        g_autoptr(GByteArray) out = g_byte_array_new();

        param.value.vp_param_value_u.ul = 1;
        g_assert_true(vp_xdr_append(out, xdr_vp_param, &param));
        g_assert_cmpuint(out->len, ==, 4 + 4 + 4 + sizes[type]);
        g_assert_true(decode(out->data, out->len, xdr_vp_param, &decoded));
        g_assert_cmpint(decoded.value.type, ==, type);
        vp_xdr_clear(xdr_vp_param, &decoded);
    }
}

/* --- limits -------------------------------------------------------------- */

static bool
encode_name_of(gsize size, GByteArray *out)
{
    g_autofree char *text = g_strnfill(size, 'x');
    vp_open_args args = { .name = &text };

    return vp_xdr_append(out, xdr_vp_open_args, &args);
}

/* What cannot be encoded leaves nothing behind, also where nothing was before. */
static void
test_longest_string(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    vp_open_args decoded = { 0 };

    g_assert_false(encode_name_of(VP_XDR_STRING_MAX + 1, out));
    g_assert_cmpuint(out->len, ==, 0);
    g_assert_true(encode_name_of(VP_XDR_STRING_MAX, out));
    g_assert_cmpuint(out->len, ==, 4 + 4 + VP_XDR_STRING_MAX + 4);
    g_assert_false(encode_name_of(VP_XDR_STRING_MAX + 1, out));
    g_assert_cmpuint(out->len, ==, 4 + 4 + VP_XDR_STRING_MAX + 4);
    g_assert_true(decode(out->data, out->len, xdr_vp_open_args, &decoded));
    g_assert_cmpuint(strlen(*decoded.name), ==, VP_XDR_STRING_MAX);
    vp_xdr_clear(xdr_vp_open_args, &decoded);
    /* The same bytes with a length of one more. */
    out->data[7]++;
    g_byte_array_set_size(out, out->len + 4);
    decoded = (vp_open_args){ 0 };
    g_assert_false(decode(out->data, out->len, xdr_vp_open_args, &decoded));
}

static bool
encode_params(guint n, GByteArray *out)
{
    g_autofree vp_param *params = g_new0(vp_param, n);
    vp_set_identity_args args = { .params = { .params_len = n, .params_val = params } };

    for (guint i = 0; i < n; i++)
        params[i] = (vp_param){ .field = (char *)"n", .value = { .type = VP_PARAM_INT } };
    return vp_xdr_append(out, xdr_vp_set_identity_args, &args);
}

static void
test_most_params(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    g_assert_true(encode_params(VP_IDENTITY_PARAMS_MAX, out));
    g_assert_false(encode_params(VP_IDENTITY_PARAMS_MAX + 1, out));
}

/* A list that says of itself that it is longer than it may be, or than the payload. */
static void
test_domain_list(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    vp_list_domains_ret decoded = { 0 };

    vp_append_u32(out, VP_DOMAIN_LIST_MAX + 1);
    g_byte_array_set_size(out, 4 + (VP_DOMAIN_LIST_MAX + 1) * 24 + 4);
    memset(out->data + 4, 0, out->len - 4);
    g_assert_false(decode(out->data, out->len, xdr_vp_list_domains_ret, &decoded));
    out->data[3] = 0; /* 16384 */
    g_assert_true(decode(out->data, out->len, xdr_vp_list_domains_ret, &decoded));
    g_assert_cmpuint(decoded.domains.domains_len, ==, VP_DOMAIN_LIST_MAX);
    vp_xdr_clear(xdr_vp_list_domains_ret, &decoded);
    decoded = (vp_list_domains_ret){ 0 };
    g_assert_false(decode(out->data, 1000, xdr_vp_list_domains_ret, &decoded));
}

/* Newer versions append fields. */
static void
test_trailing_bytes(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    vp_open_args decoded = { 0 };

    g_byte_array_append(bytes, open_bytes, sizeof(open_bytes));
    g_byte_array_append(bytes, (const guint8 *)"more", 4);
    g_assert_true(decode(bytes->data, bytes->len, xdr_vp_open_args, &decoded));
    vp_xdr_clear(xdr_vp_open_args, &decoded);
}

/* What rpc/walk.c relies on, since libvirtd's decoder is the same library: any word but 0 says that
 * something is there, and a string may have a NUL inside. */
static void
test_what_decodes_all_the_same(void)
{
    static const guint8 bytes[] = {
        0x00, 0x00, 0x00, 0x02, /* a name is there */
        0x00, 0x00, 0x00, 0x05, /* its length */
        'a', 'b', 0x00, 'd', 'e', 0xff, 0xff, 0xff, /* padding that is not zero */
        0x00, 0x00, 0x00, 0x00, /* flags */
    };
    vp_open_args decoded = { 0 };

    g_assert_true(decode(bytes, sizeof(bytes), xdr_vp_open_args, &decoded));
    g_assert_cmpstr(*decoded.name, ==, "ab");
    vp_xdr_clear(xdr_vp_open_args, &decoded);
}

/* --- frames -------------------------------------------------------------- */

static void
test_frame(void)
{
    static const guint8 header_bytes[] = {
        0x00, 0x00, 0x00, 0x38, /* length: 28 and 28 */
        0x20, 0x00, 0x80, 0x86, /* program */
        0x00, 0x00, 0x00, 0x01, /* version */
        0x00, 0x00, 0x00, 0x01, /* procedure: CONNECT_OPEN */
        0x00, 0x00, 0x00, 0x00, /* type: call */
        0x00, 0x00, 0x00, 0x05, /* serial */
        0x00, 0x00, 0x00, 0x00, /* status */
    };
    const VpHeader header = {
        .program = VP_REMOTE_PROGRAM,
        .version = 1,
        .procedure = VP_REMOTE_CONNECT_OPEN,
        .serial = 5,
    };
    vp_string name = (char *)"qemu:///system";
    vp_open_args args = { .name = &name, .flags = VP_OPEN_READ_ONLY };
    g_autoptr(GByteArray) frame = vp_xdr_frame(&header, xdr_vp_open_args, &args);
    g_autoptr(GByteArray) empty = vp_xdr_frame(&header, NULL, NULL);

    g_assert_cmpuint(frame->len, ==, 56);
    g_assert_cmpmem(frame->data, 28, header_bytes, 28);
    g_assert_cmpmem(frame->data + 28, frame->len - 28, open_bytes, sizeof(open_bytes));
    g_assert_cmpuint(empty->len, ==, 28);
    g_assert_cmpuint(vp_get_u32(empty->data), ==, 28);
}

static void
test_frame_that_cannot_be(void)
{
    const VpHeader header = { .program = VP_REMOTE_PROGRAM };
    g_autofree char *text = g_strnfill(VP_XDR_STRING_MAX + 1, 'x');
    vp_open_args args = { .name = &text };

    g_assert_null(vp_xdr_frame(&header, xdr_vp_open_args, &args));
}

/* --- uuids --------------------------------------------------------------- */

static void
test_uuid(void)
{
    static const char *const same[] = {
        UUID, "C7A5FDBD-CDAF-9455-926A-D65C16DB1809", "c7a5fdbdcdaf9455926ad65c16db1809",
        "c7-a5-fd-bd-cdaf9455926ad65c16db18-09",
    };
    static const char *const wrong[] = {
        "", "-", "c7", UUID "0", UUID "-", UUID " ", "c7a5fdbd-cdaf-9455-926a-d65c16db180",
        "c7a5fdbd-cdaf-9455-926a-d65c16db18", "g7a5fdbd-cdaf-9455-926a-d65c16db1809",
        "c-7a5fdbd-cdaf-9455-926a-d65c16db1809", "c7a5fdbd-cdaf-9455-926a-d65c16db18-",
        " " UUID, "0x" UUID,
    };
    char text[VP_UUID_TEXT_SIZE + 1];

    memset(text, '?', sizeof(text));
    vp_uuid_format(uuid_bytes, text);
    g_assert_cmpstr(text, ==, UUID);
    g_assert_cmpint(text[VP_UUID_TEXT_SIZE], ==, '?');
    for (gsize i = 0; i < G_N_ELEMENTS(same); i++) {
        guint8 uuid[16] = { 0 };

        g_assert_true(vp_uuid_parse(same[i], uuid));
        g_assert_cmpmem(uuid, 16, uuid_bytes, 16);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *copy = g_strdup(wrong[i]);
        guint8 uuid[16] = { 42 }, before[16] = { 42 };

        g_assert_false(vp_uuid_parse(copy, uuid));
        g_assert_cmpmem(uuid, 16, before, 16);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/payload/error-body", test_error_body);
    g_test_add_func("/rpc/payload/error-body-with-objects", test_error_body_with_objects);
    g_test_add_func("/rpc/payload/open-args", test_open_args);
    g_test_add_func("/rpc/payload/open-args-without-name", test_open_args_without_name);
    g_test_add_func("/rpc/payload/identity-args", test_identity_args);
    g_test_add_func("/rpc/payload/param-values", test_param_values);
    g_test_add_func("/rpc/payload/longest-string", test_longest_string);
    g_test_add_func("/rpc/payload/most-params", test_most_params);
    g_test_add_func("/rpc/payload/domain-list", test_domain_list);
    g_test_add_func("/rpc/payload/trailing-bytes", test_trailing_bytes);
    g_test_add_func("/rpc/payload/what-decodes-all-the-same", test_what_decodes_all_the_same);
    g_test_add_func("/rpc/payload/frame", test_frame);
    g_test_add_func("/rpc/payload/frame-that-cannot-be", test_frame_that_cannot_be);
    g_test_add_func("/rpc/payload/uuid", test_uuid);
    return g_test_run();
}
