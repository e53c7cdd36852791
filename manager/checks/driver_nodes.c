/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/driver_nodes.h"

#include <string.h>

static const char *first_device(const Host *host, const char *const *paths) {
    for (; *paths != NULL; paths++) {
        if (host_has_device(host, *paths)) {
            return *paths;
        }
    }
    return NULL;
}

void driver_nodes_read(const Host *host, DriverNodes *ret_nodes) {
    static const char *const enclaves[] = {"/dev/sgx_enclave", "/dev/sgx/enclave", NULL};
    static const char *const provisions[] = {"/dev/sgx_provision", "/dev/sgx/provision", "/dev/sgx_prv",
                                             NULL};
    *ret_nodes = (DriverNodes){.enclave = first_device(host, enclaves),
                               .provision = first_device(host, provisions),
                               .in_kernel = host_has_device(host, "/dev/sgx_enclave"),
                               .dcap = host_has_device(host, "/dev/sgx/enclave"),
                               .legacy = host_has_device(host, "/dev/isgx"),
                               .module = host_has(host, "/sys/module/intel_sgx"),
                               .legacy_module = host_has(host, "/sys/module/isgx")};
    if (ret_nodes->module && !host_read_line(host, "/sys/module/intel_sgx/version", ret_nodes->version,
                                             sizeof ret_nodes->version)) {
        ret_nodes->version[0] = '\0';
    }
}
