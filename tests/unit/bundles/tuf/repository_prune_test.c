/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "tests/support/author.h"
#include "tests/support/faults.h"

enum { EDITIONS = 4 };

static void add_target(Author *author, const char *path, const char *content) {
    Error err = ERROR_INIT;
    author_expect(author_add_target(author, "targets", path, content, &err), &err);
}

static void set_time(Author *author, int edition, int64_t when) {
    char name[64];
    const struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};
    (void)snprintf(name, sizeof name, "%d.snapshot.json", edition);
    assert_int_equal(utimensat(author->directory.metadata_fd, name, times, 0), 0);
}

/* Four editions of a.bin, "1" to "4"; the Nth was published 30, 20, 10 and 0 days ago. */
static int set_up(void **state) {
    if (author_setup(state) != 0) {
        return -1;
    }
    for (int edition = 1; edition <= EDITIONS; edition++) {
        char content[2] = {(char)('0' + edition), '\0'};
        add_target(*state, "dir/a.bin", content);
        author_publish(*state);
        set_time(*state, edition, AUTHOR_NOW - (EDITIONS - edition) * 10 * AUTHOR_DAY);
    }
    return 0;
}

static bool prune(Author *author, int64_t keep, bool dry_run, json_t **ret_removed, Error *err) {
    return tuf_repository_prune(author->repository, keep, dry_run, ret_removed, err);
}

/* The files beneath public/ that it removes, sorted, without the hashes of targets. */
static void expect_removed(Author *author, int64_t keep, bool dry_run, const char *wanted) {
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *removed = NULL;
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(10000);
    author_expect(prune(author, keep, dry_run, &removed, &err), &err);
    for (size_t i = 0; i < json_array_size(removed); i++) {
        const char *path = json_string_value(json_object_get(json_array_get(removed, i), "path"));
        const char *shown = strncmp(path, "targets/", 8) == 0 ? strchr(path, '.') + 1 : path + 9;
        assert_true(buffer_append_format(&text, "%s%s", i > 0 ? " " : "", shown));
    }
    assert_string_equal(buffer_text(&text), wanted);
}

static bool has(Author *author, const char *name) {
    return faccessat(author->directory.metadata_fd, name, F_OK, 0) == 0;
}

/* A node that knows nothing yet. */
static void expect_node_reads(Author *author, const char *path, const char *content) {
    Error err = ERROR_INIT;
    const TufFetcher fetcher = tuf_directory_fetcher(&author->directory);
    CLEANUP(buffer_done) Buffer found = BUFFER_INIT(1000);
    assert_int_equal(mkdirat(author->dir_fd, "node", 0755), 0);
    AUTO_CLOSE int node_fd = file_open_directory(author->dir_fd, "node", &err);
    CLEANUP(tuf_client_closep) TufClient *node = author_node(author, node_fd);
    author_expect(author_node_reads(author, node, &fetcher, path, &found, &err), &err);
    assert_string_equal(buffer_text(&found), content);
    assert_true(file_remove_tree(author->dir_fd, "node", NULL));
}

static const char without_two[] = "1.snapshot.json 2.snapshot.json 1.targets.json 2.targets.json a.bin a.bin";

static void what_no_living_timestamp_leads_to_goes(void **state) {
    Author *author = *state;
    expect_removed(author, tuf_repository_prune_keep(author->repository), false, without_two);
    expect_removed(author, tuf_repository_prune_keep(author->repository), false, "");
    assert_true(has(author, "1.root.json") && has(author, "3.snapshot.json") &&
                has(author, "3.targets.json"));
    expect_node_reads(author, "dir/a.bin", "4");
    author->now += 10 * AUTHOR_DAY;
    author_reopen(author);
    expect_removed(author, tuf_repository_prune_keep(author->repository), false,
                   "3.snapshot.json 3.targets.json a.bin");
    author->now = AUTHOR_NOW; /* of nodes */
    expect_node_reads(author, "dir/a.bin", "4");
}

static void what_was_replaced_within_the_time_stays(void **state) {
    Author *author = *state;
    expect_removed(author, 10 * AUTHOR_DAY - 1, true, without_two);
    expect_removed(author, 10 * AUTHOR_DAY + 1, true, "1.snapshot.json 1.targets.json a.bin");
    expect_removed(author, 20 * AUTHOR_DAY + 1, true, "");
}

static void a_dry_run_removes_nothing(void **state) {
    Author *author = *state;
    expect_removed(author, 4 * AUTHOR_DAY, true, without_two);
    expect_removed(author, 4 * AUTHOR_DAY, true, without_two);
    assert_true(has(author, "1.snapshot.json") && has(author, "1.targets.json"));
}

static void less_than_a_timestamp_lives_is_refused(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    json_t *removed = NULL;
    assert_false(prune(author, 3 * AUTHOR_DAY - 1, true, &removed, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, "lifetime.timestamp"));
    expect_removed(author, 3 * AUTHOR_DAY, true, without_two);
}

/* An old version that was forgotten by hand does not shorten how long the one before it is kept. */
static void a_gap_between_versions_makes_nothing_go_sooner(void **state) {
    Author *author = *state;
    assert_int_equal(unlinkat(author->directory.metadata_fd, "3.snapshot.json", 0), 0);
    expect_removed(author, 4 * AUTHOR_DAY, true, "1.snapshot.json 1.targets.json 3.targets.json a.bin a.bin");
}

static void drafts_keep_what_they_name(void **state) {
    Author *author = *state;
    add_target(author, "dir/b.bin", "new");
    add_target(author, "dir/a.bin", "1"); /* the file of the first edition once more */
    expect_removed(author, 4 * AUTHOR_DAY, false,
                   "1.snapshot.json 2.snapshot.json 1.targets.json 2.targets.json a.bin");
    author_publish(author);
    expect_node_reads(author, "dir/b.bin", "new");
    expect_node_reads(author, "dir/a.bin", "1");
}

/* Written, but the timestamp that names them did not come out. */
static void an_interrupted_publication_can_still_be_finished(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer timestamp = BUFFER_INIT(100000), draft = BUFFER_INIT(100000);
    int metadata_fd = author->directory.metadata_fd;
    author_expect(file_read(metadata_fd, "timestamp.json", &timestamp, &err), &err);
    add_target(author, "dir/a.bin", "5");
    author_sign_all(author);
    author_expect(file_read(author->dir_fd, "repository/draft/targets.json", &draft, &err), &err);
    author_publish(author);
    author_expect(file_replace(metadata_fd, "timestamp.json", timestamp.data, timestamp.size, 0644, &err),
                  &err);
    author_expect(
        file_replace(author->dir_fd, "repository/draft/targets.json", draft.data, draft.size, 0644, &err),
        &err);
    author_reopen(author);
    expect_removed(author, 4 * AUTHOR_DAY, false, without_two);
    expect_node_reads(author, "dir/a.bin", "4");
    author_publish(author);
    expect_node_reads(author, "dir/a.bin", "5");
}

static void nothing_goes_when_what_is_published_is_not_whole(void **state) {
    static const char *const missing[] = {"4.targets.json", "4.snapshot.json", "timestamp.json"};
    Author *author = *state;
    int metadata_fd = author->directory.metadata_fd;
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        Error err = ERROR_INIT;
        json_t *removed = NULL;
        assert_int_equal(renameat(metadata_fd, missing[i], author->dir_fd, "aside"), 0);
        author_reopen(author);
        assert_false(prune(author, 4 * AUTHOR_DAY, false, &removed, &err));
        assert_int_equal(err.kind, ERROR_NOT_FOUND);
        metadata_fd = author->directory.metadata_fd;
        assert_int_equal(renameat(author->dir_fd, "aside", metadata_fd, missing[i]), 0);
        author_reopen(author);
        metadata_fd = author->directory.metadata_fd;
        assert_true(has(author, "1.snapshot.json") && has(author, "1.targets.json"));
    }
}

static void files_of_others_are_left_alone(void **state) {
    static const char *const theirs[] = {
        "repository/public/metadata/notes.json",      "repository/public/metadata/1.theirs.json",
        "repository/public/metadata/1.targets.json~", "repository/public/targets/index.html",
        "repository/public/targets/dir/abc.a.bin",
    };
    Author *author = *state;
    Error err = ERROR_INIT;
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) {
        author_expect(file_replace(author->dir_fd, theirs[i], "x", 1, 0644, &err), &err);
    }
    expect_removed(author, 4 * AUTHOR_DAY, false, without_two);
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) {
        assert_int_equal(faccessat(author->dir_fd, theirs[i], F_OK, 0), 0);
    }
}

/* ---- interrupted pruning ---- */

typedef struct Sweep {
    Author *author;
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
            linkat(sweep->author->dir_fd, aside, sweep->author->dir_fd, sweep_path(sweep, i, path), 0) == 0 ||
            errno == EEXIST);
    }
}

static bool sweep_run(void *context, Error *err) {
    CLEANUP(json_freep) json_t *removed = NULL;
    return prune(((Sweep *)context)->author, 4 * AUTHOR_DAY, false, &removed, err);
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
        bool is_there = faccessat(sweep->author->dir_fd, path, F_OK, 0) == 0;
        assert_false(is_there && outcome == FAULT_SUCCEEDED);
        least_left = is_there && kind < least_left ? kind : least_left;
        most_gone = !is_there && kind > most_gone ? kind : most_gone;
    }
    assert_true(most_gone <= least_left);
    expect_node_reads(sweep->author, "dir/a.bin", "4");
    author_expect(sweep_run(context, &err), &err);
    for (size_t i = 0; i < json_array_size(sweep->list); i++) {
        assert_int_not_equal(faccessat(sweep->author->dir_fd, sweep_path(sweep, i, path), F_OK, 0), 0);
    }
}

static void
a_run_that_fails_or_dies_anywhere_leaves_a_whole_repository_and_is_finished_by_the_next(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    Sweep sweep = {.author = author};
    author_expect(prune(author, 4 * AUTHOR_DAY, true, &sweep.list, &err), &err);
    for (size_t i = 0; i < json_array_size(sweep.list); i++) {
        char path[1024], aside[32];
        (void)snprintf(aside, sizeof aside, "aside-%zu", i);
        assert_int_equal(linkat(author->dir_fd, sweep_path(&sweep, i, path), author->dir_fd, aside, 0), 0);
    }
    faults_sweep(
        &(FaultSweep){.context = &sweep, .prepare = sweep_prepare, .run = sweep_run, .check = sweep_check});
    json_decref(sweep.list);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, author_teardown)

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
