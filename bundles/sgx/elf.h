/* SPDX-License-Identifier: Apache-2.0
 *
 * Elf: the headers of an x86-64 ELF shared object, read from untrusted bytes.
 *
 * Invariant of a parsed Elf: every PT_LOAD and every section with contents lies inside the file, memory
 * ranges do not wrap, section names end inside their table. Only the loader's view is here: what an enclave's
 * bytes mean is decided in metadata and image. Views borrow the file. Layout: System V ABI, chapters 4 and 5.
 */
#ifndef BUNDLES_SGX_ELF_H
#define BUNDLES_SGX_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"

enum {
    ELF_HEADER_SIZE = 64,
    ELF_SEGMENT_HEADER_SIZE = 56,
    ELF_SECTION_HEADER_SIZE = 64,
    ELF_SEGMENTS_MAX = 64,
    ELF_LOADS_MAX = 32,
    ELF_SECTIONS_MAX = 256,
    ELF_DYNAMIC_ENTRIES_MAX = 256,
    ELF_SONAME_MAX = 64
};

enum { ELF_SEGMENT_LOAD = 1, ELF_SEGMENT_DYNAMIC = 2 };
enum { ELF_FLAG_X = 1, ELF_FLAG_W = 2, ELF_FLAG_R = 4 };
enum { ELF_SECTION_NOTE = 7, ELF_SECTION_NOBITS = 8 };
enum { ELF_SECTION_ALLOC = 0x2, ELF_SECTION_TLS = 0x400 };
enum {
    ELF_TAG_NULL = 0,
    ELF_TAG_NEEDED = 1,
    ELF_TAG_PLTRELSZ = 2,
    ELF_TAG_STRTAB = 5,
    ELF_TAG_RELA = 7,
    ELF_TAG_RELASZ = 8,
    ELF_TAG_SONAME = 14,
    ELF_TAG_TEXTREL = 22,
    ELF_TAG_JMPREL = 23
};

typedef struct ElfSegment {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t address;
    uint64_t file_size;
    uint64_t memory_size;
    uint64_t align;
} ElfSegment;

typedef struct ElfSegments {
    ElfSegment items[ELF_SEGMENTS_MAX]; /* in the order of the program headers */
    size_t count;
} ElfSegments;

typedef struct ElfSection {
    const char *name;
    uint32_t type;
    uint64_t flags;
    uint64_t address;
    uint64_t offset;
    uint64_t size;
    uint64_t align;
} ElfSection;

typedef struct Elf {
    Bytes file;
    ElfSegments segments;
    ElfSection sections[ELF_SECTIONS_MAX];
    size_t sections_count;
    size_t names_section;     /* e_shstrndx */
    uint64_t sections_offset; /* e_shoff */
} Elf;

/* ERROR_INPUT if it is not such a file, ERROR_LIMIT if it has more of something than the maxima above. What
 * is in *ret_elf after a failure is of no use. */
bool elf_parse(Bytes file, Elf *ret_elf, Error *err) __attribute__((warn_unused_result));

/* Program headers alone, from the beginning of a file of file_size bytes; `head` has as much of it as is at
 * hand and must cover the program headers. */
bool elf_parse_segments(Bytes head, uint64_t file_size, ElfSegments *ret_segments, Error *err)
    __attribute__((warn_unused_result));

/* The only section of that name; ERROR_INPUT if there is none or more than one. */
bool elf_find_section(const Elf *elf, const char *name, size_t *ret_index, Error *err)
    __attribute__((warn_unused_result));

/* The dynamic section as the loader maps it: PT_DYNAMIC inside one PT_LOAD. An ELF without one gives no
 * bytes. */
bool elf_dynamic(const Elf *elf, Bytes *ret_entries, Error *err) __attribute__((warn_unused_result));

/* Value of a tag in elf_dynamic's bytes and how often it occurs before DT_NULL; the first one's value. */
size_t elf_dynamic_find(Bytes entries, uint64_t tag, uint64_t *ret_value);

/* Calls for each DT_NEEDED until one returns false. ERROR_INPUT if a name is not a printable text of 1 to
 * ELF_SONAME_MAX bytes. */
typedef bool (*ElfNeededFn)(void *context, const char *soname, Error *err);
bool elf_each_needed(const Elf *elf, ElfNeededFn visit, void *context, Error *err)
    __attribute__((warn_unused_result));

typedef struct ElfSoname {
    char text[ELF_SONAME_MAX + 1]; /* printable ASCII; "" if the file has none */
    Bytes dynamic;                 /* the bytes of the file that said so: they must be measured unchanged */
    Bytes string;
} ElfSoname;

/* DT_SONAME, found only through program headers, so that the signature covers it. */
bool elf_soname(const Elf *elf, ElfSoname *ret_soname, Error *err) __attribute__((warn_unused_result));

#endif
