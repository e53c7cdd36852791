/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths of targets and names of roles: patterns of delegations, hash bins, and the encoding that makes a name
 * fit for a URL and for a file beneath a directory.
 */
#ifndef BUNDLES_TUF_PATH_H
#define BUNDLES_TUF_PATH_H

#include <stdbool.h>
#include <stddef.h>

enum { TUF_ENCODED_SIZE = 3 * 1024 + 1 };

/* Shell pattern over the parts between '/': '*', '?' and '[...]' never cross a '/', matching is
 * case-sensitive, a backslash and a leading dot are plain. Linear in pattern times text. */
bool tuf_path_matches(const char *pattern, const char *path);

/* Whether the hex SHA-256 of the path starts with the (lower-case) prefix. */
bool tuf_path_has_prefix(const char *path, const char *prefix);

/* The bin of a path under succinct hash-bin delegations: the top bits (1 to 32) of its SHA-256. */
bool tuf_path_bin(const char *path, unsigned bit_length, unsigned long *ret_bin);

/* Percent-encodes everything outside A-Z a-z 0-9 '-' '.' '_' '~' and, with `keep_slash`, '/'. False and
 * nothing written when it does not fit. */
bool tuf_path_encode(const char *name, bool keep_slash, char *buffer, size_t size);

/* The reverse; false for a '%' that is not followed by two hex digits, for NUL, or when it does not fit. */
bool tuf_path_decode(const char *encoded, char *buffer, size_t size);

#endif
