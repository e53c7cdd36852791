/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/image.h"

#include <elf.h>
#include <openssl/evp.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/sim/metadata.h"

CLEANUP_DEFINE(EVP_MD_CTX, EVP_MD_CTX_free)

enum { CHUNK_SIZE = 256, RECORD_SIZE = 64, PATCHES_MAX = 64, LAYOUTS_MAX = 256, HEADERS_MAX = 256 };

static bool bad(Error *err, const char *what) {
    return error_set(err, ERROR_INPUT, "enclave file: %s", what);
}

/* The desc of the note, found by the section's name as Intel's loader does. */
static bool find_desc(Bytes file, Bytes *ret_desc, Error *err) {
    Elf64_Ehdr header;
    Bytes part;
    if (!bytes_slice(file, 0, sizeof header, &part)) {
        return bad(err, "too short for an ELF header");
    }
    memcpy(&header, part.data, sizeof header);
    Bytes table;
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_shnum == 0 || header.e_shnum > HEADERS_MAX ||
        header.e_shstrndx >= header.e_shnum ||
        !bytes_slice(file, header.e_shoff, (uint64_t)header.e_shnum * sizeof(Elf64_Shdr), &table)) {
        return bad(err, "not an ELF file with section headers");
    }
    Elf64_Shdr names;
    memcpy(&names, table.data + header.e_shstrndx * sizeof names, sizeof names);
    for (size_t i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr section;
        Bytes name;
        memcpy(&section, table.data + i * sizeof section, sizeof section);
        if (section.sh_name >= names.sh_size ||
            !bytes_slice(file, names.sh_offset + section.sh_name, sizeof SIM_METADATA_SECTION, &name) ||
            memcmp(name.data, SIM_METADATA_SECTION, sizeof SIM_METADATA_SECTION) != 0) {
            continue;
        }
        Bytes note;
        if (!bytes_slice(file, section.sh_offset, section.sh_size, &note) ||
            note.size < SIM_METADATA_NOTE_HEAD ||
            memcmp(note.data + 12, SIM_METADATA_NOTE, sizeof SIM_METADATA_NOTE) != 0 ||
            !bytes_slice(note, SIM_METADATA_NOTE_HEAD, bytes_le32(note.data + 4), ret_desc)) {
            return bad(err, "the metadata note is malformed");
        }
        return true;
    }
    return bad(err, "it has no section " SIM_METADATA_SECTION);
}

static bool find_entry(Bytes file, SimMetadata *ret_metadata, Bytes *ret_entry, Error *err) {
    Bytes desc;
    if (!find_desc(file, &desc, err)) {
        return false;
    }
    SimMetadata metadata;
    if (desc.size < sizeof metadata) {
        return bad(err, "the metadata is cut off");
    }
    memcpy(&metadata, desc.data, sizeof metadata);
    if (metadata.magic != SIM_METADATA_MAGIC || metadata.version != SIM_METADATA_VERSION ||
        metadata.size < sizeof metadata || !bytes_slice(desc, 0, metadata.size, ret_entry)) {
        return bad(err, "the metadata is not one entry of version 1.4");
    }
    *ret_metadata = metadata;
    return true;
}

bool sim_image_sigstruct(Bytes file, SimSigstruct *ret_sigstruct, Error *err) {
    SimMetadata metadata;
    Bytes entry;
    if (!find_entry(file, &metadata, &entry, err)) {
        return false;
    }
    *ret_sigstruct = metadata.sigstruct;
    return true;
}

typedef struct Measurement {
    EVP_MD_CTX *hash;
    uint64_t enclave_size;
    uint64_t pages;
} Measurement;

static bool put_record(Measurement *measurement, const char *tag, uint64_t at8, uint64_t at16) {
    uint8_t record[RECORD_SIZE] = {0};
    memcpy(record, tag, strlen(tag));
    bytes_put_le64(record + 8, at8);
    bytes_put_le64(record + 16, at16);
    return EVP_DigestUpdate(measurement->hash, record, sizeof record) == 1;
}

static bool put_create(Measurement *measurement, uint32_t ssa_frame_size) {
    uint8_t record[RECORD_SIZE] = "ECREATE";
    bytes_put_le32(record + 8, ssa_frame_size);
    bytes_put_le64(record + 12, measurement->enclave_size);
    return EVP_DigestUpdate(measurement->hash, record, sizeof record) == 1;
}

static bool put_page(Measurement *measurement, uint64_t offset, uint64_t si_flags,
                     const uint8_t content[SIM_PAGE_SIZE], bool extend, Error *err) {
    if (measurement->pages >= SIM_IMAGE_PAGES_MAX || offset >= measurement->enclave_size) {
        return bad(err, "its pages do not fit into the enclave or are too many");
    }
    measurement->pages++;
    bool hashed = put_record(measurement, "EADD", offset, si_flags);
    for (uint64_t at = 0; extend && hashed && at < SIM_PAGE_SIZE; at += CHUNK_SIZE) {
        hashed = put_record(measurement, "EEXTEND", offset + at, 0) &&
                 EVP_DigestUpdate(measurement->hash, content + at, CHUNK_SIZE) == 1;
    }
    return hashed || error_set(err, ERROR_MEMORY, "enclave file: out of memory while measuring");
}

static uint64_t segment_flags(uint32_t p_flags) {
    return 0x200U | (p_flags & PF_R ? 1U : 0U) | (p_flags & PF_W ? 2U : 0U) | (p_flags & PF_X ? 4U : 0U);
}

static bool put_segment(Measurement *measurement, Bytes file, const Elf64_Phdr *segment, Error *err) {
    Bytes content;
    const uint64_t limit = measurement->enclave_size;
    if (!bytes_slice(file, segment->p_offset, segment->p_filesz, &content) ||
        segment->p_filesz > segment->p_memsz || segment->p_vaddr > limit ||
        segment->p_memsz > limit - segment->p_vaddr) {
        return bad(err, "a segment lies outside the file or the enclave");
    }
    const uint64_t first = segment->p_vaddr & ~(uint64_t)(SIM_PAGE_SIZE - 1);
    const uint64_t end = segment->p_vaddr + segment->p_memsz;
    for (uint64_t page = first; page < end; page += SIM_PAGE_SIZE) {
        uint8_t bytes[SIM_PAGE_SIZE] = {0};
        /* The part of the page that the file fills. */
        uint64_t from = page < segment->p_vaddr ? segment->p_vaddr : page;
        uint64_t to = segment->p_vaddr + segment->p_filesz;
        to = to < page + SIM_PAGE_SIZE ? to : page + SIM_PAGE_SIZE;
        if (from < to) {
            memcpy(bytes + (from - page), content.data + (from - segment->p_vaddr), to - from);
        }
        if (!put_page(measurement, page, segment_flags(segment->p_flags), bytes, true, err)) {
            return false;
        }
    }
    return true;
}

static bool put_segments(Measurement *measurement, Bytes file, Error *err) {
    Elf64_Ehdr header;
    memcpy(&header, file.data, sizeof header); /* find_desc has seen that it is there */
    Bytes table;
    if (header.e_phnum > HEADERS_MAX ||
        !bytes_slice(file, header.e_phoff, (uint64_t)header.e_phnum * sizeof(Elf64_Phdr), &table)) {
        return bad(err, "the program headers are outside the file");
    }
    for (size_t i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, table.data + i * sizeof segment, sizeof segment);
        if (segment.p_type == PT_LOAD && !put_segment(measurement, file, &segment, err)) {
            return false;
        }
    }
    return true;
}

static bool put_tcs(Measurement *measurement, Bytes entry, const SimLayout *layout, Error *err) {
    Bytes content;
    uint8_t bytes[SIM_PAGE_SIZE] = {0};
    SimTcs tcs;
    if (layout->page_count != 1 || layout->content_size != sizeof tcs ||
        !bytes_slice(entry, layout->content_offset, sizeof tcs, &content)) {
        return bad(err, "the TCS template is malformed");
    }
    memcpy(&tcs, content.data, sizeof tcs);
    tcs.ossa += layout->rva;
    tcs.ofs_base += layout->rva;
    tcs.ogs_base += layout->rva;
    memcpy(bytes, &tcs, sizeof tcs);
    return put_page(measurement, layout->rva, layout->si_flags, bytes, true, err);
}

static bool put_layout(Measurement *measurement, Bytes entry, const SimLayout *layout, Error *err) {
    if ((layout->id & SIM_LAYOUT_GROUP) != 0) {
        return layout->page_count == 0 || bad(err, "a layout group that repeats is not supported");
    }
    if ((layout->attributes & SIM_LAYOUT_ADD) == 0) {
        return true;
    }
    if (layout->content_offset != 0) {
        return layout->si_flags == SIM_PAGE_TCS ? put_tcs(measurement, entry, layout, err)
                                                : bad(err, "a layout record has content of an unknown kind");
    }
    if (layout->page_count > SIM_IMAGE_PAGES_MAX || layout->rva > measurement->enclave_size) {
        return bad(err, "a layout record lies outside the enclave");
    }
    uint8_t bytes[SIM_PAGE_SIZE];
    for (size_t at = 0; at < sizeof bytes; at += sizeof(uint32_t)) {
        bytes_put_le32(bytes + at, layout->content_size);
    }
    for (uint64_t i = 0; i < layout->page_count; i++) {
        if (!put_page(measurement, layout->rva + i * SIM_PAGE_SIZE, layout->si_flags, bytes,
                      (layout->attributes & SIM_LAYOUT_EXTEND) != 0, err)) {
            return false;
        }
    }
    return true;
}

static bool put_layouts(Measurement *measurement, Bytes entry, SimDirectory directory, Error *err) {
    Bytes table;
    if (directory.size % sizeof(SimLayout) != 0 || directory.size / sizeof(SimLayout) > LAYOUTS_MAX ||
        !bytes_slice(entry, directory.offset, directory.size, &table)) {
        return bad(err, "the layout table is malformed");
    }
    for (size_t at = 0; at < table.size; at += sizeof(SimLayout)) {
        SimLayout layout;
        memcpy(&layout, table.data + at, sizeof layout);
        if (!put_layout(measurement, entry, &layout, err)) {
            return false;
        }
    }
    return true;
}

static bool apply_patches(uint8_t *copy, size_t size, Bytes entry, SimDirectory directory, Error *err) {
    Bytes table;
    if (directory.size % sizeof(SimPatch) != 0 || directory.size / sizeof(SimPatch) > PATCHES_MAX ||
        !bytes_slice(entry, directory.offset, directory.size, &table)) {
        return bad(err, "the patch table is malformed");
    }
    for (size_t at = 0; at < table.size; at += sizeof(SimPatch)) {
        SimPatch patch;
        Bytes source;
        Bytes destination;
        memcpy(&patch, table.data + at, sizeof patch);
        if (!bytes_slice(entry, patch.source, patch.size, &source) ||
            !bytes_slice((Bytes){copy, size}, patch.destination, patch.size, &destination)) {
            return bad(err, "a patch lies outside the file or the entry");
        }
        memcpy(copy + patch.destination, source.data, patch.size);
    }
    return true;
}

bool sim_image_measure(Bytes file, uint8_t ret_mr_enclave[SGX_HASH_SIZE], uint64_t *ret_pages, Error *err) {
    SimMetadata metadata;
    Bytes entry;
    if (file.size > SIM_IMAGE_FILE_MAX) {
        return error_set(err, ERROR_LIMIT, "enclave file: larger than %d bytes", SIM_IMAGE_FILE_MAX);
    }
    if (!find_entry(file, &metadata, &entry, err)) {
        return false;
    }
    AUTO_FREE uint8_t *copy = malloc(file.size);
    CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (copy == NULL || hash == NULL || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) {
        return error_set(err, ERROR_MEMORY, "enclave file: out of memory while measuring");
    }
    memcpy(copy, file.data, file.size);
    Measurement measurement = {.hash = hash, .enclave_size = metadata.enclave_size};
    if (!apply_patches(copy, file.size, entry, metadata.patches, err) ||
        !put_create(&measurement, metadata.ssa_frame_size) ||
        !put_segments(&measurement, (Bytes){copy, file.size}, err) ||
        !put_layouts(&measurement, entry, metadata.layout, err)) {
        return false;
    }
    if (EVP_DigestFinal_ex(hash, ret_mr_enclave, NULL) != 1) {
        return error_set(err, ERROR_MEMORY, "enclave file: out of memory while measuring");
    }
    *ret_pages = measurement.pages;
    return true;
}

void sim_image_identity(const SimSigstruct *sigstruct, SimIdentity *ret_identity) {
    *ret_identity = (SimIdentity){
        .attributes = {.flags = sigstruct->attributes.flags | SGX_FLAGS_INIT,
                       /* The loader asks for every state component that the mask leaves open. */
                       .xfrm = sigstruct->attributes.xfrm | (~sigstruct->attributes_mask.xfrm & 0xff)},
        .misc_select = sigstruct->misc_select,
        .isv_prod_id = sigstruct->isv_prod_id,
        .isv_svn = sigstruct->isv_svn,
    };
    memcpy(ret_identity->mr_enclave, sigstruct->mr_enclave, SGX_HASH_SIZE);
}

bool sim_image_start(Bytes file, SimIdentity *ret_identity, Error *err) {
    SimSigstruct sigstruct;
    uint8_t mr_enclave[SGX_HASH_SIZE];
    uint64_t pages = 0;
    if (!sim_image_sigstruct(file, &sigstruct, err) || !sim_sigstruct_check(&sigstruct, err) ||
        !sim_image_measure(file, mr_enclave, &pages, err)) {
        return false;
    }
    if (memcmp(mr_enclave, sigstruct.mr_enclave, sizeof mr_enclave) != 0) {
        return error_set(err, ERROR_VERIFY,
                         "enclave file: its pages do not measure to the MRENCLAVE in its SIGSTRUCT");
    }
    sim_image_identity(&sigstruct, ret_identity);
    /* One page for the SECS, one version array page for 512 pages. */
    ret_identity->epc_kib = (1 + pages + (pages + 1 + 511) / 512) * (SIM_PAGE_SIZE / 1024);
    return sim_sigstruct_mr_signer(&sigstruct, ret_identity->mr_signer) ||
           error_set(err, ERROR_MEMORY, "enclave file: out of memory");
}

SgxTargetInfo sim_image_target(const SimIdentity *identity) {
    SgxTargetInfo target = {.attributes = identity->attributes, .misc_select = identity->misc_select};
    memcpy(target.mr_enclave, identity->mr_enclave, SGX_HASH_SIZE);
    return target;
}
