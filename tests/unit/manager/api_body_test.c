/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/api_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bundles/base/json.h"

static void so_many_downgrades_are_allowed_at_once(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        const char *names[API_BODY_DOWNGRADES_MAX] = {NULL};
        size_t count = 7;
        json_t *list = json_array();
        for (int i = 0; i < API_BODY_DOWNGRADES_MAX + over; i++) {
            assert_int_equal(json_array_append_new(list, json_string("pce")), 0);
        }
        CLEANUP(json_freep) json_t *body = json_pack("{s:o}", "allow_downgrade", list);
        assert_int_equal(api_body_downgrades(body, names, &count, &err), over <= 0);
        assert_int_equal(count, over <= 0 ? API_BODY_DOWNGRADES_MAX + over : 0);
        assert_int_equal(err.kind, over <= 0 ? ERROR_NONE : ERROR_USAGE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_downgrades_are_allowed_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
