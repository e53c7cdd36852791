/* SPDX-License-Identifier: Apache-2.0
 *
 * Cache: the directory of trusted metadata.
 *
 * ROLE.json (name percent-encoded) is the trusted metadata of each role as received, root.json the newest
 * root; roots/N.json are the roots that lead to it from the shipped one; `refreshed` is the time of the last
 * complete refresh; `lock` is held while a client is open. Every file is replaced as a whole, and all
 * but root.json, a copy for people, are synced.
 */
#ifndef BUNDLES_TUF_CACHE_H
#define BUNDLES_TUF_CACHE_H

#include "bundles/base/buffer.h"
#include "bundles/base/error.h"

/* Makes what is missing beneath the directory. */
bool tuf_cache_prepare(int dir_fd, Error *err) __attribute__((warn_unused_result));

/* Into the (cleared) buffer; what is not there or larger than the buffer takes leaves it empty and is no
 * failure. Another error is one: a file that cannot be read must not pass for one that was never there, for
 * it is what rollback is measured by. */
bool tuf_cache_read(int dir_fd, const char *role, Buffer *buffer, Error *err)
    __attribute__((warn_unused_result));
bool tuf_cache_read_root(int dir_fd, int64_t version, Buffer *buffer, Error *err)
    __attribute__((warn_unused_result));

bool tuf_cache_write(int dir_fd, const char *role, Bytes bytes, Error *err)
    __attribute__((warn_unused_result));
/* roots/N.json first, then root.json. */
bool tuf_cache_write_root(int dir_fd, int64_t version, Bytes bytes, Error *err)
    __attribute__((warn_unused_result));

/* root.json, which nothing depends on: every run compares it and writes it again if need be, so it is not
 * synced. */
bool tuf_cache_write_root_copy(int dir_fd, Bytes bytes, Error *err) __attribute__((warn_unused_result));

/* 0: never. */
bool tuf_cache_read_time(int dir_fd, int64_t *ret_time, Error *err) __attribute__((warn_unused_result));
bool tuf_cache_write_time(int dir_fd, int64_t time, Error *err) __attribute__((warn_unused_result));

#endif
