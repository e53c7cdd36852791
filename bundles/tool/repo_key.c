/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/tool/repo.h"
#include "bundles/tool/tool.h"

static const char help[] =
    "usage: psw-bundle repo key generate FILE [--type TYPE] [--passphrase-file FILE]\n"
    "       psw-bundle repo key show KEY [--passphrase-file FILE]\n"
    "       psw-bundle repo key add DIR --role ROLE --key KEY... [--threshold N]\n"
    "       psw-bundle repo key remove DIR --role ROLE --keyid ID\n"
    "       psw-bundle repo key list DIR\n"
    "\n"
    "KEY is a file (PKCS#8 or public key in PEM) or a URI that OpenSSL's store loaders know, such as\n"
    "pkcs11:token=...;object=... . For `add`, the public part is enough. Changes go into a draft: rotate a "
    "key by\n"
    "adding the new one and removing the old one, then sign root with the old and the new keys, and "
    "publish.\n"
    "\n"
    "      --type TYPE             ed25519 (default), ecdsa (P-256) or rsa (3072 bits)\n"
    "  -r, --role ROLE             root, timestamp, snapshot, targets or a delegated role\n"
    "  -k, --key KEY               may be given several times\n"
    "      --keyid ID              the key's id, or its first 8 or more digits\n"
    "      --threshold N           how many keys must sign for the role\n"
    "      --passphrase-file FILE  the passphrase is its first line; without it, it is asked for\n"
    "  -h, --help                  this text\n";

static int generate(const RepoOptions *options) {
    Error err = ERROR_INIT;
    TufPassphrase passphrase = repo_passphrase(options);
    CLEANUP(tuf_signer_freep)
    TufSigner *signer = tuf_signer_generate(options->type != NULL ? options->type : "ed25519", &err);
    if (signer == NULL || !tuf_signer_save(signer, options->directory,
                                           options->passphrase_file != NULL ? &passphrase : NULL, &err)) {
        return tool_fail(&err);
    }
    (void)printf("%s\n", tuf_signer_keyid(signer));
    return tool_finish();
}

static int show(const RepoOptions *options) {
    Error err = ERROR_INIT;
    TufPassphrase passphrase = repo_passphrase(options);
    CLEANUP(tuf_signer_freep) TufSigner *signer = tuf_signer_load(options->directory, &passphrase, &err);
    if (signer == NULL) {
        return tool_fail(&err);
    }
    const json_t *key = tuf_signer_public(signer);
    (void)printf("%s\n  scheme  %s\n%s\n", tuf_signer_keyid(signer),
                 json_string_value(json_object_get(key, "scheme")),
                 json_string_value(json_object_get(json_object_get(key, "keyval"), "public")));
    return tool_finish();
}

/* The full id of the role's one key that starts like this. */
static bool complete_keyid(TufRepository *repository, const char *role, const char *start, char *keyid,
                           size_t size, Error *err) {
    AUTO_FREE char *name = tuf_repository_delegator(repository, role, true, err);
    CLEANUP(json_freep)
    json_t *delegator = name == NULL ? NULL : tuf_repository_newest(repository, name, err);
    json_t *keys, *object;
    size_t found = 0;
    if (delegator == NULL || !tuf_repository_role_object(delegator, role, &keys, &object, err)) {
        return false;
    }
    const json_t *keyids = json_object_get(object, "keyids");
    for (size_t i = 0; i < json_array_size(keyids) && strlen(start) >= 8; i++) {
        const char *candidate = json_string_value(json_array_get(keyids, i));
        if (strncmp(candidate, start, strlen(start)) == 0) {
            (void)snprintf(keyid, size, "%s", candidate);
            found++;
        }
    }
    return found == 1 ||
           error_set(err, ERROR_NOT_FOUND, "role %s: %zu of its keys start with '%s', it must be one", role,
                     found, start);
}

static bool is_online(const char *role) {
    return strcmp(role, "snapshot") == 0 || strcmp(role, "timestamp") == 0;
}

/* Snapshot and timestamp share a key as a rule, for others it is worth a word. */
static void note_role(TufRepository *repository, const char *role, const char *other, const RepoKeys *added) {
    AUTO_FREE char *name = tuf_repository_delegator(repository, other, true, NULL);
    CLEANUP(json_freep)
    json_t *delegator = name == NULL ? NULL : tuf_repository_newest(repository, name, NULL);
    json_t *keys, *object;
    if (strcmp(role, other) == 0 || (is_online(role) && is_online(other)) || delegator == NULL ||
        !tuf_repository_role_object(delegator, other, &keys, &object, NULL)) {
        return;
    }
    const json_t *keyids = json_object_get(object, "keyids");
    for (size_t i = 0; i < added->count; i++) {
        for (size_t k = 0; k < json_array_size(keyids); k++) {
            if (strcmp(json_string_value(json_array_get(keyids, k)), tuf_signer_keyid(added->signers[i])) ==
                0) {
                (void)printf("note: key %.12s signs for role %s, too: whoever steals it has both\n",
                             tuf_signer_keyid(added->signers[i]), other);
            }
        }
    }
}

static void note_shared_keys(TufRepository *repository, const char *role, const RepoKeys *added) {
    CLEANUP(json_freep) json_t *groups = tuf_repository_groups(repository, true, NULL);
    note_role(repository, role, "snapshot", added);
    note_role(repository, role, "timestamp", added);
    for (size_t i = 0; i < json_array_size(groups); i++) {
        note_role(repository, role, json_string_value(json_object_get(json_array_get(groups, i), "name")),
                  added);
    }
}

static int change(const RepoOptions *options, bool adding) {
    Error err = ERROR_INIT;
    char keyid[256];
    CLEANUP(repo_keys_done) RepoKeys keys = {0};
    const char *role = options->roles[0];
    if (options->roles_count != 1 || (adding ? options->keys_count == 0 : options->keyid == NULL)) {
        return tool_misuse("repo key",
                           adding ? "give one --role and a --key" : "give one --role and a --keyid");
    }
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options->directory, clock_wall_s(), &err);
    if (repository == NULL) {
        return tool_fail(&err);
    }
    bool changed = adding ? repo_keys_load(&keys, options, &err) &&
                                tuf_repository_add_keys(repository, role, keys.signers, keys.count,
                                                        options->threshold, &err)
                          : complete_keyid(repository, role, options->keyid, keyid, sizeof keyid, &err) &&
                                tuf_repository_remove_key(repository, role, keyid, &err);
    if (!changed) {
        return tool_fail(&err);
    }
    (void)printf("role %s: changed in a draft; sign and publish it\n", role);
    note_shared_keys(repository, role, &keys);
    return tool_finish();
}

static bool list_role(TufRepository *repository, const char *role, Error *err) {
    AUTO_FREE char *name = tuf_repository_delegator(repository, role, true, err);
    CLEANUP(json_freep)
    json_t *delegator = name == NULL ? NULL : tuf_repository_newest(repository, name, err);
    json_t *keys, *object;
    if (delegator == NULL || !tuf_repository_role_object(delegator, role, &keys, &object, err)) {
        return false;
    }
    const json_t *keyids = json_object_get(object, "keyids");
    (void)printf("%s: %lld of %zu\n", role, json_integer_value(json_object_get(object, "threshold")),
                 json_array_size(keyids));
    for (size_t i = 0; i < json_array_size(keyids); i++) {
        const char *keyid = json_string_value(json_array_get(keyids, i));
        const char *scheme = json_string_value(json_object_get(json_object_get(keys, keyid), "scheme"));
        (void)printf("  %s  %s\n", keyid, scheme != NULL ? scheme : "(its key is missing)");
    }
    return true;
}

static int list(const RepoOptions *options) {
    Error err = ERROR_INIT;
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options->directory, clock_wall_s(), &err);
    CLEANUP(json_freep)
    json_t *groups = repository == NULL ? NULL : tuf_repository_groups(repository, true, &err);
    if (groups == NULL) {
        return tool_fail(&err);
    }
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(groups, i), "name"));
        if (!list_role(repository, name, &err) || (i == 0 && (!list_role(repository, "snapshot", &err) ||
                                                              !list_role(repository, "timestamp", &err)))) {
            return tool_fail(&err);
        }
    }
    return tool_finish();
}

int repo_key(int argc, char **argv) {
    RepoOptions options;
    int status;
    if (argc < 2 || argv[1][0] == '-') {
        return repo_options_parse(argc, argv, "", help, &options, &status)
                   ? tool_misuse("repo key", "generate, show, add, remove or list?")
                   : status;
    }
    const char *what = argv[1];
    argv[1] = argv[0];
    if (!repo_options_parse(argc - 1, argv + 1, "tPrkIn", help, &options, &status)) {
        return status;
    }
    if (strcmp(what, "generate") == 0) {
        return generate(&options);
    }
    if (strcmp(what, "show") == 0) {
        return show(&options);
    }
    if (strcmp(what, "list") == 0) {
        return list(&options);
    }
    if (strcmp(what, "add") == 0 || strcmp(what, "remove") == 0) {
        return change(&options, strcmp(what, "add") == 0);
    }
    return tool_misuse("repo key", "'%s' is none of generate, show, add, remove, list", what);
}
