/* SPDX-License-Identifier: Apache-2.0
 *
 * LibrarySet: a bundle's libraries together with what they need of the host, and every symbol that they give.
 *
 * Invariant: each member was read whole and has an opened ElfLibrary, or an error that says why not. What is
 * needed and nowhere is kept by name.
 */
#ifndef MANAGER_CHECKS_LIBRARY_SET_H
#define MANAGER_CHECKS_LIBRARY_SET_H

#include "bundles/base/cleanup.h"
#include "bundles/sgx/elf_library.h"
#include "manager/checks/check.h"

enum { LIBRARY_SET_MAX = 256, LIBRARY_NAME_MAX = 128 };

typedef struct Library {
    char name[LIBRARY_NAME_MAX]; /* of the file, without directories */
    bool is_bundles;             /* else the host's */
    ManifestRole role;           /* of the bundle's */
    Buffer bytes;
    ElfLibrary elf;
    bool is_readable; /* else elf is of no use, and error says why */
    Error error;
} Library;

typedef struct LibrarySet {
    Library *libraries[LIBRARY_SET_MAX];
    size_t count;
    char missing[LIBRARY_NAME_MAX],
        missing_for[LIBRARY_NAME_MAX]; /* the first need that nobody meets; "": none */
    char **symbols;                    /* sorted: "name" and, for a versioned one, also "name@version" */
    size_t symbols_count, symbols_capacity;
} LibrarySet;

/* Everything that the bundle at subject->bundle_path needs. NULL: out of memory, or too many. */
LibrarySet *library_set_new(const CheckSubject *subject, Error *err) __attribute__((warn_unused_result));
void library_set_free(LibrarySet *set);
CLEANUP_DEFINE(LibrarySet, library_set_free)

/* By the name under which others need it; NULL: not in the set. */
const Library *library_set_find(const LibrarySet *set, const char *soname);

/* Does any member define the symbol? version "": any version. */
bool library_set_gives(const LibrarySet *set, const char *name, const char *version);

#endif
