/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/bundle.h"
#include "bundles/recipe.h"
#include "bundles/tool/output.h"
#include "bundles/tool/tool.h"

static const char help[] =
    "usage: psw-bundle make DIR -o FILE\n"
    "\n"
    "Makes FILE, a bundle, from the files in DIR that DIR/" RECIPE_NAME " names. Sizes and SHA-256 are\n"
    "computed; the same directory always gives the same bytes.\n"
    "\n"
    "  -o, --output FILE  where to write; replaced as a whole if it exists\n"
    "  -h, --help         this text\n"
    "\n"
    "A " RECIPE_NAME ":\n"
    "  format: 1\n"
    "  name: psw-dcap\n"
    "  version: \"1.23.100.0\"\n"
    "  vendor: Example Inc.\n"
    "  description: Quoting enclaves of 1.23\n"
    "  requires:\n"
    "    drivers:\n"
    "      - flavour: in-kernel\n"
    "  files:\n"
    "    - {path: lib/libsgx_dcap_ql.so.1, role: quote_library}\n"
    "    - {path: lib/libsgx_qe3.signed.so, role: qe3}\n"
    "    - {path: lib/libsgx_id_enclave.signed.so, role: id_enclave}\n"
    "    - {path: lib/libsgx_pce.signed.so, role: pce}\n"
    "Further roles: qe3_logic, pce_logic, runtime, provider, data. man psw-bundle tells the rest.\n";

CLEANUP_DEFINE(Manifest, manifest_free)

/* Gives the digests of the bundle and of the file. */
static bool make(const char *directory, const char *path, Manifest **ret_manifest, Digest *ret_file,
                 Error *err) {
    AUTO_CLOSE int dir_fd = file_open_directory(AT_FDCWD, directory, err);
    if (dir_fd < 0) {
        return false;
    }
    CLEANUP(manifest_freep) Manifest *manifest = recipe_load(dir_fd, err);
    if (manifest == NULL) {
        return error_wrap(err, "%s", directory);
    }
    CLEANUP(output_closep) Output *output = output_open(path, err);
    if (output == NULL || !bundle_make(dir_fd, manifest, output_fd(output), path, err)) {
        return false;
    }
    if (lseek(output_fd(output), 0, SEEK_SET) != 0 || !digest_of_fd(output_fd(output), ret_file, err) ||
        !output_commit(output, err)) {
        return false;
    }
    *ret_manifest = TAKE(manifest);
    return true;
}

int tool_make(int argc, char **argv) {
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    const char *path = NULL;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1;) {
        switch (option) {
        case 'o':
            path = optarg;
            break;
        case 'h':
            return tool_help(help);
        default:
            return tool_misuse_option(argv, option);
        }
    }
    if (optind + 1 != argc || path == NULL) {
        return tool_misuse(argv[0], path == NULL ? "where to? give -o FILE" : "give one directory");
    }
    Error err = ERROR_INIT;
    CLEANUP(manifest_freep) Manifest *manifest = NULL;
    Digest file;
    if (!make(argv[optind], path, &manifest, &file, &err)) {
        return tool_fail(&err);
    }
    char hex[DIGEST_HEX_SIZE];
    digest_format(&manifest->digest, hex);
    (void)printf("%s: %s %s\n  bundle  %s\n", path, manifest->name, manifest->version, hex);
    digest_format(&file, hex);
    (void)printf("  file    %s\n", hex);
    return tool_finish();
}
