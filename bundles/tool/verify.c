/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>

#include "bundles/base/cleanup.h"
#include "bundles/tool/confine.h"
#include "bundles/tool/description.h"
#include "bundles/tool/source.h"
#include "bundles/tool/tool.h"

static const char help[] =
    "usage: psw-bundle verify FILE [--json]\n"
    "\n"
    "Reads a bundle to its last byte and checks every rule of the format: the manifest, the names and the\n"
    "order of the files, sizes, modes, SHA-256, and the seal over the whole file. It says nothing about who\n"
    "made the bundle, and of its enclaves only that they are whole: 'psw-bundle inspect' verifies those.\n"
    "\n"
    "      --json  what the bundle is, needs and contains, as one JSON document (docs/bundle-format.md)\n"
    "  -h, --help  this text\n"
    "\n"
    "Exit status 0: all is well. 4: malformed. 5: well-formed, but the contents are not what the manifest\n"
    "or the seal says. 6: beyond a limit. docs/operating.md has the others.\n";

static int print_json(const Manifest *manifest, uint64_t file_size) {
    CLEANUP(json_freep) json_t *document = description_bundle_json(manifest, file_size);
    AUTO_FREE char *text = document == NULL ? NULL : json_format(document, true);
    if (text == NULL) {
        Error err = ERROR_INIT;
        error_set(&err, ERROR_MEMORY, "out of memory");
        return tool_fail(&err);
    }
    (void)puts(text);
    return tool_finish();
}

int tool_verify(int argc, char **argv) {
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
    if (optind + 1 != argc) {
        return tool_misuse(argv[0], "give one file");
    }
    Error err = ERROR_INIT;
    CLEANUP(source_done) Source source = SOURCE_INIT;
    BundleReading reading = {.into_fd = -1};
    if (!confine_reading(&err) || !source_open(&source, argv[optind], &err) ||
        !bundle_read(source.bundle, &reading, &err)) {
        return tool_fail(&err);
    }
    const Manifest *manifest = bundle_manifest(source.bundle);
    if (json) {
        return print_json(manifest, source.size);
    }
    char hex[DIGEST_HEX_SIZE];
    digest_format(&manifest->digest, hex);
    (void)printf("%s: %s %s is whole\n  bundle  %s\n", argv[optind], manifest->name, manifest->version, hex);
    return tool_finish();
}
