/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/certificates.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/dcap/der.h"
#include "bundles/dcap/pck.h"

CLEANUP_DEFINE(BIO, BIO_free_all)

#define PEM_BEGIN "-----BEGIN "
#define PEM_END "-----END "
#define PEM_DASHES "-----"

enum { COMMON_NAME_MAX = 128, PEM_SIZE_MAX = CERTIFICATES_MAX * CERTIFICATE_SIZE_MAX };

typedef struct RoleRules {
    const char *name;
    const char *phrase; /* what the common name has to contain, as Intel's verifier demands */
    bool is_authority;
    bool has_sgx_extension;
} RoleRules;

static const RoleRules rules[CERTIFICATE_ROLES_COUNT] = {
    [CERTIFICATE_PCK_CA] = {"PCK CA certificate", "CA", true, false},
    [CERTIFICATE_PCK] = {"PCK certificate", "SGX PCK Certificate", false, true},
    [CERTIFICATE_TCB_SIGNER] = {"TCB signing certificate", "SGX TCB Signing", false, false},
};

const char *certificate_role_name(CertificateRole role) {
    return rules[role].name;
}

void certificates_done(Certificates *list) {
    for (size_t at = 0; at < list->count; at++) {
        X509_free(list->items[at]);
    }
    list->count = 0;
}

static X509 *find_digest(const Certificates *list, const Digest *digest) {
    for (size_t at = 0; list != NULL && at < list->count; at++) {
        if (digest_equal(&list->digests[at], digest)) {
            return list->items[at];
        }
    }
    return NULL;
}

static bool is_blank(Bytes text) {
    for (size_t at = 0; at < text.size; at++) {
        if (strchr(" \t\r\n", text.data[at]) == NULL || text.data[at] == 0) {
            return false;
        }
    }
    return true;
}

static bool add_der(Certificates *list, Bytes der, const Certificates *known, const char *name, Error *err) {
    Digest digest;
    if (!digest_of(der.data, der.size, &digest)) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", name);
    }
    if (find_digest(list, &digest) != NULL) {
        return true;
    }
    if (list->count == CERTIFICATES_MAX) {
        return error_set(err, ERROR_LIMIT, "%s: more than %d certificates", name, CERTIFICATES_MAX);
    }
    const unsigned char *at = der.data;
    X509 *certificate = find_digest(known, &digest);
    if (certificate != NULL) {
        X509_up_ref(certificate);
    } else {
        certificate = d2i_X509(NULL, &at, (long)der.size);
        ERR_clear_error();
    }
    if (certificate != NULL && at != der.data && at != der.data + der.size) {
        X509_free(certificate);
        certificate = NULL;
    }
    if (certificate == NULL) {
        return error_set(err, ERROR_INPUT, "%s: certificate %zu is not one in DER", name, list->count + 1);
    }
    list->digests[list->count] = digest;
    list->items[list->count++] = certificate;
    return true;
}

/* From the next "-----BEGIN" to the end of its "-----END ...-----", or to what comes next; false if there is
 * none. What stands before it goes to *ret_before. */
static bool take_block(Bytes *text, Bytes *ret_before, Bytes *ret_block) {
    const uint8_t *begin = memmem(text->data, text->size, PEM_BEGIN, strlen(PEM_BEGIN));
    *ret_before = begin == NULL ? *text : (Bytes){text->data, (size_t)(begin - text->data)};
    if (begin == NULL) {
        return false;
    }
    Bytes block = {begin, text->size - ret_before->size};
    const uint8_t *next = memmem(begin + 1, block.size - 1, PEM_BEGIN, strlen(PEM_BEGIN));
    block.size = next == NULL ? block.size : (size_t)(next - begin);
    const uint8_t *end = memmem(block.data, block.size, PEM_END, strlen(PEM_END));
    const uint8_t *behind =
        end == NULL ? NULL
                    : memmem(end + strlen(PEM_END), block.size - (size_t)(end - block.data) - strlen(PEM_END),
                             PEM_DASHES, strlen(PEM_DASHES));
    if (behind != NULL) {
        block.size = (size_t)(behind - block.data) + strlen(PEM_DASHES);
    }
    *text = (Bytes){block.data + block.size, text->size - ret_before->size - block.size};
    *ret_block = block;
    return true;
}

/* Of a block: the certificate in it, if it is one. */
static bool add_block(Certificates *list, Bytes block, const Certificates *known, bool *ret_certificate,
                      const char *name, Error *err) {
    CLEANUP(BIO_free_allp) BIO *bio = BIO_new_mem_buf(block.data, (int)block.size);
    char *label = NULL, *header = NULL;
    unsigned char *der = NULL;
    long size = 0;
    if (bio == NULL || PEM_read_bio(bio, &label, &header, &der, &size) != 1) {
        ERR_clear_error();
        return error_set(err, ERROR_INPUT, "%s: certificate %zu is not one in PEM", name, list->count + 1);
    }
    *ret_certificate = strcmp(label, PEM_STRING_X509) == 0 || strcmp(label, PEM_STRING_X509_OLD) == 0;
    bool good = !*ret_certificate || add_der(list, (Bytes){der, (size_t)size}, known, name, err);
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_free(der);
    return good;
}

/* Blocks are read one by one: in the chains of some quotes the next one begins on the line on which the one
 * before ends, which OpenSSL does not take. */
static bool add_pem(Certificates *list, Bytes bytes, const Certificates *known, bool nothing_else,
                    const char *name, Error *err) {
    Bytes rest = bytes, between, block;
    size_t found = 0;
    while (take_block(&rest, &between, &block)) {
        bool certificate = false;
        if (!add_block(list, block, known, &certificate, name, err)) {
            return false;
        }
        found += certificate;
        if (nothing_else && (!certificate || !is_blank(between))) {
            return error_set(err, ERROR_INPUT, "%s: there is something else before certificate %zu", name,
                             found + !certificate);
        }
    }
    if (found == 0) {
        return error_set(err, ERROR_INPUT, "%s: certificate 1 is not one in PEM", name);
    }
    return !nothing_else || is_blank(rest) ||
           error_set(err, ERROR_INPUT, "%s: there is something else behind certificate %zu", name, found);
}

static bool add(Certificates *list, Bytes bytes, const Certificates *known, bool nothing_else,
                const char *name, Error *err) {
    if (bytes.size > PEM_SIZE_MAX) {
        return error_set(err, ERROR_LIMIT, "%s: certificates of %zu bytes: at most %d are taken", name,
                         bytes.size, PEM_SIZE_MAX);
    }
    if (bytes.size > 0 && bytes.data[0] == DER_SEQUENCE) {
        return add_der(list, bytes, known, name, err);
    }
    while (bytes.size > 0 && bytes.data[bytes.size - 1] == 0) {
        bytes.size--;
    }
    return add_pem(list, bytes, known, nothing_else, name, err);
}

bool certificates_add(Certificates *list, Bytes bytes, const Certificates *known, const char *name,
                      Error *err) {
    return add(list, bytes, known, false, name, err);
}

bool certificates_add_chain(Certificates *list, Bytes bytes, const Certificates *known, const char *name,
                            Error *err) {
    return add(list, bytes, known, true, name, err);
}

X509 *certificates_find(const Certificates *list, const X509_NAME *subject, size_t *index) {
    while (*index < list->count) {
        X509 *candidate = list->items[(*index)++];
        if (X509_NAME_cmp(X509_get_subject_name(candidate), subject) == 0) {
            return candidate;
        }
    }
    return NULL;
}

static bool name_has(const X509_NAME *name, const char *phrase) {
    char text[COMMON_NAME_MAX];
    int size = X509_NAME_get_text_by_NID((X509_NAME *)name, NID_commonName, text, sizeof text);
    return size > 0 && strstr(text, phrase) != NULL;
}

/* Is the certificate of the form that its role demands? NULL, or what is wrong. */
static const char *form_problem(X509 *certificate, const RoleRules *rule) {
    uint32_t flags = X509_get_extension_flags(certificate);
    uint32_t wanted = rule->is_authority ? KU_KEY_CERT_SIGN | KU_CRL_SIGN : KU_DIGITAL_SIGNATURE;
    if ((flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0 ||
        X509_get_version(certificate) != X509_VERSION_3) {
        return "has extensions that are malformed or unknown and critical";
    }
    if (((flags & EXFLAG_CA) != 0) != rule->is_authority) {
        return rule->is_authority ? "is not that of an authority" : "is that of an authority";
    }
    if ((X509_get_key_usage(certificate) & wanted) != wanted) {
        return "is not meant for this by its key usage";
    }
    if (pck_is_in(certificate) != rule->has_sgx_extension) {
        return rule->has_sgx_extension ? "has no SGX extension" : "has an SGX extension";
    }
    if (!name_has(X509_get_subject_name(certificate), rule->phrase)) {
        return "has another common name than its role demands";
    }
    return NULL;
}

static bool is_signed_by(const X509 *certificate, X509 *issuer) {
    bool good = X509_get_signature_nid(certificate) == NID_ecdsa_with_SHA256 &&
                X509_verify((X509 *)certificate, X509_get0_pubkey(issuer)) == 1;
    ERR_clear_error();
    return good;
}

bool certificate_check(X509 *certificate, X509 *issuer, CertificateRole role, Error *err) {
    const char *name = rules[role].name;
    const char *problem = form_problem(certificate, &rules[role]);
    if (problem != NULL) {
        return error_set(err, ERROR_VERIFY, "%s: it %s", name, problem);
    }
    if (X509_check_issued(issuer, certificate) != X509_V_OK || !is_signed_by(certificate, issuer)) {
        return error_set(err, ERROR_VERIFY, "%s: the certificate above it did not sign it", name);
    }
    return true;
}

bool certificate_is_root(X509 *certificate, X509 *root) {
    bool same = X509_cmp(certificate, root) == 0 ||
                (X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_subject_name(root)) == 0 &&
                 EVP_PKEY_eq(X509_get0_pubkey(certificate), X509_get0_pubkey(root)) == 1 &&
                 X509_self_signed(certificate, 1) == 1);
    ERR_clear_error();
    return same;
}

bool certificate_check_crl(X509_CRL *crl, X509 *issuer, Error *err) {
    bool named = X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) == 0 &&
                 (X509_get_key_usage(issuer) & KU_CRL_SIGN) != 0;
    bool whole = X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) < 0 &&
                 X509_CRL_get_ext_by_NID(crl, NID_issuing_distribution_point, -1) < 0;
    bool good = named && whole && X509_CRL_get_signature_nid(crl) == NID_ecdsa_with_SHA256 &&
                X509_CRL_verify(crl, X509_get0_pubkey(issuer)) == 1;
    ERR_clear_error();
    return good || error_set(err, ERROR_VERIFY, "CRL: its issuer did not sign it, or it is not a whole one");
}

bool certificate_is_revoked(X509 *certificate, X509_CRL *crl) {
    X509_REVOKED *entry = NULL;
    return X509_CRL_get0_by_cert(crl, &entry, certificate) != 0;
}

bool certificate_time(const ASN1_TIME *time, int64_t *ret_seconds) {
    struct tm parts;
    if (time == NULL || ASN1_TIME_to_tm(time, &parts) != 1) {
        return false;
    }
    *ret_seconds = timegm(&parts);
    return true;
}
