/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/stub/stub.h"

const char stub_soname[] = "libsgx_default_qcnl_wrapper.so.1";

uint32_t sgx_qcnl_get_pck_cert_chain(uint32_t *size);

uint32_t sgx_qcnl_get_pck_cert_chain(uint32_t *size) {
    *size = 3548;
    return stub_effect("certificate");
}
