/* SPDX-License-Identifier: Apache-2.0
 *
 * The headers of an RPM package (rpm.org, "RPM V4 package format"): a lead, a signature header padded to 8
 * bytes, the header proper, and then the payload, which libarchive reads. Numbers are big endian.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/package_parts.h"

enum {
    LEAD_SIZE = 96,
    INTRO_SIZE = 16,
    ENTRY_SIZE = 16,
    ENTRIES_MAX = 4096,
    STORE_SIZE_MAX = 16 * 1024 * 1024,
    TYPE_STRING = 6
};
enum { TAG_NAME = 1000, TAG_VERSION = 1001, TAG_RELEASE = 1002, TAG_ARCHITECTURE = 1022 };

typedef struct Header {
    uint32_t entries;
    uint32_t store_size;
} Header;

static uint32_t be32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return be32toh(value);
}

static bool read_intro(int fd, uint64_t offset, Header *ret_header, Error *err) {
    static const uint8_t magic[] = {0x8e, 0xad, 0xe8, 0x01};
    uint8_t intro[INTRO_SIZE];
    if (!file_read_at(fd, "the package", offset, intro, sizeof intro, err)) {
        return false;
    }
    if (memcmp(intro, magic, sizeof magic) != 0) {
        return error_set(err, ERROR_INPUT, "a header of the RPM package is missing");
    }
    *ret_header = (Header){.entries = be32(intro + 8), .store_size = be32(intro + 12)};
    return (ret_header->entries <= ENTRIES_MAX && ret_header->store_size <= STORE_SIZE_MAX) ||
           error_set(err, ERROR_LIMIT, "a header of the RPM package is larger than any should be");
}

/* The text of a tag; *ret_text stays as it is if there is none. */
static bool find_text(Bytes all, const Header *header, uint32_t tag, const char *what,
                      char ret_text[PACKAGE_TEXT_MAX + 1], Error *err) {
    size_t index_size = (size_t)header->entries * ENTRY_SIZE;
    for (size_t at = 0; at < index_size; at += ENTRY_SIZE) {
        const uint8_t *entry = all.data + at;
        uint32_t offset = be32(entry + 8);
        if (be32(entry) != tag || be32(entry + 4) != TYPE_STRING) {
            continue;
        }
        Bytes rest;
        const uint8_t *end = NULL;
        if (offset < header->store_size &&
            bytes_slice(all, index_size + offset, header->store_size - offset, &rest)) {
            end = memchr(rest.data, 0, rest.size);
        }
        return end != NULL
                   ? package_take_text(what, (const char *)rest.data, (size_t)(end - rest.data), ret_text,
                                       err)
                   : error_set(err, ERROR_INPUT, "the RPM package's %s lies outside its header", what);
    }
    return true;
}

bool package_rpm_info(int fd, PackageInfo *ret_info, Error *err) {
    Header signature;
    Header header;
    char version[PACKAGE_TEXT_MAX + 1] = "";
    char release[PACKAGE_TEXT_MAX + 1] = "";
    if (!read_intro(fd, LEAD_SIZE, &signature, err)) {
        return false;
    }
    uint64_t at = LEAD_SIZE + INTRO_SIZE + (uint64_t)signature.entries * ENTRY_SIZE + signature.store_size;
    at = (at + 7) / 8 * 8;
    if (!read_intro(fd, at, &header, err)) {
        return false;
    }
    size_t size = (size_t)header.entries * ENTRY_SIZE + header.store_size;
    AUTO_FREE uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (!file_read_at(fd, "the package", at + INTRO_SIZE, bytes, size, err)) {
        return false;
    }
    const Bytes all = {.data = bytes, .size = size};
    if (!find_text(all, &header, TAG_NAME, "name", ret_info->name, err) ||
        !find_text(all, &header, TAG_VERSION, "version", version, err) ||
        !find_text(all, &header, TAG_RELEASE, "release", release, err) ||
        !find_text(all, &header, TAG_ARCHITECTURE, "architecture", ret_info->architecture, err)) {
        return false;
    }
    int length = snprintf(ret_info->version, sizeof ret_info->version, "%s%s%s", version,
                          release[0] != 0 ? "-" : "", release);
    return (length >= 0 && (size_t)length < sizeof ret_info->version) ||
           error_set(err, ERROR_INPUT, "the RPM package's version is too long");
}
