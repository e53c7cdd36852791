/* SPDX-License-Identifier: Apache-2.0
 *
 * Metadata: what the signing tool of the SGX SDK leaves in the section .note.sgxmeta for the loader.
 *
 * One note holds up to METADATA_ENTRIES_MAX entries for loaders of different age; each has a SIGSTRUCT,
 * patches of the file and a layout of further pages. Invariant of a parsed entry: its tables and all they
 * refer to lie inside the entry, patch targets inside the file. All views borrow the file. Positions are odd
 * as often as not. Layout: metadata.h of the SGX SDK, versions 1.3 to 3.3, also with 10 added to the major
 * number.
 */
#ifndef BUNDLES_SGX_METADATA_H
#define BUNDLES_SGX_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/sgx/elf.h"
#include "bundles/sgx/report.h"
#include "bundles/sgx/sigstruct.h"

#define METADATA_SECTION ".note.sgxmeta"
#define METADATA_MAGIC UINT64_C(0x86a80294635d0e4c)

enum {
    METADATA_NOTE_HEADER_SIZE = 25, /* the name "sgx_metadata" is not padded */
    METADATA_DESC_SIZE_MAX = 64 * 1024,
    METADATA_ENTRIES_MAX = 8,
    METADATA_PATCHES_MAX = 64,
    METADATA_LAYOUT_MAX = 256,
    METADATA_EXTENDS_MAX = 8,
    METADATA_RECORD_SIZE = 32,
    METADATA_EXTEND_RECORD_SIZE = 16,
    METADATA_DATA_OFFSET = 1888,     /* of data[] with two directories */
    METADATA_DATA_OFFSET_FOUR = 1904 /* with four */
};

enum { METADATA_LAYOUT_GROUP = 0x1000 }; /* flag in a layout record's id */
enum { METADATA_LAYOUT_EADD = 0x1, METADATA_LAYOUT_EEXTEND = 0x2 };
enum { METADATA_EXTEND_FIPS_SIGNATURE = 0x1001, METADATA_EXTEND_APPENDED = 0x1002 };

typedef struct MetadataEntry {
    Bytes bytes;          /* the whole entry */
    uint64_t file_offset; /* of its first byte */
    uint32_t major;
    uint32_t minor;
    uint32_t tcs_policy;
    uint32_t ssa_frame_size; /* pages */
    uint32_t max_save_size;
    uint32_t misc_select;
    uint32_t tcs_min_pool;
    uint64_t enclave_size;
    SgxAttributes attributes; /* what the loader will ask for */
    Bytes sigstruct;
    size_t data_offset;
    Bytes patches; /* whole records */
    Bytes layout;
    Bytes extends;
    bool has_elrange;
    uint64_t image_address;
    uint64_t elrange_start;
    uint64_t elrange_size;
} MetadataEntry;

typedef struct Metadata {
    size_t section; /* index of the note's */
    Bytes desc;
    size_t desc_used; /* bytes of desc with entries */
    MetadataEntry entries[METADATA_ENTRIES_MAX];
    size_t count;
} Metadata;

typedef struct MetadataPatch {
    uint64_t target; /* offset in the file, not an address */
    Bytes source;
} MetadataPatch;

typedef struct MetadataLayout {
    uint16_t id;
    /* a record of pages */
    uint16_t attributes;
    uint32_t page_count;
    uint64_t address;
    uint32_t content_size; /* without contents: the word that fills the pages */
    uint32_t content_offset;
    uint64_t si_flags;
    /* a group: the entry_count records before it once more, load_times times, load_step further each time */
    uint16_t entry_count;
    uint32_t load_times;
    uint64_t load_step;
} MetadataLayout;

typedef struct MetadataExtend {
    uint32_t id;
    Bytes body;
} MetadataExtend;

/* ERROR_INPUT, ERROR_LIMIT; the contents of *ret_metadata after a failure are of no use. */
bool metadata_parse(const Elf *elf, Metadata *ret_metadata, Error *err) __attribute__((warn_unused_result));

/* The entry that a current loader takes: it passes over 2.x and takes the highest version of the others. */
const MetadataEntry *metadata_loaders_choice(const Metadata *metadata);

size_t metadata_patches_count(const MetadataEntry *entry);
MetadataPatch metadata_patch(const MetadataEntry *entry, size_t index);
size_t metadata_layout_count(const MetadataEntry *entry);
MetadataLayout metadata_layout(const MetadataEntry *entry, size_t index);
size_t metadata_extends_count(const MetadataEntry *entry);
MetadataExtend metadata_extend(const MetadataEntry *entry, size_t index);
/* The first extend record with that id; false if there is none. */
bool metadata_find_extend(const MetadataEntry *entry, uint32_t id, Bytes *ret_body);

/* Does any patch change a byte of [offset, offset + size) of the file? */
bool metadata_patches_touch(const MetadataEntry *entry, uint64_t offset, uint64_t size);

/* The FIPS signature over the SIGSTRUCT, if the entry has one: no authenticity (its key is beside it), but
 * loaders refuse the enclave when it is bad. ERROR_VERIFY. */
bool metadata_check_fips(const MetadataEntry *entry, Error *err) __attribute__((warn_unused_result));

#endif
