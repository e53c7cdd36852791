/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/hashes.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"

struct TufHasher {
    TufHashes expected;
    EVP_MD_CTX *sha256;
    EVP_MD_CTX *sha512;
};

CLEANUP_DEFINE(TufHasher, tuf_hasher_free)

static bool parse_lower_hex(const json_t *value, uint8_t *bytes, size_t size) {
    const char *hex = json_string_value(value);
    return strspn(hex, "0123456789abcdef") == strlen(hex) && text_parse_hex(hex, bytes, size);
}

bool tuf_hashes_parse(const json_t *value, const char *where, TufHashes *ret_hashes, Error *err) {
    if (!json_is_object(value) || json_object_size(value) == 0) {
        return error_set(err, ERROR_INPUT, "%s.hashes is missing, empty or not an object", where);
    }
    const char *algorithm;
    json_t *hex;
    json_object_foreach((json_t *)(uintptr_t)value, algorithm, hex) {
        if (!json_is_string(hex)) {
            return error_set(err, ERROR_INPUT, "%s.hashes has a value that is not a text", where);
        }
    }
    TufHashes hashes = {0};
    const json_t *sha256 = json_object_get(value, "sha256");
    const json_t *sha512 = json_object_get(value, "sha512");
    hashes.has_sha256 = sha256 != NULL;
    hashes.has_sha512 = sha512 != NULL;
    if (sha256 != NULL && !parse_lower_hex(sha256, hashes.sha256, sizeof hashes.sha256)) {
        return error_set(err, ERROR_INPUT, "%s.hashes.sha256 is not 64 lower-case hex digits", where);
    }
    if (sha512 != NULL && !parse_lower_hex(sha512, hashes.sha512, sizeof hashes.sha512)) {
        return error_set(err, ERROR_INPUT, "%s.hashes.sha512 is not 128 lower-case hex digits", where);
    }
    *ret_hashes = hashes;
    return true;
}

void tuf_hashes_format(const TufHashes *hashes, char hex[TUF_HASH_HEX_SIZE]) {
    if (hashes->has_sha256) {
        text_format_hex(hashes->sha256, sizeof hashes->sha256, hex);
    } else {
        text_format_hex(hashes->sha512, sizeof hashes->sha512, hex);
    }
}

static EVP_MD_CTX *begin(const EVP_MD *algorithm) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context != NULL && EVP_DigestInit_ex(context, algorithm, NULL) != 1) {
        EVP_MD_CTX_free(context);
        return NULL;
    }
    return context;
}

TufHasher *tuf_hasher_new(const TufHashes *hashes) {
    CLEANUP(tuf_hasher_freep) TufHasher *hasher = calloc(1, sizeof *hasher);
    if (hasher == NULL) {
        return NULL;
    }
    hasher->expected = *hashes;
    if (hashes->has_sha256 && (hasher->sha256 = begin(EVP_sha256())) == NULL) {
        return NULL;
    }
    if (hashes->has_sha512 && (hasher->sha512 = begin(EVP_sha512())) == NULL) {
        return NULL;
    }
    return TAKE(hasher);
}

void tuf_hasher_free(TufHasher *hasher) {
    if (hasher != NULL) {
        EVP_MD_CTX_free(hasher->sha256);
        EVP_MD_CTX_free(hasher->sha512);
        free(hasher);
    }
}

bool tuf_hasher_add(TufHasher *hasher, const void *data, size_t size) {
    return (hasher->sha256 == NULL || EVP_DigestUpdate(hasher->sha256, data, size) == 1) &&
           (hasher->sha512 == NULL || EVP_DigestUpdate(hasher->sha512, data, size) == 1);
}

static bool end_equals(EVP_MD_CTX *context, const uint8_t *expected, size_t size) {
    uint8_t found[EVP_MAX_MD_SIZE];
    unsigned found_size = 0;
    return EVP_DigestFinal_ex(context, found, &found_size) == 1 && found_size == size &&
           CRYPTO_memcmp(found, expected, size) == 0;
}

bool tuf_hasher_end(TufHasher *hasher) {
    bool any = hasher->sha256 != NULL || hasher->sha512 != NULL;
    return any &&
           (hasher->sha256 == NULL ||
            end_equals(hasher->sha256, hasher->expected.sha256, sizeof hasher->expected.sha256)) &&
           (hasher->sha512 == NULL ||
            end_equals(hasher->sha512, hasher->expected.sha512, sizeof hasher->expected.sha512));
}

bool tuf_hashes_match(const TufHashes *hashes, Bytes bytes) {
    CLEANUP(tuf_hasher_freep) TufHasher *hasher = tuf_hasher_new(hashes);
    return hasher != NULL && tuf_hasher_add(hasher, bytes.data, bytes.size) && tuf_hasher_end(hasher);
}
