/* SPDX-License-Identifier: Apache-2.0 */
/* link: psw-sgx */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/sgx/elf_library.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool visit_symbol(void *context, const ElfSymbol *symbol, Error *err) {
    size_t *bytes = context;
    (void)err;
    *bytes += strlen(symbol->name) + strlen(symbol->version);
    return true;
}

static bool visit_need(void *context, const char *soname, const char *version, Error *err) {
    size_t *bytes = context;
    (void)err;
    *bytes += strlen(soname) + strlen(version);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ElfLibrary library;
    size_t bytes = 0;
    if (elf_library_open((Bytes){data, size}, &library, NULL) &&
        elf_library_each_symbol(&library, visit_symbol, &bytes, NULL) &&
        elf_library_each_need(&library, visit_need, &bytes, NULL)) {
        (void)elf_library_gives_version(&library, "GLIBC_2.2.5");
        const char *path = elf_library_run_path(&library);
        bytes += path != NULL ? strlen(path) : 0;
        (void)elf_library_has_executable_stack(&library);
    }
    return bytes == SIZE_MAX ? 1 : 0;
}
