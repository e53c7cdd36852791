/* SPDX-License-Identifier: Apache-2.0
 *
 * Manifest: what a bundle says it is: `manifest.yaml`, format 1 (docs/bundle-format.md).
 *
 * The SHA-256 of the manifest's bytes is the bundle's digest: it fixes every file by size, digest and mode,
 * does not depend on the compression, and can be computed again from a staged directory. Invariant of a
 * parsed manifest: names are safe (file_name_is_safe), unique and sorted, numbers are within the limits
 * below, and the roles that a bundle cannot do without are there (quote_library, qe3, pce, id_enclave).
 */
#ifndef BUNDLES_MANIFEST_H
#define BUNDLES_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/buffer.h"
#include "bundles/base/digest.h"
#include "bundles/base/error.h"

#define MANIFEST_NAME "manifest.yaml"

enum {
    MANIFEST_SIZE_MAX = 256 * 1024,
    MANIFEST_FILES_MAX = 256,
    MANIFEST_PATH_MAX = 100,
    MANIFEST_REQUIREMENTS_MAX = 64
};
#define MANIFEST_FILE_SIZE_MAX (UINT64_C(256) * 1024 * 1024)
#define MANIFEST_TOTAL_SIZE_MAX (UINT64_C(1024) * 1024 * 1024)

typedef enum ManifestRole {
    MANIFEST_ROLE_QE3,
    MANIFEST_ROLE_ID_ENCLAVE,
    MANIFEST_ROLE_PCE,
    MANIFEST_ROLE_QUOTE_LIBRARY, /* libsgx_dcap_ql.so.1 */
    MANIFEST_ROLE_QE3_LOGIC,
    MANIFEST_ROLE_PCE_LOGIC,
    MANIFEST_ROLE_RUNTIME,  /* libsgx_urts and other libraries the above need */
    MANIFEST_ROLE_PROVIDER, /* libdcap_quoteprov and what it needs */
    MANIFEST_ROLE_DATA,
    MANIFEST_ROLES_COUNT
} ManifestRole;

const char *manifest_role_name(ManifestRole role); /* "quote_library" */
bool manifest_role_parse(const char *name, ManifestRole *ret_role);

typedef struct ManifestFile {
    char *path; /* relative to the bundle's directory, at most MANIFEST_PATH_MAX bytes */
    ManifestRole role;
    uint64_t size;
    Digest digest;
    unsigned mode; /* 0644 or 0755 */
    char *version; /* dotted, by the vendor's count; NULL: not said. An enclave's is nowhere else */
    /* Which enclave its author meant; the gate demands it of every enclave and compares. */
    bool has_identity;
    uint16_t isv_svn;
    Digest mr_enclave;
} ManifestFile;

typedef struct ManifestDriver {
    char *flavour;     /* "in-kernel", "dcap", "legacy" or "simulated" */
    char *min_version; /* dotted; NULL: any */
} ManifestDriver;

typedef struct Manifest {
    char *name; /* [a-z0-9][a-z0-9-]*, at most 64 */
    char *version;
    char *vendor;
    char *description;
    bool simulated;      /* made by and for the simulated platform */
    ManifestFile *files; /* sorted by path */
    size_t files_count;
    ManifestDriver *drivers; /* any one of these will do; none: no demand */
    size_t drivers_count;
    char *kernel;     /* lowest release, dotted; NULL: any */
    uint64_t epc_kib; /* for one generation; 0: not known */
    bool provision;   /* needs access to the provisioning node */
    char **libraries; /* sonames that the host must have */
    size_t libraries_count;
    Digest digest;   /* of the bytes it was parsed from or formatted to */
    unsigned shares; /* owners beyond the first */
} Manifest;

/* ERROR_INPUT with line and column, ERROR_LIMIT. `name` is for error texts. */
Manifest *manifest_parse(Bytes yaml, const char *name, Error *err) __attribute__((warn_unused_result));
/* DIR/manifest.yaml of an unpacked bundle. */
Manifest *manifest_load(int dir_fd, Error *err) __attribute__((warn_unused_result));
/* The one YAML form of a manifest: same content, same bytes. Sets manifest->digest. */
bool manifest_format(Manifest *manifest, Buffer *ret_yaml, Error *err) __attribute__((warn_unused_result));
/* One more owner of the same, which nobody may change any more: it calls manifest_free, too. In one thread.
 */
Manifest *manifest_share(Manifest *manifest);
void manifest_free(Manifest *manifest);

/* Is it one of the enclaves (qe3, id_enclave, pce)? */
bool manifest_role_is_enclave(ManifestRole role);

/* The first file of a role, NULL if none. Borrowed. */
const ManifestFile *manifest_find(const Manifest *manifest, ManifestRole role);

#endif
