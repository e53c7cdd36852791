/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/tuf/client.h"
#include "bundles/tuf/directory.h"
#include "tests/support/faults.h"

#define NOW INT64_C(1800000000)
#define DAY INT64_C(86400)
enum { EDITIONS = 4, SIGNERS = 3 };

/* Four editions of a.bin, "1" to "4"; the Nth was published 30, 20, 10 and 0 days ago. */
typedef struct Place {
    char path[64];
    char *repository_path;
    TufRepository *repository;
    TufSigner *signers[SIGNERS]; /* root, targets, online */
    int dir_fd;
} Place;

static void expect(bool worked, const Error *err) {
    if (!worked) {
        fail_msg("%s", err->text);
    }
}

static void reopen(Place *place, int64_t now) {
    Error err = ERROR_INIT;
    tuf_repository_close(place->repository);
    place->repository = tuf_repository_open(place->repository_path, now, &err);
    expect(place->repository != NULL, &err);
}

static void add_target(Place *place, const char *path, const char *content) {
    Error err = ERROR_INIT;
    AUTO_CLOSE int fd = memfd_create("content", MFD_CLOEXEC);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    expect(tuf_repository_add_target(place->repository, "targets", path, fd, NULL, &err), &err);
}

static void sign(Place *place, const char *role) {
    Error err = ERROR_INIT;
    size_t count;
    int64_t version;
    expect(tuf_repository_sign(place->repository, role, place->signers, SIGNERS, &count, &version, &err) ||
               err.kind == ERROR_NOT_FOUND,
           &err);
}

static void publish(Place *place) {
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *versions = NULL;
    sign(place, "root");
    sign(place, "targets");
    expect(tuf_repository_publish(place->repository, place->signers, SIGNERS, &versions, &err), &err);
}

static void set_time(Place *place, int edition, int64_t when) {
    char name[64];
    const struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};
    (void)snprintf(name, sizeof name, "%d.snapshot.json", edition);
    assert_int_equal(utimensat(tuf_repository_metadata_fd(place->repository), name, times, 0), 0);
}

static int set_up(void **state) {
    static Place place;
    Error err = ERROR_INIT;
    static const char *const roles[SIGNERS] = {"root", "targets", "snapshot"};
    place = (Place){.dir_fd = -1};
    (void)snprintf(place.path, sizeof place.path, "/dev/shm/tuf-prune-test-XXXXXX");
    assert_non_null(mkdtemp(place.path));
    place.dir_fd = open(place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    place.repository_path = text_format("%s/repository", place.path);
    expect(tuf_repository_create(place.repository_path, NOW, &err), &err);
    reopen(&place, NOW);
    for (size_t i = 0; i < SIGNERS; i++) {
        place.signers[i] = tuf_signer_generate("ed25519", &err);
        expect(tuf_repository_add_keys(place.repository, roles[i], &place.signers[i], 1, 1, &err), &err);
    }
    expect(tuf_repository_add_keys(place.repository, "timestamp", &place.signers[2], 1, 1, &err), &err);
    for (int edition = 1; edition <= EDITIONS; edition++) {
        char content[2] = {(char)('0' + edition), '\0'};
        add_target(&place, "dir/a.bin", content);
        publish(&place);
        set_time(&place, edition, NOW - (EDITIONS - edition) * 10 * DAY);
    }
    *state = &place;
    return 0;
}

static int tear_down(void **state) {
    Place *place = *state;
    tuf_repository_close(place->repository);
    for (size_t i = 0; i < SIGNERS; i++) {
        tuf_signer_free(place->signers[i]);
    }
    (void)close(place->dir_fd);
    free(place->repository_path);
    assert_true(file_remove_tree(AT_FDCWD, place->path, NULL));
    return 0;
}

static bool prune(Place *place, int64_t keep, bool dry_run, json_t **ret_removed, Error *err) {
    return tuf_repository_prune(place->repository, keep, dry_run, ret_removed, err);
}

/* The files beneath public/ that it removes, sorted, without the hashes of targets. */
static void expect_removed(Place *place, int64_t keep, bool dry_run, const char *wanted) {
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *removed = NULL;
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(10000);
    expect(prune(place, keep, dry_run, &removed, &err), &err);
    for (size_t i = 0; i < json_array_size(removed); i++) {
        const char *path = json_string_value(json_object_get(json_array_get(removed, i), "path"));
        const char *shown = strncmp(path, "targets/", 8) == 0 ? strchr(path, '.') + 1 : path + 9;
        assert_true(buffer_append_format(&text, "%s%s", i > 0 ? " " : "", shown));
    }
    assert_string_equal(buffer_text(&text), wanted);
}

static bool has(Place *place, const char *name) {
    return faccessat(tuf_repository_metadata_fd(place->repository), name, F_OK, 0) == 0;
}

static bool take(void *context, const void *data, size_t size, Error *err) {
    (void)err;
    return buffer_append(context, data, size);
}

/* A node that knows nothing yet. */
static void expect_node_reads(Place *place, const char *path, const char *content) {
    Error err = ERROR_INIT;
    TufDirectory directory = {tuf_repository_metadata_fd(place->repository),
                              tuf_repository_targets_fd(place->repository)};
    TufFetcher fetcher = tuf_directory_fetcher(&directory);
    CLEANUP(buffer_done) Buffer found = BUFFER_INIT(1000);
    CLEANUP(buffer_done) Buffer anchor = BUFFER_INIT(512000);
    CLEANUP(tuf_target_done) TufTarget target = {0};
    assert_int_equal(mkdirat(place->dir_fd, "client", 0755), 0);
    AUTO_CLOSE int client_fd = file_open_directory(place->dir_fd, "client", &err);
    expect(file_read(tuf_repository_metadata_fd(place->repository), "1.root.json", &anchor, &err), &err);
    TufClientOptions options = {.anchor = buffer_bytes(&anchor), .limits = TUF_LIMITS_DEFAULT};
    CLEANUP(tuf_client_closep) TufClient *client = tuf_client_open(client_fd, &options, &err);
    expect(client != NULL && tuf_client_refresh(client, &fetcher, NOW, &err) &&
               tuf_client_find_target(client, &fetcher, path, &target, &err) &&
               tuf_client_fetch_target(client, &fetcher, &target, &(TufSink){take, &found}, &err),
           &err);
    assert_string_equal(buffer_text(&found), content);
    assert_true(file_remove_tree(place->dir_fd, "client", NULL));
}

static const char without_two[] = "1.snapshot.json 2.snapshot.json 1.targets.json 2.targets.json a.bin a.bin";

static void what_no_living_timestamp_leads_to_goes(void **state) {
    Place *place = *state;
    expect_removed(place, tuf_repository_prune_keep(place->repository), false, without_two);
    expect_removed(place, tuf_repository_prune_keep(place->repository), false, "");
    assert_true(has(place, "1.root.json") && has(place, "3.snapshot.json") && has(place, "3.targets.json"));
    expect_node_reads(place, "dir/a.bin", "4");
    reopen(place, NOW + 10 * DAY);
    expect_removed(place, tuf_repository_prune_keep(place->repository), false,
                   "3.snapshot.json 3.targets.json a.bin");
    expect_node_reads(place, "dir/a.bin", "4");
}

static void what_was_replaced_within_the_time_stays(void **state) {
    Place *place = *state;
    expect_removed(place, 10 * DAY - 1, true, without_two);
    expect_removed(place, 10 * DAY + 1, true, "1.snapshot.json 1.targets.json a.bin");
    expect_removed(place, 20 * DAY + 1, true, "");
}

static void a_dry_run_removes_nothing(void **state) {
    Place *place = *state;
    expect_removed(place, 4 * DAY, true, without_two);
    expect_removed(place, 4 * DAY, true, without_two);
    assert_true(has(place, "1.snapshot.json") && has(place, "1.targets.json"));
}

static void less_than_a_timestamp_lives_is_refused(void **state) {
    Place *place = *state;
    Error err = ERROR_INIT;
    json_t *removed = NULL;
    assert_false(prune(place, 3 * DAY - 1, true, &removed, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, "lifetime.timestamp"));
    expect_removed(place, 3 * DAY, true, without_two);
}

/* An old version that was forgotten by hand does not shorten how long the one before it is kept. */
static void a_gap_between_versions_makes_nothing_go_sooner(void **state) {
    Place *place = *state;
    assert_int_equal(unlinkat(tuf_repository_metadata_fd(place->repository), "3.snapshot.json", 0), 0);
    expect_removed(place, 4 * DAY, true, "1.snapshot.json 1.targets.json 3.targets.json a.bin a.bin");
}

static void drafts_keep_what_they_name(void **state) {
    Place *place = *state;
    add_target(place, "dir/b.bin", "new");
    add_target(place, "dir/a.bin", "1"); /* the file of the first edition once more */
    expect_removed(place, 4 * DAY, false,
                   "1.snapshot.json 2.snapshot.json 1.targets.json 2.targets.json a.bin");
    publish(place);
    expect_node_reads(place, "dir/b.bin", "new");
    expect_node_reads(place, "dir/a.bin", "1");
}

/* Written, but the timestamp that names them did not come out. */
static void an_interrupted_publication_can_still_be_finished(void **state) {
    Place *place = *state;
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer timestamp = BUFFER_INIT(100000), draft = BUFFER_INIT(100000);
    int metadata_fd = tuf_repository_metadata_fd(place->repository);
    expect(file_read(metadata_fd, "timestamp.json", &timestamp, &err), &err);
    add_target(place, "dir/a.bin", "5");
    sign(place, "targets");
    expect(file_read(place->dir_fd, "repository/draft/targets.json", &draft, &err), &err);
    publish(place);
    expect(file_replace(metadata_fd, "timestamp.json", timestamp.data, timestamp.size, 0644, &err), &err);
    expect(file_replace(place->dir_fd, "repository/draft/targets.json", draft.data, draft.size, 0644, &err),
           &err);
    reopen(place, NOW);
    expect_removed(place, 4 * DAY, false, without_two);
    expect_node_reads(place, "dir/a.bin", "4");
    publish(place);
    expect_node_reads(place, "dir/a.bin", "5");
}

static void nothing_goes_when_what_is_published_is_not_whole(void **state) {
    static const char *const missing[] = {"4.targets.json", "4.snapshot.json", "timestamp.json"};
    Place *place = *state;
    int metadata_fd = tuf_repository_metadata_fd(place->repository);
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        Error err = ERROR_INIT;
        json_t *removed = NULL;
        assert_int_equal(renameat(metadata_fd, missing[i], place->dir_fd, "aside"), 0);
        reopen(place, NOW);
        assert_false(prune(place, 4 * DAY, false, &removed, &err));
        assert_int_equal(err.kind, ERROR_NOT_FOUND);
        metadata_fd = tuf_repository_metadata_fd(place->repository);
        assert_int_equal(renameat(place->dir_fd, "aside", metadata_fd, missing[i]), 0);
        reopen(place, NOW);
        metadata_fd = tuf_repository_metadata_fd(place->repository);
        assert_true(has(place, "1.snapshot.json") && has(place, "1.targets.json"));
    }
}

static void files_of_others_are_left_alone(void **state) {
    static const char *const theirs[] = {
        "repository/public/metadata/notes.json",      "repository/public/metadata/1.theirs.json",
        "repository/public/metadata/1.targets.json~", "repository/public/targets/index.html",
        "repository/public/targets/dir/abc.a.bin",
    };
    Place *place = *state;
    Error err = ERROR_INIT;
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) {
        expect(file_replace(place->dir_fd, theirs[i], "x", 1, 0644, &err), &err);
    }
    expect_removed(place, 4 * DAY, false, without_two);
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) {
        assert_int_equal(faccessat(place->dir_fd, theirs[i], F_OK, 0), 0);
    }
}

/* ---- interrupted pruning ---- */

typedef struct Sweep {
    Place *place;
    json_t *list; /* what goes; each has a second link beside the repository */
} Sweep;

static const char *sweep_path(const Sweep *sweep, size_t i, char path[1024]) {
    (void)snprintf(path, 1024, "repository/public/%s",
                   json_string_value(json_object_get(json_array_get(sweep->list, i), "path")));
    return path;
}

static void sweep_prepare(void *context) {
    const Sweep *sweep = context;
    char path[1024], aside[32];
    for (size_t i = 0; i < json_array_size(sweep->list); i++) {
        (void)snprintf(aside, sizeof aside, "aside-%zu", i);
        assert_true(
            linkat(sweep->place->dir_fd, aside, sweep->place->dir_fd, sweep_path(sweep, i, path), 0) == 0 ||
            errno == EEXIST);
    }
}

static bool sweep_run(void *context, Error *err) {
    CLEANUP(json_freep) json_t *removed = NULL;
    return prune(((Sweep *)context)->place, 4 * DAY, false, &removed, err);
}

static int kind_of(const char *path) {
    return strstr(path, "/targets/") != NULL ? 2 : strstr(path, ".snapshot.json") != NULL ? 0 : 1;
}

/* Nothing that is left refers to something that is gone. */
static void sweep_check(void *context, FaultOutcome outcome) {
    const Sweep *sweep = context;
    Error err = ERROR_INIT;
    char path[1024];
    int least_left = 3, most_gone = 0;
    for (size_t i = 0; i < json_array_size(sweep->list); i++) {
        int kind = kind_of(sweep_path(sweep, i, path));
        bool is_there = faccessat(sweep->place->dir_fd, path, F_OK, 0) == 0;
        assert_false(is_there && outcome == FAULT_SUCCEEDED);
        least_left = is_there && kind < least_left ? kind : least_left;
        most_gone = !is_there && kind > most_gone ? kind : most_gone;
    }
    assert_true(most_gone <= least_left);
    expect_node_reads(sweep->place, "dir/a.bin", "4");
    expect(sweep_run(context, &err), &err);
    for (size_t i = 0; i < json_array_size(sweep->list); i++) {
        assert_int_not_equal(faccessat(sweep->place->dir_fd, sweep_path(sweep, i, path), F_OK, 0), 0);
    }
}

static void
a_run_that_fails_or_dies_anywhere_leaves_a_whole_repository_and_is_finished_by_the_next(void **state) {
    Place *place = *state;
    Error err = ERROR_INIT;
    Sweep sweep = {.place = place};
    expect(prune(place, 4 * DAY, true, &sweep.list, &err), &err);
    for (size_t i = 0; i < json_array_size(sweep.list); i++) {
        char path[1024], aside[32];
        (void)snprintf(aside, sizeof aside, "aside-%zu", i);
        assert_int_equal(linkat(place->dir_fd, sweep_path(&sweep, i, path), place->dir_fd, aside, 0), 0);
    }
    faults_sweep(
        &(FaultSweep){.context = &sweep, .prepare = sweep_prepare, .run = sweep_run, .check = sweep_check});
    json_decref(sweep.list);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_no_living_timestamp_leads_to_goes),
        TEST(what_was_replaced_within_the_time_stays),
        TEST(a_dry_run_removes_nothing),
        TEST(less_than_a_timestamp_lives_is_refused),
        TEST(a_gap_between_versions_makes_nothing_go_sooner),
        TEST(drafts_keep_what_they_name),
        TEST(an_interrupted_publication_can_still_be_finished),
        TEST(nothing_goes_when_what_is_published_is_not_whole),
        TEST(files_of_others_are_left_alone),
        TEST(a_run_that_fails_or_dies_anywhere_leaves_a_whole_repository_and_is_finished_by_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
