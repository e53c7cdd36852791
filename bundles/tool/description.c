/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tool/description.h"

#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"

static uint64_t total_size(const Manifest *manifest) {
    uint64_t total = 0;
    for (size_t i = 0; i < manifest->files_count; i++) {
        total += manifest->files[i].size;
    }
    return total;
}

static void print_requirements(const Manifest *manifest) {
    const char *lead = "driver";
    for (size_t i = 0; i < manifest->drivers_count; i++) {
        const ManifestDriver *driver = &manifest->drivers[i];
        (void)printf("  needs        %s %s", lead, driver->flavour);
        (void)printf(driver->min_version != NULL ? " %s or newer\n" : "\n", driver->min_version);
        lead = "or driver";
    }
    if (manifest->kernel != NULL) {
        (void)printf("  needs        kernel %s or newer\n", manifest->kernel);
    }
    if (manifest->epc_kib != 0) {
        (void)printf("  needs        %llu KiB of EPC\n", (unsigned long long)manifest->epc_kib);
    }
    if (manifest->provision) {
        (void)printf("  needs        access to the provisioning node\n");
    }
    for (size_t i = 0; i < manifest->libraries_count; i++) {
        (void)printf("  needs        %s on the host\n", manifest->libraries[i]);
    }
}

void description_print_bundle(const Manifest *manifest, uint64_t file_size) {
    char hex[DIGEST_HEX_SIZE];
    char packed[16];
    char unpacked[16];
    digest_format(&manifest->digest, hex);
    (void)printf("%s %s%s\n", manifest->name, manifest->version,
                 manifest->simulated ? "  SIMULATED: works on the simulated platform only" : "");
    (void)printf("  vendor       %s\n", manifest->vendor);
    if (manifest->description[0] != 0) {
        (void)printf("  description  %s\n", manifest->description);
    }
    (void)printf("  bundle       %s\n", hex);
    (void)printf("  size         %s, unpacked %s\n", text_format_size(packed, sizeof packed, file_size),
                 text_format_size(unpacked, sizeof unpacked, total_size(manifest)));
    print_requirements(manifest);
    (void)printf("  files\n");
    for (size_t i = 0; i < manifest->files_count; i++) {
        const ManifestFile *file = &manifest->files[i];
        digest_format(&file->digest, hex);
        (void)printf("    %-13s %10s  %04o  %.12s  %s\n", manifest_role_name(file->role),
                     text_format_size(unpacked, sizeof unpacked, file->size), file->mode, hex, file->path);
    }
}

static json_t *optional_text(const char *text) {
    return text != NULL ? json_string(text) : json_null();
}

static json_t *drivers_json(const Manifest *manifest) {
    CLEANUP(json_freep) json_t *drivers = json_array();
    for (size_t i = 0; i < manifest->drivers_count; i++) {
        const ManifestDriver *driver = &manifest->drivers[i];
        if (json_array_append_new(drivers, json_pack("{s:s, s:o}", "flavour", driver->flavour, "min_version",
                                                     optional_text(driver->min_version))) != 0) {
            return NULL;
        }
    }
    return json_incref(drivers);
}

static json_t *requires_json(const Manifest *manifest) {
    CLEANUP(json_freep) json_t *libraries = json_array();
    for (size_t i = 0; i < manifest->libraries_count; i++) {
        if (json_array_append_new(libraries, json_string(manifest->libraries[i])) != 0) {
            return NULL;
        }
    }
    return json_pack("{s:o, s:o, s:I, s:b, s:O}", "drivers", drivers_json(manifest), "kernel",
                     optional_text(manifest->kernel), "epc_kib", (json_int_t)manifest->epc_kib, "provision",
                     manifest->provision, "libraries", libraries);
}

/* What the manifest may say of a file. */
static bool put_identity(json_t *object, const ManifestFile *file) {
    char hex[DIGEST_HEX_SIZE];
    digest_format(&file->mr_enclave, hex);
    return (file->version == NULL || json_put(object, "version", json_string(file->version))) &&
           (!file->has_identity || (json_put(object, "isvsvn", json_integer(file->isv_svn)) &&
                                    json_put(object, "mrenclave", json_string(hex))));
}

static json_t *files_json(const Manifest *manifest) {
    CLEANUP(json_freep) json_t *files = json_array();
    for (size_t i = 0; i < manifest->files_count; i++) {
        const ManifestFile *file = &manifest->files[i];
        char hex[DIGEST_HEX_SIZE];
        char mode[8];
        digest_format(&file->digest, hex);
        (void)snprintf(mode, sizeof mode, "%04o", file->mode);
        json_t *object =
            json_pack("{s:s, s:s, s:I, s:s, s:s}", "path", file->path, "role", manifest_role_name(file->role),
                      "size", (json_int_t)file->size, "sha256", hex, "mode", mode);
        if (json_array_append_new(files, object) != 0 || !put_identity(object, file)) {
            return NULL;
        }
    }
    return json_incref(files);
}

json_t *description_bundle_json(const Manifest *manifest, uint64_t file_size) {
    char hex[DIGEST_HEX_SIZE];
    digest_format(&manifest->digest, hex);
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:I, s:I, s:o, s:o}", "name", manifest->name, "version",
                     manifest->version, "vendor", manifest->vendor, "description", manifest->description,
                     "simulated", manifest->simulated, "digest", hex, "size", (json_int_t)file_size,
                     "unpacked_size", (json_int_t)total_size(manifest), "requires", requires_json(manifest),
                     "files", files_json(manifest));
}

static void print_attributes(const EnclaveReport *report) {
    uint64_t flags = report->attributes.flags;
    (void)printf("  attributes   0x%llx", (unsigned long long)flags);
    (void)printf("%s%s%s%s", (flags & SGX_FLAGS_DEBUG) != 0 ? ", DEBUG" : "",
                 (flags & SGX_FLAGS_MODE64BIT) != 0 ? ", 64-bit" : "",
                 (flags & SGX_FLAGS_PROVISION_KEY) != 0 ? ", provisioning key" : "",
                 (flags & SGX_FLAGS_EINITTOKEN_KEY) != 0 ? ", launch key" : "");
    (void)printf("; xfrm 0x%llx\n", (unsigned long long)report->attributes.xfrm);
}

static void print_measurements(const EnclaveReport *report) {
    char hex[DIGEST_HEX_SIZE];
    for (size_t i = 0; i < report->measurements_count; i++) {
        const EnclaveMeasurement *one = &report->measurements[i];
        const char *result = "not measured";
        if (one->measured) {
            digest_format(&one->mr_enclave, hex);
            result = digest_equal(&one->mr_enclave, &report->mr_enclave) ? "the same" : hex;
        }
        (void)printf("  measured     %s (metadata %u.%u)\n", result, one->major, one->minor);
    }
    if (report->pages != 0) {
        (void)printf("  EPC          %llu KiB\n", (unsigned long long)report->epc_kib);
    }
}

static void print_sigstruct(const EnclaveReport *report) {
    char hex[DIGEST_HEX_SIZE];
    digest_format(&report->mr_enclave, hex);
    (void)printf("  MRENCLAVE    %s\n", hex);
    print_measurements(report);
    digest_format(&report->mr_signer, hex);
    (void)printf("  MRSIGNER     %s\n  signer       %s, signed on %s\n", hex, report->signer, report->date);
    (void)printf("  ISVPRODID    %u\n  ISVSVN       %u\n", report->prod_id, report->svn);
    print_attributes(report);
}

/* What did not pass; a waived check is told as well. */
static void print_checks(const EnclaveReport *report) {
    for (size_t id = 0; id < ENCLAVE_CHECKS_COUNT; id++) {
        const EnclaveCheck *check = &report->checks[id];
        if (check->verdict == ENCLAVE_VERDICT_FAIL || check->verdict == ENCLAVE_VERDICT_WAIVED) {
            (void)printf("  %-12s %s: %s\n", check->verdict == ENCLAVE_VERDICT_FAIL ? "FAILED" : "waived",
                         enclave_check_name((EnclaveCheckId)id), check->text);
        }
    }
}

void description_print_enclave(const EnclaveReport *report, const char *path) {
    const char *what = report->role[0] != 0 ? report->role : report->bare ? "a SIGSTRUCT" : "an enclave";
    (void)printf("%s\n  %-12s %s%s\n", path, report->verified ? "verified" : "NOT VERIFIED", what,
                 report->simulated ? ", SIMULATED" : "");
    if (report->soname[0] != 0) {
        (void)printf("  soname       %s\n", report->soname);
    }
    if (report->has_sigstruct) {
        print_sigstruct(report);
    }
    print_checks(report);
}
