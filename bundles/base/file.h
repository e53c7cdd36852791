/* SPDX-License-Identifier: Apache-2.0
 *
 * File: reading with a maximum, writing that is whole or not there, and trees beneath a directory.
 *
 * Names beneath a directory descriptor are opened with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS), so
 * that neither ".." nor a link leads out. A directory descriptor of AT_FDCWD stands for a path as the
 * operator gave it and follows links. Every descriptor is O_CLOEXEC. Errors name the file.
 */
#ifndef BUNDLES_BASE_FILE_H
#define BUNDLES_BASE_FILE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "bundles/base/buffer.h"
#include "bundles/base/bytes.h"
#include "bundles/base/error.h"

/* Opens `name` beneath dir_fd; flags and mode as for open(2). -1 on failure. */
int file_open(int dir_fd, const char *name, int flags, mode_t mode, Error *err)
    __attribute__((warn_unused_result));

/* Opens a regular file for reading, and never hangs on a pipe that somebody put in its place. */
int file_open_regular(int dir_fd, const char *name, struct stat *ret_status, Error *err)
    __attribute__((warn_unused_result));

/* For a path that a person gave and somebody else opens, or that is replaced: refuses, without opening it, a
 * pipe, a device or a directory that stands there. Nothing there is good. With `or_open` /dev/null and what
 * the process was given open (/dev/stdin, /dev/stdout, /dev/fd/N) are good, too. */
bool file_check_regular(const char *path, bool or_open, Error *err) __attribute__((warn_unused_result));

/* Opens a directory for use as dir_fd; file_make_path makes it and its parents (0755 for parents). */
int file_open_directory(int dir_fd, const char *name, Error *err) __attribute__((warn_unused_result));
bool file_make_path(const char *path, mode_t mode, Error *err) __attribute__((warn_unused_result));

/* The whole regular file appended to the buffer; ERROR_LIMIT if it is larger than the buffer takes. */
bool file_read(int dir_fd, const char *name, Buffer *buffer, Error *err) __attribute__((warn_unused_result));
bool file_read_fd(int fd, const char *name, Buffer *buffer, Error *err) __attribute__((warn_unused_result));

/* Exactly `size` bytes from an offset on; ERROR_INPUT if there are not so many. `name` is for the error text.
 */
bool file_read_at(int fd, const char *name, uint64_t offset, void *data, size_t size, Error *err)
    __attribute__((warn_unused_result));

/* The whole regular file as memory to read, until file_unmap: for files that nobody changes, because one that
 * gets shorter meanwhile is a SIGBUS. An empty one is no bytes; ERROR_LIMIT above `max`. */
bool file_map(int dir_fd, const char *name, size_t max, Bytes *ret_bytes, Error *err)
    __attribute__((warn_unused_result));
void file_unmap(Bytes bytes);

/* All bytes, over partial writes and EINTR. `name` is for the error text. */
bool file_write_fd(int fd, const char *name, const void *data, size_t size, Error *err)
    __attribute__((warn_unused_result));

/* Replaces the file as a whole: temporary name in the same directory, write, fsync, rename, fsync of the
 * directory. After a crash or a failure at any point the old or the new content is there, and a left-over
 * temporary file (".NAME.tmp-XXXXXX") does no harm. */
bool file_replace(int dir_fd, const char *name, const void *data, size_t size, mode_t mode, Error *err)
    __attribute__((warn_unused_result));
/* The same without the fsyncs: whole at any time for other processes, perhaps not after the kernel's end. */
bool file_replace_unsynced(int dir_fd, const char *name, const void *data, size_t size, mode_t mode,
                           Error *err) __attribute__((warn_unused_result));

/* The same, synced, for a file that is replaced often: two files change places (".NAME.other"), and no inode
 * is made or freed. Who opened it before the last two replacements may read a mixture. `name` has no slash;
 * `mode` is of a file that is made. */
bool file_exchange(int dir_fd, const char *name, const void *data, size_t size, mode_t mode, Error *err)
    __attribute__((warn_unused_result));

/* Two looks at a file show the same one with the same content: a changed file always has another ctime. */
bool file_is_same(const struct stat *one, const struct stat *other);
/* What such looks are compared by, to be kept as a digest. */
enum { FILE_LOOKS = 7 };
void file_looks(const struct stat *facts, uint64_t ret_looks[FILE_LOOKS]);

bool file_sync_directory(int dir_fd, const char *name, Error *err) __attribute__((warn_unused_result));

/* Removes a file or a whole tree beneath dir_fd without following links; what is not there is no failure.
 * At most FILE_TREE_DEPTH_MAX levels deep. */
enum { FILE_TREE_DEPTH_MAX = 16 };
bool file_remove_tree(int dir_fd, const char *name, Error *err) __attribute__((warn_unused_result));

/* An exclusive lock (flock) on a file made if missing; -1 with ERROR_CONFLICT and the holder's pid in the
 * text if another process holds it. The lock lives until the descriptor and its copies are closed: where the
 * holder is gone, a second is given to what it had just forked. */
int file_lock(int dir_fd, const char *name, Error *err) __attribute__((warn_unused_result));

/* True for a relative path of 1 to 8 parts of [A-Za-z0-9._+-], none "." or "..", at most 255 bytes in all. */
bool file_name_is_safe(const char *path);

#endif
