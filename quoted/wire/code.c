/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/wire/code.h"

#include <stddef.h>

static const char *const names[AESM_CODES_COUNT] = {
    "AESM_SUCCESS",
    "AESM_UNEXPECTED_ERROR",
    "AESM_NO_DEVICE_ERROR",
    "AESM_PARAMETER_ERROR",
    "AESM_EPIDBLOB_ERROR",
    "AESM_EPID_REVOKED_ERROR",
    "AESM_GET_LICENSETOKEN_ERROR",
    "AESM_SESSION_INVALID",
    "AESM_MAX_NUM_SESSION_REACHED",
    "AESM_PSDA_UNAVAILABLE",
    "AESM_EPH_SESSION_FAILED",
    "AESM_LONG_TERM_PAIRING_FAILED",
    "AESM_NETWORK_ERROR",
    "AESM_NETWORK_BUSY_ERROR",
    "AESM_PROXY_SETTING_ASSIST",
    "AESM_FILE_ACCESS_ERROR",
    "AESM_SGX_PROVISION_FAILED",
    "AESM_SERVICE_STOPPED",
    "AESM_BUSY",
    "AESM_BACKEND_SERVER_BUSY",
    "AESM_UPDATE_AVAILABLE",
    "AESM_OUT_OF_MEMORY_ERROR",
    "AESM_MSG_ERROR",
    "AESM_THREAD_ERROR",
    "AESM_SGX_DEVICE_NOT_AVAILABLE",
    "AESM_ENABLE_SGX_DEVICE_FAILED",
    "AESM_PLATFORM_INFO_BLOB_INVALID_SIG",
    NULL,
    "AESM_KDF_MISMATCH",
    "AESM_OUT_OF_EPC",
    "AESM_SERVICE_UNAVAILABLE",
    "AESM_UNRECOGNIZED_PLATFORM",
    "AESM_ECDSA_ID_MISMATCH",
    "AESM_PATHNAME_BUFFER_OVERFLOW_ERROR",
    "AESM_ERROR_STORED_KEY",
    "AESM_PUB_KEY_ID_MISMATCH",
    "AESM_INVALID_PCE_SIG_SCHEME",
    "AESM_ATT_KEY_BLOB_ERROR",
    "AESM_UNSUPPORTED_ATT_KEY_ID",
    "AESM_UNSUPPORTED_LOADING_POLICY",
    "AESM_INTERFACE_UNAVAILABLE",
    "AESM_PLATFORM_LIB_UNAVAILABLE",
    "AESM_ATT_KEY_NOT_INITIALIZED",
    "AESM_ATT_KEY_CERT_DATA_INVALID",
    "AESM_NO_PLATFORM_CERT_DATA",
    "AESM_ERROR_REPORT",
    "AESM_ENCLAVE_LOST",
    "AESM_INVALID_REPORT",
    "AESM_ENCLAVE_LOAD_ERROR",
    "AESM_UNABLE_TO_GENERATE_QE_REPORT",
    "AESM_KEY_CERTIFICATION_ERROR",
    "AESM_CONFIG_UNSUPPORTED",
};

const char *aesm_code_name(AesmCode code) {
    return code < AESM_CODES_COUNT && names[code] != NULL ? names[code] : "AESM_UNKNOWN";
}

AesmCode aesm_code_of_quote3(Quote3Error error) {
    /* By the low byte of 0xE000 + n; what is 0 here is not known to Intel's server either. */
    static const uint8_t codes[] = {
        [0x02] = 3,  [0x03] = 21, [0x04] = 32, [0x05] = 33, [0x06] = 15, [0x07] = 34, [0x08] = 35,
        [0x09] = 36, [0x0a] = 37, [0x0b] = 38, [0x0c] = 39, [0x0d] = 40, [0x0e] = 41, [0x0f] = 42,
        [0x10] = 43, [0x11] = 44, [0x12] = 29, [0x13] = 45, [0x14] = 46, [0x15] = 47, [0x16] = 48,
        [0x17] = 49, [0x18] = 50, [0x19] = 12, [0x1a] = 22,
    };
    if (error == QUOTE3_SUCCESS) {
        return AESM_SUCCESS;
    }
    uint32_t index = error - 0xe000U;
    return index < sizeof codes && codes[index] != 0 ? codes[index] : AESM_UNEXPECTED;
}
