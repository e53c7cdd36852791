/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/bundle_rules.h"

bool bundle_check_limits(const Manifest *manifest, uint64_t packed_size, Error *err) {
    uint64_t total = 0;
    for (size_t i = 0; i < manifest->files_count; i++) {
        const ManifestFile *file = &manifest->files[i];
        if (manifest_role_is_enclave(file->role) && file->size > BUNDLE_ENCLAVE_SIZE_MAX) {
            return error_set(err, ERROR_LIMIT, "%s: an enclave file has at most %d bytes", file->path,
                             BUNDLE_ENCLAVE_SIZE_MAX);
        }
        total += file->size;
    }
    if (total > BUNDLE_RATIO_FREE_SIZE && total / BUNDLE_RATIO_MAX > packed_size) {
        return error_set(err, ERROR_LIMIT,
                         "unpacks to more than %d times its size, which no set of enclaves does",
                         BUNDLE_RATIO_MAX);
    }
    return true;
}

bool bundle_check_digest(DigestStream *stream, const ManifestFile *file, Error *err) {
    Digest digest;
    if (!digest_stream_end(stream, &digest)) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", file->path);
    }
    if (!digest_equal(&digest, &file->digest)) {
        char is[DIGEST_HEX_SIZE];
        char wanted[DIGEST_HEX_SIZE];
        digest_format(&digest, is);
        digest_format(&file->digest, wanted);
        return error_set(err, ERROR_VERIFY, "%s: SHA-256 is %s, the manifest says %s", file->path, is,
                         wanted);
    }
    return true;
}
