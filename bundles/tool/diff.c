/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/diff.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/sgx/enclave.h"
#include "bundles/tool/confine.h"
#include "bundles/tool/source.h"
#include "bundles/tool/tool.h"
#include "bundles/tool/trust.h"

static const char help[] =
    "usage: psw-bundle diff A B [--json]\n"
    "\n"
    "Says what an update from bundle A to bundle B changes: ISVSVNs, MRENCLAVEs, EPC, what is required of "
    "the\n"
    "node, files, and what operators and applications will notice. Both are checked to their last byte, but\n"
    "whether the enclaves are to be trusted is not asked: 'psw-bundle inspect' does that.\n"
    "\n"
    "      --json  one JSON document instead of text (docs/enclaves.md)\n"
    "  -h, --help  this text\n";

enum { TEXT_MAX = 256 * 1024 };

typedef struct Side {
    Source source;
    DiffSide diff;
    const SignerPolicy *policy;
} Side;

/* How much EPC an enclave takes is in its layout. */
static bool on_enclave(void *context, const ManifestFile *file, Bytes content, Error *err) {
    Side *side = context;
    const EnclaveOptions options = {
        .policy = side->policy, .now = clock_wall_s(), .limits = &image_limits_bundle};
    EnclaveReport report;
    if (!enclave_examine(content, &options, &report, err)) {
        return false;
    }
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        if (release_roles[i] == file->role) {
            side->diff.epc_kib[i] = report.epc_kib;
        }
    }
    return true;
}

static bool side_read(Side *side, const char *path, Error *err) {
    const BundleReading reading = {.into_fd = -1, .context = side, .enclave = on_enclave};
    if (!source_open(&side->source, path, err) || !bundle_read(side->source.bundle, &reading, err)) {
        return false;
    }
    side->diff.manifest = bundle_manifest(side->source.bundle);
    return true;
}

static void side_done(Side *side) {
    source_done(&side->source);
}

static bool print(const json_t *diff, bool json, Error *err) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(TEXT_MAX);
    if (!json) {
        return diff_format(diff, &text) ? fputs(buffer_text(&text), stdout) >= 0
                                        : error_set(err, ERROR_MEMORY, "out of memory");
    }
    AUTO_FREE char *document = json_format(diff, true);
    return document != NULL ? puts(document) >= 0 : error_set(err, ERROR_MEMORY, "out of memory");
}

static bool compare(char **paths, bool json, Error *err) {
    const Trust none = {0};
    CLEANUP(signers_freep) SignerPolicy *policy = trust_load(&none, err);
    CLEANUP(side_done) Side from = {.source = SOURCE_INIT, .policy = policy};
    CLEANUP(side_done) Side to = {.source = SOURCE_INIT, .policy = policy};
    if (policy == NULL || !confine_reading(err) || !side_read(&from, paths[0], err) ||
        !side_read(&to, paths[1], err)) {
        return false;
    }
    CLEANUP(json_freep) json_t *diff = diff_json(&from.diff, &to.diff);
    return diff != NULL ? print(diff, json, err) : error_set(err, ERROR_MEMORY, "out of memory");
}

int tool_diff(int argc, char **argv) {
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    bool json = false;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
        switch (option) {
        case 'j':
            json = true;
            break;
        case 'h':
            return tool_help(help);
        default:
            return tool_misuse_option(argv, option);
        }
    }
    if (optind + 2 != argc) {
        return tool_misuse(argv[0], "give two bundles");
    }
    Error err = ERROR_INIT;
    return compare(argv + optind, json, &err) ? tool_finish() : tool_fail(&err);
}
