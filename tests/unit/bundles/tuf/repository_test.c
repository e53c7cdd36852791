/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/repository.h"

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
#include "bundles/tuf/offline.h"
#include "tests/support/author.h"
#include "tests/support/faults.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, author_setup, author_teardown)

static bool publish_with(Author *author, size_t first, size_t count, Error *err) {
    CLEANUP(json_freep) json_t *versions = NULL;
    return tuf_repository_publish(author->repository, &author->signers[first], count, &versions, err);
}

static bool publish(Author *author, Error *err) {
    return publish_with(author, 2, 1, err);
}

/* NULL content: it must not be found. */
static void expect_node_reads(Author *author, const char *path, const char *content) {
    Error err = ERROR_INIT;
    const TufFetcher fetcher = tuf_directory_fetcher(&author->directory);
    CLEANUP(buffer_done) Buffer found = BUFFER_INIT(1000);
    CLEANUP(tuf_client_closep) TufClient *client = author_node(author, author->client_fd);
    bool read_it = author_node_reads(author, client, &fetcher, path, &found, &err);
    if (content == NULL) {
        assert_false(read_it);
        assert_int_equal(err.kind, ERROR_NOT_FOUND);
        assert_int_equal(tuf_client_problem(client)->rule, TUF_RULE_NONE);
        return;
    }
    author_expect(read_it, &err);
    assert_string_equal(buffer_text(&found), content);
}

static int64_t version(Author *author, const char *role) {
    int64_t found = -1;
    Error err = ERROR_INIT;
    author_expect(tuf_repository_version(author->repository, role, &found, &err), &err);
    return found;
}

static void what_is_published_is_what_nodes_read(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    author_expect(author_add_target(author, "targets", "a.bin", "one", &err), &err);
    author_expect(author_add_target(author, "targets", "dir/b.bin", "two", &err), &err);
    author_publish(author);
    expect_node_reads(author, "a.bin", "one");
    expect_node_reads(author, "dir/b.bin", "two");
    author_expect(author_add_target(author, "targets", "a.bin", "new", &err), &err);
    author_expect(tuf_repository_remove_target(author->repository, "targets", "dir/b.bin", &err), &err);
    expect_node_reads(author, "a.bin", "one"); /* a draft is no publication */
    author_publish(author);
    expect_node_reads(author, "a.bin", "new");
    expect_node_reads(author, "dir/b.bin", NULL);
    assert_int_equal(version(author, "targets"), 2);
    assert_int_equal(version(author, "root"), 1);
}

static void nothing_is_written_unless_every_threshold_is_met(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    assert_false(publish(author, &err));
    assert_non_null(strstr(err.text, "role root: signed by 0 of its keys, 1 must sign"));
    author_sign_all(author);
    assert_false(publish_with(author, 0, 1, &err)); /* no online key */
    assert_non_null(strstr(err.text, "role snapshot"));
    assert_int_equal(version(author, "root"), 0);
    assert_int_equal(version(author, "targets"), 0);
    author_expect(publish(author, &err), &err);
}

static void a_change_after_signing_needs_a_new_signature(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    author_sign_all(author);
    author_expect(author_add_target(author, "targets", "a.bin", "one", &err), &err);
    assert_false(publish(author, &err));
    assert_non_null(strstr(err.text, "role targets"));
    author_publish(author);
}

static void a_rotated_root_needs_the_old_and_the_new_keys(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    size_t count = 0;
    int64_t made = 0;
    char old[TUF_KEYID_SIZE];
    author_publish(author);
    expect_node_reads(author, "none", NULL);
    (void)snprintf(old, sizeof old, "%s", tuf_signer_keyid(author->signers[0]));
    author_expect(tuf_repository_add_keys(author->repository, "root", &author->signers[3], 1, 0, &err), &err);
    author_expect(tuf_repository_remove_key(author->repository, "root", old, &err), &err);
    author_expect(
        tuf_repository_sign(author->repository, "root", &author->signers[3], 1, &count, &made, &err), &err);
    assert_int_equal(count, 1);
    assert_false(publish(author, &err));
    assert_non_null(strstr(err.text, "as root version 1 demands"));
    author_expect(
        tuf_repository_sign(author->repository, "root", &author->signers[0], 1, &count, &made, &err), &err);
    author_expect(publish(author, &err), &err);
    assert_int_equal(version(author, "root"), 2);
    expect_node_reads(author, "none", NULL);
}

static void changed_online_keys_bring_a_new_snapshot(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    static const char *const roles[] = {"snapshot", "timestamp"};
    author_publish(author);
    expect_node_reads(author, "none", NULL);
    for (size_t i = 0; i < 2; i++) {
        author_expect(tuf_repository_add_keys(author->repository, roles[i], &author->signers[3], 1, 0, &err),
                      &err);
        author_expect(tuf_repository_remove_key(author->repository, roles[i],
                                                tuf_signer_keyid(author->signers[2]), &err),
                      &err);
    }
    author_sign_all(author);
    assert_false(publish(author, &err));
    author_expect(publish_with(author, 3, 1, &err), &err);
    assert_int_equal(version(author, "snapshot"), 2);
    expect_node_reads(author, "none", NULL);
}

static void a_delegated_role_speaks_for_its_paths(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    static const char *const paths[] = {"vendor/*"};
    TufRepositoryDelegation delegation = {.from = "targets",
                                          .name = "vendor",
                                          .terminating = true,
                                          .paths = paths,
                                          .paths_count = 1,
                                          .threshold = 1};
    author_expect(tuf_repository_delegate(author->repository, &delegation, &author->signers[3], 1, &err),
                  &err);
    author_expect(author_add_target(author, "vendor", "vendor/x", "theirs", &err), &err);
    assert_false(author_add_target(author, "vendor", "y", "not theirs to say", &err));
    assert_non_null(strstr(err.text, "role vendor may not speak for it, as role targets delegates"));
    author_publish(author);
    expect_node_reads(author, "vendor/x", "theirs");
    CLEANUP(json_freep) json_t *roles = tuf_repository_roles(author->repository, false, &err);
    assert_int_equal(json_array_size(roles), 3);
}

static void targets_are_spread_over_bins_and_found_there(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    char path[16];
    author_delegate(author, "targets", "pk", NULL, 3);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(path, sizeof path, "dir/%d", i);
        author_expect(author_add_target(author, "pk", path, path, &err), &err);
    }
    author_expect(tuf_repository_remove_target(author->repository, "pk", "dir/7", &err), &err);
    author_publish(author);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(path, sizeof path, "dir/%d", i);
        expect_node_reads(author, path, i == 7 ? NULL : path);
    }
    CLEANUP(json_freep) json_t *groups = tuf_repository_groups(author->repository, false, &err);
    assert_int_equal(json_array_size(groups), 3);
    assert_int_equal(json_array_size(json_object_get(json_array_get(groups, 2), "roles")), 8);
    /* one changed bin is one new file */
    author_expect(author_add_target(author, "pk", "dir/7", "again", &err), &err);
    author_publish(author);
    expect_node_reads(author, "dir/7", "again");
    int64_t versions = 0;
    for (int i = 0; i < 8; i++) {
        (void)snprintf(path, sizeof path, "pk-%d", i);
        versions += version(author, path);
    }
    assert_int_equal(versions, 9);
}

static void bins_keep_to_themselves(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    static const char *const any[] = {"*"};
    static const struct {
        const char *from, *name;
        unsigned bits;
        ErrorKind kind;
    } bad[] = {{"targets", "other", 0, ERROR_CONFLICT}, {"targets", "pk", 4, ERROR_CONFLICT},
               {"targets", "qk", 3, ERROR_CONFLICT},    {"pk-1", "x", 0, ERROR_USAGE},
               {"targets", "pk", 0, ERROR_CONFLICT},    {"targets", "big", 11, ERROR_USAGE}};
    author_delegate(author, "targets", "pk", NULL, 3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        TufRepositoryDelegation delegation = {.from = bad[i].from,
                                              .name = bad[i].name,
                                              .paths = any,
                                              .paths_count = bad[i].bits == 0 ? 1 : 0,
                                              .bit_length = bad[i].bits};
        err = ERROR_INIT;
        assert_false(tuf_repository_delegate(author->repository, &delegation, &author->signers[3], 1, &err));
        assert_int_equal(err.kind, bad[i].kind);
    }
    assert_false(author_add_target(author, "pk-0", "dir/1", "x", &err) &&
                 author_add_target(author, "pk-1", "dir/1", "x", &err));
    assert_non_null(strstr(err.text, "may not speak for it"));
}

static void roles_by_name_and_bins_do_not_share_a_name(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    author_delegate(author, "targets", "pk-3", "a/*", 0);
    author_delegate(author, "targets", "b", "b/*", 0);
    TufRepositoryDelegation bins = {.from = "b", .name = "pk", .bit_length = 3, .threshold = 1};
    assert_false(tuf_repository_delegate(author->repository, &bins, &author->signers[3], 1, &err));
    assert_int_equal(err.kind, ERROR_CONFLICT);
    bins.from = "targets";
    bins.name = "qk";
    assert_false(tuf_repository_delegate(author->repository, &bins, &author->signers[3], 1, &err));
    assert_non_null(strstr(err.text, "either bins or named roles"));
    bins.from = "b";
    author_expect(tuf_repository_delegate(author->repository, &bins, &author->signers[3], 1, &err), &err);
    assert_false(author_add_target(author, "qk", "a/1", "x", &err)); /* b itself may not speak for it */
    author_expect(author_add_target(author, "qk", "b/1", "x", &err), &err);
    author_publish(author);
    expect_node_reads(author, "b/1", "x");
}

static void a_delegation_that_is_taken_back_ends(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    author_publish_vendor(author);
    expect_node_reads(author, "vendor/x", "theirs");
    assert_false(tuf_repository_undelegate(author->repository, "targets", "none", &err));
    author_expect(author_add_target(author, "vendor", "vendor/y", "too late", &err), &err);
    author_expect(tuf_repository_undelegate(author->repository, "targets", "vendor", &err), &err);
    assert_null(tuf_repository_draft(author->repository, "vendor", NULL));
    author_publish(author);
    expect_node_reads(author, "vendor/x", NULL);
    author_delegate(author, "targets", "pk", NULL, 1); /* which the named delegation had excluded */
    author_publish(author);
    author_expect(tuf_repository_undelegate(author->repository, "targets", "pk", &err), &err);
    author_publish(author);
    expect_node_reads(author, "vendor/x", NULL);
    author_delegate(author, "targets", "vendor", "vendor/*", 0); /* with what it had listed */
    author_publish(author);
    expect_node_reads(author, "vendor/x", "theirs");
}

static void what_changed_keys_leave_unsigned_is_signed_anew(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    author_publish_vendor(author);
    expect_node_reads(author, "vendor/x", "theirs");
    /* the vendor's key changes, and targets' key changes */
    author_expect(tuf_repository_add_keys(author->repository, "vendor", &author->signers[0], 1, 2, &err),
                  &err);
    assert_false(publish(author, &err));
    author_publish(author);
    assert_int_equal(version(author, "vendor"), 2);
    expect_node_reads(author, "vendor/x", "theirs");
    author_expect(tuf_repository_add_keys(author->repository, "targets", &author->signers[3], 1, 0, &err),
                  &err);
    author_publish(author);
    assert_int_equal(version(author, "targets"), 2); /* it satisfied the longer list as it was */
    author_expect(
        tuf_repository_remove_key(author->repository, "targets", tuf_signer_keyid(author->signers[1]), &err),
        &err);
    author_publish(author);
    assert_int_equal(version(author, "targets"), 3);
    expect_node_reads(author, "vendor/x", "theirs");
}

static void a_draft_that_was_overtaken_or_expired_is_brought_up_to_date_by_signing(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    json_t *renewed = NULL, *lacking = NULL;
    author_publish(author);
    author_expect(author_add_target(author, "targets", "a.bin", "one", &err), &err);
    author_sign_all(author);
    author->now = AUTHOR_NOW + 80 * AUTHOR_DAY;
    author_reopen(author);
    author_expect(
        tuf_repository_renew(author->repository, -1, &author->signers[1], 2, &renewed, &lacking, &err), &err);
    json_decref(renewed);
    json_decref(lacking);
    assert_int_equal(version(author, "targets"), 2);
    assert_false(publish(author, &err));
    assert_non_null(strstr(err.text, "version 2 was published since the draft was made: sign it again"));
    author_sign_all(author);
    author->now += 91 * AUTHOR_DAY;
    author_reopen(author);
    assert_false(publish(author, &err));
    assert_non_null(strstr(err.text, "role targets: the draft expired at"));
    author_publish(author);
    assert_int_equal(version(author, "targets"), 3);
    expect_node_reads(author, "a.bin", "one");
}

static void an_expired_snapshot_is_not_published_again(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    author_publish(author);
    author->now = AUTHOR_NOW + 31 * AUTHOR_DAY;
    author_reopen(author);
    author_expect(publish(author, &err), &err);
    assert_int_equal(version(author, "snapshot"), 2);
    expect_node_reads(author, "none", NULL);
}

static void what_clients_would_not_read_alike_is_not_published(void **state) {
    Author *author = *state;
    static const char *const bad_paths[] = {"../x", "/x", "a b", "x?", "a//b", ""};
    static const char *const bad_patterns[] = {"a[b]", "a{b,c}", "a b", "a\\b", "!x"};
    static const char *const bad_names[] = {"root", "a/b", "a b", "", "..", "a+b"};
    for (size_t i = 0; i < sizeof bad_paths / sizeof *bad_paths; i++) {
        Error err = ERROR_INIT;
        assert_false(author_add_target(author, "targets", bad_paths[i], "x", &err));
        assert_int_equal(err.kind, ERROR_USAGE);
    }
    for (size_t i = 0; i < sizeof bad_patterns / sizeof *bad_patterns; i++) {
        Error err = ERROR_INIT;
        TufRepositoryDelegation delegation = {
            .from = "targets", .name = "vendor", .paths = &bad_patterns[i], .paths_count = 1};
        assert_false(tuf_repository_delegate(author->repository, &delegation, &author->signers[3], 1, &err));
        assert_int_equal(err.kind, ERROR_USAGE);
    }
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++) {
        Error err = ERROR_INIT;
        static const char *const any[] = {"*"};
        TufRepositoryDelegation delegation = {
            .from = "targets", .name = bad_names[i], .paths = any, .paths_count = 1};
        assert_false(tuf_repository_delegate(author->repository, &delegation, &author->signers[3], 1, &err));
        assert_int_equal(err.kind, ERROR_USAGE);
    }
}

static void a_threshold_that_cannot_be_met_is_refused(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    assert_false(tuf_repository_add_keys(author->repository, "root", &author->signers[3], 1, 3, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_false(
        tuf_repository_remove_key(author->repository, "root", tuf_signer_keyid(author->signers[0]), &err));
    assert_false(tuf_repository_remove_key(author->repository, "root", "none", &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
}

static void renewal_does_what_the_keys_suffice_for_and_names_the_rest(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    json_t *renewed = NULL, *lacking = NULL;
    author_expect(author_add_target(author, "targets", "a.bin", "one", &err), &err);
    author_publish(author);
    author_expect(
        tuf_repository_renew(author->repository, -1, &author->signers[2], 1, &renewed, &lacking, &err), &err);
    assert_int_equal(json_array_size(renewed) + json_array_size(lacking), 0);
    json_decref(renewed);
    json_decref(lacking);

    author_expect(author_add_target(author, "targets", "b.bin", "waits", &err),
                  &err);                        /* an unsigned draft must not matter */
    author->now = AUTHOR_NOW + 80 * AUTHOR_DAY; /* of 90; timestamp and snapshot have expired */
    author_reopen(author);
    author_expect(
        tuf_repository_renew(author->repository, -1, &author->signers[2], 1, &renewed, &lacking, &err), &err);
    assert_int_equal(json_array_size(renewed), 2);
    assert_int_equal(json_array_size(lacking), 1);
    assert_string_equal(json_string_value(json_array_get(lacking, 0)), "targets");
    json_decref(renewed);
    json_decref(lacking);
    assert_int_equal(version(author, "timestamp"), 2);
    assert_int_equal(version(author, "snapshot"), 2);
    assert_int_equal(version(author, "targets"), 1);
    expect_node_reads(author, "a.bin", "one");

    author_expect(
        tuf_repository_renew(author->repository, -1, &author->signers[1], 2, &renewed, &lacking, &err), &err);
    assert_int_equal(json_array_size(lacking), 0);
    assert_string_equal(json_string_value(json_array_get(renewed, 0)), "targets");
    json_decref(renewed);
    json_decref(lacking);
    assert_int_equal(version(author, "targets"), 2);
    expect_node_reads(author, "a.bin", "one");
    expect_node_reads(author, "b.bin", NULL);
}

static void an_expired_draft_is_not_published(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    author_sign_all(author);
    author->now = AUTHOR_NOW + 91 * AUTHOR_DAY;
    author_reopen(author);
    assert_false(publish(author, &err));
    assert_non_null(strstr(err.text, "role targets: the draft expired at"));
}

static void two_writers_do_not_meet(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    assert_null(tuf_repository_open(author->repository_path, AUTHOR_NOW, &err));
    assert_int_equal(err.kind, ERROR_CONFLICT);
    assert_false(tuf_repository_create(author->repository_path, AUTHOR_NOW, &err));
    assert_int_equal(err.kind, ERROR_CONFLICT);
}

static void a_misspelt_configuration_is_refused(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    static const char *const bad[] = {
        "format: 1\nlifetime: {root: 1d, targets: 1d, snapshot: 1d, timestamp: soon}\n",
        "format: 2\nlifetime: {root: 1d, targets: 1d, snapshot: 1d, timestamp: 1d}\n",
        "format: 1\nlifetime: {root: 1d, targets: 1d, snapshot: 1d}\n",
        "format: 1\nlifetime: {root: 1d, targets: 1d, snapshot: 1d, timestamp: 1d}\nsinger: []\n",
    };
    AUTO_FREE char *config = text_format("%s/repo.yaml", author->repository_path);
    tuf_repository_close(TAKE(author->repository));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_true(file_replace(AT_FDCWD, config, bad[i], strlen(bad[i]), 0644, &err));
        assert_null(tuf_repository_open(author->repository_path, AUTHOR_NOW, &err));
        assert_int_equal(err.kind, ERROR_CONFIG);
    }
}

/* ---- interrupted publication ---- */

enum { KEPT = 7 };
static const char *const kept_names[KEPT] = {"repository/public/metadata/timestamp.json",
                                             "repository/draft/targets.json",
                                             "repository/draft/root.json",
                                             "client/root.json",
                                             "client/timestamp.json",
                                             "client/snapshot.json",
                                             "client/targets.json"};

/* Version 1 is published and read by a node, version 2 is a signed draft: `kept` brings this state back. */
typedef struct Sweep {
    Author *author;
    int dir_fd;
    Buffer kept[KEPT];
} Sweep;

static void sweep_prepare(void *context) {
    Sweep *sweep = context;
    for (int number = 2; number < 6; number++) {
        char name[64];
        (void)snprintf(name, sizeof name, "repository/public/metadata/%d.targets.json", number);
        (void)unlinkat(sweep->dir_fd, name, 0);
        (void)snprintf(name, sizeof name, "repository/public/metadata/%d.snapshot.json", number);
        (void)unlinkat(sweep->dir_fd, name, 0);
        (void)snprintf(name, sizeof name, "repository/public/metadata/%d.root.json", number);
        (void)unlinkat(sweep->dir_fd, name, 0);
        (void)snprintf(name, sizeof name, "client/roots/%d.json", number);
        (void)unlinkat(sweep->dir_fd, name, 0);
    }
    author_reopen(sweep->author);
    for (size_t i = 0; i < KEPT; i++) {
        AUTO_CLOSE int fd =
            openat(sweep->dir_fd, kept_names[i], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_int_equal(write(fd, sweep->kept[i].data, sweep->kept[i].size), (ssize_t)sweep->kept[i].size);
    }
}

static bool sweep_run(void *context, Error *err) {
    return publish_with(((Sweep *)context)->author, 2, 2, err);
}

/* The node would refuse anything that went back, or that does not fit together. */
static void sweep_check(void *context, FaultOutcome outcome) {
    Author *author = ((Sweep *)context)->author;
    Error err = ERROR_INIT;
    const TufFetcher fetcher = tuf_directory_fetcher(&author->directory);
    CLEANUP(buffer_done) Buffer found = BUFFER_INIT(1000);
    CLEANUP(tuf_client_closep) TufClient *client = author_node(author, author->client_fd);
    author_expect(author_node_reads(author, client, &fetcher, "a.bin", &found, &err), &err);
    bool is_new = strcmp(buffer_text(&found), "new") == 0;
    author_reopen(author); /* what a child wrote, this one has not seen */
    assert_true(is_new || (outcome != FAULT_SUCCEEDED && strcmp(buffer_text(&found), "old") == 0));
    if (outcome != FAULT_SUCCEEDED) {
        author_expect(publish_with(author, 2, 2, &err), &err);
        buffer_clear(&found);
        author_expect(author_node_reads(author, client, &fetcher, "a.bin", &found, &err), &err);
        assert_string_equal(buffer_text(&found), "new");
    }
}

/* The spare key comes in place of the one that signed so far. */
static void rotate(Author *author, const char *role, size_t former) {
    Error err = ERROR_INIT;
    author_expect(tuf_repository_add_keys(author->repository, role, &author->signers[3], 1, 0, &err), &err);
    author_expect(
        tuf_repository_remove_key(author->repository, role, tuf_signer_keyid(author->signers[former]), &err),
        &err);
}

/* With every key but root's changed: nodes that know only the former root go on, at every moment. */
static void a_publication_that_fails_or_dies_anywhere_is_finished_by_the_next(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    Sweep sweep = {.author = author, .dir_fd = author->dir_fd};
    author_expect(author_add_target(author, "targets", "a.bin", "old", &err), &err);
    author_publish(author);
    expect_node_reads(author, "a.bin", "old");
    author_expect(author_add_target(author, "targets", "a.bin", "new", &err), &err);
    rotate(author, "targets", 1);
    rotate(author, "snapshot", 2);
    rotate(author, "timestamp", 2);
    author_sign_all(author);
    for (size_t i = 0; i < KEPT; i++) {
        buffer_init(&sweep.kept[i], 100000);
        author_expect(file_read(sweep.dir_fd, kept_names[i], &sweep.kept[i], &err), &err);
    }
    faults_sweep(
        &(FaultSweep){.context = &sweep, .prepare = sweep_prepare, .run = sweep_run, .check = sweep_check});
    for (size_t i = 0; i < KEPT; i++) {
        buffer_done(&sweep.kept[i]);
    }
}

/* ---- one file for nodes without a network ---- */

static bool read_offline(Author *author, int fd, Buffer *content, Error *err) {
    char path[] = "/dev/shm/tuf-offline-test-XXXXXX";
    assert_non_null(mkdtemp(path));
    int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    TufOffline offline = {fd};
    TufFetcher fetcher = tuf_offline_fetcher(&offline);
    TufClient *client = author_node(author, dir_fd);
    bool read_it = author_node_reads(author, client, &fetcher, "dir/a.bin", content, err);
    tuf_client_close(client);
    (void)close(dir_fd);
    assert_true(file_remove_tree(AT_FDCWD, path, NULL));
    return read_it;
}

static void export(Author *author, int fd) {
    Error err = ERROR_INIT;
    const TufFetcher from = tuf_directory_fetcher(&author->directory);
    TufOfflineWriter *writer = tuf_offline_writer_new(fd, &from, &err);
    TufFetcher recorder = tuf_offline_recorder(writer);
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(1000);
    TufClient *client = author_node(author, author->client_fd);
    author_expect(author_node_reads(author, client, &recorder, "dir/a.bin", &content, &err), &err);
    author_expect(tuf_offline_writer_end(writer, &err), &err);
    tuf_offline_writer_free(writer);
    tuf_client_close(client);
}

static void an_offline_file_is_read_as_a_server_would_be(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    author_expect(author_add_target(author, "targets", "dir/a.bin", "offline", &err), &err);
    author_publish(author);
    AUTO_CLOSE int fd = memfd_create("offline", MFD_CLOEXEC);
    export(author, fd);
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(1000);
    author_expect(read_offline(author, fd, &content, &err), &err);
    assert_string_equal(buffer_text(&content), "offline");
}

static void a_damaged_or_forged_offline_file_is_refused(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    author_expect(author_add_target(author, "targets", "dir/a.bin", "offline", &err), &err);
    author_publish(author);
    AUTO_CLOSE int fd = memfd_create("offline", MFD_CLOEXEC);
    export(author, fd);
    CLEANUP(buffer_done) Buffer whole = BUFFER_INIT(1000000);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    author_expect(file_read_fd(fd, "offline", &whole, &err), &err);
    char *content = memmem(whole.data, whole.size, "offline", 7);
    assert_non_null(content);
    size_t at = (size_t)(content - (char *)whole.data);
    CLEANUP(buffer_done) Buffer found = BUFFER_INIT(1000);

    assert_int_equal(pwrite(fd, "OFFLINE", 7, (off_t)at), 7);
    assert_false(read_offline(author, fd, &found, &err));
    assert_int_equal(err.kind, ERROR_VERIFY);

    for (size_t cut = 0; cut < at + 7; cut += 97) {
        Error inner = ERROR_INIT;
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, whole.data, cut, 0), (ssize_t)cut);
        buffer_clear(&found);
        assert_false(read_offline(author, fd, &found, &inner));
        assert_int_not_equal(inner.kind, ERROR_NONE);
    }
}

static TufFetched fetch_path(TufDirectory *directory, TufFetchKind kind, const char *path, Error *err) {
    TufFetcher fetcher = tuf_directory_fetcher(directory);
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(100000);
    TufRequest request = {.kind = kind, .path = path, .size_max = 100000};
    return fetcher.fetch(fetcher.context, &request, &(TufSink){author_gather, &content}, err);
}

static void a_directory_is_never_left(void **state) {
    Author *author = *state;
    Error err = ERROR_INIT;
    author_publish(author);
    TufDirectory directory = author->directory;
    assert_int_equal(fetch_path(&directory, TUF_FETCH_METADATA, "timestamp.json", &err), TUF_FETCHED_ALL);
    assert_int_equal(fetch_path(&directory, TUF_FETCH_METADATA, "9.root.json", &err), TUF_FETCHED_ABSENT);
    assert_int_equal(fetch_path(&directory, TUF_FETCH_METADATA, "..%2F..%2Frepo.yaml", &err),
                     TUF_FETCHED_ABSENT);
    assert_int_not_equal(fetch_path(&directory, TUF_FETCH_TARGET, "../metadata/timestamp.json", &err),
                         TUF_FETCHED_ALL);
    assert_int_not_equal(fetch_path(&directory, TUF_FETCH_TARGET, "/etc/passwd", &err), TUF_FETCHED_ALL);
    assert_int_equal(fetch_path(&directory, TUF_FETCH_TARGET, "%zz", &err), TUF_FETCHED_ABSENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_published_is_what_nodes_read),
        TEST(nothing_is_written_unless_every_threshold_is_met),
        TEST(a_change_after_signing_needs_a_new_signature),
        TEST(a_rotated_root_needs_the_old_and_the_new_keys),
        TEST(changed_online_keys_bring_a_new_snapshot),
        TEST(a_delegated_role_speaks_for_its_paths),
        TEST(targets_are_spread_over_bins_and_found_there),
        TEST(bins_keep_to_themselves),
        TEST(roles_by_name_and_bins_do_not_share_a_name),
        TEST(a_delegation_that_is_taken_back_ends),
        TEST(what_changed_keys_leave_unsigned_is_signed_anew),
        TEST(a_draft_that_was_overtaken_or_expired_is_brought_up_to_date_by_signing),
        TEST(an_expired_snapshot_is_not_published_again),
        TEST(what_clients_would_not_read_alike_is_not_published),
        TEST(a_threshold_that_cannot_be_met_is_refused),
        TEST(renewal_does_what_the_keys_suffice_for_and_names_the_rest),
        TEST(an_expired_draft_is_not_published),
        TEST(two_writers_do_not_meet),
        TEST(a_misspelt_configuration_is_refused),
        TEST(a_publication_that_fails_or_dies_anywhere_is_finished_by_the_next),
        TEST(an_offline_file_is_read_as_a_server_would_be),
        TEST(a_damaged_or_forged_offline_file_is_refused),
        TEST(a_directory_is_never_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
