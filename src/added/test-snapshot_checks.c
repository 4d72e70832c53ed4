/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Each check with answers that pass, answers that do not, and what is then said.
 */

#include "added/snapshot_checks.h"

#include "base/limits.h"

#include <string.h>

/* What a check said: "" for nothing. Takes @error. */
static void
assert_verdict(bool passed, GError *error, const char *expected)
{
    g_autoptr(GError) taken = error;

    g_assert_true(passed == !expected);
    g_assert_true((taken == NULL) == passed);
    if (expected && !strstr(taken->message, expected))
        g_error("\"%s\" is not in \"%s\"", expected, taken->message);
}

static VpJsonTree *
parse(const char *text)
{
    VpJsonTree *tree = vp_json_tree_parse(text, -1, NULL);

    g_assert_nonnull(tree);
    return tree;
}

static VpDisks *
disks_of(const char *text)
{
    g_autoptr(VpJsonTree) tree = parse(text);

    return vp_disks_read(vp_json_root(tree), NULL);
}

typedef bool (*Check)(const VpJsonNode *answer, GError **error);

/* An answer, and what is said about it; NULL: nothing. */
typedef struct Case {
    const char *answer;
    const char *expected;
} Case;

static void
run_cases(Check check, const Case *cases, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        g_autoptr(VpJsonTree) tree = parse(cases[i].answer);
        GError *error = NULL;
        bool passed = check(vp_json_root(tree), &error);

        assert_verdict(passed, error, cases[i].expected);
    }
}

static void
test_names(void)
{
    g_autofree char *longest = g_strnfill(VP_SNAPSHOT_NAME_MAX, 'x');
    g_autofree char *longer = g_strnfill(VP_SNAPSHOT_NAME_MAX + 1, 'x');
    const Case cases[] = {
        { "s", NULL },
        { "two words", NULL },
        { "\303\274ber", NULL },
        { "1a", NULL },
        { "-", NULL },
        { longest, NULL },
        { longer, "256 bytes" },
        { "", "empty" },
        { "a\nb", "control" },
        { "a\177b", "control" },
        { "a\302\205b", "control" },
        { "a\xff", "UTF-8" },
        { "7", "'7', consists of digits" },
        { "20261122", "digits" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        GError *error = NULL;
        bool passed = vp_check_snapshot_name(cases[i].answer, &error);

        assert_verdict(passed, error, cases[i].expected);
    }
}

#define HOLDS(name) "[{\"inserted\": {\"node-name\": \"n\", \"ro\": true, \"image\": {" \
    "\"format\": \"qcow2\", \"snapshots\": [" name "]}}}]"

static void
test_default_name(void)
{
    g_autoptr(GTimeZone) zone = g_time_zone_new_utc();
    g_autoptr(GDateTime) now = g_date_time_new(zone, 2026, 11, 22, 2, 20, 55);
    g_autoptr(VpDisks) none = disks_of("[]");
    g_autoptr(VpDisks) one = disks_of(HOLDS("{\"name\": \"vm-20261122022055\"}"));
    g_autoptr(VpDisks) two = disks_of(HOLDS("{\"name\": \"vm-20261122022055\"}, "
                                            "{\"name\": \"vm-20261122022055-2\"}"));
    g_autofree char *plain = vp_snapshot_default_name(now, none);
    g_autofree char *second = vp_snapshot_default_name(now, one);
    g_autofree char *third = vp_snapshot_default_name(now, two);

    g_assert_cmpstr(plain, ==, "vm-20261122022055");
    g_assert_cmpstr(second, ==, "vm-20261122022055-2");
    g_assert_cmpstr(third, ==, "vm-20261122022055-3");
}

static void
test_name_free(void)
{
    g_autoptr(VpDisks) disks = disks_of(HOLDS("{\"name\": \"s\"}"));
    GError *error = NULL;

    g_assert_true(vp_check_name_free(disks, "t", NULL));
    g_assert_false(vp_check_name_free(disks, "s", &error));
    assert_verdict(false, error, "the disk 'n' has a snapshot 's'");
}

static bool
check_saving(const VpJsonNode *status, GError **error)
{
    return vp_check_run_state(status, false, error);
}

static bool
check_loading(const VpJsonNode *status, GError **error)
{
    return vp_check_run_state(status, true, error);
}

static void
test_run_state(void)
{
    static const Case cases[] = {
        { "{\"status\": \"running\", \"running\": true}", NULL },
        { "{\"status\": \"paused\"}", NULL },
        { "{\"status\": \"prelaunch\"}", NULL },
        { "{\"status\": \"io-error\"}", NULL },
        { "{\"status\": \"restore-vm\"}", "'restore-vm'" },
        { "{\"status\": \"inmigrate\"}", "coming in" },
        { "{\"status\": \"postmigrate\"}", "moved away" },
        { "{}", NULL },
    };

    static const Case replacing[] = {
        { "{\"status\": \"restore-vm\"}", NULL },
        { "{\"status\": \"inmigrate\"}", "coming in" },
    };

    run_cases(check_saving, cases, G_N_ELEMENTS(cases));
    run_cases(check_loading, replacing, G_N_ELEMENTS(replacing));
}

static void
test_migration(void)
{
    static const Case cases[] = {
        { "{}", NULL },
        { "{\"blocked-reasons\": []}", NULL },
        { "{\"status\": \"completed\"}", NULL },
        { "{\"status\": \"active\"}", "being migrated (active)" },
        { "{\"status\": \"some-new-phase\"}", "some-new-phase" },
        { "{\"blocked-reasons\": [\"non-migratable device: 0000:00:01.0/nvme\"]}", "01.0/nvme" },
        { "{\"blocked-reasons\": [{}]}", "does not allow it" },
    };

    run_cases(vp_check_migration, cases, G_N_ELEMENTS(cases));
}

static void
test_jobs(void)
{
    static const Case cases[] = {
        { "[]", NULL },
        { "[{\"id\": \"j\", \"status\": \"concluded\", \"type\": \"snapshot-save\"}]", NULL },
        { "[{\"id\": \"j\", \"status\": \"null\"}]", NULL },
        { "[{\"id\": \"j\", \"status\": \"ready\", \"type\": \"mirror\"}]",
          "the job 'j' (mirror, ready)" },
        { "[{\"status\": \"concluded\"}, {\"id\": \"k\", \"status\": \"running\"}]", "'k'" },
        { "[{}]", "has not ended" },
    };

    run_cases(vp_check_jobs, cases, G_N_ELEMENTS(cases));
}

static void
test_devices(void)
{
    static const Case cases[] = {
        { "[{\"name\": \"type\", \"type\": \"string\"}, {\"name\": \"net0\", \"type\": "
          "\"child<virtio-net-pci>\"}]", NULL },
        { "[{\"name\": \"disk0\", \"type\": \"child<virtio-blk-pci>\"}]", NULL },
        { "[{\"name\": \"d\", \"type\": \"child<vhost-user-blk-pci>\"}]",
          "'d' (vhost-user-blk)" },
        { "[{\"name\": \"d\", \"type\": \"child<vhost-scsi-ccw>\"}]", "outside of QEMU" },
        { "[{}]", NULL },
    };

    run_cases(vp_check_devices, cases, G_N_ELEMENTS(cases));
}

#define DISK(name, format, more) "{\"device\": \"" name "\", \"inserted\": {\"node-name\": \"n-" \
    name "\"" more ", \"image\": {\"format\": \"" format "\", \"filename\": \"/" name "\"}}}"

static void
test_disks(void)
{
    static const Case cases[] = {
        { "[" DISK("a", "qcow2", "") "]", NULL },
        { "[" DISK("a", "qcow2", "") ", " DISK("b", "raw", ", \"ro\": true") "]", NULL },
        { "[" DISK("a", "qcow2", "") ", " DISK("b", "raw", "") "]", "'b' (/b)" },
        { "[" DISK("a", "rbd", "") "]", "no disk of the guest can hold its state" },
        { "[" DISK("a", "qcow2", ", \"ro\": true") "]", "no disk that may be written" },
        { "[{\"device\": \"cd\"}]", "no disk that may be written" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VpDisks) disks = disks_of(cases[i].answer);
        GError *error = NULL;
        bool passed = vp_check_disks(disks, &error);

        assert_verdict(passed, error, cases[i].expected);
    }
}

static void
test_bitmaps(void)
{
    static const Case cases[] = {
        { "[{\"node-name\": \"n-a\"}, {\"node-name\": \"x\", \"dirty-bitmaps\": []}]", NULL },
        { "[{\"node-name\": \"n-a\", \"dirty-bitmaps\": [{\"name\": \"m\"}]}]",
          "the disk 'a' has the dirty bitmap 'm'" },
        { "[{\"node-name\": \"below\", \"dirty-bitmaps\": [{\"busy\": true}]}]", "'below'" },
        { "[{\"node-name\": \"back\", \"ro\": true, \"dirty-bitmaps\": [{\"name\": \"m\"}]}]",
          NULL },
    };
    g_autoptr(VpDisks) disks = disks_of("[" DISK("a", "qcow2", "") "]");

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VpJsonTree) tree = parse(cases[i].answer);
        GError *error = NULL;
        bool passed = vp_check_bitmaps(vp_json_root(tree), disks, &error);

        assert_verdict(passed, error, cases[i].expected);
    }
}

#define STATE "\"date-sec\": 5, \"vm-state-size\": "

static void
test_loadable(void)
{
    g_autoptr(VpDisks) disks = disks_of(
        "[{\"device\": \"a\", \"inserted\": {\"node-name\": \"n\", \"image\": {\"format\": "
        "\"qcow2\", \"snapshots\": [{\"name\": \"s\", " STATE "9}, {\"name\": \"d\", " STATE
        "0}]}}}]");
    g_autoptr(VpSnapshots) snapshots = vp_snapshots_new(disks);
    GError *error = NULL;

    g_assert_true(vp_check_loadable(snapshots, "s", NULL));
    g_assert_false(vp_check_loadable(snapshots, "t", &error));
    assert_verdict(false, g_steal_pointer(&error), "there is no snapshot 't'");
    g_assert_false(vp_check_loadable(snapshots, "d", &error));
    assert_verdict(false, error, "the snapshot 'd' cannot be loaded: it holds the data of a but");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/names", test_names);
    g_test_add_func("/default-name", test_default_name);
    g_test_add_func("/name-free", test_name_free);
    g_test_add_func("/run-state", test_run_state);
    g_test_add_func("/migration", test_migration);
    g_test_add_func("/jobs", test_jobs);
    g_test_add_func("/devices", test_devices);
    g_test_add_func("/disks", test_disks);
    g_test_add_func("/bitmaps", test_bitmaps);
    g_test_add_func("/loadable", test_loadable);
    return g_test_run();
}
