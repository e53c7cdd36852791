/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/enclave_maker.h"

#include <assert.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE = 4096,
    RSA_SIZE = 384,
    SIGSTRUCT = 64,
    IMAGE_END = 0x6000,
    RW_ADDRESS = 0x3810,
    RW_SIZE = 0x200
};

typedef struct Segment {
    uint32_t flags;
    uint64_t offset, address, file_size, memory_size;
} Segment;

static const Segment segments[4] = {{4, 0, 0, 0x300, 0x300},
                                    {5, MAKER_CODE_AT, 0x1000, 0x40, 0x40},
                                    {4, MAKER_RODATA_AT, 0x2000, 0x80, 0x80},
                                    {6, MAKER_DYNAMIC_AT, RW_ADDRESS, RW_SIZE, 0x2200}};

typedef struct Layout {
    uint16_t id, attributes;
    uint32_t pages;
    uint64_t address;
    uint32_t content_size, content_offset;
    uint64_t si_flags;
} Layout;

static void put16(uint8_t *at, size_t value) {
    uint16_t v = (uint16_t)value;
    memcpy(at, &v, sizeof v);
}

static void put32(uint8_t *at, size_t value) {
    uint32_t v = (uint32_t)value;
    memcpy(at, &v, sizeof v);
}

static void put64(uint8_t *at, uint64_t value) {
    memcpy(at, &value, sizeof value);
}

static uint64_t get64(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

EVP_PKEY *maker_key_new(unsigned exponent) {
    BIGNUM *e = BN_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    assert(e != NULL && context != NULL && BN_set_word(e, exponent) == 1);
    assert(EVP_PKEY_keygen_init(context) == 1 &&
           EVP_PKEY_CTX_set_rsa_keygen_bits(context, RSA_SIZE * 8) == 1);
    assert(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, e) == 1 && EVP_PKEY_keygen(context, &key) == 1);
    EVP_PKEY_CTX_free(context);
    BN_free(e);
    return key;
}

static BIGNUM *modulus(EVP_PKEY *key) {
    BIGNUM *n = NULL;
    assert(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1);
    return n;
}

static void sha256(const uint8_t *data, size_t size, uint8_t digest[32]) {
    assert(EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL) == 1);
}

void maker_mr_signer(EVP_PKEY *key, uint8_t ret_mr_signer[32]) {
    uint8_t n[RSA_SIZE];
    BIGNUM *number = modulus(key);
    assert(BN_bn2lebinpad(number, n, sizeof n) == RSA_SIZE);
    BN_free(number);
    sha256(n, sizeof n, ret_mr_signer);
}

/* PKCS #1 v1.5 with SHA-256, big endian. */
static void rsa_sign(EVP_PKEY *key, const uint8_t *message, size_t size, uint8_t signature[RSA_SIZE]) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t signature_size = RSA_SIZE;
    assert(context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1);
    assert(EVP_DigestSign(context, signature, &signature_size, message, size) == 1 &&
           signature_size == RSA_SIZE);
    EVP_MD_CTX_free(context);
}

uint8_t *maker_sigstruct(EnclaveMaker *maker, size_t entry) {
    return maker->file + maker->entries[entry].at + SIGSTRUCT;
}

void maker_sign(EnclaveMaker *maker, size_t entry, EVP_PKEY *key) {
    uint8_t *css = maker_sigstruct(maker, entry);
    uint8_t message[256];
    uint8_t signature[RSA_SIZE];
    memcpy(message, css, 128);
    memcpy(message + 128, css + 900, 128);
    rsa_sign(key, message, sizeof message, signature);
    BN_CTX *context = BN_CTX_new();
    BIGNUM *n = modulus(key), *s = BN_bin2bn(signature, RSA_SIZE, NULL);
    BIGNUM *product = BN_new(), *q = BN_new(), *r = BN_new();
    assert(BN_bn2lebinpad(n, css + 128, RSA_SIZE) == RSA_SIZE &&
           BN_bn2lebinpad(s, css + 516, RSA_SIZE) == RSA_SIZE);
    assert(BN_mul(product, s, s, context) && BN_div(q, r, product, n, context));
    assert(BN_bn2lebinpad(q, css + 1040, RSA_SIZE) == RSA_SIZE);
    assert(BN_mul(product, s, r, context) && BN_div(q, r, product, n, context));
    assert(BN_bn2lebinpad(q, css + 1424, RSA_SIZE) == RSA_SIZE);
    BN_free(n);
    BN_free(s);
    BN_free(product);
    BN_free(q);
    BN_free(r);
    BN_CTX_free(context);
}

static void maker_sign_as(EnclaveMaker *maker, const uint8_t mr_enclave[32], EVP_PKEY *key) {
    for (size_t i = 0; i < maker->entries_count; i++) {
        memcpy(maker_sigstruct(maker, i) + 960, mr_enclave, 32);
        maker_sign(maker, i, key);
    }
}

void maker_init(EnclaveMaker *maker) {
    memset(maker, 0, sizeof *maker);
    maker->soname = "libsgx_qe3.signed.so.1";
    maker->vendor = 0x8086;
    maker->date = 0x20240229;
    maker->exponent = 3;
    maker->flags = 0x14;
    maker->flags_mask = UINT64_C(0xff00ffffffffffff);
    maker->xfrm = 3;
    maker->xfrm_mask = UINT64_C(0xffffffffffffff1b);
    maker->misc_mask = UINT32_MAX;
    maker->prod_id = 1;
    maker->svn = 11;
    maker->entries[0] = (MakerEntry){.major = 1, .minor = 5};
    maker->entries_count = 1;
}

static void put_elf_header(EnclaveMaker *maker, size_t phdrs, size_t shdrs) {
    static const uint8_t ident[8] = {0x7f, 'E', 'L', 'F', 2, 1, 1, 0};
    uint8_t *at = maker->file;
    memcpy(at, ident, sizeof ident);
    put16(at + 16, 3);
    put16(at + 18, 62);
    put32(at + 20, 1);
    put64(at + 24, 0x1000);
    put64(at + 32, MAKER_PHDRS_AT);
    put64(at + 40, maker->shdrs_at);
    put16(at + 52, 64);
    put16(at + 54, 56);
    put16(at + 56, phdrs);
    put16(at + 58, 64);
    put16(at + 60, shdrs);
    put16(at + 62, shdrs - 1);
}

static void put_phdr(uint8_t *at, uint32_t type, const Segment *segment, uint64_t align) {
    put32(at, type);
    put32(at + 4, segment->flags);
    put64(at + 8, segment->offset);
    put64(at + 16, segment->address);
    put64(at + 24, segment->address);
    put64(at + 32, segment->file_size);
    put64(at + 40, segment->memory_size);
    put64(at + 48, align);
}

static size_t segment_at(const EnclaveMaker *maker, size_t position) {
    return maker->swap_segments && position < 2 ? 1 - position : position;
}

static void put_segments(EnclaveMaker *maker) {
    uint8_t *phdrs = maker->file + MAKER_PHDRS_AT;
    for (size_t i = 0; i < 4; i++) {
        put_phdr(phdrs + 56 * i, 1, &segments[segment_at(maker, i)], PAGE);
    }
    put_phdr(phdrs + 56 * 4, 2, &(Segment){6, MAKER_DYNAMIC_AT, RW_ADDRESS, 0xb0, 0xb0}, 8);
    put_phdr(phdrs + 56 * 5, 0x6474e551, &(Segment){.flags = 6}, 16);
    put_phdr(phdrs + 56 * 6, 7, &(Segment){4, MAKER_RODATA_AT, 0x2000, 0, 16}, 8);

    if (maker->soname != NULL) {
        memcpy(maker->file + MAKER_SONAME_AT, maker->soname, strlen(maker->soname) + 1);
    }
    memset(maker->file + MAKER_CODE_AT, 0x90, 0x40);
    memcpy(maker->file + MAKER_RODATA_AT, "SGX_TRTS_VERSION_2.25.100.0", 28);
    uint64_t tags[][2] = {{5, MAKER_DYNSTR_AT}, {6, 0x200}, {10, 0x70}, {11, 24},
                          {7, MAKER_RELA_AT},   {8, 48},    {22, 0},    {14, 1}};
    uint8_t *dynamic = maker->file + MAKER_DYNAMIC_AT;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        bool relocation = tags[i][0] == 7 || tags[i][0] == 8 || tags[i][0] == 22;
        if ((relocation && !maker->text_relocations) || (tags[i][0] == 14 && maker->soname == NULL)) {
            continue;
        }
        put64(dynamic, tags[i][0]);
        put64(dynamic + 8, tags[i][1]);
        dynamic += 16;
    }
    if (maker->text_relocations) {
        put64(maker->file + MAKER_RELA_AT, 0x10); /* type 0: none */
        put64(maker->file + MAKER_RELA_AT + 24, 0x1ffc);
        put64(maker->file + MAKER_RELA_AT + 32, 8);
    }
    put64(maker->file + MAKER_DATA_AT, UINT64_C(0x200190000)); /* the linker's global data */
    for (uint64_t i = 1; i < 7; i++) {
        put64(maker->file + MAKER_DATA_AT + 8 * i, i);
    }
}

static size_t put_layout(uint8_t *at, const Layout *record) {
    put16(at, record->id);
    put16(at + 2, record->attributes);
    put32(at + 4, record->pages);
    put64(at + 8, record->address);
    put32(at + 16, record->content_size);
    put32(at + 20, record->content_offset);
    put64(at + 24, record->si_flags);
    return 32;
}

enum { GROUP_PAGES = 54, GROUP_RECORDS = 7, HEAP_PAGES = 4 };

/* Heap, then what a thread has; the group repeats the latter. */
static size_t plan_layout(const EnclaveMaker *maker, const MakerEntry *entry, uint32_t tcs, uint32_t content,
                          Layout layout[MAKER_LAYOUT_MAX]) {
    uint64_t at = IMAGE_END + (entry->minor == 3 && entry->major == 1 ? PAGE : 0);
    const Layout plan[] = {
        {1, 1, HEAP_PAGES, 0, 0, 0, 0x203},
        {10, 0, 16, 0, 0, 0, 0},
        {8, 3, 2, 0, 0xcccccccc, 0, 0x203},
        {10, 0, 16, 0, 0, 0, 0},
        {4, 3, 1, 0, 72, tcs, 0x100},
        {6, 3, 2, 0, 0, 0, 0x203},
        {10, 0, 16, 0, 0, 0, 0},
        {5, 3, 1, 0, 0, 0, 0x203},
    };
    size_t count = sizeof plan / sizeof plan[0];
    for (size_t i = 0; i < count; i++) {
        layout[i] = plan[i];
        layout[i].address = at;
        at += (uint64_t)plan[i].pages * PAGE;
    }
    layout[count++] =
        (Layout){0x1009, GROUP_RECORDS, maker->group_times, (uint64_t)GROUP_PAGES * PAGE, 0, 0, 0};
    at += (uint64_t)maker->group_times * GROUP_PAGES * PAGE;
    if (maker->loose_content) {
        layout[count++] = (Layout){3, 1, 2, at, 256, content, 0x203};
    }
    return count;
}

static uint64_t layout_end(const Layout *layout, size_t count) {
    uint64_t end = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t record_end = layout[i].address + (uint64_t)layout[i].pages * PAGE;
        end = (layout[i].id & 0x1000) == 0 && record_end > end ? record_end : end;
    }
    return end;
}

typedef struct Hash {
    EVP_MD_CTX *context;
    uint64_t shift;
    EnclaveMaker *maker;
} Hash;

static void hash_record(Hash *hash, const char *name, uint64_t first, uint64_t second) {
    uint8_t record[64] = {0};
    memcpy(record, name, strlen(name));
    put64(record + 8, first);
    put64(record + 16, second);
    assert(EVP_DigestUpdate(hash->context, record, sizeof record) == 1);
}

static void hash_page(Hash *hash, uint64_t address, uint64_t si_flags, const uint8_t *data, bool measured) {
    hash->maker->pages++;
    hash->maker->measured_pages += measured;
    hash_record(hash, "EADD", address + hash->shift, si_flags);
    for (size_t chunk = 0; measured && chunk < PAGE; chunk += 256) {
        hash_record(hash, "EEXTEND", address + hash->shift + chunk, 0);
        assert(EVP_DigestUpdate(hash->context, data + chunk, 256) == 1);
    }
}

/* The picture of the memory: the patched file's segments at their addresses. */
static void hash_segments(Hash *hash, const uint8_t *patched, bool quirk) {
    uint8_t *memory = calloc(1, IMAGE_END);
    assert(memory != NULL);
    for (size_t i = 0; i < 4; i++) {
        memcpy(memory + segments[i].address, patched + segments[i].offset, segments[i].file_size);
    }
    for (size_t i = 0; i < 4; i++) {
        const Segment *segment = &segments[segment_at(hash->maker, i)];
        uint64_t flags =
            0x200 | (segment->flags & 4 ? 1 : 0) | (segment->flags & 2) | (segment->flags & 1 ? 4 : 0);
        uint64_t address = segment->address / PAGE * PAGE;
        for (; address < segment->address + segment->memory_size; address += PAGE) {
            bool relocated = hash->maker->text_relocations && (address == 0x1000 || address == 0x2000);
            hash_page(hash, address, flags | (relocated ? 2 : 0), memory + address, true);
        }
    }
    if (quirk) {
        memset(memory, 0, PAGE);
        hash_page(hash, IMAGE_END, 0x203, memory, true);
    }
    free(memory);
}

static void hash_layout_record(Hash *hash, const Layout *record, const uint8_t *entry, uint64_t shift) {
    uint8_t pages[2 * PAGE] = {0};
    uint64_t address = record->address + shift;
    bool content = record->content_offset != 0;
    if (record->attributes == 0) {
        return;
    }
    if (content) {
        memcpy(pages, entry + record->content_offset, record->content_size);
    } else {
        for (size_t at = 0; at < sizeof pages; at += 4) {
            put32(pages + at, record->content_size);
        }
    }
    if (record->si_flags == 0x100) {
        put64(pages + 16, get64(pages + 16) + address);
        put64(pages + 48, get64(pages + 48) + address);
        put64(pages + 56, get64(pages + 56) + address);
    }
    bool measured = (record->attributes & 2) != 0 || (content && record->si_flags != 0x100);
    for (uint32_t i = 0; i < record->pages; i++) {
        hash_page(hash, address + (uint64_t)i * PAGE, record->si_flags, pages + (i % 2) * PAGE, measured);
    }
}

static void measure(EnclaveMaker *maker, const MakerEntry *entry, const Layout *layout, size_t count,
                    uint64_t appended_at, size_t appended_offset) {
    static uint8_t patched[MAKER_FILE_MAX];
    memcpy(patched, maker->file, sizeof patched);
    memset(patched + 0x28, 0, 8);
    memset(patched + 0x3c, 0, 4);
    memset(patched + MAKER_DATA_AT, 0xa5, 256);
    bool ranged = entry->major > 10;
    Hash hash = {EVP_MD_CTX_new(), ranged ? maker->enclave_size : 0, maker};
    assert(hash.context != NULL && EVP_DigestInit_ex2(hash.context, EVP_sha256(), NULL) == 1);
    uint64_t size = ranged ? 4 * maker->enclave_size : maker->enclave_size;
    hash_record(&hash, "ECREATE", 1 | size << 32, size >> 32);
    maker->pages = 0;
    maker->measured_pages = 0;
    hash_segments(&hash, patched, entry->major == 1 && entry->minor == 3);
    if (maker->appended) {
        uint8_t page[PAGE] = {0};
        memcpy(page, maker->file + appended_offset, 0x100);
        hash_page(&hash, appended_at, 0x205, page, true);
        memset(page, 0, sizeof page);
        hash_page(&hash, appended_at + PAGE, 0x205, page, true);
    }
    for (size_t i = 0; i < count; i++) {
        if ((layout[i].id & 0x1000) == 0) {
            hash_layout_record(&hash, &layout[i], maker->file + entry->at, 0);
            continue;
        }
        for (uint64_t time = 1; time <= maker->group_times; time++) {
            for (size_t member = i - GROUP_RECORDS; member < i; member++) {
                hash_layout_record(&hash, &layout[member], maker->file + entry->at, time * layout[i].address);
            }
        }
    }
    assert(EVP_DigestFinal_ex(hash.context, maker->mr_enclave, NULL) == 1);
    EVP_MD_CTX_free(hash.context);
}

static void put_sigstruct(const EnclaveMaker *maker, uint8_t *css) {
    static const uint8_t header1[12] = {6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1, 0};
    static const uint8_t header2[16] = {1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1, 0, 0, 0};
    memcpy(css, header1, sizeof header1);
    put32(css + 12, maker->type);
    put32(css + 16, maker->vendor);
    put32(css + 20, maker->date);
    memcpy(css + 24, header2, sizeof header2);
    put32(css + 40, maker->sw_defined);
    put32(css + 512, maker->exponent);
    put32(css + 904, maker->misc_mask);
    put64(css + 928, maker->flags);
    put64(css + 936, maker->xfrm);
    put64(css + 944, maker->flags_mask);
    put64(css + 952, maker->xfrm_mask);
    put16(css + 1024, maker->prod_id);
    put16(css + 1026, maker->svn);
}

static size_t put_directory(uint8_t *entry, size_t directory, size_t offset, size_t size) {
    put32(entry + directory, offset);
    put32(entry + directory + 4, size);
    return offset + size;
}

/* The entry's tables; bodies of the extend records are filled in when everything else is known. */
static void put_entry(EnclaveMaker *maker, MakerEntry *entry, size_t appended_offset) {
    uint8_t *base = maker->file + entry->at;
    bool four =
        (entry->major % 10 == 1 && entry->minor >= 5) || (entry->major % 10 == 3 && entry->minor >= 2);
    size_t at = four ? 1904 : entry->major > 10 ? 1896 : 1888;
    size_t elrange_at = at;
    at += entry->major > 10 ? 24 : 0;
    size_t tcs = at, global_data = tcs + 72, zeros = global_data + 256, patches = zeros + 8;
    Layout layout[MAKER_LAYOUT_MAX];
    size_t count = plan_layout(maker, entry, (uint32_t)tcs, (uint32_t)global_data, layout);
    uint64_t end = layout_end(layout, count) + (uint64_t)maker->group_times * GROUP_PAGES * PAGE;
    maker->enclave_size = PAGE;
    while (maker->enclave_size < end + (maker->appended ? 2 * PAGE : 0)) {
        maker->enclave_size *= 2;
    }

    put64(base, UINT64_C(0x86a80294635d0e4c));
    put32(base + 8, entry->minor);
    put32(base + 12, entry->major);
    put32(base + 20, 1);
    put32(base + 24, 1);
    put32(base + 28, 2688);
    put32(base + 36, 1);
    put64(base + 40, maker->enclave_size);
    put64(base + 48, maker->flags);
    put64(base + 56, 0xe7);
    put_sigstruct(maker, base + SIGSTRUCT);
    if (entry->major > 10) {
        put_directory(base, 1888, elrange_at, 24);
        put64(base + elrange_at, UINT64_C(0x40000000) + maker->enclave_size);
        put64(base + elrange_at + 8, UINT64_C(0x40000000));
        put64(base + elrange_at + 16, 4 * maker->enclave_size);
    }
    put64(base + tcs + 16, 0x1000);
    put32(base + tcs + 28, 2);
    put64(base + tcs + 32, 0x1000);
    put64(base + tcs + 48, 0x13000);
    put64(base + tcs + 56, 0x13000);
    put32(base + tcs + 64, UINT32_MAX);
    put32(base + tcs + 68, UINT32_MAX);
    memset(base + global_data, 0xa5, 256);
    const uint64_t targets[4][3] = {
        {MAKER_DATA_AT, global_data, 256}, {0x28, zeros, 8}, {0x3c, zeros, 2}, {0x3e, zeros, 2}};
    for (size_t i = 0; i < 4; i++) {
        put64(base + patches + 32 * i, targets[i][0]);
        put32(base + patches + 32 * i + 8, targets[i][1]);
        put32(base + patches + 32 * i + 12, targets[i][2]);
    }
    at = put_directory(base, 1872, patches, 4 * 32);
    entry->layout_at = entry->at + at;
    for (size_t i = 0; i < count; i++) {
        put_layout(base + at + 32 * i, &layout[i]);
    }
    at = put_directory(base, 1880, at, count * 32);
    size_t extends = (maker->fips ? 1u : 0u) + (maker->appended ? 1u : 0u);
    entry->extends_at = entry->at + at;
    if (extends > 0) {
        size_t record = at, body = at + 16 * extends;
        at = put_directory(base, 1896, at, 16 * extends);
        if (maker->appended) {
            put32(base + record, 0x1002);
            put32(base + record + 4, 32);
            put32(base + record + 8, body);
            put64(base + body, appended_offset);
            put64(base + body + 8, end);
            put64(base + body + 16, 0x100);
            record += 16;
            body += 32;
        }
        if (maker->fips) {
            put32(base + record, 0x1001);
            put32(base + record + 4, 772);
            put32(base + record + 8, body);
            body += 772;
        }
        at = body;
    }
    put32(base + 16, at);
    entry->size = at;
    entry->tcs_at = entry->at + tcs;
    entry->patches_at = entry->at + patches;
    measure(maker, entry, layout, count, end, appended_offset);
}

static void put_shdr(uint8_t *at, size_t name, uint32_t type, uint64_t flags, uint64_t address,
                     uint64_t offset, uint64_t size, uint64_t align) {
    put32(at, name);
    put32(at + 4, type);
    put64(at + 8, flags);
    put64(at + 16, address);
    put64(at + 24, offset);
    put64(at + 32, size);
    put64(at + 48, align);
}

static void put_sections(EnclaveMaker *maker, size_t desc_size) {
    static const char names[] =
        "\0.dynstr\0.text\0.rela.dyn\0.dynamic\0.data\0.bss\0.note.sgxmeta\0.shstrtab";
    size_t note_size = (25 + desc_size + 3) / 4 * 4, names_at = MAKER_NOTE_AT + note_size;
    memcpy(maker->file + names_at, names, sizeof names);
    maker->shdrs_at = (names_at + sizeof names + 7) / 8 * 8;
    const struct {
        const char *name;
        uint32_t type;
        uint64_t flags, address, offset, size, align;
    } rows[] = {
        {"", 0, 0, 0, 0, 0, 0},
        {".dynstr", 3, 2, MAKER_DYNSTR_AT, MAKER_DYNSTR_AT, 0x70, 1},
        {".text", 1, 6, 0x1000, MAKER_CODE_AT, 0x40, 16},
        {".rela.dyn", 4, 2, 0x2000 + 0x40, MAKER_RELA_AT, 48, 8},
        {".dynamic", 6, 3, RW_ADDRESS, MAKER_DYNAMIC_AT, 0xb0, 8},
        {".data", 1, 3, RW_ADDRESS + 0xb0, MAKER_DATA_AT, 0x100, 8},
        {".bss", 8, 3, RW_ADDRESS + RW_SIZE, MAKER_NOTE_AT, 0x2000, 8},
        {".note.sgxmeta", 7, 0, 0, MAKER_NOTE_AT, note_size, 4},
        {".shstrtab", 3, 0, 0, names_at, sizeof names, 1},
    };
    size_t count = sizeof rows / sizeof rows[0], name = 0;
    for (size_t i = 0; i < count; i++) {
        put_shdr(maker->file + maker->shdrs_at + 64 * i, name, rows[i].type, rows[i].flags, rows[i].address,
                 rows[i].offset, rows[i].size, rows[i].align);
        name += strlen(rows[i].name) + 1;
    }
    maker->file_size = maker->shdrs_at + 64 * count;
    put_elf_header(maker, 7, count);
}

static size_t put_appended(EnclaveMaker *maker) {
    size_t at = maker->file_size;
    memcpy(maker->file + at, maker->file, 64);
    put64(maker->file + at + 32, 64);
    put16(maker->file + at + 56, 1);
    put_phdr(maker->file + at + 64, 1, &(Segment){5, 0, 0, 0x100, 0x1800}, PAGE);
    memset(maker->file + at + 120, 0x77, 0x100 - 120);
    maker->file_size += 0x100;
    return at;
}

static void put_fips(EnclaveMaker *maker, const MakerEntry *entry, EVP_PKEY *key) {
    uint8_t *body = maker->file + entry->at + entry->size - 772;
    BIGNUM *n = modulus(key), *e = NULL;
    assert(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1);
    assert(BN_bn2lebinpad(n, body, RSA_SIZE) == RSA_SIZE && BN_bn2lebinpad(e, body + RSA_SIZE, 4) == 4);
    rsa_sign(key, maker->file + entry->at + SIGSTRUCT, 1808, body + RSA_SIZE + 4);
    BN_free(n);
    BN_free(e);
}

void maker_make(EnclaveMaker *maker, EVP_PKEY *key) {
    size_t desc_size = maker->entries_count > 1 ? 0x3000 : 0x1800;
    memset(maker->file, 0, sizeof maker->file);
    put_segments(maker);
    put_sections(maker, desc_size);
    size_t appended_offset = maker->appended ? put_appended(maker) : 0;
    uint8_t *note = maker->file + MAKER_NOTE_AT;
    put32(note, 13);
    put32(note + 4, desc_size);
    put32(note + 8, 1);
    memcpy(note + 12, "sgx_metadata", 13);
    size_t at = MAKER_NOTE_AT + 25;
    uint8_t first[32];
    for (size_t i = 0; i < maker->entries_count; i++) {
        maker->entries[i].at = at;
        put_entry(maker, &maker->entries[i], appended_offset);
        at += maker->entries[i].size;
        assert(at <= MAKER_NOTE_AT + 25 + desc_size);
        if (i == 0) {
            memcpy(first, maker->mr_enclave, sizeof first);
        }
        assert(memcmp(first, maker->mr_enclave, sizeof first) == 0);
    }
    maker_sign_as(maker, maker->mr_enclave, key);
    for (size_t i = 0; maker->fips && i < maker->entries_count; i++) {
        put_fips(maker, &maker->entries[i], key);
    }
}
