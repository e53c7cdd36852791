/* SPDX-License-Identifier: Apache-2.0 */
/* link: psw-dcap */
/* Any bytes as the SGX extension of a PCK certificate: refused with a reason or read within bounds. */
#include <assert.h>

#include "bundles/dcap/pck.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Error err = ERROR_INIT;
    Pck pck;
    bool read = pck_parse((Bytes){data, size}, &pck, &err);
    assert(read == (err.kind == ERROR_NONE));
    assert(!read || pck_type_name(pck.type) != NULL);
    return 0;
}
