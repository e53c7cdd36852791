/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/offline.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/tuf/path.h"

enum { PIECE_SIZE = 65536 };

struct TufOfflineWriter {
    TufFetcher from;
    struct archive *archive;
    json_t *names; /* what is in it already */
};

static void entry_freep(struct archive_entry **entry) {
    archive_entry_free(*entry);
}

static void reader_freep(struct archive **archive) {
    (void)archive_read_free(*archive);
}

static const char *archive_text(struct archive *archive) {
    const char *text = archive_error_string(archive);
    return text != NULL ? text : "unknown error";
}

TufOfflineWriter *tuf_offline_writer_new(int fd, const TufFetcher *from, Error *err) {
    TufOfflineWriter *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    *writer = (TufOfflineWriter){.from = *from, .archive = archive_write_new(), .names = json_object()};
    if (writer->archive == NULL || writer->names == NULL ||
        archive_write_set_format_pax_restricted(writer->archive) != ARCHIVE_OK ||
        archive_write_open_fd(writer->archive, fd) != ARCHIVE_OK) {
        error_set(err, ERROR_SYSTEM, "the offline file cannot be written");
        tuf_offline_writer_free(writer);
        return NULL;
    }
    return writer;
}

void tuf_offline_writer_free(TufOfflineWriter *writer) {
    if (writer != NULL) {
        (void)archive_write_free(writer->archive);
        json_decref(writer->names);
        free(writer);
    }
}

static bool begin_entry(TufOfflineWriter *writer, const char *name, uint64_t size, Error *err) {
    CLEANUP(entry_freep) struct archive_entry *entry = archive_entry_new();
    if (json_object_size(writer->names) >= TUF_OFFLINE_ENTRIES_MAX) {
        return error_set(err, ERROR_LIMIT, "more than %d files for one offline file",
                         TUF_OFFLINE_ENTRIES_MAX);
    }
    if (entry == NULL || json_object_set_new(writer->names, name, json_null()) != 0) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, (int64_t)size);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    return archive_write_header(writer->archive, entry) == ARCHIVE_OK ||
           error_set(err, ERROR_SYSTEM, "the offline file cannot be written: %s",
                     archive_text(writer->archive));
}

static bool write_data(TufOfflineWriter *writer, const void *data, size_t size, Error *err) {
    return archive_write_data(writer->archive, data, size) == (la_ssize_t)size ||
           error_set(err, ERROR_SYSTEM, "the offline file cannot be written: %s",
                     archive_text(writer->archive));
}

bool tuf_offline_writer_add(TufOfflineWriter *writer, const char *name, Bytes bytes, Error *err) {
    return json_object_get(writer->names, name) != NULL ||
           (begin_entry(writer, name, bytes.size, err) && write_data(writer, bytes.data, bytes.size, err));
}

bool tuf_offline_writer_end(TufOfflineWriter *writer, Error *err) {
    return archive_write_close(writer->archive) == ARCHIVE_OK ||
           error_set(err, ERROR_SYSTEM, "the offline file cannot be written: %s",
                     archive_text(writer->archive));
}

/* What passes through the recorder. Metadata is gathered first, since its length is not known before. */
typedef struct Recording {
    TufOfflineWriter *writer;
    const TufSink *to;
    const char *name;
    Buffer *gathered; /* NULL: written as it comes */
    bool begun;
    uint64_t size;
} Recording;

static bool record(void *context, const void *data, size_t size, Error *err) {
    Recording *recording = context;
    if (!recording->to->write(recording->to->context, data, size, err)) {
        return false;
    }
    if (recording->gathered != NULL) {
        return buffer_append(recording->gathered, data, size) ||
               error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (!recording->begun && !begin_entry(recording->writer, recording->name, recording->size, err)) {
        return false;
    }
    recording->begun = true;
    return write_data(recording->writer, data, size, err);
}

static char *entry_name(const TufRequest *request) {
    return text_format("%s/%s", request->kind == TUF_FETCH_METADATA ? "metadata" : "targets", request->path);
}

static TufFetched fetch_recorded(void *context, const TufRequest *request, const TufSink *sink, Error *err) {
    TufOfflineWriter *writer = context;
    AUTO_FREE char *name = entry_name(request);
    CLEANUP(buffer_done) Buffer gathered = BUFFER_INIT(request->size_max);
    if (name == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return TUF_FETCHED_FAILED;
    }
    bool is_target = request->kind == TUF_FETCH_TARGET;
    if (json_object_get(writer->names, name) != NULL) {
        return writer->from.fetch(writer->from.context, request, sink, err);
    }
    Recording recording = {.writer = writer,
                           .to = sink,
                           .name = name,
                           .gathered = is_target ? NULL : &gathered,
                           .size = request->size_max};
    TufFetched fetched =
        writer->from.fetch(writer->from.context, request, &(TufSink){record, &recording}, err);
    bool added = fetched != TUF_FETCHED_ALL || recording.begun ||
                 tuf_offline_writer_add(writer, name, buffer_bytes(&gathered), err);
    return added ? fetched : TUF_FETCHED_FAILED;
}

TufFetcher tuf_offline_recorder(TufOfflineWriter *writer) {
    return (TufFetcher){.fetch = fetch_recorded, .context = writer};
}

/* libarchive names failures by ARCHIVE_FATAL, ARCHIVE_WARN and more: only OK and EOF are not one. */
static bool find_entry(struct archive *archive, const char *name, bool *ret_found, Error *err) {
    for (size_t members = 0;; members++) {
        struct archive_entry *entry = NULL;
        int result = archive_read_next_header(archive, &entry);
        if (result == ARCHIVE_EOF) {
            *ret_found = false;
            return true;
        }
        if (result != ARCHIVE_OK) {
            return error_set(err, ERROR_INPUT, "the offline file is damaged: %s", archive_text(archive));
        }
        if (members == TUF_OFFLINE_MEMBERS_MAX) {
            return error_set(err, ERROR_LIMIT, "the offline file has more than %d files",
                             TUF_OFFLINE_MEMBERS_MAX);
        }
        const char *found = archive_entry_pathname(entry);
        if (found != NULL && archive_entry_filetype(entry) == AE_IFREG &&
            archive_entry_hardlink(entry) == NULL && strcmp(found, name) == 0) {
            *ret_found = true;
            return true;
        }
    }
}

static TufFetched send_entry(struct archive *archive, const TufSink *sink, Error *err) {
    AUTO_FREE uint8_t *piece = malloc(PIECE_SIZE);
    if (piece == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return TUF_FETCHED_FAILED;
    }
    for (;;) {
        la_ssize_t size = archive_read_data(archive, piece, PIECE_SIZE);
        if (size < 0) {
            error_set(err, ERROR_INPUT, "the offline file is damaged: %s", archive_text(archive));
            return TUF_FETCHED_FAILED;
        }
        if (size == 0) {
            return TUF_FETCHED_ALL;
        }
        if (!sink->write(sink->context, piece, (size_t)size, err)) {
            return TUF_FETCHED_FAILED;
        }
    }
}

static TufFetched fetch_offline(void *context, const TufRequest *request, const TufSink *sink, Error *err) {
    const TufOffline *offline = context;
    bool found = false;
    AUTO_FREE char *name = entry_name(request);
    CLEANUP(reader_freep) struct archive *archive = archive_read_new();
    if (name == NULL || archive == NULL || archive_read_support_format_tar(archive) != ARCHIVE_OK) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return TUF_FETCHED_FAILED;
    }
    if (lseek(offline->fd, 0, SEEK_SET) != 0) {
        error_set_errno(err, errno, "the offline file cannot be read from its beginning");
        return TUF_FETCHED_FAILED;
    }
    if (archive_read_open_fd(archive, offline->fd, PIECE_SIZE) != ARCHIVE_OK) {
        error_set(err, ERROR_INPUT, "not an offline file: %s", archive_text(archive));
        return TUF_FETCHED_FAILED;
    }
    if (!find_entry(archive, name, &found, err)) {
        return TUF_FETCHED_FAILED;
    }
    return found ? send_entry(archive, sink, err) : TUF_FETCHED_ABSENT;
}

TufFetcher tuf_offline_fetcher(TufOffline *offline) {
    return (TufFetcher){.fetch = fetch_offline, .context = offline};
}
