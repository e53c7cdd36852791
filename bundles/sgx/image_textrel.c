/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "bundles/sgx/image_private.h"

enum { RELOCATION_SIZE = 24, RELOCATIONS_MAX = 1000 * 1000, TARGET_SIZE = 8 };

static bool table_find(const Elf *elf, uint64_t address, uint64_t size, Bytes *ret_table, Error *err) {
    for (size_t i = 0; i < elf->sections_count; i++) {
        if (elf->sections[i].address == address && elf->sections[i].type != ELF_SECTION_NOBITS &&
            bytes_slice(elf->file, elf->sections[i].offset, size, ret_table)) {
            return true;
        }
    }
    return error_set(err, ERROR_INPUT, "the relocations at 0x%llx are in no section",
                     (unsigned long long)address);
}

static void page_mark(Image *image, uint64_t page) {
    if (page < image->relocated_pages) {
        image->relocated[page / 8] |= (uint8_t)(1U << (page % 8));
    }
}

static bool table_mark(const Elf *elf, Bytes dynamic, uint64_t address_tag, uint64_t size_tag, Image *image,
                       Error *err) {
    uint64_t address = 0;
    uint64_t size = 0;
    if (elf_dynamic_find(dynamic, address_tag, &address) == 0 ||
        elf_dynamic_find(dynamic, size_tag, &size) == 0 || size == 0) {
        return true;
    }
    if (size / RELOCATION_SIZE > RELOCATIONS_MAX) {
        return error_set(err, ERROR_LIMIT, "%llu relocations: at most %d are accepted",
                         (unsigned long long)(size / RELOCATION_SIZE), RELOCATIONS_MAX);
    }
    Bytes table;
    if (!table_find(elf, address, size, &table, err)) {
        return false;
    }
    for (size_t at = 0; at + RELOCATION_SIZE <= table.size; at += RELOCATION_SIZE) {
        uint64_t target = bytes_le64(table.data + at);
        if (bytes_le32(table.data + at + 8) == 0) {
            continue;
        }
        page_mark(image, target / SGX_PAGE_SIZE);
        if (target % SGX_PAGE_SIZE > SGX_PAGE_SIZE - TARGET_SIZE) {
            page_mark(image, target / SGX_PAGE_SIZE + 1);
        }
    }
    return true;
}

bool image_find_text_relocations(const Elf *elf, Image *image, Error *err) {
    Bytes dynamic;
    uint64_t ignored = 0;
    if (!elf_dynamic(elf, &dynamic, err)) {
        return false;
    }
    if (elf_dynamic_find(dynamic, ELF_TAG_TEXTREL, &ignored) == 0) {
        return true;
    }
    image->has_text_relocations = true;
    for (size_t i = 0; i < image->regions_count; i++) {
        const ImageRegion *region = &image->regions[i];
        uint64_t end = region->address / SGX_PAGE_SIZE + region->pages;
        if (region->source == IMAGE_SOURCE_FILE && end > image->relocated_pages) {
            image->relocated_pages = end;
        }
    }
    image->relocated = calloc(image->relocated_pages / 8 + 1, 1);
    if (image->relocated == NULL) {
        image->relocated_pages = 0;
        return error_set(err, ERROR_MEMORY, "out of memory for the pages with relocations");
    }
    return table_mark(elf, dynamic, ELF_TAG_RELA, ELF_TAG_RELASZ, image, err) &&
           table_mark(elf, dynamic, ELF_TAG_JMPREL, ELF_TAG_PLTRELSZ, image, err);
}
