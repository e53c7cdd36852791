/* SPDX-License-Identifier: Apache-2.0
 *
 * TarHeader: the header of a plain file in a tar archive, whatever it says of what follows. Archives with
 * more or larger files than a writer would want to write are made of these. Layout: POSIX ustar.
 */
#ifndef TESTS_SUPPORT_TAR_HEADER_H
#define TESTS_SUPPORT_TAR_HEADER_H

#include <stddef.h>
#include <stdint.h>

enum { TAR_HEADER_SIZE = 512 };

/* A name of less than 100 bytes, a size below 8 GiB. */
void tar_header_make(uint8_t header[TAR_HEADER_SIZE], const char *name, uint64_t size);

/* An archive in memory of so many empty files of that name; the caller closes. */
int tar_header_many(const char *name, size_t count);

/* A sparse file in memory: a header that says `size`, and zeros up to `file_size` bytes in all. */
int tar_header_sparse(const char *name, uint64_t size, uint64_t file_size);

#endif
