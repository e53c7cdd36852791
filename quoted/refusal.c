/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/refusal.h"

#include <stddef.h>

static const struct {
    Quote3Error code;
    const char *hint;
} hints[] = {
    {0xe00e, ": there is no provider library, or it lacks a function"},
    {0xe010, ": the provider's certificates are unusable"},
    {0xe011, ": the certificate service has none for this platform: is it registered there?"},
    {0xe012, ": there is no EPC left"},
    {0xe014, ": the enclaves were lost, by suspend or migration"},
    {0xe016, ": an enclave does not load: see 'pswctl doctor'"},
    {0xe018, ": the PCE is older than the certificate that the provider has for it"},
    {0xe019, ": the certificate service cannot be reached: see /etc/sgx_default_qcnl.conf"},
    {0xe035, ": no access to the provisioning key: may this user open /dev/sgx_provision?"},
    {0xe03f, ": there is no SGX device"},
    {0xe040, ": the certificate service is not available"},
    {0xe044, ": the certificate service answers with an error"},
    {0xe047, ": the certificate service does not know this platform: it has to be registered there"},
    {0xe049, ": the certificate service has no certificate for this platform's TCB"},
    {0xe065, ": the certificate service's TLS certificate is not trusted: see /etc/sgx_default_qcnl.conf"},
    {0xe067, ": /etc/sgx_default_qcnl.conf is not JSON"},
};

const char *refusal_hint(Quote3Error code) {
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        if (hints[i].code == code) {
            return hints[i].hint;
        }
    }
    return "";
}
