/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/library_set.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "manager/checks/host_library.h"

enum { LIBRARY_SIZE_MAX = 64 * 1024 * 1024, SYMBOLS_MAX = 1 << 21 };

void library_set_free(LibrarySet *set) {
    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        buffer_done(&set->libraries[i]->bytes);
        free(set->libraries[i]);
    }
    for (size_t i = 0; i < set->symbols_count; i++) {
        free(set->symbols[i]);
    }
    free(set->symbols);
    free(set);
}

const Library *library_set_find(const LibrarySet *set, const char *soname) {
    for (size_t i = 0; i < set->count; i++) {
        const Library *library = set->libraries[i];
        if (strcmp(library->name, soname) == 0 ||
            (library->is_readable && strcmp(library->elf.soname.text, soname) == 0)) {
            return library;
        }
    }
    return NULL;
}

static Library *add(LibrarySet *set, const char *name, Error *err) {
    if (set->count == LIBRARY_SET_MAX) {
        error_set(err, ERROR_LIMIT, "more than %d libraries are needed", LIBRARY_SET_MAX);
        return NULL;
    }
    Library *library = calloc(1, sizeof *library);
    if (library == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    (void)snprintf(library->name, sizeof library->name, "%s", name);
    library->bytes = BUFFER_INIT(LIBRARY_SIZE_MAX);
    set->libraries[set->count++] = library;
    return library;
}

/* What fails is kept with the library: which check tells of it is not decided here. */
static void open_elf(Library *library, bool was_read) {
    library->is_readable =
        was_read && elf_library_open(buffer_bytes(&library->bytes), &library->elf, &library->error);
}

static bool is_library(const ManifestFile *file) {
    return file->role != MANIFEST_ROLE_DATA && !manifest_role_is_enclave(file->role) &&
           strstr(file->path, ".so") != NULL;
}

static bool add_bundle(LibrarySet *set, const CheckSubject *subject, Error *err) {
    AUTO_CLOSE int dir_fd = file_open_directory(AT_FDCWD, subject->bundle_path, err);
    if (dir_fd < 0) {
        return false;
    }
    for (size_t i = 0; i < subject->bundle->files_count; i++) {
        const ManifestFile *file = &subject->bundle->files[i];
        const char *slash = strrchr(file->path, '/');
        if (!is_library(file)) {
            continue;
        }
        Library *library = add(set, slash != NULL ? slash + 1 : file->path, err);
        if (library == NULL) {
            return false;
        }
        library->is_bundles = true;
        library->role = file->role;
        open_elf(library, file_read(dir_fd, file->path, &library->bytes, &library->error));
    }
    return true;
}

typedef struct Need {
    LibrarySet *set;
    const CheckSubject *subject;
    const Library *of;
} Need;

static bool meet(void *context, const char *soname, Error *err) {
    const Need *need = context;
    char path[HOST_LIBRARY_PATH_MAX];
    if (library_set_find(need->set, soname) != NULL) {
        return true;
    }
    if (!host_library_find(need->subject->host, soname, path)) {
        if (need->set->missing[0] == '\0') {
            (void)snprintf(need->set->missing, LIBRARY_NAME_MAX, "%s", soname);
            (void)snprintf(need->set->missing_for, LIBRARY_NAME_MAX, "%s", need->of->name);
        }
        return true;
    }
    Library *library = add(need->set, soname, err);
    AUTO_CLOSE int fd = library != NULL ? host_open_file(need->subject->host, path, O_RDONLY) : -1;
    if (library == NULL) {
        return false;
    }
    open_elf(library, fd >= 0 ? file_read_fd(fd, path, &library->bytes, &library->error)
                              : error_set(&library->error, ERROR_SYSTEM, "%s cannot be opened", path));
    return true;
}

static bool add_text(LibrarySet *set, char *text, Error *err) {
    if (text == NULL || set->symbols_count == SYMBOLS_MAX) {
        const bool too_many = text != NULL;
        free(text);
        return too_many ? error_set(err, ERROR_LIMIT, "the libraries have more than %d symbols", SYMBOLS_MAX)
                        : error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (set->symbols_count == set->symbols_capacity) {
        size_t capacity = set->symbols_capacity == 0 ? 4096 : set->symbols_capacity * 2;
        char **larger = realloc(set->symbols, capacity * sizeof *larger);
        if (larger == NULL) {
            free(text);
            return error_set(err, ERROR_MEMORY, "out of memory");
        }
        set->symbols = larger;
        set->symbols_capacity = capacity;
    }
    set->symbols[set->symbols_count++] = text;
    return true;
}

static bool add_symbol(void *context, const ElfSymbol *symbol, Error *err) {
    if (!symbol->defined || symbol->name[0] == '\0') {
        return true;
    }
    return add_text(context, strdup(symbol->name), err) &&
           (symbol->version[0] == '\0' ||
            add_text(context, text_format("%s@%s", symbol->name, symbol->version), err));
}

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool fill(LibrarySet *set, const CheckSubject *subject, Error *err) {
    if (!add_bundle(set, subject, err)) {
        return false;
    }
    for (size_t i = 0; i < set->count; i++) { /* grows while it runs */
        Library *library = set->libraries[i];
        Need need = {set, subject, library};
        if (library->is_readable &&
            !(elf_each_needed(&library->elf.elf, meet, &need, &library->error) &&
              elf_library_each_symbol(&library->elf, add_symbol, set, &library->error))) {
            library->is_readable = false;
        }
        if (library->error.kind == ERROR_MEMORY || library->error.kind == ERROR_LIMIT) {
            *err = library->error;
            return false;
        }
    }
    if (set->symbols_count > 0) {
        qsort(set->symbols, set->symbols_count, sizeof *set->symbols, compare);
    }
    return true;
}

LibrarySet *library_set_new(const CheckSubject *subject, Error *err) {
    CLEANUP(library_set_freep) LibrarySet *set = calloc(1, sizeof *set);
    if (set == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    return fill(set, subject, err) ? TAKE(set) : NULL;
}

bool library_set_gives(const LibrarySet *set, const char *name, const char *version) {
    AUTO_FREE char *full = version[0] != '\0' ? text_format("%s@%s", name, version) : strdup(name);
    return full == NULL || (set->symbols_count > 0 && bsearch(&full, set->symbols, set->symbols_count,
                                                              sizeof *set->symbols, compare) != NULL);
}
