/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/platform_author.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <string.h>

#include "bundles/base/bytes.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/sim/collateral.h"
#include "bundles/sim/enclave.h"
#include "bundles/sim/key.h"
#include "bundles/sim/pki.h"
#include "bundles/sim/platform.h"
#include "bundles/sim/sigstruct.h"

CLEANUP_DEFINE(EVP_PKEY, EVP_PKEY_free)
CLEANUP_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
CLEANUP_DEFINE(X509, X509_free)
CLEANUP_DEFINE(BIGNUM, BN_free)

enum { PEM_MAX = 64 * 1024, RSA_BITS = 3072, RSA_EXPONENT = 3 };
#define DAY INT64_C(86400)
#define YEAR (365 * DAY)

#define CRL_URL_ROOT "https://certificates.simulated.invalid/SimulatedSGXRootCA.der"
#define CRL_URL_PCK "https://certificates.simulated.invalid/pckcrl?ca=%s&encoding=der"

static const uint8_t fmspc[SIM_FMSPC_SIZE] = {0x51, 0x06, 0xa1, 0x00, 0x00, 0x00};

/* Everything that is alive while the platform is made; author_done releases it. */
typedef struct Author {
    int dir_fd;
    const SimPlatformSpec *spec;
    uint8_t seed[SIM_SEED_SIZE];
    int64_t now;
    EVP_PKEY *qe_signer;
    EVP_PKEY *pce_signer;
    uint8_t qe_mr_signer[SGX_HASH_SIZE];
    uint8_t pce_mr_signer[SGX_HASH_SIZE];
    EVP_PKEY *root_key;
    EVP_PKEY *ca_key;
    EVP_PKEY *tcb_key;
    X509 *root;
    X509 *ca;
    X509 *tcb_signer;
    char *pck_crl_url;
} Author;

static void author_done(Author *author) {
    cleanup_close(&author->dir_fd);
    bytes_cleanse(author->seed, sizeof author->seed);
    EVP_PKEY_free(author->qe_signer);
    EVP_PKEY_free(author->pce_signer);
    EVP_PKEY_free(author->root_key);
    EVP_PKEY_free(author->ca_key);
    EVP_PKEY_free(author->tcb_key);
    X509_free(author->root);
    X509_free(author->ca);
    X509_free(author->tcb_signer);
    free(author->pck_crl_url);
}

static bool out_of_memory(Error *err) {
    return error_set(err, ERROR_MEMORY, "out of memory");
}

static bool write_text(const Author *author, const char *name, const char *text, unsigned mode, Error *err) {
    return file_replace(author->dir_fd, name, text, strlen(text), mode, err);
}

static bool write_buffer(const Author *author, const char *name, const Buffer *buffer, unsigned mode,
                         Error *err) {
    return file_replace(author->dir_fd, name, buffer->data, buffer->size, mode, err);
}

static bool write_key(const Author *author, const char *name, const EVP_PKEY *key, Error *err) {
    CLEANUP(buffer_done) Buffer pem = BUFFER_INIT(PEM_MAX);
    bool done = sim_pki_key_pem(key, true, &pem, err) && write_buffer(author, name, &pem, 0600, err);
    bytes_cleanse(pem.data, pem.size);
    return done;
}

static EVP_PKEY *rsa_key_new(Error *err) {
    CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    CLEANUP(BN_freep) BIGNUM *exponent = BN_new();
    EVP_PKEY *key = NULL;
    if (context == NULL || exponent == NULL || BN_set_word(exponent, RSA_EXPONENT) != 1 ||
        EVP_PKEY_keygen_init(context) != 1 || EVP_PKEY_CTX_set_rsa_keygen_bits(context, RSA_BITS) != 1 ||
        EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, exponent) != 1 ||
        EVP_PKEY_generate(context, &key) != 1) {
        (void)error_set(err, ERROR_SYSTEM, "OpenSSL cannot make an RSA key with exponent 3");
        return NULL;
    }
    return key;
}

static bool make_directories(const Author *author, Error *err) {
    static const char *const names[] = {"signers", "pki", SIM_PLATFORM_PCK_NAME, "collateral"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (mkdirat(author->dir_fd, names[i], 0755) != 0) {
            return error_set_errno(err, errno, "%s", names[i]);
        }
    }
    return true;
}

static bool make_signers(Author *author, Error *err) {
    author->qe_signer = rsa_key_new(err);
    author->pce_signer = author->qe_signer == NULL ? NULL : rsa_key_new(err);
    if (author->pce_signer == NULL || !sim_sigstruct_key_mr_signer(author->qe_signer, author->qe_mr_signer) ||
        !sim_sigstruct_key_mr_signer(author->pce_signer, author->pce_mr_signer)) {
        return false;
    }
    return write_key(author, SIM_PLATFORM_QE_SIGNER_NAME, author->qe_signer, err) &&
           write_key(author, SIM_PLATFORM_PCE_SIGNER_NAME, author->pce_signer, err);
}

/* The key that PPIDs travel under to the certificate service; nobody here reads them, so its private half is
 * thrown away. */
static bool make_ppid_key(const Author *author, Error *err) {
    CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = rsa_key_new(err);
    CLEANUP(buffer_done) Buffer pem = BUFFER_INIT(PEM_MAX);
    return key != NULL && sim_pki_key_pem(key, false, &pem, err) &&
           write_buffer(author, SIM_PLATFORM_PPID_KEY_NAME, &pem, 0644, err);
}

static bool make_authorities(Author *author, Error *err) {
    const char *ca_name =
        author->spec->multi_package ? "Simulated SGX PCK Platform CA" : "Simulated SGX PCK Processor CA";
    author->root_key = EVP_EC_gen("P-256");
    author->ca_key = EVP_EC_gen("P-256");
    author->tcb_key = EVP_EC_gen("P-256");
    author->pck_crl_url = text_format(CRL_URL_PCK, author->spec->multi_package ? "platform" : "processor");
    if (author->root_key == NULL || author->ca_key == NULL || author->tcb_key == NULL ||
        author->pck_crl_url == NULL) {
        return out_of_memory(err);
    }
    SimPkiSpec spec = {.kind = SIM_PKI_ROOT,
                       .common_name = "Simulated SGX Root CA",
                       .crl_url = CRL_URL_ROOT,
                       .key = author->root_key,
                       .not_before = author->now - YEAR,
                       .not_after = author->now + 28 * YEAR};
    author->root = sim_pki_certificate(&spec, err);
    spec.issuer = author->root;
    spec.issuer_key = author->root_key;
    spec.not_before = author->now - 30 * DAY;
    spec.not_after = author->now + 15 * YEAR;
    spec.kind = SIM_PKI_INTERMEDIATE;
    spec.common_name = ca_name;
    spec.key = author->ca_key;
    author->ca = author->root == NULL ? NULL : sim_pki_certificate(&spec, err);
    spec.not_after = author->now + 7 * YEAR;
    spec.kind = SIM_PKI_LEAF;
    spec.common_name = "Simulated SGX TCB Signing";
    spec.key = author->tcb_key;
    author->tcb_signer = author->ca == NULL ? NULL : sim_pki_certificate(&spec, err);
    return author->tcb_signer != NULL && write_key(author, "pki/root.key", author->root_key, err) &&
           write_key(author, "pki/ca.key", author->ca_key, err) &&
           write_key(author, "pki/tcb-signer.key", author->tcb_key, err);
}

static bool chain_pem(const X509 *const *certificates, size_t count, Buffer *pem, Error *err) {
    for (size_t i = 0; i < count; i++) {
        if (!sim_pki_pem(certificates[i], pem, err)) {
            return false;
        }
    }
    return true;
}

static bool write_chain(const Author *author, const char *name, const X509 *const *certificates, size_t count,
                        Error *err) {
    CLEANUP(buffer_done) Buffer pem = BUFFER_INIT(PEM_MAX);
    return chain_pem(certificates, count, &pem, err) && write_buffer(author, name, &pem, 0644, err);
}

static bool make_pck_certificate(const Author *author, const SimTcb *tcb, Error *err) {
    CLEANUP(buffer_done) Buffer value = BUFFER_INIT(SIM_PCK_EXTENSION_MAX);
    SimPckExtension extension = {.tcb = *tcb, .multi_package = author->spec->multi_package};
    memcpy(extension.fmspc, fmspc, sizeof extension.fmspc);
    if (!sim_secret_ppid(author->seed, extension.ppid) ||
        !sim_secret_qe_id(author->seed, author->pce_mr_signer, extension.platform_instance) ||
        !sim_pck_extension_format(&extension, &value)) {
        return out_of_memory(err);
    }
    CLEANUP(EVP_PKEY_freep)
    EVP_PKEY *key = sim_secret_pck_key(author->seed, author->pce_mr_signer, tcb->pce_svn, tcb->cpu_svn);
    if (key == NULL) {
        return out_of_memory(err);
    }
    const SimPkiSpec spec = {.kind = SIM_PKI_LEAF,
                             .common_name = "Simulated SGX PCK Certificate",
                             .crl_url = author->pck_crl_url,
                             .key = key,
                             .issuer = author->ca,
                             .issuer_key = author->ca_key,
                             .not_before = author->now - 30 * DAY,
                             .not_after = author->now + 7 * YEAR,
                             .sgx_extension = buffer_bytes(&value)};
    CLEANUP(X509_freep) X509 *leaf = sim_pki_certificate(&spec, err);
    char path[sizeof SIM_PLATFORM_PCK_NAME + SIM_PROVIDER_NAME_SIZE] = SIM_PLATFORM_PCK_NAME "/";
    sim_provider_name(tcb, path + sizeof SIM_PLATFORM_PCK_NAME);
    const X509 *chain[] = {leaf, author->ca, author->root};
    return leaf != NULL && write_chain(author, path, chain, 3, err);
}

static bool make_pck_certificates(const Author *author, Error *err) {
    for (size_t i = 0; i < SIM_CPU_SVNS_COUNT; i++) {
        for (size_t j = 0; j < SIM_PCE_SVNS_COUNT; j++) {
            SimTcb tcb = {.pce_svn = sim_collateral_pce_svns[j]};
            memcpy(tcb.cpu_svn, sim_collateral_cpu_svns[i], sizeof tcb.cpu_svn);
            if (!make_pck_certificate(author, &tcb, err)) {
                return false;
            }
        }
    }
    return true;
}

typedef struct Document { /* signed JSON */
    char *text;
    char signature[2 * SIM_KEY_SIGNATURE_SIZE + 1];
} Document;

static void document_done(Document *document) {
    free(document->text);
}

/* Signs and writes {"<member>":<text>,"signature":"…"} as the PCS serves it. */
static bool write_document(const Author *author, Document *document, const char *member, const char *name,
                           Error *err) {
    uint8_t signature[SIM_KEY_SIGNATURE_SIZE];
    CLEANUP(buffer_done) Buffer envelope = BUFFER_INIT(PEM_MAX);
    if (document->text == NULL) {
        return false; /* the error is set */
    }
    if (!sim_key_sign_message(author->tcb_key, document->text, strlen(document->text), signature)) {
        return out_of_memory(err);
    }
    text_format_hex(signature, sizeof signature, document->signature);
    if (!buffer_append_format(&envelope, "{\"%s\":%s,\"signature\":\"%s\"}", member, document->text,
                              document->signature)) {
        return out_of_memory(err);
    }
    return write_buffer(author, name, &envelope, 0644, err);
}

static json_t *hex_text(const Buffer *bytes) {
    AUTO_FREE char *text = malloc(2 * bytes->size + 1);
    if (text == NULL) {
        return NULL;
    }
    text_format_hex(bytes->data, bytes->size, text);
    return json_string(text);
}

static bool write_single_file(const Author *author, const Buffer *root_crl, const Buffer *pck_crl,
                              const Document *tcb_info, const Document *qe_identity, Error *err) {
    CLEANUP(buffer_done) Buffer pck_issuers = BUFFER_INIT(PEM_MAX);
    CLEANUP(buffer_done) Buffer tcb_issuers = BUFFER_INIT(PEM_MAX);
    const X509 *pck_chain[] = {author->ca, author->root};
    const X509 *tcb_chain[] = {author->tcb_signer, author->root};
    if (!chain_pem(pck_chain, 2, &pck_issuers, err) || !chain_pem(tcb_chain, 2, &tcb_issuers, err)) {
        return false;
    }
    CLEANUP(json_freep)
    json_t *value = json_pack("{s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:s}", "pck_crl_issuer_chain",
                              buffer_text(&pck_issuers), "root_ca_crl", hex_text(root_crl), "pck_crl",
                              hex_text(pck_crl), "tcb_info_issuer_chain", buffer_text(&tcb_issuers),
                              "tcb_info", tcb_info->text, "tcb_info_signature", tcb_info->signature,
                              "qe_identity_issuer_chain", buffer_text(&tcb_issuers), "qe_identity",
                              qe_identity->text, "qe_identity_signature", qe_identity->signature);
    AUTO_FREE char *text = value == NULL ? NULL : json_format(value, true);
    return text == NULL ? out_of_memory(err) : write_text(author, "collateral.json", text, 0644, err);
}

static bool make_collateral(const Author *author, Error *err) {
    SimCollateralSpec spec = {.issue_date = author->now - DAY,
                              .next_update = author->now + SIM_PLATFORM_COLLATERAL_DAYS * DAY};
    memcpy(spec.fmspc, fmspc, sizeof spec.fmspc);
    memcpy(spec.qe_mr_signer, author->qe_mr_signer, sizeof spec.qe_mr_signer);
    CLEANUP(buffer_done) Buffer root_crl = BUFFER_INIT(PEM_MAX);
    CLEANUP(buffer_done) Buffer pck_crl = BUFFER_INIT(PEM_MAX);
    const X509 *root_chain[] = {author->root};
    const X509 *pck_chain[] = {author->ca, author->root};
    const X509 *tcb_chain[] = {author->tcb_signer, author->root};
    if (!sim_pki_crl(author->root, author->root_key, spec.issue_date, spec.next_update, &root_crl, err) ||
        !sim_pki_crl(author->ca, author->ca_key, spec.issue_date, spec.next_update, &pck_crl, err) ||
        !write_buffer(author, "collateral/root-ca.crl", &root_crl, 0644, err) ||
        !write_buffer(author, "collateral/pck.crl", &pck_crl, 0644, err) ||
        !write_chain(author, "root.pem", root_chain, 1, err) ||
        !write_chain(author, "collateral/pck-issuer-chain.pem", pck_chain, 2, err) ||
        !write_chain(author, "collateral/tcb-issuer-chain.pem", tcb_chain, 2, err)) {
        return false;
    }
    CLEANUP(document_done) Document tcb_info = {.text = sim_collateral_tcb_info(&spec, err)};
    CLEANUP(document_done) Document qe_identity = {.text = sim_collateral_qe_identity(&spec, err)};
    return write_document(author, &tcb_info, "tcbInfo", "collateral/tcb-info.json", err) &&
           write_document(author, &qe_identity, "enclaveIdentity", "collateral/qe-identity.json", err) &&
           write_single_file(author, &root_crl, &pck_crl, &tcb_info, &qe_identity, err);
}

/* The role policy of the test signers (format: bundles/sgx/signers.h). */
static bool make_trust(const Author *author, Error *err) {
    char qe[2 * SGX_HASH_SIZE + 1];
    char pce[2 * SGX_HASH_SIZE + 1];
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(PEM_MAX);
    text_format_hex(author->qe_mr_signer, SGX_HASH_SIZE, qe);
    text_format_hex(author->pce_mr_signer, SGX_HASH_SIZE, pce);
    bool done = buffer_append_format(&yaml,
                                     "# The signers of this simulated platform. Name this file only where "
                                     "simulated enclaves may run.\n"
                                     "format: 1\nname: simulated-platform\nsimulated: true\nsigners:\n"
                                     "  - name: simulated-qe\n    mrsigner: %s\n"
                                     "  - name: simulated-pce\n    mrsigner: %s\nroles:\n",
                                     qe, pce);
    static const char *const roles[] = {"qe3", "id_enclave", "pce"};
    for (SimRole role = 0; done && role < SIM_ROLES_COUNT; role++) {
        done = buffer_append_format(
            &yaml,
            "  - role: %s\n    soname: %s\n    signers: [%s]\n    isvprodid: %d\n"
            "    min_isvsvn: 1\n    attributes: \"0x14\"\n    fixed_attributes: \"0x12\"\n"
            "    vendor: \"0x8086\"\n",
            roles[role], sim_enclave_soname(role), role == SIM_ROLE_PCE ? "simulated-pce" : "simulated-qe",
            SIM_ENCLAVE_PROD_ID);
    }
    return done ? write_buffer(author, "trust.yaml", &yaml, 0644, err) : out_of_memory(err);
}

static bool require_empty(const char *path, Error *err) {
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return error_set_errno(err, errno, "cannot list it");
    }
    bool empty = true;
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    }
    (void)closedir(directory);
    return empty || error_set(err, ERROR_CONFLICT, "the directory is not empty: name a new one");
}

static bool make_all(Author *author, Error *err) {
    if (RAND_bytes(author->seed, sizeof author->seed) != 1) {
        return error_set(err, ERROR_SYSTEM, "OpenSSL has no random bytes");
    }
    /* The seed comes first and the knobs last: what is without knobs is no platform. */
    return make_directories(author, err) &&
           file_replace(author->dir_fd, SIM_PLATFORM_SEED_NAME, author->seed, sizeof author->seed, 0600,
                        err) &&
           file_replace(author->dir_fd, SIM_PLATFORM_EPC_NAME, "", 0, 0600, err) &&
           make_signers(author, err) && make_trust(author, err) && make_ppid_key(author, err) &&
           make_authorities(author, err) && make_pck_certificates(author, err) &&
           make_collateral(author, err) &&
           write_text(author, SIM_PLATFORM_KNOBS_NAME, sim_platform_default_knobs, 0644, err);
}

bool sim_platform_create(const char *path, const SimPlatformSpec *spec, Error *err) {
    CLEANUP(author_done) Author author = {.dir_fd = -1, .spec = spec, .now = clock_wall_s()};
    if (!file_make_path(path, 0755, err) || !require_empty(path, err)) {
        return error_wrap(err, "simulated platform %s", path);
    }
    author.dir_fd = file_open_directory(AT_FDCWD, path, err);
    return (author.dir_fd >= 0 && make_all(&author, err)) || error_wrap(err, "simulated platform %s", path);
}
