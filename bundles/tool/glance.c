/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tool/glance.h"

#include <string.h>

#include "bundles/base/bytes.h"
#include "bundles/base/file.h"
#include "bundles/sgx/elf.h"

enum { NAME_SIZE = 32 };

static bool read_exactly(int fd, uint64_t offset, void *data, size_t size) {
    return file_read_at(fd, "it", offset, data, size, NULL);
}

bool glance_has_section(int fd, const char *name) {
    uint8_t header[ELF_HEADER_SIZE], table[ELF_SECTIONS_MAX * ELF_SECTION_HEADER_SIZE];
    char found[NAME_SIZE];
    const size_t size = strlen(name) + 1;
    if (size > sizeof found || !read_exactly(fd, 0, header, sizeof header) ||
        memcmp(header, "\177ELF", 4) != 0) {
        return false;
    }
    const size_t count = bytes_le16(header + 60), names = bytes_le16(header + 62);
    if (count > ELF_SECTIONS_MAX || names >= count ||
        !read_exactly(fd, bytes_le64(header + 40), table, count * ELF_SECTION_HEADER_SIZE)) {
        return false;
    }
    const uint64_t names_at = bytes_le64(table + names * ELF_SECTION_HEADER_SIZE + 24);
    for (size_t i = 0; i < count; i++) {
        const uint64_t at = bytes_le32(table + i * ELF_SECTION_HEADER_SIZE);
        if (names_at <= INT64_MAX - at && read_exactly(fd, names_at + at, found, size) &&
            memcmp(found, name, size) == 0) {
            return true;
        }
    }
    return false;
}
