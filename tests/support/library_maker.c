/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/library_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>

enum { SEGMENTS = 3, VERSION_INDEX = 2 };

typedef struct Maker {
    uint8_t *bytes;
    size_t size;
    char strings[1024];
    size_t strings_size;
    Elf64_Sym symbols[1 + 2 * MAKER_NAMES_MAX];
    Elf64_Half versions[1 + 2 * MAKER_NAMES_MAX];
    size_t symbols_count, first_defined;
    Elf64_Dyn dynamic[32];
    size_t dynamic_count;
} Maker;

static uint32_t add_string(Maker *maker, const char *text) {
    size_t at = maker->strings_size, size = strlen(text) + 1;
    assert_true(at + size <= sizeof maker->strings);
    memcpy(maker->strings + at, text, size);
    maker->strings_size += size;
    return (uint32_t)at;
}

static uint64_t put(Maker *maker, const void *data, size_t size) {
    uint64_t at = (maker->size + 7) / 8 * 8;
    assert_true(at + size <= MAKER_SIZE_MAX);
    memcpy(maker->bytes + at, data, size);
    maker->size = at + size;
    return at;
}

static void tag(Maker *maker, int64_t name, uint64_t value) {
    maker->dynamic[maker->dynamic_count++] = (Elf64_Dyn){.d_tag = name, .d_un.d_val = value};
}

static void add_symbol(Maker *maker, const char *name, bool defined, bool weak, bool versioned) {
    size_t at = maker->symbols_count++;
    maker->symbols[at] =
        (Elf64_Sym){.st_name = add_string(maker, name),
                    .st_info = (uint8_t)ELF64_ST_INFO(weak ? STB_WEAK : STB_GLOBAL, STT_FUNC),
                    .st_shndx = defined ? 1 : SHN_UNDEF};
    maker->versions[at] = (Elf64_Half)(!versioned ? 1 : defined ? VERSION_INDEX : VERSION_INDEX + 1);
}

static void put_hash(Maker *maker, bool gnu) {
    if (!gnu) {
        const uint32_t table[] = {1, (uint32_t)maker->symbols_count};
        tag(maker, DT_HASH, put(maker, table, sizeof table));
        return;
    }
    uint32_t table[4 + 2 + 1 + MAKER_NAMES_MAX] = {1, (uint32_t)maker->first_defined, 1, 6};
    bool any = maker->symbols_count > maker->first_defined;
    table[6] = any ? (uint32_t)maker->first_defined : 0;
    for (size_t i = maker->first_defined; i < maker->symbols_count; i++) {
        table[7 + i - maker->first_defined] = i + 1 == maker->symbols_count ? 1 : 2;
    }
    tag(maker, DT_GNU_HASH, put(maker, table, sizeof table));
}

static void put_versions(Maker *maker, const LibrarySpec *spec) {
    if (spec->version == NULL && spec->wanted_version == NULL) {
        return;
    }
    tag(maker, DT_VERSYM, put(maker, maker->versions, maker->symbols_count * sizeof maker->versions[0]));
    if (spec->version != NULL) {
        const struct {
            Elf64_Verdef entry;
            Elf64_Verdaux name;
        } gives = {{.vd_version = 1, .vd_ndx = VERSION_INDEX, .vd_cnt = 1, .vd_aux = sizeof(Elf64_Verdef)},
                   {.vda_name = add_string(maker, spec->version)}};
        tag(maker, DT_VERDEF, put(maker, &gives, sizeof gives));
        tag(maker, DT_VERDEFNUM, 1);
    }
    if (spec->wanted_version != NULL) {
        const struct {
            Elf64_Verneed entry;
            Elf64_Vernaux name;
        } needs = {{.vn_version = 1,
                    .vn_cnt = 1,
                    .vn_file = add_string(maker, spec->needed[0]),
                    .vn_aux = sizeof(Elf64_Verneed)},
                   {.vna_other = VERSION_INDEX + 1, .vna_name = add_string(maker, spec->wanted_version)}};
        tag(maker, DT_VERNEED, put(maker, &needs, sizeof needs));
        tag(maker, DT_VERNEEDNUM, 1);
    }
}

static void put_tables(Maker *maker, const LibrarySpec *spec) {
    for (size_t i = 0; i < MAKER_NAMES_MAX && spec->needed[i] != NULL; i++) {
        tag(maker, DT_NEEDED, add_string(maker, spec->needed[i]));
    }
    if (spec->soname != NULL) {
        tag(maker, DT_SONAME, add_string(maker, spec->soname));
    }
    if (spec->run_path != NULL) {
        tag(maker, DT_RUNPATH, add_string(maker, spec->run_path));
    }
    for (size_t i = 0; i < MAKER_NAMES_MAX && spec->wants[i] != NULL; i++) {
        add_symbol(maker, spec->wants[i], false, spec->weak, spec->wanted_version != NULL);
    }
    maker->first_defined = maker->symbols_count;
    for (size_t i = 0; i < MAKER_NAMES_MAX && spec->defines[i] != NULL; i++) {
        add_symbol(maker, spec->defines[i], true, false, spec->version != NULL);
    }
    put_hash(maker, spec->gnu_hash);
    put_versions(maker, spec);
    tag(maker, DT_SYMTAB, put(maker, maker->symbols, maker->symbols_count * sizeof maker->symbols[0]));
    tag(maker, DT_STRTAB, put(maker, maker->strings, maker->strings_size));
    tag(maker, DT_STRSZ, maker->strings_size);
    tag(maker, DT_NULL, 0);
}

size_t library_make(const LibrarySpec *spec, uint8_t bytes[MAKER_SIZE_MAX]) {
    Maker maker = {.bytes = bytes, .strings_size = 1, .symbols_count = 1};
    memset(bytes, 0, MAKER_SIZE_MAX);
    maker.size = sizeof(Elf64_Ehdr) + SEGMENTS * sizeof(Elf64_Phdr);
    put_tables(&maker, spec);
    const size_t dynamic_size = maker.dynamic_count * sizeof maker.dynamic[0];
    const uint64_t dynamic = put(&maker, maker.dynamic, dynamic_size);
    const Elf64_Phdr segments[SEGMENTS] = {
        {.p_type = PT_LOAD, .p_flags = PF_R, .p_filesz = maker.size, .p_memsz = maker.size, .p_align = 4096},
        {.p_type = PT_DYNAMIC,
         .p_flags = PF_R,
         .p_offset = dynamic,
         .p_vaddr = dynamic,
         .p_filesz = dynamic_size,
         .p_memsz = dynamic_size,
         .p_align = 8},
        {.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W | (spec->executable_stack ? PF_X : 0U)}};
    const Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                               .e_type = ET_DYN,
                               .e_machine = EM_X86_64,
                               .e_version = EV_CURRENT,
                               .e_phoff = sizeof(Elf64_Ehdr),
                               .e_ehsize = sizeof(Elf64_Ehdr),
                               .e_phentsize = sizeof(Elf64_Phdr),
                               .e_phnum = SEGMENTS};
    memcpy(bytes, &header, sizeof header);
    memcpy(bytes + sizeof header, segments, sizeof segments);
    return maker.size;
}
