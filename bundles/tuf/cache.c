/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/cache.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/tuf/limits.h"
#include "bundles/tuf/path.h"

enum { NAME_SIZE = TUF_NAME_ENCODED_MAX + 8, FILE_MODE = 0644 };
static const char time_name[] = "refreshed";

bool tuf_cache_prepare(int dir_fd, Error *err) {
    if (mkdirat(dir_fd, "roots", 0755) != 0) {
        return errno == EEXIST /* what is in it is synced by whoever writes it */ ||
               error_set_errno(err, errno, "roots: cannot be made");
    }
    return file_sync_directory(dir_fd, ".", err);
}

static bool read_optional(int dir_fd, const char *name, Buffer *buffer, Error *err) {
    Error inner = ERROR_INIT;
    buffer_clear(buffer);
    if (file_read(dir_fd, name, buffer, &inner)) {
        return true;
    }
    buffer_clear(buffer);
    if (inner.kind == ERROR_NOT_FOUND || inner.kind == ERROR_LIMIT) {
        return true;
    }
    return error_set(err, inner.kind, "%s", inner.text);
}

static bool role_name(const char *role, char name[NAME_SIZE], Error *err) {
    char encoded[TUF_NAME_ENCODED_MAX + 1];
    if (!tuf_path_encode(role, false, encoded, sizeof encoded)) {
        return error_set(err, ERROR_LIMIT, "the role's name is too long for a file");
    }
    (void)snprintf(name, NAME_SIZE, "%s.json", encoded);
    return true;
}

static void root_name(int64_t version, char name[NAME_SIZE]) {
    (void)snprintf(name, NAME_SIZE, "roots/%" PRId64 ".json", version);
}

bool tuf_cache_read(int dir_fd, const char *role, Buffer *buffer, Error *err) {
    char name[NAME_SIZE];
    return role_name(role, name, err) && read_optional(dir_fd, name, buffer, err);
}

bool tuf_cache_read_root(int dir_fd, int64_t version, Buffer *buffer, Error *err) {
    char name[NAME_SIZE];
    root_name(version, name);
    return read_optional(dir_fd, name, buffer, err);
}

bool tuf_cache_write(int dir_fd, const char *role, Bytes bytes, Error *err) {
    char name[NAME_SIZE];
    return role_name(role, name, err) && file_replace(dir_fd, name, bytes.data, bytes.size, FILE_MODE, err);
}

bool tuf_cache_write_root(int dir_fd, int64_t version, Bytes bytes, Error *err) {
    char name[NAME_SIZE];
    root_name(version, name);
    return file_replace(dir_fd, name, bytes.data, bytes.size, FILE_MODE, err) &&
           tuf_cache_write_root_copy(dir_fd, bytes, err);
}

bool tuf_cache_write_root_copy(int dir_fd, Bytes bytes, Error *err) {
    return file_replace_unsynced(dir_fd, "root.json", bytes.data, bytes.size, FILE_MODE, err);
}

bool tuf_cache_read_time(int dir_fd, int64_t *ret_time, Error *err) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(CLOCK_TIME_SIZE);
    if (!read_optional(dir_fd, time_name, &text, err)) {
        return false;
    }
    if (!clock_parse(buffer_text(&text), ret_time)) {
        *ret_time = 0;
    }
    return true;
}

bool tuf_cache_write_time(int dir_fd, int64_t time, Error *err) {
    char text[CLOCK_TIME_SIZE];
    clock_format(time, text);
    return file_replace(dir_fd, time_name, text, strlen(text), FILE_MODE, err);
}
