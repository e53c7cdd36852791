/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/tool/repo.h"
#include "bundles/tool/tool.h"

static const char help[] =
    "usage: psw-bundle repo delegate DIR ROLE --key KEY... (--path PATTERN... | --hash-prefix HEX...)\n"
    "                                [--threshold N] [--terminating] [--from ROLE]\n"
    "\n"
    "Lets ROLE speak for target paths. Roles are searched in the order in which they were delegated to; the\n"
    "first that lists a path wins. Delegating to a role again changes its paths and adds keys.\n"
    "\n"
    "  -k, --key KEY          a key of the role (psw-bundle repo key --help); its public part is enough\n"
    "      --path PATTERN     '*' and '?' match within one part of a path: vendor/*.pswb\n"
    "      --hash-prefix HEX  start of the path's SHA-256\n"
    "      --threshold N      how many of its keys must sign (1)\n"
    "      --terminating      what this role does not list under its paths does not exist\n"
    "      --from ROLE        who delegates: targets (default) or a delegated role\n"
    "  -h, --help             this text\n";

int repo_delegate(int argc, char **argv) {
    RepoOptions options;
    int status;
    Error err = ERROR_INIT;
    CLEANUP(repo_keys_done) RepoKeys keys = {0};
    if (!repo_options_parse(argc, argv, "kpHnTFP", help, &options, &status)) {
        return status;
    }
    if (options.arguments_count != 1) {
        return tool_misuse("repo delegate", "give one role");
    }
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options.directory, clock_wall_s(), &err);
    TufRepositoryDelegation delegation = {.from = options.from != NULL ? options.from : "targets",
                                          .name = options.arguments[0],
                                          .terminating = options.terminating,
                                          .paths = options.paths,
                                          .paths_count = options.paths_count,
                                          .hash_prefixes = options.prefixes,
                                          .hash_prefixes_count = options.prefixes_count,
                                          .threshold = options.threshold};
    if (repository == NULL || !repo_keys_load(&keys, &options, &err) ||
        !tuf_repository_delegate(repository, &delegation, keys.signers, keys.count, &err)) {
        return tool_fail(&err);
    }
    (void)printf("role %s: delegated to by %s in a draft; sign and publish both\n", delegation.name,
                 delegation.from);
    return tool_finish();
}
