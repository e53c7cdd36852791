/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/tuf/client.h"
#include "bundles/tuf/path.h"
#include "tests/tuf-client/repository.h"

typedef struct Node {
    Repository *repository;
    char path[64];
    int dir_fd;
    TufLimits limits;
    TufClient *client;
    TufFetcher fetcher;
} Node;

static int set_up(void **state) {
    static Node node;
    node = (Node){.repository = repository_new(), .limits = TUF_LIMITS_DEFAULT};
    node.fetcher = repository_fetcher(node.repository);
    (void)snprintf(node.path, sizeof node.path, "/dev/shm/tuf-search-test-XXXXXX");
    assert_non_null(mkdtemp(node.path));
    node.dir_fd = open(node.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = &node;
    return 0;
}

static int tear_down(void **state) {
    Node *node = *state;
    tuf_client_close(node->client);
    repository_free(node->repository);
    (void)close(node->dir_fd);
    assert_true(file_remove_tree(AT_FDCWD, node->path, NULL));
    return 0;
}

/* Publishes the roles, then top-level targets, and refreshes a client. */
static void begin(Node *node, const char *const *roles, size_t count) {
    Error err = ERROR_INIT;
    for (size_t i = 0; i < count; i++) {
        repository_publish(node->repository, roles[i]);
    }
    repository_publish(node->repository, "targets");
    tuf_client_close(node->client);
    node->client = NULL;
    TufClientOptions options = {.anchor = repository_bytes(node->repository, "1.root.json"),
                                .limits = node->limits};
    node->client = tuf_client_open(node->dir_fd, &options, &err);
    if (node->client == NULL || !tuf_client_refresh(node->client, &node->fetcher, REPOSITORY_NOW, &err)) {
        fail_msg("%s", err.text);
    }
    node->repository->log[0] = '\0';
}

/* `role` NULL: not found. `log`: the requests of this search. */
static void expect_found(Node *node, const char *path, const char *role, const char *log) {
    Error err = ERROR_INIT;
    CLEANUP(tuf_target_done) TufTarget target = {0};
    node->repository->log[0] = '\0';
    bool found = tuf_client_find_target(node->client, &node->fetcher, path, &target, &err);
    if (found != (role != NULL)) {
        fail_msg("%s: %s", path, err.text);
    }
    if (found) {
        assert_string_equal(target.role, role);
        assert_string_equal(target.path, path);
    } else {
        assert_int_equal(err.kind, ERROR_NOT_FOUND);
    }
    assert_string_equal(node->repository->log, log);
}

static void expect_problem(Node *node, const char *path, TufRule rule, const char *role) {
    Error err = ERROR_INIT;
    TufTarget target;
    assert_false(tuf_client_find_target(node->client, &node->fetcher, path, &target, &err));
    if (tuf_client_problem(node->client)->rule != rule) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(tuf_client_problem(node->client)->role, role);
}

static void delegations_are_searched_depth_first_in_their_order(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    repository_delegate(repository, "targets", "a", "*", false);
    repository_delegate(repository, "targets", "b", "*", false);
    repository_delegate(repository, "targets", "c", "other-*", false);
    repository_delegate(repository, "a", "a1", "*", false);
    repository_add_target(repository, "b", "x", "of b");
    repository_add_target(repository, "a1", "y", "of a1");
    repository_add_target(repository, "b", "y", "of b");
    repository_add_target(repository, "c", "z", "not c's to say");
    static const char *const roles[] = {"a", "a1", "b", "c"};
    begin(node, roles, 4);
    expect_found(node, "y", "a1", "1.a.json 1.a1.json ");
    expect_found(node, "x", "b", "1.b.json ");
    expect_found(node, "z", NULL, "");
    expect_found(node, "other-z", NULL, "1.c.json ");
}

static void a_terminating_delegation_drops_everything_that_waits(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    repository_delegate(repository, "targets", "a", "*", false);
    repository_delegate(repository, "targets", "b", "*", false);
    repository_delegate(repository, "a", "a1", "x", true);
    repository_delegate(repository, "a", "a2", "*", false);
    repository_delegate(repository, "a1", "a11", "*", false);
    repository_add_target(repository, "b", "x", "of b");
    repository_add_target(repository, "b", "y", "of b");
    static const char *const roles[] = {"a", "a1", "a11", "a2", "b"};
    begin(node, roles, 5);
    expect_found(node, "x", NULL, "1.a.json 1.a1.json 1.a11.json ");
    expect_found(node, "y", "b", "1.a2.json 1.b.json ");
}

static void roles_that_delegate_in_a_circle_are_visited_once(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    repository_delegate(repository, "targets", "a", "*", false);
    repository_delegate(repository, "a", "b", "*", false);
    repository_delegate(repository, "b", "a", "*", false);
    static const char *const roles[] = {"a", "b"};
    begin(node, roles, 2);
    expect_found(node, "x", NULL, "1.a.json 1.b.json ");
}

static void the_number_of_roles_in_one_search_is_bounded(void **state) {
    Node *node = *state;
    node->limits.delegations = 2;
    repository_delegate(node->repository, "targets", "a", "*", false);
    repository_delegate(node->repository, "targets", "b", "*", false);
    repository_delegate(node->repository, "targets", "c", "*", false);
    repository_add_target(node->repository, "c", "x", "too far");
    static const char *const roles[] = {"a", "b", "c"};
    begin(node, roles, 3);
    expect_found(node, "x", NULL, "1.a.json 1.b.json ");
}

static void a_role_that_cannot_be_had_or_trusted_ends_the_search(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    repository_delegate(repository, "targets", "a", "*", false);
    repository_delegate(repository, "targets", "b", "*", false);
    repository_add_target(repository, "b", "x", "of b");
    static const char *const roles[] = {"a", "b"};
    begin(node, roles, 2);
    repository->fault = REPOSITORY_ABSENT;
    repository->fault_path = "1.a.json";
    expect_problem(node, "x", TUF_RULE_ABSENT, "a");
    repository->fault = REPOSITORY_ENDLESS;
    expect_problem(node, "x", TUF_RULE_LENGTH, "a");
    repository->fault = REPOSITORY_HONEST;
    expect_found(node, "x", "b", "1.a.json 1.b.json ");
}

static void a_delegated_role_is_checked_as_strictly_as_targets(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    static const char *const roles[] = {"vendor"};
    repository_delegate(repository, "targets", "vendor", "*", false);

    repository_set_expires(repository, "vendor", REPOSITORY_NOW);
    begin(node, roles, 1);
    expect_problem(node, "x", TUF_RULE_EXPIRED, "vendor");
    repository_set_expires(repository, "vendor", REPOSITORY_EXPIRES);

    begin(node, roles, 1); /* version 2 */
    CLEANUP(buffer_done) Buffer other = BUFFER_INIT(100000);
    Bytes bytes = repository_bytes(repository, "2.vendor.json");
    assert_true(buffer_append(&other, bytes.data, bytes.size));
    other.data[other.size - 1] = ' ';
    repository_serve_bytes(repository, "2.vendor.json", buffer_bytes(&other));
    expect_problem(node, "x", TUF_RULE_HASH, "vendor");

    repository->with_hashes = false;
    begin(node, roles, 1); /* version 3 */
    repository_serve_bytes(repository, "3.vendor.json", buffer_bytes(&other));
    expect_problem(node, "x", TUF_RULE_VERSION, "vendor");

    size_t stranger = repository_add_key(repository, "ed25519");
    json_t *signers = json_object_get(repository->signers, "vendor");
    assert_int_equal(json_array_set_new(signers, 0, json_integer((json_int_t)stranger)), 0);
    begin(node, roles, 1);
    expect_problem(node, "x", TUF_RULE_SIGNATURE, "vendor");
}

static void a_delegated_role_that_goes_back_is_refused_with_the_snapshot(void **state) {
    Node *node = *state;
    Error err = ERROR_INIT;
    static const char *const roles[] = {"vendor"};
    repository_delegate(node->repository, "targets", "vendor", "*", false);
    begin(node, roles, 1);
    begin(node, roles, 1);
    repository_set_version(node->repository, "vendor", 0);
    repository_publish(node->repository, "vendor");
    assert_false(tuf_client_refresh(node->client, &node->fetcher, REPOSITORY_NOW, &err));
    assert_int_equal(tuf_client_problem(node->client)->rule, TUF_RULE_ROLLBACK);
    assert_non_null(strstr(err.text, "vendor.json version 1, 2 was listed before"));
}

static void a_role_that_the_snapshot_does_not_list_is_not_asked_for(void **state) {
    Node *node = *state;
    repository_delegate(node->repository, "targets", "ghost", "*", false);
    begin(node, NULL, 0);
    expect_problem(node, "x", TUF_RULE_UNLISTED, "ghost");
    assert_string_equal(node->repository->log, "");
}

static void a_role_in_use_must_satisfy_the_delegator_at_hand(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    repository_delegate(repository, "targets", "a", "a-*", false);
    repository_delegate(repository, "targets", "b", "b-*", false);
    repository_delegate(repository, "a", "shared", "*", false);
    repository_delegate(repository, "b", "shared", "*", false);
    /* only the key that a names signs */
    assert_int_equal(json_array_remove(json_object_get(repository->signers, "shared"), 1), 0);
    repository_add_target(repository, "shared", "a-x", "1");
    repository_add_target(repository, "shared", "b-x", "2");
    static const char *const roles[] = {"a", "b", "shared"};
    begin(node, roles, 3);
    expect_found(node, "a-x", "shared", "1.a.json 1.shared.json ");
    expect_problem(node, "b-x", TUF_RULE_SIGNATURE, "shared");
    expect_found(node, "a-x", "shared", "");
}

static void stored_roles_are_used_without_a_request_by_the_next_run(void **state) {
    Node *node = *state;
    static const char *const roles[] = {"vendor"};
    repository_delegate(node->repository, "targets", "vendor", "*", false);
    repository_add_target(node->repository, "vendor", "x", "1");
    begin(node, roles, 1);
    expect_found(node, "x", "vendor", "1.vendor.json ");
    begin(node, NULL, 0);
    expect_found(node, "x", "vendor", "");
}

static void hash_prefixes_decide_over_the_path(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    json_t *first = repository_delegate(repository, "targets", "p", "*", false);
    json_t *second = repository_delegate(repository, "targets", "q", "*", false);
    assert_int_equal(json_object_del(first, "paths"), 0);
    assert_int_equal(json_object_del(second, "paths"), 0);
    assert_true(json_put(first, "path_hash_prefixes", json_pack("[s, s]", "CA", "3e"))); /* SHA-256("b") */
    assert_true(json_put(second, "path_hash_prefixes", json_pack("[s]", "ca9")));        /* SHA-256("a") */
    repository_add_target(repository, "p", "a", "wrong");
    repository_add_target(repository, "p", "b", "right");
    repository_add_target(repository, "q", "a", "right");
    static const char *const roles[] = {"p", "q"};
    begin(node, roles, 2);
    expect_found(node, "a", "q", "1.q.json ");
    expect_found(node, "b", "p", "1.p.json ");
    expect_found(node, "c", NULL, "");
}

static void succinct_bins_are_found_by_the_top_bits(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    /* with 3 bits, "a" (ca…) falls into bin 6, "b" (3e…) into bin 1 */
    static const char *const roles[] = {"bin-6", "bin-1"};
    for (size_t i = 0; i < 2; i++) {
        repository_delegate(repository, "targets", roles[i], "*", false);
    }
    json_t *delegations = json_object_get(repository_body(repository, "targets"), "delegations");
    json_t *keyids = json_array();
    for (size_t i = 0; i < 2; i++) {
        json_t *role = json_array_get(json_object_get(delegations, "roles"), i);
        assert_int_equal(json_array_extend(keyids, json_object_get(role, "keyids")), 0);
    }
    assert_int_equal(json_object_del(delegations, "roles"), 0);
    assert_true(json_put(delegations, "succinct_roles",
                         json_pack("{s:o, s:i, s:i, s:s}", "keyids", keyids, "threshold", 1, "bit_length", 3,
                                   "name_prefix", "bin")));
    repository_add_target(repository, "bin-6", "a", "1");
    repository_add_target(repository, "bin-6", "b", "in the wrong bin");
    begin(node, roles, 2);
    expect_found(node, "a", "bin-6", "1.bin-6.json ");
    expect_found(node, "b", NULL, "1.bin-1.json ");
}

static void unusual_role_names_stay_beneath_the_directory(void **state) {
    Node *node = *state;
    static const char *const roles[] = {"../x", "/y", "?", "a b"};
    for (size_t i = 0; i < 4; i++) {
        repository_delegate(node->repository, "targets", roles[i], "*", false);
    }
    begin(node, roles, 4);
    expect_found(node, "x", NULL, "1...%2Fx.json 1.%2Fy.json 1.%3F.json 1.a%20b.json ");
    assert_int_equal(faccessat(node->dir_fd, "..%2Fx.json", F_OK, 0), 0);
    assert_int_equal(faccessat(node->dir_fd, "../x.json", F_OK, 0), -1);
}

typedef struct Listing {
    char text[256];
} Listing;

static bool list_target(void *context, const TufTarget *target, Error *err) {
    Listing *listing = context;
    (void)err;
    size_t used = strlen(listing->text);
    (void)snprintf(listing->text + used, sizeof listing->text - used, "%s:%s ", target->role, target->path);
    return true;
}

static void listing_shows_what_a_search_would_find_and_nothing_else(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    repository_delegate(repository, "targets", "a", "a-*", false);
    repository_delegate(repository, "targets", "b", "*", false);
    repository_add_target(repository, "targets", "top", "1");
    repository_add_target(repository, "a", "a-1", "1");
    repository_add_target(repository, "a", "b-1", "not a's to say");
    repository_add_target(repository, "b", "a-1", "a comes first");
    repository_add_target(repository, "b", "b-2", "1");
    static const char *const roles[] = {"a", "b"};
    begin(node, roles, 2);
    Listing listing = {0};
    Error err = ERROR_INIT;
    assert_true(tuf_client_each_target(node->client, &node->fetcher, NULL, list_target, &listing, &err));
    assert_string_equal(listing.text, "targets:top a:a-1 b:b-2 ");
}

static void listing_a_directory_asks_only_roles_that_may_speak_for_it(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    repository_delegate(repository, "targets", "a", "sta?le/*", false);
    repository_delegate(repository, "targets", "b", "other/*", false);
    repository_delegate(repository, "targets", "c", "*", false);
    repository_delegate(repository, "targets", "d", "stable/*/*", false);
    repository_add_target(repository, "targets", "stable/1", "1");
    repository_add_target(repository, "targets", "stable/deep/1", "1");
    repository_add_target(repository, "a", "stable/2", "1");
    repository_add_target(repository, "b", "other/3", "1");
    static const char *const roles[] = {"a"}; /* the others are not published: asking for one would fail */
    begin(node, roles, 1);
    Listing listing = {0};
    Error err = ERROR_INIT;
    assert_true(tuf_client_each_target(node->client, &node->fetcher, "stable", list_target, &listing, &err));
    assert_string_equal(listing.text, "targets:stable/1 a:stable/2 ");
    assert_false(tuf_client_each_target(node->client, &node->fetcher, "other", list_target, &listing, &err));
}

static void a_listing_that_would_not_be_complete_is_refused(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    node->limits.delegations = 1;
    repository_delegate(repository, "targets", "a", "*", false);
    repository_delegate(repository, "targets", "b", "*", false);
    static const char *const roles[] = {"a", "b"};
    begin(node, roles, 2);
    Listing listing = {0};
    Error err = ERROR_INIT;
    assert_false(tuf_client_each_target(node->client, &node->fetcher, NULL, list_target, &listing, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_non_null(strstr(err.text, "more than 1 delegated roles"));
}

static void custom_data_comes_with_the_target(void **state) {
    Node *node = *state;
    Error err = ERROR_INIT;
    repository_add_target(node->repository, "targets", "x", "1");
    json_t *target =
        json_object_get(json_object_get(repository_body(node->repository, "targets"), "targets"), "x");
    assert_true(json_put(target, "custom", json_pack("{s:s}", "note", "tab\tquote\"back\\slash")));
    begin(node, NULL, 0);
    CLEANUP(tuf_target_done) TufTarget found = {0};
    assert_true(tuf_client_find_target(node->client, &node->fetcher, "x", &found, &err));
    assert_string_equal(json_string_value(json_object_get(found.custom, "note")), "tab\tquote\"back\\slash");
}

static void a_target_of_unknown_hashes_alone_is_found_and_never_accepted(void **state) {
    Node *node = *state;
    Repository *repository = node->repository;
    Error err = ERROR_INIT;
    repository->consistent = false;
    assert_true(json_put(repository_body(repository, "root"), "consistent_snapshot", json_false()));
    repository_publish(repository, "root");
    repository_add_target(repository, "targets", "x", "1");
    json_t *target = json_object_get(json_object_get(repository_body(repository, "targets"), "targets"), "x");
    assert_true(json_put(target, "hashes", json_pack("{s:s}", "md9", "00")));
    begin(node, NULL, 0);
    CLEANUP(tuf_target_done) TufTarget found = {0};
    assert_true(tuf_client_find_target(node->client, &node->fetcher, "x", &found, &err));
    TufTargetStream *stream = tuf_target_stream_new(&found, &err);
    assert_true(tuf_target_stream_add(stream, "1", 1, &err));
    assert_false(tuf_target_stream_end(stream, &err));
    tuf_target_stream_free(stream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(delegations_are_searched_depth_first_in_their_order),
        TEST(a_terminating_delegation_drops_everything_that_waits),
        TEST(roles_that_delegate_in_a_circle_are_visited_once),
        TEST(the_number_of_roles_in_one_search_is_bounded),
        TEST(a_role_that_cannot_be_had_or_trusted_ends_the_search),
        TEST(a_delegated_role_is_checked_as_strictly_as_targets),
        TEST(a_delegated_role_that_goes_back_is_refused_with_the_snapshot),
        TEST(a_role_that_the_snapshot_does_not_list_is_not_asked_for),
        TEST(a_role_in_use_must_satisfy_the_delegator_at_hand),
        TEST(stored_roles_are_used_without_a_request_by_the_next_run),
        TEST(hash_prefixes_decide_over_the_path),
        TEST(succinct_bins_are_found_by_the_top_bits),
        TEST(unusual_role_names_stay_beneath_the_directory),
        TEST(listing_shows_what_a_search_would_find_and_nothing_else),
        TEST(listing_a_directory_asks_only_roles_that_may_speak_for_it),
        TEST(a_listing_that_would_not_be_complete_is_refused),
        TEST(custom_data_comes_with_the_target),
        TEST(a_target_of_unknown_hashes_alone_is_found_and_never_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
