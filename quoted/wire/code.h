/* SPDX-License-Identifier: Apache-2.0
 *
 * Code: the result codes of AESM (Intel's aesm_error_t) that we give ourselves, their names, and how a quote
 * library's code becomes one.
 */
#ifndef QUOTED_WIRE_CODE_H
#define QUOTED_WIRE_CODE_H

#include <stdint.h>

#include "bundles/sgx/quote_library.h"

typedef uint32_t AesmCode;

enum {
    AESM_SUCCESS = 0,
    AESM_UNEXPECTED = 1,
    AESM_PARAMETER = 3,
    AESM_BUSY = 18,
    AESM_OUT_OF_MEMORY = 21,
    AESM_SERVICE_UNAVAILABLE = 30,
    AESM_UNSUPPORTED_ATT_KEY_ID = 38,
    AESM_ATT_KEY_NOT_INITIALIZED = 42,
    AESM_INVALID_REPORT = 47
};
enum { AESM_CODES_COUNT = 52 };

/* "AESM_BUSY"; "AESM_UNKNOWN" for a number that Intel does not define. */
const char *aesm_code_name(AesmCode code);

/* What Intel's server answers for a quote3 code; what it does not know becomes AESM_UNEXPECTED. */
AesmCode aesm_code_of_quote3(Quote3Error error);

#endif
