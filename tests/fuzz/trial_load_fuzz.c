/* SPDX-License-Identifier: Apache-2.0 */
/* link: psw-checks psw-sgx-double */
/*
 * From an enclave file to the driver, in this process: whatever is in the file, the driver is asked in a way
 * that it can answer, and what it starts is what was signed.
 */
#include <stdint.h>
#include <stdlib.h>

#include "manager/checks/trial_parts.h"
#include "tests/support/sgx_driver_double.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const machines[] = {"flavour=in-kernel,epc=512", "flavour=dcap,epc=512",
                                           "flavour=dcap-early,epc=512", "flavour=legacy,epc=512"};
    static const bool never[TRIAL_VERDICTS_COUNT] = {
        [TRIAL_FAILED] = true,     [TRIAL_BUSY] = true,           [TRIAL_REFUSED] = true,
        [TRIAL_DRIVER_BUG] = true, [TRIAL_FOREIGN_DRIVER] = true, [TRIAL_NOEXEC] = true};
    const Bytes file = {data, size};
    TrialResult result = {0};
    if (setenv(SGX_DOUBLE_VARIABLE, machines[size % 4], 1) != 0) {
        abort();
    }
    trial_enclaves_run("", &file, 1, &result);
    if (never[result.verdict] || sgx_double_epc_used() != 0) {
        abort();
    }
    return 0;
}
