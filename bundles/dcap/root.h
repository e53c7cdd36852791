/* SPDX-License-Identifier: Apache-2.0
 *
 * Root: the certificate that verification ends at: Intel's SGX root, or one that the caller names.
 */
#ifndef BUNDLES_DCAP_ROOT_H
#define BUNDLES_DCAP_ROOT_H

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"

extern const uint8_t root_intel_pem[];
extern const size_t root_intel_pem_size;

/* The caller frees with X509_free. NULL only when out of memory. */
X509 *root_intel(Error *err) __attribute__((warn_unused_result));

/* One certificate in PEM or DER. NULL: ERROR_INPUT if it is none, or none of an authority that signed itself.
 */
X509 *root_read(Bytes bytes, const char *name, Error *err) __attribute__((warn_unused_result));

#endif
