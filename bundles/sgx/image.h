/* SPDX-License-Identifier: Apache-2.0
 *
 * Image: the pages that a loader adds for one metadata entry, in the loader's order, with their bytes.
 *
 * The same sequence is measured (measure), counted against the EPC, and fed to a driver for a trial load.
 * Invariant: an opened image is bounded. Its pages are counted, lie inside the enclave and occur once, before
 * the first of them is made. An image borrows the file and the entry; patches are laid over the file's bytes
 * page by page, so the file is never copied.
 */
#ifndef BUNDLES_SGX_IMAGE_H
#define BUNDLES_SGX_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/sgx/elf.h"
#include "bundles/sgx/metadata.h"

enum { SGX_PAGE_SIZE = 4096 };

/* SECINFO.FLAGS of a page */
#define SGX_SI_R UINT64_C(0x1)
#define SGX_SI_W UINT64_C(0x2)
#define SGX_SI_X UINT64_C(0x4)
#define SGX_SI_TCS UINT64_C(0x100)
#define SGX_SI_REG UINT64_C(0x200)

typedef struct ImageLimits {
    uint64_t file_size;
    uint64_t enclave_size;
    uint64_t hashed_bytes; /* over all entries of a file: 64 a page and 5120 more for a measured one */
    size_t regions;        /* of an entry: segments, and layout records as often as groups repeat them */
} ImageLimits;

/* What a bundle's enclave may cost: about 100 ms in all. Intel's largest needs a tenth of it. */
extern const ImageLimits image_limits_bundle;
/* For a look at a stranger's enclave: as long as that, however large its heap and its file may be. */
extern const ImageLimits image_limits_look;
/* For any enclave that somebody wants to be measured however long it takes: up to half a minute. */
extern const ImageLimits image_limits_any;

typedef enum ImageSource {
    IMAGE_SOURCE_FILE,
    IMAGE_SOURCE_BYTES,
    IMAGE_SOURCE_FILL,
    IMAGE_SOURCE_TCS
} ImageSource;

typedef struct ImageRegion {
    uint64_t address; /* from the image's beginning; page aligned */
    uint64_t pages;
    uint64_t si_flags;
    ImageSource source;
    bool measured;
    uint32_t front;         /* zero bytes before the contents, below a page */
    uint64_t file_offset;   /* FILE: contents in the patched file */
    uint64_t content_size;  /* FILE, BYTES, TCS */
    const uint8_t *content; /* BYTES, TCS */
    uint32_t fill;          /* FILL: the word */
} ImageRegion;

typedef struct Image {
    Bytes file;
    const MetadataEntry *entry;
    uint64_t secs_size;   /* size for ECREATE: of ELRANGE if there is one */
    uint64_t base;        /* of the image inside it */
    ImageRegion *regions; /* owned; in loading order */
    size_t regions_count;
    size_t regions_capacity;
    uint64_t pages;
    uint64_t measured_pages;
    bool has_text_relocations; /* DT_TEXTREL */
    bool has_appended;         /* extend record 0x1002 */
    uint8_t *relocated;        /* owned bit set of pages from address 0; NULL without text relocations */
    uint64_t relocated_pages;
} Image;

/* ERROR_INPUT for what no loader could load, ERROR_LIMIT beyond the limits. Close it whatever the result. */
bool image_open(const Elf *elf, const MetadataEntry *entry, const ImageLimits *limits, Image *ret_image,
                Error *err) __attribute__((warn_unused_result));
void image_close(Image *image);

uint64_t image_hashed_bytes(const Image *image);

/* SECS, pages and version arrays, in KiB. */
uint64_t image_epc_kib(const Image *image);

/* True if both give the same pages with the same bytes in the same order, so that they measure alike; false
 * may also mean that it would take work to tell. */
bool image_is_same(const Image *a, const Image *b);

typedef struct ImagePage {
    uint64_t offset; /* in the enclave */
    uint64_t si_flags;
    bool measured;
    const uint8_t *data; /* SGX_PAGE_SIZE bytes, until the visitor returns */
} ImagePage;

/* Calls for every page in order; a visitor that returns false (with err set) ends the visit. */
typedef bool (*ImageVisitFn)(void *context, const ImagePage *page, Error *err);
bool image_visit(const Image *image, ImageVisitFn visit, void *context, Error *err)
    __attribute__((warn_unused_result));

#endif
