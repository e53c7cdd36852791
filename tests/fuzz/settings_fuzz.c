/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a YAML document with a small schema: refused with a reason, or filled in; and a text that was
 * read reads back the same after settings_quote. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/settings.h"
#include "bundles/base/text.h"

typedef struct Item {
    char *x;
} Item;

typedef struct Doc {
    char *name;
    Item *items;
    unsigned items_count;
} Doc;

static const cyaml_schema_field_t item_fields[] = {
    CYAML_FIELD_STRING_PTR("x", CYAML_FLAG_POINTER, Item, x, 0, 64), CYAML_FIELD_END};
static const cyaml_schema_value_t item = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, Item, item_fields)};
static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, Doc, name, 0, 64),
    CYAML_FIELD_SEQUENCE_COUNT("items", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, Doc, items, items_count,
                               &item, 0, 8),
    CYAML_FIELD_END};
static const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, Doc, fields)};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const char *name) {
    AUTO_FREE char *quoted = settings_quote(name);
    if (quoted == NULL) {
        return; /* control characters */
    }
    AUTO_FREE char *yaml = text_format("name: %s\n", quoted);
    assert(yaml != NULL);
    Error err = ERROR_INIT;
    void *value = NULL;
    bool read = settings_parse((Bytes){.data = (const uint8_t *)yaml, .size = strlen(yaml)}, "again", &schema,
                               ERROR_INPUT, &value, &err);
    assert(read && strcmp(((const Doc *)value)->name, name) == 0);
    settings_free(&schema, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Error err = ERROR_INIT;
    void *value = NULL;
    bool read =
        settings_parse((Bytes){.data = data, .size = size}, "input", &schema, ERROR_INPUT, &value, &err);
    assert(read == (err.kind == ERROR_NONE) && read == (value != NULL));
    if (read) {
        check_round_trip(((const Doc *)value)->name);
        settings_free(&schema, value);
    }
    return 0;
}
