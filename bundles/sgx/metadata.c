/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/metadata.h"

enum {
    NOTE_NAME_SIZE = 13,
    NOTE_TYPE = 1,
    DIRECTORY_PATCH = 1872,
    DIRECTORY_LAYOUT = 1880,
    DIRECTORY_ELRANGE = 1888,
    DIRECTORY_EXTEND = 1896,
    ELRANGE_SIZE = 24,
    ENTRY_HEAD_SIZE = 20, /* magic, version, size */
    SSA_FRAME_SIZE_MAX = 4,
    TCS_SIZE_MIN = 64,
    PAGE = 4096
};
#define SI_FLAGS_TCS UINT64_C(0x100)

size_t metadata_patches_count(const MetadataEntry *entry) {
    return entry->patches.size / METADATA_RECORD_SIZE;
}

size_t metadata_layout_count(const MetadataEntry *entry) {
    return entry->layout.size / METADATA_RECORD_SIZE;
}

size_t metadata_extends_count(const MetadataEntry *entry) {
    return entry->extends.size / METADATA_EXTEND_RECORD_SIZE;
}

MetadataPatch metadata_patch(const MetadataEntry *entry, size_t index) {
    const uint8_t *at = entry->patches.data + index * METADATA_RECORD_SIZE;
    return (MetadataPatch){.target = bytes_le64(at),
                           .source = {entry->bytes.data + bytes_le32(at + 8), bytes_le32(at + 12)}};
}

MetadataLayout metadata_layout(const MetadataEntry *entry, size_t index) {
    const uint8_t *at = entry->layout.data + index * METADATA_RECORD_SIZE;
    uint16_t id = bytes_le16(at);
    if ((id & METADATA_LAYOUT_GROUP) != 0) {
        return (MetadataLayout){.id = id,
                                .entry_count = bytes_le16(at + 2),
                                .load_times = bytes_le32(at + 4),
                                .load_step = bytes_le64(at + 8)};
    }
    return (MetadataLayout){.id = id,
                            .attributes = bytes_le16(at + 2),
                            .page_count = bytes_le32(at + 4),
                            .address = bytes_le64(at + 8),
                            .content_size = bytes_le32(at + 16),
                            .content_offset = bytes_le32(at + 20),
                            .si_flags = bytes_le64(at + 24)};
}

MetadataExtend metadata_extend(const MetadataEntry *entry, size_t index) {
    const uint8_t *at = entry->extends.data + index * METADATA_EXTEND_RECORD_SIZE;
    return (MetadataExtend){.id = bytes_le32(at),
                            .body = {entry->bytes.data + bytes_le32(at + 8), bytes_le32(at + 4)}};
}

bool metadata_find_extend(const MetadataEntry *entry, uint32_t id, Bytes *ret_body) {
    for (size_t i = 0; i < metadata_extends_count(entry); i++) {
        MetadataExtend extend = metadata_extend(entry, i);
        if (extend.id == id) {
            *ret_body = extend.body;
            return true;
        }
    }
    return false;
}

bool metadata_patches_touch(const MetadataEntry *entry, uint64_t offset, uint64_t size) {
    for (size_t i = 0; i < metadata_patches_count(entry); i++) {
        MetadataPatch patch = metadata_patch(entry, i);
        if (patch.source.size > 0 && size > 0 && patch.target < offset + size &&
            offset < patch.target + patch.source.size) {
            return true;
        }
    }
    return false;
}

/* A table or a body that a directory or record refers to: {0, 0} is absent, else it lies in data[]. */
static bool data_slice(const MetadataEntry *entry, uint64_t offset, uint64_t size, Bytes *ret_part) {
    if (size == 0) {
        *ret_part = (Bytes){entry->bytes.data, 0};
        return true;
    }
    return offset >= entry->data_offset && bytes_slice(entry->bytes, offset, size, ret_part);
}

static bool directory_read(const MetadataEntry *entry, size_t at, size_t record_size, size_t max,
                           const char *name, Bytes *ret_records, Error *err) {
    uint64_t offset = bytes_le32(entry->bytes.data + at);
    uint64_t size = bytes_le32(entry->bytes.data + at + 4);
    if (size / record_size > max) {
        return error_set(err, ERROR_LIMIT, "%llu %s records: at most %zu are accepted",
                         (unsigned long long)(size / record_size), name, max);
    }
    Bytes records;
    if (!data_slice(entry, offset, size, &records)) {
        return error_set(err, ERROR_INPUT, "the %s records lie outside the metadata entry", name);
    }
    records.size -= records.size % record_size;
    *ret_records = records;
    return true;
}

static bool patches_check(const MetadataEntry *entry, uint64_t file_size, Error *err) {
    for (size_t i = 0; i < metadata_patches_count(entry); i++) {
        const uint8_t *at = entry->patches.data + i * METADATA_RECORD_SIZE;
        uint64_t target = bytes_le64(at);
        uint32_t size = bytes_le32(at + 12);
        Bytes source;
        if (!data_slice(entry, bytes_le32(at + 8), size, &source)) {
            return error_set(err, ERROR_INPUT, "patch %zu takes its bytes from outside the metadata entry",
                             i);
        }
        if (target > file_size || size > file_size - target) {
            return error_set(err, ERROR_INPUT, "patch %zu goes outside the file", i);
        }
    }
    return true;
}

static bool layout_check(const MetadataEntry *entry, Error *err) {
    for (size_t i = 0; i < metadata_layout_count(entry); i++) {
        MetadataLayout record = metadata_layout(entry, i);
        Bytes content;
        if ((record.id & METADATA_LAYOUT_GROUP) != 0) {
            if (record.entry_count > i) {
                return error_set(err, ERROR_INPUT, "layout group %zu repeats %u records, before it are %zu",
                                 i, record.entry_count, i);
            }
            for (size_t member = i - record.entry_count; member < i; member++) {
                if ((metadata_layout(entry, member).id & METADATA_LAYOUT_GROUP) != 0) {
                    return error_set(err, ERROR_INPUT, "layout group %zu contains another group", i);
                }
            }
            continue;
        }
        if (record.content_offset == 0 || (record.attributes & METADATA_LAYOUT_EADD) == 0) {
            continue;
        }
        if (!data_slice(entry, record.content_offset, record.content_size, &content)) {
            return error_set(err, ERROR_INPUT,
                             "the contents of layout record %zu lie outside the metadata entry", i);
        }
        bool tcs = record.si_flags == SI_FLAGS_TCS;
        if (tcs ? record.content_size < TCS_SIZE_MIN || record.content_size > PAGE
                : record.content_size > (uint64_t)record.page_count * PAGE) {
            return error_set(err, ERROR_INPUT, "the contents of layout record %zu have %u bytes for %u pages",
                             i, record.content_size, record.page_count);
        }
    }
    return true;
}

static bool extends_check(const MetadataEntry *entry, Error *err) {
    for (size_t i = 0; i < metadata_extends_count(entry); i++) {
        const uint8_t *at = entry->extends.data + i * METADATA_EXTEND_RECORD_SIZE;
        Bytes body;
        if (!data_slice(entry, bytes_le32(at + 8), bytes_le32(at + 4), &body)) {
            return error_set(err, ERROR_INPUT, "extend record %zu refers to bytes outside the metadata entry",
                             i);
        }
    }
    return true;
}

static bool is_power_of_two(uint64_t value) {
    return value != 0 && (value & (value - 1)) == 0;
}

static bool elrange_read(MetadataEntry *entry, Error *err) {
    uint64_t offset = bytes_le32(entry->bytes.data + DIRECTORY_ELRANGE);
    uint64_t size = bytes_le32(entry->bytes.data + DIRECTORY_ELRANGE + 4);
    Bytes record;
    if (size != ELRANGE_SIZE || !data_slice(entry, offset, size, &record)) {
        return error_set(err, ERROR_INPUT,
                         "version %u.%u demands an ELRANGE record inside the metadata entry", entry->major,
                         entry->minor);
    }
    uint64_t image = bytes_le64(record.data);
    uint64_t start = bytes_le64(record.data + 8);
    uint64_t range = bytes_le64(record.data + 16);
    if (!is_power_of_two(range) || range < PAGE || start % range != 0 || image % PAGE != 0 || image < start ||
        image - start > range || entry->enclave_size > range - (image - start)) {
        return error_set(err, ERROR_INPUT, "the ELRANGE record does not hold the enclave's image");
    }
    entry->has_elrange = true;
    entry->image_address = image;
    entry->elrange_start = start;
    entry->elrange_size = range;
    return true;
}

static bool entry_has_extends(const MetadataEntry *entry) {
    uint32_t base = entry->major % 10;
    return (base == 1 && entry->minor >= 5) || (base == 3 && entry->minor >= 2);
}

static bool version_is_known(const MetadataEntry *entry) {
    uint32_t base = entry->major % 10;
    return entry->major < 20 && base >= 1 && base <= 3;
}

static bool entry_parse(MetadataEntry *entry, uint64_t file_size, Error *err) {
    const uint8_t *at = entry->bytes.data;
    entry->minor = bytes_le32(at + 8);
    entry->major = bytes_le32(at + 12);
    entry->tcs_policy = bytes_le32(at + 20);
    entry->ssa_frame_size = bytes_le32(at + 24);
    entry->max_save_size = bytes_le32(at + 28);
    entry->misc_select = bytes_le32(at + 32);
    entry->tcs_min_pool = bytes_le32(at + 36);
    entry->enclave_size = bytes_le64(at + 40);
    entry->attributes = (SgxAttributes){bytes_le64(at + 48), bytes_le64(at + 56)};
    entry->sigstruct = (Bytes){at + 64, SIGSTRUCT_SIZE};
    if (!version_is_known(entry)) {
        return error_set(err, ERROR_INPUT, "version %u.%u is not known: a newer psw-manager may know it",
                         entry->major, entry->minor);
    }
    if (!is_power_of_two(entry->enclave_size) || entry->enclave_size < PAGE || entry->ssa_frame_size < 1 ||
        entry->ssa_frame_size > SSA_FRAME_SIZE_MAX) {
        return error_set(err, ERROR_INPUT, "enclave size 0x%llx with SSA frames of %u pages is impossible",
                         (unsigned long long)entry->enclave_size, entry->ssa_frame_size);
    }
    bool extends = entry_has_extends(entry);
    entry->data_offset = extends ? METADATA_DATA_OFFSET_FOUR : METADATA_DATA_OFFSET;
    if (entry->bytes.size < entry->data_offset) {
        return error_set(err, ERROR_INPUT, "an entry of %zu bytes is too small for version %u.%u",
                         entry->bytes.size, entry->major, entry->minor);
    }
    if (entry->major > 10) {
        /* Before there were four directories the ELRANGE one took the first eight bytes of data[]. */
        entry->data_offset = extends ? METADATA_DATA_OFFSET_FOUR : METADATA_DATA_OFFSET + 8;
        if (entry->bytes.size < entry->data_offset || !elrange_read(entry, err)) {
            return entry->bytes.size < entry->data_offset
                       ? error_set(err, ERROR_INPUT,
                                   "an entry of %zu bytes has no room for an ELRANGE directory",
                                   entry->bytes.size)
                       : false;
        }
    }
    if (!directory_read(entry, DIRECTORY_PATCH, METADATA_RECORD_SIZE, METADATA_PATCHES_MAX, "patch",
                        &entry->patches, err) ||
        !directory_read(entry, DIRECTORY_LAYOUT, METADATA_RECORD_SIZE, METADATA_LAYOUT_MAX, "layout",
                        &entry->layout, err) ||
        (extends && !directory_read(entry, DIRECTORY_EXTEND, METADATA_EXTEND_RECORD_SIZE,
                                    METADATA_EXTENDS_MAX, "extend", &entry->extends, err))) {
        return false;
    }
    return patches_check(entry, file_size, err) && layout_check(entry, err) && extends_check(entry, err);
}

static bool note_read(const Elf *elf, size_t section, Bytes *ret_desc, Error *err) {
    static const char name[NOTE_NAME_SIZE] = "sgx_metadata";
    Bytes note;
    if (elf->sections[section].type == ELF_SECTION_NOBITS ||
        !bytes_slice(elf->file, elf->sections[section].offset, elf->sections[section].size, &note)) {
        return error_set(err, ERROR_INPUT, METADATA_SECTION " has no contents");
    }
    if (note.size < METADATA_NOTE_HEADER_SIZE || bytes_le32(note.data) != NOTE_NAME_SIZE ||
        bytes_le32(note.data + 8) != NOTE_TYPE || memcmp(note.data + 12, name, NOTE_NAME_SIZE) != 0) {
        return error_set(err, ERROR_INPUT, METADATA_SECTION " does not begin with a note named sgx_metadata");
    }
    uint32_t size = bytes_le32(note.data + 4);
    if (size > METADATA_DESC_SIZE_MAX) {
        return error_set(err, ERROR_LIMIT, METADATA_SECTION " has %u bytes: at most %d are accepted", size,
                         METADATA_DESC_SIZE_MAX);
    }
    if (!bytes_slice(note, METADATA_NOTE_HEADER_SIZE, size, ret_desc)) {
        return error_set(err, ERROR_INPUT, METADATA_SECTION " is shorter than its note says");
    }
    return true;
}

bool metadata_parse(const Elf *elf, Metadata *ret_metadata, Error *err) {
    *ret_metadata = (Metadata){0};
    if (!elf_find_section(elf, METADATA_SECTION, &ret_metadata->section, err) ||
        !note_read(elf, ret_metadata->section, &ret_metadata->desc, err)) {
        return false;
    }
    Bytes rest = ret_metadata->desc;
    while (rest.size >= ENTRY_HEAD_SIZE && bytes_le64(rest.data) == METADATA_MAGIC) {
        size_t number = ret_metadata->count;
        if (number == METADATA_ENTRIES_MAX) {
            return error_set(err, ERROR_LIMIT, "more than %d metadata entries", METADATA_ENTRIES_MAX);
        }
        MetadataEntry *entry = &ret_metadata->entries[number];
        uint32_t size = bytes_le32(rest.data + 16);
        if (size < METADATA_DATA_OFFSET || !bytes_take(&rest, size, &entry->bytes)) {
            return error_set(err, ERROR_INPUT, "metadata entry %zu has an impossible size of %u bytes",
                             number, size);
        }
        entry->file_offset = (uint64_t)(entry->bytes.data - elf->file.data);
        if (!entry_parse(entry, elf->file.size, err)) {
            return error_wrap(err, "metadata entry %zu", number);
        }
        ret_metadata->count++;
    }
    if (ret_metadata->count == 0) {
        return error_set(err, ERROR_INPUT,
                         METADATA_SECTION " has no metadata: the enclave was built but not signed");
    }
    ret_metadata->desc_used = ret_metadata->desc.size - rest.size;
    return true;
}

const MetadataEntry *metadata_loaders_choice(const Metadata *metadata) {
    const MetadataEntry *choice = &metadata->entries[0];
    uint32_t best_base = 0;
    for (size_t i = 0; i < metadata->count; i++) {
        const MetadataEntry *entry = &metadata->entries[i];
        uint32_t base = entry->major % 10;
        if (base != 2 && (base > best_base || (base == best_base && entry->minor > choice->minor))) {
            choice = entry;
            best_base = base;
        }
    }
    return choice;
}
