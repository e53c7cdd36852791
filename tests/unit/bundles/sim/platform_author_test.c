/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/platform_author.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/sgx/ecdsa.h"
#include "bundles/sgx/enclave.h"
#include "bundles/sim/enclave.h"
#include "bundles/sim/image.h"
#include "bundles/sim/key.h"
#include "bundles/sim/platform.h"
#include "tests/support/place.h"

enum { PEM_MAX = 64 * 1024 };

static int open_platform(void **state) {
    const SimPlatformSpec spec = {.multi_package = true};
    Error err = ERROR_INIT;
    if (place_setup(state) != 0) {
        return -1;
    }
    const Place *place = *state;
    if (!sim_platform_create(place->path, &spec, &err)) {
        fail_msg("%s", err.text);
    }
    return 0;
}

static void read_file(const Place *place, const char *name, Buffer *bytes) {
    Error err = ERROR_INIT;
    assert_true(file_read(place->fd, name, bytes, &err));
}

/* The certificates of a PEM file, leaf first. */
static size_t read_chain(const Place *place, const char *name, X509 *certificates[3]) {
    CLEANUP(buffer_done) Buffer pem = BUFFER_INIT(PEM_MAX);
    read_file(place, name, &pem);
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    size_t count = 0;
    while (count < 3 && (certificates[count] = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        count++;
    }
    BIO_free_all(bio);
    return count;
}

static void a_directory_in_use_is_not_touched(void **state) {
    const Place *place = *state;
    const SimPlatformSpec spec = {0};
    Error err = ERROR_INIT;
    place_put(place, "precious", "x");
    assert_false(sim_platform_create(place->path, &spec, &err));
    assert_int_equal(err.kind, ERROR_CONFLICT);
    assert_int_equal(faccessat(place->fd, SIM_PLATFORM_SEED_NAME, F_OK, 0), -1);
}

static void secrets_are_for_the_owner_alone(void **state) {
    const Place *place = *state;
    static const char *const names[] = {
        SIM_PLATFORM_SEED_NAME, SIM_PLATFORM_QE_SIGNER_NAME, SIM_PLATFORM_PCE_SIGNER_NAME, "pki/root.key",
        "pki/ca.key",           "pki/tcb-signer.key"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct stat facts;
        assert_int_equal(fstatat(place->fd, names[i], &facts, 0), 0);
        assert_int_equal(facts.st_mode & 0777, 0600);
    }
}

static void the_pck_certificate_leads_to_the_root(void **state) {
    const Place *place = *state;
    X509 *chain[3] = {NULL};
    X509 *root[3] = {NULL};
    assert_int_equal(read_chain(place, "pck/0e0e0303ffff01000000000000000000-13.pem", chain), 3);
    assert_int_equal(read_chain(place, "root.pem", root), 1);
    assert_int_equal(X509_cmp(chain[2], root[0]), 0);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    assert_true(sk_X509_push(untrusted, chain[1]) > 0);
    assert_int_equal(X509_STORE_add_cert(store, root[0]), 1);
    assert_int_equal(X509_STORE_CTX_init(context, store, chain[0], untrusted), 1);
    assert_int_equal(X509_verify_cert(context), 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(X509_get_serialNumber(chain[i])->length, 20);
        char name[128];
        assert_non_null(X509_NAME_oneline(X509_get_subject_name(chain[i]), name, sizeof name));
        assert_non_null(strstr(name, "CN=Simulated SGX "));
        X509_free(chain[i]);
    }
    sk_X509_free(untrusted);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    X509_free(root[0]);
}

/* The bytes between the member's colon and the comma before "signature" are what is signed. */
static void expect_signed(const Place *place, const char *name, const char *member) {
    CLEANUP(buffer_done) Buffer document = BUFFER_INIT(PEM_MAX);
    X509 *chain[3] = {NULL};
    uint8_t signature[SIM_KEY_SIGNATURE_SIZE];
    uint8_t public_key[SIM_KEY_PUBLIC_SIZE];
    read_file(place, name, &document);
    CLEANUP(json_freep) json_t *value = json_parse(buffer_bytes(&document), name, NULL);
    assert_true(
        text_parse_hex(json_string_value(json_object_get(value, "signature")), signature, sizeof signature));
    assert_int_equal(read_chain(place, "collateral/tcb-issuer-chain.pem", chain), 2);
    assert_true(sim_key_public(X509_get0_pubkey(chain[0]), public_key));
    EVP_PKEY *key = ecdsa_key_new(public_key);
    const char *from = strstr(buffer_text(&document), member) + strlen(member) + 2;
    const char *to = strstr(from, ",\"signature\":");
    assert_true(ecdsa_verify(key, (Bytes){(const uint8_t *)from, (size_t)(to - from)}, signature));
    EVP_PKEY_free(key);
    X509_free(chain[0]);
    X509_free(chain[1]);
}

static void tcb_info_and_qe_identity_are_signed(void **state) {
    expect_signed(*state, "collateral/tcb-info.json", "tcbInfo");
    expect_signed(*state, "collateral/qe-identity.json", "enclaveIdentity");
}

/* Enclaves that the platform's signers sign pass every check of the verifier under the platform's policy, and
 * none without it. */
static void its_enclaves_verify_under_its_policy(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    SignerPolicy *policy = signers_new(&err);
    for (SimRole role = 0; role < SIM_ROLES_COUNT; role++) {
        const SimEnclaveSpec spec = {.role = role, .isv_svn = 8, .version = "1.0"};
        const EnclaveOptions options = {
            .policy = policy, .now = clock_wall_s(), .limits = &image_limits_bundle};
        CLEANUP(buffer_done) Buffer pem = BUFFER_INIT(PEM_MAX);
        CLEANUP(buffer_done) Buffer file = BUFFER_INIT(SIM_IMAGE_FILE_MAX);
        EnclaveReport report;
        read_file(place, role == SIM_ROLE_PCE ? SIM_PLATFORM_PCE_SIGNER_NAME : SIM_PLATFORM_QE_SIGNER_NAME,
                  &pem);
        BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
        EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        assert_true(sim_enclave_make(&spec, key, &file, &err));
        if (role == 0) {
            assert_true(enclave_examine(buffer_bytes(&file), &options, &report, &err));
            assert_false(report.verified);
            assert_true(signers_add_file(policy, place->fd, "trust.yaml", &err));
        }
        assert_true(enclave_examine(buffer_bytes(&file), &options, &report, &err));
        if (!enclave_require_verified(&report, &err)) {
            fail_msg("%s", err.text);
        }
        assert_true(report.simulated);
        EVP_PKEY_free(key);
        BIO_free_all(bio);
    }
    signers_free(policy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_for_the_owner_alone),
        cmocka_unit_test(the_pck_certificate_leads_to_the_root),
        cmocka_unit_test(tcb_info_and_qe_identity_are_signed),
        cmocka_unit_test(its_enclaves_verify_under_its_policy),
        cmocka_unit_test_setup_teardown(a_directory_in_use_is_not_touched, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, open_platform, place_teardown);
}
