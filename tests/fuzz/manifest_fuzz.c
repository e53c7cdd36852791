/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a manifest: refused with a reason, or exactly what manifest_format writes for it. */
/* link: psw-bundles */
#include <assert.h>

#include "bundles/base/cleanup.h"
#include "bundles/manifest.h"

CLEANUP_DEFINE(Manifest, manifest_free)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Error err = ERROR_INIT;
    Bytes input = {.data = data, .size = size};
    CLEANUP(manifest_freep) Manifest *manifest = manifest_parse(input, "input", &err);
    assert((manifest != NULL) == (err.kind == ERROR_NONE));
    if (manifest != NULL) {
        CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(MANIFEST_SIZE_MAX);
        bool formatted = manifest_format(manifest, &yaml, &err);
        assert(formatted && bytes_equal(input, buffer_bytes(&yaml)));
    }
    return 0;
}
