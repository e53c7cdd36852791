/* SPDX-License-Identifier: Apache-2.0
 *
 * LibraryMaker: small shared objects that are good for reading, with the symbols, versions and needs that a
 * test wants. They have no code and no sections.
 */
#ifndef TESTS_SUPPORT_LIBRARY_MAKER_H
#define TESTS_SUPPORT_LIBRARY_MAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAKER_NAMES_MAX = 8, MAKER_SIZE_MAX = 16 * 1024 };

typedef struct LibrarySpec {
    const char *soname; /* NULL: none */
    const char *run_path;
    const char *needed[MAKER_NAMES_MAX];
    const char *defines[MAKER_NAMES_MAX];
    const char *version; /* of everything it defines; NULL: none */
    const char *wants[MAKER_NAMES_MAX];
    const char *wanted_version; /* of everything it wants, of needed[0]; NULL: none */
    bool weak;                  /* what it wants it can do without */
    bool executable_stack;
    bool gnu_hash; /* instead of DT_HASH */
} LibrarySpec;

size_t library_make(const LibrarySpec *spec, uint8_t bytes[MAKER_SIZE_MAX]);

#endif
