/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an offline file, asked for metadata and for a target: refused with a reason, absent, or given
 * out up to the size that was allowed. */
/* link: psw-tuf */
#include <assert.h>
#include <sys/mman.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/tuf/offline.h"

enum { SIZE_ALLOWED = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool take(void *context, const void *data, size_t size, Error *err) {
    uint64_t *taken = context;
    (void)data;
    *taken += size;
    return *taken <= SIZE_ALLOWED || error_set(err, ERROR_LIMIT, "too large");
}

static void ask(const TufFetcher *fetcher, TufFetchKind kind, const char *path) {
    const TufRequest request = {.kind = kind, .path = path, .size_max = SIZE_ALLOWED};
    uint64_t taken = 0;
    const TufSink sink = {.write = take, .context = &taken};
    Error err = ERROR_INIT;
    TufFetched fetched = fetcher->fetch(fetcher->context, &request, &sink, &err);
    assert((fetched == TUF_FETCHED_FAILED) == (err.kind != ERROR_NONE));
    assert(fetched != TUF_FETCHED_UNCHANGED && (fetched != TUF_FETCHED_ABSENT || taken == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO_CLOSE int fd = memfd_create("offline", MFD_CLOEXEC);
    Error err = ERROR_INIT;
    bool written = fd >= 0 && file_write_fd(fd, "input", data, size, &err);
    assert(written);
    TufOffline offline = {.fd = fd};
    const TufFetcher fetcher = tuf_offline_fetcher(&offline);
    ask(&fetcher, TUF_FETCH_METADATA, "1.root.json");
    ask(&fetcher, TUF_FETCH_TARGET, "a.txt");
    return 0;
}
