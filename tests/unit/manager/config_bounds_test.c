/* SPDX-License-Identifier: Apache-2.0
 *
 * Every bound of docs/configuration.md: what lies just outside is refused, the ends are taken.
 */
#include "manager/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool takes(const char *section, const char *key, const char *value) {
    Error err = ERROR_INIT;
    char yaml[256];
    (void)snprintf(yaml, sizeof yaml, "%s: {%s: \"%s\"}\n", section, key, value);
    CLEANUP(config_freep)
    Config *config = config_parse((Bytes){(const uint8_t *)yaml, strlen(yaml)}, "manager.yaml", &err);
    assert_true(config != NULL || (err.kind == ERROR_CONFIG && strstr(err.text, key) != NULL));
    return config != NULL;
}

static void the_bounds_of_numbers_and_durations_hold(void **state) {
    static const struct {
        const char *section, *key, *below, *least, *most, *above; /* below: NULL: there is nothing below */
    } bounds[] = {
        {"swap", "soak", NULL, "0", "7d", "604801s"},
        {"swap", "trial_interval", "9ms", "10ms", "1h", "3601s"},
        {"swap", "trial_latency_max", "9ms", "10ms", "1h", "3601s"},
        {"swap", "error_percent_max", "-1", "0", "100", "101"},
        {"swap", "warm_up_timeout", "9ms", "10ms", "1h", "3601s"},
        {"swap", "drain_timeout", "9ms", "10ms", "1h", "3601s"},
        {"lame_ducks", "count", "-1", "0", "8", "9"},
        {"lame_ducks", "keep", NULL, "0", "3650d", "3651d"},
        {"restart", "delay", "9ms", "10ms", "1h", "3601s"},
        {"restart", "delay_max", "9ms", "10ms", "1h", "3601s"},
        {"restart", "settle", "9ms", "10ms", "1h", "3601s"},
        {"fetch", "stall_timeout", "999ms", "1s", "1h", "3601s"},
        {"updates", "check_interval", "999ms", "1s", "30d", "2592001s"},
        {"collateral", "check_interval", "999ms", "1s", "7d", "604801s"},
        {"metrics", "listen", "127.0.0.1:0", "127.0.0.1:1", "127.0.0.1:65535", "127.0.0.1:65536"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        const char *section = bounds[i].section, *key = bounds[i].key;
        if ((bounds[i].below != NULL && takes(section, key, bounds[i].below)) ||
            !takes(section, key, bounds[i].least) || !takes(section, key, bounds[i].most) ||
            takes(section, key, bounds[i].above)) {
            fail_msg("%s.%s", section, key);
        }
    }
    assert_true(takes("updates", "check_interval", "0"));
    assert_true(takes("collateral", "check_interval", "0"));
}

static void the_lengths_of_sockets_paths_hold(void **state) {
    static const struct {
        const char *before, *after;
        int most;
    } paths[] = {{"socket: {path: /", "}\n", CONFIG_SOCKET_PATH_MAX},
                 {"runtime: /", "\n", CONFIG_RUNTIME_PATH_MAX}};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        for (int over = -1; over <= 1; over++) {
            Error err = ERROR_INIT;
            char yaml[256];
            (void)snprintf(yaml, sizeof yaml, "%s%0*d%s", paths[i].before, paths[i].most - 1 + over, 0,
                           paths[i].after);
            CLEANUP(config_freep)
            Config *config = config_parse((Bytes){(const uint8_t *)yaml, strlen(yaml)}, "manager.yaml", &err);
            assert_true((config != NULL) == (over <= 0));
        }
    }
}

/* So many items of a list. */
static bool takes_list(const char *before, const char *item, int count, const char *after) {
    Error err = ERROR_INIT;
    static char yaml[16384];
    int length = snprintf(yaml, sizeof yaml, "%s[", before);
    for (int i = 0; i < count; i++) {
        length += snprintf(yaml + length, sizeof yaml - (size_t)length, "%s%s", i > 0 ? ", " : "", item);
    }
    (void)snprintf(yaml + length, sizeof yaml - (size_t)length, "]%s", after);
    CLEANUP(config_freep)
    Config *config = config_parse((Bytes){(const uint8_t *)yaml, strlen(yaml)}, "manager.yaml", &err);
    assert_true(config != NULL || strstr(err.text, "too long") != NULL);
    return config != NULL;
}

static void the_lengths_of_lists_hold(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        assert_true(takes_list("trust: ", "/t.yaml", CONFIG_TRUST_MAX + over, "\n") == (over <= 0));
        assert_true(takes_list("waivers: ", "{check: driver.noexec, reason: r, until: 2099-01-01}",
                               CONFIG_WAIVERS_MAX + over, "\n") == (over <= 0));
        assert_true(takes_list("updates: {repository: \"https://r/\", mirrors: ", "\"https://m/\"",
                               CONFIG_MIRRORS_MAX + over, "}\n") == (over <= 0));
        assert_true(takes_list("collateral: {urls: ", "\"https://c/sgx/certification/v4\"",
                               CONFIG_COLLATERAL_URLS_MAX + over, "}\n") == (over <= 0));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bounds_of_numbers_and_durations_hold),
        cmocka_unit_test(the_lengths_of_sockets_paths_hold),
        cmocka_unit_test(the_lengths_of_lists_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
