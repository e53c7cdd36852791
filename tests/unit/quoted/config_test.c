/* SPDX-License-Identifier: Apache-2.0
 *
 * Every bound of quoted(8): what lies just outside is refused, the ends are taken.
 */
#include "quoted/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/place.h"

static bool takes(const Place *place, const char *key, const char *value) {
    Error err = ERROR_INIT;
    Config config;
    char yaml[256], path[192];
    /* Threads for whatever else is asked. */
    const char *threads = strcmp(key, "threads") == 0 ? "" : "threads: 64\n";
    (void)snprintf(yaml, sizeof yaml, "%s%s: \"%s\"\n", threads, key, value);
    place_put(place, "quoted.yaml", yaml);
    (void)snprintf(path, sizeof path, "%s/quoted.yaml", place->path);
    bool taken = config_load(path, &config, &err);
    assert_true(taken || (err.kind == ERROR_CONFIG && strstr(err.text, key) != NULL));
    return taken;
}

static void the_bounds_hold(void **state) {
    static const struct {
        const char *key, *below, *least, *most, *above;
    } bounds[] = {
        {"threads", "2", "3", "64", "65"},
        {"engine_calls", "0", "1", "62", "63"},
        {"engines", "0", "1", "16", "17"},
        {"engine_timeout", "99ms", "100ms", "1h", "3601s"},
        {"connections", "0", "1", "1000000", "1000001"},
        {"connections_per_uid", "0", "1", "1000000", "1000001"},
        {"queue", "0", "1", "1000000", "1000001"},
        {"queue_timeout", "99ms", "100ms", "1h", "3601s"},
        {"request_size", "4095", "4KiB", "128KiB", "131073"},
        {"idle_timeout", "99ms", "100ms", "1h", "3601s"},
        {"drain_timeout", "99ms", "100ms", "1h", "3601s"},
        {"socket_mode", "0", "0000", "0777", "00777"},
    };
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        const char *key = bounds[i].key;
        if (takes(*state, key, bounds[i].below) || !takes(*state, key, bounds[i].least) ||
            !takes(*state, key, bounds[i].most) || takes(*state, key, bounds[i].above)) {
            fail_msg("%s", key);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_bounds_hold, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
