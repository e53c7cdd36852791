/* SPDX-License-Identifier: Apache-2.0 */
/* link: psw-sgx */
#include <stdint.h>
#include <stdlib.h>

#include "bundles/sgx/quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Quote quote;
    if (quote_parse((Bytes){data, size}, &quote, NULL) && quote_check_signatures(&quote, NULL) &&
        !quote_matches_report(&quote, quote.body, NULL)) {
        abort(); /* whose signatures are good binds its key */
    }
    return 0;
}
