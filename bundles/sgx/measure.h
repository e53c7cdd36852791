/* SPDX-License-Identifier: Apache-2.0
 *
 * Measure: MRENCLAVE, computed as the processor computes it while an image is loaded.
 *
 * SHA-256 over one 64-byte record for ECREATE, one for each EADD, and for each measured page sixteen EEXTEND
 * records with 256 bytes of the page behind each. Source: Intel SDM vol. 3D, ECREATE, EADD, EEXTEND.
 */
#ifndef BUNDLES_SGX_MEASURE_H
#define BUNDLES_SGX_MEASURE_H

#include "bundles/base/digest.h"
#include "bundles/sgx/image.h"

bool measure_image(const Image *image, Digest *ret_mr_enclave, Error *err)
    __attribute__((warn_unused_result));

#endif
