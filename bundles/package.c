/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/package.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"
#include "bundles/package_parts.h"

enum { CHUNK_SIZE = 64 * 1024, CONTROL_SIZE_MAX = 1024 * 1024 };

typedef struct Reading {
    int fd;
    uint64_t size; /* of the file */
    uint64_t position;
    const PackageVisitor *visitor;
    PackageInfo *info;
    uint64_t total; /* unpacked so far */
    unsigned files;
    unsigned linked;
    bool complete; /* has what a package of its kind has to have */
    uint8_t in[CHUNK_SIZE];
    uint8_t nested[CHUNK_SIZE];
} Reading;

static void archive_freep(struct archive **archive) {
    (void)archive_read_free(*archive);
}

bool package_take_text(const char *what, const char *text, size_t size, char ret_text[PACKAGE_TEXT_MAX + 1],
                       Error *err) {
    bool good = size <= PACKAGE_TEXT_MAX;
    for (size_t i = 0; good && i < size; i++) {
        good = text[i] > ' ' && text[i] < 0x7f;
    }
    if (!good) {
        return error_set(err, ERROR_INPUT, "the package's %s is not a printable word of at most %d bytes",
                         what, PACKAGE_TEXT_MAX);
    }
    memcpy(ret_text, text, size);
    ret_text[size] = 0;
    return true;
}

static bool begins_with(Bytes head, const void *magic, size_t size) {
    return head.size >= size && memcmp(head.data, magic, size) == 0;
}

PackageKind package_kind(Bytes head) {
    enum { USTAR_OFFSET = 257 };
    static const uint8_t rpm[] = {0xed, 0xab, 0xee, 0xdb};
    static const uint8_t gzip[] = {0x1f, 0x8b, 0x08};
    static const uint8_t xz[] = {0xfd, '7', 'z', 'X', 'Z', 0x00};
    static const uint8_t zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    if (begins_with(head, "!<arch>\ndebian-binary", 21)) {
        return PACKAGE_DEB;
    }
    if (begins_with(head, rpm, sizeof rpm)) {
        return PACKAGE_RPM;
    }
    bool tar = head.size >= USTAR_OFFSET + 5 && memcmp(head.data + USTAR_OFFSET, "ustar", 5) == 0;
    return tar || begins_with(head, gzip, sizeof gzip) || begins_with(head, xz, sizeof xz) ||
                   begins_with(head, zstd, sizeof zstd)
               ? PACKAGE_TAR
               : PACKAGE_NONE;
}

static bool unreadable(struct archive *archive, const char *what, Error *err) {
    const char *reason = archive_error_string(archive);
    return error_set(err, ERROR_INPUT, "%s cannot be read: %s", what,
                     reason != NULL ? reason : "it is damaged");
}

static la_ssize_t read_file(struct archive *archive, void *context, const void **ret_data) {
    Reading *reading = context;
    ssize_t got = -1;
    do {
        got = pread(reading->fd, reading->in, sizeof reading->in, (off_t)reading->position);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        archive_set_error(archive, errno, "cannot read");
        return -1;
    }
    reading->position += (uint64_t)got;
    *ret_data = reading->in;
    return got;
}

/* Work is bounded by what comes out, whoever consumes it. */
static bool count_size(Reading *reading, uint64_t size, Error *err) {
    reading->total += size;
    if (reading->total > PACKAGE_TOTAL_SIZE_MAX) {
        return error_set(err, ERROR_LIMIT, "unpacks to more than %llu MiB",
                         (unsigned long long)(PACKAGE_TOTAL_SIZE_MAX >> 20));
    }
    const uint64_t least = (reading->total + PACKAGE_RATIO_MAX - 1) / PACKAGE_RATIO_MAX; /* for that much */
    return reading->total <= PACKAGE_RATIO_FREE_SIZE || least <= reading->size ||
           error_set(err, ERROR_LIMIT, "unpacks to more than %d times its size", PACKAGE_RATIO_MAX);
}

/* Without "./" and "/" in front, fit to be shown. A file counts whatever it is called; one whose name is not
 * to be had in any form, too. NULL when out of memory. */
static char *clean_path(struct archive_entry *entry) {
    const char *path = archive_entry_pathname(entry);
    if (path == NULL) {
        path = archive_entry_pathname_utf8(entry); /* this locale does not have all of its letters */
    }
    while (path != NULL && (path[0] == '/' || (path[0] == '.' && path[1] == '/'))) {
        path++;
    }
    if (path == NULL || path[0] == 0) {
        return strdup("(no name)");
    }
    AUTO_FREE char *start = strndup(path, PACKAGE_PATH_MAX);
    return start != NULL ? text_show(start) : NULL;
}

static bool read_part(struct archive *archive, const char *path, Buffer *content, size_t size, Error *err) {
    if (!buffer_reserve(content, size)) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", path);
    }
    for (size_t left = size; left > 0;) {
        uint8_t chunk[4096];
        la_ssize_t got = archive_read_data(archive, chunk, left < sizeof chunk ? left : sizeof chunk);
        if (got < 0) {
            return unreadable(archive, path, err);
        }
        if (got == 0) {
            return error_set(err, ERROR_INPUT, "%s is cut short", path);
        }
        if (!buffer_append(content, chunk, (size_t)got)) {
            return error_set(err, ERROR_MEMORY, "%s: out of memory", path);
        }
        left -= (size_t)got;
    }
    return true;
}

/* One plain file: its head, and all of it if it is wanted. */
static bool offer(Reading *reading, struct archive *archive, const char *path, uint64_t size, Error *err) {
    const PackageVisitor *visitor = reading->visitor;
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(PACKAGE_FILE_SIZE_MAX + 1);
    size_t head = size < PACKAGE_HEAD_SIZE ? (size_t)size : PACKAGE_HEAD_SIZE;
    if (!read_part(archive, path, &content, head, err)) {
        return false;
    }
    if (!visitor->wants(visitor->context, path, size, buffer_bytes(&content))) {
        return true;
    }
    if (size > PACKAGE_FILE_SIZE_MAX) {
        return error_set(err, ERROR_LIMIT, "%s: %llu bytes, at most %llu are possible", path,
                         (unsigned long long)size, (unsigned long long)PACKAGE_FILE_SIZE_MAX);
    }
    return read_part(archive, path, &content, (size_t)size - head, err) &&
           visitor->file(visitor->context, reading->info, path, buffer_bytes(&content), err);
}

typedef bool (*EntryFn)(Reading *reading, struct archive *archive, const char *path, uint64_t size,
                        Error *err);

/* Calls `entry` with every plain file of an opened archive. */
static bool each_file(Reading *reading, struct archive *archive, EntryFn entry, Error *err) {
    for (;;) {
        struct archive_entry *header = NULL;
        int status = archive_read_next_header(archive, &header);
        if (status == ARCHIVE_EOF) {
            return true;
        }
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
            return unreadable(archive, "the archive", err);
        }
        int64_t size = archive_entry_size(header);
        if (++reading->files > PACKAGE_FILES_MAX) {
            return error_set(err, ERROR_LIMIT, "more than %d files", PACKAGE_FILES_MAX);
        }
        /* libarchive keeps them in a list, and goes through all of it for each. */
        if (reading->info->kind == PACKAGE_RPM && archive_entry_nlink(header) > 1 &&
            ++reading->linked > PACKAGE_LINKED_MAX) {
            return error_set(err, ERROR_LIMIT, "more than %d entries with several names (hard links)",
                             PACKAGE_LINKED_MAX);
        }
        if (size < 0 || !count_size(reading, (uint64_t)size, err)) {
            return size < 0 ? error_set(err, ERROR_INPUT, "a file has no size") : false;
        }
        if (archive_entry_filetype(header) != AE_IFREG || archive_entry_hardlink(header) != NULL) {
            continue;
        }
        AUTO_FREE char *path = clean_path(header);
        if (path == NULL) {
            return error_set(err, ERROR_MEMORY, "out of memory");
        }
        if (!entry(reading, archive, path, (uint64_t)size, err)) {
            return false;
        }
    }
}

static bool support_tar(struct archive *archive) {
    return archive_read_support_filter_gzip(archive) == ARCHIVE_OK &&
           archive_read_support_filter_xz(archive) == ARCHIVE_OK &&
           archive_read_support_filter_zstd(archive) == ARCHIVE_OK &&
           archive_read_support_format_tar(archive) == ARCHIVE_OK;
}

typedef struct Nested {
    Reading *reading;
    struct archive *outer;
} Nested;

static la_ssize_t read_nested(struct archive *archive, void *context, const void **ret_data) {
    const Nested *nested = context;
    la_ssize_t got =
        archive_read_data(nested->outer, nested->reading->nested, sizeof nested->reading->nested);
    if (got < 0) {
        archive_set_error(archive, EIO, "%s", archive_error_string(nested->outer));
        return -1;
    }
    *ret_data = nested->reading->nested;
    return got;
}

/* The value of a field of a Debian control file, which is a line "NAME: value". */
static bool take_field(const char *control, const char *name, char ret_text[PACKAGE_TEXT_MAX + 1],
                       Error *err) {
    size_t length = strlen(name);
    for (const char *line = control; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            const char *value = line + length + 1;
            value += strspn(value, " \t");
            size_t size = strcspn(value, "\r\n");
            while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t')) {
                size--;
            }
            return package_take_text(name, value, size, ret_text, err);
        }
        if (*line == 0) {
            break;
        }
    }
    return true;
}

static bool read_control(Reading *reading, struct archive *archive, const char *path, uint64_t size,
                         Error *err) {
    if (strcmp(path, "control") != 0) {
        return true;
    }
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(CONTROL_SIZE_MAX + 1);
    if (size > CONTROL_SIZE_MAX) {
        return error_set(err, ERROR_LIMIT, "its control file is larger than %d bytes", CONTROL_SIZE_MAX);
    }
    PackageInfo *info = reading->info;
    return read_part(archive, "control", &text, (size_t)size, err) &&
           take_field(buffer_text(&text), "Package", info->name, err) &&
           take_field(buffer_text(&text), "Version", info->version, err) &&
           take_field(buffer_text(&text), "Architecture", info->architecture, err);
}

static bool read_tar_inside(Reading *reading, struct archive *outer, EntryFn entry, Error *err) {
    CLEANUP(archive_freep) struct archive *inner = archive_read_new();
    Nested nested = {.reading = reading, .outer = outer};
    if (inner == NULL || !support_tar(inner)) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (archive_read_open(inner, &nested, NULL, read_nested, NULL) != ARCHIVE_OK) {
        return unreadable(inner, "the archive inside", err);
    }
    return each_file(reading, inner, entry, err);
}

/* The members of a .deb, in the order that deb(5) demands: what it is comes before what is in it. */
static bool read_deb_member(Reading *reading, struct archive *archive, const char *path, uint64_t size,
                            Error *err) {
    (void)size;
    if (strncmp(path, "control.tar", 11) == 0) {
        return read_tar_inside(reading, archive, read_control, err) || error_wrap(err, "%s", path);
    }
    if (strncmp(path, "data.tar", 8) == 0) {
        if (reading->info->name[0] == 0) {
            return error_set(err, ERROR_INPUT, "%s comes before a control file that names the package", path);
        }
        reading->complete = true;
        return read_tar_inside(reading, archive, offer, err) || error_wrap(err, "%s", path);
    }
    return true;
}

static bool support(struct archive *archive, PackageKind kind) {
    switch (kind) {
    case PACKAGE_DEB:
        return archive_read_support_format_ar(archive) == ARCHIVE_OK;
    case PACKAGE_RPM:
        return archive_read_support_filter_rpm(archive) == ARCHIVE_OK &&
               archive_read_support_filter_gzip(archive) == ARCHIVE_OK &&
               archive_read_support_filter_xz(archive) == ARCHIVE_OK &&
               archive_read_support_filter_zstd(archive) == ARCHIVE_OK &&
               archive_read_support_format_cpio(archive) == ARCHIVE_OK;
    case PACKAGE_TAR:
        return support_tar(archive);
    case PACKAGE_NONE:
    default:
        return false;
    }
}

static bool read_archive(Reading *reading, Error *err) {
    PackageKind kind = reading->info->kind;
    CLEANUP(archive_freep) struct archive *archive = archive_read_new();
    if (archive == NULL || !support(archive, kind)) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (archive_read_open(archive, reading, NULL, read_file, NULL) != ARCHIVE_OK) {
        return unreadable(archive, "the archive", err);
    }
    return each_file(reading, archive, kind == PACKAGE_DEB ? read_deb_member : offer, err);
}

static bool identify(int fd, PackageInfo *info, uint64_t *ret_size, Error *err) {
    uint8_t head[PACKAGE_MAGIC_SIZE];
    struct stat facts;
    if (fstat(fd, &facts) != 0) {
        return error_set_errno(err, errno, "cannot read");
    }
    if (!S_ISREG(facts.st_mode)) {
        return error_set(err, ERROR_INPUT, "not a regular file");
    }
    ssize_t got = pread(fd, head, sizeof head, 0);
    if (got < 0) {
        return error_set_errno(err, errno, "cannot read");
    }
    *ret_size = (uint64_t)facts.st_size;
    info->kind = package_kind((Bytes){.data = head, .size = (size_t)got});
    return info->kind != PACKAGE_NONE ||
           error_set(err, ERROR_INPUT, "neither a .deb, an .rpm nor a tar archive");
}

bool package_read(int fd, const char *name, const PackageVisitor *visitor, PackageInfo *ret_info,
                  Error *err) {
    AUTO_FREE Reading *reading = calloc(1, sizeof *reading);
    if (reading == NULL) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", name);
    }
    *ret_info = (PackageInfo){0};
    *reading = (Reading){.fd = fd, .visitor = visitor, .info = ret_info};
    bool good = identify(fd, ret_info, &reading->size, err) &&
                (ret_info->kind != PACKAGE_RPM || package_rpm_info(fd, ret_info, err)) &&
                read_archive(reading, err) &&
                (ret_info->kind != PACKAGE_DEB || reading->complete ||
                 error_set(err, ERROR_INPUT, "there is no data.tar in it"));
    return good || error_wrap(err, "%s", name);
}
