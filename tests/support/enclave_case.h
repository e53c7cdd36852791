/* SPDX-License-Identifier: Apache-2.0
 *
 * Enclave case: an enclave file of a test's own, and what the parsers see in it. The group's setup and
 * teardown are enclave_case_open and enclave_case_close, because a key takes long to make; each test begins
 * with enclave_case_reset, or with enclave_case_make where the plain file will do.
 */
#ifndef TESTS_SUPPORT_ENCLAVE_CASE_H
#define TESTS_SUPPORT_ENCLAVE_CASE_H

#include "bundles/sgx/elf.h"
#include "bundles/sgx/metadata.h"
#include "tests/support/enclave_maker.h"

typedef struct EnclaveCase {
    EVP_PKEY *key;
    EnclaveMaker maker;
    Elf elf;
    Metadata metadata;
} EnclaveCase;

int enclave_case_open(void **state);
int enclave_case_close(void **state);
int enclave_case_reset(void **state);
int enclave_case_make(void **state);

#endif
