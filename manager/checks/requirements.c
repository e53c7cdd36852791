/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/requirements.h"

#include <string.h>

#include "bundles/base/text.h"
#include "bundles/version.h"
#include "manager/checks/driver_nodes.h"
#include "manager/checks/epc_facts.h"

void requirements_host_read(const Host *host, RequirementsHost *ret_host) {
    DriverNodes nodes;
    EpcFacts epc;
    driver_nodes_read(host, &nodes);
    epc_facts_read(host, &epc);
    *ret_host = (RequirementsHost){
        .in_kernel = nodes.in_kernel, .dcap = nodes.dcap, .legacy = nodes.legacy, .epc_kib = epc.kib};
    (void)text_copy(ret_host->module, sizeof ret_host->module, nodes.version);
    host_kernel(host, ret_host->kernel, sizeof ret_host->kernel);
}

void requirements_host_live(RequirementsHost *ret_host) {
    Host host;
    Error ignored = ERROR_INIT;
    *ret_host = (RequirementsHost){0};
    if (host_open("/", &host, &ignored)) {
        requirements_host_read(&host, ret_host);
        host_close(&host);
    }
}

bool requirements_simulated(const Manifest *manifest, const RequirementsHost *host, Error *err) {
    if (manifest->simulated && !host->simulated_allowed) {
        return error_set(
            err, ERROR_PERMISSION,
            "bundle '%s' %s is for the simulated platform and its quotes prove nothing: refused, "
            "unless the configuration says 'simulated: allow'",
            manifest->name, manifest->version);
    }
    return true;
}

/* Only a driver from outside the kernel has a version of its own. */
static bool is_new_enough(const ManifestDriver *driver, const char *version) {
    return driver->min_version == NULL || !version_is_valid(version) ||
           version_compare(version, driver->min_version) >= 0;
}

static bool is_here(const Manifest *manifest, const ManifestDriver *driver, const RequirementsHost *host) {
    return (strcmp(driver->flavour, "in-kernel") == 0 && host->in_kernel) ||
           (strcmp(driver->flavour, "dcap") == 0 && host->dcap && is_new_enough(driver, host->module)) ||
           (strcmp(driver->flavour, "legacy") == 0 && host->legacy) ||
           (strcmp(driver->flavour, "simulated") == 0 && manifest->simulated);
}

bool requirements_driver(const Manifest *manifest, const RequirementsHost *host, Error *err) {
    for (size_t i = 0; i < manifest->drivers_count; i++) {
        if (is_here(manifest, &manifest->drivers[i], host)) {
            return true;
        }
    }
    return manifest->drivers_count == 0 ||
           error_set(err, ERROR_VERIFY,
                     "bundle '%s' %s: none of the SGX drivers it works with is here (looked for "
                     "/dev/sgx_enclave, /dev/sgx/enclave, /dev/isgx)",
                     manifest->name, manifest->version);
}

bool requirements_kernel(const Manifest *manifest, const RequirementsHost *host, Error *err) {
    if (manifest->kernel != NULL && version_is_valid(host->kernel) &&
        version_compare(host->kernel, manifest->kernel) < 0) {
        return error_set(err, ERROR_VERIFY, "bundle '%s' %s needs Linux %s, this is %s", manifest->name,
                         manifest->version, manifest->kernel, host->kernel);
    }
    return true;
}

bool requirements_epc(const Manifest *manifest, const RequirementsHost *host, Error *err) {
    if (host->epc_kib != 0 && manifest->epc_kib > host->epc_kib) {
        return error_set(err, ERROR_VERIFY, "bundle '%s' %s needs %llu KiB of EPC, there are %llu",
                         manifest->name, manifest->version, (unsigned long long)manifest->epc_kib,
                         (unsigned long long)host->epc_kib);
    }
    return true;
}

bool requirements_check(const Manifest *manifest, const RequirementsHost *host, Error *err) {
    return requirements_simulated(manifest, host, err) && requirements_driver(manifest, host, err) &&
           requirements_kernel(manifest, host, err) && requirements_epc(manifest, host, err);
}

bool requirements_fit(uint64_t serving_kib, uint64_t next_kib, uint64_t host_kib) {
    return host_kib == 0 || serving_kib > host_kib || next_kib <= host_kib - serving_kib;
}
