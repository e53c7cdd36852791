/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as each type of metadata: refused with a reason, or fit for every question that the client asks
 * before it knows whether the signatures are good. */
/* link: psw-tuf */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/cleanup.h"
#include "bundles/tuf/json.h"
#include "bundles/tuf/metadata.h"
#include "bundles/tuf/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void examine(const TufMetadata *metadata) {
    TufFileInfo info;
    TufHashes hashes;
    uint64_t length;
    json_t *custom;
    Error err = ERROR_INIT;
    for (TufType type = TUF_TYPE_ROOT; type < TUF_TYPES_COUNT && metadata->type == TUF_TYPE_ROOT; type++) {
        bool verified = tuf_metadata_verify(metadata, &metadata->roles[type], &metadata->keyring, &err);
        assert(verified || err.kind != ERROR_NONE);
    }
    if (metadata->type == TUF_TYPE_TIMESTAMP || metadata->type == TUF_TYPE_SNAPSHOT) {
        (void)tuf_metadata_file(metadata, "snapshot.json", &info);
    }
    if (metadata->type != TUF_TYPE_TARGETS) {
        return;
    }
    (void)tuf_metadata_target(metadata, "a", &length, &hashes, &custom);
    const TufDelegations *delegations = metadata->delegations;
    for (size_t i = 0; delegations != NULL && i < delegations->roles_count; i++) {
        (void)tuf_delegation_matches(&delegations->roles[i], "dir/file-1.bin");
    }
    if (delegations != NULL && delegations->bit_length > 0) {
        AUTO_FREE char *bin = tuf_delegations_bin(delegations, "dir/file-1.bin");
        (void)bin;
    }
}

/* The first byte chooses the type, as the file's name would. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    Error err = ERROR_INIT;
    TufType type = (TufType)(data[0] % TUF_TYPES_COUNT);
    CLEANUP(tuf_metadata_freep)
    TufMetadata *metadata = tuf_metadata_parse((Bytes){data + 1, size - 1}, "fuzz", type, &err);
    assert((metadata == NULL) == (err.kind != ERROR_NONE));
    if (metadata != NULL) {
        examine(metadata);
    }
    return 0;
}
