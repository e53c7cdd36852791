/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/version.h"

#include <assert.h>
#include <stdint.h>

enum { PARTS_MAX = 8, DIGITS_MAX = 9 };

/* Reads one part and moves *text behind it; false if there is none in the right form. */
static bool part_read(const char **text, uint32_t *ret_value) {
    const char *at = *text;
    uint32_t value = 0;
    unsigned digits = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (++digits > DIGITS_MAX) {
            return false;
        }
        value = value * 10 + (uint32_t)(*at - '0');
    }
    if (digits == 0 || (digits > 1 && **text == '0')) {
        return false;
    }
    *text = at;
    *ret_value = value;
    return true;
}

/* The number of parts, 0 if it is not a version. Missing parts are 0. */
static unsigned parts_read(const char *text, uint32_t parts[PARTS_MAX]) {
    for (unsigned count = 0; count < PARTS_MAX; count++) {
        if (!part_read(&text, &parts[count])) {
            return 0;
        }
        if (*text == 0) {
            return count + 1;
        }
        if (*text++ != '.') {
            return 0;
        }
    }
    return 0;
}

bool version_is_valid(const char *text) {
    uint32_t parts[PARTS_MAX] = {0};
    return parts_read(text, parts) != 0;
}

int version_compare(const char *a, const char *b) {
    uint32_t a_parts[PARTS_MAX] = {0};
    uint32_t b_parts[PARTS_MAX] = {0};
    unsigned a_count = parts_read(a, a_parts);
    unsigned b_count = parts_read(b, b_parts);
    assert(a_count != 0 && b_count != 0);
    for (unsigned i = 0; i < PARTS_MAX; i++) {
        if (a_parts[i] != b_parts[i]) {
            return a_parts[i] < b_parts[i] ? -1 : 1;
        }
    }
    return 0;
}
