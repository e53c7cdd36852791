/* SPDX-License-Identifier: Apache-2.0 */
/* link: psw-dcap */
/* Any bytes as a piece of collateral of any kind, then all that came of it asked about trust. */
#include <assert.h>

#include "bundles/dcap/root.h"
#include "bundles/dcap/trusted_collateral.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static X509 *root;
    CLEANUP(collateral_freep) Collateral *collateral = collateral_new(NULL);
    Error err = ERROR_INIT;
    bool known = false;
    if (root == NULL) {
        root = root_intel(NULL);
    }
    assert(collateral != NULL && root != NULL);
    bool added = collateral_add(collateral, (Bytes){data, size}, "input", &known, &err);
    assert(added == (err.kind == ERROR_NONE));
    err = ERROR_INIT;
    CLEANUP(trusted_collateral_freep)
    TrustedCollateral *trusted = trusted_collateral_new(collateral, root, &err);
    assert((trusted == NULL) == (err.kind != ERROR_NONE));
    return 0;
}
