/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/image.h"

#include <stdlib.h>

#include "bundles/sgx/image_private.h"

enum { VERSION_ARRAY_PAGES = 512 };

const ImageLimits image_limits_bundle = {.file_size = UINT64_C(16) << 20,
                                         .enclave_size = UINT64_C(1) << 30,
                                         .hashed_bytes = UINT64_C(32) << 20,
                                         .regions = 4096};
const ImageLimits image_limits_look = {.file_size = UINT64_C(64) << 20,
                                       .enclave_size = UINT64_C(1) << 37,
                                       .hashed_bytes = UINT64_C(32) << 20,
                                       .regions = 8192};
const ImageLimits image_limits_any = {.file_size = UINT64_C(512) << 20,
                                      .enclave_size = UINT64_C(1) << 37,
                                      .hashed_bytes = UINT64_C(32) << 30,
                                      .regions = 65536};

static int region_compare(const void *a, const void *b) {
    const ImageRegion *left = a;
    const ImageRegion *right = b;
    return left->address < right->address ? -1 : left->address > right->address;
}

/* No page twice: sorted by address, each region ends before the next begins. */
static bool regions_are_disjoint(const Image *image, Error *err) {
    if (image->regions_count == 0) {
        return error_set(err, ERROR_INPUT, "the enclave has no pages");
    }
    ImageRegion *sorted = malloc(image->regions_count * sizeof *sorted);
    if (sorted == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory for %zu regions", image->regions_count);
    }
    memcpy(sorted, image->regions, image->regions_count * sizeof *sorted);
    qsort(sorted, image->regions_count, sizeof *sorted, region_compare);
    bool disjoint = true;
    for (size_t i = 1; disjoint && i < image->regions_count; i++) {
        if (sorted[i - 1].address + sorted[i - 1].pages * SGX_PAGE_SIZE > sorted[i].address) {
            disjoint = error_set(err, ERROR_INPUT, "the page at 0x%llx is added twice",
                                 (unsigned long long)sorted[i].address);
        }
    }
    free(sorted);
    return disjoint;
}

bool image_open(const Elf *elf, const MetadataEntry *entry, const ImageLimits *limits, Image *ret_image,
                Error *err) {
    *ret_image = (Image){.file = elf->file, .entry = entry, .secs_size = entry->enclave_size};
    if (entry->has_elrange) {
        ret_image->secs_size = entry->elrange_size;
        ret_image->base = entry->image_address - entry->elrange_start;
    }
    if (elf->file.size > limits->file_size || ret_image->secs_size > limits->enclave_size) {
        return error_set(err, ERROR_LIMIT,
                         "a file of %zu bytes for an enclave of 0x%llx: at most %llu and 0x%llx are accepted",
                         elf->file.size, (unsigned long long)ret_image->secs_size,
                         (unsigned long long)limits->file_size, (unsigned long long)limits->enclave_size);
    }
    return image_plan(elf, limits, ret_image, err) && regions_are_disjoint(ret_image, err) &&
           image_find_text_relocations(elf, ret_image, err);
}

void image_close(Image *image) {
    free(image->regions);
    free(image->relocated);
    *image = (Image){0};
}

uint64_t image_hashed_bytes(const Image *image) {
    return IMAGE_HASHED_PER_PAGE * (image->pages + 1) + IMAGE_HASHED_PER_MEASURED * image->measured_pages;
}

uint64_t image_epc_kib(const Image *image) {
    uint64_t version_arrays = (image->pages + 1 + VERSION_ARRAY_PAGES - 1) / VERSION_ARRAY_PAGES;
    return SGX_PAGE_SIZE / 1024 * (1 + image->pages + version_arrays);
}

static bool patches_are_same(const MetadataEntry *a, const MetadataEntry *b) {
    size_t count = metadata_patches_count(a);
    bool same = count == metadata_patches_count(b);
    for (size_t i = 0; same && i < count; i++) {
        MetadataPatch left = metadata_patch(a, i);
        MetadataPatch right = metadata_patch(b, i);
        same = left.target == right.target && bytes_equal(left.source, right.source);
    }
    return same;
}

static bool regions_are_same(const ImageRegion *a, const ImageRegion *b) {
    return a->address == b->address && a->pages == b->pages && a->si_flags == b->si_flags &&
           a->source == b->source && a->measured == b->measured && a->front == b->front &&
           a->file_offset == b->file_offset && a->content_size == b->content_size && a->fill == b->fill &&
           (a->content == NULL || memcmp(a->content, b->content, a->content_size) == 0);
}

bool image_is_same(const Image *a, const Image *b) {
    bool same = a->file.data == b->file.data && a->secs_size == b->secs_size && a->base == b->base &&
                a->entry->ssa_frame_size == b->entry->ssa_frame_size &&
                a->regions_count == b->regions_count && patches_are_same(a->entry, b->entry);
    for (size_t i = 0; same && i < a->regions_count; i++) {
        same = regions_are_same(&a->regions[i], &b->regions[i]);
    }
    return same;
}

void image_read(const Image *image, uint64_t offset, uint8_t *buffer, size_t size) {
    memcpy(buffer, image->file.data + offset, size);
    for (size_t i = 0; i < metadata_patches_count(image->entry); i++) {
        MetadataPatch patch = metadata_patch(image->entry, i);
        uint64_t begin = patch.target > offset ? patch.target : offset;
        uint64_t patch_end = patch.target + patch.source.size;
        uint64_t end = patch_end < offset + size ? patch_end : offset + size;
        if (begin < end) {
            memcpy(buffer + (begin - offset), patch.source.data + (begin - patch.target), end - begin);
        }
    }
}

/* The part of a region's contents that falls on its page `index` goes to its place on a page of zeros. */
static void page_fill_contents(const Image *image, const ImageRegion *region, uint64_t index, uint8_t *page) {
    uint64_t page_begin = index * SGX_PAGE_SIZE;
    uint64_t begin = page_begin > region->front ? page_begin : region->front;
    uint64_t content_end = region->front + region->content_size;
    uint64_t end = content_end < page_begin + SGX_PAGE_SIZE ? content_end : page_begin + SGX_PAGE_SIZE;
    if (begin >= end) {
        memset(page, 0, SGX_PAGE_SIZE);
        return;
    }
    uint64_t skipped = begin - region->front;
    size_t at = begin - page_begin;
    size_t size = end - begin;
    memset(page, 0, at);
    memset(page + at + size, 0, SGX_PAGE_SIZE - at - size);
    if (region->source == IMAGE_SOURCE_FILE) {
        image_read(image, region->file_offset + skipped, page + at, size);
    } else {
        memcpy(page + at, region->content + skipped, size);
    }
}

/* A TCS template's OSSA, OFSBASE and OGSBASE are relative to its own page. */
static void page_fill_tcs(const ImageRegion *region, uint8_t *page) {
    static const size_t relative_fields[] = {16, 48, 56};
    memset(page, 0, SGX_PAGE_SIZE);
    memcpy(page, region->content, region->content_size);
    for (size_t i = 0; i < sizeof relative_fields / sizeof relative_fields[0]; i++) {
        uint8_t *field = page + relative_fields[i];
        bytes_put_le64(field, bytes_le64(field) + region->address);
    }
}

static void page_fill_word(const ImageRegion *region, uint8_t *page) {
    for (size_t at = 0; at < SGX_PAGE_SIZE; at += sizeof region->fill) {
        bytes_put_le32(page + at, region->fill);
    }
}

static uint64_t page_flags(const Image *image, const ImageRegion *region, uint64_t index) {
    uint64_t page = region->address / SGX_PAGE_SIZE + index;
    bool relocated = region->source == IMAGE_SOURCE_FILE && page < image->relocated_pages &&
                     (image->relocated[page / 8] >> (page % 8) & 1) != 0;
    return region->si_flags | (relocated ? SGX_SI_W : 0);
}

bool image_visit(const Image *image, ImageVisitFn visit, void *context, Error *err) {
    uint8_t data[SGX_PAGE_SIZE];
    for (size_t r = 0; r < image->regions_count; r++) {
        const ImageRegion *region = &image->regions[r];
        bool same_bytes = region->source == IMAGE_SOURCE_FILL || region->source == IMAGE_SOURCE_TCS;
        if (region->source == IMAGE_SOURCE_FILL) {
            page_fill_word(region, data);
        } else if (region->source == IMAGE_SOURCE_TCS) {
            page_fill_tcs(region, data);
        }
        for (uint64_t i = 0; i < region->pages; i++) {
            if (!same_bytes) {
                page_fill_contents(image, region, i, data);
            }
            ImagePage page = {.offset = image->base + region->address + i * SGX_PAGE_SIZE,
                              .si_flags = page_flags(image, region, i),
                              .measured = region->measured,
                              .data = data};
            if (!visit(context, &page, err)) {
                return false;
            }
        }
    }
    return true;
}
