/* SPDX-License-Identifier: Apache-2.0 */
/* link: psw-dcap */
/* Any bytes as a quote in a file, verified without collateral under Intel's root. */
#include <assert.h>

#include "bundles/dcap/quote_file.h"
#include "bundles/dcap/quote_verify.h"
#include "bundles/dcap/root.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static X509 *root;
    CLEANUP(collateral_freep) Collateral *collateral = collateral_new(NULL);
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(QUOTE_FILE_MAX);
    Quote quote;
    QuoteVerdict verdict;
    if (root == NULL) {
        root = root_intel(NULL);
    }
    assert(collateral != NULL && root != NULL);
    CLEANUP(trusted_collateral_freep)
    TrustedCollateral *trusted = trusted_collateral_new(collateral, root, NULL);
    if (quote_file_decode((Bytes){data, size}, "input", &bytes, NULL) &&
        quote_parse(buffer_bytes(&bytes), &quote, NULL)) {
        Error err = ERROR_INIT;
        bool good = quote_verify(&quote, trusted, 1750000000, &verdict, &err);
        assert(good == (err.kind == ERROR_NONE));
        assert(!good || verdict.status == TCB_UNKNOWN);
    }
    return 0;
}
