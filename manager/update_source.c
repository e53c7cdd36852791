/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/update_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/tuf/directory.h"
#include "bundles/tuf/offline.h"
#include "manager/courier_message.h"
#include "manager/helper_child.h"

#define VALIDATOR_NAME "timestamp.validator"
enum { VALIDATOR_SIZE_MAX = 4096 };

struct UpdateSource {
    const json_t *mirrors; /* NULL: local */
    unsigned mirror;
    int trust_fd;
    int metadata_fd, targets_fd;
    TufDirectory directory;
    TufOffline offline;
    TufFetcher local;
};

/* Which bytes a validator stands for, and who gave it. */
static json_t *validator_json(const UpdateSource *source, unsigned mirror, Bytes bytes,
                              const CourierValidator *validator) {
    Digest digest;
    char hex[DIGEST_HEX_SIZE];
    if (!digest_of(bytes.data, bytes.size, &digest)) {
        return NULL;
    }
    digest_format(&digest, hex);
    return json_pack("{s:O, s:s, s:o}", "mirror", json_array_get(source->mirrors, mirror), "sha256", hex,
                     "validator", courier_validator_json(validator));
}

/* Losing it costs one answer in full. */
static void remember(const UpdateSource *source, const CourierEnd *end, Bytes bytes) {
    Error ignored = ERROR_INIT;
    CLEANUP(json_freep) json_t *object = validator_json(source, end->mirror, bytes, &end->validator);
    AUTO_FREE char *text = object != NULL ? json_format(object, false) : NULL;
    if (text == NULL ||
        !file_replace_unsynced(source->trust_fd, VALIDATOR_NAME, text, strlen(text), 0600, &ignored)) {
        (void)unlinkat(source->trust_fd, VALIDATOR_NAME, 0);
    }
}

static bool recall(const UpdateSource *source, Bytes cached, CourierValidator *ret_validator) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(VALIDATOR_SIZE_MAX);
    Error missing = ERROR_INIT;
    if (cached.size == 0 || !file_read(source->trust_fd, VALIDATOR_NAME, &text, &missing)) {
        return false;
    }
    CLEANUP(json_freep) json_t *object = json_parse(buffer_bytes(&text), VALIDATOR_NAME, &missing);
    CourierValidator validator = {0};
    if (object == NULL || !courier_validator_read(json_object_get(object, "validator"), &validator)) {
        return false;
    }
    CLEANUP(json_freep) json_t *fitting = validator_json(source, source->mirror, cached, &validator);
    if (fitting == NULL || json_equal(fitting, object) == 0 ||
        (validator.etag[0] == '\0' && validator.modified[0] == '\0')) {
        return false;
    }
    *ret_validator = validator;
    return true;
}

static bool on_begin(void *context, const CourierHead *head, Error *err) {
    (void)err;
    Buffer *bytes = context;
    if (head->offset == 0) {
        buffer_clear(bytes);
    }
    return true;
}

static bool on_data(void *context, const void *data, size_t size, Error *err) {
    Buffer *bytes = context;
    return buffer_append(bytes, data, size) || error_set(err, ERROR_MEMORY, "out of memory");
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), size = strlen(end);
    return length >= size && strcmp(text + length - size, end) == 0;
}

/* Metadata is small and comes whole before anybody looks at it. */
static TufFetched fetch(void *context, const TufRequest *request, const TufSink *sink, Error *err) {
    UpdateSource *source = context;
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(request->size_max);
    AUTO_FREE char *path = text_format("metadata/%s", request->path);
    CourierEnd end = {0};
    if (path == NULL || request->kind != TUF_FETCH_METADATA) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return TUF_FETCHED_FAILED;
    }
    CourierRequest asked = {.path = path,
                            .mirror = source->mirror,
                            .size_max = request->size_max,
                            .optional = ends_with(request->path, ".root.json")};
    asked.conditional = recall(source, request->cached, &asked.validator);
    if (!courier_fetch(HELPER_DATA, &asked, &(CourierSink){on_begin, on_data, &bytes}, &end, err)) {
        return TUF_FETCHED_FAILED;
    }
    if (end.outcome != COURIER_ALL) {
        return end.outcome == COURIER_ABSENT ? TUF_FETCHED_ABSENT : TUF_FETCHED_UNCHANGED;
    }
    if (strcmp(request->path, "timestamp.json") == 0) {
        remember(source, &end, buffer_bytes(&bytes));
    }
    return sink->write(sink->context, buffer_text(&bytes), bytes.size, err) ? TUF_FETCHED_ALL
                                                                            : TUF_FETCHED_FAILED;
}

static bool open_directory(UpdateSource *source, const char *path, Error *err) {
    AUTO_CLOSE int fd = file_open_directory(AT_FDCWD, path, err);
    if (fd < 0) {
        return false;
    }
    source->metadata_fd = file_open_directory(fd, "metadata", err);
    if (source->metadata_fd < 0) {
        return error_wrap(err, "%s is not a repository", path);
    }
    source->targets_fd = file_open_directory(fd, "targets", err);
    if (source->targets_fd < 0) {
        return error_wrap(err, "%s is not a repository", path);
    }
    source->directory = (TufDirectory){source->metadata_fd, source->targets_fd};
    source->local = tuf_directory_fetcher(&source->directory);
    return true;
}

UpdateSource *update_source_open(const json_t *arguments, int trust_fd, Error *err) {
    const char *path = json_string_value(json_object_get(arguments, "repository"));
    const json_t *mirrors = json_object_get(arguments, "mirrors");
    UpdateSource *source = calloc(1, sizeof *source);
    if (source == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    source->trust_fd = trust_fd;
    source->metadata_fd = source->targets_fd = -1;
    if (path != NULL) {
        if (!open_directory(source, path, err)) {
            update_source_close(source);
            return NULL;
        }
    } else if (json_array_size(mirrors) > 0) {
        source->mirrors = mirrors;
    } else {
        source->offline.fd = HELPER_DATA;
        source->local = tuf_offline_fetcher(&source->offline);
    }
    return source;
}

void update_source_close(UpdateSource *source) {
    if (source != NULL) {
        cleanup_close(&source->metadata_fd);
        cleanup_close(&source->targets_fd);
        free(source);
    }
}

TufFetcher update_source_fetcher(UpdateSource *source) {
    return source->mirrors != NULL ? (TufFetcher){fetch, source} : source->local;
}

size_t update_source_mirrors(const UpdateSource *source) {
    return source->mirrors != NULL ? json_array_size(source->mirrors) : 1;
}

void update_source_next_mirror(UpdateSource *source) {
    source->mirror = (unsigned)((source->mirror + 1) % update_source_mirrors(source));
}

unsigned update_source_mirror(const UpdateSource *source) {
    return source->mirror;
}

bool update_source_is_remote(const UpdateSource *source) {
    return source->mirrors != NULL;
}
