/* SPDX-License-Identifier: Apache-2.0 */
/* link: psw-dcap */
/* Any bytes as a CRL in DER, PEM or hex, asked about Intel's root. */
#include <assert.h>

#include "bundles/dcap/collateral.h"
#include "bundles/dcap/root.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static X509 *root;
    CLEANUP(collateral_freep) Collateral *collateral = collateral_new(NULL);
    Error err = ERROR_INIT;
    if (root == NULL) {
        root = root_intel(NULL);
    }
    assert(collateral != NULL && root != NULL);
    bool added = collateral_add_crl(collateral, (Bytes){data, size}, "input", &err);
    assert(added == (err.kind == ERROR_NONE) && collateral->crls_count == (added ? 1 : 0));
    if (added) {
        int64_t time = 0;
        bool good = certificate_check_crl(collateral->crls[0], root, &err);
        assert(good == (err.kind == ERROR_NONE));
        (void)certificate_is_revoked(root, collateral->crls[0]);
        (void)certificate_time(X509_CRL_get0_nextUpdate(collateral->crls[0]), &time);
    }
    return 0;
}
