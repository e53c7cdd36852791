/* SPDX-License-Identifier: Apache-2.0
 *
 * ArchiveSeal: the last 40 bytes of a bundle file. A zstd skippable frame (RFC 8878, 3.1.2): magic
 * 0x184D2A5B, u32 size 32, SHA-256 of all bytes before it. For archive_read.c and archive_write.c only.
 */
#ifndef BUNDLES_ARCHIVE_SEAL_H
#define BUNDLES_ARCHIVE_SEAL_H

#include "bundles/archive.h"
#include "bundles/base/bytes.h"
#include "bundles/base/digest.h"

static inline void archive_seal_format(const Digest *digest, uint8_t seal[ARCHIVE_SEAL_SIZE]) {
    bytes_put_le32(seal, 0x184d2a5bU);
    bytes_put_le32(seal + 4, DIGEST_SIZE);
    memcpy(seal + 8, digest->bytes, DIGEST_SIZE);
}

#endif
