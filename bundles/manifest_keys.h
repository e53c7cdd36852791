/* SPDX-License-Identifier: Apache-2.0
 *
 * ManifestKeys: manifest.yaml and bundle.yaml as libcyaml reads them, every scalar a string. For manifest.c
 * and recipe.c only: one schema serves both, because a recipe is a manifest without sizes and digests.
 */
#ifndef BUNDLES_MANIFEST_KEYS_H
#define BUNDLES_MANIFEST_KEYS_H

#include "bundles/base/settings.h"
#include "bundles/manifest.h"

typedef struct ManifestFileKeys {
    char *path, *role, *size, *sha256, *mode, *version, *isvsvn, *mrenclave;
} ManifestFileKeys;

typedef struct ManifestDriverKeys {
    char *flavour, *min_version;
} ManifestDriverKeys;

typedef struct ManifestRequiresKeys {
    ManifestDriverKeys *drivers;
    unsigned drivers_count;
    char *kernel, *epc_kib, *provision;
    char **libraries;
    unsigned libraries_count;
} ManifestRequiresKeys;

typedef struct ManifestKeys {
    char *format, *name, *version, *vendor, *description, *simulated;
    ManifestRequiresKeys *requires;
    ManifestFileKeys *files;
    unsigned files_count;
} ManifestKeys;

extern const cyaml_schema_value_t manifest_keys_schema;

static inline void manifest_keys_freep(ManifestKeys **keys) {
    settings_free(&manifest_keys_schema, *keys);
}

/* Strings to values with every rule of manifest.h. In a recipe size and sha256 have to be absent and the
 * result has zeros there; in a manifest they have to be there. The digest is left zero. */
Manifest *manifest_keys_convert(const ManifestKeys *keys, bool recipe, const char *name, Error *err)
    __attribute__((warn_unused_result));

#endif
