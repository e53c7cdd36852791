/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/library/loaded.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"

bool sim_loaded_set_path(SimLoaded *loaded, const char *path) {
    struct stat file;
    return path != NULL && strlen(path) < sizeof loaded->path && stat(path, &file) == 0 &&
           S_ISREG(file.st_mode) && text_copy(loaded->path, sizeof loaded->path, path);
}

static char *file_path(const SimLoaded *loaded, const char *directory) {
    return loaded->path[0] != 0 ? strdup(loaded->path)
                                : text_format("%s/%s", directory, sim_enclave_soname(loaded->role));
}

bool sim_loaded_read(const SimLoaded *loaded, const char *directory, Buffer *file, struct stat *ret_stat,
                     Error *err) {
    AUTO_FREE char *path = file_path(loaded, directory);
    if (path == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    AUTO_CLOSE int fd = file_open(AT_FDCWD, path, O_RDONLY, 0, err);
    if (fd < 0) {
        return false;
    }
    if (fstat(fd, ret_stat) != 0) {
        return error_set_errno(err, errno, "%s", path);
    }
    return file_read_fd(fd, path, file, err);
}

static bool is_known(const SimLoaded *loaded, const char *directory) {
    AUTO_FREE char *path = file_path(loaded, directory);
    struct stat now;
    return loaded->file.st_ino != 0 && path != NULL && stat(path, &now) == 0 &&
           file_is_same(&now, &loaded->file);
}

static bool examine(SimLoaded *loaded, const char *directory, Error *err) {
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(SIM_IMAGE_FILE_MAX);
    struct stat file;
    if (!sim_loaded_read(loaded, directory, &bytes, &file, err) ||
        !sim_image_start(buffer_bytes(&bytes), &loaded->identity, err)) {
        return error_wrap(err, "%s", sim_enclave_soname(loaded->role));
    }
    loaded->file = file;
    return true;
}

SimLoadAnswer sim_loaded_start(SimLoaded *loaded, const char *directory, const SimPlatform *platform,
                               SimEpc *epc, Error *err) {
    if (loaded->running) {
        return SIM_LOAD_DONE;
    }
    if (!is_known(loaded, directory) && !examine(loaded, directory, err)) {
        return SIM_LOAD_REFUSED;
    }
    const uint64_t budget = platform->knobs.epc_kib;
    SimEpcAnswer answer = SIM_EPC_EXHAUSTED;
    if (!sim_epc_take(epc, platform->dir_fd, budget, loaded->identity.epc_kib, &answer, err)) {
        return SIM_LOAD_REFUSED;
    }
    if (answer == SIM_EPC_EXHAUSTED) {
        error_set(err, ERROR_LIMIT, "%s: %llu KiB do not fit into the EPC of %llu KiB any more",
                  sim_enclave_soname(loaded->role), (unsigned long long)loaded->identity.epc_kib,
                  (unsigned long long)budget);
        return SIM_LOAD_NO_EPC;
    }
    loaded->charged_kib = budget == 0 ? 0 : loaded->identity.epc_kib;
    loaded->running = true;
    return SIM_LOAD_DONE;
}

void sim_loaded_stop(SimLoaded *loaded, SimEpc *epc) {
    if (loaded->running) {
        sim_epc_give(epc, loaded->charged_kib);
        loaded->charged_kib = 0;
        loaded->running = false;
    }
}
