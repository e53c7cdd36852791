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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_isv_svns_of_a_target_come_with_it),
        cmocka_unit_test(isv_svns_that_are_not_whole_and_sound_count_as_none),
        cmocka_unit_test(the_limits_of_a_channel_hold_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
