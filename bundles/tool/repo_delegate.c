/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/tool/repo.h"
#include "bundles/tool/tool.h"

static const char help[] =
    "usage: psw-bundle repo delegate DIR ROLE --key KEY... (--path PATTERN... | --hash-prefix HEX...)\n"
    "                                [--threshold N] [--terminating] [--from ROLE]\n"
    "       psw-bundle repo delegate DIR PREFIX --bits N --key KEY... [--threshold N] [--from ROLE]\n"
    "       psw-bundle repo delegate DIR ROLE|PREFIX --remove [--from ROLE]\n"
    "\n"
    "Lets ROLE speak for target paths. Roles are searched in the order in which they were delegated to; the\n"
    "first that lists a path wins. Delegating to a role again changes its paths and adds keys.\n"
    "\n"
    "With --bits, all paths are spread over 2^N roles of the same keys, PREFIX-0 and so on, by the hash of "
    "the\n"
    "path (succinct hash bins, TAP 15). The other verbs find the bin by themselves when PREFIX is their "
    "--role.\n"
    "A role delegates either to bins or to roles by name. Nodes read a channel over at most 32 roles.\n"
    "\n"
    "  -k, --key KEY          a key of the role (psw-bundle repo key --help); its public part is enough\n"
    "      --path PATTERN     '*' and '?' match within one part of a path: vendor/*.pswb\n"
    "      --hash-prefix HEX  start of the path's SHA-256\n"
    "      --bits N           2^N bins, N from 1 to 10\n"
    "      --threshold N      how many of its keys must sign (1)\n"
    "      --terminating      what this role does not list under its paths does not exist\n"
    "      --from ROLE        who delegates: targets (default) or a delegated role\n"
    "      --remove           take the delegation back; nodes find nothing of the role any more\n"
    "  -h, --help             this text\n";

static bool delegate(TufRepository *repository, const RepoOptions *options, const char *from, Error *err) {
    CLEANUP(repo_keys_done) RepoKeys keys = {0};
    TufRepositoryDelegation delegation = {.from = from,
                                          .name = options->arguments[0],
                                          .terminating = options->terminating,
                                          .paths = options->paths,
                                          .paths_count = options->paths_count,
                                          .hash_prefixes = options->prefixes,
                                          .hash_prefixes_count = options->prefixes_count,
                                          .bit_length = options->bits,
                                          .threshold = options->threshold};
    return repo_keys_load(&keys, options, err) &&
           tuf_repository_delegate(repository, &delegation, keys.signers, keys.count, err);
}

int repo_delegate(int argc, char **argv) {
    RepoOptions options;
    int status;
    Error err = ERROR_INIT;
    if (!repo_options_parse(argc, argv, "kpHnTFPBR", help, &options, &status)) {
        return status;
    }
    int kinds = (options.paths_count > 0) + (options.prefixes_count > 0) + (options.bits > 0);
    if (options.arguments_count != 1) {
        return tool_misuse("repo delegate", "give one role");
    }
    if (kinds + options.remove != 1) {
        return tool_misuse("repo delegate", "give one kind of --path, --hash-prefix, --bits and --remove");
    }
    if (options.remove ? options.keys_count > 0 || options.threshold > 0 || options.terminating
                       : options.bits > 0 && options.terminating) {
        return tool_misuse("repo delegate", options.remove ? "--remove goes with --from only"
                                                           : "bins end the search by themselves");
    }
    const char *from = options.from != NULL ? options.from : "targets", *role = options.arguments[0];
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options.directory, clock_wall_s(), &err);
    if (repository == NULL || !(options.remove ? tuf_repository_undelegate(repository, from, role, &err)
                                               : delegate(repository, &options, from, &err))) {
        return tool_fail(&err);
    }
    if (options.remove) {
        (void)printf("role %s: taken back by %s in a draft; sign and publish it\n", role, from);
    } else if (options.bits > 0) {
        (void)printf("%u bins %s: delegated to by %s in drafts; sign and publish them\n", 1U << options.bits,
                     role, from);
    } else {
        (void)printf("role %s: delegated to by %s in a draft; sign and publish both\n", role, from);
    }
    return tool_finish();
}
