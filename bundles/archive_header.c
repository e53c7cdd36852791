/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/archive_header.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

/* Offsets of the fields that error texts speak of. */
enum { SIZE_AT = 124, SIZE_DIGITS = 11, TYPE_AT = 156 };

typedef struct Room {
    uint8_t *at;
    size_t left;
} Room;

/* Takes the header and nothing else: the zeros that libarchive writes for missing contents when it is closed
 * end with the first. */
static la_ssize_t on_write(struct archive *tar, void *context, const void *data, size_t size) {
    Room *room = context;
    (void)tar;
    if (size > room->left) {
        return -1;
    }
    memcpy(room->at, data, size);
    room->at += size;
    room->left -= size;
    return (la_ssize_t)size;
}

static bool write_header(struct archive *tar, struct archive_entry *entry, ArchiveHeader *header) {
    Room room = {.at = header->bytes, .left = sizeof header->bytes};
    bool good = archive_write_set_format_ustar(tar) == ARCHIVE_OK &&
                archive_write_set_bytes_per_block(tar, 0) == ARCHIVE_OK &&
                archive_write_open(tar, &room, NULL, on_write, NULL) == ARCHIVE_OK &&
                archive_write_header(tar, entry) == ARCHIVE_OK && room.left == 0;
    (void)archive_write_close(tar);
    return good;
}

bool archive_header_make(const char *path, uint64_t size, unsigned mode, ArchiveHeader *ret_header,
                         Error *err) {
    struct archive *tar = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    bool good = tar != NULL && entry != NULL;
    if (!good) {
        error_set(err, ERROR_MEMORY, "%s: out of memory", path);
    } else {
        ArchiveHeader header = {0};
        archive_entry_set_pathname(entry, path);
        archive_entry_set_size(entry, (la_int64_t)size);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, (mode_t)mode);
        archive_entry_set_mtime(entry, 0, 0);
        good = write_header(tar, entry, &header);
        if (good) {
            *ret_header = header;
        } else {
            const char *reason = archive_error_string(tar);
            error_set(err, ERROR_LIMIT, "%s: does not fit into a tar header: %s", path,
                      reason != NULL ? reason : "unknown reason");
        }
    }
    archive_entry_free(entry);
    (void)archive_write_free(tar);
    return good;
}

bool archive_header_is_plain(const ArchiveHeader *header) {
    return header->bytes[TYPE_AT] == '0';
}

void archive_header_path(const ArchiveHeader *header, char path[ARCHIVE_PATH_MAX + 1]) {
    size_t length = strnlen((const char *)header->bytes, ARCHIVE_PATH_MAX);
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = header->bytes[i];
        path[i] = byte < 0x20 || byte > 0x7e ? '?' : (char)byte;
    }
    path[length] = 0;
}

bool archive_header_size(const ArchiveHeader *header, uint64_t *ret_size) {
    uint64_t size = 0;
    for (size_t i = SIZE_AT; i < SIZE_AT + SIZE_DIGITS; i++) {
        if (header->bytes[i] < '0' || header->bytes[i] > '7') {
            return false;
        }
        size = size * 8 + (uint64_t)(header->bytes[i] - '0');
    }
    *ret_size = size;
    return true;
}
