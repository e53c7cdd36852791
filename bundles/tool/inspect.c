/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/text.h"
#include "bundles/tool/confine.h"
#include "bundles/tool/description.h"
#include "bundles/tool/survey.h"
#include "bundles/tool/tool.h"
#include "bundles/tool/trust.h"

static const char help[] =
    "usage: psw-bundle inspect FILE... [OPTION]...\n"
    "\n"
    "Says of every enclave in FILE what it is, who signed it, and whether its contents are what was signed.\n"
    "No SGX is needed. FILE is an enclave file, a SIGSTRUCT, a bundle (which is checked to its last byte as\n"
    "by 'psw-bundle verify'), a package (.deb, .rpm, or a tar archive), or a directory with such files at\n"
    "any depth (except tar archives).\n"
    "\n"
    "      --json         a list with one object an enclave instead of text (docs/enclaves.md)\n"
    "      --trust FILE   a trust policy to go by besides Intel's, up to 16 times; of a simulated platform\n"
    "                     it is PLATFORM/trust.yaml\n"
    "      --loose-form   accept enclaves that are not in the signing tool's exact form\n"
    "      --large        take files of up to 512 MiB instead of 64, and measure applications' enclaves of "
    "up\n"
    "                     to 32 GiB to hash, which takes half a minute, instead of 32 MiB\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit status 0: every enclave is verified: it has a role, its signer may sign for that role, its\n"
    "MRENCLAVE is the signed one. 5: some enclave is not. docs/operating.md has the others.\n"
    "\n"
    "Example:\n"
    "  psw-bundle inspect /usr/lib/x86_64-linux-gnu/libsgx_qe3.signed.so.1\n";

typedef struct Finding {
    char *path;
    EnclaveReport report;
} Finding;

enum { FINDINGS_MAX = 4096 };

typedef struct Inspection {
    EnclaveOptions options;
    json_t *list; /* NULL: text */
    Finding *pending[FINDINGS_MAX];
    size_t pending_count; /* of the bundle that is being read */
    bool in_bundle;
    bool large;
    bool all_verified;
    int status; /* of what went wrong last */
} Inspection;

static void finding_free(Finding *finding) {
    free(finding->path);
    free(finding);
}

static void drop_pending(Inspection *inspection) {
    for (size_t i = 0; i < inspection->pending_count; i++) {
        finding_free(inspection->pending[i]);
    }
    inspection->pending_count = 0;
    inspection->in_bundle = false;
}

static bool tell(Inspection *inspection, const Finding *finding, Error *err) {
    inspection->all_verified = inspection->all_verified && finding->report.verified;
    AUTO_FREE char *shown = text_show(finding->path);
    if (shown == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (inspection->list == NULL) {
        description_print_enclave(&finding->report, shown);
        return true;
    }
    const char *path = text_is_utf8(finding->path) ? finding->path : shown; /* JSON has no other letters */
    return json_array_append_new(inspection->list, enclave_report_json(&finding->report, path)) == 0 ||
           error_set(err, ERROR_MEMORY, "out of memory");
}

static void add_hint(const Inspection *inspection, EnclaveReport *report) {
    static const char hint[] = ": to examine it all the same, say --large";
    char *text = report->checks[ENCLAVE_CHECK_FORM].text;
    size_t length = strlen(text);
    if (report->too_large && !inspection->in_bundle && !inspection->large &&
        length + sizeof hint <= ENCLAVE_TEXT_MAX) {
        memcpy(text + length, hint, sizeof hint);
    }
}

static bool on_enclave(void *context, const char *path, Bytes content, Error *err) {
    Inspection *inspection = context;
    EnclaveOptions options = inspection->options;
    options.limits = inspection->in_bundle ? &image_limits_bundle
                     : inspection->large   ? &image_limits_any
                                           : &image_limits_look;
    Finding *finding = calloc(1, sizeof *finding);
    if (finding == NULL || (finding->path = strdup(path)) == NULL) {
        free(finding);
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    bool good = enclave_examine(content, &options, &finding->report, err);
    add_hint(inspection, &finding->report);
    if (good && inspection->in_bundle && inspection->pending_count < FINDINGS_MAX) {
        inspection->pending[inspection->pending_count++] = finding;
        return true;
    }
    good = good && tell(inspection, finding, err);
    finding_free(finding);
    return good;
}

/* A bundle's enclaves are told of when the rest of it was found right. */
static bool on_bundle(void *context, const char *path, const Manifest *manifest, uint64_t size, bool complete,
                      Error *err) {
    Inspection *inspection = context;
    bool good = true;
    inspection->in_bundle = !complete;
    if (!complete) {
        return true;
    }
    if (inspection->list == NULL) {
        AUTO_FREE char *shown = text_show(path);
        (void)printf("%s: ", shown != NULL ? shown : "?");
        description_print_bundle(manifest, size);
    }
    for (size_t i = 0; good && i < inspection->pending_count; i++) {
        good = tell(inspection, inspection->pending[i], err);
    }
    drop_pending(inspection);
    return good;
}

static void on_trouble(void *context, const Error *trouble) {
    Inspection *inspection = context;
    drop_pending(inspection);
    inspection->status = tool_fail(trouble);
}

/* What goes wrong with one file is told, and the others are looked at all the same. */
static void inspect_all(Inspection *inspection, char **paths) {
    const SurveyVisitor visitor = {.context = inspection,
                                   .file_size_max =
                                       inspection->large ? SURVEY_FILE_SIZE_MAX : image_limits_look.file_size,
                                   .entries_max = SURVEY_ENTRIES_MAX,
                                   .enclave = on_enclave,
                                   .bundle = on_bundle,
                                   .trouble = on_trouble};
    for (; *paths != NULL; paths++) {
        Error err = ERROR_INIT;
        if (!survey_path(*paths, &visitor, &err)) {
            on_trouble(inspection, &err);
        }
    }
}

static bool print_list(const json_t *list, Error *err) {
    AUTO_FREE char *text = json_format(list, true);
    return text != NULL ? puts(text) >= 0 : error_set(err, ERROR_MEMORY, "out of memory");
}

static int run(Inspection *inspection, char **paths, const Trust *trust) {
    Error err = ERROR_INIT;
    CLEANUP(signers_freep) SignerPolicy *policy = trust_load(trust, &err);
    if (policy == NULL || !confine_reading(&err)) {
        return tool_fail(&err);
    }
    inspection->options.policy = policy;
    inspect_all(inspection, paths);
    if (inspection->list != NULL && !print_list(inspection->list, &err)) {
        return tool_fail(&err);
    }
    int finished = tool_finish();
    int verdict = inspection->all_verified ? 0 : error_kind_exit_status(ERROR_VERIFY);
    return finished != 0 ? finished : inspection->status != 0 ? inspection->status : verdict;
}

enum { OPTION_JSON = 256, OPTION_TRUST, OPTION_LOOSE_FORM, OPTION_LARGE };

static int parse_and_run(int argc, char **argv, Inspection *inspection) {
    static const struct option options[] = {{"json", no_argument, NULL, OPTION_JSON},
                                            {"trust", required_argument, NULL, OPTION_TRUST},
                                            {"loose-form", no_argument, NULL, OPTION_LOOSE_FORM},
                                            {"large", no_argument, NULL, OPTION_LARGE},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    Trust trust = {0};
    bool json = false;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
        switch (option) {
        case OPTION_JSON:
            json = true;
            break;
        case OPTION_TRUST:
            if (!trust_add(&trust, optarg)) {
                return tool_misuse(argv[0], "at most %d --trust", TRUST_MAX);
            }
            break;
        case OPTION_LOOSE_FORM:
            inspection->options.allow_loose_form = true;
            break;
        case OPTION_LARGE:
            inspection->large = true;
            break;
        case 'h':
            return tool_help(help);
        default:
            return tool_misuse_option(argv, option);
        }
    }
    if (optind == argc) {
        return tool_misuse(argv[0], "which file?");
    }
    CLEANUP(json_freep) json_t *list = json ? json_array() : NULL;
    inspection->list = list;
    return run(inspection, argv + optind, &trust);
}

int tool_inspect(int argc, char **argv) {
    Inspection *inspection = calloc(1, sizeof *inspection);
    if (inspection == NULL) {
        Error err = ERROR_INIT;
        error_set(&err, ERROR_MEMORY, "out of memory");
        return tool_fail(&err);
    }
    inspection->all_verified = true;
    inspection->options.now = clock_wall_s();
    int status = parse_and_run(argc, argv, inspection);
    free(inspection);
    return status;
}
