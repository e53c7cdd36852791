/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/sigstruct.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <stdio.h>
#include <time.h>

#include "bundles/base/cleanup.h"

CLEANUP_DEFINE(BN_CTX, BN_CTX_free)

enum { DATE_SLACK_S = 24 * 60 * 60 };

static const uint8_t header1[12] = {0x06, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 0x01, 0};
static const uint8_t header2[16] = {0x01, 0x01, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 0x01, 0, 0, 0};

bool sigstruct_parse(Bytes bytes, Sigstruct *ret_sigstruct, Error *err) {
    if (bytes.size != SIGSTRUCT_SIZE) {
        return error_set(err, ERROR_INPUT, "SIGSTRUCT: %zu bytes, it has to have %d", bytes.size,
                         SIGSTRUCT_SIZE);
    }
    const uint8_t *at = bytes.data;
    Sigstruct sigstruct = {
        .bytes = bytes,
        .type = bytes_le32(at + 12),
        .vendor = bytes_le32(at + 16),
        .date = bytes_le32(at + 20),
        .sw_defined = bytes_le32(at + 40),
        .misc_select = bytes_le32(at + 900),
        .misc_mask = bytes_le32(at + 904),
        .cet = bytes_le32(at + 908),
        .family_id = at + 912,
        .attributes = {bytes_le64(at + 928), bytes_le64(at + 936)},
        .attributes_mask = {bytes_le64(at + 944), bytes_le64(at + 952)},
        .mr_enclave = at + 960,
        .ext_prod_id = at + 1008,
        .prod_id = bytes_le16(at + 1024),
        .svn = bytes_le16(at + 1026),
    };
    if (!digest_of(at + SIGSTRUCT_MODULUS, SIGSTRUCT_KEY_SIZE, &sigstruct.mr_signer)) {
        return error_set(err, ERROR_MEMORY, "SIGSTRUCT: out of memory while hashing the modulus");
    }
    *ret_sigstruct = sigstruct;
    return true;
}

bool sigstruct_check_form(const Sigstruct *sigstruct, Error *err) {
    static const struct {
        uint16_t offset;
        uint16_t size;
    } reserved[] = {{44, 84}, {910, 2}, {992, 16}, {1028, 12}};

    const uint8_t *at = sigstruct->bytes.data;
    if (memcmp(at, header1, sizeof header1) != 0 || memcmp(at + 24, header2, sizeof header2) != 0) {
        return error_set(err, ERROR_INPUT, "SIGSTRUCT: its fixed header is wrong");
    }
    if ((sigstruct->type & 0x7fffffffU) != 0) {
        return error_set(err, ERROR_INPUT, "SIGSTRUCT: type 0x%x has reserved bits set", sigstruct->type);
    }
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (!bytes_are_zero((Bytes){at + reserved[i].offset, reserved[i].size})) {
            return error_set(err, ERROR_INPUT, "SIGSTRUCT: reserved bytes at %u are not zero",
                             reserved[i].offset);
        }
    }
    if (bytes_le32(at + SIGSTRUCT_EXPONENT) != 3) {
        return error_set(err, ERROR_INPUT, "SIGSTRUCT: the exponent is %u, it has to be 3",
                         bytes_le32(at + SIGSTRUCT_EXPONENT));
    }
    if ((sigstruct->attributes.flags & SGX_FLAGS_INIT) != 0) {
        return error_set(err, ERROR_INPUT,
                         "SIGSTRUCT: the attribute INIT is set, which no enclave can start with");
    }
    return true;
}

/* PKCS #1 v1.5: 00 01 FF… 00, DigestInfo of SHA-256, digest. Built and compared whole, never parsed. */
static bool expected_block(const Sigstruct *sigstruct, uint8_t block[SIGSTRUCT_KEY_SIZE]) {
    static const uint8_t digest_info[19] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                            0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    uint8_t message[SIGSTRUCT_MODULUS + SIGSTRUCT_BODY_SIZE];
    memcpy(message, sigstruct->bytes.data, SIGSTRUCT_MODULUS);
    memcpy(message + SIGSTRUCT_MODULUS, sigstruct->bytes.data + SIGSTRUCT_BODY, SIGSTRUCT_BODY_SIZE);
    Digest digest;
    if (!digest_of(message, sizeof message, &digest)) {
        return false;
    }
    enum { INFO_AT = SIGSTRUCT_KEY_SIZE - DIGEST_SIZE - sizeof digest_info };
    memset(block, 0xff, SIGSTRUCT_KEY_SIZE);
    block[0] = 0x00;
    block[1] = 0x01;
    block[INFO_AT - 1] = 0x00;
    memcpy(block + INFO_AT, digest_info, sizeof digest_info);
    memcpy(block + INFO_AT + sizeof digest_info, digest.bytes, DIGEST_SIZE);
    return true;
}

typedef struct SignatureNumbers {
    BIGNUM *modulus, *signature, *q1, *q2, *product, *quotient, *remainder;
} SignatureNumbers;

static bool numbers_load(const Sigstruct *sigstruct, BN_CTX *context, SignatureNumbers *n) {
    const uint8_t *at = sigstruct->bytes.data;
    n->modulus = BN_CTX_get(context);
    n->signature = BN_CTX_get(context);
    n->q1 = BN_CTX_get(context);
    n->q2 = BN_CTX_get(context);
    n->product = BN_CTX_get(context);
    n->quotient = BN_CTX_get(context);
    n->remainder = BN_CTX_get(context); /* NULL if any of the calls before failed */
    return n->remainder != NULL &&
           BN_lebin2bn(at + SIGSTRUCT_MODULUS, SIGSTRUCT_KEY_SIZE, n->modulus) != NULL &&
           BN_lebin2bn(at + SIGSTRUCT_SIGNATURE, SIGSTRUCT_KEY_SIZE, n->signature) != NULL &&
           BN_lebin2bn(at + SIGSTRUCT_Q1, SIGSTRUCT_KEY_SIZE, n->q1) != NULL &&
           BN_lebin2bn(at + SIGSTRUCT_Q2, SIGSTRUCT_KEY_SIZE, n->q2) != NULL;
}

/* s³ mod n by the two divisions whose quotients Q1 and Q2 are. */
static bool signature_check(const Sigstruct *sigstruct, SignatureNumbers *n, BN_CTX *context, Error *err) {
    if (!BN_is_odd(n->modulus) || BN_num_bits(n->modulus) != SIGSTRUCT_KEY_SIZE * 8) {
        return error_set(err, ERROR_VERIFY, "SIGSTRUCT: the modulus is not an odd number of 3072 bits");
    }
    if (BN_is_zero(n->signature) || BN_cmp(n->signature, n->modulus) >= 0) {
        return error_set(err, ERROR_VERIFY, "SIGSTRUCT: the signature is not a number below the modulus");
    }
    uint8_t expected[SIGSTRUCT_KEY_SIZE];
    uint8_t block[SIGSTRUCT_KEY_SIZE];
    if (!expected_block(sigstruct, expected) || !BN_sqr(n->product, n->signature, context) ||
        !BN_div(n->quotient, n->remainder, n->product, n->modulus, context)) {
        return error_set(err, ERROR_MEMORY, "SIGSTRUCT: out of memory while checking the signature");
    }
    bool q1_good = BN_cmp(n->quotient, n->q1) == 0;
    if (!BN_mul(n->product, n->signature, n->remainder, context) ||
        !BN_div(n->quotient, n->remainder, n->product, n->modulus, context) ||
        BN_bn2binpad(n->remainder, block, sizeof block) != (int)sizeof block) {
        return error_set(err, ERROR_MEMORY, "SIGSTRUCT: out of memory while checking the signature");
    }
    if (memcmp(block, expected, sizeof block) != 0) {
        return error_set(err, ERROR_VERIFY, "SIGSTRUCT: the signature is not that of the key in it");
    }
    if (!q1_good || BN_cmp(n->quotient, n->q2) != 0) {
        return error_set(
            err, ERROR_VERIFY,
            "SIGSTRUCT: %s is wrong: the signature is good, but the processor would refuse the enclave",
            q1_good ? "Q2" : "Q1");
    }
    return true;
}

bool sigstruct_check_signature(const Sigstruct *sigstruct, Error *err) {
    CLEANUP(BN_CTX_freep) BN_CTX *context = BN_CTX_new();
    if (context == NULL) {
        return error_set(err, ERROR_MEMORY, "SIGSTRUCT: out of memory while checking the signature");
    }
    SignatureNumbers numbers;
    BN_CTX_start(context);
    bool good = numbers_load(sigstruct, context, &numbers)
                    ? signature_check(sigstruct, &numbers, context, err)
                    : error_set(err, ERROR_MEMORY, "SIGSTRUCT: out of memory while checking the signature");
    BN_CTX_end(context);
    if (!good) {
        ERR_clear_error();
    }
    return good;
}

static unsigned bcd(uint32_t value, unsigned shift, unsigned digits) {
    unsigned number = 0;
    for (unsigned i = digits; i-- > 0;) {
        unsigned digit = (value >> (shift + 4 * i)) & 0xf;
        if (digit > 9) {
            return 0; /* neither a year, a month nor a day */
        }
        number = number * 10 + digit;
    }
    return number;
}

bool sigstruct_check_date(const Sigstruct *sigstruct, int64_t now, Error *err) {
    struct tm calendar = {.tm_year = (int)bcd(sigstruct->date, 16, 4) - 1900,
                          .tm_mon = (int)bcd(sigstruct->date, 8, 2) - 1,
                          .tm_mday = (int)bcd(sigstruct->date, 0, 2)};
    struct tm normal = calendar;
    time_t seconds = timegm(&normal);
    if (calendar.tm_year < 100 || normal.tm_year != calendar.tm_year || normal.tm_mon != calendar.tm_mon ||
        normal.tm_mday != calendar.tm_mday) {
        return error_set(err, ERROR_VERIFY, "SIGSTRUCT: 0x%08x is no date", sigstruct->date);
    }
    if (seconds > now + DATE_SLACK_S) {
        char text[SIGSTRUCT_DATE_SIZE];
        sigstruct_format_date(sigstruct, text);
        return error_set(err, ERROR_VERIFY,
                         "SIGSTRUCT: signed on %s, which is in the future: check the clock", text);
    }
    return true;
}

void sigstruct_format_date(const Sigstruct *sigstruct, char text[SIGSTRUCT_DATE_SIZE]) {
    (void)snprintf(text, SIGSTRUCT_DATE_SIZE, "%04x-%02x-%02x", sigstruct->date >> 16,
                   (sigstruct->date >> 8) & 0xff, sigstruct->date & 0xff);
}
