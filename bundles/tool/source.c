/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tool/source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"

bool source_open_file(Source *source, const char *path, Error *err) {
    /* Not to hang on a pipe; what is no regular file is refused when the bundle is opened. */
    source->fd = file_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);
    source->path = path;
    return source->fd >= 0;
}

bool source_read(Source *source, Error *err) {
    source->bundle = bundle_open(source->fd, source->path, err);
    if (source->bundle == NULL) {
        return false;
    }
    struct stat facts = {0};
    (void)fstat(source->fd, &facts);
    source->size = (uint64_t)facts.st_size;
    return true;
}

bool source_open(Source *source, const char *path, Error *err) {
    return source_open_file(source, path, err) && source_read(source, err);
}

void source_done(Source *source) {
    bundle_close(source->bundle);
    cleanup_close(&source->fd);
    *source = SOURCE_INIT;
}
