/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Disks and snapshots out of query-block: what QEMU 7.2, 10.0 and 11.1 answer for one machine
 * (transcripts/), and small answers made for one rule each.
 *
 * The machine of the transcripts: virtio-disk0 qcow2 with the snapshots s1 and s1, ide0-0-0 an
 * overlay with the first of them, virtio-disk2 raw, virtio-disk3 read-only, virtio-disk4 qcow2
 * below copy-on-read with the second, ide0-1-0 an empty CD drive.
 */

#include "added/snapshot_list.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

static VpDisks *
read_text(const char *text)
{
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(text, -1, NULL);
    g_autoptr(GError) error = NULL;
    VpDisks *disks = NULL;

    g_assert_nonnull(tree);
    disks = vp_disks_read(vp_json_root(tree), &error);
    g_assert_no_error(error);
    return disks;
}

static VpSnapshots *
list_text(const char *text)
{
    g_autoptr(VpDisks) disks = read_text(text);

    return vp_snapshots_new(disks);
}

static VpSnapshots *
list_transcript(const char *name)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "transcripts", name, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return list_text(text);
}

/* A disk whose image holds these snapshots; each is "id tag date clock state-size". */
static char *
disk(const char *alias, const char *more, const char *const *snapshots)
{
    GString *text = g_string_new(NULL);

    g_string_printf(text, "{\"device\": \"\", \"qdev\": \"/machine/peripheral/%s/virtio-backend\", "
                    "\"inserted\": {\"node-name\": \"n-%s\", %s \"image\": {\"filename\": \"/%s\", "
                    "\"format\": \"qcow2\", \"snapshots\": [", alias, alias, more, alias);
    for (guint i = 0; snapshots && snapshots[i]; i++) {
        g_auto(GStrv) words = g_strsplit(snapshots[i], " ", 5);

        g_string_append_printf(text, "%s{\"id\": \"%s\", \"name\": \"%s\", \"date-sec\": %s, "
                               "\"date-nsec\": 0, \"vm-clock-sec\": %s, \"vm-clock-nsec\": 0, "
                               "\"vm-state-size\": %s}",
                               i > 0 ? "," : "", words[0], words[1], words[2], words[3], words[4]);
    }
    g_string_append(text, "]}}}");
    return g_string_free(text, FALSE);
}

#define SNAPSHOTS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define WRITABLE "\"ro\": false,"

/* The list for two disks with these. */
static VpSnapshots *
list_two(const char *const *first, const char *const *second)
{
    g_autofree char *one = disk("a", WRITABLE, first);
    g_autofree char *two = disk("b", WRITABLE, second);
    g_autofree char *text = g_strdup_printf("[%s, %s]", one, two);

    return list_text(text);
}

static void
assert_explained(const VpSnapshots *list, guint i, const char *expected)
{
    g_autofree char *text = vp_snapshot_explain(vp_snapshots_at(list, i));

    g_assert_cmpstr(text, ==, expected);
    g_assert_true(vp_snapshot_loadable(vp_snapshots_at(list, i)) == !*expected);
}

static void
assert_disk(const VpDisk *found, const char *name, const char *node, const char *file,
            const char *format)
{
    g_assert_cmpstr(found->name, ==, name);
    g_assert_cmpstr(found->node, ==, node);
    g_assert_cmpstr(found->file, ==, file);
    g_assert_cmpstr(found->format, ==, format);
}

static void
test_transcript_disks(gconstpointer name)
{
    g_autoptr(VpSnapshots) list = list_transcript(name);
    const VpDisks *disks = vp_snapshots_disks(list);

    g_assert_cmpuint(vp_disks_count(disks), ==, 5);
    assert_disk(vp_disks_at(disks, 0), "virtio-disk0", "n1-format", "/images/d1", "qcow2");
    assert_disk(vp_disks_at(disks, 1), "ide0-0-0", "n2-format", "/images/ov", "qcow2");
    assert_disk(vp_disks_at(disks, 2), "virtio-disk2", "n3-format", "/images/raw", "raw");
    assert_disk(vp_disks_at(disks, 3), "virtio-disk3", "n4-format", "/images/ro", "qcow2");
    assert_disk(vp_disks_at(disks, 4), "virtio-disk4", "cor", "/images/d2", "qcow2");
    for (guint i = 0; i < 5; i++) {
        g_assert_true((vp_disks_at(disks, i)->unable != NULL) == (i == 2));
        g_assert_true(vp_disks_at(disks, i)->read_only == (i == 3));
    }
    g_assert_true(vp_disks_state_holder(disks) == vp_disks_at(disks, 0));
}

static void
test_transcript_snapshots(gconstpointer name)
{
    g_autoptr(VpSnapshots) list = list_transcript(name);
    const VpSnapshot *first = NULL, *second = NULL;

    g_assert_cmpuint(vp_snapshots_count(list), ==, 2);
    first = vp_snapshots_at(list, 0);
    second = vp_snapshots_at(list, 1);
    g_assert_cmpuint(first->disks->len, ==, 2);
    g_assert_cmpuint(second->disks->len, ==, 2);
    g_assert_cmpstr(first->uuid, !=, second->uuid);
    g_assert_cmpstr(first->state_holder->name, ==, "virtio-disk0");
    g_assert_cmpint(first->vm_state_size, >, 100000);
    assert_explained(list, 0, "what is called so on virtio-disk4 is another snapshot, and there "
                     "are several of that name on virtio-disk0, and virtio-disk2 cannot hold "
                     "snapshots");
    assert_explained(list, 1, "what is called so on ide0-0-0 is another snapshot, and there are "
                     "several of that name on virtio-disk0, and virtio-disk2 cannot hold "
                     "snapshots");
}

static void
test_loadable(void)
{
    g_autoptr(VpSnapshots) list = list_two(SNAPSHOTS("1 s 5 7 100"), SNAPSHOTS("4 s 5 7 0"));

    g_assert_cmpuint(vp_snapshots_count(list), ==, 1);
    assert_explained(list, 0, "");
    g_assert_cmpstr(vp_snapshots_at(list, 0)->state_holder->name, ==, "a");
    g_assert_true(vp_snapshots_find(list, "s") == vp_snapshots_at(list, 0));
    g_assert_null(vp_snapshots_find(list, "1"));
}

static void
test_problems(void)
{
    g_autoptr(VpSnapshots) missing = list_two(SNAPSHOTS("1 s 5 7 100"), NULL);
    g_autoptr(VpSnapshots) other = list_two(SNAPSHOTS("1 s 5 7 100"), SNAPSHOTS("1 s 5 8 0"));
    g_autoptr(VpSnapshots) twice = list_two(SNAPSHOTS("1 s 5 7 9", "2 s 6 8 9"),
                                            SNAPSHOTS("1 s 6 8 0"));
    g_autoptr(VpSnapshots) data = list_two(SNAPSHOTS("1 s 5 7 0"), SNAPSHOTS("1 s 5 7 0"));

    assert_explained(missing, 0, "it is missing on b");
    g_assert_cmpuint(vp_snapshots_count(other), ==, 2);
    assert_explained(other, 0, "what is called so on b is another snapshot");
    assert_explained(other, 1, "what is called so on a is another snapshot, and it holds the data "
                     "of b but not the state of the guest");
    assert_explained(twice, 0, "what is called so on b is another snapshot, and there are several "
                     "of that name on a");
    assert_explained(twice, 1, "there are several of that name on a");
    assert_explained(data, 0, "it holds the data of a, b but not the state of the guest");
}

/* Each part of what identifies a snapshot does. */
static void
test_keys(void)
{
    VpSnapshotKey key = { "s", 1, 2, 3, 4 };
    const VpSnapshotKey others[] = {
        { "t", 1, 2, 3, 4 }, { "s", 0, 2, 3, 4 }, { "s", 1, 0, 3, 4 }, { "s", 1, 2, 0, 4 },
        { "s", 1, 2, 3, 0 }, { "", 1, 2, 3, 4 },
    };
    char uuid[VP_UUID_SIZE] = "", other[VP_UUID_SIZE] = "";

    vp_snapshot_uuid(&key, uuid);
    g_assert_true(g_uuid_string_is_valid(uuid));
    g_assert_cmpint(uuid[14], ==, '5');
    g_assert_true(vp_snapshot_key_equal(&key, &key));
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        vp_snapshot_uuid(&others[i], other);
        g_assert_cmpstr(other, !=, uuid);
        g_assert_false(vp_snapshot_key_equal(&key, &others[i]));
    }
    vp_snapshot_uuid(&key, other);
    g_assert_cmpstr(other, ==, uuid);
}

/* It is stored; a later version must not come to another one. */
static void
test_uuid_stays(void)
{
    VpSnapshotKey key = { "before the update", 1795314924, 269521000, 1, 79960458 };
    char uuid[VP_UUID_SIZE] = "";

    vp_snapshot_uuid(&key, uuid);
    g_assert_cmpstr(uuid, ==, "585eb901-f0d5-5813-9b23-4084828b7c63");
}

static void
test_read_only(void)
{
    g_autofree char *one = disk("a", WRITABLE, SNAPSHOTS("1 s 5 7 100"));
    g_autofree char *two = disk("b", "\"ro\": true,", SNAPSHOTS("1 s 1 1 1", "2 t 1 1 1"));
    g_autofree char *text = g_strdup_printf("[%s, %s]", two, one);
    g_autoptr(VpSnapshots) list = list_text(text);

    g_assert_cmpuint(vp_snapshots_count(list), ==, 1);
    assert_explained(list, 0, "");
    g_assert_cmpstr(vp_disks_state_holder(vp_snapshots_disks(list))->name, ==, "a");
}

/* What QEMU finds out only when it has written all of the guest's memory. */
static void
test_unable(void)
{
    static const struct {
        const char *data;
        const char *reason; /* NULL: none */
    } cases[] = {
        { "\"refcount-bits\": 16, \"corrupt\": false", NULL },
        { "\"refcount-bits\": 2", NULL },
        { "\"refcount-bits\": 1", "reference counts" },
        { "\"refcount-bits\": 16, \"data-file\": \"x\"", "external file" },
        { "\"refcount-bits\": 16, \"corrupt\": true", "corrupt" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf(
            "[{\"inserted\": {\"node-name\": \"n\", \"image\": {\"format\": \"qcow2\", "
            "\"format-specific\": {\"type\": \"qcow2\", \"data\": {%s}}}}}]", cases[i].data);
        g_autoptr(VpDisks) disks = read_text(text);
        const VpDisk *found = vp_disks_at(disks, 0);

        g_assert_true((found->unable != NULL) == (cases[i].reason != NULL));
        if (cases[i].reason)
            g_assert_nonnull(strstr(found->unable, cases[i].reason));
        g_assert_true((vp_disks_state_holder(disks) == found) == !cases[i].reason);
    }
}

static void
test_names(void)
{
    static const struct {
        const char *members;
        const char *name;
        bool firmware;
    } cases[] = {
        { "\"qdev\": \"/machine/peripheral/virtio-disk0/virtio-backend\"", "virtio-disk0", false },
        { "\"qdev\": \"/machine/peripheral/usb-disk1/usb-disk1.0/legacy[0]\"", "usb-disk1", false },
        { "\"qdev\": \"ide0-0-0\", \"device\": \"\"", "ide0-0-0", false },
        { "\"qdev\": \"/machine/system.flash1\"", "system.flash1", true },
        { "\"qdev\": \"/machine/peripheral-anon/device[0]/virtio-backend\"", "node", false },
        { "\"qdev\": \"/machine/unattached/device[7]\"", "node", false },
        { "\"qdev\": \"/machine/unattached/device[7]\", \"device\": \"sd0\"", "sd0", false },
        { "\"qdev\": \"/\"", "node", false },
        { "\"device\": \"ide0-hd0\"", "ide0-hd0", false },
        { "\"locked\": false", "node", false },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf(
            "[{%s, \"inserted\": {\"node-name\": \"node\", \"image\": {}}}]", cases[i].members);
        g_autoptr(VpDisks) disks = read_text(text);

        g_assert_cmpstr(vp_disks_at(disks, 0)->name, ==, cases[i].name);
        g_assert_true(vp_disks_at(disks, 0)->firmware == cases[i].firmware);
    }
}

static void
test_state_holder(void)
{
#define QCOW2 "\"image\": {\"format\": \"qcow2\"}"
    g_autoptr(VpDisks) flash_first = read_text(
        "[{\"qdev\": \"/machine/system.flash1\", \"inserted\": {\"node-name\": \"f\", " QCOW2 "}},"
        " {\"inserted\": {\"node-name\": \"r\", \"image\": {\"format\": \"rbd\"}}},"
        " {\"inserted\": {\"node-name\": \"d\", " QCOW2 "}}]");
    g_autoptr(VpDisks) flash_only = read_text(
        "[{\"qdev\": \"/machine/system.flash1\", \"inserted\": {\"node-name\": \"f\", " QCOW2
        "}}]");
    g_autoptr(VpDisks) none = read_text("[]");

    g_assert_cmpstr(vp_disks_state_holder(flash_first)->node, ==, "d");
    g_assert_cmpstr(vp_disks_state_holder(flash_only)->node, ==, "f");
    g_assert_null(vp_disks_state_holder(none));
}

/* Named twice in a job's list it would get two snapshots. */
static void
test_shared_node(void)
{
    g_autofree char *one = disk("a", WRITABLE, SNAPSHOTS("1 s 5 7 100"));
    g_autofree char *text = g_strdup_printf("[%s, %s]", one, one);
    g_autoptr(VpDisks) disks = read_text(text);

    g_assert_cmpuint(vp_disks_count(disks), ==, 1);
}

/* Answers of no QEMU: nothing found, nothing harmed. */
static void
test_strange(void)
{
    static const char *const texts[] = {
        "null", "{}", "[null]", "[1, \"x\", []]", "[{\"inserted\": null}]",
    };
    g_autoptr(VpSnapshots) list = list_text(
        "[{\"inserted\": {\"image\": {\"format\": \"qcow2\", \"snapshots\": [{}, 5, null]}}}]");
    g_autofree char *json = vp_snapshots_to_json(list);
    g_autofree char *per_device = vp_snapshots_to_json_per_device(list);

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(VpDisks) disks = read_text(texts[i]);

        g_assert_cmpuint(vp_disks_count(disks), <=, 1);
    }
    g_assert_cmpuint(vp_snapshots_count(list), ==, 1);
    g_assert_nonnull(json);
    g_assert_nonnull(per_device);
}

static void
test_equal(void)
{
    g_autofree char *one = disk("a", WRITABLE, SNAPSHOTS("1 s 5 7 100", "2 t 6 8 9"));
    g_autofree char *same = disk("a", WRITABLE, SNAPSHOTS("2 t 6 8 9", "1 s 5 7 100"));
    g_autofree char *less = disk("a", WRITABLE, SNAPSHOTS("1 s 5 7 100"));
    g_autofree char *other = disk("a", WRITABLE, SNAPSHOTS("1 s 5 7 100", "3 t 6 8 9"));
    g_autofree char *elsewhere = disk("b", WRITABLE, SNAPSHOTS("1 s 5 7 100", "2 t 6 8 9"));
    const char *const texts[] = { one, same, less, other, elsewhere };
    g_autofree char *first = g_strdup_printf("[%s]", one);
    g_autoptr(VpDisks) disks = read_text(first);

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *text = g_strdup_printf("[%s]", texts[i]);
        g_autoptr(VpDisks) compared = read_text(text);

        g_assert_true(vp_disks_equal(disks, compared) == (i < 2));
        g_assert_true(vp_disks_equal(compared, disks) == (i < 2));
    }
}

static void
test_json(void)
{
    g_autoptr(VpSnapshots) list = list_two(SNAPSHOTS("1 s 5 7 100", "2 p 6 8 9"),
                                           SNAPSHOTS("4 s 5 7 0"));
    g_autofree char *json = NULL;
    g_autofree char *expected = NULL;

    vp_snapshots_at(list, 1)->parent = g_strdup(vp_snapshots_at(list, 0)->uuid);
    vp_snapshots_at(list, 1)->current = true;
    json = vp_snapshots_to_json(list);
    expected = g_strdup_printf(
        "[{\"name\": \"s\", \"uuid\": \"%s\", \"parent\": null, \"current\": false, "
        "\"loadable\": true, \"date-sec\": 5, \"date-nsec\": 0, \"vm-clock-sec\": 7, "
        "\"vm-clock-nsec\": 0, \"vm-state-size\": 100, \"vmstate\": \"a\", \"images\": ["
        "{\"disk\": \"a\", \"node-name\": \"n-a\", \"file\": \"/a\", \"id\": \"1\", "
        "\"vm-state-size\": 100}, {\"disk\": \"b\", \"node-name\": \"n-b\", \"file\": \"/b\", "
        "\"id\": \"4\", \"vm-state-size\": 0}]}, "
        "{\"name\": \"p\", \"uuid\": \"%s\", \"parent\": \"%s\", \"current\": true, "
        "\"loadable\": false, \"problems\": [{\"problem\": \"missing-on\", \"disks\": [\"b\"]}], "
        "\"explanation\": \"it is missing on b\", \"date-sec\": 6, \"date-nsec\": 0, "
        "\"vm-clock-sec\": 8, \"vm-clock-nsec\": 0, \"vm-state-size\": 9, \"vmstate\": \"a\", "
        "\"images\": [{\"disk\": \"a\", \"node-name\": \"n-a\", \"file\": \"/a\", \"id\": \"2\", "
        "\"vm-state-size\": 9}]}]",
        vp_snapshots_at(list, 0)->uuid, vp_snapshots_at(list, 1)->uuid,
        vp_snapshots_at(list, 0)->uuid);
    g_assert_cmpstr(json, ==, expected);
}

static void
test_json_per_device(void)
{
    g_autoptr(VpSnapshots) list = list_two(SNAPSHOTS("1 s 1271350136 7 100"),
                                           SNAPSHOTS("4 s 1271350136 7 0"));
    const char *uuid = vp_snapshots_at(list, 0)->uuid;
    g_autofree char *json = NULL;
    g_autofree char *expected = NULL;

    vp_snapshots_at(list, 0)->parent = g_strdup(VP_SNAPSHOT_NO_PARENT);
    json = vp_snapshots_to_json_per_device(list);
    expected = g_strdup_printf(
        "[{\"device\": \"a\", \"state\": true, \"snapshots\": [{\"uuid\": \"%s\", \"parent_uuid\": "
        "\"" VP_SNAPSHOT_NO_PARENT "\", \"tag\": \"s\", \"date\": 20100415164856}]}, "
        "{\"device\": \"b\", \"state\": false, \"snapshots\": [{\"uuid\": \"%s\", \"parent_uuid\": "
        "\"" VP_SNAPSHOT_NO_PARENT "\", \"tag\": \"s\", \"date\": 20100415164856}]}]",
        uuid, uuid);
    g_assert_cmpstr(json, ==, expected);
}

static char *
disk_with(guint count)
{
    g_auto(GStrv) snapshots = g_new0(char *, count + 1);
    g_autofree char *text = NULL;

    for (guint i = 0; i < count; i++)
        snapshots[i] = g_strdup_printf("%u s%u %u 1 1", i, i, i);
    text = disk("a", WRITABLE, (const char *const *)snapshots);
    return g_strdup_printf("[%s]", text);
}

static void
test_limit(void)
{
    g_autofree char *most = disk_with(VP_SNAPSHOTS_MAX);
    g_autofree char *more = disk_with(VP_SNAPSHOTS_MAX + 1);
    g_autoptr(VpSnapshots) list = list_text(most);
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(more, -1, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(vp_snapshots_count(list), ==, VP_SNAPSHOTS_MAX);
    g_assert_null(vp_disks_read(vp_json_root(tree), &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, "4097"));
}

int
main(int argc, char **argv)
{
    static const char *const versions[] = { "7.2", "10.0", "11.1" };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
        g_autofree char *file = g_strdup_printf("query-block-%s.json", versions[i]);
        g_autofree char *disks = g_strdup_printf("/transcript/%s/disks", versions[i]);
        g_autofree char *snapshots = g_strdup_printf("/transcript/%s/snapshots", versions[i]);

        g_test_add_data_func_full(disks, g_strdup(file), test_transcript_disks, g_free);
        g_test_add_data_func_full(snapshots, g_strdup(file), test_transcript_snapshots, g_free);
    }
    g_test_add_func("/loadable", test_loadable);
    g_test_add_func("/problems", test_problems);
    g_test_add_func("/keys", test_keys);
    g_test_add_func("/uuid-stays", test_uuid_stays);
    g_test_add_func("/read-only", test_read_only);
    g_test_add_func("/unable", test_unable);
    g_test_add_func("/names", test_names);
    g_test_add_func("/state-holder", test_state_holder);
    g_test_add_func("/shared-node", test_shared_node);
    g_test_add_func("/strange", test_strange);
    g_test_add_func("/equal", test_equal);
    g_test_add_func("/json", test_json);
    g_test_add_func("/json-per-device", test_json_per_device);
    g_test_add_func("/limit", test_limit);
    return g_test_run();
}
