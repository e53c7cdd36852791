/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a tar stream in a frame and a seal that fit, and, with the first byte odd, as the file itself:
 * refused with a reason, or read to its end. */
/* link: psw-bundles */
#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <zstd.h>

#include "bundles/archive_seal.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/bundle.h"

CLEANUP_DEFINE(Bundle, bundle_close)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_all(int fd, const void *data, size_t size) {
    Error err = ERROR_INIT;
    bool written = file_write_fd(fd, "input", data, size, &err);
    assert(written);
}

static void write_sealed(int fd, Bytes stream) {
    size_t room = ZSTD_compressBound(stream.size);
    AUTO_FREE uint8_t *frame = malloc(room);
    assert(frame != NULL);
    size_t size = ZSTD_compress(frame, room, stream.data, stream.size, 1);
    assert(!ZSTD_isError(size));
    Digest digest;
    uint8_t seal[ARCHIVE_SEAL_SIZE];
    bool digested = digest_of(frame, size, &digest);
    assert(digested);
    archive_seal_format(&digest, seal);
    write_all(fd, frame, size);
    write_all(fd, seal, sizeof seal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    Error err = ERROR_INIT;
    AUTO_CLOSE int fd = memfd_create("input", MFD_CLOEXEC);
    assert(fd >= 0);
    if (data[0] % 2 == 1) {
        write_all(fd, data + 1, size - 1);
    } else {
        write_sealed(fd, (Bytes){.data = data + 1, .size = size - 1});
    }
    CLEANUP(bundle_closep) Bundle *bundle = bundle_open(fd, "input", &err);
    BundleReading reading = {.into_fd = -1};
    bool read = bundle != NULL && bundle_read(bundle, &reading, &err);
    assert(read == (err.kind == ERROR_NONE));
    return 0;
}
