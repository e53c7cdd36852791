/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/requirements.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/version.h"

enum { NODES_MAX = 64 };

static bool is_device(const char *root, const char *path) {
    struct stat facts;
    AUTO_FREE char *full = text_format("%s%s", root, path);
    return full != NULL && stat(full, &facts) == 0 && S_ISCHR(facts.st_mode);
}

/* The kernel's count for one NUMA node (Documentation/ABI/stable/sysfs-devices-node). */
static uint64_t node_epc_kib(const char *root, int node) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(64);
    Error ignored = ERROR_INIT;
    uint64_t bytes = 0;
    AUTO_FREE char *path = text_format("%s/sys/devices/system/node/node%d/x86/sgx_total_bytes", root, node);
    if (path == NULL || !file_read(AT_FDCWD, path, &text, &ignored) || text.size == 0) {
        return 0;
    }
    text.data[strcspn((char *)text.data, "\n")] = '\0';
    return text_parse_u64((const char *)text.data, 0, UINT64_MAX, &bytes) ? bytes / 1024 : 0;
}

void requirements_host_read(const char *root, RequirementsHost *ret_host) {
    struct utsname names;
    *ret_host = (RequirementsHost){.in_kernel = is_device(root, "/dev/sgx_enclave"),
                                   .dcap = is_device(root, "/dev/sgx/enclave"),
                                   .legacy = is_device(root, "/dev/isgx")};
    if (uname(&names) == 0) {
        size_t length = strspn(names.release, "0123456789.");
        while (length > 0 && names.release[length - 1] == '.') {
            length--;
        }
        (void)snprintf(ret_host->kernel, sizeof ret_host->kernel, "%.*s", (int)length, names.release);
    }
    for (int node = 0; node < NODES_MAX; node++) {
        ret_host->epc_kib += node_epc_kib(root, node);
    }
}

static bool has_driver(const Manifest *manifest, const RequirementsHost *host) {
    for (size_t i = 0; i < manifest->drivers_count; i++) {
        const char *flavour = manifest->drivers[i].flavour;
        if ((strcmp(flavour, "in-kernel") == 0 && host->in_kernel) ||
            (strcmp(flavour, "dcap") == 0 && host->dcap) ||
            (strcmp(flavour, "legacy") == 0 && host->legacy) ||
            (strcmp(flavour, "simulated") == 0 && manifest->simulated)) {
            return true;
        }
    }
    return manifest->drivers_count == 0;
}

bool requirements_check(const Manifest *manifest, const RequirementsHost *host, Error *err) {
    if (manifest->simulated && !host->simulated_allowed) {
        return error_set(
            err, ERROR_PERMISSION,
            "bundle '%s' %s is for the simulated platform and its quotes prove nothing: refused, "
            "unless the configuration says 'simulated: allow'",
            manifest->name, manifest->version);
    }
    if (!has_driver(manifest, host)) {
        return error_set(err, ERROR_VERIFY,
                         "bundle '%s' %s: none of the SGX drivers it works with is here (looked for "
                         "/dev/sgx_enclave, /dev/sgx/enclave, /dev/isgx)",
                         manifest->name, manifest->version);
    }
    if (manifest->kernel != NULL && version_is_valid(host->kernel) &&
        version_compare(host->kernel, manifest->kernel) < 0) {
        return error_set(err, ERROR_VERIFY, "bundle '%s' %s needs Linux %s, this is %s", manifest->name,
                         manifest->version, manifest->kernel, host->kernel);
    }
    if (host->epc_kib != 0 && manifest->epc_kib > host->epc_kib) {
        return error_set(err, ERROR_VERIFY, "bundle '%s' %s needs %llu KiB of EPC, there are %llu",
                         manifest->name, manifest->version, (unsigned long long)manifest->epc_kib,
                         (unsigned long long)host->epc_kib);
    }
    return true;
}

bool requirements_fit(uint64_t serving_kib, uint64_t next_kib, uint64_t host_kib) {
    return host_kib == 0 || serving_kib > host_kib || next_kib <= host_kib - serving_kib;
}
