/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/process.h"
#include "bundles/base/settings.h"
#include "bundles/base/text.h"
#include "bundles/bundle.h"
#include "bundles/recipe.h"
#include "bundles/sim/enclave.h"
#include "bundles/sim/home.h"
#include "bundles/sim/image.h"
#include "bundles/sim/platform.h"
#include "bundles/tool/draft.h"
#include "bundles/tool/output.h"
#include "bundles/tool/tool.h"
#include "bundles/version.h"

CLEANUP_DEFINE(Manifest, manifest_free)
CLEANUP_DEFINE(SimPlatform, sim_platform_close)
CLEANUP_DEFINE(EVP_PKEY, EVP_PKEY_free)

static const char help[] =
    "usage: psw-bundle sim --platform DIR --version V --qe-svn N --pce-svn N -o FILE [OPTION]...\n"
    "\n"
    "Makes FILE, a bundle of simulated enclaves and the quote library that runs them, for the platform in "
    "DIR\n"
    "(psw-bundle sim-platform). The bundle remembers where its platform is. The same arguments give the "
    "same\n"
    "bytes.\n"
    "\n"
    "      --platform DIR       the platform whose signers sign the enclaves\n"
    "      --version V          of the bundle: dotted numbers\n"
    "      --qe-svn N           ISVSVN of QE3 and ID enclave\n"
    "      --pce-svn N          ISVSVN of the PCE\n"
    "      --enclave-version V  text inside the enclaves (default: the bundle's version); bundles with the "
    "same\n"
    "                           text and ISVSVNs have the same enclaves\n"
    "      --fault SPEC         what goes wrong in this bundle, up to 16 times (docs/simulation.md):\n"
    "                           CALL:EFFECT[,after=N][,every=N] with CALL load, init, size or quote and "
    "EFFECT\n"
    "                           hang, crash or a quote3 code such as 0xe001\n"
    "  -o, --output FILE        where to write; replaced as a whole if it exists\n"
    "  -h, --help               this text\n"
    "\n"
    "Example, a bundle that stops quoting after 1000 quotes:\n"
    "  psw-bundle sim --platform p --version 2.0 --qe-svn 9 --pce-svn 13 --fault quote:0xe001,after=1000 -o "
    "b.pswb\n";

enum { RECIPE_MAX = 64 * 1024, KEY_MAX = 64 * 1024, LIBRARY_MAX = 16 * 1024 * 1024 };

typedef struct Order { /* the command line */
    const char *platform;
    const char *version;
    const char *enclave_version;
    const char *output;
    uint32_t qe_svn;
    uint32_t pce_svn;
    Buffer faults; /* YAML */
} Order;

/* The directories that a draft of such a bundle has. */
static bool make_directories(const Draft *draft, Error *err) {
    return (mkdirat(draft->dir_fd, "lib", 0755) == 0 && mkdirat(draft->dir_fd, "data", 0755) == 0) ||
           error_set_errno(err, errno, "%s", draft->path);
}

static bool put_file(const Draft *draft, const char *name, const void *data, size_t size, unsigned mode,
                     Error *err) {
    AUTO_CLOSE int fd = file_open(draft->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL, mode, err);
    return fd >= 0 && file_write_fd(fd, name, data, size, err);
}

static EVP_PKEY *load_signer(const SimPlatform *platform, const char *name, Error *err) {
    CLEANUP(buffer_done) Buffer pem = BUFFER_INIT(KEY_MAX);
    if (!file_read(platform->dir_fd, name, &pem, err)) {
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free_all(bio);
    bytes_cleanse(pem.data, pem.size);
    if (key == NULL) {
        error_set(err, ERROR_CONFIG, "%s/%s is not a private key in PEM", platform->path, name);
    }
    return key;
}

static bool put_enclave(const Draft *draft, SimRole role, uint32_t svn, const char *version, EVP_PKEY *signer,
                        uint64_t *epc_kib, Error *err) {
    CLEANUP(buffer_done) Buffer file = BUFFER_INIT(SIM_IMAGE_FILE_MAX);
    const SimEnclaveSpec spec = {.role = role, .isv_svn = (uint16_t)svn, .version = version};
    SimIdentity identity;
    if (!sim_enclave_make(&spec, signer, &file, err) ||
        !sim_image_start(buffer_bytes(&file), &identity, err)) {
        return false;
    }
    *epc_kib += identity.epc_kib;
    AUTO_FREE char *name = text_format("lib/%s", sim_enclave_soname(role));
    return name == NULL ? error_set(err, ERROR_MEMORY, "out of memory")
                        : put_file(draft, name, file.data, file.size, 0644, err);
}

static bool put_enclaves(const Draft *draft, const Order *order, const SimPlatform *platform,
                         uint64_t *epc_kib, Error *err) {
    CLEANUP(EVP_PKEY_freep) EVP_PKEY *qe = load_signer(platform, SIM_PLATFORM_QE_SIGNER_NAME, err);
    CLEANUP(EVP_PKEY_freep)
    EVP_PKEY *pce = qe == NULL ? NULL : load_signer(platform, SIM_PLATFORM_PCE_SIGNER_NAME, err);
    return pce != NULL &&
           put_enclave(draft, SIM_ROLE_QE3, order->qe_svn, order->enclave_version, qe, epc_kib, err) &&
           put_enclave(draft, SIM_ROLE_ID_ENCLAVE, order->qe_svn, order->enclave_version, qe, epc_kib, err) &&
           put_enclave(draft, SIM_ROLE_PCE, order->pce_svn, order->enclave_version, pce, epc_kib, err);
}

static const char *const libraries[] = {"libsgx_dcap_ql.so.1", "libsgx_qe3_logic.so",
                                        "libsgx_pce_logic.so.1"};

/* Beside the program: bin/psw-bundle and lib/psw-manager/sim, in the build tree as where it is installed. */
static bool put_libraries(const Draft *draft, Error *err) {
    AUTO_FREE char *own = process_own_directory(err);
    AUTO_FREE char *path = own == NULL ? NULL : text_format("%s/../lib/psw-manager/sim", own);
    if (path == NULL) {
        return own != NULL && error_set(err, ERROR_MEMORY, "out of memory");
    }
    AUTO_CLOSE int from = file_open_directory(AT_FDCWD, path, err);
    if (from < 0) {
        return error_wrap(err, "the simulated quote library is not installed");
    }
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        CLEANUP(buffer_done) Buffer content = BUFFER_INIT(LIBRARY_MAX);
        AUTO_FREE char *name = text_format("lib/%s", libraries[i]);
        if (name == NULL || !file_read(from, libraries[i], &content, err) ||
            !put_file(draft, name, content.data, content.size, 0755, err)) {
            return error_wrap(err, "%s", path);
        }
    }
    return true;
}

static bool put_settings(const Draft *draft, const Order *order, const SimPlatform *platform, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(RECIPE_MAX);
    CLEANUP(sim_home_done) SimHome home = {0};
    AUTO_FREE char *path = settings_quote(platform->path);
    if (path == NULL || !buffer_append_format(&yaml, "platform: %s\n", path) ||
        (order->faults.size > 0 && (!buffer_append_text(&yaml, "faults:\n") ||
                                    !buffer_append(&yaml, order->faults.data, order->faults.size)))) {
        return error_set(err, ERROR_USAGE, "the platform's path or the faults cannot be written as YAML");
    }
    return sim_home_parse(buffer_bytes(&yaml), "--fault", &home, err) &&
           put_file(draft, "data/" SIM_HOME_SETTINGS_NAME, yaml.data, yaml.size, 0644, err);
}

static bool put_recipe(const Draft *draft, const Order *order, uint64_t epc_kib, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(RECIPE_MAX);
    bool done =
        buffer_append_format(&yaml,
                             "format: 1\nname: psw-simulated\nversion: \"%s\"\nvendor: psw-manager\n"
                             "description: Simulated enclaves, QE ISVSVN %u, PCE ISVSVN %u\nsimulated: true\n"
                             "requires:\n  drivers:\n    - flavour: simulated\n  epc_kib: %llu\n"
                             "  libraries: [libc.so.6, libcrypto.so.3, libcyaml.so.1, libyaml-0.so.2]\n"
                             "files:\n"
                             "  - {path: lib/libsgx_dcap_ql.so.1, role: quote_library, mode: \"0755\"}\n"
                             "  - {path: lib/libsgx_qe3_logic.so, role: qe3_logic, mode: \"0755\"}\n"
                             "  - {path: lib/libsgx_pce_logic.so.1, role: pce_logic, mode: \"0755\"}\n"
                             "  - {path: lib/libsgx_qe3.signed.so.1, role: qe3}\n"
                             "  - {path: lib/libsgx_id_enclave.signed.so.1, role: id_enclave}\n"
                             "  - {path: lib/libsgx_pce.signed.so.1, role: pce}\n"
                             "  - {path: data/" SIM_HOME_SETTINGS_NAME ", role: data}\n",
                             order->version, order->qe_svn, order->pce_svn, (unsigned long long)epc_kib);
    return done ? put_file(draft, RECIPE_NAME, yaml.data, yaml.size, 0644, err)
                : error_set(err, ERROR_MEMORY, "out of memory");
}

static bool make(const Order *order, Manifest **ret_manifest, Error *err) {
    CLEANUP(draft_close) Draft draft;
    uint64_t epc_kib = 0;
    CLEANUP(sim_platform_closep) SimPlatform *platform = sim_platform_open(order->platform, err);
    if (!draft_open(&draft, platform == NULL ? NULL : err) || platform == NULL ||
        !make_directories(&draft, err) || !put_enclaves(&draft, order, platform, &epc_kib, err) ||
        !put_libraries(&draft, err) || !put_settings(&draft, order, platform, err) ||
        !put_recipe(&draft, order, epc_kib, err)) {
        return false;
    }
    CLEANUP(manifest_freep) Manifest *manifest = recipe_load(draft.dir_fd, err);
    CLEANUP(output_closep) Output *output = manifest == NULL ? NULL : output_open(order->output, err);
    if (output == NULL || !bundle_make(draft.dir_fd, manifest, output_fd(output), order->output, err) ||
        !output_commit(output, err)) {
        return false;
    }
    *ret_manifest = TAKE(manifest);
    return true;
}

/* "quote:0xe001,after=100,every=3" as an entry of `faults:`; values are checked when all is read back. */
static bool add_fault(Order *order, const char *spec) {
    AUTO_FREE char *copy = strdup(spec);
    char *rest = copy;
    const char *call = copy == NULL ? NULL : strsep(&rest, ":");
    const char *effect = rest == NULL ? NULL : strsep(&rest, ",");
    if (effect == NULL || !text_is_printable(spec, 128) || strpbrk(spec, "\"\\#[]{}") != NULL) {
        return false;
    }
    bool is_code = strncmp(effect, "0x", 2) == 0;
    bool done = buffer_append_format(&order->faults, "  - call: \"%s\"\n    effect: \"%s\"\n", call,
                                     is_code ? "code" : effect) &&
                (!is_code || buffer_append_format(&order->faults, "    code: \"%s\"\n", effect));
    for (char *pair = strsep(&rest, ","); done && pair != NULL; pair = strsep(&rest, ",")) {
        const char *key = strsep(&pair, "=");
        done = pair != NULL && buffer_append_format(&order->faults, "    %s: \"%s\"\n", key, pair);
    }
    return done;
}

enum {
    OPTION_PLATFORM = 256,
    OPTION_VERSION,
    OPTION_QE_SVN,
    OPTION_PCE_SVN,
    OPTION_ENCLAVE_VERSION,
    OPTION_FAULT
};

/* What is wrong with the option, NULL if nothing. */
static const char *take_option(Order *order, int option, const char *value) {
    switch (option) {
    case OPTION_PLATFORM:
        order->platform = value;
        return NULL;
    case OPTION_VERSION:
        order->version = value;
        return version_is_valid(value) ? NULL : "--version takes dotted numbers";
    case OPTION_QE_SVN:
        return text_parse_u32(value, 1, UINT16_MAX, &order->qe_svn) ? NULL : "--qe-svn is 1 to 65535";
    case OPTION_PCE_SVN:
        return text_parse_u32(value, 1, UINT16_MAX, &order->pce_svn) ? NULL : "--pce-svn is 1 to 65535";
    case OPTION_ENCLAVE_VERSION:
        order->enclave_version = value;
        return NULL;
    case OPTION_FAULT:
        return add_fault(order, value) ? NULL : "--fault is CALL:EFFECT[,after=N][,every=N]";
    default:
        order->output = value;
        return NULL;
    }
}

static int run(int argc, char **argv, Order *order) {
    static const struct option options[] = {
        {"platform", required_argument, NULL, OPTION_PLATFORM},
        {"version", required_argument, NULL, OPTION_VERSION},
        {"qe-svn", required_argument, NULL, OPTION_QE_SVN},
        {"pce-svn", required_argument, NULL, OPTION_PCE_SVN},
        {"enclave-version", required_argument, NULL, OPTION_ENCLAVE_VERSION},
        {"fault", required_argument, NULL, OPTION_FAULT},
        {"output", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1;) {
        if (option == 'h') {
            return tool_help(help);
        }
        if (option == '?' || option == ':') {
            return tool_misuse_option(argv, option);
        }
        const char *wrong = take_option(order, option, optarg);
        if (wrong != NULL) {
            return tool_misuse(argv[0], "%s", wrong);
        }
    }
    if (optind != argc || order->platform == NULL || order->version == NULL || order->output == NULL ||
        order->qe_svn == 0 || order->pce_svn == 0) {
        return tool_misuse(argv[0], "give --platform, --version, --qe-svn, --pce-svn and -o, nothing else");
    }
    order->enclave_version = order->enclave_version == NULL ? order->version : order->enclave_version;
    Error err = ERROR_INIT;
    CLEANUP(manifest_freep) Manifest *manifest = NULL;
    if (!make(order, &manifest, &err)) {
        return tool_fail(&err);
    }
    char hex[DIGEST_HEX_SIZE];
    digest_format(&manifest->digest, hex);
    (void)printf("%s: %s %s, simulated, %llu KiB of EPC\n  bundle  %s\n", order->output, manifest->name,
                 manifest->version, (unsigned long long)manifest->epc_kib, hex);
    return tool_finish();
}

int tool_sim(int argc, char **argv) {
    Order order = {.faults = BUFFER_INIT(RECIPE_MAX)};
    int status = run(argc, argv, &order);
    buffer_done(&order.faults);
    return status;
}
