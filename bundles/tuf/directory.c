/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/tuf/path.h"

enum { PIECE_SIZE = 65536 };

static TufFetched send_file(int fd, const char *path, const TufSink *sink, Error *err) {
    AUTO_FREE uint8_t *piece = malloc(PIECE_SIZE);
    if (piece == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return TUF_FETCHED_FAILED;
    }
    for (;;) {
        ssize_t size = read(fd, piece, PIECE_SIZE);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            error_set_errno(err, errno, "%s: cannot be read", path);
            return TUF_FETCHED_FAILED;
        }
        if (size == 0) {
            return TUF_FETCHED_ALL;
        }
        if (!sink->write(sink->context, piece, (size_t)size, err)) {
            return TUF_FETCHED_FAILED;
        }
    }
}

static TufFetched fetch(void *context, const TufRequest *request, const TufSink *sink, Error *err) {
    const TufDirectory *directory = context;
    char path[TUF_ENCODED_SIZE];
    Error inner = ERROR_INIT;
    int dir_fd = request->kind == TUF_FETCH_METADATA ? directory->metadata_fd : directory->targets_fd;
    if (dir_fd < 0 || !tuf_path_decode(request->path, path, sizeof path)) {
        return TUF_FETCHED_ABSENT;
    }
    if (request->kind == TUF_FETCH_METADATA && strchr(path, '/') != NULL) {
        return TUF_FETCHED_ABSENT; /* a role's encoded slash is no directory */
    }
    struct stat status;
    AUTO_CLOSE int fd = file_open_regular(dir_fd, path, &status, &inner);
    if (fd < 0 && inner.kind == ERROR_NOT_FOUND) {
        return TUF_FETCHED_ABSENT;
    }
    if (fd < 0) {
        error_set(err, inner.kind, "%s", inner.text);
        return TUF_FETCHED_FAILED;
    }
    return send_file(fd, request->path, sink, err);
}

TufFetcher tuf_directory_fetcher(TufDirectory *directory) {
    return (TufFetcher){.fetch = fetch, .context = directory};
}
