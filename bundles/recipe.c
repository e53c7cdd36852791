/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/bundle.h"
#include "bundles/manifest_keys.h"
#include "bundles/sgx/metadata.h"

/* What the SIGSTRUCT says, unverified: that is the gate's to do, and a recipe may be for anything. */
static bool read_sigstruct(Bytes content, Sigstruct *ret_sigstruct) {
    AUTO_FREE Elf *elf = malloc(sizeof *elf);
    AUTO_FREE Metadata *metadata = malloc(sizeof *metadata);
    return elf != NULL && metadata != NULL && elf_parse(content, elf, NULL) &&
           metadata_parse(elf, metadata, NULL) &&
           sigstruct_parse(metadata->entries[0].sigstruct, ret_sigstruct, NULL);
}

/* An enclave's identity, if it has one; one that the recipe states has to be that. */
static bool identify(int fd, ManifestFile *file, Error *err) {
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(BUNDLE_ENCLAVE_SIZE_MAX + 1);
    Sigstruct sigstruct;
    if (!manifest_role_is_enclave(file->role) || file->size > BUNDLE_ENCLAVE_SIZE_MAX) {
        return true;
    }
    if (lseek(fd, 0, SEEK_SET) != 0 || !file_read_fd(fd, file->path, &content, err)) {
        return error_wrap(err, "cannot read");
    }
    if (!read_sigstruct(buffer_bytes(&content), &sigstruct)) {
        return !file->has_identity ||
               error_set(err, ERROR_VERIFY, "%s: not a signed enclave, the recipe states its identity",
                         file->path);
    }
    Digest mr_enclave;
    memcpy(mr_enclave.bytes, sigstruct.mr_enclave, sizeof mr_enclave.bytes);
    if (file->has_identity &&
        (file->isv_svn != sigstruct.svn || !digest_equal(&file->mr_enclave, &mr_enclave))) {
        return error_set(err, ERROR_VERIFY, "%s: isvsvn or mrenclave are not those that the recipe states",
                         file->path);
    }
    file->has_identity = true;
    file->isv_svn = sigstruct.svn;
    file->mr_enclave = mr_enclave;
    return true;
}

static bool measure(int dir_fd, ManifestFile *file, Error *err) {
    /* Not to hang on a pipe in a file's place. */
    AUTO_CLOSE int fd = file_open(dir_fd, file->path, O_RDONLY | O_NONBLOCK, 0, err);
    struct stat facts;
    if (fd < 0) {
        return false;
    }
    if (fstat(fd, &facts) != 0) {
        return error_set_errno(err, errno, "%s", file->path);
    }
    if (!S_ISREG(facts.st_mode)) {
        return error_set(err, ERROR_INPUT, "%s: not a regular file", file->path);
    }
    file->size = (uint64_t)facts.st_size;
    if (file->size > MANIFEST_FILE_SIZE_MAX) {
        return error_set(err, ERROR_LIMIT, "%s: larger than %llu bytes", file->path,
                         (unsigned long long)MANIFEST_FILE_SIZE_MAX);
    }
    return digest_of_fd(fd, &file->digest, err) && identify(fd, file, err);
}

static bool measure_all(int dir_fd, Manifest *manifest, Error *err) {
    uint64_t total = 0;
    for (size_t i = 0; i < manifest->files_count; i++) {
        if (!measure(dir_fd, &manifest->files[i], err)) {
            return false;
        }
        total += manifest->files[i].size;
    }
    return total <= MANIFEST_TOTAL_SIZE_MAX ||
           error_set(err, ERROR_LIMIT, "the files have more than %llu bytes in all",
                     (unsigned long long)MANIFEST_TOTAL_SIZE_MAX);
}

CLEANUP_DEFINE(Manifest, manifest_free)

Manifest *recipe_load(int dir_fd, Error *err) {
    void *value = NULL;
    if (!settings_load(dir_fd, RECIPE_NAME, &manifest_keys_schema, ERROR_INPUT, &value, err)) {
        return NULL;
    }
    CLEANUP(manifest_keys_freep) ManifestKeys *keys = value;
    CLEANUP(manifest_freep) Manifest *manifest = manifest_keys_convert(keys, true, RECIPE_NAME, err);
    return manifest != NULL && measure_all(dir_fd, manifest, err) ? TAKE(manifest) : NULL;
}
