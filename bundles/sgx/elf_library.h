/* SPDX-License-Identifier: Apache-2.0
 *
 * ElfLibrary: what a shared library gives and takes: dynamic symbols with their versions, needed libraries,
 * run path, stack.
 *
 * Read from untrusted bytes as the loader would, through PT_DYNAMIC alone. Invariant of an opened ElfLibrary:
 * its symbol, string and version tables lie inside one PT_LOAD. It borrows the file. What it needs:
 * elf_each_needed. Layout: System V ABI, chapter 5; versions and DT_GNU_HASH:
 * https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic.html
 * ("Symbol versioning") and the GNU gABI supplement (DT_GNU_HASH).
 */
#ifndef BUNDLES_SGX_ELF_LIBRARY_H
#define BUNDLES_SGX_ELF_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"
#include "bundles/sgx/elf.h"

enum {
    ELF_LIBRARY_SYMBOLS_MAX = 1 << 20,
    ELF_LIBRARY_VERSIONS_MAX = 4096, /* wanted, and given */
    ELF_LIBRARY_NAME_MAX = 8192      /* bytes of a symbol's or version's name, or a run path */
};

typedef struct ElfLibrary {
    Elf elf;
    Bytes dynamic;
    Bytes strings;      /* DT_STRTAB */
    Bytes symbols;      /* whole entries of DT_SYMTAB; empty: none */
    Bytes versions;     /* DT_VERSYM, 2 bytes a symbol; empty: none */
    Bytes needs, gives; /* from DT_VERNEED and DT_VERDEF to the end of their segment */
    uint64_t needs_count, gives_count;
    ElfSoname soname;
} ElfLibrary;

/* ERROR_INPUT, ERROR_LIMIT. */
bool elf_library_open(Bytes file, ElfLibrary *ret_library, Error *err) __attribute__((warn_unused_result));

typedef struct ElfSymbol {
    const char *name;    /* in the file */
    const char *version; /* "" for none */
    bool defined;        /* this library has it; else it wants it */
    bool weak;
} ElfSymbol;

/* Global and weak symbols in the order of the table until one visit returns false (then that is the result).
 */
typedef bool (*ElfSymbolFn)(void *context, const ElfSymbol *symbol, Error *err);
bool elf_library_each_symbol(const ElfLibrary *library, ElfSymbolFn visit, void *context, Error *err)
    __attribute__((warn_unused_result));

/* For each version that it wants of another library: the library's soname and the version's name. */
typedef bool (*ElfVersionFn)(void *context, const char *soname, const char *version, Error *err);
bool elf_library_each_need(const ElfLibrary *library, ElfVersionFn visit, void *context, Error *err)
    __attribute__((warn_unused_result));

/* Does it define this version ("GLIBC_2.34")? */
bool elf_library_gives_version(const ElfLibrary *library, const char *version);

/* DT_RUNPATH or DT_RPATH; NULL: none. */
const char *elf_library_run_path(const ElfLibrary *library);

/* Does it ask for an executable stack (also by saying nothing)? */
bool elf_library_has_executable_stack(const ElfLibrary *library);

#endif
