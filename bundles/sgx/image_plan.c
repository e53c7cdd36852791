/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "bundles/sgx/image_private.h"

enum { LOAD_TIMES_MAX = 4096, APPENDED_RECORD_SIZE = 32 };

/* What a plan is made with: the limits and the last segment so far, for the loader of version 1.3. */
typedef struct Plan {
    Image *image;
    const ImageLimits *limits;
    ImageRegion last_segment;
    uint64_t last_address;
    uint64_t last_memory_size;
} Plan;

static uint64_t page_down(uint64_t value) {
    return value & ~(uint64_t)(SGX_PAGE_SIZE - 1);
}

static uint64_t page_up(uint64_t value) {
    return page_down(value + SGX_PAGE_SIZE - 1);
}

static bool region_is_inside(const Plan *plan, const ImageRegion *region) {
    uint64_t size = plan->image->entry->enclave_size;
    return region->address % SGX_PAGE_SIZE == 0 && region->address <= size &&
           region->pages <= (size - region->address) / SGX_PAGE_SIZE;
}

static bool region_add(Plan *plan, const ImageRegion *region, Error *err) {
    Image *image = plan->image;
    if (!region_is_inside(plan, region)) {
        return error_set(err, ERROR_INPUT, "%llu pages at 0x%llx are not all inside the enclave of 0x%llx",
                         (unsigned long long)region->pages, (unsigned long long)region->address,
                         (unsigned long long)image->entry->enclave_size);
    }
    if (region->pages == 0) {
        return true;
    }
    image->pages += region->pages; /* bounded by the enclave's size; no overflow */
    image->measured_pages += region->measured ? region->pages : 0;
    if (image_hashed_bytes(image) > plan->limits->hashed_bytes ||
        image->regions_count == plan->limits->regions) {
        return error_set(
            err, ERROR_LIMIT,
            "%llu pages, %llu of them measured: %llu bytes to hash and %zu regions are more than the %llu "
            "and %zu that are accepted",
            (unsigned long long)image->pages, (unsigned long long)image->measured_pages,
            (unsigned long long)image_hashed_bytes(image), image->regions_count,
            (unsigned long long)plan->limits->hashed_bytes, plan->limits->regions);
    }
    if (image->regions_count == image->regions_capacity) {
        size_t capacity = image->regions_capacity == 0 ? 64 : image->regions_capacity * 2;
        ImageRegion *regions = realloc(image->regions, capacity * sizeof *regions);
        if (regions == NULL) {
            return error_set(err, ERROR_MEMORY, "out of memory for %zu regions", capacity);
        }
        image->regions = regions;
        image->regions_capacity = capacity;
    }
    image->regions[image->regions_count++] = *region;
    return true;
}

/* The loader of version 1.3 rounds a segment's size before it adds the address, and so may add one page more
 * than the segment has, if the gap up to `next` has room for it. */
static bool quirk_page_add(Plan *plan, uint64_t next, Error *err) {
    const MetadataEntry *entry = plan->image->entry;
    if (entry->major != 1 || entry->minor != 3 || plan->last_segment.pages == 0) {
        return true;
    }
    uint64_t end = page_up(plan->last_address + plan->last_memory_size);
    uint64_t loose_end = page_up(page_up(plan->last_memory_size) + plan->last_address);
    if (end >= loose_end || end >= page_down(next)) {
        return true;
    }
    ImageRegion extra = {.address = end,
                         .pages = 1,
                         .si_flags = plan->last_segment.si_flags,
                         .source = IMAGE_SOURCE_FILL,
                         .measured = true};
    return region_add(plan, &extra, err);
}

static bool segment_add(Plan *plan, const ElfSegment *segment, uint64_t shift, uint64_t file_shift,
                        Error *err) {
    uint64_t size = plan->image->entry->enclave_size;
    if (segment->address > size || shift > size - segment->address ||
        segment->memory_size > size - segment->address - shift) {
        return error_set(err, ERROR_INPUT, "a segment at 0x%llx lies outside the enclave",
                         (unsigned long long)segment->address);
    }
    uint64_t address = segment->address + shift;
    if (!quirk_page_add(plan, address, err)) {
        return false;
    }
    uint64_t begin = page_down(address);
    ImageRegion region = {
        .address = begin,
        .pages = (page_up(address + segment->memory_size) - begin) / SGX_PAGE_SIZE,
        .si_flags = SGX_SI_REG | ((segment->flags & ELF_FLAG_R) != 0 ? SGX_SI_R : 0) |
                    ((segment->flags & ELF_FLAG_W) != 0 ? SGX_SI_W : 0) |
                    ((segment->flags & ELF_FLAG_X) != 0 ? SGX_SI_X : 0),
        .source = IMAGE_SOURCE_FILE,
        .measured = true,
        .front = (uint32_t)(address - begin),
        .file_offset = segment->offset + file_shift,
        .content_size = segment->file_size,
    };
    if (plan->last_segment.pages == 0 || address > plan->last_address) {
        plan->last_segment = region;
        plan->last_address = address;
        plan->last_memory_size = segment->memory_size;
    }
    return region_add(plan, &region, err);
}

static bool segments_add(Plan *plan, const ElfSegments *segments, uint64_t shift, uint64_t file_shift,
                         Error *err) {
    for (size_t i = 0; i < segments->count; i++) {
        if (segments->items[i].type == ELF_SEGMENT_LOAD &&
            !segment_add(plan, &segments->items[i], shift, file_shift, err)) {
            return false;
        }
    }
    return true;
}

/* Extend record 0x1002: another ELF inside the patched file, loaded at an offset of its own. */
static bool appended_add(Plan *plan, Error *err) {
    Image *image = plan->image;
    Bytes record;
    if (!metadata_find_extend(image->entry, METADATA_EXTEND_APPENDED, &record)) {
        return true;
    }
    image->has_appended = true;
    if (record.size != APPENDED_RECORD_SIZE) {
        return error_set(err, ERROR_INPUT,
                         "the record of the appended library has %zu bytes, it has to have %d", record.size,
                         APPENDED_RECORD_SIZE);
    }
    uint64_t file_offset = bytes_le64(record.data);
    uint64_t memory_offset = bytes_le64(record.data + 8);
    uint64_t size = bytes_le64(record.data + 16);
    Bytes library;
    if (!bytes_slice(image->file, file_offset, size, &library)) {
        return error_set(err, ERROR_INPUT, "the appended library lies outside the file");
    }
    uint8_t head[ELF_HEADER_SIZE + ELF_SEGMENTS_MAX * ELF_SEGMENT_HEADER_SIZE];
    size_t head_size = library.size < sizeof head ? library.size : sizeof head;
    image_read(image, file_offset, head, head_size);
    ElfSegments segments;
    if (!elf_parse_segments((Bytes){head, head_size}, library.size, &segments, err)) {
        return error_wrap(err, "appended library");
    }
    return segments_add(plan, &segments, memory_offset, file_offset, err);
}

static bool record_add(Plan *plan, const MetadataLayout *record, uint64_t shift, Error *err) {
    bool has_content = record->content_offset != 0;
    if ((record->attributes & METADATA_LAYOUT_EADD) == 0 || (!has_content && record->si_flags == 0)) {
        return true;
    }
    if (record->address > UINT64_MAX - shift) {
        return error_set(err, ERROR_INPUT, "a layout record at 0x%llx lies outside the enclave",
                         (unsigned long long)record->address);
    }
    ImageRegion region = {.address = record->address + shift,
                          .pages = record->page_count,
                          .si_flags = record->si_flags,
                          .measured = (record->attributes & METADATA_LAYOUT_EEXTEND) != 0};
    if (!has_content) {
        region.source = IMAGE_SOURCE_FILL;
        region.fill = record->content_size;
    } else {
        region.source = record->si_flags == SGX_SI_TCS ? IMAGE_SOURCE_TCS : IMAGE_SOURCE_BYTES;
        region.content = plan->image->entry->bytes.data + record->content_offset;
        region.content_size = record->content_size;
        region.measured |= region.source == IMAGE_SOURCE_BYTES; /* the attribute does not count for these */
    }
    return region_add(plan, &region, err);
}

static bool group_add(Plan *plan, const MetadataLayout *group, size_t index, Error *err) {
    const MetadataEntry *entry = plan->image->entry;
    if (group->load_times == 0 || group->entry_count == 0) {
        return true;
    }
    if (group->load_times > LOAD_TIMES_MAX ||
        group->load_times * (uint64_t)group->entry_count > plan->limits->regions ||
        group->load_step > entry->enclave_size / group->load_times) {
        return error_set(
            err, ERROR_LIMIT,
            "layout group %zu repeats %u records %u times in steps of 0x%llx, which does not fit", index,
            group->entry_count, group->load_times, (unsigned long long)group->load_step);
    }
    for (uint64_t time = 1; time <= group->load_times; time++) {
        for (size_t member = index - group->entry_count; member < index; member++) {
            MetadataLayout record = metadata_layout(entry, member);
            if (!record_add(plan, &record, time * group->load_step, err)) {
                return false;
            }
        }
    }
    return true;
}

static bool layout_add(Plan *plan, Error *err) {
    for (size_t i = 0; i < metadata_layout_count(plan->image->entry); i++) {
        MetadataLayout record = metadata_layout(plan->image->entry, i);
        bool added = (record.id & METADATA_LAYOUT_GROUP) != 0 ? group_add(plan, &record, i, err)
                                                              : record_add(plan, &record, 0, err);
        if (!added) {
            return false;
        }
    }
    return true;
}

bool image_plan(const Elf *elf, const ImageLimits *limits, Image *image, Error *err) {
    Plan plan = {.image = image, .limits = limits};
    return segments_add(&plan, &elf->segments, 0, 0, err) && appended_add(&plan, err) &&
           quirk_page_add(&plan, UINT64_MAX, err) && layout_add(&plan, err);
}
