/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/measure.h"

#include "bundles/base/cleanup.h"

enum {
    RECORD_SIZE = 64,
    CHUNK_SIZE = 256,
    MEASURED_PAGE_SIZE = RECORD_SIZE + SGX_PAGE_SIZE / CHUNK_SIZE * (RECORD_SIZE + CHUNK_SIZE),
    BATCH_SIZE = 4 * MEASURED_PAGE_SIZE
};

CLEANUP_DEFINE(DigestStream, digest_stream_free)

/* Records gather here, so that unmeasured pages do not cost a call each. */
typedef struct Measurement {
    DigestStream *stream;
    size_t used;
    uint8_t batch[BATCH_SIZE];
} Measurement;

static bool batch_flush(Measurement *measurement) {
    size_t used = measurement->used;
    measurement->used = 0;
    return digest_stream_add(measurement->stream, measurement->batch, used);
}

static uint8_t *record_begin(Measurement *measurement, const char *name, size_t name_size) {
    uint8_t *record = measurement->batch + measurement->used;
    measurement->used += RECORD_SIZE;
    memset(record, 0, RECORD_SIZE);
    memcpy(record, name, name_size);
    return record;
}

static bool page_measure(void *context, const ImagePage *page, Error *err) {
    Measurement *measurement = context;
    if (measurement->used + MEASURED_PAGE_SIZE > BATCH_SIZE && !batch_flush(measurement)) {
        return error_set(err, ERROR_MEMORY, "out of memory while measuring");
    }
    uint8_t *added = record_begin(measurement, "EADD", sizeof "EADD");
    bytes_put_le64(added + 8, page->offset);
    bytes_put_le64(added + 16, page->si_flags);
    if (!page->measured) {
        return true;
    }
    for (size_t at = 0; at < SGX_PAGE_SIZE; at += CHUNK_SIZE) {
        uint8_t *extended = record_begin(measurement, "EEXTEND", sizeof "EEXTEND");
        bytes_put_le64(extended + 8, page->offset + at);
        memcpy(measurement->batch + measurement->used, page->data + at, CHUNK_SIZE);
        measurement->used += CHUNK_SIZE;
    }
    return true;
}

bool measure_image(const Image *image, Digest *ret_mr_enclave, Error *err) {
    CLEANUP(digest_stream_freep) DigestStream *stream = digest_stream_new();
    if (stream == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory while measuring");
    }
    Measurement measurement = {.stream = stream};
    uint8_t *created = record_begin(&measurement, "ECREATE", sizeof "ECREATE");
    bytes_put_le32(created + 8, image->entry->ssa_frame_size);
    bytes_put_le64(created + 12, image->secs_size);
    if (!image_visit(image, page_measure, &measurement, err)) {
        return false;
    }
    if (!batch_flush(&measurement) || !digest_stream_end(stream, ret_mr_enclave)) {
        return error_set(err, ERROR_MEMORY, "out of memory while measuring");
    }
    return true;
}
