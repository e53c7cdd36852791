/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "bundles/sim/platform_author.h"
#include "bundles/tool/tool.h"

static const char help[] =
    "usage: psw-bundle sim-platform -o DIR [--ca processor|platform]\n"
    "\n"
    "Makes DIR, a simulated SGX platform: a secret seed in place of the processor's fuses, the signers of "
    "its\n"
    "enclaves, a PKI of its own (\"Simulated SGX Root CA\", never Intel's), collateral, and knobs to turn "
    "in\n"
    "DIR/platform.yaml. Quotes made on it are genuine in form and verify under DIR/root.pem only.\n"
    "\n"
    "  -o, --output DIR  a directory that does not exist or is empty\n"
    "      --ca KIND     who issues the PCK certificates: processor (default) or platform\n"
    "  -h, --help        this text\n"
    "\n"
    "Next: psw-bundle sim --platform DIR --version 1.0 --qe-svn 8 --pce-svn 13 -o sim-1.0.pswb\n";

int tool_sim_platform(int argc, char **argv) {
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"ca", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *path = NULL;
    const char *ca = "processor";
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1;) {
        switch (option) {
        case 'o':
            path = optarg;
            break;
        case 'c':
            ca = optarg;
            break;
        case 'h':
            return tool_help(help);
        default:
            return tool_misuse_option(argv, option);
        }
    }
    if (path == NULL || optind != argc) {
        return tool_misuse(argv[0], path == NULL ? "where to? give -o DIR" : "it takes no other arguments");
    }
    const SimPlatformSpec spec = {.multi_package = strcmp(ca, "platform") == 0};
    if (!spec.multi_package && strcmp(ca, "processor") != 0) {
        return tool_misuse(argv[0], "--ca is processor or platform, not '%s'", ca);
    }
    Error err = ERROR_INIT;
    if (!sim_platform_create(path, &spec, &err)) {
        return tool_fail(&err);
    }
    (void)printf("%s: simulated platform, collateral good for %d days\n", path, SIM_PLATFORM_COLLATERAL_DAYS);
    return tool_finish();
}
