/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/tar_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { NAME_SIZE = 100, MODE = 100, SIZE = 124, CHECKSUM = 148, TYPE = 156, MAGIC = 257 };

void tar_header_make(uint8_t header[TAR_HEADER_SIZE], const char *name, uint64_t size) {
    char number[16];
    unsigned sum = 0;
    assert_true(strlen(name) < NAME_SIZE && size < UINT64_C(1) << 33);
    memset(header, 0, TAR_HEADER_SIZE);
    memcpy(header, name, strlen(name));
    memcpy(header + MODE, "0000644", 7);
    (void)snprintf(number, sizeof number, "%011llo", (unsigned long long)size);
    memcpy(header + SIZE, number, 11);
    memset(header + CHECKSUM, ' ', 8);
    header[TYPE] = '0';
    memcpy(header + MAGIC, "ustar\00000", 8);
    for (size_t i = 0; i < TAR_HEADER_SIZE; i++) {
        sum += header[i];
    }
    (void)snprintf(number, sizeof number, "%06o", sum);
    memcpy(header + CHECKSUM, number, 7);
}

static int begin(const char *name, uint64_t size, size_t count) {
    uint8_t header[TAR_HEADER_SIZE];
    int fd = memfd_create("tar", MFD_CLOEXEC);
    assert_true(fd >= 0);
    tar_header_make(header, name, size);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(write(fd, header, sizeof header), sizeof header);
    }
    return fd;
}

int tar_header_many(const char *name, size_t count) {
    int fd = begin(name, 0, count);
    assert_int_equal(ftruncate(fd, (off_t)(count + 2) * TAR_HEADER_SIZE), 0);
    return fd;
}

int tar_header_sparse(const char *name, uint64_t size, uint64_t file_size) {
    int fd = begin(name, size, 1);
    assert_int_equal(ftruncate(fd, (off_t)file_size), 0);
    return fd;
}
