/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/stub/stub.h"

const char stub_soname[] = "libsgx_urts.so.2";

void *enclave_create(const char *path);
int sgx_create_enclave(const char *path);
int sgx_get_metadata(const char *path);

int sgx_create_enclave(const char *path) {
    stub_call("sgx_create_enclave", "%s", path);
    (void)enclave_create(path);
    return 0;
}

int sgx_get_metadata(const char *path) {
    stub_call("sgx_get_metadata", "%s", path);
    return 0;
}
