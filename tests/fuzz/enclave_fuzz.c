/* SPDX-License-Identifier: Apache-2.0 */
/* link: psw-sgx */
/*
 * ELF, metadata, SIGSTRUCT, pages and strict form of an enclave file. The limits are small, so that the time
 * goes into the parsers.
 */
#include <stdint.h>
#include <stdlib.h>

#include "bundles/sgx/enclave.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static SignerPolicy *policy;
    static const ImageLimits limits = {
        .file_size = 1 << 20, .enclave_size = UINT64_C(1) << 30, .hashed_bytes = 1 << 20, .regions = 65536};
    if (policy == NULL && (policy = signers_new(NULL)) == NULL) {
        abort();
    }
    EnclaveOptions options = {.policy = policy, .now = 1735689600, .limits = &limits};
    EnclaveReport report;
    if (enclave_examine((Bytes){data, size}, &options, &report, NULL)) {
        json_t *object = enclave_report_json(&report, "input");
        if (object == NULL || report.verified) { /* nobody but Intel could make one that is */
            abort();
        }
        json_decref(object);
    }
    return 0;
}
