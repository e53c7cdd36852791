/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tool/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bundles/base/file.h"
#include "bundles/base/text.h"

struct Output {
    char *path;
    char *directory;
    char *temporary; /* NULL: nothing to remove */
    int fd;
};

/* The directory part of a path: "." for none. The caller frees. */
static char *directory_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return strdup(".");
    }
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static const char *base_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static bool create(Output *output, Error *err) {
    char *temporary = text_format("%s/.%s.tmp-XXXXXX", output->directory, base_of(output->path));
    if (temporary == NULL) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", output->path);
    }
    output->fd = mkostemp(temporary, O_CLOEXEC);
    if (output->fd < 0) {
        error_set_errno(err, errno, "%s: cannot write in %s", output->path, output->directory);
        free(temporary);
        return false;
    }
    output->temporary = temporary;
    /* mkostemp makes it private; the result is an ordinary file. */
    mode_t mask = umask(0);
    (void)umask(mask);
    return fchmod(output->fd, 0666 & ~mask) == 0 || error_set_errno(err, errno, "%s", output->path);
}

Output *output_open(const char *path, Error *err) {
    if (*base_of(path) == 0) {
        error_set(err, ERROR_USAGE, "'%s' is not the name of a file", path);
        return NULL;
    }
    if (!file_check_regular(path, false, err)) { /* it would be replaced, /dev/null too */
        return NULL;
    }
    CLEANUP(output_closep) Output *output = calloc(1, sizeof *output);
    if (output != NULL) {
        output->fd = -1;
        output->path = strdup(path);
        output->directory = directory_of(path);
    }
    if (output == NULL || output->path == NULL || output->directory == NULL) {
        error_set(err, ERROR_MEMORY, "%s: out of memory", path);
        return NULL;
    }
    return create(output, err) ? TAKE(output) : NULL;
}

int output_fd(const Output *output) {
    return output->fd;
}

bool output_commit(Output *output, Error *err) {
    if (fsync(output->fd) != 0 || rename(output->temporary, output->path) != 0) {
        return error_set_errno(err, errno, "cannot write %s", output->path);
    }
    free(TAKE(output->temporary));
    return file_sync_directory(AT_FDCWD, output->directory, err);
}

void output_close(Output *output) {
    if (output == NULL) {
        return;
    }
    if (output->temporary != NULL) {
        (void)unlink(output->temporary);
    }
    cleanup_close(&output->fd);
    free(output->temporary);
    free(output->directory);
    free(output->path);
    free(output);
}
