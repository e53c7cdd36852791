/* SPDX-License-Identifier: Apache-2.0 */
/* link: psw-bundles */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bundles/package.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool wants(void *context, const char *path, uint64_t size, Bytes head) {
    (void)context, (void)head;
    return path[0] != 'x' && size < 1024 * 1024;
}

static bool on_file(void *context, const PackageInfo *info, const char *path, Bytes content, Error *err) {
    uint64_t *sum = context;
    (void)err;
    *sum += (uint64_t)info->kind + (uint8_t)path[0];
    for (size_t i = 0; i < content.size; i++) {
        *sum += content.data[i];
    }
    return true;
}

/* As a file: packages are read by position. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint64_t sum = 0;
    const PackageVisitor visitor = {.context = &sum, .wants = wants, .file = on_file};
    PackageInfo info;
    Error err = ERROR_INIT;
    int fd = memfd_create("package", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    if (!package_read(fd, "package", &visitor, &info, &err) && err.text[0] == 0) {
        abort();
    }
    (void)close(fd);
    return 0;
}
