/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/repository_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "tests/support/place.h"

/* So many signers, the first of which has a name of so many letters. */
static bool load(const Place *place, size_t signers, size_t letters) {
    Error err = ERROR_INIT;
    TufRepositoryConfig config;
    char name[2048] = "";
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(16 * 1024);
    memset(name, 'k', letters);
    assert_true(buffer_append_format(
        &yaml, "format: 1\nlifetime: {root: 1d, targets: 1d, snapshot: 1d, timestamp: 1d}\nsigners:\n"));
    for (size_t i = 0; i < signers; i++) {
        assert_true(buffer_append_format(&yaml, "  - %s\n", i == 0 ? name : "key.pem"));
    }
    place_put(place, TUF_REPOSITORY_CONFIG_NAME, buffer_text(&yaml));
    if (!tuf_repository_config_load(place->fd, &config, &err)) {
        assert_int_equal(err.kind, ERROR_CONFIG);
        return false;
    }
    assert_int_equal(config.signers_count, signers);
    assert_int_equal(strlen(config.signers[0]), letters);
    tuf_repository_config_done(&config);
    return true;
}

static void so_many_signers_with_names_of_so_many_bytes(void **state) {
    enum { NAME = 1024 };
    for (int over = -1; over <= 1; over++) {
        assert_int_equal(load(*state, (size_t)(TUF_REPOSITORY_SIGNERS_MAX + over), 1), over <= 0);
        assert_int_equal(load(*state, 1, (size_t)(NAME + over)), over <= 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(so_many_signers_with_names_of_so_many_bytes, place_setup,
                                        place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
