/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/pki.h"

#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "bundles/base/cleanup.h"

CLEANUP_DEFINE(X509, X509_free)
CLEANUP_DEFINE(X509_CRL, X509_CRL_free)
CLEANUP_DEFINE(X509_NAME, X509_NAME_free)
CLEANUP_DEFINE(X509_EXTENSION, X509_EXTENSION_free)
CLEANUP_DEFINE(ASN1_OBJECT, ASN1_OBJECT_free)
CLEANUP_DEFINE(ASN1_OCTET_STRING, ASN1_OCTET_STRING_free)
CLEANUP_DEFINE(ASN1_INTEGER, ASN1_INTEGER_free)
CLEANUP_DEFINE(ASN1_TIME, ASN1_TIME_free)
CLEANUP_DEFINE(BIGNUM, BN_free)
CLEANUP_DEFINE(BIO, BIO_free_all)

enum { SERIAL_SIZE = 20, EXTENSION_VALUE_MAX = 256, CRL_NUMBER = 1 /* Intel's never changes either */ };

static bool out_of_memory(Error *err) {
    return error_set(err, ERROR_MEMORY, "simulated PKI: out of memory");
}

static bool set_serial(X509 *certificate) {
    uint8_t bytes[SERIAL_SIZE];
    if (RAND_bytes(bytes, sizeof bytes) != 1) {
        return false;
    }
    bytes[0] = (uint8_t)((bytes[0] & 0x3f) | 0x40); /* positive, and 20 bytes long in DER */
    CLEANUP(BN_freep) BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    return number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
}

static X509_NAME *name_new(const char *common_name) {
    static const char *const parts[][2] = {
        {"O", "Simulated SGX platform of psw-manager"}, {"L", "Simulation"}, {"ST", "CA"}, {"C", "US"}};
    CLEANUP(X509_NAME_freep) X509_NAME *name = X509_NAME_new();
    bool done = name != NULL && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                           (const uint8_t *)common_name, -1, -1, 0) == 1;
    for (size_t i = 0; done && i < sizeof parts / sizeof *parts; i++) {
        done = X509_NAME_add_entry_by_txt(name, parts[i][0], MBSTRING_ASC, (const uint8_t *)parts[i][1], -1,
                                          -1, 0) == 1;
    }
    return done ? TAKE(name) : NULL;
}

static bool add_extension(X509 *certificate, const X509 *issuer, int nid, const char *value, int position) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, (X509 *)issuer, certificate, NULL, NULL, 0);
    CLEANUP(X509_EXTENSION_freep) X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    return extension != NULL && X509_add_ext(certificate, extension, position) == 1;
}

static bool add_sgx_extension(X509 *certificate, Bytes value) {
    if (value.size == 0) {
        return true;
    }
    CLEANUP(ASN1_OBJECT_freep) ASN1_OBJECT *oid = OBJ_txt2obj("1.2.840.113741.1.13.1", 1);
    CLEANUP(ASN1_OCTET_STRING_freep) ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    if (oid == NULL || octets == NULL || ASN1_OCTET_STRING_set(octets, value.data, (int)value.size) != 1) {
        return false;
    }
    CLEANUP(X509_EXTENSION_freep)
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, octets);
    return extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
}

static bool add_extensions(X509 *certificate, const SimPkiSpec *spec) {
    static const char *const usage[] = {[SIM_PKI_ROOT] = "critical,keyCertSign,cRLSign",
                                        [SIM_PKI_INTERMEDIATE] = "critical,keyCertSign,cRLSign",
                                        [SIM_PKI_LEAF] = "critical,digitalSignature,nonRepudiation"};
    static const char *const constraints[] = {[SIM_PKI_ROOT] = "critical,CA:TRUE,pathlen:1",
                                              [SIM_PKI_INTERMEDIATE] = "critical,CA:TRUE,pathlen:0",
                                              [SIM_PKI_LEAF] = "critical,CA:FALSE"};
    const X509 *issuer = spec->issuer == NULL ? certificate : spec->issuer;
    char url[EXTENSION_VALUE_MAX];
    (void)snprintf(url, sizeof url, "URI:%s", spec->crl_url);
    /* The authority's key id of a self-signed certificate is its own, so it has to be there before, but
     * stands first in the profile. */
    return add_extension(certificate, issuer, NID_subject_key_identifier, "hash", -1) &&
           add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always", 0) &&
           add_extension(certificate, issuer, NID_crl_distribution_points, url, 1) &&
           add_extension(certificate, issuer, NID_key_usage, usage[spec->kind], -1) &&
           add_extension(certificate, issuer, NID_basic_constraints, constraints[spec->kind], -1) &&
           add_sgx_extension(certificate, spec->sgx_extension);
}

X509 *sim_pki_certificate(const SimPkiSpec *spec, Error *err) {
    CLEANUP(X509_freep) X509 *certificate = X509_new();
    CLEANUP(X509_NAME_freep) X509_NAME *subject = name_new(spec->common_name);
    EVP_PKEY *signing_key = spec->issuer == NULL ? spec->key : spec->issuer_key;
    if (certificate == NULL || subject == NULL || X509_set_version(certificate, X509_VERSION_3) != 1 ||
        !set_serial(certificate) || X509_set_subject_name(certificate, subject) != 1 ||
        X509_set_issuer_name(certificate,
                             spec->issuer == NULL ? subject : X509_get_subject_name(spec->issuer)) != 1 ||
        ASN1_TIME_set(X509_getm_notBefore(certificate), spec->not_before) == NULL ||
        ASN1_TIME_set(X509_getm_notAfter(certificate), spec->not_after) == NULL ||
        X509_set_pubkey(certificate, spec->key) != 1 || !add_extensions(certificate, spec) ||
        X509_sign(certificate, signing_key, EVP_sha256()) == 0) {
        (void)out_of_memory(err);
        return NULL;
    }
    return TAKE(certificate);
}

static bool add_crl_extensions(X509_CRL *crl, const X509 *issuer) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, (X509 *)issuer, NULL, NULL, crl, 0);
    CLEANUP(X509_EXTENSION_freep)
    X509_EXTENSION *authority =
        X509V3_EXT_conf_nid(NULL, &context, NID_authority_key_identifier, "keyid:always");
    CLEANUP(ASN1_INTEGER_freep) ASN1_INTEGER *number = ASN1_INTEGER_new();
    return authority != NULL && number != NULL && ASN1_INTEGER_set(number, CRL_NUMBER) == 1 &&
           X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) == 1 &&
           X509_CRL_add_ext(crl, authority, -1) == 1;
}

bool sim_pki_crl(const X509 *issuer, EVP_PKEY *issuer_key, int64_t this_update, int64_t next_update,
                 Buffer *crl, Error *err) {
    CLEANUP(X509_CRL_freep) X509_CRL *list = X509_CRL_new();
    CLEANUP(ASN1_TIME_freep) ASN1_TIME *from = ASN1_TIME_set(NULL, this_update);
    CLEANUP(ASN1_TIME_freep) ASN1_TIME *to = ASN1_TIME_set(NULL, next_update);
    if (list == NULL || from == NULL || to == NULL || X509_CRL_set_version(list, X509_CRL_VERSION_2) != 1 ||
        X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer)) != 1 ||
        X509_CRL_set1_lastUpdate(list, from) != 1 || X509_CRL_set1_nextUpdate(list, to) != 1 ||
        !add_crl_extensions(list, issuer) || X509_CRL_sign(list, issuer_key, EVP_sha256()) == 0) {
        return out_of_memory(err);
    }
    unsigned char *der = NULL;
    int size = i2d_X509_CRL(list, &der);
    bool done = size > 0 && buffer_append(crl, der, (size_t)size);
    OPENSSL_free(der);
    return done || out_of_memory(err);
}

static bool append_bio(BIO *bio, Buffer *buffer, Error *err) {
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    return (size > 0 && buffer_append(buffer, data, (size_t)size)) || out_of_memory(err);
}

bool sim_pki_pem(const X509 *certificate, Buffer *pem, Error *err) {
    CLEANUP(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL || PEM_write_bio_X509(bio, certificate) != 1) {
        return out_of_memory(err);
    }
    return append_bio(bio, pem, err);
}

bool sim_pki_key_pem(const EVP_PKEY *key, bool private_half, Buffer *pem, Error *err) {
    CLEANUP(BIO_free_allp) BIO *bio = BIO_new(BIO_s_secmem());
    if (bio == NULL || (private_half ? PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
                                     : PEM_write_bio_PUBKEY(bio, key)) != 1) {
        return out_of_memory(err);
    }
    return append_bio(bio, pem, err);
}
