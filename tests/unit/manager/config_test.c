/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static Config *parse(const char *yaml, Error *err) {
    return config_parse((Bytes){(const uint8_t *)yaml, strlen(yaml)}, "manager.yaml", err);
}

static void assert_refused(const char *yaml, const char *words) {
    Error err = ERROR_INIT;
    Config *config = parse(yaml, &err);
    assert_null(config);
    assert_int_equal(err.kind, ERROR_CONFIG);
    if (strstr(err.text, words) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, words);
    }
}

static void an_empty_mapping_gives_the_defaults(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    CLEANUP(config_freep) Config *config = parse("{}\n", &err);
    assert_non_null(config);
    assert_string_equal(config->socket_path, "/var/run/aesmd/aesm.socket");
    assert_int_equal(config->socket_mode, 0666);
    assert_int_equal(config->soak_ms, 5 * 60 * 1000);
    assert_int_equal(config->ducks_count, 2);
    assert_true(config->ducks_reinit);
    assert_false(config->simulated_allowed);
    assert_false(config->epc_sequential);
    assert_null(config->quoted_program);
    assert_true(config->socket_group == CONFIG_NO_GROUP);
}

static void every_key_is_taken(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    CLEANUP(config_freep)
    Config *config =
        parse("socket: {path: /s/a.socket, mode: \"0660\", group: \"12\"}\n"
              "api: {group: \"13\"}\n"
              "store: /a\nstate: /b\nruntime: /c\n"
              "quoted: {program: /q, config: /q.yaml}\n"
              "swap: {soak: 0, trial_interval: 250ms, trial_latency_max: 1s, error_percent_max: 7,\n"
              "  warm_up_timeout: 3s, drain_timeout: 4s, epc: sequential, epc_size: 64MiB}\n"
              "lame_ducks: {count: 3, keep: 2d, reinit: false}\n"
              "restart: {delay: 10ms, delay_max: 20ms, settle: 30ms, spare: true}\n"
              "fetch: {ca: /ca.pem, size_max: 1MiB, timeout: 9s, file: false}\n"
              "trust: [/own.yaml, /sim.yaml]\nsimulated: allow\nlog_level: debug\n",
              &err);
    if (config == NULL) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(config->socket_path, "/s/a.socket");
    assert_int_equal(config->socket_mode, 0660);
    assert_int_equal(config->socket_group, 12);
    assert_int_equal(config->api_group, 13);
    assert_string_equal(config->store, "/a");
    assert_string_equal(config->state, "/b");
    assert_string_equal(config->runtime, "/c");
    assert_string_equal(config->quoted_program, "/q");
    assert_string_equal(config->quoted_config, "/q.yaml");
    assert_int_equal(config->trust_count, 2);
    assert_string_equal(config->trust[1], "/sim.yaml");
    assert_int_equal(config->soak_ms, 0);
    assert_int_equal(config->trial_interval_ms, 250);
    assert_int_equal(config->trial_latency_max_ms, 1000);
    assert_int_equal(config->error_percent_max, 7);
    assert_int_equal(config->warm_up_timeout_ms, 3000);
    assert_int_equal(config->drain_timeout_ms, 4000);
    assert_true(config->epc_sequential);
    assert_int_equal(config->epc_kib, 64 * 1024);
    assert_int_equal(config->ducks_count, 3);
    assert_int_equal(config->ducks_keep_ms, 2 * 24 * 3600 * 1000);
    assert_false(config->ducks_reinit);
    assert_int_equal(config->restart_delay_ms, 10);
    assert_int_equal(config->restart_delay_max_ms, 20);
    assert_int_equal(config->restart_settle_ms, 30);
    assert_true(config->restart_spare);
    assert_string_equal(config->fetch_ca, "/ca.pem");
    assert_int_equal(config->fetch_size_max, 1024 * 1024);
    assert_int_equal(config->fetch_timeout_ms, 9000);
    assert_false(config->fetch_file);
    assert_true(config->simulated_allowed);
    assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
}

static void an_unknown_key_is_refused_with_line_and_column(void **state) {
    (void)state;
    assert_refused("store: /a\nsokcet: {path: /s}\n", "sokcet");
    assert_refused("store: /a\nsokcet: {path: /s}\n", "line 2, column 1");
    assert_refused("swap:\n  soka: 5m\n", "line 2");
}

static void a_wrong_value_is_refused_with_its_key_and_what_would_be_right(void **state) {
    (void)state;
    assert_refused("swap: {soak: 5 min}\n", "swap.soak: '5 min' is not allowed: write a duration");
    assert_refused("swap: {soak: 8d}\n", "swap.soak");
    assert_refused("swap: {epc: both}\n", "refuse or sequential");
    assert_refused("swap: {error_percent_max: 101}\n", "0 to 100");
    assert_refused("socket: {mode: \"666\"}\n", "socket.mode");
    assert_refused("socket: {path: aesm.socket}\n", "absolute path");
    assert_refused("socket: {group: there-is-no-such-group}\n", "socket.group");
    assert_refused("lame_ducks: {count: 9}\n", "lame_ducks.count");
    assert_refused("lame_ducks: {reinit: flase}\n", "true or false");
    assert_refused("fetch: {size_max: 1 GB}\n", "fetch.size_max");
    assert_refused("simulated: yes\n", "refuse or allow");
    assert_refused("trust: [own.yaml]\n", "absolute path");
    assert_refused("store: \"/a\\nb\"\n", "control characters");
    assert_refused("log_level: verbose\n", "log_level");
}

static void a_path_too_long_for_a_socket_is_refused(void **state) {
    (void)state;
    char yaml[256] = "socket: {path: /";
    memset(yaml + strlen(yaml), 'x', CONFIG_SOCKET_PATH_MAX);
    (void)strcat(yaml, "}\n");
    assert_refused(yaml, "choose a shorter one");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_mapping_gives_the_defaults),
        cmocka_unit_test(every_key_is_taken),
        cmocka_unit_test(an_unknown_key_is_refused_with_line_and_column),
        cmocka_unit_test(a_wrong_value_is_refused_with_its_key_and_what_would_be_right),
        cmocka_unit_test(a_path_too_long_for_a_socket_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
