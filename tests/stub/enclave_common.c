/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "tests/stub/stub.h"

const char stub_soname[] = "libsgx_enclave_common.so.1";

void *enclave_create(const char *path);

void *enclave_create(const char *path) {
    stub_call("enclave_create", "%s", path);
    return NULL;
}
