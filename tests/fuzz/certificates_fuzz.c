/* SPDX-License-Identifier: Apache-2.0 */
/* link: psw-dcap */
/* Any bytes as a certificate chain, and each certificate in each role beneath Intel's root and each other. */
#include <assert.h>

#include "bundles/base/cleanup.h"
#include "bundles/dcap/certificates.h"
#include "bundles/dcap/pck.h"
#include "bundles/dcap/root.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(X509 *certificate, X509 *issuer) {
    for (int role = 0; role < CERTIFICATE_ROLES_COUNT; role++) {
        Error err = ERROR_INIT;
        bool good = certificate_check(certificate, issuer, (CertificateRole)role, &err);
        assert(good == (err.kind == ERROR_NONE));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static X509 *root;
    CLEANUP(certificates_done) Certificates list = {0};
    Error err = ERROR_INIT;
    if (root == NULL) {
        root = root_intel(NULL);
    }
    bool added = certificates_add(&list, (Bytes){data, size}, NULL, "input", &err);
    assert(added == (err.kind == ERROR_NONE) && (!added || list.count > 0));
    for (size_t at = 0; at < list.count && at < 4; at++) {
        Pck pck;
        check(list.items[at], root);
        check(list.items[at], list.items[0]);
        (void)!pck_read(list.items[at], &pck, NULL);
    }
    return 0;
}
