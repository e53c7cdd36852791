/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/settings.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "tests/support/faults.h"

typedef struct Item {
    char *x;
} Item;

typedef struct Doc {
    char *name;
    char *size;
    Item *items;
    unsigned items_count;
} Doc;

static const cyaml_schema_field_t item_fields[] = {
    CYAML_FIELD_STRING_PTR("x", CYAML_FLAG_POINTER, Item, x, 0, 16), CYAML_FIELD_END};
static const cyaml_schema_value_t item = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, Item, item_fields)};
static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, Doc, name, 1, 16),
    CYAML_FIELD_STRING_PTR("size", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, Doc, size, 0, 16),
    CYAML_FIELD_SEQUENCE_COUNT("items", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, Doc, items, items_count,
                               &item, 0, 3),
    CYAML_FIELD_END};
static const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, Doc, fields)};

static bool parse(const char *text, void **ret_doc, Error *err) {
    Bytes yaml = {.data = (const uint8_t *)text, .size = strlen(text)};
    return settings_parse(yaml, "doc.yaml", &schema, ERROR_CONFIG, ret_doc, err);
}

static void a_document_fills_its_struct(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    void *value = NULL;
    assert_true(parse("# comment\nname: a\nsize: 010\nitems:\n  - x: '1'\n  - {x: no}\n", &value, &err));
    const Doc *doc = value;
    assert_string_equal(doc->name, "a");
    assert_string_equal(doc->size, "010");
    assert_int_equal(doc->items_count, 2);
    assert_string_equal(doc->items[1].x, "no");
    settings_free(&schema, value);
    settings_free(&schema, NULL);
}

static void what_is_wrong_is_refused_with_line_and_column(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *expected;
    } wrong[] = {
        {"", "doc.yaml: the document is empty"},
        {"# only a comment\n", "doc.yaml: the document is empty"},
        {"name: a\nsiez: 1\n", "doc.yaml: line 2, column 1: unexpected key 'siez'"},
        {"siez: 1\nname: a\n", "doc.yaml: line 1, column 1: unexpected key 'siez'"},
        {"name: b\nitems:\n  - x: b\n    b: c\n", "doc.yaml: line 4, column 5: unexpected key 'b'"},
        {"name: a\nsize: 1\nname: b\n", "doc.yaml: line 3, column 1: this key was there before"},
        {"size: 1\n", "key 'name' is missing"},
        {"name: [a]\n", "doc.yaml: line 1, column 7: a single value must stand here, not a list"},
        {"name: aaaaaaaaaaaaaaaaaaaaaaaaa\n",
         "doc.yaml: line 1, column 7: the text is too long: at most 16 bytes"},
        {"name: ''\n", "doc.yaml: line 1, column 7: a text must stand here, and it is empty"},
        {"- name\n", "doc.yaml: keys with values must stand here, not a list"},
        {"name: a\nitems: b\n", "line 2, column 8: a list must stand here, not a single value"},
        {"name: a\nitems: [{x: 1}, {x: 2}, {x: 3}, {x: 4}]\n",
         "doc.yaml: line 2, column 33: the list is too long: at most 3"},
        {"name: a\nitems:\n", "doc.yaml: line 2"},
        {"name: &a x\n", "line 1, column 7: anchors, aliases and tags are not taken"},
        {"name: a\nsize: *a\n", "line 2, column 7: anchors"},
        {"name: !!str a\n", "line 1, column 7: anchors"},
        {"&a name: x\n", "line 1, column 1: anchors"},
        {"name: \"a\\0b\"\n", "line 1, column 7: a NUL"},
        {"name: a\n---\nname: b\n", "line 2, column 1: a second document"},
        {"? [name]\n: a\n", "line 1, column 3: a key must be a plain word"},
        {"name: a\n\tsize: 1\n",
         "doc.yaml: line 2, column 1: found a tab character that violates indentation"},
        {"name:\n\tsize: 1\n", "line 2, column 1: this character cannot stand here: write blanks for a tab"},
        {"name: 'a\n", "doc.yaml: line "},
        {"name: a\n<<: {size: 1}\n", "line 2, column 1: unexpected key '<<'"},
        {"name: \xff\n", "doc.yaml: byte 6: "},
    };
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        Error err = ERROR_INIT;
        void *value = NULL;
        assert_false(parse(wrong[at].text, &value, &err));
        assert_null(value);
        assert_int_equal(err.kind, ERROR_CONFIG);
        if (strstr(err.text, wrong[at].expected) == NULL) {
            fail_msg("for '%s': '%s' does not say '%s'", wrong[at].text, err.text, wrong[at].expected);
        }
    }
}

static void an_error_shows_no_control_characters(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    void *value = NULL;
    assert_false(parse("name: a\n\"\\e[31m\": x\n", &value, &err));
    assert_null(strchr(err.text, 0x1b));
    assert_non_null(strstr(err.text, "unexpected key"));
}

static void limits_hold_before_the_schema_is_asked(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    void *value = NULL;
    CLEANUP(buffer_done) Buffer deep = BUFFER_INIT(1 << 20);
    assert_true(buffer_append_text(&deep, "name: "));
    for (int at = 0; at < 100000; at++) {
        assert_true(buffer_append_text(&deep, "["));
    }
    assert_false(settings_parse(buffer_bytes(&deep), "d", &schema, ERROR_INPUT, &value, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);

    CLEANUP(buffer_done) Buffer wide = BUFFER_INIT(1 << 20);
    for (int at = 0; at < 50000; at++) {
        assert_true(buffer_append_format(&wide, "k%d: 1\n", at));
    }
    assert_false(settings_parse(buffer_bytes(&wide), "d", &schema, ERROR_INPUT, &value, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);

    CLEANUP(buffer_done) Buffer large = BUFFER_INIT(SETTINGS_SIZE_MAX + 1);
    assert_true(buffer_append_zeros(&large, SETTINGS_SIZE_MAX + 1));
    assert_false(settings_parse(buffer_bytes(&large), "d", &schema, ERROR_INPUT, &value, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
}

static void a_file_is_loaded_by_name(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    char path[] = "/tmp/settings-test-XXXXXX";
    AUTO_CLOSE int fd = mkstemp(path);
    assert_int_equal(write(fd, "name: a\n", 8), 8);
    void *value = NULL;
    assert_true(settings_load(AT_FDCWD, path, &schema, ERROR_CONFIG, &value, &err));
    settings_free(&schema, value);
    assert_int_equal(unlink(path), 0);
    assert_false(settings_load(AT_FDCWD, path, &schema, ERROR_CONFIG, &value, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
}

static void quoted_text_reads_back_the_same(void **state) {
    (void)state;
    static const char *const plain[] = {"a", "lib/x.so.1", "1.23.100.0", "0644", "simulated-2"};
    for (size_t at = 0; at < sizeof plain / sizeof *plain; at++) {
        AUTO_FREE char *quoted = settings_quote(plain[at]);
        assert_string_equal(quoted, plain[at]);
    }
    static const char *const texts[] = {"a",
                                        " a",
                                        "a: b",
                                        "#a",
                                        "true",
                                        "No",
                                        "~",
                                        "-",
                                        "a\"b\\",
                                        "'",
                                        "&a",
                                        "*",
                                        "{",
                                        "\xc3\xa4",
                                        "%a",
                                        "---",
                                        "a #b",
                                        "a \xc2\x85 b\xc2\x85",
                                        "a\xe2\x80\xa8",
                                        "\xe2\x80\xa9 a",
                                        "\xc2\xa0"};
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
        Error err = ERROR_INIT;
        char yaml[128];
        void *value = NULL;
        AUTO_FREE char *quoted = settings_quote(texts[at]);
        snprintf(yaml, sizeof yaml, "name: %s\n", quoted);
        assert_true(parse(yaml, &value, &err));
        assert_string_equal(((const Doc *)value)->name, texts[at]);
        settings_free(&schema, value);
    }
    AUTO_FREE char *empty = settings_quote("");
    assert_string_equal(empty, "\"\"");
    assert_null(settings_quote("a\nb"));
    assert_null(settings_quote("\x7f"));
    assert_null(settings_quote("\xc2\x9b"));
}

static bool parse_it(void *context, Error *err) {
    void *value = NULL;
    if (!parse(context, &value, err)) {
        return false;
    }
    settings_free(&schema, value);
    return true;
}

static void check_nothing(void *context, FaultOutcome outcome) {
    (void)context;
    (void)outcome;
}

static void without_memory_parsing_fails_cleanly(void **state) {
    (void)state;
    static char text[] = "name: a\nsize: b\nitems:\n  - x: c\n";
    faults_sweep_failures(&(FaultSweep){.context = text, .run = parse_it, .check = check_nothing});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_fills_its_struct),
        cmocka_unit_test(what_is_wrong_is_refused_with_line_and_column),
        cmocka_unit_test(an_error_shows_no_control_characters),
        cmocka_unit_test(limits_hold_before_the_schema_is_asked),
        cmocka_unit_test(a_file_is_loaded_by_name),
        cmocka_unit_test(quoted_text_reads_back_the_same),
        cmocka_unit_test(without_memory_parsing_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
