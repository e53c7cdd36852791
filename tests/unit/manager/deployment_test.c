/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/deployment_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Where there is room for one more, the next question is which bundle it shall run. */
static void at_most_32_generations_run(void **state) {
    (void)state;
    Deployment *deployment = calloc(1, sizeof *deployment);
    assert_non_null(deployment);
    for (int over = -1; over <= 1; over++) { /* with one more */
        Error err = ERROR_INIT;
        deployment->generations_count = (size_t)(DEPLOYMENT_GENERATIONS_MAX - 1 + over);
        assert_null(deployment_launch(deployment, 1, "", GENERATION_TEST, &err));
        assert_int_equal(err.kind, over <= 0 ? ERROR_NOT_FOUND : ERROR_LIMIT);
    }
    Error err = ERROR_INIT;
    assert_null(deployment_adopt(deployment, 1, GENERATION_TEST, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_non_null(strstr(err.text, "32 generations run already"));
    free(deployment);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_most_32_generations_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
