/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/text.h"
#include "bundles/tool/repo.h"
#include "bundles/tool/tool.h"

/* The letters are names for `allowed`; those without a short form on the command line are upper case. */
static const struct option longs[] = {{"as", required_argument, NULL, 'A'},
                                      {"bits", required_argument, NULL, 'B'},
                                      {"custom", required_argument, NULL, 'C'},
                                      {"dry-run", no_argument, NULL, 'D'},
                                      {"from", required_argument, NULL, 'F'},
                                      {"hash-prefix", required_argument, NULL, 'H'},
                                      {"json", no_argument, NULL, 'J'},
                                      {"keep", required_argument, NULL, 'K'},
                                      {"key", required_argument, NULL, 'k'},
                                      {"keyid", required_argument, NULL, 'I'},
                                      {"no-keys", no_argument, NULL, 'N'},
                                      {"output", required_argument, NULL, 'o'},
                                      {"passphrase-file", required_argument, NULL, 'P'},
                                      {"path", required_argument, NULL, 'p'},
                                      {"remove", no_argument, NULL, 'R'},
                                      {"role", required_argument, NULL, 'r'},
                                      {"terminating", no_argument, NULL, 'T'},
                                      {"threshold", required_argument, NULL, 'n'},
                                      {"type", required_argument, NULL, 't'},
                                      {"within", required_argument, NULL, 'w'},
                                      {"help", no_argument, NULL, 'h'},
                                      {NULL, 0, NULL, 0}};

static bool list_add(const char **list, size_t *count, const char *value) {
    if (*count == REPO_LIST_MAX) {
        return false;
    }
    list[(*count)++] = value;
    return true;
}

static bool set_list(RepoOptions *options, int option) {
    switch (option) {
    case 'k':
        return list_add(options->keys, &options->keys_count, optarg);
    case 'r':
        return list_add(options->roles, &options->roles_count, optarg);
    case 'p':
        return list_add(options->paths, &options->paths_count, optarg);
    default:
        return list_add(options->prefixes, &options->prefixes_count, optarg);
    }
}

static bool set_number(RepoOptions *options, int option) {
    uint64_t value;
    if (option == 'n') {
        if (!text_parse_u64(optarg, 1, 256, &value)) {
            return false;
        }
        options->threshold = (int64_t)value;
        return true;
    }
    if (option == 'B') {
        if (!text_parse_u64(optarg, 1, TUF_REPOSITORY_BITS_MAX, &value)) {
            return false;
        }
        options->bits = (unsigned)value;
        return true;
    }
    if (!text_parse_duration(optarg, &value)) {
        return false;
    }
    *(option == 'K' ? &options->keep : &options->within) = (int64_t)(value / 1000);
    return true;
}

static bool set_option(RepoOptions *options, int option) {
    switch (option) {
    case 'A':
        options->as = optarg;
        return true;
    case 'C':
        options->custom = optarg;
        return true;
    case 'F':
        options->from = optarg;
        return true;
    case 'I':
        options->keyid = optarg;
        return true;
    case 'o':
        options->output = optarg;
        return true;
    case 'P':
        options->passphrase_file = optarg;
        return true;
    case 't':
        options->type = optarg;
        return true;
    case 'J':
        options->json = true;
        return true;
    case 'N':
        options->no_keys = true;
        return true;
    case 'T':
        options->terminating = true;
        return true;
    case 'R':
        options->remove = true;
        return true;
    case 'D':
        options->dry_run = true;
        return true;
    case 'B':
    case 'K':
    case 'n':
    case 'w':
        return set_number(options, option);
    default:
        return set_list(options, option);
    }
}

bool repo_options_parse(int argc, char **argv, const char *allowed, const char *help,
                        RepoOptions *ret_options, int *ret_status) {
    RepoOptions options = {.within = -1, .keep = -1};
    char command[32];
    (void)snprintf(command, sizeof command, "repo %s", argv[0]);
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":hk:o:r:", longs, NULL)) != -1;) {
        if (option == 'h') {
            *ret_status = tool_help(help);
            return false;
        }
        if (option == '?' || option == ':') {
            *ret_status = tool_misuse_option(argv, option);
            return false;
        }
        if (strchr(allowed, option) == NULL) {
            *ret_status = tool_misuse(command, "option %s is not for this verb", argv[optind - 1]);
            return false;
        }
        if (!set_option(&options, option)) {
            *ret_status = tool_misuse(command, "value '%s' is not understood or too much", optarg);
            return false;
        }
    }
    if (optind >= argc) {
        *ret_status = tool_misuse(command, "give the repository's directory");
        return false;
    }
    options.directory = argv[optind];
    options.arguments = (const char *const *)&argv[optind + 1];
    options.arguments_count = (size_t)(argc - optind - 1);
    *ret_options = options;
    return true;
}
