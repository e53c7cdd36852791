/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as JSON: refused with a reason, or read, written and read again to the same value. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *value = json_parse((Bytes){.data = data, .size = size}, "input", &err);
    assert((value == NULL) == (err.kind != ERROR_NONE));
    if (value == NULL) {
        assert(err.text[0] != 0);
        return 0;
    }
    AUTO_FREE char *text = json_format(value, false);
    assert(text != NULL);
    CLEANUP(json_freep)
    json_t *again = json_parse((Bytes){.data = (const uint8_t *)text, .size = strlen(text)}, "again", &err);
    assert(again != NULL && json_equal(value, again));
    return 0;
}
