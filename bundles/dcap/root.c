/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/root.h"

#include <openssl/x509v3.h>

#include "bundles/base/cleanup.h"
#include "bundles/dcap/certificates.h"

X509 *root_intel(Error *err) {
    return root_read((Bytes){root_intel_pem, root_intel_pem_size}, "Intel's root certificate", err);
}

X509 *root_read(Bytes bytes, const char *name, Error *err) {
    CLEANUP(certificates_done) Certificates list = {0};
    if (!certificates_add(&list, bytes, NULL, name, err)) {
        return NULL;
    }
    X509 *root = list.items[0];
    if (list.count != 1 || X509_self_signed(root, 1) != 1 || X509_check_ca(root) != 1) {
        error_set(err, ERROR_INPUT,
                  "%s: not one self-signed certificate of an authority: name the file of the root only",
                  name);
        return NULL;
    }
    X509_up_ref(root);
    return root;
}
