/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/enclave_case.h"

#include <assert.h>
#include <stdlib.h>

int enclave_case_open(void **state) {
    EnclaveCase *enclave = calloc(1, sizeof *enclave);
    assert(enclave != NULL);
    enclave->key = maker_key_new(3);
    *state = enclave;
    return 0;
}

int enclave_case_close(void **state) {
    EnclaveCase *enclave = *state;
    EVP_PKEY_free(enclave->key);
    free(enclave);
    return 0;
}

int enclave_case_reset(void **state) {
    EnclaveCase *enclave = *state;
    maker_init(&enclave->maker);
    return 0;
}

int enclave_case_make(void **state) {
    EnclaveCase *enclave = *state;
    (void)enclave_case_reset(state);
    maker_make(&enclave->maker, enclave->key);
    return 0;
}
