/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/trouble.h"

#include "bundles/base/text.h"

bool trouble_is(uint32_t aesm_code) {
    switch (aesm_code) { /* Intel's aesm_error_t */
    case 2:              /* no device */
    case 21:             /* out of memory */
    case 24:             /* device not available */
    case 29:             /* out of EPC */
    case 31:             /* unrecognized platform */
    case 40:             /* PCE unavailable */
    case 41:             /* platform library unavailable */
    case 42:             /* attestation key not initialised */
    case 43:             /* certificate data invalid */
    case 44:             /* no platform certificate */
    case 46:             /* enclave lost */
    case 48:             /* enclave does not load */
    case 49:             /* no QE report */
    case 50:             /* key certification */
        return true;
    default:
        /* 1 and 3 answer malformed requests too; 12 and 13 are the network's; 18 is overload; 38 and 47 are
         * the client's choice of key or report. */
        return false;
    }
}

void trouble_count(const json_t *status, uint64_t *ret_answers, uint64_t *ret_errors) {
    const char *code = NULL;
    json_t *count = NULL;
    *ret_answers = *ret_errors = 0;
    json_object_foreach(json_object_get(json_object_get(status, "counters"), "answers"), code, count) {
        uint32_t number = 0;
        json_int_t value = json_integer_value(count);
        if (value < 0 || !text_parse_u32(code, 0, UINT32_MAX, &number)) {
            continue;
        }
        *ret_answers += (uint64_t)value;
        *ret_errors += trouble_is(number) ? (uint64_t)value : 0;
    }
}
