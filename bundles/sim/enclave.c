/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/enclave.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/text.h"
#include "bundles/sim/image.h"
#include "bundles/sim/metadata.h"

/* Pages of heap and stack as Intel's files of 2022 and later have them. */
typedef struct RoleFacts {
    const char *soname;
    uint32_t heap_pages;
    uint32_t stack_pages;
} RoleFacts;

static const RoleFacts roles[SIM_ROLES_COUNT] = {
    [SIM_ROLE_QE3] = {"libsgx_qe3.signed.so.1", 0x24, 0x44},
    [SIM_ROLE_ID_ENCLAVE] = {"libsgx_id_enclave.signed.so.1", 1, 2},
    [SIM_ROLE_PCE] = {"libsgx_pce.signed.so.1", 8, 5},
};

/* Places in the file. Addresses are the same but for the writable segment, one page higher. */
enum {
    SYMBOLS_AT = 0x190, /* behind the ELF header and six program headers */
    TEXT_AT = 0x1000,
    RODATA_AT = 0x2000,
    DYNAMIC_AT = 0x2810, /* in the middle of a page, as linkers place it */
    DATA_SHIFT = 0x1000,
    GLOBAL_SIZE = 256,
    BSS_SIZE = 0x1000,
    NOTE_ALIGNMENT = 4,
    GUARD_PAGES = 16,
    SSA_PAGES = 2,
    SIGNING_DATE = 0x20250601
};

typedef struct Dynamic {
    Elf64_Dyn entries[7];
} Dynamic;

enum { GLOBAL_AT = DYNAMIC_AT + sizeof(Dynamic), IMAGE_END = GLOBAL_AT + GLOBAL_SIZE };

static const char runtime_version[] = "SGX_TRTS_VERSION_2.22.100.1";
static const uint8_t text[] = {0xf3, 0x0f, 0x1e, 0xfa, 0x0f, 0x0b}; /* endbr64; ud2 */

typedef struct Layout { /* offsets of what the first segment holds */
    size_t strings;
    size_t strings_size;
    size_t soname; /* in the strings */
    size_t hash;
    size_t end;
} Layout;

static const char symbol_names[] = "\0enclave_entry\0g_global_data";
enum { SYMBOLS_COUNT = 3, ENTRY_NAME = 1, GLOBAL_NAME = 15, HASH_WORDS = 2 + 1 + SYMBOLS_COUNT };

static Layout plan(const char *soname) {
    Layout layout = {.strings = SYMBOLS_AT + SYMBOLS_COUNT * sizeof(Elf64_Sym),
                     .soname = sizeof symbol_names};
    layout.strings_size = layout.soname + strlen(soname) + 1;
    layout.hash = (layout.strings + layout.strings_size + 7) & ~(size_t)7;
    layout.end = layout.hash + HASH_WORDS * sizeof(uint32_t);
    return layout;
}

static Elf64_Phdr segment(uint32_t type, uint32_t flags, uint64_t at, uint64_t shift, uint64_t file_size,
                          uint64_t memory_size, uint64_t align) {
    return (Elf64_Phdr){type, flags, at, at + shift, at + shift, file_size, memory_size, align};
}

static void put_headers(uint8_t *file, const Layout *layout, size_t rodata_size) {
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_DYN,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = TEXT_AT,
        .e_phoff = sizeof header,
        .e_ehsize = sizeof header,
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 6,
        .e_shentsize = sizeof(Elf64_Shdr),
    };
    const uint64_t data_size = IMAGE_END - DYNAMIC_AT;
    const Elf64_Phdr segments[6] = {
        segment(PT_LOAD, PF_R, 0, 0, layout->end, layout->end, SIM_PAGE_SIZE),
        segment(PT_LOAD, PF_R | PF_X, TEXT_AT, 0, sizeof text, sizeof text, SIM_PAGE_SIZE),
        segment(PT_LOAD, PF_R, RODATA_AT, 0, rodata_size, rodata_size, SIM_PAGE_SIZE),
        segment(PT_LOAD, PF_R | PF_W, DYNAMIC_AT, DATA_SHIFT, data_size, data_size + BSS_SIZE, SIM_PAGE_SIZE),
        segment(PT_DYNAMIC, PF_R | PF_W, DYNAMIC_AT, DATA_SHIFT, sizeof(Dynamic), sizeof(Dynamic), 8),
        {.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W, .p_align = 16},
    };
    memcpy(file, &header, sizeof header);
    memcpy(file + sizeof header, segments, sizeof segments);
}

static void put_symbols(uint8_t *file, const Layout *layout, const char *soname) {
    const Elf64_Sym symbols[SYMBOLS_COUNT] = {
        {0},
        {.st_name = ENTRY_NAME,
         .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
         .st_shndx = 4,
         .st_value = TEXT_AT,
         .st_size = sizeof text},
        {.st_name = GLOBAL_NAME,
         .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
         .st_shndx = 7,
         .st_value = GLOBAL_AT + DATA_SHIFT,
         .st_size = GLOBAL_SIZE},
    };
    /* One bucket: both symbols are in its chain. */
    const uint32_t hash[HASH_WORDS] = {1, SYMBOLS_COUNT, 1, 0, 2, 0};
    const Dynamic dynamic = {{
        {DT_SONAME, {layout->soname}},
        {DT_HASH, {layout->hash}},
        {DT_STRTAB, {layout->strings}},
        {DT_SYMTAB, {SYMBOLS_AT}},
        {DT_STRSZ, {layout->strings_size}},
        {DT_SYMENT, {sizeof(Elf64_Sym)}},
        {DT_NULL, {0}},
    }};
    /* What the signing tool finds in the global data before it patches: SDK version, then six numbers. */
    const uint64_t global[] = {(UINT64_C(2) << 32) | (UINT64_C(22) << 16) | 100, 1, 2, 3, 4, 5, 6};
    memcpy(file + SYMBOLS_AT, symbols, sizeof symbols);
    memcpy(file + layout->strings, symbol_names, sizeof symbol_names);
    memcpy(file + layout->strings + layout->soname, soname, strlen(soname) + 1);
    memcpy(file + layout->hash, hash, sizeof hash);
    memcpy(file + DYNAMIC_AT, &dynamic, sizeof dynamic);
    memcpy(file + GLOBAL_AT, global, sizeof global);
}

/* The data of the metadata entry, in this order. */
typedef struct __attribute__((packed)) EntryData {
    SimMetadata head;
    SimTcs tcs;
    uint8_t global[GLOBAL_SIZE];
    uint8_t zeros[8];
    SimPatch patches[4];
    SimLayout layout[9];
} EntryData;

static uint64_t next_power_of_two(uint64_t value) {
    uint64_t power = SIM_PAGE_SIZE;
    while (power < value) {
        power *= 2;
    }
    return power;
}

/* Heap, then per thread a stack, its TCS, state save area and thread data, with guards between them. */
static void put_layout(EntryData *entry, const RoleFacts *facts) {
    uint64_t rva = (IMAGE_END + DATA_SHIFT + BSS_SIZE + SIM_PAGE_SIZE - 1) & ~(uint64_t)(SIM_PAGE_SIZE - 1);
    const SimLayout guard = {.id = 10, .page_count = GUARD_PAGES};
    const uint16_t measured = SIM_LAYOUT_ADD | SIM_LAYOUT_EXTEND;
    const SimLayout records[] = {
        {.id = 1, .attributes = SIM_LAYOUT_ADD, .page_count = facts->heap_pages, .si_flags = SIM_PAGE_RW},
        guard,
        {.id = 7,
         .attributes = measured,
         .page_count = facts->stack_pages,
         .content_size = 0xcccccccc,
         .si_flags = SIM_PAGE_RW},
        guard,
        {.id = 4,
         .attributes = measured,
         .page_count = 1,
         .content_size = sizeof(SimTcs),
         .content_offset = offsetof(EntryData, tcs),
         .si_flags = SIM_PAGE_TCS},
        {.id = 6, .attributes = measured, .page_count = SSA_PAGES, .si_flags = SIM_PAGE_RW},
        guard,
        {.id = 5, .attributes = measured, .page_count = 1, .si_flags = SIM_PAGE_RW},
    };
    enum { COUNT = sizeof records / sizeof records[0] };
    for (size_t i = 0; i < COUNT; i++) {
        entry->layout[i] = records[i];
        entry->layout[i].rva = rva;
        rva += (uint64_t)records[i].page_count * SIM_PAGE_SIZE;
    }
    entry->layout[COUNT] =
        (SimLayout){.id = 9 | SIM_LAYOUT_GROUP, .attributes = COUNT - 1, .rva = rva - entry->layout[1].rva};
    entry->head.enclave_size = next_power_of_two(rva);
}

static void put_entry(EntryData *entry, const SimEnclaveSpec *spec) {
    *entry = (EntryData){
        .head = {.magic = SIM_METADATA_MAGIC,
                 .version = SIM_METADATA_VERSION,
                 .size = sizeof *entry,
                 .tcs_policy = 1,
                 .ssa_frame_size = 1,
                 .max_save_buffer_size = 2688,
                 .tcs_min_pool = 1,
                 .attributes = {SGX_FLAGS_MODE64BIT | SGX_FLAGS_PROVISION_KEY, 0xe7},
                 .patches = {offsetof(EntryData, patches), sizeof entry->patches},
                 .layout = {offsetof(EntryData, layout), sizeof entry->layout}},
        .tcs = {.ossa = SIM_PAGE_SIZE,
                .nssa = SSA_PAGES,
                .oentry = TEXT_AT,
                .ofs_base = (1 + SSA_PAGES + GUARD_PAGES) * SIM_PAGE_SIZE,
                .ogs_base = (1 + SSA_PAGES + GUARD_PAGES) * SIM_PAGE_SIZE,
                .fs_limit = UINT32_MAX,
                .gs_limit = UINT32_MAX},
        /* The signing tool hides the section headers from the measured image. */
        .patches = {{GLOBAL_AT, offsetof(EntryData, global), GLOBAL_SIZE, {0}},
                    {offsetof(Elf64_Ehdr, e_shoff), offsetof(EntryData, zeros), 8, {0}},
                    {offsetof(Elf64_Ehdr, e_shnum), offsetof(EntryData, zeros), 2, {0}},
                    {offsetof(Elf64_Ehdr, e_shstrndx), offsetof(EntryData, zeros), 2, {0}}},
    };
    put_layout(entry, &roles[spec->role]);
    bytes_put_le64(entry->global, entry->head.enclave_size);
    bytes_put_le64(entry->global + 8, entry->layout[0].rva);
    bytes_put_le64(entry->global + 16, (uint64_t)entry->layout[0].page_count * SIM_PAGE_SIZE);

    SimSigstruct *sigstruct = &entry->head.sigstruct;
    sim_sigstruct_init(sigstruct);
    sigstruct->date = SIGNING_DATE;
    sigstruct->attributes = (SgxAttributes){SGX_FLAGS_MODE64BIT | SGX_FLAGS_PROVISION_KEY, 3};
    sigstruct->attributes_mask = (SgxAttributes){UINT64_MAX, ~UINT64_C(0xe4)};
    sigstruct->isv_prod_id = SIM_ENCLAVE_PROD_ID;
    sigstruct->isv_svn = spec->isv_svn;
}

enum { SECTIONS_COUNT = 11 };
static const char section_names[] = "\0.dynsym\0.dynstr\0.hash\0.text\0.rodata\0.dynamic\0.data\0.bss\0"
                                    ".note.sgxmeta\0.shstrtab";

typedef struct Tail {
    size_t note;
    size_t names;
    size_t headers;
    size_t end;
} Tail;

static Tail plan_tail(void) {
    Tail tail = {.note = (IMAGE_END + NOTE_ALIGNMENT - 1) / NOTE_ALIGNMENT * NOTE_ALIGNMENT};
    tail.names = (tail.note + SIM_METADATA_NOTE_HEAD + SIM_METADATA_DESC_SIZE + NOTE_ALIGNMENT - 1) /
                 NOTE_ALIGNMENT * NOTE_ALIGNMENT;
    tail.headers = (tail.names + sizeof section_names + 7) & ~(size_t)7;
    tail.end = tail.headers + SECTIONS_COUNT * sizeof(Elf64_Shdr);
    return tail;
}

static Elf64_Shdr section(uint32_t name, uint32_t type, uint64_t flags, uint64_t address, uint64_t at,
                          uint64_t size, uint32_t link, uint32_t info, uint64_t align, uint64_t entry) {
    return (Elf64_Shdr){name, type, flags, address, at, size, link, info, align, entry};
}

static void put_sections(uint8_t *file, const Layout *layout, const Tail *tail, size_t rodata_size) {
    const uint64_t wa = SHF_WRITE | SHF_ALLOC;
    const Elf64_Shdr sections[SECTIONS_COUNT] = {
        {0},
        section(1, SHT_DYNSYM, SHF_ALLOC, SYMBOLS_AT, SYMBOLS_AT, SYMBOLS_COUNT * sizeof(Elf64_Sym), 2, 1, 8,
                sizeof(Elf64_Sym)),
        section(9, SHT_STRTAB, SHF_ALLOC, layout->strings, layout->strings, layout->strings_size, 0, 0, 1, 0),
        section(17, SHT_HASH, SHF_ALLOC, layout->hash, layout->hash, layout->end - layout->hash, 1, 0, 8, 4),
        section(23, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, TEXT_AT, TEXT_AT, sizeof text, 0, 0, 16, 0),
        section(29, SHT_PROGBITS, SHF_ALLOC, RODATA_AT, RODATA_AT, rodata_size, 0, 0, 1, 0),
        section(37, SHT_DYNAMIC, wa, DYNAMIC_AT + DATA_SHIFT, DYNAMIC_AT, sizeof(Dynamic), 2, 0, 8,
                sizeof(Elf64_Dyn)),
        section(46, SHT_PROGBITS, wa, GLOBAL_AT + DATA_SHIFT, GLOBAL_AT, GLOBAL_SIZE, 0, 0, 8, 0),
        section(52, SHT_NOBITS, wa, IMAGE_END + DATA_SHIFT, IMAGE_END, BSS_SIZE, 0, 0, 16, 0),
        section(57, SHT_NOTE, 0, 0, tail->note, tail->names - tail->note, 0, 0, NOTE_ALIGNMENT, 0),
        section(71, SHT_STRTAB, 0, 0, tail->names, sizeof section_names, 0, 0, 1, 0),
    };
    memcpy(file + tail->names, section_names, sizeof section_names);
    memcpy(file + tail->headers, sections, sizeof sections);
    Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)file; /* the file is malloc'ed, so aligned */
    header->e_shoff = tail->headers;
    header->e_shnum = SECTIONS_COUNT;
    header->e_shstrndx = SECTIONS_COUNT - 1;
}

static void put_note(uint8_t *file, const Tail *tail, const EntryData *entry) {
    const uint32_t words[3] = {sizeof SIM_METADATA_NOTE, SIM_METADATA_DESC_SIZE, 1};
    memcpy(file + tail->note, words, sizeof words);
    memcpy(file + tail->note + sizeof words, SIM_METADATA_NOTE, sizeof SIM_METADATA_NOTE);
    memcpy(file + tail->note + SIM_METADATA_NOTE_HEAD, entry, sizeof *entry);
}

const char *sim_enclave_soname(SimRole role) {
    return roles[role].soname;
}

bool sim_enclave_make(const SimEnclaveSpec *spec, EVP_PKEY *signer, Buffer *ret_file, Error *err) {
    if (spec->isv_svn == 0 || !text_is_printable(spec->version, 64)) {
        return error_set(err, ERROR_USAGE, "simulated enclave: ISVSVN 0 or an unprintable version");
    }
    const char *soname = roles[spec->role].soname;
    const Layout layout = plan(soname);
    const Tail tail = plan_tail();
    buffer_clear(ret_file);
    if (!buffer_append_zeros(ret_file, tail.end)) {
        return error_set(err, ERROR_MEMORY, "simulated enclave: no room for %zu bytes", tail.end);
    }
    uint8_t *file = ret_file->data;
    char *rodata = (char *)file + RODATA_AT;
    memcpy(rodata, runtime_version, sizeof runtime_version);
    int written = snprintf(rodata + sizeof runtime_version, DYNAMIC_AT - RODATA_AT - sizeof runtime_version,
                           "simulated %s, ISVSVN %u, version %s", soname, spec->isv_svn, spec->version);
    const size_t rodata_size = sizeof runtime_version + (size_t)written + 1;
    EntryData entry;
    put_headers(file, &layout, rodata_size);
    memcpy(file + TEXT_AT, text, sizeof text);
    put_symbols(file, &layout, soname);
    put_sections(file, &layout, &tail, rodata_size);
    put_entry(&entry, spec);
    put_note(file, &tail, &entry);

    /* Note, section headers and SIGSTRUCT are not measured, so the measurement can be filled in afterwards.
     */
    uint64_t pages = 0;
    if (!sim_image_measure(buffer_bytes(ret_file), entry.head.sigstruct.mr_enclave, &pages, err) ||
        !sim_sigstruct_sign(&entry.head.sigstruct, signer, err)) {
        return false;
    }
    put_note(file, &tail, &entry);
    return true;
}
