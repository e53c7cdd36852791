/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/metadata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/tuf/limits.h"
#include "tests/tuf-client/repository.h"

static const char *const names[] = {"root", "timestamp", "snapshot", "targets"};

static TufMetadata *parse_document(const json_t *document, TufType type, Error *err) {
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(5000000);
    assert_true(tuf_author_format(document, &bytes));
    return tuf_metadata_parse(buffer_bytes(&bytes), "x.json", type, err);
}

/* With every member that the four types can have. */
static Repository *full_repository(void) {
    Repository *repository = repository_new();
    repository_delegate(repository, "targets", "a", "*", true);
    json_t *role = repository_delegate(repository, "targets", "b", "*", false);
    assert_int_equal(json_object_del(role, "paths"), 0);
    assert_true(json_put(role, "path_hash_prefixes", json_pack("[s]", "0a")));
    repository_add_target(repository, "targets", "x", "1");
    json_t *target = json_object_get(json_object_get(repository_body(repository, "targets"), "targets"), "x");
    assert_true(json_put(target, "custom", json_pack("{s:i}", "n", 1)));
    repository_publish(repository, "a");
    repository_publish(repository, "targets");
    return repository;
}

static void refuse_changed(Repository *repository, TufType type, const char *member, json_t *value) {
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *document = json_deep_copy(repository_document(repository, names[type]));
    assert_true(json_put(tuf_author_body(document), member, value));
    CLEANUP(tuf_metadata_freep) TufMetadata *metadata = parse_document(document, type, &err);
    assert_null(metadata);
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_non_null(strstr(err.text, "x.json"));
}

static void common_members_are_checked_strictly(void **state) {
    (void)state;
    Repository *repository = repository_new();
    static const char *const times[] = {
        "2027-1-15T08:00:00Z",    "2027-02-30T08:00:00Z",      "2027-01-15T08:00:00",
        "2027-01-15T08:00:00.1Z", "2027-01-15T08:00:00+00:00", "2027-01-15 08:00:00Z",
        "2027-13-15T08:00:00Z",   "2027-01-15T24:00:00Z",      ""};
    static const char *const versions[] = {"1", "2.0", "1.", "1..0", "1.0.0.0", "1.a", "01.0", "", "1.0 "};
    for (TufType type = TUF_TYPE_ROOT; type < TUF_TYPES_COUNT; type++) {
        for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
            refuse_changed(repository, type, "expires", json_string(times[i]));
        }
        for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
            refuse_changed(repository, type, "spec_version", json_string(versions[i]));
        }
        refuse_changed(repository, type, "version", json_integer(0));
        refuse_changed(repository, type, "version", json_integer(-1));
        refuse_changed(repository, type, "version", json_true());
        refuse_changed(repository, type, "version", json_real(1.5));
        refuse_changed(repository, type, "_type", json_string(names[(type + 1) % 4]));
    }
    repository_free(repository);
}

static void members_that_the_specification_does_not_name_are_ignored(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    Repository *repository = full_repository();
    for (TufType type = TUF_TYPE_ROOT; type < TUF_TYPES_COUNT; type++) {
        CLEANUP(json_freep) json_t *document = json_deep_copy(repository_document(repository, names[type]));
        assert_true(json_put(tuf_author_body(document), "x-more", json_pack("[i, n]", 1)));
        assert_true(json_put(document, "beside", json_true()));
        CLEANUP(tuf_metadata_freep) TufMetadata *metadata = parse_document(document, type, &err);
        assert_non_null(metadata);
    }
    repository_free(repository);
}

static json_t *replacement(size_t kind) {
    switch (kind) {
    case 0:
        return json_null();
    case 1:
        return json_integer(-7);
    case 2:
        return json_string("");
    case 3:
        return json_array();
    case 4:
        return json_object();
    case 5:
        return json_true();
    default:
        return json_pack("[n, i, {s:[]}]", 1, "a");
    }
}

/* Replaces the nth value of the tree (counted in pre-order); false: there are fewer. */
static bool replace_nth(json_t *value, size_t *countdown, size_t kind) {
    const char *key;
    json_t *member;
    if (json_is_object(value)) {
        json_object_foreach(value, key, member) {
            if ((*countdown)-- == 0) {
                assert_int_equal(json_object_set_new(value, key, replacement(kind)), 0);
                return true;
            }
            if (replace_nth(member, countdown, kind)) {
                return true;
            }
        }
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if ((*countdown)-- == 0) {
            assert_int_equal(json_array_set_new(value, i, replacement(kind)), 0);
            return true;
        }
        if (replace_nth(json_array_get(value, i), countdown, kind)) {
            return true;
        }
    }
    return false;
}

/* Neither a crash nor an empty error, and whatever still parses can be asked anything. */
static void any_value_may_have_any_other_shape(void **state) {
    (void)state;
    Repository *repository = full_repository();
    for (TufType type = TUF_TYPE_ROOT; type < TUF_TYPES_COUNT; type++) {
        size_t refused = 0, tried = 0;
        bool replaced = true;
        for (size_t nth = 0; replaced; nth++) {
            for (size_t kind = 0; kind < 7; kind++) {
                CLEANUP(json_freep)
                json_t *document = json_deep_copy(repository_document(repository, names[type]));
                size_t countdown = nth;
                replaced = replace_nth(document, &countdown, kind);
                Error err = ERROR_INIT;
                CLEANUP(tuf_metadata_freep) TufMetadata *metadata = parse_document(document, type, &err);
                tried++;
                if (metadata == NULL) {
                    assert_int_not_equal(err.kind, ERROR_NONE);
                    refused++;
                    continue;
                }
                TufFileInfo info;
                TufHashes hashes;
                uint64_t length;
                json_t *custom;
                if (type == TUF_TYPE_TARGETS) {
                    (void)tuf_metadata_target(metadata, "x", &length, &hashes, &custom);
                } else if (type != TUF_TYPE_ROOT) {
                    (void)tuf_metadata_file(metadata, "targets.json", &info);
                } else {
                    bool verified = tuf_metadata_verify(metadata, &metadata->roles[TUF_TYPE_ROOT],
                                                        &metadata->keyring, NULL);
                    bool same = json_equal(tuf_author_body(document), repository_body(repository, "root"));
                    assert_true(!verified || same);
                }
            }
        }
        assert_true(refused > tried / 2);
    }
    repository_free(repository);
}

static void two_signatures_of_one_key_id_are_refused(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    Repository *repository = repository_new();
    json_t *signatures = json_object_get(repository_document(repository, "timestamp"), "signatures");
    assert_int_equal(json_array_append_new(signatures, json_deep_copy(json_array_get(signatures, 0))), 0);
    assert_null(parse_document(repository_document(repository, "timestamp"), TUF_TYPE_TIMESTAMP, &err));
    assert_non_null(strstr(err.text, "two entries of one key id"));
    repository_free(repository);
}

static void refuse_delegations(Repository *repository, const char *member, json_t *value) {
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *document = json_deep_copy(repository_document(repository, "targets"));
    json_t *delegations = json_object_get(tuf_author_body(document), "delegations");
    json_t *role = json_array_get(json_object_get(delegations, "roles"), 0);
    assert_true(json_put(role, member, value));
    CLEANUP(tuf_metadata_freep) TufMetadata *metadata = parse_document(document, TUF_TYPE_TARGETS, &err);
    assert_null(metadata);
    assert_int_equal(err.kind, ERROR_INPUT);
}

static void delegations_of_the_wrong_shape_are_refused(void **state) {
    (void)state;
    Repository *repository = full_repository();
    char name[80];
    memset(name, '?', sizeof name);
    name[79] = '\0';
    refuse_delegations(repository, "name", json_string("b")); /* twice */
    refuse_delegations(repository, "name", json_string("root"));
    refuse_delegations(repository, "name", json_string("targets"));
    refuse_delegations(repository, "name", json_string(""));
    refuse_delegations(repository, "name", json_string(name));
    refuse_delegations(repository, "threshold", json_integer(0));
    refuse_delegations(repository, "threshold", json_integer(-1));
    refuse_delegations(repository, "keyids", json_pack("[s, s]", "a", "a"));
    refuse_delegations(repository, "path_hash_prefixes", json_pack("[s]", "00")); /* beside paths */
    refuse_delegations(repository, "terminating", json_integer(1));
    repository_free(repository);
}

static void thresholds_below_one_are_refused_in_root(void **state) {
    (void)state;
    Repository *repository = repository_new();
    for (TufType type = TUF_TYPE_ROOT; type < TUF_TYPES_COUNT; type++) {
        for (int threshold = -1; threshold <= 0; threshold++) {
            Error err = ERROR_INIT;
            CLEANUP(json_freep) json_t *document = json_deep_copy(repository_document(repository, "root"));
            json_t *roles = json_object_get(tuf_author_body(document), "roles");
            assert_true(json_put(json_object_get(roles, names[type]), "threshold", json_integer(threshold)));
            assert_null(parse_document(document, TUF_TYPE_ROOT, &err));
            assert_non_null(strstr(err.text, names[type]));
        }
    }
    repository_free(repository);
}

static void a_target_of_no_bytes_is_legal_and_one_without_hashes_is_not(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    Repository *repository = repository_new();
    repository_add_target(repository, "targets", "empty", "");
    json_t *document = repository_document(repository, "targets");
    TufMetadata *metadata = parse_document(document, TUF_TYPE_TARGETS, &err);
    assert_non_null(metadata);
    tuf_metadata_free(metadata);
    json_t *target =
        json_object_get(json_object_get(repository_body(repository, "targets"), "targets"), "empty");
    assert_true(json_put(target, "hashes", json_object()));
    assert_null(parse_document(document, TUF_TYPE_TARGETS, &err));
    assert_int_equal(json_object_del(target, "hashes"), 0);
    assert_null(parse_document(document, TUF_TYPE_TARGETS, &err));
    assert_true(json_put(target, "hashes", json_pack("{s:s}", "sha256", "ABCD")));
    assert_null(parse_document(document, TUF_TYPE_TARGETS, &err));
    repository_free(repository);
}

/* [0, 1, …] as made by `make`. */
static json_t *many(size_t count, json_t *(*make)(size_t number)) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(json_array_append_new(list, make(i)), 0);
    }
    return list;
}

static json_t *make_keyid(size_t number) {
    char name[24];
    (void)snprintf(name, sizeof name, "k%zu", number);
    return json_string(name);
}

static json_t *make_signature(size_t number) {
    return json_pack("{s:o, s:s}", "keyid", make_keyid(number), "sig", "00");
}

static json_t *make_role(size_t number) {
    return json_pack("{s:o, s:[s], s:i, s:b, s:[s]}", "name", make_keyid(number), "keyids", "a", "threshold",
                     1, "terminating", false, "paths", "*");
}

static void assert_limit(const json_t *document, int over) {
    Error err = ERROR_INIT;
    CLEANUP(tuf_metadata_freep) TufMetadata *metadata = parse_document(document, TUF_TYPE_TARGETS, &err);
    if ((metadata != NULL) != (over <= 0)) {
        fail_msg("%+d: %s", over, err.text);
    }
    assert_int_equal(err.kind, over <= 0 ? ERROR_NONE : ERROR_LIMIT);
}

static void the_limits_of_lists_hold_exactly(void **state) {
    (void)state;
    Repository *repository = full_repository();
    json_t *document = repository_document(repository, "targets");
    json_t *delegations = json_object_get(tuf_author_body(document), "delegations");
    for (int over = -1; over <= 1; over++) {
        CLEANUP(json_freep) json_t *signatures = json_incref(json_object_get(document, "signatures"));
        assert_true(
            json_put(document, "signatures", many((size_t)(TUF_SIGNATURES_MAX + over), make_signature)));
        assert_limit(document, over);
        assert_true(json_put(document, "signatures", json_incref(signatures)));

        json_t *role = json_array_get(json_object_get(delegations, "roles"), 0);
        CLEANUP(json_freep) json_t *keyids = json_incref(json_object_get(role, "keyids"));
        assert_true(json_put(role, "keyids", many((size_t)(TUF_KEYIDS_MAX + over), make_keyid)));
        assert_limit(document, over);
        assert_true(json_put(role, "keyids", json_incref(keyids)));

        CLEANUP(json_freep) json_t *roles = json_incref(json_object_get(delegations, "roles"));
        assert_true(json_put(delegations, "roles", many((size_t)(TUF_ROLES_MAX + over), make_role)));
        assert_limit(document, over);
        assert_true(json_put(delegations, "roles", json_incref(roles)));
    }
    repository_free(repository);
}

/* One member of the first delegated role. */
static bool takes_role_with(json_t *document, const char *member, json_t *value) {
    json_t *delegations = json_object_get(tuf_author_body(document), "delegations");
    json_t *role = json_array_get(json_object_get(delegations, "roles"), 0);
    CLEANUP(json_freep) json_t *before = json_incref(json_object_get(role, member));
    assert_true(json_put(role, member, value));
    Error err = ERROR_INIT;
    CLEANUP(tuf_metadata_freep) TufMetadata *metadata = parse_document(document, TUF_TYPE_TARGETS, &err);
    assert_true(json_put(role, member, json_incref(before)));
    return metadata != NULL;
}

static json_t *text_of(const char *letter, int count) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(1 << 16);
    for (int i = 0; i < count; i++) {
        assert_true(buffer_append_text(&text, letter));
    }
    return json_string(buffer_text(&text));
}

static void the_limits_of_names_and_paths_hold_exactly(void **state) {
    (void)state;
    Repository *repository = full_repository();
    json_t *document = repository_document(repository, "targets");
    for (int over = -1; over <= 1; over++) {
        assert_int_equal(takes_role_with(document, "name", text_of("r", TUF_NAME_ENCODED_MAX + over)),
                         over <= 0);
        assert_int_equal(
            takes_role_with(document, "paths", json_pack("[o]", text_of("p", TUF_PATH_MAX + over))),
            over <= 0);
    }
    assert_true(takes_role_with(document, "name", text_of("?", TUF_NAME_ENCODED_MAX / 3))); /* %3F */
    assert_false(takes_role_with(document, "name", text_of("?", TUF_NAME_ENCODED_MAX / 3 + 1)));
    repository_free(repository);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_members_are_checked_strictly),
        cmocka_unit_test(members_that_the_specification_does_not_name_are_ignored),
        cmocka_unit_test(any_value_may_have_any_other_shape),
        cmocka_unit_test(two_signatures_of_one_key_id_are_refused),
        cmocka_unit_test(delegations_of_the_wrong_shape_are_refused),
        cmocka_unit_test(thresholds_below_one_are_refused_in_root),
        cmocka_unit_test(the_limits_of_lists_hold_exactly),
        cmocka_unit_test(the_limits_of_names_and_paths_hold_exactly),
        cmocka_unit_test(a_target_of_no_bytes_is_legal_and_one_without_hashes_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
