/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"
#include "bundles/tuf/json.h"
#include "bundles/tuf/limits.h"

enum { ED25519_SIZE = 32, P256_POINT_SIZE = 65, ED25519_SIGNATURE_SIZE = 64 };

static void pkey_freep(EVP_PKEY **pkey) {
    EVP_PKEY_free(*pkey);
}

static void bio_freep(BIO **bio) {
    BIO_free(*bio);
}

static void bignum_freep(BIGNUM **number) {
    BN_free(*number);
}

static void digest_context_freep(EVP_MD_CTX **context) {
    EVP_MD_CTX_free(*context);
}

static void key_context_freep(EVP_PKEY_CTX **context) {
    EVP_PKEY_CTX_free(*context);
}

static int no_passphrase(char *buffer, int size, int writing, void *context) {
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}

/* One PUBLIC KEY block and nothing else: no certificate, no private key, nothing behind it. */
static EVP_PKEY *parse_pem(const char *text) {
    static const char begin[] = "-----BEGIN PUBLIC KEY-----", end[] = "-----END PUBLIC KEY-----";
    size_t size = strnlen(text, TUF_PEM_MAX + 1);
    if (size > TUF_PEM_MAX || strncmp(text, begin, sizeof begin - 1) != 0) {
        return NULL;
    }
    const char *tail = strstr(text, end);
    if (tail == NULL || tail[sizeof end - 1 + strspn(tail + sizeof end - 1, " \t\r\n")] != '\0') {
        return NULL;
    }
    CLEANUP(bio_freep) BIO *bio = BIO_new_mem_buf(text, (int)size);
    return bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
}

static EVP_PKEY *parse_ed25519(const char *text) {
    uint8_t raw[ED25519_SIZE];
    if (!text_parse_hex(text, raw, sizeof raw)) {
        return NULL;
    }
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, sizeof raw);
}

/* The legacy form of a P-256 key: an uncompressed point in hex. */
static EVP_PKEY *parse_point(const char *text) {
    uint8_t point[P256_POINT_SIZE];
    if (!text_parse_hex(text, point, sizeof point) || point[0] != 4) {
        return NULL;
    }
    char group[] = "prime256v1";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                           OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
                           OSSL_PARAM_construct_end()};
    CLEANUP(key_context_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *pkey = NULL;
    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        return NULL;
    }
    return pkey;
}

static bool is_p256(const EVP_PKEY *pkey) {
    char group[32];
    return EVP_PKEY_is_a(pkey, "EC") &&
           EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static bool is_fit_rsa(const EVP_PKEY *pkey) {
    int bits = EVP_PKEY_get_bits(pkey);
    return EVP_PKEY_is_a(pkey, "RSA") && bits >= TUF_RSA_BITS_MIN && bits <= TUF_RSA_BITS_MAX;
}

static bool add_number(DigestStream *stream, const EVP_PKEY *pkey, const char *name) {
    CLEANUP(bignum_freep) BIGNUM *number = NULL;
    uint8_t bytes[TUF_RSA_BITS_MAX / 8 + 4];
    if (EVP_PKEY_get_bn_param(pkey, name, &number) != 1) {
        return false;
    }
    int size = BN_num_bytes(number);
    if (size < 0 || (size_t)size > sizeof bytes - 4) {
        return false;
    }
    bytes_put_le32(bytes, (uint32_t)size);
    BN_bn2bin(number, bytes + 4);
    return digest_stream_add(stream, bytes, (size_t)size + 4);
}

static void stream_freep(DigestStream **stream) {
    digest_stream_free(*stream);
}

static bool fingerprint_of(const EVP_PKEY *pkey, TufScheme scheme, Digest *ret_fingerprint) {
    CLEANUP(stream_freep) DigestStream *stream = digest_stream_new();
    uint8_t label = (uint8_t)scheme;
    if (stream == NULL || !digest_stream_add(stream, &label, 1)) {
        return false;
    }
    bool added = false;
    uint8_t raw[ED25519_SIZE];
    size_t raw_size = sizeof raw;
    switch (scheme) {
    case TUF_SCHEME_ED25519:
        added = EVP_PKEY_get_raw_public_key(pkey, raw, &raw_size) == 1 &&
                digest_stream_add(stream, raw, raw_size);
        break;
    case TUF_SCHEME_ECDSA:
        added = add_number(stream, pkey, OSSL_PKEY_PARAM_EC_PUB_X) &&
                add_number(stream, pkey, OSSL_PKEY_PARAM_EC_PUB_Y);
        break;
    case TUF_SCHEME_RSA_PSS:
        added = add_number(stream, pkey, OSSL_PKEY_PARAM_RSA_N) &&
                add_number(stream, pkey, OSSL_PKEY_PARAM_RSA_E);
        break;
    case TUF_SCHEME_UNKNOWN:
        break;
    }
    return added && digest_stream_end(stream, ret_fingerprint);
}

/* keytype, scheme and the real key must fit together. */
static const char *key_load(TufKey *key, const char *keytype, const char *scheme, const char *text) {
    CLEANUP(pkey_freep) EVP_PKEY *pkey = NULL;
    TufScheme found = TUF_SCHEME_UNKNOWN;
    if (strcmp(keytype, "ed25519") == 0 && strcmp(scheme, "ed25519") == 0) {
        pkey = parse_ed25519(text);
        found = TUF_SCHEME_ED25519;
    } else if ((strcmp(keytype, "ecdsa") == 0 || strcmp(keytype, "ecdsa-sha2-nistp256") == 0) &&
               strcmp(scheme, "ecdsa-sha2-nistp256") == 0) {
        pkey = text[0] == '-' ? parse_pem(text) : parse_point(text);
        found = TUF_SCHEME_ECDSA;
    } else if (strcmp(keytype, "rsa") == 0 && strcmp(scheme, "rsassa-pss-sha256") == 0) {
        pkey = parse_pem(text);
        found = TUF_SCHEME_RSA_PSS;
    } else {
        return "its key type or scheme is unknown";
    }
    if (pkey == NULL) {
        return "its public part is malformed";
    }
    if (found == TUF_SCHEME_ECDSA && !is_p256(pkey)) {
        return "it is not a P-256 key as its scheme says";
    }
    if (found == TUF_SCHEME_RSA_PSS && !is_fit_rsa(pkey)) {
        return "it is not an RSA key of 2048 to 16384 bits as its scheme says";
    }
    if (!fingerprint_of(pkey, found, &key->fingerprint)) {
        return "its public part cannot be read";
    }
    key->scheme = found;
    key->pkey = TAKE(pkey);
    return NULL;
}

static bool key_parse(const json_t *value, const char *keyid, const char *where, TufKey *key, Error *err) {
    const char *keytype, *scheme, *text;
    json_t *keyval;
    if (!text_is_printable(keyid, 2 * DIGEST_HEX_SIZE) || keyid[0] == '\0') {
        return error_set(err, ERROR_INPUT, "%s has a key id that is empty, too long or not printable", where);
    }
    if (!json_is_object(value)) {
        return error_set(err, ERROR_INPUT, "%s.%s is not an object", where, keyid);
    }
    if (!tuf_json_text(value, where, "keytype", &keytype, err) ||
        !tuf_json_text(value, where, "scheme", &scheme, err) ||
        !tuf_json_object(value, where, "keyval", &keyval, err) ||
        !tuf_json_text(keyval, where, "public", &text, err)) {
        return false;
    }
    key->keyid = keyid;
    ERR_set_mark();
    key->unusable = key_load(key, keytype, scheme, text);
    ERR_pop_to_mark();
    return true;
}

bool tuf_keyring_parse(const json_t *value, const char *where, TufKeyring *ret_keyring, Error *err) {
    size_t count = json_object_size(value);
    if (count > TUF_KEYS_MAX) {
        return error_set(err, ERROR_LIMIT, "%s has %zu keys, at most %d are allowed", where, count,
                         TUF_KEYS_MAX);
    }
    TufKeyring keyring = {.keys = calloc(count + 1, sizeof *keyring.keys)};
    if (keyring.keys == NULL) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", where);
    }
    const char *keyid;
    json_t *key;
    json_object_foreach((json_t *)(uintptr_t)value, keyid, key) {
        if (!key_parse(key, keyid, where, &keyring.keys[keyring.count], err)) {
            tuf_keyring_done(&keyring);
            return false;
        }
        keyring.count++;
    }
    *ret_keyring = keyring;
    return true;
}

void tuf_keyring_done(TufKeyring *keyring) {
    for (size_t i = 0; i < keyring->count; i++) {
        EVP_PKEY_free(keyring->keys[i].pkey);
    }
    free(keyring->keys);
    *keyring = (TufKeyring){0};
}

const TufKey *tuf_keyring_find(const TufKeyring *keyring, const char *keyid) {
    for (size_t i = 0; i < keyring->count; i++) {
        if (strcmp(keyring->keys[i].keyid, keyid) == 0) {
            return &keyring->keys[i];
        }
    }
    return NULL;
}

static bool verify(const TufKey *key, Bytes message, Bytes signature) {
    CLEANUP(digest_context_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *borrowed = NULL;
    const EVP_MD *algorithm = key->scheme == TUF_SCHEME_ED25519 ? NULL : EVP_sha256();
    if (context == NULL || EVP_DigestVerifyInit(context, &borrowed, algorithm, NULL, key->pkey) != 1) {
        return false;
    }
    if (key->scheme == TUF_SCHEME_RSA_PSS &&
        (EVP_PKEY_CTX_set_rsa_padding(borrowed, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(borrowed, RSA_PSS_SALTLEN_AUTO) != 1 ||
         EVP_PKEY_CTX_set_rsa_mgf1_md(borrowed, algorithm) != 1)) {
        return false;
    }
    return EVP_DigestVerify(context, signature.data, signature.size, message.data, message.size) == 1;
}

bool tuf_key_verify(const TufKey *key, Bytes message, Bytes signature) {
    if (key->scheme == TUF_SCHEME_UNKNOWN ||
        (key->scheme == TUF_SCHEME_ED25519 && signature.size != ED25519_SIGNATURE_SIZE)) {
        return false;
    }
    ERR_set_mark();
    bool good = verify(key, message, signature);
    ERR_pop_to_mark();
    return good;
}
