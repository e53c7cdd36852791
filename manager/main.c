/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/log.h"
#include "manager/config.h"
#include "manager/daemon.h"
#include "manager/gatekeeper.h"

static const char usage[] =
    "usage: psw-manager [--config FILE] [--check]\n"
    "\n"
    "The manager daemon: fetches, verifies, stages, tests and swaps PSW bundles while quotes are being "
    "made.\n"
    "It runs in the foreground; pswctl talks to it.\n"
    "\n"
    "  --config FILE  configuration (default " CONFIG_PATH_DEFAULT ")\n"
    "  --check        only read the configuration, look for quoted, and say whether all is good\n"
    "  --help         this text\n"
    "  --version      the version\n"
    "\n"
    "Stopping it leaves quoted serving; a new manager finds it again. See psw-manager(8), manager.yaml(5).\n";

typedef struct Options {
    const char *config;
    bool check;
    bool done; /* what was asked for has been printed */
} Options;

static bool parse(int argc, char **argv, Options *options) {
    static const struct option names[] = {{"config", required_argument, NULL, 'c'},
                                          {"check", no_argument, NULL, 'k'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    int option = 0;
    while ((option = getopt_long(argc, argv, "c:h", names, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->config = optarg;
            break;
        case 'k':
            options->check = true;
            break;
        case 'h':
            (void)fputs(usage, stdout);
            options->done = true;
            return true;
        case 'v':
            (void)puts("psw-manager " PSW_VERSION);
            options->done = true;
            return true;
        default:
            return false;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "psw-manager: '%s' is one argument too many\n", argv[optind]);
        return false;
    }
    return true;
}

static bool run(const Options *options, Error *err) {
    CLEANUP(config_freep) Config *config = config_load(options->config, err);
    if (config == NULL && err->kind == ERROR_NOT_FOUND) {
        return error_set(
            err, ERROR_NOT_FOUND,
            "%s does not exist: write it ('{}' gives every default), or name another with --config",
            options->config);
    }
    if (config == NULL || !gatekeeper_check(config, err)) {
        return false;
    }
    if (options->check) {
        if (!daemon_check(config, err)) {
            return false;
        }
        (void)printf("%s is good\n", options->config);
        return true;
    }
    log_open("psw-manager", config->log_level);
    return daemon_run(config, err);
}

int main(int argc, char **argv) {
    Options options = {.config = CONFIG_PATH_DEFAULT};
    Error err = ERROR_INIT;
    if (!parse(argc, argv, &options)) {
        (void)fputs("Try 'psw-manager --help'.\n", stderr);
        return error_kind_exit_status(ERROR_USAGE);
    }
    if (!options.done && !run(&options, &err)) {
        (void)fprintf(stderr, "psw-manager: %s\n", err.text);
        return error_kind_exit_status(err.kind);
    }
    return 0;
}
