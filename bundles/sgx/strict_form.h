/* SPDX-License-Identifier: Apache-2.0
 *
 * StrictForm: the exact shape that Intel's signing tool has given production enclaves since SDK 2.17.
 *
 * A signature covers what is loaded, not the file: gaps, headers and parts of the metadata stay free and
 * steer the untrusted loader. This form leaves as little of that as can be without knowing the file. It is
 * the second line behind the digest of the manifest, and expects that the ELF and the metadata were parsed.
 */
#ifndef BUNDLES_SGX_STRICT_FORM_H
#define BUNDLES_SGX_STRICT_FORM_H

#include "bundles/sgx/elf.h"
#include "bundles/sgx/metadata.h"

/* ERROR_VERIFY with the first deviation. */
bool strict_form_check(const Elf *elf, const Metadata *metadata, Error *err)
    __attribute__((warn_unused_result));

#endif
