/* SPDX-License-Identifier: Apache-2.0
 *
 * The fetch task: one file by its SHA-256, from the courier or from a local file. What came is kept in
 * <sha256>.part until it is whole, so that the next attempt goes on there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "manager/courier.h"
#include "manager/download.h"
#include "manager/helper_child.h"

enum { PIECE_SIZE = 64 * 1024, NAME_SIZE = DIGEST_HEX_SIZE + 8 };

typedef struct Fetch {
    const char *url;
    const char *source; /* NULL: ask the courier */
    uint64_t size_max;
    Digest wanted;
    char hex[DIGEST_HEX_SIZE];
    char validator_name[NAME_SIZE]; /* <sha256>.etag: the server's name for the version that the part is of */
    int dir_fd;
    uint64_t resumed;
    DigestStream *digest;
    Download *download;
    HelperProgress progress;
} Fetch;

static bool take_arguments(Fetch *fetch, const json_t *arguments, const char **ret_directory, Error *err) {
    const char *hex = NULL;
    fetch->source = json_string_value(json_object_get(arguments, "source"));
    if (!json_get_text(arguments, "url", &fetch->url, err) ||
        !json_get_text(arguments, "sha256", &hex, err) ||
        !json_get_text(arguments, "directory", ret_directory, err) ||
        !json_get_u64(arguments, "size_max", &fetch->size_max, err)) {
        return false;
    }
    if (!digest_parse(hex, &fetch->wanted)) {
        return error_set(err, ERROR_USAGE, "'%.80s' is not a SHA-256: 64 hex digits are", hex);
    }
    digest_format(&fetch->wanted, fetch->hex);
    (void)snprintf(fetch->validator_name, sizeof fetch->validator_name, "%s.etag", fetch->hex);
    return true;
}

static bool tap_restart(void *context, Error *err) {
    const Fetch *fetch = context;
    Digest ignored;
    return digest_stream_end(fetch->digest, &ignored) || error_set(err, ERROR_MEMORY, "out of memory");
}

static bool tap_add(void *context, const void *data, size_t size, Error *err) {
    const Fetch *fetch = context;
    return digest_stream_add(fetch->digest, data, size) || error_set(err, ERROR_MEMORY, "out of memory");
}

static bool on_begin(void *context, const CourierHead *head, Error *err) {
    Fetch *fetch = context;
    if (head->offset == 0 && !download_restart(fetch->download, err)) {
        return false;
    }
    fetch->resumed = head->offset;
    download_expect(fetch->download, head->total);
    /* A weak ETag does not name bytes and must not be used for ranges. */
    return head->validator.etag[0] != '"' ||
           file_replace(fetch->dir_fd, fetch->validator_name, head->validator.etag,
                        strlen(head->validator.etag), 0600, err);
}

static bool on_data(void *context, const void *data, size_t size, Error *err) {
    Fetch *fetch = context;
    return download_add(fetch->download, data, size, err);
}

static void read_validator(const Fetch *fetch, CourierValidator *validator) {
    CLEANUP(buffer_done) Buffer etag = BUFFER_INIT(COURIER_VALIDATOR_MAX - 1);
    Error missing = ERROR_INIT;
    if (file_read(fetch->dir_fd, fetch->validator_name, &etag, &missing)) {
        (void)snprintf(validator->etag, sizeof validator->etag, "%s", buffer_text(&etag));
    }
}

static bool fetch_remote(Fetch *fetch, Error *err) {
    CourierRequest request = {
        .path = "", .offset = download_size(fetch->download), .size_max = fetch->size_max, .optional = true};
    CourierEnd end = {0};
    read_validator(fetch, &request.validator);
    if (!courier_fetch(HELPER_DATA, &request, &(CourierSink){on_begin, on_data, fetch}, &end, err)) {
        if (err->kind == ERROR_LIMIT) {
            error_set(err, ERROR_LIMIT, "%s: larger than the %llu bytes that fetch.size_max allows",
                      fetch->url, (unsigned long long)fetch->size_max);
        }
        return false;
    }
    return end.outcome == COURIER_ALL ||
           error_set(err, ERROR_NOT_FOUND, "%s: the server says %u", fetch->url, end.status);
}

static bool fetch_local(Fetch *fetch, Error *err) {
    AUTO_FREE uint8_t *piece = malloc(PIECE_SIZE);
    struct stat facts;
    ssize_t size = 0;
    AUTO_CLOSE int fd = file_open(AT_FDCWD, fetch->source, O_RDONLY | O_NONBLOCK, 0, err);
    if (fd < 0 || piece == NULL) {
        return fd < 0 ? false : error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        return error_set(err, ERROR_INPUT, "%s is not a file", fetch->source);
    }
    if ((uint64_t)facts.st_size > fetch->size_max) {
        return error_set(err, ERROR_LIMIT, "%s: larger than the %llu bytes that fetch.size_max allows",
                         fetch->url, (unsigned long long)fetch->size_max);
    }
    if (!download_restart(fetch->download, err)) {
        return false;
    }
    download_expect(fetch->download, (uint64_t)facts.st_size);
    while ((size = TEMP_FAILURE_RETRY(read(fd, piece, PIECE_SIZE))) > 0) {
        if (!download_add(fetch->download, piece, (size_t)size, err)) {
            return false;
        }
    }
    return size == 0 || error_set_errno(err, errno, "%s", fetch->source);
}

static bool keep(Fetch *fetch, Error *err) {
    Digest digest;
    char have[DIGEST_HEX_SIZE];
    (void)unlinkat(fetch->dir_fd, fetch->validator_name, 0);
    if (!digest_stream_end(fetch->digest, &digest)) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (!digest_equal(&digest, &fetch->wanted)) {
        digest_format(&digest, have);
        download_drop(fetch->download);
        return error_set(err, ERROR_VERIFY, "%s: its SHA-256 is %s, wanted was %s: the file was removed",
                         fetch->url, have, fetch->hex);
    }
    return download_keep(fetch->download, &digest, err);
}

static bool run(Fetch *fetch, const char *directory, uint64_t *ret_size, Error *err) {
    fetch->dir_fd = file_open_directory(AT_FDCWD, directory, err);
    if (fetch->dir_fd < 0) {
        return false;
    }
    if (download_is_kept(fetch->dir_fd, &fetch->wanted, ret_size)) {
        return true;
    }
    fetch->digest = digest_stream_new();
    if (fetch->digest == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    fetch->download = download_open(fetch->dir_fd, fetch->hex, &(DownloadTap){tap_restart, tap_add, fetch},
                                    &fetch->progress, err);
    if (fetch->download == NULL ||
        !(fetch->source != NULL ? fetch_local(fetch, err) : fetch_remote(fetch, err))) {
        return false;
    }
    *ret_size = download_size(fetch->download);
    return keep(fetch, err);
}

static bool run_fetch(const json_t *arguments, void *prepared, json_t **ret_result, Error *err) {
    (void)prepared;
    Fetch fetch = {.dir_fd = -1};
    const char *directory = NULL;
    uint64_t size = 0;
    bool good = take_arguments(&fetch, arguments, &directory, err) && run(&fetch, directory, &size, err);
    if (good) {
        helper_report_progress(&fetch.progress, size, size);
        *ret_result = json_pack("{s:s, s:I, s:I}", "sha256", fetch.hex, "size", (json_int_t)size, "resumed",
                                (json_int_t)fetch.resumed);
        good = *ret_result != NULL || error_set(err, ERROR_MEMORY, "out of memory");
    }
    download_close(fetch.download);
    digest_stream_free(fetch.digest);
    cleanup_close(&fetch.dir_fd);
    return good;
}

const HelperTask helper_task_fetch = {.name = "fetch", .run = run_fetch};
