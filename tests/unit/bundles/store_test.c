/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/store.h"

#include <dirent.h>
#include <stdlib.h>

#include "tests/support/faults.h"
#include "tests/unit/bundles/fixture.h"

CLEANUP_DEFINE(Store, store_close)

static Store *open_store(const Place *place, bool writable, Error *err) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/store", place->path);
    return store_open(path, writable, err);
}

static Store *must_open(const Place *place) {
    Error err = ERROR_INIT;
    Store *store = open_store(place, true, &err);
    if (store == NULL) {
        fail_msg("%s", err.text);
    }
    return store;
}

static bool stage(Store *store, const Place *place, const char *name, Digest *ret_digest, bool *ret_new,
                  Error *err) {
    AUTO_CLOSE int fd = file_open(place->fd, name, O_RDONLY, 0, err);
    return fd >= 0 && store_stage(store, fd, name, &(StoreStaging){0}, ret_digest, ret_new, err);
}

static Digest must_stage(Store *store, const Place *place, const char *name) {
    Error err = ERROR_INIT;
    Digest digest;
    bool is_new = false;
    if (!stage(store, place, name, &digest, &is_new, &err)) {
        fail_msg("%s", err.text);
    }
    return digest;
}

/* Path of a file of a staged bundle, relative to the place. */
static const char *staged(const Digest *digest, const char *name, char path[256]) {
    char hex[DIGEST_HEX_SIZE];
    digest_format(digest, hex);
    (void)snprintf(path, 256, "store/bundles/%s/%s", hex, name);
    return path;
}

static size_t count(Store *store, size_t *ret_damaged) {
    Error err = ERROR_INIT;
    StoreList list = {0};
    assert_true(store_list(store, &list, &err));
    size_t number = list.count;
    if (ret_damaged != NULL) {
        *ret_damaged = list.damaged;
    }
    store_list_done(&list);
    return number;
}

static void assert_incoming_is_empty(const Place *place) {
    struct dirent **names = NULL;
    int number = scandirat(place->fd, "store/incoming", &names, NULL, NULL);
    for (int i = 0; i < number; i++) {
        free(names[i]);
    }
    free(names);
    assert_int_equal(number, 2); /* "." and ".." */
}

static void a_staged_bundle_is_listed_and_found(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    Digest digest;
    bool is_new = false;
    CLEANUP(store_closep) Store *store = must_open(place);
    mode_t before = umask(077);
    assert_true(stage(store, place, "x.pswb", &digest, &is_new, &err));
    (void)umask(before);
    assert_true(is_new);

    StoreList list = {0};
    assert_true(store_list(store, &list, &err));
    assert_int_equal(list.count, 1);
    assert_true(digest_equal(&list.entries[0].digest, &digest));
    assert_string_equal(list.entries[0].manifest->name, "psw");
    assert_int_equal(list.entries[0].size, 15 + 17 + 13 + 22);
    char prefix[9] = "";
    memcpy(prefix, list.entries[0].digest_hex, 8);
    char *whats[] = {"1.2", "1.2.0", "psw@1.2", prefix, list.entries[0].digest_hex};
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++) {
        StoreEntry entry;
        if (!store_find(store, whats[i], &entry, &err)) {
            fail_msg("%s", err.text);
        }
        assert_true(digest_equal(&entry.digest, &digest));
        store_entry_done(&entry);
    }
    store_list_done(&list);

    struct stat facts;
    AUTO_FREE char *path = store_bundle_path(store, &digest);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0755);
    assert_true(store_verify(store, &digest, NULL, &err));
}

static void what_is_not_staged_is_not_found(void **state) {
    const Place *place = *state;
    static const char *const whats[] = {
        "1.3", "other@1.2", "psw@", "psw@x",
        "",    "1234567",   "@1.2", "00000000000000000000000000000000000000000000000000000000000000ff"};
    CLEANUP(store_closep) Store *store = must_open(place);
    (void)must_stage(store, place, "x.pswb");
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++) {
        Error err = ERROR_INIT;
        StoreEntry entry;
        assert_false(store_find(store, whats[i], &entry, &err));
        assert_int_equal(err.kind, ERROR_NOT_FOUND);
    }
}

static void the_newest_version_is_listed_first_and_an_ambiguous_name_is_refused(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    CLEANUP(store_closep) Store *store = must_open(place);
    fixture_make(place, FIXTURE_HEAD("1.10") FIXTURE_FILES, "b.pswb");
    fixture_make(place, FIXTURE_HEAD("1.9") FIXTURE_FILES, "c.pswb");
    fixture_make(place, FIXTURE_HEAD("1.9") "simulated: true\n" FIXTURE_FILES, "d.pswb");
    (void)must_stage(store, place, "x.pswb");
    (void)must_stage(store, place, "b.pswb");
    (void)must_stage(store, place, "c.pswb");
    (void)must_stage(store, place, "d.pswb");
    StoreList list = {0};
    assert_true(store_list(store, &list, &err));
    assert_int_equal(list.count, 4);
    assert_string_equal(list.entries[0].manifest->version, "1.10");
    assert_string_equal(list.entries[1].manifest->version, "1.9");
    assert_string_equal(list.entries[3].manifest->version, "1.2");
    store_list_done(&list);
    StoreEntry entry;
    assert_false(store_find(store, "1.9", &entry, &err));
    assert_int_equal(err.kind, ERROR_CONFLICT);
    assert_non_null(strstr(err.text, "psw@1.9 ("));
}

static void staging_a_bundle_again_changes_nothing(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    struct stat before;
    struct stat after;
    bool is_new = true;
    CLEANUP(store_closep) Store *store = must_open(place);
    Digest digest = must_stage(store, place, "x.pswb");
    AUTO_FREE char *path = store_bundle_path(store, &digest);
    assert_int_equal(stat(path, &before), 0);
    assert_true(stage(store, place, "x.pswb", &digest, &is_new, &err));
    assert_false(is_new);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void a_damaged_copy_of_a_staged_bundle_is_refused_all_the_same(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    Digest digest;
    bool is_new = false;
    CLEANUP(store_closep) Store *store = must_open(place);
    (void)must_stage(store, place, "x.pswb");
    AUTO_CLOSE int fd = file_open(place->fd, "x.pswb", O_WRONLY | O_APPEND, 0, &err);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_false(stage(store, place, "x.pswb", &digest, &is_new, &err));
}

static void a_bad_bundle_leaves_nothing_behind(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    Digest digest;
    bool is_new = false;
    CLEANUP(store_closep) Store *store = must_open(place);
    AUTO_CLOSE int fd = file_open(place->fd, "x.pswb", O_WRONLY | O_APPEND, 0, &err);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_false(stage(store, place, "x.pswb", &digest, &is_new, &err));
    assert_int_equal(count(store, NULL), 0);
    assert_incoming_is_empty(place);
}

static void every_kind_of_damage_is_found(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    char path[256];
    CLEANUP(store_closep) Store *store = must_open(place);
    Digest digest = must_stage(store, place, "x.pswb");
    for (unsigned kind = 0; kind < 7; kind++) {
        assert_true(store_remove(store, &digest, &err));
        digest = must_stage(store, place, "x.pswb");
        assert_true(store_verify(store, &digest, NULL, &err));
        if (kind == 0) {
            place_put(place, staged(&digest, "lib/qe3.signed.so", path), "a quoting enclavE");
        } else if (kind == 1) {
            place_put(place, staged(&digest, "lib/qe3.signed.so", path), "a quoting");
        } else if (kind == 2) {
            assert_int_equal(fchmodat(place->fd, staged(&digest, "lib/qe3.signed.so", path), 0755, 0), 0);
        } else if (kind == 3) {
            assert_int_equal(unlinkat(place->fd, staged(&digest, "lib/qe3.signed.so", path), 0), 0);
        } else if (kind == 4) {
            place_put(place, staged(&digest, "lib/libevil.so", path), "x");
        } else if (kind == 5) {
            assert_int_equal(symlinkat("/etc/passwd", place->fd, staged(&digest, "data/link", path)), 0);
        } else {
            assert_int_equal(unlinkat(place->fd, staged(&digest, "lib/pce.signed.so", path), 0), 0);
            assert_int_equal(symlinkat("qe3.signed.so", place->fd, path), 0);
        }
        err = ERROR_INIT;
        assert_false(store_verify(store, &digest, NULL, &err));
        assert_non_null(strstr(err.text, "stage it again"));
    }
}

static void staging_again_heals_a_damaged_bundle(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    char path[256];
    bool is_new = false;
    CLEANUP(store_closep) Store *store = must_open(place);
    Digest digest = must_stage(store, place, "x.pswb");
    place_put(place, staged(&digest, "lib/qe3.signed.so", path), "something else");
    assert_true(stage(store, place, "x.pswb", &digest, &is_new, &err));
    assert_true(is_new);
    assert_true(store_verify(store, &digest, NULL, &err));
    assert_incoming_is_empty(place);
}

static void a_damaged_bundle_does_not_hide_the_others(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    char path[256];
    size_t damaged = 0;
    CLEANUP(store_closep) Store *store = must_open(place);
    fixture_make(place, FIXTURE_HEAD("1.3") FIXTURE_FILES, "b.pswb");
    Digest bad = must_stage(store, place, "x.pswb");
    Digest good = must_stage(store, place, "b.pswb");
    place_put(place, staged(&bad, MANIFEST_NAME, path), "format: 1\n");
    assert_int_equal(mkdirat(place->fd, "store/bundles/lost+found", 0700), 0);
    assert_int_equal(count(store, &damaged), 1);
    assert_int_equal(damaged, 1);
    StoreEntry entry;
    assert_true(store_find(store, "1.3", &entry, &err));
    assert_true(digest_equal(&entry.digest, &good));
    store_entry_done(&entry);
    assert_false(store_find(store, "1.2", &entry, &err));
    assert_non_null(strstr(err.text, "some are damaged"));
    assert_true(store_remove(store, &bad, &err));
    assert_int_equal(count(store, &damaged), 1);
    assert_int_equal(damaged, 0);
}

static void a_bundle_under_another_ones_digest_is_not_believed(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    char one[256];
    char other[256];
    size_t damaged = 0;
    CLEANUP(store_closep) Store *store = must_open(place);
    Digest digest = must_stage(store, place, "x.pswb");
    Digest wrong = digest;
    wrong.bytes[0] ^= 1;
    assert_int_equal(renameat(place->fd, staged(&digest, "", one), place->fd, staged(&wrong, "", other)), 0);
    assert_int_equal(count(store, &damaged), 0);
    assert_int_equal(damaged, 1);
    assert_false(store_verify(store, &wrong, NULL, &err));
    assert_int_equal(err.kind, ERROR_VERIFY);
}

static void a_manifest_that_was_read_before_is_read_again_when_it_has_changed(void **state) {
    const Place *place = *state;
    char path[256];
    size_t damaged = 0;
    CLEANUP(store_closep) Store *store = must_open(place);
    Digest digest = must_stage(store, place, "x.pswb");
    (void)usleep(150 * 1000); /* so that it may be remembered; nothing here depends on it */
    assert_int_equal(count(store, &damaged), 1);
    assert_int_equal(count(store, &damaged), 1);
    place_put(place, staged(&digest, "manifest.yaml", path), "format: 1\n");
    assert_int_equal(count(store, &damaged), 0);
    assert_int_equal(damaged, 1);
}

static void a_removed_bundle_is_gone(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    CLEANUP(store_closep) Store *store = must_open(place);
    Digest digest = must_stage(store, place, "x.pswb");
    assert_true(store_remove(store, &digest, &err));
    assert_int_equal(count(store, NULL), 0);
    assert_incoming_is_empty(place);
    assert_false(store_remove(store, &digest, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
}

static void a_second_writer_is_refused_and_a_reader_is_not(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    assert_null(open_store(place, false, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    CLEANUP(store_closep) Store *store = must_open(place);
    (void)must_stage(store, place, "x.pswb");
    assert_null(open_store(place, true, &err));
    assert_int_equal(err.kind, ERROR_CONFLICT);
    CLEANUP(store_closep) Store *reader = open_store(place, false, &err);
    assert_non_null(reader);
    assert_int_equal(count(reader, NULL), 1);
}

static void leftovers_go_when_the_store_is_opened_for_writing(void **state) {
    const Place *place = *state;
    store_close(must_open(place));
    assert_int_equal(mkdirat(place->fd, "store/incoming/half", 0755), 0);
    place_put(place, "store/incoming/half/file", "x");
    place_put(place, "store/incoming/upload", "x");
    store_close(must_open(place));
    assert_incoming_is_empty(place);
}

/* A crash of the machine cannot be had here; that no sync is left out or ignored can. */
static void staging_syncs_every_file_and_directory_and_minds_each_sync(void **state) {
    const Place *place = *state;
    CLEANUP(store_closep) Store *store = must_open(place);
    unsigned syncs = 0;
    for (bool reached = true; reached; syncs += reached) {
        Error err = ERROR_INIT;
        Digest digest;
        bool is_new = false;
        faults_arm_call("fsync", syncs + 1);
        bool good = stage(store, place, "x.pswb", &digest, &is_new, &err);
        reached = faults_disarm();
        assert_true(good != reached);
        if (count(store, NULL) == 1) {
            StoreEntry entry;
            assert_true(store_find(store, "1.2", &entry, &err));
            digest = entry.digest;
            store_entry_done(&entry);
            assert_true(store_remove(store, &digest, &err));
        }
    }
    /* Five files, the manifest, data, lib, the bundle's own; bundles and incoming. */
    assert_int_equal(syncs, 11);
}

typedef struct Sweep {
    const Place *place;
    Digest digest;
} Sweep;

static void prepare_empty(void *context) {
    const Sweep *sweep = context;
    Error err = ERROR_INIT;
    assert_true(file_remove_tree(sweep->place->fd, "store", &err));
}

static bool run_stage(void *context, Error *err) {
    Sweep *sweep = context;
    bool is_new = false;
    CLEANUP(store_closep) Store *store = open_store(sweep->place, true, err);
    return store != NULL && stage(store, sweep->place, "x.pswb", &sweep->digest, &is_new, err);
}

/* Whatever happened: what is listed is whole, the next run succeeds, and it leaves no rest. */
static void check_stage(void *context, FaultOutcome outcome) {
    Sweep *sweep = context;
    Error err = ERROR_INIT;
    CLEANUP(store_closep) Store *store = must_open(sweep->place);
    StoreList list = {0};
    assert_true(store_list(store, &list, &err));
    assert_int_equal(list.damaged, 0);
    assert_true(list.count == 1 || (list.count == 0 && outcome != FAULT_SUCCEEDED));
    for (size_t i = 0; i < list.count; i++) {
        assert_true(store_verify(store, &list.entries[i].digest, NULL, &err));
    }
    store_list_done(&list);
    sweep->digest = must_stage(store, sweep->place, "x.pswb");
    assert_true(store_verify(store, &sweep->digest, NULL, &err));
    assert_incoming_is_empty(sweep->place);
}

static void staging_survives_a_fault_or_a_crash_at_every_call(void **state) {
    Sweep sweep = {.place = *state};
    faults_sweep(
        &(FaultSweep){.context = &sweep, .prepare = prepare_empty, .run = run_stage, .check = check_stage});
}

static void prepare_damaged(void *context) {
    Sweep *sweep = context;
    char path[256];
    CLEANUP(store_closep) Store *store = must_open(sweep->place);
    sweep->digest = must_stage(store, sweep->place, "x.pswb");
    place_put(sweep->place, staged(&sweep->digest, "lib/qe3.signed.so", path), "something else");
}

static void check_healed(void *context, FaultOutcome outcome) {
    Sweep *sweep = context;
    Error err = ERROR_INIT;
    CLEANUP(store_closep) Store *store = must_open(sweep->place);
    assert_int_equal(count(store, NULL), 1);
    if (outcome == FAULT_SUCCEEDED) {
        assert_true(store_verify(store, &sweep->digest, NULL, &err));
    }
    sweep->digest = must_stage(store, sweep->place, "x.pswb");
    assert_true(store_verify(store, &sweep->digest, NULL, &err));
    assert_incoming_is_empty(sweep->place);
}

static void healing_survives_a_fault_or_a_crash_at_every_call(void **state) {
    Sweep sweep = {.place = *state};
    faults_sweep(&(FaultSweep){
        .context = &sweep, .prepare = prepare_damaged, .run = run_stage, .check = check_healed});
}

static void prepare_staged(void *context) {
    Sweep *sweep = context;
    CLEANUP(store_closep) Store *store = must_open(sweep->place);
    sweep->digest = must_stage(store, sweep->place, "x.pswb");
}

static bool run_remove(void *context, Error *err) {
    Sweep *sweep = context;
    CLEANUP(store_closep) Store *store = open_store(sweep->place, true, err);
    return store != NULL && store_remove(store, &sweep->digest, err);
}

static void check_removed(void *context, FaultOutcome outcome) {
    Sweep *sweep = context;
    Error err = ERROR_INIT;
    CLEANUP(store_closep) Store *store = must_open(sweep->place);
    if (count(store, NULL) == 1) {
        assert_true(outcome != FAULT_SUCCEEDED);
        assert_true(store_verify(store, &sweep->digest, NULL, &err));
        assert_true(store_remove(store, &sweep->digest, &err));
    }
    assert_incoming_is_empty(sweep->place);
}

static void removing_survives_a_fault_or_a_crash_at_every_call(void **state) {
    Sweep sweep = {.place = *state};
    faults_sweep(&(FaultSweep){
        .context = &sweep, .prepare = prepare_staged, .run = run_remove, .check = check_removed});
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_staged_bundle_is_listed_and_found),
        TEST(what_is_not_staged_is_not_found),
        TEST(the_newest_version_is_listed_first_and_an_ambiguous_name_is_refused),
        TEST(staging_a_bundle_again_changes_nothing),
        TEST(a_damaged_copy_of_a_staged_bundle_is_refused_all_the_same),
        TEST(a_bad_bundle_leaves_nothing_behind),
        TEST(every_kind_of_damage_is_found),
        TEST(staging_again_heals_a_damaged_bundle),
        TEST(a_damaged_bundle_does_not_hide_the_others),
        TEST(a_bundle_under_another_ones_digest_is_not_believed),
        TEST(a_manifest_that_was_read_before_is_read_again_when_it_has_changed),
        TEST(a_removed_bundle_is_gone),
        TEST(a_second_writer_is_refused_and_a_reader_is_not),
        TEST(leftovers_go_when_the_store_is_opened_for_writing),
        TEST(staging_syncs_every_file_and_directory_and_minds_each_sync),
        TEST(staging_survives_a_fault_or_a_crash_at_every_call),
        TEST(healing_survives_a_fault_or_a_crash_at_every_call),
        TEST(removing_survives_a_fault_or_a_crash_at_every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
