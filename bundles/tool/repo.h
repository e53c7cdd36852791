/* SPDX-License-Identifier: Apache-2.0
 *
 * Repo: what the verbs of `psw-bundle repo` share: their options and the keys that they sign with.
 */
#ifndef BUNDLES_TOOL_REPO_H
#define BUNDLES_TOOL_REPO_H

#include "bundles/tuf/repository.h"
#include "bundles/tuf/signer.h"

enum { REPO_LIST_MAX = 64, REPO_KEYS_MAX = 128 };

typedef struct RepoOptions {
    const char *directory; /* the first argument */
    const char *const *arguments;
    size_t arguments_count; /* what follows it */
    const char *keys[REPO_LIST_MAX];
    const char *roles[REPO_LIST_MAX];
    const char *paths[REPO_LIST_MAX];
    const char *prefixes[REPO_LIST_MAX];
    size_t keys_count, roles_count, paths_count, prefixes_count;
    const char *as, *custom, *from, *keyid, *output, *passphrase_file, *type;
    int64_t threshold; /* 0: not given */
    int64_t within;    /* seconds; -1: not given */
    int64_t keep;      /* seconds; -1: not given */
    unsigned bits;     /* 0: not given */
    bool terminating, json, no_keys, remove, dry_run;
} RepoOptions;

/* Parses the options whose letters are in `allowed` (see repo_options.c). False: `ret_status` is the exit
 * status, because it was misused or because --help was printed. */
bool repo_options_parse(int argc, char **argv, const char *allowed, const char *help,
                        RepoOptions *ret_options, int *ret_status);

typedef struct RepoKeys {
    TufSigner *signers[REPO_KEYS_MAX];
    size_t count;
} RepoKeys;

/* The keys of --key. A passphrase comes from --passphrase-file (its first line) or is asked for. */
bool repo_keys_load(RepoKeys *keys, const RepoOptions *options, Error *err)
    __attribute__((warn_unused_result));
/* And those that repo.yaml names; one that is not there is left out. */
bool repo_keys_load_own(RepoKeys *keys, const RepoOptions *options, const TufRepository *repository,
                        Error *err) __attribute__((warn_unused_result));
void repo_keys_done(RepoKeys *keys);

/* For new key files: asks twice; no passphrase is an answer, too. */
TufPassphrase repo_passphrase(const RepoOptions *options);

int repo_init(int argc, char **argv);
int repo_key(int argc, char **argv);
int repo_add(int argc, char **argv);
int repo_remove(int argc, char **argv);
int repo_delegate(int argc, char **argv);
int repo_sign(int argc, char **argv);
int repo_publish(int argc, char **argv);
int repo_renew(int argc, char **argv);
int repo_status(int argc, char **argv);
int repo_prune(int argc, char **argv);
int repo_export(int argc, char **argv);

#endif
