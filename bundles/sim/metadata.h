/* SPDX-License-Identifier: Apache-2.0
 *
 * Metadata: the records of the note `.note.sgxmeta` in an enclave file, as far as simulated enclaves use
 * them: one entry of version 1.4, static layout. Layout: Intel SGX SDK, psw/urts metadata (metadata.h),
 * version 1.4. Offsets in records are relative to the entry.
 */
#ifndef BUNDLES_SIM_METADATA_H
#define BUNDLES_SIM_METADATA_H

#include <assert.h>
#include <stdint.h>

#include "bundles/sim/sigstruct.h"

#define SIM_METADATA_MAGIC UINT64_C(0x86a80294635d0e4c)
#define SIM_METADATA_VERSION ((UINT64_C(1) << 32) | 4)
#define SIM_METADATA_SECTION ".note.sgxmeta"
#define SIM_METADATA_NOTE "sgx_metadata"

enum {
    SIM_PAGE_SIZE = 4096,
    SIM_METADATA_SIZE = 1888,    /* up to the first byte of data */
    SIM_METADATA_NOTE_HEAD = 25, /* three words and the unpadded name: the entry starts at an odd address */
    SIM_METADATA_DESC_SIZE = 0x5000 /* of the note */
};

typedef struct __attribute__((packed)) SimDirectory {
    uint32_t offset;
    uint32_t size;
} SimDirectory;

typedef struct __attribute__((packed)) SimMetadata {
    uint64_t magic;
    uint64_t version;
    uint32_t size;
    uint32_t tcs_policy;
    uint32_t ssa_frame_size; /* pages */
    uint32_t max_save_buffer_size;
    uint32_t desired_misc_select;
    uint32_t tcs_min_pool;
    uint64_t enclave_size;
    SgxAttributes attributes;
    SimSigstruct sigstruct;
    SimDirectory patches;
    SimDirectory layout;
} SimMetadata;
static_assert(sizeof(SimMetadata) == SIM_METADATA_SIZE, "metadata entry");

typedef struct __attribute__((packed)) SimPatch {
    uint64_t destination; /* offset in the file */
    uint32_t source;
    uint32_t size;
    uint32_t reserved[4];
} SimPatch;
static_assert(sizeof(SimPatch) == 32, "patch record");

enum {
    SIM_LAYOUT_ADD = 1,
    SIM_LAYOUT_EXTEND = 2,
    SIM_LAYOUT_GROUP = 0x1000, /* bit of the id */
    SIM_PAGE_RW = 0x203,
    SIM_PAGE_TCS = 0x100
};

typedef struct __attribute__((packed)) SimLayout {
    uint16_t id;
    uint16_t attributes;   /* in a group: how many records before it are repeated */
    uint32_t page_count;   /* in a group: how often */
    uint64_t rva;          /* in a group: the step */
    uint32_t content_size; /* with content_offset 0: the word that fills the pages */
    uint32_t content_offset;
    uint64_t si_flags;
} SimLayout;
static_assert(sizeof(SimLayout) == 32, "layout record");

typedef struct __attribute__((packed)) SimTcs {
    uint64_t state;
    uint64_t flags;
    uint64_t ossa;
    uint32_t cssa;
    uint32_t nssa;
    uint64_t oentry;
    uint64_t reserved;
    uint64_t ofs_base;
    uint64_t ogs_base;
    uint32_t fs_limit;
    uint32_t gs_limit;
} SimTcs;
static_assert(sizeof(SimTcs) == 72, "TCS template");

#endif
