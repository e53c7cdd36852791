/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/elf.h"

#include "bundles/base/text.h"

enum { TYPE_DYN = 3, MACHINE_X86_64 = 62, DYNAMIC_ENTRY_SIZE = 16, PAGE = 4096, SECTION_NAME_MAX = 1024 };

static bool header_check(Bytes head, Error *err) {
    static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little endian */, 1};
    if (head.size < ELF_HEADER_SIZE || memcmp(head.data, ident, sizeof ident) != 0) {
        return error_set(err, ERROR_INPUT, "not a 64-bit little-endian ELF file");
    }
    uint16_t type = bytes_le16(head.data + 16);
    uint16_t machine = bytes_le16(head.data + 18);
    if (type != TYPE_DYN || machine != MACHINE_X86_64) {
        return error_set(err, ERROR_INPUT,
                         "ELF type %u for machine %u: an enclave is a shared object (3) for x86-64 (62)",
                         type, machine);
    }
    return true;
}

static ElfSegment segment_read(const uint8_t *at) {
    return (ElfSegment){.type = bytes_le32(at),
                        .flags = bytes_le32(at + 4),
                        .offset = bytes_le64(at + 8),
                        .address = bytes_le64(at + 16),
                        .file_size = bytes_le64(at + 32),
                        .memory_size = bytes_le64(at + 40),
                        .align = bytes_le64(at + 48)};
}

static bool load_check(const ElfSegment *segment, size_t index, uint64_t file_size, Error *err) {
    if (segment->offset > file_size || segment->file_size > file_size - segment->offset) {
        return error_set(err, ERROR_INPUT, "segment %zu lies outside the file", index);
    }
    if (segment->file_size > segment->memory_size) {
        return error_set(err, ERROR_INPUT, "segment %zu has more bytes in the file than in memory", index);
    }
    if (segment->memory_size > UINT64_MAX - PAGE ||
        segment->address > UINT64_MAX - PAGE - segment->memory_size) {
        return error_set(err, ERROR_INPUT, "segment %zu wraps around the address space", index);
    }
    if ((segment->flags & (ELF_FLAG_R | ELF_FLAG_W | ELF_FLAG_X)) == 0) {
        return error_set(err, ERROR_INPUT, "segment %zu has no access rights", index);
    }
    if (segment->align == 0 || segment->align % PAGE != 0) {
        return error_set(err, ERROR_INPUT, "segment %zu is aligned to 0x%llx, not to pages", index,
                         (unsigned long long)segment->align);
    }
    return true;
}

bool elf_parse_segments(Bytes head, uint64_t file_size, ElfSegments *ret_segments, Error *err) {
    if (!header_check(head, err)) {
        return false;
    }
    uint64_t table_offset = bytes_le64(head.data + 32);
    uint16_t entry_size = bytes_le16(head.data + 54);
    uint16_t count = bytes_le16(head.data + 56);
    if (count > ELF_SEGMENTS_MAX) {
        return error_set(err, ERROR_LIMIT, "%u program headers: at most %d are accepted", count,
                         ELF_SEGMENTS_MAX);
    }
    Bytes table;
    if (entry_size != ELF_SEGMENT_HEADER_SIZE ||
        !bytes_slice(head, table_offset, (uint64_t)count * ELF_SEGMENT_HEADER_SIZE, &table)) {
        return error_set(err, ERROR_INPUT, "the program headers are not where the ELF header says");
    }
    ElfSegments segments = {.count = count};
    size_t loads = 0;
    for (size_t i = 0; i < count; i++) {
        segments.items[i] = segment_read(table.data + i * ELF_SEGMENT_HEADER_SIZE);
        if (segments.items[i].type != ELF_SEGMENT_LOAD) {
            continue;
        }
        if (!load_check(&segments.items[i], i, file_size, err)) {
            return false;
        }
        loads++;
    }
    if (loads == 0 || loads > ELF_LOADS_MAX) {
        return error_set(err, ERROR_LIMIT, "%zu loadable segments: 1 to %d are accepted", loads,
                         ELF_LOADS_MAX);
    }
    *ret_segments = segments;
    return true;
}

/* The end is looked for only so far: names may overlap, and all of a large file be taken for names. */
static bool section_name(Bytes names, uint32_t offset, const char **ret_name) {
    if (offset >= names.size) {
        return false;
    }
    size_t most = names.size - offset < SECTION_NAME_MAX + 1 ? names.size - offset : SECTION_NAME_MAX + 1;
    if (memchr(names.data + offset, 0, most) == NULL) {
        return false;
    }
    *ret_name = (const char *)names.data + offset;
    return true;
}

static bool sections_parse(Elf *elf, Error *err) {
    const uint8_t *header = elf->file.data;
    uint16_t count = bytes_le16(header + 60);
    elf->sections_offset = bytes_le64(header + 40);
    elf->names_section = bytes_le16(header + 62);
    if (count > ELF_SECTIONS_MAX) {
        return error_set(err, ERROR_LIMIT, "%u section headers: at most %d are accepted", count,
                         ELF_SECTIONS_MAX);
    }
    Bytes table;
    if (bytes_le16(header + 58) != ELF_SECTION_HEADER_SIZE || elf->names_section >= count ||
        !bytes_slice(elf->file, elf->sections_offset, (uint64_t)count * ELF_SECTION_HEADER_SIZE, &table)) {
        return error_set(err, ERROR_INPUT, "the section headers are not where the ELF header says");
    }
    const uint8_t *names_header = table.data + elf->names_section * ELF_SECTION_HEADER_SIZE;
    Bytes names;
    if (!bytes_slice(elf->file, bytes_le64(names_header + 24), bytes_le64(names_header + 32), &names)) {
        return error_set(err, ERROR_INPUT, "the section names lie outside the file");
    }
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = table.data + i * ELF_SECTION_HEADER_SIZE;
        ElfSection section = {.type = bytes_le32(at + 4),
                              .flags = bytes_le64(at + 8),
                              .address = bytes_le64(at + 16),
                              .offset = bytes_le64(at + 24),
                              .size = bytes_le64(at + 32),
                              .align = bytes_le64(at + 48)};
        Bytes contents;
        if (!section_name(names, bytes_le32(at), &section.name)) {
            return error_set(
                err, ERROR_INPUT,
                "section %zu has its name outside the section names, or more than %d bytes of it", i,
                SECTION_NAME_MAX);
        }
        if (section.type != 0 && section.type != ELF_SECTION_NOBITS &&
            !bytes_slice(elf->file, section.offset, section.size, &contents)) {
            return error_set(err, ERROR_INPUT, "section %zu lies outside the file", i);
        }
        elf->sections[i] = section;
    }
    elf->sections_count = count;
    return true;
}

bool elf_parse(Bytes file, Elf *ret_elf, Error *err) {
    ret_elf->file = file;
    return elf_parse_segments(file, file.size, &ret_elf->segments, err) && sections_parse(ret_elf, err);
}

bool elf_find_section(const Elf *elf, const char *name, size_t *ret_index, Error *err) {
    size_t found = 0;
    size_t index = 0;
    for (size_t i = 0; i < elf->sections_count; i++) {
        if (strcmp(elf->sections[i].name, name) == 0) {
            index = i;
            found++;
        }
    }
    if (found != 1) {
        return error_set(err, ERROR_INPUT,
                         found == 0 ? "there is no section %s: this is no signed enclave, or it was stripped"
                                    : "there is more than one section %s",
                         name);
    }
    *ret_index = index;
    return true;
}

/* The file bytes behind [address, address + size), if one PT_LOAD maps them all. */
static bool mapped_bytes(const Elf *elf, uint64_t address, uint64_t size, Bytes *ret_bytes) {
    for (size_t i = 0; i < elf->segments.count; i++) {
        const ElfSegment *load = &elf->segments.items[i];
        if (load->type != ELF_SEGMENT_LOAD || address < load->address ||
            address - load->address > load->file_size || size > load->file_size - (address - load->address)) {
            continue;
        }
        return bytes_slice(elf->file, load->offset + (address - load->address), size, ret_bytes);
    }
    return false;
}

bool elf_dynamic(const Elf *elf, Bytes *ret_entries, Error *err) {
    const ElfSegment *dynamic = NULL;
    for (size_t i = 0; i < elf->segments.count; i++) {
        if (elf->segments.items[i].type != ELF_SEGMENT_DYNAMIC) {
            continue;
        }
        if (dynamic != NULL) {
            return error_set(err, ERROR_INPUT, "there is more than one dynamic segment");
        }
        dynamic = &elf->segments.items[i];
    }
    if (dynamic == NULL) {
        *ret_entries = (Bytes){0};
        return true;
    }
    Bytes entries;
    if (!mapped_bytes(elf, dynamic->address, dynamic->file_size, &entries) ||
        (uint64_t)(entries.data - elf->file.data) != dynamic->offset) {
        return error_set(err, ERROR_INPUT, "the dynamic segment lies outside the loaded segments");
    }
    if (entries.size / DYNAMIC_ENTRY_SIZE > ELF_DYNAMIC_ENTRIES_MAX) {
        return error_set(err, ERROR_LIMIT, "the dynamic segment has more than %d entries",
                         ELF_DYNAMIC_ENTRIES_MAX);
    }
    *ret_entries = entries;
    return true;
}

size_t elf_dynamic_find(Bytes entries, uint64_t tag, uint64_t *ret_value) {
    size_t found = 0;
    for (size_t at = 0; at + DYNAMIC_ENTRY_SIZE <= entries.size; at += DYNAMIC_ENTRY_SIZE) {
        uint64_t entry_tag = bytes_le64(entries.data + at);
        if (entry_tag == ELF_TAG_NULL) {
            break;
        }
        if (entry_tag == tag && found++ == 0) {
            *ret_value = bytes_le64(entries.data + at + 8);
        }
    }
    return found;
}

/* The text at an address, up to and with its NUL, all inside one PT_LOAD's file bytes. */
static bool mapped_text(const Elf *elf, uint64_t address, Bytes *ret_text) {
    for (uint64_t size = 1; size <= ELF_SONAME_MAX + 1; size++) {
        Bytes text;
        if (!mapped_bytes(elf, address, size, &text)) {
            return false;
        }
        if (text.data[size - 1] == 0) {
            *ret_text = text;
            return true;
        }
    }
    return false;
}

bool elf_soname(const Elf *elf, ElfSoname *ret_soname, Error *err) {
    ElfSoname soname = {0};
    if (!elf_dynamic(elf, &soname.dynamic, err)) {
        return false;
    }
    uint64_t offset = 0;
    uint64_t strings = 0;
    size_t sonames = elf_dynamic_find(soname.dynamic, ELF_TAG_SONAME, &offset);
    size_t tables = elf_dynamic_find(soname.dynamic, ELF_TAG_STRTAB, &strings);
    if (sonames > 1 || (sonames == 1 && tables != 1)) {
        return error_set(err, ERROR_INPUT,
                         "DT_SONAME occurs %zu times and DT_STRTAB %zu times: once each is right", sonames,
                         tables);
    }
    if (sonames == 1) {
        if (offset > UINT64_MAX - strings || !mapped_text(elf, strings + offset, &soname.string) ||
            soname.string.size == 1 || !text_is_printable((const char *)soname.string.data, ELF_SONAME_MAX)) {
            return error_set(err, ERROR_INPUT,
                             "DT_SONAME is not a printable text of 1 to %d bytes in a loaded segment",
                             ELF_SONAME_MAX);
        }
        memcpy(soname.text, soname.string.data, soname.string.size);
    }
    *ret_soname = soname;
    return true;
}

bool elf_each_needed(const Elf *elf, ElfNeededFn visit, void *context, Error *err) {
    Bytes entries;
    uint64_t strings = 0;
    if (!elf_dynamic(elf, &entries, err)) {
        return false;
    }
    (void)elf_dynamic_find(entries, ELF_TAG_STRTAB, &strings);
    for (size_t at = 0; at + DYNAMIC_ENTRY_SIZE <= entries.size; at += DYNAMIC_ENTRY_SIZE) {
        uint64_t tag = bytes_le64(entries.data + at);
        uint64_t offset = bytes_le64(entries.data + at + 8);
        Bytes text;
        if (tag == ELF_TAG_NULL) {
            break;
        }
        if (tag != ELF_TAG_NEEDED) {
            continue;
        }
        if (offset > UINT64_MAX - strings || !mapped_text(elf, strings + offset, &text) || text.size == 1 ||
            !text_is_printable((const char *)text.data, ELF_SONAME_MAX)) {
            return error_set(err, ERROR_INPUT,
                             "DT_NEEDED is not a printable text of 1 to %d bytes in a loaded segment",
                             ELF_SONAME_MAX);
        }
        if (!visit(context, (const char *)text.data, err)) {
            return false;
        }
    }
    return true;
}
