/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/text.h"
#include "bundles/tool/repo.h"
#include "bundles/tool/tool.h"

static const char help[] =
    "usage: psw-bundle repo init DIR [--no-keys] [--passphrase-file FILE]\n"
    "\n"
    "Makes a repository in DIR: repo.yaml, drafts of root and targets, and three Ed25519 keys in DIR/keys:\n"
    "root.pem and targets.pem, which belong on another machine or a token as soon as they have signed, and\n"
    "online.pem for snapshot and timestamp, which stays.\n"
    "\n"
    "      --no-keys               make no keys: psw-bundle repo key add says which ones count\n"
    "      --passphrase-file FILE  encrypt root.pem and targets.pem with the first line of FILE\n"
    "  -h, --help                  this text\n";

static bool make_key(TufRepository *repository, const RepoOptions *options, const char *file,
                     const char *const *roles, size_t roles_count, bool encrypted, Error *err) {
    CLEANUP(tuf_signer_freep) TufSigner *signer = tuf_signer_generate("ed25519", err);
    AUTO_FREE char *path = text_format("%s/keys/%s", tuf_repository_path(repository), file);
    TufPassphrase passphrase = repo_passphrase(options);
    if (signer == NULL || path == NULL ||
        !tuf_signer_save(signer, path, encrypted ? &passphrase : NULL, err)) {
        return false;
    }
    for (size_t i = 0; i < roles_count; i++) {
        if (!tuf_repository_add_keys(repository, roles[i], &signer, 1, 1, err)) {
            return false;
        }
    }
    return true;
}

static bool make_keys(const RepoOptions *options, int64_t now, Error *err) {
    static const char *const root[] = {"root"}, *const targets[] = {"targets"};
    static const char *const online[] = {"snapshot", "timestamp"};
    bool encrypted = options->passphrase_file != NULL;
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options->directory, now, err);
    return repository != NULL && make_key(repository, options, "root.pem", root, 1, encrypted, err) &&
           make_key(repository, options, "targets.pem", targets, 1, encrypted, err) &&
           make_key(repository, options, "online.pem", online, 2, false, err);
}

int repo_init(int argc, char **argv) {
    RepoOptions options;
    int status;
    Error err = ERROR_INIT;
    if (!repo_options_parse(argc, argv, "NP", help, &options, &status)) {
        return status;
    }
    if (options.arguments_count > 0) {
        return tool_misuse("repo init", "give one directory");
    }
    int64_t now = clock_wall_s();
    if (!tuf_repository_create(options.directory, now, &err) ||
        (!options.no_keys && !make_keys(&options, now, &err))) {
        return tool_fail(&err);
    }
    (void)printf("%s: a repository, nothing published yet\n", options.directory);
    if (!options.no_keys) {
        (void)printf("  keys/root.pem and keys/targets.pem must leave this machine once they have signed\n");
    }
    return tool_finish();
}
