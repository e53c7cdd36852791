/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "bundles/tool/tool.h"

typedef struct Command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} Command;

static const Command commands[] = {
    {"make", "make a bundle from a directory with a bundle.yaml", tool_make},
    {"import", "make a bundle of Intel's packages", tool_import},
    {"inspect", "say what enclaves are in files and bundles, and verify them", tool_inspect},
    {"verify", "check every byte of a bundle", tool_verify},
    {"diff", "say what an update from one bundle to another changes", tool_diff},
    {"unpack", "verify a bundle and unpack it into a directory", tool_unpack},
    {"repo", "make and maintain a TUF repository of bundles", tool_repo},
    {"sim-platform", "make a simulated SGX platform", tool_sim_platform},
    {"sim", "make a bundle of simulated enclaves for such a platform", tool_sim},
    {"sim-report", "make an application's report on such a platform", tool_sim_report},
};
enum { COMMANDS_COUNT = sizeof commands / sizeof *commands };

static int print_help(void) {
    (void)printf("usage: psw-bundle COMMAND [OPTION]... [FILE]...\n"
                 "\n"
                 "Makes and examines bundles: one file with the enclaves that make SGX quotes on a node and\n"
                 "the libraries that drive them.\n"
                 "\n");
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        (void)printf("  %-13s %s\n", commands[i].name, commands[i].summary);
    }
    return tool_help(
        "\n"
        "psw-bundle COMMAND --help explains a command, psw-bundle --version says which this is.\n"
        "A first bundle: write DIR/bundle.yaml (man psw-bundle), then\n"
        "  psw-bundle make DIR -o my.pswb && psw-bundle inspect my.pswb\n");
}

int main(int argc, char **argv) {
    if (argc < 2) {
        (void)fprintf(stderr, "psw-bundle: which command? (see: psw-bundle --help)\n");
        return error_kind_exit_status(ERROR_USAGE);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        return print_help();
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("psw-bundle %s\n", PSW_VERSION);
        return tool_finish();
    }
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    (void)fprintf(stderr, "psw-bundle: there is no command '%s' (see: psw-bundle --help)\n", argv[1]);
    return error_kind_exit_status(ERROR_USAGE);
}
