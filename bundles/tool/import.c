/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/import.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/bundle.h"
#include "bundles/tool/confine.h"
#include "bundles/tool/draft.h"
#include "bundles/tool/output.h"
#include "bundles/tool/tool.h"
#include "bundles/tool/trust.h"
#include "bundles/version.h"

CLEANUP_DEFINE(Manifest, manifest_free)

static const char help[] =
    "usage: psw-bundle import PACKAGE... -o FILE [OPTION]...\n"
    "\n"
    "Makes FILE, a bundle, of Intel's packages: .deb, .rpm, or tar archives of prebuilt files. Takes QE3, "
    "ID\n"
    "enclave, PCE and the libraries that drive them, by what they are and not by their names, and says what\n"
    "it took and what it left. The enclaves have to be verified and of one release.\n"
    "\n"
    "  -o, --output FILE    where to write; replaced as a whole if it exists\n"
    "      --name NAME      of the bundle (default: psw-dcap)\n"
    "      --version V      of the bundle (default: that of the package with the quote library)\n"
    "      --vendor TEXT    (default: Intel Corporation)\n"
    "      --trust FILE     a trust policy to go by besides Intel's, up to 16 times\n"
    "      --releases FILE  a table of releases instead of the built-in one (config/trust/releases.yaml)\n"
    "      --json           what was taken and left as JSON\n"
    "  -h, --help           this text\n"
    "\n"
    "Example, after 'apt-get download' of the packages:\n"
    "  psw-bundle import libsgx-ae-*.deb libsgx-dcap-ql_*.deb libsgx-*-logic_*.deb libsgx-urts_*.deb \\\n"
    "      libsgx-enclave-common_*.deb libsgx-dcap-default-qpl_*.deb -o psw-dcap.pswb\n";

typedef struct Order { /* the command line */
    ImportOptions options;
    Trust trust;
    const char *releases;
    const char *output;
    bool json;
} Order;

static void print_text(const Import *import, const Manifest *manifest, const Order *order) {
    char hex[DIGEST_HEX_SIZE];
    for (size_t i = 0; i < import_items_count(import); i++) {
        const ImportItem *item = import_item(import, i);
        (void)printf("%s %s: %s%s%s: %s\n", item->as != NULL ? "took" : "left", item->package, item->path,
                     item->as != NULL ? " as " : "", item->as != NULL ? item->as : "", item->text);
    }
    const size_t others = import_others_count(import);
    (void)printf("left %zu other %s: programs' data, documentation, configuration\n", others,
                 text_plural(others, "file", "files"));
    if (manifest != NULL) {
        digest_format(&manifest->digest, hex);
        (void)printf("%s: %s %s, %zu %s, %llu KiB of EPC\n  bundle  %s\n", order->output, manifest->name,
                     manifest->version, manifest->files_count,
                     text_plural(manifest->files_count, "file", "files"),
                     (unsigned long long)manifest->epc_kib, hex);
    }
}

static json_t *items_json(const Import *import) {
    CLEANUP(json_freep) json_t *list = json_array();
    for (size_t i = 0; i < import_items_count(import); i++) {
        const ImportItem *item = import_item(import, i);
        json_t *object = json_pack("{s:s, s:s, s:s?, s:s}", "package", item->package, "path", item->path,
                                   "as", item->as, "text", item->text);
        if (json_array_append_new(list, object) != 0) {
            return NULL;
        }
    }
    return json_incref(list);
}

static bool print_json(const Import *import, const Manifest *manifest, Error *err) {
    char hex[DIGEST_HEX_SIZE];
    digest_format(&manifest->digest, hex);
    CLEANUP(json_freep)
    json_t *document =
        json_pack("{s:s, s:s, s:s, s:o, s:I}", "name", manifest->name, "version", manifest->version, "digest",
                  hex, "files", items_json(import), "others", (json_int_t)import_others_count(import));
    AUTO_FREE char *text = document != NULL ? json_format(document, true) : NULL;
    return text != NULL ? puts(text) >= 0
                        : error_set(err, ERROR_MEMORY, "out of memory, or a path is not UTF-8");
}

/* What the child gets: everything is open. */
typedef struct Work {
    const Order *order;
    const Draft *draft;
    char **paths;
    const int *packages; /* a descriptor a path */
    int output_fd;
} Work;

static bool write_bundle(Import *import, const Work *work, Manifest **ret_manifest, Error *err) {
    CLEANUP(manifest_freep) Manifest *manifest = import_finish(import, err);
    if (manifest == NULL ||
        !bundle_make(work->draft->dir_fd, manifest, work->output_fd, work->order->output, err)) {
        return false;
    }
    *ret_manifest = TAKE(manifest);
    return true;
}

static bool import_work(void *context, char said[CONFINE_SAID_SIZE], Error *err) {
    (void)said;
    const Work *work = context;
    const Order *order = work->order;
    CLEANUP(import_freep) Import *import = import_new(&order->options, work->draft->dir_fd, err);
    CLEANUP(manifest_freep) Manifest *manifest = NULL;
    bool good = import != NULL;
    for (size_t i = 0; good && work->paths[i] != NULL; i++) {
        good = import_add(import, work->packages[i], work->paths[i], err);
    }
    good = good && write_bundle(import, work, &manifest, err);
    if (good && order->json) {
        return print_json(import, manifest, err);
    }
    if (import != NULL && !order->json) {
        print_text(import, manifest, order); /* after a failure it shows what there was */
    }
    return good;
}

static bool open_packages(char **paths, int *packages, Error *err) {
    for (size_t i = 0; paths[i] != NULL; i++) {
        packages[i] = file_open(AT_FDCWD, paths[i], O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);
        if (packages[i] < 0) {
            return false;
        }
    }
    return true;
}

/* The descriptors last as long as the process. */
static bool import_all(const Order *order, char **paths, size_t count, Error *err) {
    AUTO_FREE int *packages = calloc(count, sizeof *packages);
    if (packages == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    CLEANUP(draft_close) Draft draft;
    if (!draft_open(&draft, err) || !open_packages(paths, packages, err)) {
        return false;
    }
    CLEANUP(output_closep) Output *output = output_open(order->output, err);
    char said[CONFINE_SAID_SIZE];
    Work work = {.order = order, .draft = &draft, .paths = paths, .packages = packages};
    if (output == NULL) {
        return false;
    }
    work.output_fd = output_fd(output);
    return confine_work(draft.dir_fd, import_work, &work, said, err) && output_commit(output, err);
}

static int run(Order *order, char **paths, size_t count) {
    Error err = ERROR_INIT;
    CLEANUP(signers_freep) SignerPolicy *signers = trust_load(&order->trust, &err);
    CLEANUP(releases_freep)
    Releases *releases = signers == NULL           ? NULL
                         : order->releases != NULL ? releases_load(AT_FDCWD, order->releases, &err)
                                                   : releases_new(&err);
    if (releases == NULL) {
        return tool_fail(&err);
    }
    order->options.signers = signers;
    order->options.releases = releases;
    order->options.own_releases = order->releases != NULL;
    order->options.now = clock_wall_s();
    return import_all(order, paths, count, &err) ? tool_finish() : tool_fail(&err);
}

enum { OPTION_NAME = 256, OPTION_VERSION, OPTION_VENDOR, OPTION_TRUST, OPTION_RELEASES, OPTION_JSON };

/* What is wrong with the option, NULL if nothing. */
static const char *take_option(Order *order, int option, const char *value) {
    switch (option) {
    case OPTION_NAME:
        order->options.name = value;
        return NULL;
    case OPTION_VERSION:
        order->options.version = value;
        return version_is_valid(value) ? NULL : "--version takes dotted numbers";
    case OPTION_VENDOR:
        order->options.vendor = value;
        return NULL;
    case OPTION_TRUST:
        return trust_add(&order->trust, value) ? NULL : "too many --trust";
    case OPTION_RELEASES:
        order->releases = value;
        return NULL;
    case OPTION_JSON:
        order->json = true;
        return NULL;
    default:
        order->output = value;
        return NULL;
    }
}

int tool_import(int argc, char **argv) {
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"name", required_argument, NULL, OPTION_NAME},
                                            {"version", required_argument, NULL, OPTION_VERSION},
                                            {"vendor", required_argument, NULL, OPTION_VENDOR},
                                            {"trust", required_argument, NULL, OPTION_TRUST},
                                            {"releases", required_argument, NULL, OPTION_RELEASES},
                                            {"json", no_argument, NULL, OPTION_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    Order order = {.options = {.name = "psw-dcap"}};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1;) {
        if (option == 'h') {
            return tool_help(help);
        }
        if (option == '?' || option == ':') {
            return tool_misuse_option(argv, option);
        }
        const char *wrong = take_option(&order, option, optarg);
        if (wrong != NULL) {
            return tool_misuse(argv[0], "%s", wrong);
        }
    }
    if (optind == argc || order.output == NULL) {
        return tool_misuse(argv[0], order.output == NULL ? "where to? give -o FILE" : "which packages?");
    }
    return run(&order, argv + optind, (size_t)(argc - optind));
}
