/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/strict_form.h"

#include "bundles/sgx/image.h"

enum {
    PATCH_HEADER_SIZE_MAX = 8,
    MAX_SAVE_OLD = 2632,
    MAX_SAVE_NEW = 2688,
    XFRM_KNOWN = 0xe7,
    GLOBAL_DATA_NUMBERS = 7
};

static uint64_t round_up(uint64_t value, uint64_t step) {
    return (value + step - 1) / step * step;
}

static bool not_strict(Error *err, const char *what) {
    return error_set(err, ERROR_VERIFY, "strict form: %s: the file is not as its signer made it", what);
}

/* Segments in order, page-congruent, nothing both writable and executable; the gaps between them zero. */
static bool segments_check(const Elf *elf, uint64_t *ret_end, Error *err) {
    uint64_t end = 0;
    uint64_t memory_end = 0;
    for (size_t i = 0; i < elf->segments.count; i++) {
        const ElfSegment *load = &elf->segments.items[i];
        if (load->type != ELF_SEGMENT_LOAD) {
            continue;
        }
        if (end == 0 && (load->offset != 0 || load->address != 0)) {
            return not_strict(err, "the first segment does not begin with the file");
        }
        if (load->offset < end || load->address < memory_end) {
            return not_strict(err, "the segments are not in ascending order");
        }
        if (load->align != SGX_PAGE_SIZE || load->offset % SGX_PAGE_SIZE != load->address % SGX_PAGE_SIZE) {
            return not_strict(err, "a segment is not aligned to pages of 4096");
        }
        if ((load->flags & ELF_FLAG_W) != 0 && (load->flags & ELF_FLAG_X) != 0) {
            return not_strict(err, "a segment is writable and executable");
        }
        if (!bytes_are_zero((Bytes){elf->file.data + end, load->offset - end})) {
            return not_strict(err, "the bytes between two segments are not zero");
        }
        end = load->offset + load->file_size;
        memory_end = load->address + load->memory_size;
    }
    *ret_end = end;
    return true;
}

/* Note, section names, padding, section headers: nothing else behind the segments, nothing behind them. */
static bool tail_check(const Elf *elf, const Metadata *metadata, uint64_t segments_end, Error *err) {
    const ElfSection *note = &elf->sections[metadata->section];
    const ElfSection *names = &elf->sections[elf->names_section];
    if (metadata->section + 2 != elf->sections_count || elf->names_section + 1 != elf->sections_count ||
        strcmp(names->name, ".shstrtab") != 0) {
        return not_strict(err, METADATA_SECTION " and .shstrtab are not the last two sections");
    }
    if (note->type != ELF_SECTION_NOTE || note->flags != 0 || note->address != 0 || note->align != 4 ||
        note->size != round_up(METADATA_NOTE_HEADER_SIZE + metadata->desc.size, note->align)) {
        return not_strict(err, METADATA_SECTION " is not a plain note aligned to 4");
    }
    uint64_t note_end = note->offset + note->size;
    uint64_t names_end = names->offset + names->size;
    uint64_t headers_end = elf->sections_offset + elf->sections_count * ELF_SECTION_HEADER_SIZE;
    if (note->offset != round_up(segments_end, 4) || names->offset != note_end ||
        elf->sections_offset != round_up(names_end, 8) || headers_end != elf->file.size) {
        return not_strict(
            err, "segments, note, section names and section headers do not follow one another to the end");
    }
    Bytes note_padding = {metadata->desc.data + metadata->desc.size,
                          note->size - METADATA_NOTE_HEADER_SIZE - metadata->desc.size};
    if (!bytes_are_zero((Bytes){elf->file.data + segments_end, note->offset - segments_end}) ||
        !bytes_are_zero(note_padding) ||
        !bytes_are_zero((Bytes){elf->file.data + names_end, elf->sections_offset - names_end})) {
        return not_strict(err, "padding behind the segments is not zero");
    }
    return true;
}

static bool section_is_mapped(const Elf *elf, const ElfSection *section) {
    for (size_t i = 0; i < elf->segments.count; i++) {
        const ElfSegment *load = &elf->segments.items[i];
        if (load->type == ELF_SEGMENT_LOAD && section->offset >= load->offset &&
            section->address >= load->address &&
            section->offset - load->offset == section->address - load->address &&
            section->size <= load->file_size &&
            section->offset - load->offset <= load->file_size - section->size) {
            return true;
        }
    }
    return false;
}

static bool sections_check(const Elf *elf, const Metadata *metadata, Error *err) {
    for (size_t i = 0; i < metadata->section; i++) {
        const ElfSection *section = &elf->sections[i];
        bool first = i == 0 && section->type == 0;
        bool bss = section->type == ELF_SECTION_NOBITS && (section->flags & ELF_SECTION_ALLOC) != 0;
        bool loaded = (section->flags & ELF_SECTION_ALLOC) != 0 && section->type != 0 &&
                      section_is_mapped(elf, section);
        if (!first && !bss && !loaded) {
            return error_set(err, ERROR_VERIFY,
                             "strict form: section %zu is in no segment: debug sections or a symbol "
                             "table do not belong in a production enclave",
                             i);
        }
    }
    return true;
}

static bool versions_check(const Metadata *metadata, Error *err) {
    const MetadataEntry *entries = metadata->entries;
    bool single =
        metadata->count == 1 && entries[0].major == 1 && (entries[0].minor == 4 || entries[0].minor == 5);
    bool triple = metadata->count == 3 && entries[0].major == 2 && entries[0].minor == 4 &&
                  entries[1].major == 2 && entries[1].minor == 1 && entries[2].major == 1 &&
                  entries[2].minor == 4;
    if (!single && !triple) {
        return not_strict(err, "metadata versions other than 1.4, or 1.5, or 2.4 with 2.1 and 1.4");
    }
    Bytes tail = {metadata->desc.data + metadata->desc_used, metadata->desc.size - metadata->desc_used};
    return bytes_are_zero(tail) || not_strict(err, "bytes behind the last metadata entry are not zero");
}

static void use_mark(const MetadataEntry *entry, uint8_t *used, Bytes part) {
    memset(used + (part.data - entry->bytes.data), 1, part.size);
}

/* Every byte of data[] belongs to a table, a patch, contents or an extend record. */
static bool data_is_used(const MetadataEntry *entry, Error *err) {
    uint8_t used[METADATA_DESC_SIZE_MAX] = {0};
    use_mark(entry, used, entry->patches);
    use_mark(entry, used, entry->layout);
    for (size_t i = 0; i < metadata_patches_count(entry); i++) {
        use_mark(entry, used, metadata_patch(entry, i).source);
    }
    for (size_t i = 0; i < metadata_layout_count(entry); i++) {
        MetadataLayout record = metadata_layout(entry, i);
        if (record.content_offset != 0 && (record.attributes & METADATA_LAYOUT_EADD) != 0) {
            use_mark(entry, used, (Bytes){entry->bytes.data + record.content_offset, record.content_size});
        }
    }
    if (entry->extends.size > 0) {
        use_mark(entry, used, entry->extends);
    }
    for (size_t i = 0; i < metadata_extends_count(entry); i++) {
        use_mark(entry, used, metadata_extend(entry, i).body);
    }
    return memchr(used + entry->data_offset, 0, entry->bytes.size - entry->data_offset) == NULL ||
           not_strict(err, "a metadata entry has bytes that nothing refers to");
}

static bool reserved_are_zero(const MetadataEntry *entry, Error *err) {
    for (size_t i = 0; i < metadata_patches_count(entry); i++) {
        if (!bytes_are_zero((Bytes){entry->patches.data + i * METADATA_RECORD_SIZE + 16, 16})) {
            return not_strict(err, "reserved words of a patch record are not zero");
        }
    }
    for (size_t i = 0; i < metadata_layout_count(entry); i++) {
        const uint8_t *record = entry->layout.data + i * METADATA_RECORD_SIZE;
        if ((bytes_le16(record) & METADATA_LAYOUT_GROUP) != 0 && !bytes_are_zero((Bytes){record + 16, 16})) {
            return not_strict(err, "reserved words of a layout group are not zero");
        }
    }
    for (size_t i = 0; i < metadata_extends_count(entry); i++) {
        if (bytes_le32(entry->extends.data + i * METADATA_EXTEND_RECORD_SIZE + 12) != 0) {
            return not_strict(err, "the reserved word of an extend record is not zero");
        }
    }
    return true;
}

static bool directories_are_whole(const MetadataEntry *entry, Error *err) {
    const uint8_t *at = entry->bytes.data + 1872;
    bool whole = bytes_le32(at + 4) == entry->patches.size && bytes_le32(at + 12) == entry->layout.size;
    if (entry->data_offset == METADATA_DATA_OFFSET_FOUR) {
        whole = whole && bytes_are_zero((Bytes){at + 16, 8}) && bytes_le32(at + 28) == entry->extends.size;
    }
    return whole || not_strict(err, "a metadata directory does not hold whole records");
}

/* The block that a patch overwrites holds, in the file, the SDK's version, the numbers 1 to 6, and zeros. */
static bool global_data_check(const Elf *elf, const MetadataPatch *patch, Error *err) {
    bool inside = false;
    for (size_t i = 0; i < elf->segments.count; i++) {
        const ElfSegment *load = &elf->segments.items[i];
        inside |= load->type == ELF_SEGMENT_LOAD && patch->target >= load->offset &&
                  patch->source.size <= load->file_size &&
                  patch->target - load->offset <= load->file_size - patch->source.size;
    }
    if (!inside || patch->source.size < GLOBAL_DATA_NUMBERS * sizeof(uint64_t)) {
        return not_strict(err, "the patch of the global data lies in no segment or is too small");
    }
    const uint8_t *at = elf->file.data + patch->target;
    size_t numbers_size = GLOBAL_DATA_NUMBERS * sizeof(uint64_t);
    bool good = bytes_are_zero((Bytes){at + numbers_size, patch->source.size - numbers_size});
    for (uint64_t number = 1; number < GLOBAL_DATA_NUMBERS; number++) {
        good = good && bytes_le64(at + number * sizeof(uint64_t)) == number;
    }
    return good ||
           not_strict(err, "the bytes that the patch of the global data replaces are not the linker's");
}

/* e_shoff, e_shnum and e_shstrndx are zeroed, the global data filled in, and nothing else. */
static bool patches_check(const Elf *elf, const MetadataEntry *entry, Error *err) {
    static const struct {
        uint64_t target;
        size_t size;
    } header_patches[] = {{0x28, 8}, {0x3c, 2}, {0x3e, 2}};
    enum { HEADER_PATCHES = sizeof header_patches / sizeof header_patches[0] };

    if (metadata_patches_count(entry) != HEADER_PATCHES + 1) {
        return not_strict(err, "other than four patches");
    }
    unsigned seen = 0;
    unsigned blocks = 0;
    for (size_t i = 0; i < HEADER_PATCHES + 1; i++) {
        MetadataPatch patch = metadata_patch(entry, i);
        if (patch.source.size > PATCH_HEADER_SIZE_MAX) {
            blocks++;
            if (!global_data_check(elf, &patch, err)) {
                return false;
            }
            continue;
        }
        for (unsigned h = 0; h < HEADER_PATCHES; h++) {
            if (patch.target == header_patches[h].target && patch.source.size == header_patches[h].size &&
                bytes_are_zero(patch.source)) {
                seen |= 1U << h;
            }
        }
    }
    return (seen == (1U << HEADER_PATCHES) - 1 && blocks == 1) ||
           not_strict(err, "the patches are not three of the ELF header and one of the global data");
}

static bool requests_check(const MetadataEntry *entry, Error *err) {
    if (entry->tcs_policy != 1 || entry->ssa_frame_size != 1 || entry->misc_select != 0 ||
        entry->tcs_min_pool > 1 ||
        (entry->max_save_size != MAX_SAVE_OLD && entry->max_save_size != MAX_SAVE_NEW)) {
        return not_strict(err, "thread policy, frame size, MISCSELECT, thread pool or save area are unusual");
    }
    Sigstruct sigstruct;
    if (!sigstruct_parse(entry->sigstruct, &sigstruct, err)) {
        return false;
    }
    uint64_t mask = sigstruct.attributes_mask.xfrm;
    uint64_t xfrm = ((sigstruct.attributes.xfrm & mask) | ~mask) & XFRM_KNOWN;
    return (entry->attributes.flags == sigstruct.attributes.flags && entry->attributes.xfrm == xfrm) ||
           not_strict(err, "the attributes to ask for are not those of the SIGSTRUCT");
}

static bool layout_check(const MetadataEntry *entry, Error *err) {
    size_t threads = 0;
    for (size_t i = 0; i < metadata_layout_count(entry); i++) {
        MetadataLayout record = metadata_layout(entry, i);
        if ((record.id & METADATA_LAYOUT_GROUP) != 0) {
            continue;
        }
        bool known = record.si_flags == 0 || record.si_flags == SGX_SI_TCS ||
                     record.si_flags == (SGX_SI_REG | SGX_SI_R | SGX_SI_W);
        if (!known || (record.si_flags == 0) != (record.attributes == 0)) {
            return not_strict(err, "a layout record has unusual page flags or attributes");
        }
        threads += record.si_flags == SGX_SI_TCS;
    }
    return threads == 1 || not_strict(err, "other than one thread control structure");
}

bool strict_form_check(const Elf *elf, const Metadata *metadata, Error *err) {
    uint64_t segments_end = 0;
    if (!segments_check(elf, &segments_end, err) || !tail_check(elf, metadata, segments_end, err) ||
        !sections_check(elf, metadata, err) || !versions_check(metadata, err)) {
        return false;
    }
    for (size_t i = 0; i < metadata->count; i++) {
        const MetadataEntry *entry = &metadata->entries[i];
        if (!directories_are_whole(entry, err) || !data_is_used(entry, err) ||
            !reserved_are_zero(entry, err) || !patches_check(elf, entry, err) ||
            !requests_check(entry, err) || !layout_check(entry, err)) {
            return false;
        }
    }
    return true;
}
