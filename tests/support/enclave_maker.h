/* SPDX-License-Identifier: Apache-2.0
 *
 * EnclaveMaker: enclave files for tests, good ones in every variation of the format, to be spoilt by the
 * test.
 *
 * maker_init describes a production-like QE3; a test changes the description, makes the file, perhaps changes
 * bytes in it (the offsets are there) and signs again. MRENCLAVE is computed from a picture of the enclave's
 * memory that is kept while the file is made: nothing is shared with bundles/sgx, so that each proves the
 * other.
 */
#ifndef TESTS_SUPPORT_ENCLAVE_MAKER_H
#define TESTS_SUPPORT_ENCLAVE_MAKER_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAKER_ENTRIES_MAX = 4, MAKER_FILE_MAX = 65536, MAKER_LAYOUT_MAX = 16 };

/* Where things are in every file. */
enum {
    MAKER_PHDRS_AT = 64,
    MAKER_DYNSTR_AT = 0x248,
    MAKER_SONAME_AT = 0x249,
    MAKER_CODE_AT = 0x1000,
    MAKER_RODATA_AT = 0x2000,
    MAKER_RELA_AT = 0x2040,
    MAKER_DYNAMIC_AT = 0x2810,
    MAKER_DATA_AT = 0x28c0,
    MAKER_NOTE_AT = 0x2a10
};

typedef struct MakerEntry {
    uint32_t major;
    uint32_t minor;
    /* results: offsets in the file */
    size_t at;
    size_t size;
    size_t tcs_at;
    size_t patches_at;
    size_t layout_at;
    size_t extends_at;
} MakerEntry;

typedef struct MakerPage {
    uint64_t offset;
    uint64_t si_flags;
    bool measured;
    uint8_t data[4096];
} MakerPage;

typedef struct EnclaveMaker {
    const char *soname; /* NULL: none */
    uint32_t type, vendor, date, sw_defined, exponent;
    uint64_t flags, flags_mask, xfrm, xfrm_mask;
    uint32_t misc_mask;
    uint16_t prod_id, svn;
    MakerEntry entries[MAKER_ENTRIES_MAX];
    size_t entries_count;
    uint32_t group_times;
    bool swap_segments;    /* code before headers in the program header table */
    bool text_relocations; /* the last one straddles pages 1 and 2 */
    bool loose_content;    /* contents that are no TCS, without EEXTEND */
    bool fips;
    bool appended; /* a library behind the section headers */

    /* results */
    uint8_t file[MAKER_FILE_MAX];
    size_t file_size;
    size_t shdrs_at;
    size_t pages;
    size_t measured_pages;
    uint64_t enclave_size;
    uint8_t mr_enclave[32];
} EnclaveMaker;

EVP_PKEY *maker_key_new(unsigned exponent); /* RSA-3072; the caller frees */
void maker_init(EnclaveMaker *maker);
/* Lays out, measures and signs; asserts on failure. */
void maker_make(EnclaveMaker *maker, EVP_PKEY *key);
/* Signs the SIGSTRUCT of one entry in the file anew, after a change of its fields. */
void maker_sign(EnclaveMaker *maker, size_t entry, EVP_PKEY *key);
uint8_t *maker_sigstruct(EnclaveMaker *maker, size_t entry);
void maker_mr_signer(EVP_PKEY *key, uint8_t ret_mr_signer[32]);

#endif
