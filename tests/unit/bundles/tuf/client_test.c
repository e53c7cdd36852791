/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/client.h"

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
#include "tests/support/faults.h"
#include "tests/tuf-client/repository.h"

typedef struct Node {
    Repository *repository;
    char path[64];
    int dir_fd;
    Buffer anchor;
    TufLimits limits;
    int64_t time_floor;
    int64_t now;
    TufProblem problem; /* of the last refresh */
} Node;

static int set_up(void **state) {
    static Node node;
    node = (Node){.repository = repository_new(),
                  .anchor = BUFFER_INIT(512000),
                  .limits = TUF_LIMITS_DEFAULT,
                  .now = REPOSITORY_NOW};
    (void)snprintf(node.path, sizeof node.path, "/dev/shm/tuf-client-test-XXXXXX");
    assert_non_null(mkdtemp(node.path));
    node.dir_fd = open(node.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    Bytes root = repository_bytes(node.repository, "1.root.json");
    assert_true(buffer_append(&node.anchor, root.data, root.size));
    *state = &node;
    return 0;
}

static int tear_down(void **state) {
    Node *node = *state;
    repository_free(node->repository);
    buffer_done(&node->anchor);
    (void)close(node->dir_fd);
    assert_true(file_remove_tree(AT_FDCWD, node->path, NULL));
    return 0;
}

static TufClient *open_client(Node *node, Error *err) {
    TufClientOptions options = {
        .anchor = buffer_bytes(&node->anchor), .limits = node->limits, .time_floor = node->time_floor};
    return tuf_client_open(node->dir_fd, &options, err);
}

static bool refresh(Node *node, Error *err) {
    CLEANUP(tuf_client_closep) TufClient *client = open_client(node, err);
    TufFetcher fetcher = repository_fetcher(node->repository);
    node->repository->log[0] = '\0';
    if (client == NULL) {
        return false;
    }
    bool refreshed = tuf_client_refresh(client, &fetcher, node->now, err);
    node->problem = *tuf_client_problem(client);
    return refreshed;
}

static void expect_refresh(Node *node) {
    Error err = ERROR_INIT;
    if (!refresh(node, &err)) {
        fail_msg("%s", err.text);
    }
}

static void expect_refusal(Node *node, TufRule rule, const char *role) {
    Error err = ERROR_INIT;
    assert_false(refresh(node, &err));
    assert_int_not_equal(err.kind, ERROR_NONE);
    if (node->problem.rule != rule || strcmp(node->problem.role, role) != 0) {
        fail_msg("rule %s of role %s: %s", tuf_rule_name(node->problem.rule), node->problem.role, err.text);
    }
    assert_non_null(strstr(err.text, role));
}

/* 0: not stored. */
static int64_t stored_version(const Node *node, const char *role) {
    char name[64];
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(1000000);
    (void)snprintf(name, sizeof name, "%s.json", role);
    if (!file_read(node->dir_fd, name, &bytes, NULL)) {
        return 0;
    }
    CLEANUP(json_freep) json_t *document = json_parse(buffer_bytes(&bytes), name, NULL);
    return tuf_author_version(document);
}

static void expect_stored(const Node *node, int64_t root, int64_t timestamp, int64_t snapshot,
                          int64_t targets) {
    assert_int_equal(stored_version(node, "root"), root);
    assert_int_equal(stored_version(node, "timestamp"), timestamp);
    assert_int_equal(stored_version(node, "snapshot"), snapshot);
    assert_int_equal(stored_version(node, "targets"), targets);
}

static bool take(void *context, const void *data, size_t size, Error *err) {
    (void)err;
    return buffer_append(context, data, size);
}

/* Refreshes, finds and fetches; the content goes into the buffer. */
static bool get(Node *node, const char *path, Buffer *content, Error *err) {
    CLEANUP(tuf_client_closep) TufClient *client = open_client(node, err);
    TufFetcher fetcher = repository_fetcher(node->repository);
    node->repository->log[0] = '\0';
    CLEANUP(tuf_target_done) TufTarget target = {0};
    if (client == NULL) {
        return false;
    }
    bool got = tuf_client_refresh(client, &fetcher, node->now, err) &&
               tuf_client_find_target(client, &fetcher, path, &target, err) &&
               tuf_client_fetch_target(client, &fetcher, &target, &(TufSink){take, content}, err);
    node->problem = *tuf_client_problem(client);
    return got;
}

/* ---- requests and storage ---- */

static void the_first_refresh_asks_for_each_role_once_and_stores_the_bytes_as_received(void **state) {
    Node *node = *state;
    expect_refresh(node);
    assert_string_equal(node->repository->log, "2.root.json timestamp.json 1.snapshot.json 1.targets.json ");
    expect_stored(node, 1, 1, 1, 1);
    CLEANUP(buffer_done) Buffer stored = BUFFER_INIT(100000);
    assert_true(file_read(node->dir_fd, "snapshot.json", &stored, NULL));
    assert_true(bytes_equal(buffer_bytes(&stored), repository_bytes(node->repository, "1.snapshot.json")));
}

static void a_refresh_without_news_makes_two_requests(void **state) {
    Node *node = *state;
    expect_refresh(node);
    expect_refresh(node);
    assert_string_equal(node->repository->log, "2.root.json timestamp.json ");
    node->repository->answers_unchanged = true;
    expect_refresh(node);
    assert_string_equal(node->repository->log, "2.root.json timestamp.json ");
}

static void an_unchanged_answer_counts_only_for_what_was_offered_as_cached(void **state) {
    Node *node = *state;
    expect_refresh(node);
    node->repository->answers_unchanged = true;
    node->now = REPOSITORY_EXPIRES;
    expect_refusal(node, TUF_RULE_EXPIRED, "root");
}

static void an_unchanged_answer_does_not_revive_an_expired_timestamp(void **state) {
    Node *node = *state;
    repository_set_expires(node->repository, "timestamp", REPOSITORY_NOW + 10);
    repository_publish(node->repository, "timestamp");
    expect_refresh(node);
    node->repository->answers_unchanged = true;
    node->now = REPOSITORY_NOW + 10;
    expect_refusal(node, TUF_RULE_EXPIRED, "timestamp");
    node->repository->answers_unchanged = false;
    expect_refusal(node, TUF_RULE_EXPIRED, "timestamp");
}

static void without_consistent_snapshots_files_have_no_version_in_their_name(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    repository->consistent = false;
    assert_true(json_put(repository_body(repository, "root"), "consistent_snapshot", json_false()));
    repository_publish(repository, "root");
    repository_add_target(repository, "targets", "dir/a b", "content");
    repository_publish(repository, "targets");
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(100);
    Error err = ERROR_INIT;
    assert_true(get(node, "dir/a b", &content, &err));
    assert_string_equal(repository->log,
                        "2.root.json 3.root.json timestamp.json snapshot.json targets.json dir/a%20b ");
    assert_string_equal(buffer_text(&content), "content");
}

static void a_run_that_ended_after_timestamp_is_finished_by_the_next(void **state) {
    Node *node = *state;
    expect_refresh(node);
    repository_publish(node->repository, "targets");
    node->repository->fault = REPOSITORY_FAILS;
    node->repository->fault_path = "2.snapshot.json";
    expect_refusal(node, TUF_RULE_FETCH, "snapshot");
    expect_stored(node, 1, 2, 1, 1);
    node->repository->fault = REPOSITORY_HONEST;
    expect_refresh(node);
    expect_stored(node, 1, 2, 2, 2);
}

static void two_clients_do_not_share_a_directory_at_once(void **state) {
    Node *node = *state;
    Error err = ERROR_INIT;
    CLEANUP(tuf_client_closep) TufClient *first = open_client(node, &err);
    assert_non_null(first);
    assert_null(open_client(node, &err));
    assert_int_equal(err.kind, ERROR_CONFLICT);
}

static void targets_are_not_searched_before_a_refresh(void **state) {
    Node *node = *state;
    Error err = ERROR_INIT;
    expect_refresh(node);
    CLEANUP(tuf_client_closep) TufClient *client = open_client(node, &err);
    TufFetcher fetcher = repository_fetcher(node->repository);
    TufTarget target;
    assert_false(tuf_client_find_target(client, &fetcher, "a", &target, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
}

/* ---- root ---- */

static void a_bad_anchor_fails_before_any_request(void **state) {
    Node *node = *state;
    Error err = ERROR_INIT;
    json_t *root = repository_document(node->repository, "root");
    assert_true(json_put(root, "signatures", json_array()));
    buffer_clear(&node->anchor);
    assert_true(tuf_author_format(root, &node->anchor));
    assert_false(refresh(node, &err));
    assert_string_equal(node->repository->log, "");
    assert_non_null(strstr(err.text, "trusted root"));
}

static void each_accepted_root_is_stored_and_followed_from_the_anchor_again(void **state) {
    Node *node = *state;
    for (int i = 0; i < 3; i++) {
        repository_drop_keys(node->repository, "timestamp");
        repository_use_key(node->repository, "timestamp", repository_add_key(node->repository, "ed25519"));
        repository_publish(node->repository, "root");
    }
    repository_publish(node->repository, "timestamp");
    expect_refresh(node);
    expect_stored(node, 4, 2, 1, 1);
    expect_refresh(node);
    assert_string_equal(node->repository->log, "5.root.json timestamp.json ");
}

static void a_forged_root_in_the_cache_is_no_anchor(void **state) {
    Node *node = *state;
    expect_refresh(node);
    Repository *forger = repository_new();
    repository_publish(forger, "root");
    Bytes forged = repository_bytes(forger, "2.root.json");
    assert_true(file_replace(node->dir_fd, "root.json", forged.data, forged.size, 0644, NULL));
    assert_true(file_replace(node->dir_fd, "roots/2.json", forged.data, forged.size, 0644, NULL));
    repository_free(forger);
    expect_refresh(node);
    expect_stored(node, 1, 1, 1, 1);
}

static void a_root_that_skips_a_version_or_lacks_the_old_or_the_new_threshold_is_refused(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    repository_set_version(repository, "root", 3);
    repository_serve(repository, "root");
    repository_serve_bytes(repository, "2.root.json", repository_bytes(repository, "3.root.json"));
    expect_refusal(node, TUF_RULE_VERSION, "root");
    expect_stored(node, 0, 0, 0, 0);

    repository_drop_keys(repository, "root");
    repository_use_key(repository, "root", repository_add_key(repository, "ed25519"));
    repository_set_version(repository, "root", 2);
    repository_serve(repository, "root"); /* by the new key alone */
    expect_refusal(node, TUF_RULE_SIGNATURE, "root");

    json_t *signers = json_object_get(repository->signers, "root");
    assert_int_equal(json_array_set_new(signers, 0, json_integer(0)), 0); /* by the old key alone */
    repository_serve(repository, "root");
    expect_refusal(node, TUF_RULE_SIGNATURE, "root");

    assert_int_equal(json_array_append_new(signers, json_integer(4)), 0);
    repository_serve(repository, "root");
    assert_int_equal(json_object_del(repository->files, "3.root.json"), 0);
    expect_refresh(node);
    expect_stored(node, 2, 1, 1, 1);
}

static void only_the_last_root_may_not_be_expired_and_it_stays_stored(void **state) {
    Node *node = *state;
    repository_set_expires(node->repository, "root", REPOSITORY_NOW - 1);
    repository_publish(node->repository, "root");
    expect_refusal(node, TUF_RULE_EXPIRED, "root");
    expect_stored(node, 2, 0, 0, 0);
    repository_set_expires(node->repository, "root", REPOSITORY_EXPIRES);
    repository_publish(node->repository, "root");
    expect_refresh(node);
    expect_stored(node, 3, 1, 1, 1);
}

static void only_absence_ends_the_root_loop(void **state) {
    Node *node = *state;
    repository_publish(node->repository, "root");
    node->repository->fault = REPOSITORY_FAILS;
    node->repository->fault_path = "3.root.json";
    expect_refusal(node, TUF_RULE_FETCH, "root");
    assert_string_equal(node->repository->log, "2.root.json 3.root.json ");
    expect_stored(node, 2, 0, 0, 0);
}

static void rotations_in_one_run_are_bounded_and_the_next_run_goes_on(void **state) {
    Node *node = *state;
    node->limits.root_rotations = 2;
    for (int i = 0; i < 3; i++) {
        repository_publish(node->repository, "root");
    }
    expect_refresh(node);
    expect_stored(node, 3, 1, 1, 1);
    expect_refresh(node);
    expect_stored(node, 4, 1, 1, 1);
}

/* ---- the attacks of the specification, section 1.5.2 ---- */

static void arbitrary_software_attack_files_signed_by_strangers_are_refused(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    static const char *const roles[] = {"timestamp", "snapshot", "targets"};
    size_t stranger = repository_add_key(repository, "ed25519");
    for (size_t i = 0; i < 3; i++) {
        json_t *signers = json_object_get(repository->signers, roles[i]);
        json_int_t own = json_integer_value(json_array_get(signers, 0));
        assert_int_equal(json_array_set_new(signers, 0, json_integer((json_int_t)stranger)), 0);
        repository_publish(repository, "targets");
        expect_refusal(node, TUF_RULE_SIGNATURE, roles[i]);
        assert_int_equal(json_array_set_new(signers, 0, json_integer(own)), 0);
        repository_publish(repository, "targets");
    }
    expect_refresh(node);
}

static void arbitrary_software_attack_a_target_of_the_same_length_is_refused(void **state) {
    Node *node = *state;
    repository_add_target(node->repository, "targets", "bundle", "good");
    repository_publish(node->repository, "targets");
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(100);
    assert_true(get(node, "bundle", &content, &err));
    const char *request = strrchr(node->repository->log, '.') - 64;
    char path[128];
    (void)snprintf(path, sizeof path, "%.*s", (int)strcspn(request, " "), request);
    repository_serve_bytes(node->repository, path, (Bytes){(const uint8_t *)"evil", 4});
    buffer_clear(&content);
    assert_false(get(node, "bundle", &content, &err));
    assert_int_equal(node->problem.rule, TUF_RULE_HASH);
    assert_int_equal(err.kind, ERROR_VERIFY);
}

static void endless_data_attack_every_role_stops_at_its_limit(void **state) {
    Node *node = *state;
    static const struct {
        const char *path, *role;
        uint64_t limit;
    } cases[] = {{"2.root.json", "root", 512000},
                 {"timestamp.json", "timestamp", 16384},
                 {"1.snapshot.json", "snapshot", 2000000},
                 {"1.targets.json", "targets", 5000000}};
    Repository *repository = node->repository;
    repository->with_hashes = false;
    repository_list(repository, "targets");
    repository_serve(repository, "snapshot");
    repository_list(repository, "snapshot");
    repository_serve(repository, "timestamp");
    repository->fault = REPOSITORY_ENDLESS;
    for (size_t i = 0; i < 4; i++) {
        repository->fault_path = cases[i].path;
        repository->endless_bytes = 0;
        expect_refusal(node, TUF_RULE_LENGTH, cases[i].role);
        assert_in_range(repository->endless_bytes, cases[i].limit, cases[i].limit + 4096);
    }
}

static void endless_data_attack_a_listed_length_stops_earlier_and_never_later(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    repository->fault = REPOSITORY_ENDLESS;
    repository->fault_path = "1.targets.json";
    expect_refusal(node, TUF_RULE_LENGTH, "targets");
    assert_in_range(repository->endless_bytes, 1, 4096);

    json_t *meta = json_object_get(repository_body(repository, "snapshot"), "meta");
    json_t *info = json_object_get(meta, "targets.json");
    assert_true(json_put(info, "length", json_integer(INT64_C(1) << 40)));
    repository_publish(repository, "snapshot");
    repository->endless_bytes = 0;
    expect_refusal(node, TUF_RULE_LENGTH, "targets");
    assert_in_range(repository->endless_bytes, 1, 5004096);
}

static void endless_data_attack_a_target_stops_at_its_listed_length(void **state) {
    Node *node = *state;
    repository_add_target(node->repository, "targets", "bundle", "good");
    repository_publish(node->repository, "targets");
    expect_refresh(node);
    node->repository->fault = REPOSITORY_ENDLESS;
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(100000);
    Error err = ERROR_INIT;
    CLEANUP(tuf_client_closep) TufClient *client = open_client(node, &err);
    TufFetcher fetcher = repository_fetcher(node->repository);
    node->repository->fault_path = "none";
    CLEANUP(tuf_target_done) TufTarget target = {0};
    assert_true(tuf_client_refresh(client, &fetcher, node->now, &err));
    assert_true(tuf_client_find_target(client, &fetcher, "bundle", &target, &err));
    node->repository->fault_path = NULL;
    assert_false(tuf_client_fetch_target(client, &fetcher, &target, &(TufSink){take, &content}, &err));
    assert_int_equal(tuf_client_problem(client)->rule, TUF_RULE_LENGTH);
    assert_int_equal(content.size, 0);
}

static void extraneous_dependencies_attack_the_repository_cannot_add_what_no_role_lists(void **state) {
    Node *node = *state;
    repository_serve_bytes(node->repository, "extra", (Bytes){(const uint8_t *)"x", 1});
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(100);
    Error err = ERROR_INIT;
    assert_false(get(node, "extra", &content, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_null(strstr(node->repository->log, "extra"));
}

static void fast_forward_attack_rotating_the_keys_recovers(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    repository_set_version(repository, "targets", 1000);
    repository_set_version(repository, "snapshot", 1000);
    repository_set_version(repository, "timestamp", 1000);
    repository_publish(repository, "targets");
    expect_refresh(node);
    expect_stored(node, 1, 1001, 1001, 1001);

    repository_drop_keys(repository, "timestamp");
    repository_drop_keys(repository, "snapshot");
    repository_use_key(repository, "timestamp", repository_add_key(repository, "ed25519"));
    repository_use_key(repository, "snapshot", repository_add_key(repository, "ed25519"));
    repository_publish(repository, "root");
    repository_set_version(repository, "targets", 1);
    repository_set_version(repository, "snapshot", 1);
    repository_set_version(repository, "timestamp", 1);
    repository_publish(repository, "targets");
    expect_refresh(node);
    expect_stored(node, 2, 2, 2, 2);
}

static void indefinite_freeze_attack_every_role_expires(void **state) {
    Node *node = *state;
    static const char *const roles[] = {"timestamp", "snapshot", "targets"};
    for (size_t i = 0; i < 3; i++) {
        repository_set_expires(node->repository, roles[i], REPOSITORY_NOW);
        repository_publish(node->repository, "targets");
        expect_refusal(node, TUF_RULE_EXPIRED, roles[i]);
        repository_set_expires(node->repository, roles[i], REPOSITORY_EXPIRES);
        repository_publish(node->repository, "targets");
        expect_refresh(node);
    }
}

static void indefinite_freeze_attack_a_clock_set_back_revives_nothing(void **state) {
    Node *node = *state;
    Error err = ERROR_INIT;
    node->now = REPOSITORY_EXPIRES - 10;
    expect_refresh(node);
    node->time_floor = REPOSITORY_EXPIRES;
    node->now = 0;
    expect_refusal(node, TUF_RULE_EXPIRED, "root");
    CLEANUP(tuf_client_closep) TufClient *client = open_client(node, &err);
    assert_true(tuf_client_check_clock(client, REPOSITORY_EXPIRES, &err));
    assert_false(tuf_client_check_clock(client, REPOSITORY_EXPIRES - 1, &err));
    assert_non_null(strstr(err.text, "set the clock"));
}

static void malicious_mirror_an_aborted_refresh_keeps_what_was_trusted(void **state) {
    Node *node = *state;
    expect_refresh(node);
    repository_publish(node->repository, "targets");
    node->repository->fault = REPOSITORY_ABSENT;
    node->repository->fault_path = "2.targets.json";
    expect_refusal(node, TUF_RULE_ABSENT, "targets");
    expect_stored(node, 1, 2, 2, 1);
    node->repository->fault_path = "timestamp.json";
    expect_refusal(node, TUF_RULE_ABSENT, "timestamp");
    node->repository->fault = REPOSITORY_HONEST;
    expect_refresh(node);
    expect_stored(node, 1, 2, 2, 2);
}

static void mix_and_match_attack_files_of_different_states_do_not_fit_together(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    repository->with_hashes = false;
    repository_publish(repository, "targets");
    expect_refresh(node);
    repository_publish(repository, "targets");
    repository_serve_bytes(repository, "3.targets.json", repository_bytes(repository, "2.targets.json"));
    expect_refusal(node, TUF_RULE_VERSION, "targets");
    repository_publish(repository, "targets");
    repository_serve_bytes(repository, "4.snapshot.json", repository_bytes(repository, "3.snapshot.json"));
    expect_refusal(node, TUF_RULE_VERSION, "snapshot");
}

static void mix_and_match_attack_the_listed_hash_counts_for_snapshot_and_targets(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    static const char *const roles[] = {"targets", "snapshot"};
    for (size_t i = 0; i < 2; i++) {
        repository_publish(repository, "targets");
        char path[64];
        (void)snprintf(path, sizeof path, "%d.%s.json", (int)repository_version(repository, roles[i]),
                       roles[i]);
        Bytes bytes = repository_bytes(repository, path);
        CLEANUP(buffer_done) Buffer other = BUFFER_INIT(100000);
        assert_true(buffer_append(&other, bytes.data, bytes.size));
        other.data[other.size - 1] = ' '; /* still valid JSON, still signed, of the same length */
        repository_serve_bytes(repository, path, buffer_bytes(&other));
        expect_refusal(node, TUF_RULE_HASH, roles[i]);
    }
}

static void rollback_attack_an_older_timestamp_snapshot_or_role_is_refused(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    CLEANUP(buffer_done) Buffer old = BUFFER_INIT(100000);
    Bytes bytes = repository_bytes(repository, "timestamp.json");
    assert_true(buffer_append(&old, bytes.data, bytes.size));
    repository_publish(repository, "targets");
    repository_publish(repository, "targets");
    expect_refresh(node);
    expect_stored(node, 1, 3, 3, 3);

    repository_serve_bytes(repository, "timestamp.json", buffer_bytes(&old));
    expect_refusal(node, TUF_RULE_ROLLBACK, "timestamp");

    repository_set_version(repository, "snapshot", 2);
    repository_serve(repository, "snapshot");
    repository_list(repository, "snapshot");
    repository_publish(repository, "timestamp");
    expect_refusal(node, TUF_RULE_ROLLBACK, "timestamp"); /* it lists an older snapshot */

    repository_set_version(repository, "snapshot", 3);
    repository_set_version(repository, "targets", 1);
    repository_publish(repository, "targets");
    expect_refusal(node, TUF_RULE_ROLLBACK, "snapshot");
    expect_stored(node, 1, 5, 3, 3);
}

static void rollback_attack_a_snapshot_may_not_forget_a_role(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    repository_delegate(repository, "targets", "vendor", "*", false);
    repository_publish(repository, "vendor");
    repository_publish(repository, "targets");
    expect_refresh(node);
    json_t *meta = json_object_get(repository_body(repository, "snapshot"), "meta");
    assert_int_equal(json_object_del(meta, "vendor.json"), 0);
    repository_publish(repository, "snapshot");
    expect_refusal(node, TUF_RULE_ROLLBACK, "snapshot");
}

static void rollback_attack_an_expired_snapshot_still_is_the_base(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    repository_publish(repository, "targets");
    repository_set_expires(repository, "snapshot", REPOSITORY_NOW + 10);
    repository_publish(repository, "targets");
    expect_refresh(node);
    node->now = REPOSITORY_NOW + 20;
    repository_set_expires(repository, "snapshot", REPOSITORY_EXPIRES);
    repository_set_version(repository, "targets", 1);
    repository_publish(repository, "targets");
    expect_refusal(node, TUF_RULE_ROLLBACK, "snapshot");
}

static void slow_retrieval_attack_a_transfer_that_the_fetcher_gives_up_is_named(void **state) {
    Node *node = *state;
    node->repository->fault = REPOSITORY_FAILS;
    node->repository->fault_path = "timestamp.json";
    Error err = ERROR_INIT;
    assert_false(refresh(node, &err));
    assert_int_equal(node->problem.rule, TUF_RULE_FETCH);
    assert_int_equal(err.kind, ERROR_NETWORK);
    assert_non_null(strstr(err.text, "timestamp.json: role timestamp: the server answers 500"));
}

static void key_compromise_less_than_the_threshold_signs_nothing(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    json_t *roles = json_object_get(repository_body(repository, "root"), "roles");
    repository_use_key(repository, "targets", repository_add_key(repository, "ecdsa"));
    assert_true(json_put(json_object_get(roles, "targets"), "threshold", json_integer(2)));
    repository_publish(repository, "root");
    repository_publish(repository, "targets");
    expect_refresh(node);
    assert_int_equal(json_array_remove(json_object_get(repository->signers, "targets"), 0), 0);
    repository_publish(repository, "targets");
    expect_refusal(node, TUF_RULE_SIGNATURE, "targets");
}

static void key_compromise_one_key_under_two_ids_counts_once_in_every_role(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    static const char *const roles[] = {"timestamp", "snapshot", "targets", "root"};
    repository->with_hashes = false;
    repository_publish(repository, "targets");
    for (size_t i = 0; i < 4; i++) {
        json_t *root = repository_body(repository, "root");
        json_t *role = json_object_get(json_object_get(root, "roles"), roles[i]);
        json_t *keyids = json_object_get(role, "keyids");
        json_t *key =
            json_object_get(json_object_get(root, "keys"), json_string_value(json_array_get(keyids, 0)));
        assert_int_equal(json_object_set(json_object_get(root, "keys"), "alias", key), 0);
        assert_int_equal(json_array_append_new(keyids, json_string("alias")), 0);
        assert_true(json_put(role, "threshold", json_integer(2)));
        repository_publish(repository, "root");
        json_t *document = repository_document(repository, roles[i]);
        json_t *first = json_array_get(json_object_get(document, "signatures"), 0);
        json_t *second = json_pack("{s:s, s:O}", "keyid", "alias", "sig", json_object_get(first, "sig"));
        assert_int_equal(json_array_append_new(json_object_get(document, "signatures"), second), 0);
        CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(100000);
        assert_true(tuf_author_format(document, &bytes));
        char path[64];
        (void)snprintf(path, sizeof path, "%d.%s.json", (int)repository_version(repository, roles[i]),
                       roles[i]);
        repository_serve_bytes(repository, strcmp(roles[i], "timestamp") == 0 ? "timestamp.json" : path,
                               buffer_bytes(&bytes));
        expect_refusal(node, TUF_RULE_SIGNATURE, roles[i]);

        assert_int_equal(json_array_remove(keyids, 1), 0);
        assert_true(json_put(role, "threshold", json_integer(1)));
        if (strcmp(roles[i], "root") != 0) {
            repository_publish(repository, "root");
            repository_list(repository, "targets");
            repository_serve(repository, "targets");
            repository_publish(repository, "snapshot");
            expect_refresh(node);
        }
    }
}

static void wrong_software_attack_another_roles_file_is_not_taken(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    /* one key for both roles, so that only the type tells them apart */
    repository_drop_keys(repository, "snapshot");
    json_t *own = json_array_get(json_object_get(repository->signers, "timestamp"), 0);
    repository_use_key(repository, "snapshot", (size_t)json_integer_value(own));
    repository_publish(repository, "root");
    repository_publish(repository, "targets");
    repository_serve_bytes(repository, "timestamp.json", repository_bytes(repository, "2.snapshot.json"));
    expect_refusal(node, TUF_RULE_FORMAT, "timestamp");
}

/* ---- what is stored survives anything ---- */

static const char *const trusted_files[] = {"root.json", "timestamp.json", "snapshot.json", "targets.json"};

typedef struct Sweep {
    Node *node;
    Buffer before[4]; /* what is trusted when the refresh starts */
} Sweep;

static void write_plainly(int dir_fd, const char *name, const Buffer *bytes) {
    AUTO_CLOSE int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0 && write(fd, bytes->data, bytes->size) == (ssize_t)bytes->size);
}

static void sweep_prepare(void *context) {
    Sweep *sweep = context;
    for (size_t i = 0; i < 4; i++) {
        write_plainly(sweep->node->dir_fd, trusted_files[i], &sweep->before[i]);
    }
    (void)unlinkat(sweep->node->dir_fd, "roots/2.json", 0);
    (void)unlinkat(sweep->node->dir_fd, "refreshed", 0);
}

static bool sweep_run(void *context, Error *err) {
    return refresh(((Sweep *)context)->node, err);
}

static void sweep_check(void *context, FaultOutcome outcome) {
    Node *node = ((Sweep *)context)->node;
    for (size_t i = 0; i < 4; i++) {
        char role[16];
        (void)snprintf(role, sizeof role, "%.*s", (int)strcspn(trusted_files[i], "."), trusted_files[i]);
        int64_t version = stored_version(node, role);
        assert_true(version == 1 || version == 2);
        assert_true(outcome != FAULT_SUCCEEDED || version == 2);
    }
    expect_refresh(node);
    expect_stored(node, 2, 2, 2, 2);
}

static void a_refresh_that_fails_or_dies_anywhere_never_goes_back_and_the_next_succeeds(void **state) {
    Node *node = *state;
    Sweep sweep = {.node = node};
    expect_refresh(node);
    for (size_t i = 0; i < 4; i++) {
        buffer_init(&sweep.before[i], 100000);
        assert_true(file_read(node->dir_fd, trusted_files[i], &sweep.before[i], NULL));
    }
    repository_publish(node->repository, "root");
    repository_publish(node->repository, "targets");
    faults_sweep(
        &(FaultSweep){.context = &sweep, .prepare = sweep_prepare, .run = sweep_run, .check = sweep_check});
    for (size_t i = 0; i < 4; i++) {
        buffer_done(&sweep.before[i]);
    }
}

static void rubbish_in_the_directory_counts_as_nothing_stored(void **state) {
    Node *node = *state;
    static const char *const names[] = {"root.json", "timestamp.json", "snapshot.json", "targets.json",
                                        "refreshed"};
    expect_refresh(node);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_true(file_replace(node->dir_fd, names[i], "{\"a\":", 5, 0644, NULL));
        expect_refresh(node);
        expect_stored(node, 1, 1, 1, 1);
    }
}

static void a_directory_in_place_of_stored_metadata_is_an_error_and_not_nothing(void **state) {
    Node *node = *state;
    Error err = ERROR_INIT;
    assert_int_equal(mkdirat(node->dir_fd, "timestamp.json", 0755), 0);
    assert_false(refresh(node, &err));
    assert_non_null(strstr(err.text, "timestamp.json"));
}

static void the_cache_of_one_repository_is_worthless_to_another(void **state) {
    Node *node = *state;
    repository_publish(node->repository, "targets");
    expect_refresh(node);
    repository_free(node->repository);
    node->repository = repository_new();
    buffer_clear(&node->anchor);
    Bytes root = repository_bytes(node->repository, "1.root.json");
    assert_true(buffer_append(&node->anchor, root.data, root.size));
    expect_refresh(node);
    expect_stored(node, 1, 1, 1, 1);
}

static void the_status_tells_versions_expiry_and_the_last_refresh(void **state) {
    Node *node = *state;
    Error err = ERROR_INIT;
    TufClientStatus status;
    repository_set_expires(node->repository, "snapshot", REPOSITORY_NOW + 77);
    repository_publish(node->repository, "targets");
    TufClient *client = open_client(node, &err);
    tuf_client_status(client, &status);
    assert_int_equal(status.roles[TUF_TYPE_ROOT].version, 1);
    assert_int_equal(status.roles[TUF_TYPE_TARGETS].version, 0);
    assert_int_equal(status.expires, 0);
    assert_int_equal(status.refreshed_at, 0);
    tuf_client_close(client);
    expect_refresh(node);
    client = open_client(node, &err);
    tuf_client_status(client, &status);
    tuf_client_close(client);
    assert_int_equal(status.roles[TUF_TYPE_TARGETS].version, 2);
    assert_int_equal(status.expires, REPOSITORY_NOW + 77);
    assert_int_equal(status.refreshed_at, REPOSITORY_NOW);
    assert_int_equal(status.time_bound, REPOSITORY_NOW);
    assert_true(status.consistent_snapshot);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_first_refresh_asks_for_each_role_once_and_stores_the_bytes_as_received),
        TEST(a_refresh_without_news_makes_two_requests),
        TEST(an_unchanged_answer_counts_only_for_what_was_offered_as_cached),
        TEST(an_unchanged_answer_does_not_revive_an_expired_timestamp),
        TEST(without_consistent_snapshots_files_have_no_version_in_their_name),
        TEST(a_run_that_ended_after_timestamp_is_finished_by_the_next),
        TEST(two_clients_do_not_share_a_directory_at_once),
        TEST(targets_are_not_searched_before_a_refresh),
        TEST(a_bad_anchor_fails_before_any_request),
        TEST(each_accepted_root_is_stored_and_followed_from_the_anchor_again),
        TEST(a_forged_root_in_the_cache_is_no_anchor),
        TEST(a_root_that_skips_a_version_or_lacks_the_old_or_the_new_threshold_is_refused),
        TEST(only_the_last_root_may_not_be_expired_and_it_stays_stored),
        TEST(only_absence_ends_the_root_loop),
        TEST(rotations_in_one_run_are_bounded_and_the_next_run_goes_on),
        TEST(arbitrary_software_attack_files_signed_by_strangers_are_refused),
        TEST(arbitrary_software_attack_a_target_of_the_same_length_is_refused),
        TEST(endless_data_attack_every_role_stops_at_its_limit),
        TEST(endless_data_attack_a_listed_length_stops_earlier_and_never_later),
        TEST(endless_data_attack_a_target_stops_at_its_listed_length),
        TEST(extraneous_dependencies_attack_the_repository_cannot_add_what_no_role_lists),
        TEST(fast_forward_attack_rotating_the_keys_recovers),
        TEST(indefinite_freeze_attack_every_role_expires),
        TEST(indefinite_freeze_attack_a_clock_set_back_revives_nothing),
        TEST(malicious_mirror_an_aborted_refresh_keeps_what_was_trusted),
        TEST(mix_and_match_attack_files_of_different_states_do_not_fit_together),
        TEST(mix_and_match_attack_the_listed_hash_counts_for_snapshot_and_targets),
        TEST(rollback_attack_an_older_timestamp_snapshot_or_role_is_refused),
        TEST(rollback_attack_a_snapshot_may_not_forget_a_role),
        TEST(rollback_attack_an_expired_snapshot_still_is_the_base),
        TEST(slow_retrieval_attack_a_transfer_that_the_fetcher_gives_up_is_named),
        TEST(key_compromise_less_than_the_threshold_signs_nothing),
        TEST(key_compromise_one_key_under_two_ids_counts_once_in_every_role),
        TEST(wrong_software_attack_another_roles_file_is_not_taken),
        TEST(a_refresh_that_fails_or_dies_anywhere_never_goes_back_and_the_next_succeeds),
        TEST(rubbish_in_the_directory_counts_as_nothing_stored),
        TEST(a_directory_in_place_of_stored_metadata_is_an_error_and_not_nothing),
        TEST(the_cache_of_one_repository_is_worthless_to_another),
        TEST(the_status_tells_versions_expiry_and_the_last_refresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
