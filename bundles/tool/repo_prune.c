/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/tool/repo.h"
#include "bundles/tool/tool.h"

static const char help[] =
    "usage: psw-bundle repo prune DIR [--keep TIME] [--dry-run] [--json]\n"
    "\n"
    "Removes from DIR/public old versions of snapshot, targets and delegated roles, and targets that "
    "nothing\n"
    "names any more. What the published timestamp leads to stays, and so does what drafts name, every root, "
    "and\n"
    "what a snapshot leads to that was replaced less than TIME ago: a node may still be reading it.\n"
    "Interrupted, it can simply be run again.\n"
    "\n"
    "      --keep TIME  otherwise lifetime.timestamp of repo.yaml and a day; less than lifetime.timestamp "
    "is\n"
    "                   refused\n"
    "      --dry-run    only say what would be removed\n"
    "      --json       one JSON object: removed (path, bytes), bytes, dry_run\n"
    "  -h, --help       this text\n";

static uint64_t sum(const json_t *removed) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < json_array_size(removed); i++) {
        bytes += (uint64_t)json_integer_value(json_object_get(json_array_get(removed, i), "bytes"));
    }
    return bytes;
}

static int report(const RepoOptions *options, json_t *removed) {
    char size[32];
    if (options->json) {
        CLEANUP(json_freep)
        json_t *all = json_pack("{s:O, s:I, s:b}", "removed", removed, "bytes", (json_int_t)sum(removed),
                                "dry_run", options->dry_run);
        AUTO_FREE char *text = all == NULL ? NULL : json_format(all, true);
        (void)printf("%s\n", text != NULL ? text : "{}");
        return tool_finish();
    }
    for (size_t i = 0; i < json_array_size(removed); i++) {
        (void)printf("public/%s\n", json_string_value(json_object_get(json_array_get(removed, i), "path")));
    }
    if (json_array_size(removed) == 0) {
        (void)printf("nothing to remove\n");
    } else {
        const size_t count = json_array_size(removed);
        (void)printf("%s: %zu %s, %s\n", options->dry_run ? "would be removed" : "removed", count,
                     text_plural(count, "file", "files"), text_format_size(size, sizeof size, sum(removed)));
    }
    return tool_finish();
}

int repo_prune(int argc, char **argv) {
    RepoOptions options;
    int status;
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *removed = NULL;
    if (!repo_options_parse(argc, argv, "KDJ", help, &options, &status)) {
        return status;
    }
    if (options.arguments_count > 0) {
        return tool_misuse("repo prune", "'%s' is one argument too many", options.arguments[0]);
    }
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options.directory, clock_wall_s(), &err);
    if (repository == NULL) {
        return tool_fail(&err);
    }
    int64_t keep = options.keep >= 0 ? options.keep : tuf_repository_prune_keep(repository);
    if (!tuf_repository_prune(repository, keep, options.dry_run, &removed, &err)) {
        return tool_fail(&err);
    }
    return report(&options, removed);
}
