/* SPDX-License-Identifier: Apache-2.0
 *
 * ArchiveHeader: the one 512-byte tar header (POSIX.1-2017 pax, "ustar Interchange Format") that a plain file
 * has in a bundle. libarchive makes it; who reads makes it again and compares, so that no foreign tar header
 * is ever interpreted on a node. For archive_read.c and archive_write.c only.
 */
#ifndef BUNDLES_ARCHIVE_HEADER_H
#define BUNDLES_ARCHIVE_HEADER_H

#include "bundles/archive.h"

enum { ARCHIVE_BLOCK_SIZE = 512, ARCHIVE_END_SIZE = 2 * ARCHIVE_BLOCK_SIZE };

typedef struct ArchiveHeader {
    uint8_t bytes[ARCHIVE_BLOCK_SIZE];
} ArchiveHeader;

bool archive_header_make(const char *path, uint64_t size, unsigned mode, ArchiveHeader *ret_header,
                         Error *err) __attribute__((warn_unused_result));

/* What a foreign header says, to be believed only after the comparison. False if there are no 11 octal digits
 * where the size has to be. */
bool archive_header_size(const ArchiveHeader *header, uint64_t *ret_size);
/* For error texts only. */
bool archive_header_is_plain(const ArchiveHeader *header);
void archive_header_path(const ArchiveHeader *header, char path[ARCHIVE_PATH_MAX + 1]); /* printable */

/* Zeros between the end of a file of that size and the next header. */
static inline size_t archive_padding(uint64_t size) {
    return (size_t)(-size % ARCHIVE_BLOCK_SIZE);
}

#endif
