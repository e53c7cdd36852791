/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/offer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"

#define FACTS                                                                                                \
    "\"name\": \"sim\", \"version\": \"1.1\", \"bundle\": "                                                  \
    "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""

/* The one candidate of a channel with this custom data. */
static json_t *candidate_of(const char *custom_text) {
    Error err = ERROR_INIT;
    CLEANUP(json_freep)
    json_t *custom = json_parse((Bytes){(const uint8_t *)custom_text, strlen(custom_text)}, "custom", &err);
    CLEANUP(json_freep) json_t *channel = offer_channel_new();
    assert_non_null(custom);
    assert_true(offer_channel_add(channel, "stable/sim-1.1.pswb", 1000, custom, &err));
    json_t *candidate = json_incref(json_array_get(json_object_get(channel, "candidates"), 0));
    assert_null(json_object_get(candidate, "malformed"));
    return candidate;
}

static void the_isv_svns_of_a_target_come_with_it(void **state) {
    (void)state;
    CLEANUP(json_freep)
    json_t *candidate =
        candidate_of("{" FACTS ", \"isv_svn\": {\"qe3\": 9, \"id_enclave\": 2, \"pce\": 65535}}");
    assert_int_equal(json_integer_value(json_object_get(candidate, "qe_isv_svn")), 9);
    assert_int_equal(json_integer_value(json_object_get(candidate, "pce_isv_svn")), 65535);
}

static void isv_svns_that_are_not_whole_and_sound_count_as_none(void **state) {
    (void)state;
    static const char *const customs[] = {
        "{" FACTS "}",
        "{" FACTS ", \"isv_svn\": 9}",
        "{" FACTS ", \"isv_svn\": {\"qe3\": 9}}",
        "{" FACTS ", \"isv_svn\": {\"qe3\": 9, \"pce\": \"15\"}}",
        "{" FACTS ", \"isv_svn\": {\"qe3\": -1, \"pce\": 15}}",
        "{" FACTS ", \"isv_svn\": {\"qe3\": 9, \"pce\": 65536}}",
    };
    for (size_t i = 0; i < sizeof customs / sizeof customs[0]; i++) {
        CLEANUP(json_freep) json_t *candidate = candidate_of(customs[i]);
        assert_null(json_object_get(candidate, "qe_isv_svn"));
        assert_null(json_object_get(candidate, "pce_isv_svn"));
    }
}

/* Adds so many targets, each with so many bundles that are known to be bad; whether all were taken. */
static bool add_targets(int count, int bad, Error *err) {
    static const char text[] = "{" FACTS ", \"known_bad\": []}";
    CLEANUP(json_freep) json_t *channel = offer_channel_new();
    CLEANUP(json_freep)
    json_t *custom = json_parse((Bytes){(const uint8_t *)text, sizeof text - 1}, "custom", err);
    for (int i = 0; i < bad; i++) {
        assert_int_equal(json_array_append_new(json_object_get(custom, "known_bad"), json_string("1.0")), 0);
    }
    for (int i = 0; i < count; i++) {
        if (!offer_channel_add(channel, "stable/sim-1.1.pswb", 1000, custom, err)) {
            return false;
        }
    }
    return true;
}

static void the_limits_of_a_channel_hold_exactly(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        Error candidates = ERROR_INIT, known_bad = ERROR_INIT;
        assert_int_equal(add_targets(OFFER_CANDIDATES_MAX + over, 0, &candidates), over <= 0);
        assert_int_equal(candidates.kind, over <= 0 ? ERROR_NONE : ERROR_LIMIT);
        assert_int_equal(add_targets(1, OFFER_KNOWN_BAD_MAX + over, &known_bad), over <= 0);
        assert_int_equal(known_bad.kind, over <= 0 ? ERROR_NONE : ERROR_LIMIT);
    }
}

/* What a target's path, name, urgency and notes of so many letters become. */
static json_t *candidate_with(const char *path, size_t name, size_t urgency, size_t notes) {
    static const char digest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    Error err = ERROR_INIT;
    char letters[512];
    memset(letters, 'x', sizeof letters);
    CLEANUP(json_freep)
    json_t *custom = json_pack("{s:s%, s:s, s:s, s:s%, s:s%}", "name", letters, name, "version", "1.1",
                               "bundle", digest, "urgency", letters, urgency, "notes", letters, notes);
    CLEANUP(json_freep) json_t *channel = offer_channel_new();
    assert_true(offer_channel_add(channel, path, 1000, custom, &err));
    return json_incref(json_array_get(json_object_get(channel, "candidates"), 0));
}

static size_t length_of(const json_t *candidate, const char *key) {
    return json_string_length(json_object_get(candidate, key));
}

static void texts_that_are_too_long_are_left_out_and_names_make_a_target_malformed(void **state) {
    (void)state;
    enum { NAME = 64, URGENCY = 32, NOTES = 256 };
    for (int over = -1; over <= 1; over++) {
        CLEANUP(json_freep)
        json_t *texts = candidate_with("p", 1, (size_t)(URGENCY + over), (size_t)(NOTES + over));
        assert_int_equal(length_of(texts, "urgency"), over <= 0 ? URGENCY + over : 0);
        assert_int_equal(length_of(texts, "notes"), over <= 0 ? NOTES + over : 0);
        CLEANUP(json_freep) json_t *name = candidate_with("p", (size_t)(NAME + over), 0, 0);
        assert_int_equal(length_of(name, "malformed") > 0, over > 0);
    }
}

static void a_path_that_is_too_long_is_shown_as_far_as_whole_characters_go(void **state) {
    (void)state;
    enum { PATH = 200 };
    for (int over = -1; over <= 1; over++) {
        char path[PATH + 8] = "";
        memset(path, 'p', (size_t)(PATH + over));
        CLEANUP(json_freep) json_t *plain = candidate_with(path, 1, 0, 0);
        assert_int_equal(length_of(plain, "path"), PATH + (over < 0 ? over : 0));
        assert_int_equal(length_of(plain, "malformed") > 0, over > 0);
        memcpy(path + PATH - 2 + over, "\xe2\x82\xac", 4); /* a character that ends one byte behind that */
        CLEANUP(json_freep) json_t *euro = candidate_with(path, 1, 0, 0);
        assert_int_equal(length_of(euro, "path"), over < 0 ? PATH : PATH - 2 + over);
        assert_int_equal(length_of(euro, "malformed") > 0, over >= 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_isv_svns_of_a_target_come_with_it),
        cmocka_unit_test(isv_svns_that_are_not_whole_and_sound_count_as_none),
        cmocka_unit_test(the_limits_of_a_channel_hold_exactly),
        cmocka_unit_test(texts_that_are_too_long_are_left_out_and_names_make_a_target_malformed),
        cmocka_unit_test(a_path_that_is_too_long_is_shown_as_far_as_whole_characters_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
