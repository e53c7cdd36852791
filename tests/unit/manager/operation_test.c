/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/operation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/json.h"

static const JournalWho somebody = {.uid = 1, .pid = 2};

typedef struct Watcher {
    unsigned changes;
    uint64_t revision;
} Watcher;

static void on_change(void *context, const Operation *operation) {
    Watcher *watcher = context;
    watcher->changes++;
    watcher->revision = operation->revision;
}

static void every_change_raises_the_revision_and_is_told(void **state) {
    (void)state;
    Watcher watcher = {0};
    CLEANUP(operations_freep) Operations *operations = operations_new(on_change, &watcher);
    Operation *operation = operation_begin(operations, 5, "swap", somebody, "psw 1.2");
    assert_int_equal(watcher.revision, 1);
    operation_step(operations, operation, "warming");
    operation_progress(operations, operation, 1, 2);
    operation_succeed(operations, operation, NULL);
    assert_int_equal(watcher.changes, 4);
    assert_int_equal(watcher.revision, 4);
    assert_ptr_equal(operation_find(operations, 5), operation);
    assert_null(operation_find(operations, 6));
}

static void one_that_runs_is_never_forgotten(void **state) {
    (void)state;
    Watcher watcher = {0};
    CLEANUP(operations_freep) Operations *operations = operations_new(on_change, &watcher);
    const Operation *running = operation_begin(operations, 1, "swap", somebody, "");
    for (uint64_t id = 2; id < 3 * OPERATIONS_KEPT; id++) {
        Operation *operation = operation_begin(operations, id, "stage", somebody, "");
        assert_non_null(operation);
        operation_succeed(operations, operation, json_object());
    }
    assert_ptr_equal(operation_find(operations, 1), running);
    assert_null(operation_find(operations, 2));
    assert_non_null(operation_find(operations, 3 * OPERATIONS_KEPT - 1));
}

static void when_all_run_no_other_begins(void **state) {
    (void)state;
    Watcher watcher = {0};
    CLEANUP(operations_freep) Operations *operations = operations_new(on_change, &watcher);
    for (uint64_t id = 1; id <= OPERATIONS_KEPT; id++) {
        assert_non_null(operation_begin(operations, id, "stage", somebody, ""));
    }
    assert_null(operation_begin(operations, 1000, "stage", somebody, ""));
}

static void a_failure_shows_its_kind_and_words(void **state) {
    (void)state;
    Watcher watcher = {0};
    Error failure = ERROR_INIT;
    CLEANUP(operations_freep) Operations *operations = operations_new(on_change, &watcher);
    Operation *operation = operation_begin(operations, 1, "test", somebody, "psw 1.2");
    error_set(&failure, ERROR_ENGINE, "library \xff says E012");
    operation_fail(operations, operation, &failure);
    CLEANUP(json_freep) json_t *json = operation_json(operation);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "state")), "failed");
    assert_string_equal(json_string_value(json_object_get(json, "error_kind")), "engine");
    assert_string_equal(json_string_value(json_object_get(json, "error")), "library ? says E012");
}

static void the_list_is_ordered_by_number(void **state) {
    (void)state;
    Watcher watcher = {0};
    CLEANUP(operations_freep) Operations *operations = operations_new(on_change, &watcher);
    for (uint64_t id = 1; id <= OPERATIONS_KEPT + 3; id++) {
        operation_succeed(operations, operation_begin(operations, id, "stage", somebody, ""), NULL);
    }
    CLEANUP(json_freep) json_t *list = operations_json(operations);
    assert_int_equal(json_array_size(list), OPERATIONS_KEPT);
    for (size_t i = 0; i < OPERATIONS_KEPT; i++) {
        assert_int_equal(json_integer_value(json_object_get(json_array_get(list, i), "id")), i + 4);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change_raises_the_revision_and_is_told),
        cmocka_unit_test(one_that_runs_is_never_forgotten),
        cmocka_unit_test(when_all_run_no_other_begins),
        cmocka_unit_test(a_failure_shows_its_kind_and_words),
        cmocka_unit_test(the_list_is_ordered_by_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
