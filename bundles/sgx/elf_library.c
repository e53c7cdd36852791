/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/elf_library.h"

#include <string.h>

enum {
    SYMBOL_SIZE = 24,
    TAG_HASH = 4,
    TAG_SYMTAB = 6,
    TAG_STRSZ = 10,
    TAG_RPATH = 15,
    TAG_RUNPATH = 29,
    BIND_GLOBAL = 1,
    BIND_WEAK = 2,
    BIND_UNIQUE = 10,
    VERSION_HIDDEN = 0x8000,
    VERSION_FIRST = 2 /* 0 local, 1 global without a version */
};
#define TAG_GNU_HASH UINT64_C(0x6ffffef5)
#define TAG_VERSYM UINT64_C(0x6ffffff0)
#define TAG_VERDEF UINT64_C(0x6ffffffc)
#define TAG_VERDEFNUM UINT64_C(0x6ffffffd)
#define TAG_VERNEED UINT64_C(0x6ffffffe)
#define TAG_VERNEEDNUM UINT64_C(0x6fffffff)
#define SEGMENT_STACK 0x6474e551U

/* The bytes of the file from an address to the end of the PT_LOAD that has it. */
static bool at_address(const ElfLibrary *library, uint64_t address, Bytes *ret_rest) {
    for (size_t i = 0; i < library->elf.segments.count; i++) {
        const ElfSegment *segment = &library->elf.segments.items[i];
        if (segment->type == ELF_SEGMENT_LOAD && address >= segment->address &&
            address - segment->address < segment->file_size) {
            uint64_t skip = address - segment->address;
            return bytes_slice(library->elf.file, segment->offset + skip, segment->file_size - skip,
                               ret_rest);
        }
    }
    return false;
}

/* False: the tag is there and leads nowhere. Not there: no bytes. */
static bool table_of(const ElfLibrary *library, uint64_t tag, Bytes *ret_rest) {
    uint64_t address = 0;
    *ret_rest = (Bytes){0};
    return elf_dynamic_find(library->dynamic, tag, &address) == 0 || at_address(library, address, ret_rest);
}

/* The end is looked for only so far: a million names may overlap, and all of a large file be taken for them.
 */
static const char *string_at(const ElfLibrary *library, uint64_t offset) {
    const Bytes strings = library->strings;
    if (offset >= strings.size) {
        return NULL;
    }
    const char *text = (const char *)strings.data + offset;
    const size_t rest = strings.size - offset, most = ELF_LIBRARY_NAME_MAX + 1;
    return memchr(text, '\0', rest < most ? rest : most) != NULL ? text : NULL;
}

/* DT_GNU_HASH says where each chain begins; the last chain's end is the end of the table. */
static bool count_by_gnu_hash(Bytes table, uint64_t *ret_count) {
    if (table.size < 16) {
        return false;
    }
    const uint64_t buckets = bytes_le32(table.data), first = bytes_le32(table.data + 4),
                   bloom = bytes_le32(table.data + 8);
    const uint64_t buckets_at = 16 + bloom * 8, chains_at = buckets_at + buckets * 4;
    uint64_t last = 0;
    if (chains_at > table.size) {
        return false;
    }
    for (uint64_t i = 0; i < buckets; i++) {
        uint64_t begin = bytes_le32(table.data + buckets_at + i * 4);
        last = begin > last ? begin : last;
    }
    if (last < first) {
        *ret_count = first; /* nothing is exported */
        return true;
    }
    for (;; last++) {
        uint64_t at = chains_at + (last - first) * 4;
        if (at + 4 > table.size) {
            return false;
        }
        if ((bytes_le32(table.data + at) & 1) != 0) {
            *ret_count = last + 1;
            return true;
        }
    }
}

static bool count_symbols(const ElfLibrary *library, uint64_t *ret_count) {
    Bytes hash, gnu_hash;
    *ret_count = 0;
    if (!table_of(library, TAG_HASH, &hash) || !table_of(library, TAG_GNU_HASH, &gnu_hash)) {
        return false;
    }
    if (hash.size >= 8) {
        *ret_count = bytes_le32(hash.data + 4);
        return true;
    }
    return gnu_hash.size == 0 || count_by_gnu_hash(gnu_hash, ret_count);
}

static bool open_symbols(ElfLibrary *library, Error *err) {
    uint64_t count = 0;
    Bytes symbols, versions;
    if (!count_symbols(library, &count) || !table_of(library, TAG_SYMTAB, &symbols) ||
        !table_of(library, TAG_VERSYM, &versions)) {
        return error_set(err, ERROR_INPUT, "its symbol tables lie outside of it");
    }
    if (count > ELF_LIBRARY_SYMBOLS_MAX) {
        return error_set(err, ERROR_LIMIT, "it has more than %d symbols", ELF_LIBRARY_SYMBOLS_MAX);
    }
    if (!bytes_slice(symbols, 0, count * SYMBOL_SIZE, &library->symbols) ||
        (versions.size > 0 && !bytes_slice(versions, 0, count * 2, &library->versions))) {
        return error_set(err, ERROR_INPUT, "its symbol table is cut off");
    }
    return true;
}

bool elf_library_open(Bytes file, ElfLibrary *ret_library, Error *err) {
    ElfLibrary *library = ret_library;
    uint64_t size = 0;
    *library = (ElfLibrary){0};
    library->elf.file = file; /* sections say nothing to the loader, and may have been stripped */
    if (!elf_parse_segments(file, file.size, &library->elf.segments, err) ||
        !elf_dynamic(&library->elf, &library->dynamic, err) ||
        !elf_soname(&library->elf, &library->soname, err)) {
        return false;
    }
    if (library->dynamic.size == 0) {
        return error_set(err, ERROR_INPUT, "it is not a shared library: it has no dynamic section");
    }
    (void)elf_dynamic_find(library->dynamic, TAG_STRSZ, &size);
    Bytes strings;
    if (!table_of(library, ELF_TAG_STRTAB, &strings) || !bytes_slice(strings, 0, size, &library->strings) ||
        !table_of(library, TAG_VERNEED, &library->needs) || !table_of(library, TAG_VERDEF, &library->gives)) {
        return error_set(err, ERROR_INPUT, "its string or version tables lie outside of it");
    }
    (void)elf_dynamic_find(library->dynamic, TAG_VERNEEDNUM, &library->needs_count);
    (void)elf_dynamic_find(library->dynamic, TAG_VERDEFNUM, &library->gives_count);
    if (library->needs_count > ELF_LIBRARY_VERSIONS_MAX || library->gives_count > ELF_LIBRARY_VERSIONS_MAX) {
        return error_set(err, ERROR_LIMIT, "it has more than %d versions", ELF_LIBRARY_VERSIONS_MAX);
    }
    return open_symbols(library, err);
}

/* A wanted version: {index, name, soname}. */
typedef bool (*NeedFn)(void *context, uint16_t index, const char *version, const char *soname);

/* Elf64_Verneed {u16 version, count; u32 file, aux, next}, Elf64_Vernaux {u32 hash; u16 flags, other; u32
 * name, next}. False: malformed, or a visit was enough. */
static bool each_need(const ElfLibrary *library, NeedFn visit, void *context, bool *ret_stopped) {
    uint64_t at = 0, visited = 0;
    *ret_stopped = false;
    for (uint64_t i = 0; i < library->needs_count; i++) {
        Bytes entry, aux;
        if (!bytes_slice(library->needs, at, 16, &entry)) {
            return false;
        }
        const char *soname = string_at(library, bytes_le32(entry.data + 4));
        uint64_t aux_at = at + bytes_le32(entry.data + 8);
        for (uint16_t j = 0; j < bytes_le16(entry.data + 2); j++) {
            if (visited++ == ELF_LIBRARY_VERSIONS_MAX || !bytes_slice(library->needs, aux_at, 16, &aux)) {
                return false;
            }
            const char *version = string_at(library, bytes_le32(aux.data + 8));
            if (version == NULL || soname == NULL) {
                return false;
            }
            if (!visit(context, bytes_le16(aux.data + 6), version, soname)) {
                *ret_stopped = true;
                return false;
            }
            aux_at += bytes_le32(aux.data + 12);
        }
        at += bytes_le32(entry.data + 12);
    }
    return true;
}

typedef bool (*GiveFn)(void *context, uint16_t index, const char *version);

/* Elf64_Verdef {u16 version, flags, index, count; u32 hash, aux, next}, its first Elf64_Verdaux {u32 name,
 * next}. */
static bool each_give(const ElfLibrary *library, GiveFn visit, void *context) {
    uint64_t at = 0;
    for (uint64_t i = 0; i < library->gives_count; i++) {
        Bytes entry, aux;
        if (!bytes_slice(library->gives, at, 20, &entry) ||
            !bytes_slice(library->gives, at + bytes_le32(entry.data + 12), 8, &aux)) {
            return false;
        }
        const char *version = string_at(library, bytes_le32(aux.data));
        if (version == NULL || !visit(context, bytes_le16(entry.data + 4), version)) {
            return false;
        }
        at += bytes_le32(entry.data + 16);
    }
    return true;
}

typedef struct Names {
    const char *names[ELF_LIBRARY_VERSIONS_MAX]; /* by version index */
} Names;

static void keep(Names *names, uint16_t index, const char *version) {
    if ((index & ~VERSION_HIDDEN) < ELF_LIBRARY_VERSIONS_MAX) {
        names->names[index & ~VERSION_HIDDEN] = version;
    }
}

static bool keep_need(void *context, uint16_t index, const char *version, const char *soname) {
    (void)soname;
    keep(context, index, version);
    return true;
}

static bool keep_give(void *context, uint16_t index, const char *version) {
    keep(context, index, version);
    return true;
}

static bool name_versions(const ElfLibrary *library, Names *names, Error *err) {
    bool stopped = false;
    return (each_need(library, keep_need, names, &stopped) && each_give(library, keep_give, names)) ||
           error_set(err, ERROR_INPUT, "its version tables are malformed");
}

static bool take_symbol(const ElfLibrary *library, const Names *names, size_t index, ElfSymbol *ret_symbol) {
    const uint8_t *entry = library->symbols.data + index * SYMBOL_SIZE;
    const unsigned bind = entry[4] >> 4;
    uint16_t version = library->versions.size > 0 ? bytes_le16(library->versions.data + index * 2) & 0x7fff
                                                  : VERSION_FIRST - 1;
    *ret_symbol = (ElfSymbol){.name = string_at(library, bytes_le32(entry)),
                              .version = "",
                              .defined = bytes_le16(entry + 6) != 0,
                              .weak = bind == BIND_WEAK};
    if (version >= VERSION_FIRST && version < ELF_LIBRARY_VERSIONS_MAX && names->names[version] != NULL) {
        ret_symbol->version = names->names[version];
    }
    return bind == BIND_GLOBAL || bind == BIND_WEAK || bind == BIND_UNIQUE;
}

bool elf_library_each_symbol(const ElfLibrary *library, ElfSymbolFn visit, void *context, Error *err) {
    Names names = {{NULL}};
    if (!name_versions(library, &names, err)) {
        return false;
    }
    for (size_t i = 1; i < library->symbols.size / SYMBOL_SIZE; i++) {
        ElfSymbol symbol;
        if (!take_symbol(library, &names, i, &symbol)) {
            continue;
        }
        if (symbol.name == NULL) {
            return error_set(err, ERROR_INPUT,
                             "a symbol's name lies outside of its string table, or has more than %d bytes",
                             ELF_LIBRARY_NAME_MAX);
        }
        if (!visit(context, &symbol, err)) {
            return false;
        }
    }
    return true;
}

typedef struct NeedVisit {
    ElfVersionFn visit;
    void *context;
    Error *err;
} NeedVisit;

static bool pass_need(void *context, uint16_t index, const char *version, const char *soname) {
    const NeedVisit *visit = context;
    (void)index;
    return visit->visit(visit->context, soname, version, visit->err);
}

bool elf_library_each_need(const ElfLibrary *library, ElfVersionFn visit, void *context, Error *err) {
    NeedVisit pass = {visit, context, err};
    bool stopped = false;
    return each_need(library, pass_need, &pass, &stopped) ||
           (!stopped && error_set(err, ERROR_INPUT, "its version tables are malformed"));
}

typedef struct Search {
    const char *version;
    bool found;
} Search;

static bool look(void *context, uint16_t index, const char *version) {
    Search *search = context;
    (void)index;
    search->found = strcmp(search->version, version) == 0;
    return !search->found;
}

bool elf_library_gives_version(const ElfLibrary *library, const char *version) {
    Search search = {.version = version};
    (void)each_give(library, look, &search);
    return search.found;
}

const char *elf_library_run_path(const ElfLibrary *library) {
    uint64_t offset = 0;
    if (elf_dynamic_find(library->dynamic, TAG_RUNPATH, &offset) == 0 &&
        elf_dynamic_find(library->dynamic, TAG_RPATH, &offset) == 0) {
        return NULL;
    }
    return string_at(library, offset);
}

bool elf_library_has_executable_stack(const ElfLibrary *library) {
    for (size_t i = 0; i < library->elf.segments.count; i++) {
        if (library->elf.segments.items[i].type == SEGMENT_STACK) {
            return (library->elf.segments.items[i].flags & ELF_FLAG_X) != 0;
        }
    }
    return true;
}
