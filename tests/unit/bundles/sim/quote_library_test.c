/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulated quote library as programs meet it: opened with dlopen, called through Intel's ABI.
 */
#include "bundles/sgx/quote_library.h"

#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/sgx/att_key_id.h"
#include "bundles/sgx/quote.h"
#include "bundles/sim/enclave.h"
#include "bundles/sim/ereport.h"
#include "bundles/sim/image.h"
#include "bundles/sim/platform.h"
#include "bundles/sim/platform_author.h"
#include "tests/support/place.h"

enum {
    PEM_MAX = 64 * 1024,
    LIBRARY_MAX = 16 * 1024 * 1024,
    UNSUPPORTED_MODE = 0xe03e,
    TYPE_3_QUOTE_SIZE = 1456,
    SET_KIB = 700 /* more than QE, ID enclave and PCE take together, less than twice that */
};

/* Bundles in the place: directories with the libraries and enclaves of these ISVSVNs. */
typedef struct BundleSpec {
    const char *name;
    uint16_t qe_svn;
    uint16_t pce_svn;
} BundleSpec;
static const BundleSpec old_bundle = {"old", 8, 13};
static const BundleSpec new_bundle = {"new", 9, 16};

typedef struct Library {
    void *handle;
    SgxQlSetPathFn set_path;
    SgxQeSetEnclaveLoadPolicyFn set_policy;
    SgxQeGetTargetInfoFn get_target_info;
    SgxQeGetQuoteSizeFn get_quote_size;
    SgxQeGetQuoteFn get_quote;
    SgxQeCleanupByPolicyFn cleanup;
    SgxQlInitQuoteFn init;
    SgxQlGetQuoteSizeFn size;
    SgxQlGetQuoteFn quote;
    PswTrialReportFn trial_report;
} Library;

static void *still_open;

static void *symbol(void *handle, const char *name) {
    void *found = dlsym(handle, name);
    assert_non_null(found);
    return found;
}

static Library library_open(const Place *place, const BundleSpec *bundle) {
    AUTO_FREE char *path = text_format("%s/%s/libsgx_dcap_ql.so.1", place->path, bundle->name);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        fail_msg("%s", dlerror());
    }
    still_open = handle;
    return (Library){
        .handle = handle,
        .set_path = (SgxQlSetPathFn)symbol(handle, "sgx_ql_set_path"),
        .set_policy = (SgxQeSetEnclaveLoadPolicyFn)symbol(handle, "sgx_qe_set_enclave_load_policy"),
        .get_target_info = (SgxQeGetTargetInfoFn)symbol(handle, "sgx_qe_get_target_info"),
        .get_quote_size = (SgxQeGetQuoteSizeFn)symbol(handle, "sgx_qe_get_quote_size"),
        .get_quote = (SgxQeGetQuoteFn)symbol(handle, "sgx_qe_get_quote"),
        .cleanup = (SgxQeCleanupByPolicyFn)symbol(handle, "sgx_qe_cleanup_by_policy"),
        .init = (SgxQlInitQuoteFn)symbol(handle, "sgx_ql_init_quote"),
        .size = (SgxQlGetQuoteSizeFn)symbol(handle, "sgx_ql_get_quote_size"),
        .quote = (SgxQlGetQuoteFn)symbol(handle, "sgx_ql_get_quote"),
        .trial_report = (PswTrialReportFn)symbol(handle, QUOTE_LIBRARY_TRIAL_REPORT),
    };
}

static void library_close(Library *library) {
    still_open = NULL;
    assert_int_equal(dlclose(library->handle), 0);
}

static void put_bytes(const Place *place, const char *name, const Buffer *bytes) {
    Error err = ERROR_INIT;
    assert_true(file_replace(place->fd, name, bytes->data, bytes->size, 0755, &err));
}

static void put_libraries(const Place *place, const char *bundle) {
    static const char *const names[] = {"libsgx_dcap_ql.so.1", "libsgx_qe3_logic.so",
                                        "libsgx_pce_logic.so.1"};
    for (size_t i = 0; i < 3; i++) {
        CLEANUP(buffer_done) Buffer content = BUFFER_INIT(LIBRARY_MAX);
        Error err = ERROR_INIT;
        AUTO_FREE char *from = text_format("%s/../lib/psw-manager/sim/%s", getenv("PSW_BIN"), names[i]);
        AUTO_FREE char *to = text_format("%s/%s", bundle, names[i]);
        if (!file_read(AT_FDCWD, from, &content, &err)) {
            fail_msg("%s", err.text);
        }
        put_bytes(place, to, &content);
    }
}

static void put_enclave(const Place *place, const char *bundle, SimRole role, uint16_t svn) {
    CLEANUP(buffer_done) Buffer pem = BUFFER_INIT(PEM_MAX);
    CLEANUP(buffer_done) Buffer file = BUFFER_INIT(SIM_IMAGE_FILE_MAX);
    const SimEnclaveSpec spec = {.role = role, .isv_svn = svn, .version = "1.0"};
    Error err = ERROR_INIT;
    AUTO_FREE char *signer = text_format("platform/%s", role == SIM_ROLE_PCE ? SIM_PLATFORM_PCE_SIGNER_NAME
                                                                             : SIM_PLATFORM_QE_SIGNER_NAME);
    AUTO_FREE char *name = text_format("%s/%s", bundle, sim_enclave_soname(role));
    assert_true(file_read(place->fd, signer, &pem, &err));
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free_all(bio);
    assert_true(sim_enclave_make(&spec, key, &file, &err));
    EVP_PKEY_free(key);
    put_bytes(place, name, &file);
}

static void put_bundle(const Place *place, const BundleSpec *bundle) {
    assert_int_equal(mkdirat(place->fd, bundle->name, 0755), 0);
    put_libraries(place, bundle->name);
    put_enclave(place, bundle->name, SIM_ROLE_QE3, bundle->qe_svn);
    put_enclave(place, bundle->name, SIM_ROLE_ID_ENCLAVE, bundle->qe_svn);
    put_enclave(place, bundle->name, SIM_ROLE_PCE, bundle->pce_svn);
}

static int open_world(void **state) {
    const SimPlatformSpec spec = {0};
    Error err = ERROR_INIT;
    if (place_setup(state) != 0) {
        return -1;
    }
    const Place *place = *state;
    AUTO_FREE char *platform = text_format("%s/platform", place->path);
    if (!sim_platform_create(platform, &spec, &err)) {
        fail_msg("%s", err.text);
    }
    put_bundle(place, &old_bundle);
    put_bundle(place, &new_bundle);
    return setenv("PSW_SIM_PLATFORM", platform, 1);
}

/* The default knobs, with lines of our own in place of those with the same key (two at most). */
static void turn(const Place *place, const char *key, const char *line) {
    AUTO_FREE char *text = strdup(sim_platform_default_knobs);
    if (key != NULL) {
        char *at = strstr(text, key);
        char *rest = strchr(at, '\n') + 1;
        *at = 0;
        AUTO_FREE char *changed = text_format("%s%s\n%s", text, line, rest);
        place_put(place, "platform/" SIM_PLATFORM_KNOBS_NAME, changed);
    } else {
        place_put(place, "platform/" SIM_PLATFORM_KNOBS_NAME, text);
    }
}

static int reset_knobs(void **state) {
    if (still_open != NULL) { /* by a test that failed */
        (void)dlclose(TAKE(still_open));
    }
    turn(*state, NULL, NULL);
    return 0;
}

typedef struct Trial { /* a report, and what became of it */
    SgxTargetInfo target;
    SgxReport report;
    uint32_t size;
    uint8_t quote[QUOTE_SIZE_MAX];
} Trial;

static const uint8_t report_data[SGX_REPORT_DATA_SIZE] = "what the application says";

static Quote3Error trial_begin(const Library *library, Trial *trial) {
    *trial = (Trial){0};
    Quote3Error code = library->get_target_info(&trial->target);
    if (code == QUOTE3_SUCCESS) {
        code = library->trial_report(&trial->target, report_data, &trial->report);
    }
    return code;
}

static Quote3Error trial_quote(const Library *library, Trial *trial) {
    Quote3Error code = library->get_quote_size(&trial->size);
    return code == QUOTE3_SUCCESS ? library->get_quote(&trial->report, trial->size, trial->quote) : code;
}

static Quote trial_parse(const Trial *trial) {
    Quote quote;
    Error err = ERROR_INIT;
    if (!quote_parse((Bytes){trial->quote, sizeof trial->quote}, &quote, &err)) {
        fail_msg("%s", err.text);
    }
    return quote;
}

static void a_quote_is_genuine(void **state) {
    Library library = library_open(*state, &old_bundle);
    Trial trial;
    Error err = ERROR_INIT;
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    assert_int_equal(trial_quote(&library, &trial), QUOTE3_SUCCESS);
    const Quote quote = trial_parse(&trial);
    assert_int_equal(quote.size, trial.size);
    assert_int_equal(quote.certification_type, QUOTE_CERTIFICATION_PCK_CHAIN);
    assert_int_equal(quote.qe_isv_svn, old_bundle.qe_svn);
    assert_int_equal(quote.qe_report->isv_svn, old_bundle.qe_svn);
    assert_int_equal(quote.pce_isv_svn, old_bundle.pce_svn);
    assert_memory_equal(quote.qe_report->mr_enclave, trial.target.mr_enclave, SGX_HASH_SIZE);
    if (!quote_matches_report(&quote, &trial.report.body, &err) || !quote_check_signatures(&quote, &err)) {
        fail_msg("%s", err.text);
    }
    library_close(&library);
}

static void nothing_is_written_behind_the_quote(void **state) {
    Library library = library_open(*state, &old_bundle);
    Trial trial;
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    assert_int_equal(library.get_quote_size(&trial.size), QUOTE3_SUCCESS);
    memset(trial.quote, 0xaa, sizeof trial.quote);
    assert_int_equal(library.get_quote(&trial.report, sizeof trial.quote, trial.quote), QUOTE3_SUCCESS);
    for (size_t at = trial.size; at < sizeof trial.quote; at++) {
        assert_int_equal(trial.quote[at], 0xaa);
    }
    library_close(&library);
}

static void before_init_even_a_bad_report_is_answered_with_not_initialised(void **state) {
    Library library = library_open(*state, &old_bundle);
    Trial trial = {0};
    assert_int_equal(library.get_quote_size(&trial.size), QUOTE3_ATT_KEY_NOT_INITIALIZED);
    assert_int_equal(library.get_quote(&trial.report, sizeof trial.quote, trial.quote),
                     QUOTE3_ATT_KEY_NOT_INITIALIZED);
    size_t id_size = 0;
    assert_int_equal(library.init(NULL, &trial.target, false, &id_size, NULL), QUOTE3_SUCCESS);
    assert_int_equal(id_size, 32);
    assert_int_equal(library.get_quote_size(&trial.size), QUOTE3_ATT_KEY_NOT_INITIALIZED);
    library_close(&library);
}

static void a_small_buffer_is_refused_before_a_bad_report(void **state) {
    Library library = library_open(*state, &old_bundle);
    Trial trial;
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    assert_int_equal(library.get_quote_size(&trial.size), QUOTE3_SUCCESS);
    trial.report.mac[0] ^= 1;
    assert_int_equal(library.get_quote(&trial.report, trial.size - 1, trial.quote),
                     QUOTE3_ERROR_INVALID_PARAMETER);
    assert_int_equal(library.get_quote(&trial.report, trial.size, trial.quote), QUOTE3_INVALID_REPORT);
    library_close(&library);
}

static void foreign_keys_and_missing_arguments_are_refused(void **state) {
    Library library = library_open(*state, &old_bundle);
    SgxAttKeyId foreign = sgx_att_key_id_ecdsa;
    Trial trial = {0};
    uint8_t id[32];
    size_t id_size = sizeof id;
    foreign.mr_signer[0] ^= 1;
    assert_int_equal(library.init(&foreign, &trial.target, false, &id_size, id),
                     QUOTE3_ERROR_INVALID_PARAMETER);
    assert_int_equal(library.size(&foreign, &trial.size), QUOTE3_ERROR_INVALID_PARAMETER);
    id_size = sizeof id - 1;
    assert_int_equal(library.init(&sgx_att_key_id_ecdsa, &trial.target, false, &id_size, id),
                     QUOTE3_ERROR_INVALID_PARAMETER);
    id_size = sizeof id + 1;
    assert_int_equal(library.init(&sgx_att_key_id_ecdsa, &trial.target, false, &id_size, id),
                     QUOTE3_ERROR_INVALID_PARAMETER);
    assert_int_equal(library.get_quote(NULL, sizeof trial.quote, trial.quote),
                     QUOTE3_ERROR_INVALID_PARAMETER);
    assert_int_equal(library.get_quote(&trial.report, 0, trial.quote), QUOTE3_ERROR_INVALID_PARAMETER);
    assert_int_equal(library.set_path(QUOTE_LIBRARY_PATH_QE3, "/nonexistent"),
                     QUOTE3_ERROR_INVALID_PARAMETER);
    assert_int_equal(library.set_path(9, "/etc/passwd"), QUOTE3_ERROR_INVALID_PARAMETER);
    assert_int_equal(library.set_policy(7), QUOTE3_UNSUPPORTED_LOADING_POLICY);
    library_close(&library);
}

static void a_report_made_for_another_qe_is_refused(void **state) {
    Trial former;
    Trial trial;
    Library library = library_open(*state, &old_bundle);
    assert_int_equal(trial_begin(&library, &former), QUOTE3_SUCCESS);
    library_close(&library);
    library = library_open(*state, &new_bundle);
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    assert_memory_not_equal(trial.target.mr_enclave, former.target.mr_enclave, SGX_HASH_SIZE);
    assert_int_equal(trial_quote(&library, &former), QUOTE3_INVALID_REPORT);
    library_close(&library);

    library = library_open(*state, &old_bundle);
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    assert_int_equal(trial_quote(&library, &former), QUOTE3_SUCCESS);
    library_close(&library);
}

typedef struct KeyId {
    uint8_t bytes[32];
} KeyId;

static KeyId init_key(const Library *library) {
    SgxTargetInfo target;
    KeyId id;
    size_t size = sizeof id.bytes;
    assert_int_equal(library->init(NULL, &target, true, &size, id.bytes), QUOTE3_SUCCESS);
    return id;
}

static KeyId key_of(const Place *place, const BundleSpec *bundle) {
    Library library = library_open(place, bundle);
    KeyId id = init_key(&library);
    library_close(&library);
    return id;
}

static void swap_back_gives_the_former_key(void **state) {
    const KeyId first = key_of(*state, &old_bundle);
    const KeyId second = key_of(*state, &new_bundle);
    const KeyId third = key_of(*state, &old_bundle);
    assert_memory_not_equal(&first, &second, sizeof first);
    assert_memory_equal(&first, &third, sizeof first);
}

static void the_qe_id_outlives_every_update(void **state) {
    uint8_t id[16];
    for (int i = 0; i < 2; i++) {
        Library library = library_open(*state, i == 0 ? &old_bundle : &new_bundle);
        Trial trial;
        assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
        assert_int_equal(trial_quote(&library, &trial), QUOTE3_SUCCESS);
        if (i == 0) {
            memcpy(id, trial_parse(&trial).qe_id, sizeof id);
        }
        assert_memory_equal(id, trial_parse(&trial).qe_id, sizeof id);
        library_close(&library);
    }
}

static void load_qe_of(const Library *library, const Place *place, const BundleSpec *bundle) {
    AUTO_FREE char *path =
        text_format("%s/%s/%s", place->path, bundle->name, sim_enclave_soname(SIM_ROLE_QE3));
    assert_int_equal(library->set_policy(QUOTE_LIBRARY_EPHEMERAL), QUOTE3_SUCCESS);
    assert_int_equal(library->set_path(QUOTE_LIBRARY_PATH_QE3, path), QUOTE3_SUCCESS);
    assert_int_equal(library->set_policy(QUOTE_LIBRARY_PERSISTENT), QUOTE3_SUCCESS);
}

static void a_newer_qe_in_the_process_keeps_the_old_key_until_init_and_an_older_one_cannot(void **state) {
    Library library = library_open(*state, &old_bundle);
    Trial trial;
    SgxTargetInfo target;
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    assert_int_equal(trial_quote(&library, &trial), QUOTE3_SUCCESS);
    const KeyId old_key = init_key(&library);
    load_qe_of(&library, *state, &new_bundle);
    assert_int_equal(library.get_quote_size(&trial.size), QUOTE3_SUCCESS);
    assert_int_equal(trial_quote(&library, &trial), QUOTE3_INVALID_REPORT);
    target = trial.target;
    AUTO_FREE char *platform = text_format("%s/platform", ((const Place *)*state)->path);
    const KeyId new_key = init_key(&library);
    assert_memory_not_equal(&old_key, &new_key, sizeof old_key);
    load_qe_of(&library, *state, &old_bundle);
    assert_int_equal(library.get_quote_size(&trial.size), QUOTE3_ATT_KEY_NOT_INITIALIZED);
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    assert_memory_equal(&target, &trial.target, sizeof target);
    const KeyId key = init_key(&library);
    assert_memory_equal(&old_key, &key, sizeof key);
    library_close(&library);
}

static void a_pce_older_than_the_certificate_cannot_certify(void **state) {
    Library library = library_open(*state, &old_bundle);
    Trial trial;
    turn(*state, "cached_pce_svn:", "cached_pce_svn: 16");
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_KEY_CERTIFICATION_ERROR);
    assert_int_equal(library.get_quote_size(&trial.size), QUOTE3_ATT_KEY_NOT_INITIALIZED);
    turn(*state, "cached_pce_svn:", "cached_pce_svn: 0");
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    library_close(&library);
}

static void another_certificate_asks_for_an_init_that_keeps_the_key(void **state) {
    Library library = library_open(*state, &new_bundle);
    Trial trial;
    const KeyId first = init_key(&library);
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    turn(*state, "cached_pce_svn:", "cached_pce_svn: 11");
    assert_int_equal(library.get_quote_size(&trial.size), QUOTE3_ATT_KEY_NOT_INITIALIZED);
    assert_int_equal(library.get_quote(&trial.report, sizeof trial.quote, trial.quote),
                     QUOTE3_ATT_KEY_NOT_INITIALIZED);
    const KeyId second = init_key(&library);
    assert_memory_equal(&first, &second, sizeof first);
    assert_int_equal(trial_quote(&library, &trial), QUOTE3_SUCCESS);
    library_close(&library);
}

static void a_platform_without_a_certificate_for_the_pce_says_so(void **state) {
    Library library = library_open(*state, &old_bundle);
    Trial trial;
    turn(*state, "cached_pce_svn:", "cached_pce_svn: 12");
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_NO_PLATFORM_CERT_DATA);
    library_close(&library);
}

static void new_microcode_gives_a_new_key_and_a_roll_back_the_former(void **state) {
    Library library = library_open(*state, &old_bundle);
    Trial trial;
    turn(*state, "cpu_svn:", "cpu_svn: 0c0c0303ffff01000000000000000000");
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    const KeyId former = init_key(&library);
    turn(*state, NULL, NULL);
    assert_int_equal(trial_quote(&library, &trial), QUOTE3_ATT_KEY_NOT_INITIALIZED);
    const KeyId newer = init_key(&library);
    assert_memory_not_equal(&former, &newer, sizeof newer);
    assert_int_equal(trial_quote(&library, &trial), QUOTE3_INVALID_REPORT);
    turn(*state, "cpu_svn:", "cpu_svn: 0c0c0303ffff01000000000000000000");
    assert_int_equal(library.get_quote_size(&trial.size), QUOTE3_ATT_KEY_NOT_INITIALIZED);
    const KeyId again = init_key(&library);
    assert_memory_equal(&former, &again, sizeof again);
    assert_int_equal(trial_quote(&library, &trial), QUOTE3_SUCCESS);
    library_close(&library);
}

static void without_a_provider_the_quote_carries_the_encrypted_ppid(void **state) {
    Library library = library_open(*state, &old_bundle);
    Trial trial;
    turn(*state, "provider:", "provider: none");
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    assert_int_equal(trial_quote(&library, &trial), QUOTE3_SUCCESS);
    assert_int_equal(trial.size, TYPE_3_QUOTE_SIZE);
    const Quote quote = trial_parse(&trial);
    assert_int_equal(quote.certification_type, 3);
    assert_int_equal(bytes_le16(quote.certification_data.data + 384 + 16), old_bundle.pce_svn);
    library_close(&library);
}

static void the_qe_reports_on_the_quote_for_the_caller(void **state) {
    const Place *place = *state;
    Library library = library_open(place, &old_bundle);
    Trial trial;
    SgxQeReportInfo info = {.nonce = "a nonce", .app_target_info = {.attributes = {5, 3}}};
    Error err = ERROR_INIT;
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    assert_int_equal(library.get_quote_size(&trial.size), QUOTE3_SUCCESS);
    assert_int_equal(
        library.quote(&trial.report, &sgx_att_key_id_ecdsa, &info, trial.quote, sizeof trial.quote),
        QUOTE3_SUCCESS);
    CLEANUP(buffer_done) Buffer message = BUFFER_INIT(PEM_MAX);
    Digest digest;
    assert_true(buffer_append(&message, info.nonce, sizeof info.nonce));
    assert_true(buffer_append(&message, trial.quote, trial.size));
    assert_true(digest_of(message.data, message.size, &digest));
    assert_memory_equal(info.qe_report.body.report_data, digest.bytes, sizeof digest.bytes);
    assert_memory_equal(info.qe_report.body.mr_enclave, trial.target.mr_enclave, SGX_HASH_SIZE);
    SimPlatform *platform = sim_platform_open(getenv("PSW_SIM_PLATFORM"), &err);
    assert_true(
        sim_ereport_check(platform->seed, platform->knobs.cpu_svn, &info.app_target_info, &info.qe_report));
    sim_platform_close(platform);
    library_close(&library);
}

static void a_changed_or_missing_enclave_does_not_load(void **state) {
    const Place *place = *state;
    static const BundleSpec bad = {"bad", 8, 13};
    Trial trial;
    Error err = ERROR_INIT;
    put_bundle(place, &bad);
    AUTO_FREE char *name = text_format("bad/%s", sim_enclave_soname(SIM_ROLE_QE3));
    CLEANUP(buffer_done) Buffer file = BUFFER_INIT(SIM_IMAGE_FILE_MAX);
    assert_true(file_read(place->fd, name, &file, &err));
    file.data[0x1000] ^= 1;
    put_bytes(place, name, &file);
    Library library = library_open(place, &bad);
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_ENCLAVE_LOAD_ERROR);
    assert_int_equal(library.get_quote_size(&trial.size), QUOTE3_ENCLAVE_LOAD_ERROR);
    assert_int_equal(unlinkat(place->fd, name, 0), 0);
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_ENCLAVE_LOAD_ERROR);
    put_enclave(place, "bad", SIM_ROLE_QE3, 8);
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    library_close(&library);
}

/* Runs in a child what would harm or occupy this process; `begun` can be read from before it runs. */
typedef void (*ChildFn)(const Place *place, int begun);
static pid_t child_start(const Place *place, ChildFn run, int *ret_begun) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)close(ends[0]);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(place, ends[1]);
        _exit(0);
    }
    (void)close(ends[1]);
    *ret_begun = ends[0];
    return child;
}

static void say(int begun, Quote3Error code) {
    if (write(begun, &code, sizeof code) != sizeof code) {
        _exit(9);
    }
}

static Quote3Error hear(int begun) {
    Quote3Error code = UINT32_MAX;
    assert_int_equal(read(begun, &code, sizeof code), sizeof code);
    return code;
}

static int child_end(pid_t child, int begun, bool end_it) {
    int status = 0;
    (void)close(begun);
    if (end_it) {
        assert_int_equal(kill(child, SIGKILL), 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void hold_persistently(const Place *place, int begun) {
    Library library = library_open(place, &old_bundle);
    Trial trial;
    say(begun, trial_begin(&library, &trial));
    for (;;) {
        (void)pause();
    }
}

static void hold_ephemerally(const Place *place, int begun) {
    Library library = library_open(place, &old_bundle);
    Trial trial;
    Quote3Error code = library.set_policy(QUOTE_LIBRARY_EPHEMERAL);
    if (code == QUOTE3_SUCCESS) {
        code = trial_begin(&library, &trial);
    }
    say(begun, code == QUOTE3_SUCCESS ? trial_quote(&library, &trial) : code);
    for (;;) {
        (void)pause();
    }
}

static void two_sets_that_do_not_fit_into_the_epc_do_not_load_side_by_side(void **state) {
    Trial trial;
    int begun = -1;
    AUTO_FREE char *line = text_format("epc_kib: %d", SET_KIB);
    turn(*state, "epc_kib:", line);
    pid_t child = child_start(*state, hold_persistently, &begun);
    assert_int_equal(hear(begun), QUOTE3_SUCCESS);
    Library library = library_open(*state, &new_bundle);
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_OUT_OF_EPC);
    (void)child_end(child, begun, true);
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    library_close(&library);
}

static void an_idle_ephemeral_set_takes_no_epc(void **state) {
    Trial trial;
    int begun = -1;
    AUTO_FREE char *line = text_format("epc_kib: %d", SET_KIB);
    turn(*state, "epc_kib:", line);
    pid_t child = child_start(*state, hold_ephemerally, &begun);
    assert_int_equal(hear(begun), QUOTE3_SUCCESS);
    Library library = library_open(*state, &new_bundle);
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    assert_int_equal(trial_quote(&library, &trial), QUOTE3_SUCCESS);
    library_close(&library);
    (void)child_end(child, begun, true);
}

static void faults_strike_the_calls_they_are_for(void **state) {
    Library library = library_open(*state, &old_bundle);
    Trial trial;
    turn(*state, "faults:", "faults: [{call: quote, effect: code, code: \"0xe014\", every: 3}]");
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    for (int number = 1; number <= 9; number++) {
        assert_int_equal(trial_quote(&library, &trial),
                         number % 3 == 0 ? QUOTE3_ENCLAVE_LOST : QUOTE3_SUCCESS);
    }
    turn(*state, "faults:", "faults: [{call: init, effect: code, code: \"0xe019\"}]");
    assert_int_equal(library.get_target_info(&trial.target), 0xe019);
    assert_int_equal(trial_quote(&library, &trial), QUOTE3_SUCCESS);
    library_close(&library);
}

static void quote_once(const Place *place, int begun) {
    Library library = library_open(place, &old_bundle);
    Trial trial;
    say(begun, trial_begin(&library, &trial));
    say(begun, trial_quote(&library, &trial));
}

static void a_crash_ends_the_process(void **state) {
    int begun = -1;
    turn(*state, "faults:", "faults: [{call: quote, effect: crash}]");
    pid_t child = child_start(*state, quote_once, &begun);
    assert_int_equal(hear(begun), QUOTE3_SUCCESS);
    int status = child_end(child, begun, false);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void a_hang_does_not_return(void **state) {
    int begun = -1;
    turn(*state, "faults:", "faults: [{call: quote, effect: hang}]");
    pid_t child = child_start(*state, quote_once, &begun);
    assert_int_equal(hear(begun), QUOTE3_SUCCESS);
    struct pollfd waiting = {.fd = begun, .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, 100), 0);
    assert_true(WIFSIGNALED(child_end(child, begun, true)));
}

static void a_bundle_knows_its_platform_and_its_own_faults(void **state) {
    const Place *place = *state;
    const char *platform = getenv("PSW_SIM_PLATFORM");
    AUTO_FREE char *kept = strdup(platform);
    AUTO_FREE char *yaml = text_format(
        "platform: \"%s\"\nfaults: [{call: quote, effect: code, code: \"0xe001\", after: 1}]\n", platform);
    assert_int_equal(mkdirat(place->fd, "data", 0755), 0);
    place_put(place, "data/simulation.yaml", yaml);
    assert_int_equal(unsetenv("PSW_SIM_PLATFORM"), 0);
    Library library = library_open(place, &old_bundle);
    Trial trial;
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    assert_int_equal(trial_quote(&library, &trial), QUOTE3_SUCCESS);
    assert_int_equal(trial_quote(&library, &trial), QUOTE3_ERROR_UNEXPECTED);
    library_close(&library);
    assert_int_equal(unlinkat(place->fd, "data/simulation.yaml", 0), 0);
    library = library_open(place, &old_bundle);
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_ENCLAVE_LOAD_ERROR);
    library_close(&library);
    assert_int_equal(setenv("PSW_SIM_PLATFORM", kept, 1), 0);
}

static void with_the_daemon_s_address_set_nothing_is_done_in_process(void **state) {
    assert_int_equal(setenv("SGX_AESM_ADDR", "", 1), 0);
    Library library = library_open(*state, &old_bundle);
    assert_int_equal(unsetenv("SGX_AESM_ADDR"), 0);
    Trial trial;
    assert_int_equal(library.get_target_info(&trial.target), QUOTE3_INTERFACE_UNAVAILABLE);
    assert_int_equal(library.set_policy(QUOTE_LIBRARY_EPHEMERAL), UNSUPPORTED_MODE);
    assert_int_equal(library.set_path(QUOTE_LIBRARY_PATH_QE3, "/etc/passwd"), UNSUPPORTED_MODE);
    assert_int_equal(library.cleanup(), UNSUPPORTED_MODE);
    library_close(&library);
}

enum { CLIENTS = 4, QUOTES = 150 };

typedef struct Client {
    const Library *library;
    const SgxReport *report;
    uint32_t failed;
} Client;

static void *quote_often(void *argument) {
    Client *client = argument;
    for (int i = 0; i < QUOTES; i++) {
        uint8_t quote[QUOTE_SIZE_MAX];
        client->failed += client->library->get_quote(client->report, sizeof quote, quote) != QUOTE3_SUCCESS;
    }
    return NULL;
}

static void quotes_go_on_beside_init_policy_and_knobs(void **state) {
    Library library = library_open(*state, &old_bundle);
    Trial trial;
    turn(*state, "tcs:", "tcs: 3");
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    pthread_t threads[CLIENTS];
    Client clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (Client){&library, &trial.report, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, quote_often, &clients[i]), 0);
    }
    for (int i = 0; i < 10; i++) {
        (void)init_key(&library);
        assert_int_equal(library.set_policy(i % 2), QUOTE3_SUCCESS);
        turn(*state, "tcs:", i % 2 == 0 ? "tcs: 1" : "tcs: 2");
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(clients[i].failed, 0);
    }
    library_close(&library);
}

/* OpenSSL's memory: the allocation from which on there is no more, counted down; negative: there is always
 * more. */
static int allocations_left = -1;

static bool memory_is_out(void) {
    if (allocations_left > 0) {
        allocations_left--;
    }
    return allocations_left == 0;
}

static void *take_memory(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return memory_is_out() ? NULL : malloc(size);
}

static void *resize_memory(void *memory, size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return memory_is_out() ? NULL : realloc(memory, size);
}

static void give_memory_back(void *memory, const char *file, int line) {
    (void)file;
    (void)line;
    free(memory);
}

static void quotes_without_memory_fail_and_later_ones_do_not(void **state) {
    Library library = library_open(*state, &old_bundle);
    Trial trial;
    Quote3Error code = QUOTE3_ERROR_UNEXPECTED;
    assert_int_equal(trial_begin(&library, &trial), QUOTE3_SUCCESS);
    assert_int_equal(trial_quote(&library, &trial), QUOTE3_SUCCESS);
    for (int allowed = 1; code != QUOTE3_SUCCESS; allowed++) {
        assert_true(allowed < 100000);
        allocations_left = allowed;
        code = library.get_quote(&trial.report, trial.size, trial.quote);
        allocations_left = -1;
        assert_int_not_equal(code, QUOTE3_INVALID_REPORT);
        assert_int_equal(trial_quote(&library, &trial), QUOTE3_SUCCESS);
    }
    library_close(&library);
}

#define TEST(name) cmocka_unit_test_setup(name, reset_knobs)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_quote_is_genuine),
        TEST(nothing_is_written_behind_the_quote),
        TEST(before_init_even_a_bad_report_is_answered_with_not_initialised),
        TEST(a_small_buffer_is_refused_before_a_bad_report),
        TEST(foreign_keys_and_missing_arguments_are_refused),
        TEST(a_report_made_for_another_qe_is_refused),
        TEST(swap_back_gives_the_former_key),
        TEST(the_qe_id_outlives_every_update),
        TEST(a_newer_qe_in_the_process_keeps_the_old_key_until_init_and_an_older_one_cannot),
        TEST(a_pce_older_than_the_certificate_cannot_certify),
        TEST(another_certificate_asks_for_an_init_that_keeps_the_key),
        TEST(a_platform_without_a_certificate_for_the_pce_says_so),
        TEST(new_microcode_gives_a_new_key_and_a_roll_back_the_former),
        TEST(without_a_provider_the_quote_carries_the_encrypted_ppid),
        TEST(the_qe_reports_on_the_quote_for_the_caller),
        TEST(a_changed_or_missing_enclave_does_not_load),
        TEST(two_sets_that_do_not_fit_into_the_epc_do_not_load_side_by_side),
        TEST(an_idle_ephemeral_set_takes_no_epc),
        TEST(faults_strike_the_calls_they_are_for),
        TEST(a_crash_ends_the_process),
        TEST(a_hang_does_not_return),
        TEST(a_bundle_knows_its_platform_and_its_own_faults),
        TEST(with_the_daemon_s_address_set_nothing_is_done_in_process),
        TEST(quotes_go_on_beside_init_policy_and_knobs),
        TEST(quotes_without_memory_fail_and_later_ones_do_not),
    };
    if (CRYPTO_set_mem_functions(take_memory, resize_memory, give_memory_back) != 1) {
        return 1;
    }
    return cmocka_run_group_tests(tests, open_world, place_teardown);
}
