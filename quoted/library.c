/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/library.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/sgx/elf.h"

#define PROVIDER_NAME "libdcap_quoteprov.so"

typedef enum ObjectState { OBJECT_WAITS, OBJECT_LOADED, OBJECT_FAILED } ObjectState;

/* One shared object of the bundle. */
typedef struct Object {
    const ManifestFile *file;
    char soname[ELF_SONAME_MAX + 1];
    Bytes content; /* mapped */
    Elf *elf;      /* borrows the content; NULL: not readable, so nothing is known of its needs */
    ObjectState state;
    void *handle;
    Error why; /* it failed */
} Object;

typedef struct Loading {
    const char *directory;
    size_t count;
    Object objects[MANIFEST_FILES_MAX];
} Loading;

static void loading_free(Loading *loading) {
    for (size_t i = 0; i < loading->count; i++) {
        file_unmap(loading->objects[i].content);
        free(loading->objects[i].elf);
    }
    free(loading);
}
CLEANUP_DEFINE(Loading, loading_free)

const ManifestFile *libraries_find_provider(const Manifest *manifest) {
    for (size_t i = 0; i < manifest->files_count; i++) {
        const ManifestFile *file = &manifest->files[i];
        if (file->role == MANIFEST_ROLE_PROVIDER && strstr(file->path, PROVIDER_NAME) != NULL) {
            return file;
        }
    }
    return NULL;
}

static bool is_wanted(const ManifestFile *file, bool host_provider) {
    bool role = file->role == MANIFEST_ROLE_RUNTIME || file->role == MANIFEST_ROLE_PCE_LOGIC ||
                file->role == MANIFEST_ROLE_QE3_LOGIC ||
                (file->role == MANIFEST_ROLE_PROVIDER && !host_provider);
    return file->role == MANIFEST_ROLE_QUOTE_LIBRARY || (role && strstr(file->path, ".so") != NULL);
}

/* What cannot be read or is no ELF file is left to the dynamic loader, which says why it does not load. */
static void examine(Object *object, int dir_fd) {
    const char *slash = strrchr(object->file->path, '/');
    ElfSoname soname;
    (void)text_copy(object->soname, sizeof object->soname, slash != NULL ? slash + 1 : object->file->path);
    object->elf = malloc(sizeof *object->elf);
    if (object->elf == NULL ||
        !file_map(dir_fd, object->file->path, MANIFEST_FILE_SIZE_MAX, &object->content, NULL) ||
        !elf_parse(object->content, object->elf, NULL)) {
        free(TAKE(object->elf));
    } else if (elf_soname(object->elf, &soname, NULL) && soname.text[0] != 0) {
        (void)text_copy(object->soname, sizeof object->soname, soname.text);
    }
}

static bool gather(Loading *loading, const Manifest *manifest, bool host_provider, Error *err) {
    AUTO_CLOSE int dir_fd = file_open_directory(AT_FDCWD, loading->directory, err);
    if (dir_fd < 0) {
        return false;
    }
    for (size_t i = 0; i < manifest->files_count; i++) {
        if (is_wanted(&manifest->files[i], host_provider)) {
            Object *object = &loading->objects[loading->count++];
            *object = (Object){.file = &manifest->files[i]};
            examine(object, dir_fd);
        }
    }
    return true;
}

/* Intel's QE logic calls the PCE logic without naming it among its needs: its users do. So it has to find
 * the functions of the PCE logic in what the whole process sees. */
static bool comes_before(const Object *object, const Object *other) {
    return object->file->role == MANIFEST_ROLE_PCE_LOGIC && other->file->role == MANIFEST_ROLE_QE3_LOGIC;
}

typedef struct Need {
    Loading *loading;
    const Object *found; /* of the bundle and not loaded */
} Need;

static bool look_for_need(void *context, const char *soname, Error *err) {
    (void)err;
    Need *need = context;
    for (size_t i = 0; i < need->loading->count && need->found == NULL; i++) {
        const Object *object = &need->loading->objects[i];
        if (object->state != OBJECT_LOADED && strcmp(object->soname, soname) == 0) {
            need->found = object;
        }
    }
    return true;
}

/* An object of the bundle that has to be loaded before this one and is not; NULL: it can be loaded. */
static const Object *unmet_need(Loading *loading, const Object *object) {
    Need need = {.loading = loading};
    for (size_t i = 0; i < loading->count; i++) {
        if (loading->objects[i].state != OBJECT_LOADED && comes_before(&loading->objects[i], object)) {
            return &loading->objects[i];
        }
    }
    if (object->elf != NULL && !elf_each_needed(object->elf, look_for_need, &need, NULL)) {
        return NULL; /* damaged: the loader will say so */
    }
    return need.found == object ? NULL : need.found;
}

static void load(const Loading *loading, Object *object) {
    AUTO_FREE char *path = text_format("%s/%s", loading->directory, object->file->path);
    int scope = object->file->role == MANIFEST_ROLE_PCE_LOGIC ? RTLD_GLOBAL : RTLD_LOCAL;
    object->handle = path != NULL ? dlopen(path, RTLD_NOW | scope) : NULL;
    object->state = object->handle != NULL ? OBJECT_LOADED : OBJECT_FAILED;
    if (path == NULL) {
        error_set(&object->why, ERROR_MEMORY, "out of memory");
    } else if (object->handle == NULL) {
        error_set(&object->why, ERROR_ENGINE, "library '%s' does not load: %s", object->file->path,
                  dlerror());
    }
}

static void load_in_order(Loading *loading) {
    for (bool progress = true; progress;) {
        progress = false;
        for (size_t i = 0; i < loading->count; i++) {
            Object *object = &loading->objects[i];
            if (object->state == OBJECT_WAITS && unmet_need(loading, object) == NULL) {
                load(loading, object);
                progress = true;
            }
        }
    }
}

/* Who still waits has a need that failed, or they need each other in a circle. */
static void tell_failure(Loading *loading, const Object *object, Error *err) {
    const Object *need = object;
    for (size_t i = 0; i < loading->count && need != NULL && need->state == OBJECT_WAITS; i++) {
        need = unmet_need(loading, need);
    }
    if (need == NULL || need->state == OBJECT_WAITS) {
        error_set(err, ERROR_ENGINE, "library '%s': some of the bundle's libraries need each other",
                  object->file->path);
        return;
    }
    error_set(err, need->why.kind, "%s", need->why.text);
    if (need != object) {
        error_wrap(err, "library '%s' needs another one of the bundle", object->file->path);
    }
}

/* The first of the role; NULL if there is none. */
static bool require(Loading *loading, ManifestRole role, const char *name, void **ret_handle, Error *err) {
    for (size_t i = 0; i < loading->count; i++) {
        Object *object = &loading->objects[i];
        if (object->file->role == role && strstr(object->file->path, name) != NULL) {
            *ret_handle = object->handle;
            if (object->state != OBJECT_LOADED) {
                tell_failure(loading, object, err);
            }
            return object->state == OBJECT_LOADED;
        }
    }
    return true;
}

typedef struct Foreigner {
    const Loading *loading;
    Error *err;
} Foreigner;

static int check_origin(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    const Foreigner *foreigner = context;
    const Loading *loading = foreigner->loading;
    const char *slash = strrchr(info->dlpi_name, '/');
    size_t length = strlen(loading->directory);
    bool is_own = strncmp(info->dlpi_name, loading->directory, length) == 0 && info->dlpi_name[length] == '/';
    for (size_t i = 0; !is_own && slash != NULL && i < loading->count; i++) {
        if (strcmp(slash + 1, loading->objects[i].soname) == 0) {
            (void)error_set(foreigner->err, ERROR_ENGINE,
                            "library '%s' of the bundle is not the one in use: %s is",
                            loading->objects[i].file->path, info->dlpi_name);
            return 1;
        }
    }
    return 0;
}

/* By its name alone, as the QE logic will ask for it at every quote. It stays loaded. */
static bool load_host_provider(Error *err) {
    const void *library = dlopen(PROVIDER_NAME ".1", RTLD_LAZY | RTLD_LOCAL);
    if (library == NULL) {
        library = dlopen(PROVIDER_NAME, RTLD_LAZY | RTLD_LOCAL);
    }
    return library != NULL ||
           error_set(err, ERROR_ENGINE,
                     "provider: host: the host's certificate provider does not load: %s: install one, or "
                     "write 'provider: bundle'",
                     dlerror());
}

bool libraries_load(const char *directory, const Manifest *manifest, bool host_provider,
                    Libraries *ret_libraries, Error *err) {
    CLEANUP(loading_freep) Loading *loading = calloc(1, sizeof *loading);
    Libraries libraries = {0};
    void *provider = NULL;
    if (loading == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    loading->directory = directory;
    if (!gather(loading, manifest, host_provider, err) || (host_provider && !load_host_provider(err))) {
        return false;
    }
    load_in_order(loading);
    /* Without its provider a QE makes quotes that carry no certificate, which nobody would notice here. */
    if (!require(loading, MANIFEST_ROLE_QE3_LOGIC, "", &libraries.logic, err) ||
        !require(loading, MANIFEST_ROLE_QUOTE_LIBRARY, "", &libraries.quote, err) ||
        !require(loading, MANIFEST_ROLE_PROVIDER, PROVIDER_NAME, &provider, err)) {
        return false;
    }
    Foreigner foreigner = {.loading = loading, .err = err};
    if (dl_iterate_phdr(check_origin, &foreigner) != 0) {
        return false;
    }
    *ret_libraries = libraries;
    return true;
}
