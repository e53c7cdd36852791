/* SPDX-License-Identifier: Apache-2.0
 *
 * Collateral from a file or a directory.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "bundles/base/file.h"
#include "bundles/dcap/collateral.h"

#define SINGLE_FILE "collateral.json"

static void close_directory(DIR **directory) {
    if (*directory != NULL) {
        (void)closedir(*directory);
    }
}

static bool add_file(Collateral *collateral, int dir_fd, const char *name, bool *ret_known, Error *err) {
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(COLLATERAL_SIZE_MAX);
    return file_read(dir_fd, name, &content, err) &&
           collateral_add(collateral, buffer_bytes(&content), name, ret_known, err);
}

static bool is_file(int dir_fd, const char *name) {
    struct stat status;
    return fstatat(dir_fd, name, &status, 0) == 0 && S_ISREG(status.st_mode);
}

/* What is no collateral, such as the quote beside it, is passed over. */
static bool add_directory(Collateral *collateral, int dir_fd, const char *path, Error *err) {
    CLEANUP(close_directory) DIR *directory = opendir(path);
    size_t files = 0, pieces = 0;
    if (directory == NULL) {
        return error_set_errno(err, errno, "%s", path);
    }
    for (const struct dirent *entry = NULL; (entry = readdir(directory)) != NULL;) {
        bool known = false;
        if (entry->d_name[0] == '.' || !is_file(dir_fd, entry->d_name)) {
            continue;
        }
        if (++files > COLLATERAL_FILES_MAX) {
            return error_set(err, ERROR_LIMIT, "%s: more than %d files: name a directory of collateral only",
                             path, COLLATERAL_FILES_MAX);
        }
        if (!add_file(collateral, dir_fd, entry->d_name, &known, err)) {
            return error_wrap(err, "%s", path);
        }
        pieces += known;
    }
    return pieces > 0 || error_set(err, ERROR_INPUT, "%s: no file in it is collateral", path);
}

Collateral *collateral_load(const char *path, Error *err) {
    CLEANUP(collateral_freep) Collateral *collateral = collateral_new(err);
    struct stat status;
    if (collateral == NULL) {
        return NULL;
    }
    if (stat(path, &status) != 0) {
        error_set_errno(err, errno, "%s", path);
        return NULL;
    }
    if (!S_ISDIR(status.st_mode)) {
        return add_file(collateral, AT_FDCWD, path, NULL, err) ? TAKE(collateral) : NULL;
    }
    AUTO_CLOSE int dir_fd = file_open_directory(AT_FDCWD, path, err);
    if (dir_fd < 0) {
        return NULL;
    }
    bool done = is_file(dir_fd, SINGLE_FILE) ? add_file(collateral, dir_fd, SINGLE_FILE, NULL, err)
                                             : add_directory(collateral, dir_fd, path, err);
    return done ? TAKE(collateral) : NULL;
}
