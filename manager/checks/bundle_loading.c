/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/bundle_loading.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/sgx/elf_library.h"
#include "manager/checks/child.h"

enum { LIBRARY_SIZE_MAX = 64 * 1024 * 1024 };

const char *const bundle_loading_functions[] = {"sgx_qe_get_target_info",
                                                "sgx_qe_get_quote_size",
                                                "sgx_qe_get_quote",
                                                "sgx_ql_set_path",
                                                "sgx_qe_cleanup_by_policy",
                                                "sgx_qe_set_enclave_load_policy",
                                                NULL};

typedef struct Waiting {
    const Manifest *manifest;
    const bool *loaded;
    bool found;
} Waiting;

static const char *name_of(const ManifestFile *file) {
    const char *slash = strrchr(file->path, '/');
    return slash != NULL ? slash + 1 : file->path;
}

static bool is_library(const ManifestFile *file) {
    return (file->role == MANIFEST_ROLE_QUOTE_LIBRARY || file->role == MANIFEST_ROLE_QE3_LOGIC ||
            file->role == MANIFEST_ROLE_PCE_LOGIC || file->role == MANIFEST_ROLE_RUNTIME) &&
           strstr(file->path, ".so") != NULL;
}

static bool is_awaited(void *context, const char *soname, Error *err) {
    (void)err;
    Waiting *waiting = context;
    for (size_t i = 0; i < waiting->manifest->files_count; i++) {
        const ManifestFile *file = &waiting->manifest->files[i];
        waiting->found =
            waiting->found || (is_library(file) && !waiting->loaded[i] && strcmp(name_of(file), soname) == 0);
    }
    return true;
}

/* Does it need a library of the bundle that is not loaded yet? */
static bool must_wait(const BundleLoading *loading, size_t index, const bool *loaded) {
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(LIBRARY_SIZE_MAX);
    Waiting waiting = {loading->manifest, loaded, false};
    Error ignored = ERROR_INIT;
    AUTO_FREE Elf *elf = malloc(sizeof *elf);
    AUTO_FREE char *path = text_format("%s/%s", loading->directory, loading->manifest->files[index].path);
    return elf != NULL && path != NULL && file_read(AT_FDCWD, path, &bytes, &ignored) &&
           elf_parse(buffer_bytes(&bytes), elf, &ignored) &&
           elf_each_needed(elf, is_awaited, &waiting, &ignored) && waiting.found;
}

static bool load(const BundleLoading *loading, size_t index, void **ret_quote, char *text) {
    const ManifestFile *file = &loading->manifest->files[index];
    AUTO_FREE char *path = text_format("%s/%s", loading->directory, file->path);
    int scope = file->role == MANIFEST_ROLE_PCE_LOGIC ? RTLD_GLOBAL : RTLD_LOCAL;
    void *handle = path != NULL ? dlopen(path, RTLD_NOW | scope) : NULL;
    if (handle == NULL) {
        const char *why = path != NULL ? dlerror() : "out of memory";
        (void)snprintf(text, CHILD_TEXT_MAX, "%s does not load: %.300s", name_of(file), why);
        return false;
    }
    *ret_quote = file->role == MANIFEST_ROLE_QUOTE_LIBRARY ? handle : *ret_quote;
    return true;
}

static bool has_functions(void *quote, char *text) {
    for (const char *const *name = bundle_loading_functions; *name != NULL; name++) {
        if (quote == NULL || dlsym(quote, *name) == NULL) {
            (void)snprintf(text, CHILD_TEXT_MAX, "the quote library has no function %s", *name);
            return false;
        }
    }
    (void)snprintf(text, CHILD_TEXT_MAX, "its libraries load and have every function");
    return true;
}

bool bundle_loading_try(void *context, char *text) {
    const BundleLoading *loading = context;
    bool loaded[MANIFEST_FILES_MAX] = {false};
    void *quote = NULL;
    (void)unsetenv("SGX_AESM_ADDR"); /* else Intel's library goes to a daemon instead of loading enclaves */
    for (size_t round = 0; round < loading->manifest->files_count; round++) {
        bool force = round + 1 == loading->manifest->files_count; /* libraries that need each other */
        for (size_t i = 0; i < loading->manifest->files_count; i++) {
            if (loaded[i] || !is_library(&loading->manifest->files[i]) ||
                (!force && must_wait(loading, i, loaded))) {
                continue;
            }
            if (!load(loading, i, &quote, text)) {
                return false;
            }
            loaded[i] = true;
        }
    }
    return has_functions(quote, text);
}
