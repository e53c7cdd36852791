/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/ctl/codes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bundles/base/text.h"

const CodeSpace *const code_spaces[] = {&code_space_aesm, &code_space_quote3, &code_space_sgx_status,
                                        &code_space_pce,  &code_space_qcnl,   &code_space_verdict};
const size_t code_spaces_count = sizeof code_spaces / sizeof code_spaces[0];

enum { HEX_DIGITS_MAX = 8, SMALL_MAX = 255 };

/* "0xe018", also "e018" and "2006": four digits. */
static bool parse_hex(const char *text, uint32_t *ret_number) {
    bool prefixed = strncasecmp(text, "0x", 2) == 0;
    const char *digits = prefixed ? text + 2 : text;
    size_t length = strlen(digits);
    if (length == 0 || length > HEX_DIGITS_MAX || strspn(digits, "0123456789abcdefABCDEF") != length ||
        (!prefixed && length != 4)) {
        return false;
    }
    *ret_number = (uint32_t)strtoul(digits, NULL, 16);
    return true;
}

bool code_is_named(const CodeSpace *space, const Code *code, const char *text) {
    uint32_t number = 0;
    size_t prefix = strlen(space->prefix);
    if (parse_hex(text, &number) && code->number == number && (!space->is_decimal || number == 0)) {
        return true;
    }
    /* Small decimal numbers are AESM's; large ones are somebody's %d of a hexadecimal code. */
    if (text_parse_u32(text, 0, UINT32_MAX, &number) && code->number == number &&
        (space->is_decimal || number > SMALL_MAX)) {
        return true;
    }
    return strcasecmp(code->name, text) == 0 ||
           (strncmp(code->name, space->prefix, prefix) == 0 && strcasecmp(code->name + prefix, text) == 0);
}
