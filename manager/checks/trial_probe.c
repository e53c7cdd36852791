/* SPDX-License-Identifier: Apache-2.0
 *
 * The probe: the smallest enclave that a processor starts: a page of code, a thread and its state, signed
 * with a key that is made for it and forgotten. It wants nothing that needs a privilege, so that only driver,
 * EPC and launch control can keep it from starting.
 */
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/sgx/measure.h"
#include "manager/checks/trial_parts.h"

CLEANUP_DEFINE(EVP_PKEY, EVP_PKEY_free)
CLEANUP_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
CLEANUP_DEFINE(EVP_MD_CTX, EVP_MD_CTX_free)
CLEANUP_DEFINE(BIGNUM, BN_free)
CLEANUP_DEFINE(BN_CTX, BN_CTX_free)

enum { PROBE_SIZE = 4 * SGX_PAGE_SIZE, REGIONS = 3, TCS_SIZE = 72, KEY_BITS = 3072, SIGNED_HEAD = 128 };

/* UD2: it is not run. */
static const uint8_t code[] = {0x0f, 0x0b};

/* One state area, in the page behind; no segments of its own (Intel SDM vol. 3D, "Thread Control Structure").
 */
static const uint8_t tcs[TCS_SIZE] = {[17] = 0x10, [28] = 1,    [64] = 0xff, [65] = 0xff, [66] = 0xff,
                                      [67] = 0xff, [68] = 0xff, [69] = 0xff, [70] = 0xff, [71] = 0xff};

static bool pages_plan(TrialProbe *probe, Image *image, Error *err) {
    ImageRegion *regions = calloc(REGIONS, sizeof *regions);
    if (regions == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    regions[0] = (ImageRegion){.pages = 1,
                               .si_flags = SGX_SI_REG | SGX_SI_R | SGX_SI_X,
                               .source = IMAGE_SOURCE_BYTES,
                               .measured = true,
                               .content = code,
                               .content_size = sizeof code};
    regions[1] = (ImageRegion){.address = SGX_PAGE_SIZE,
                               .pages = 1,
                               .si_flags = SGX_SI_TCS,
                               .source = IMAGE_SOURCE_TCS,
                               .measured = true,
                               .content = tcs,
                               .content_size = sizeof tcs};
    regions[2] = (ImageRegion){.address = UINT64_C(2) * SGX_PAGE_SIZE,
                               .pages = 1,
                               .si_flags = SGX_SI_REG | SGX_SI_R | SGX_SI_W,
                               .source = IMAGE_SOURCE_FILL};
    probe->entry = (MetadataEntry){.ssa_frame_size = 1,
                                   .enclave_size = PROBE_SIZE,
                                   .attributes = {.flags = SGX_FLAGS_MODE64BIT, .xfrm = 3}};
    *image = (Image){.entry = &probe->entry,
                     .secs_size = PROBE_SIZE,
                     .regions = regions,
                     .regions_count = REGIONS,
                     .regions_capacity = REGIONS,
                     .pages = REGIONS,
                     .measured_pages = 2};
    return true;
}

static void sigstruct_fill(uint8_t *s, const Digest *mr_enclave) {
    static const uint8_t header[] = {6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1, 0};
    static const uint8_t header2[] = {1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1, 0, 0, 0};
    enum {
        DATE = 20,
        HEADER2 = 24,
        MISC_MASK = 904,
        FLAGS = 928,
        XFRM = 936,
        FLAGS_MASK = 944,
        XFRM_MASK = 952
    };
    enum { MR_ENCLAVE = 960 };
    memset(s, 0, SIGSTRUCT_SIZE);
    memcpy(s, header, sizeof header);
    memcpy(s + HEADER2, header2, sizeof header2);
    bytes_put_le32(s + DATE, 0x20200101);
    bytes_put_le32(s + MISC_MASK, UINT32_MAX);
    bytes_put_le64(s + FLAGS, SGX_FLAGS_MODE64BIT);
    bytes_put_le64(s + XFRM, 3);
    bytes_put_le64(s + FLAGS_MASK, UINT64_MAX);
    bytes_put_le64(s + XFRM_MASK, UINT64_MAX);
    memcpy(s + MR_ENCLAVE, mr_enclave->bytes, DIGEST_SIZE);
    bytes_put_le32(s + SIGSTRUCT_EXPONENT, 3);
}

static EVP_PKEY *key_new(void) {
    EVP_PKEY *key = NULL;
    CLEANUP(BN_freep) BIGNUM *exponent = BN_new();
    CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    bool good =
        exponent != NULL && context != NULL && BN_set_word(exponent, 3) == 1 &&
        EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(context, KEY_BITS) == 1 &&
        EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, exponent) == 1 && EVP_PKEY_generate(context, &key) == 1;
    return good ? key : NULL;
}

/* Big numbers are little endian in a SIGSTRUCT. */
static bool signature_put(uint8_t *s, EVP_PKEY *key) {
    uint8_t message[SIGNED_HEAD + SIGSTRUCT_BODY_SIZE];
    uint8_t signature[SIGSTRUCT_KEY_SIZE];
    size_t size = sizeof signature;
    memcpy(message, s, SIGNED_HEAD);
    memcpy(message + SIGNED_HEAD, s + SIGSTRUCT_BODY, SIGSTRUCT_BODY_SIZE);
    CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL || EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(context, signature, &size, message, sizeof message) != 1 || size != sizeof signature) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        s[SIGSTRUCT_SIGNATURE + i] = signature[size - 1 - i];
    }
    return true;
}

/* One step of both: the quotient of factor * signature by the modulus goes to `at`, the rest becomes the
 * factor. */
static bool quotient_put(uint8_t *at, BIGNUM *factor, const BIGNUM *signature, const BIGNUM *modulus,
                         BN_CTX *context) {
    CLEANUP(BN_freep) BIGNUM *product = BN_new();
    CLEANUP(BN_freep) BIGNUM *quotient = BN_new();
    return product != NULL && quotient != NULL && BN_mul(product, factor, signature, context) == 1 &&
           BN_div(quotient, factor, product, modulus, context) == 1 &&
           BN_bn2lebinpad(quotient, at, SIGSTRUCT_KEY_SIZE) == SIGSTRUCT_KEY_SIZE;
}

static bool quotients_put(uint8_t *s, const BIGNUM *modulus) {
    CLEANUP(BN_CTX_freep) BN_CTX *context = BN_CTX_new();
    CLEANUP(BN_freep) BIGNUM *signature = BN_lebin2bn(s + SIGSTRUCT_SIGNATURE, SIGSTRUCT_KEY_SIZE, NULL);
    CLEANUP(BN_freep) BIGNUM *factor = signature != NULL ? BN_dup(signature) : NULL;
    return context != NULL && factor != NULL &&
           quotient_put(s + SIGSTRUCT_Q1, factor, signature, modulus, context) &&
           quotient_put(s + SIGSTRUCT_Q2, factor, signature, modulus, context);
}

static bool sigstruct_sign(uint8_t *s) {
    CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = key_new();
    BIGNUM *found = NULL;
    if (key == NULL || EVP_PKEY_get_bn_param(key, "n", &found) != 1) {
        return false;
    }
    CLEANUP(BN_freep) BIGNUM *modulus = found;
    return BN_bn2lebinpad(modulus, s + SIGSTRUCT_MODULUS, SIGSTRUCT_KEY_SIZE) == SIGSTRUCT_KEY_SIZE &&
           signature_put(s, key) && quotients_put(s, modulus);
}

bool trial_probe_plan(TrialProbe *probe, Trial *trial, Error *err) {
    Digest mr_enclave;
    if (!pages_plan(probe, &trial->image, err) || !measure_image(&trial->image, &mr_enclave, err)) {
        return false;
    }
    sigstruct_fill(probe->sigstruct, &mr_enclave);
    if (!sigstruct_sign(probe->sigstruct)) {
        return error_set(err, ERROR_SYSTEM,
                         "no key with exponent 3 can be made: OpenSSL's configuration forbids it");
    }
    return sigstruct_parse((Bytes){probe->sigstruct, sizeof probe->sigstruct}, &trial->sigstruct, err);
}
