/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/tool/repo.h"
#include "bundles/tool/tool.h"

static const char sign_help[] =
    "usage: psw-bundle repo sign DIR [--role ROLE]... [--key KEY]... [--passphrase-file FILE]\n"
    "\n"
    "Signs drafts with those of the given keys, and of the signers in repo.yaml, that the roles name. Run "
    "it\n"
    "once for each holder of a key: signatures gather until the threshold is met. A changed root is\n"
    "signed by the keys of the former root, too.\n"
    "\n"
    "  -r, --role ROLE             only this draft; otherwise all of them\n"
    "  -k, --key KEY               a key (psw-bundle repo key --help)\n"
    "      --passphrase-file FILE  the passphrase is its first line; without it, it is asked for\n"
    "  -h, --help                  this text\n";

static const char publish_help[] =
    "usage: psw-bundle repo publish DIR [--key KEY]... [--passphrase-file FILE]\n"
    "\n"
    "Makes the drafts visible: checks every threshold first, then writes delegated roles, targets, a new\n"
    "snapshot, root, and the timestamp last, so that nodes never see half of it. Snapshot and timestamp are\n"
    "signed by the signers in repo.yaml and the given keys. Interrupted, it can simply be run again.\n"
    "\n"
    "  -k, --key KEY               a key (psw-bundle repo key --help)\n"
    "      --passphrase-file FILE  the passphrase is its first line; without it, it is asked for\n"
    "  -h, --help                  this text\n";

static const char renew_help[] =
    "usage: psw-bundle repo renew DIR [--within TIME] [--key KEY]... [--passphrase-file FILE] [--json]\n"
    "\n"
    "Signs again, with a later expiry, what expires soon and what the keys at hand suffice for: with the "
    "online\n"
    "key alone, snapshot and timestamp. Fit for cron. Drafts are left alone.\n"
    "\n"
    "      --within TIME           renew what expires within TIME, such as 2d; otherwise what has less than\n"
    "                              half its lifetime left\n"
    "  -k, --key KEY               a key (psw-bundle repo key --help)\n"
    "      --passphrase-file FILE  the passphrase is its first line; without it, it is asked for\n"
    "      --json                  one JSON object: renewed, short\n"
    "  -h, --help                  this text\n"
    "\n"
    "Exit status 0: nothing is due any more. 1: something is due and needs other keys.\n";

static bool sign_drafts(TufRepository *repository, const RepoOptions *options, const RepoKeys *keys,
                        Error *err) {
    CLEANUP(json_freep) json_t *roles = tuf_repository_roles(repository, true, err);
    size_t drafts = 0;
    for (size_t i = 0; i < json_array_size(roles); i++) {
        const char *role = json_string_value(json_array_get(roles, i));
        bool wanted = options->roles_count == 0;
        for (size_t k = 0; k < options->roles_count; k++) {
            wanted = wanted || strcmp(options->roles[k], role) == 0;
        }
        CLEANUP(json_freep) json_t *draft = wanted ? tuf_repository_draft(repository, role, NULL) : NULL;
        size_t signed_count = 0;
        if (draft == NULL) {
            continue;
        }
        if (!tuf_repository_sign(repository, role, keys->signers, keys->count, &signed_count, err)) {
            return false;
        }
        drafts++;
        (void)printf("role %s: version %lld, signed by %zu of the given keys\n", role,
                     (long long)tuf_author_version(draft), signed_count);
    }
    return roles != NULL && (drafts > 0 || error_set(err, ERROR_NOT_FOUND, "there is no draft to sign"));
}

int repo_sign(int argc, char **argv) {
    RepoOptions options;
    int status;
    Error err = ERROR_INIT;
    CLEANUP(repo_keys_done) RepoKeys keys = {0};
    if (!repo_options_parse(argc, argv, "rkP", sign_help, &options, &status)) {
        return status;
    }
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options.directory, clock_wall_s(), &err);
    if (repository == NULL || !repo_keys_load(&keys, &options, &err) ||
        !repo_keys_load_own(&keys, &options, repository, &err) ||
        !sign_drafts(repository, &options, &keys, &err)) {
        return tool_fail(&err);
    }
    return tool_finish();
}

int repo_publish(int argc, char **argv) {
    RepoOptions options;
    int status;
    Error err = ERROR_INIT;
    int64_t version = 0;
    CLEANUP(repo_keys_done) RepoKeys keys = {0};
    if (!repo_options_parse(argc, argv, "kP", publish_help, &options, &status)) {
        return status;
    }
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options.directory, clock_wall_s(), &err);
    if (repository == NULL || !repo_keys_load(&keys, &options, &err) ||
        !repo_keys_load_own(&keys, &options, repository, &err) ||
        !tuf_repository_publish(repository, keys.signers, keys.count, &err) ||
        !tuf_repository_version(repository, "timestamp", &version, &err)) {
        return tool_fail(&err);
    }
    (void)printf("%s/public: published, timestamp version %lld\n", options.directory, (long long)version);
    return tool_finish();
}

static void print_names(const char *what, const json_t *names) {
    for (size_t i = 0; i < json_array_size(names); i++) {
        (void)printf("%s %s\n", what, json_string_value(json_array_get(names, i)));
    }
}

static int report_renewal(const RepoOptions *options, json_t *renewed, json_t *lacking) {
    if (options->json) {
        CLEANUP(json_freep) json_t *report = json_pack("{s:O, s:O}", "renewed", renewed, "short", lacking);
        AUTO_FREE char *text = report == NULL ? NULL : json_format(report, true);
        (void)printf("%s\n", text != NULL ? text : "{}");
    } else {
        print_names("renewed:", renewed);
        print_names("due, but not by the keys at hand:", lacking);
        if (json_array_size(renewed) + json_array_size(lacking) == 0) {
            (void)printf("nothing is due\n");
        }
    }
    int status = tool_finish();
    return status != 0 ? status : json_array_size(lacking) > 0 ? 1 : 0;
}

int repo_renew(int argc, char **argv) {
    RepoOptions options;
    int status;
    Error err = ERROR_INIT;
    CLEANUP(repo_keys_done) RepoKeys keys = {0};
    CLEANUP(json_freep) json_t *renewed = NULL;
    CLEANUP(json_freep) json_t *lacking = NULL;
    if (!repo_options_parse(argc, argv, "kPwJ", renew_help, &options, &status)) {
        return status;
    }
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options.directory, clock_wall_s(), &err);
    if (repository == NULL || !repo_keys_load(&keys, &options, &err) ||
        !repo_keys_load_own(&keys, &options, repository, &err) ||
        !tuf_repository_renew(repository, options.within, keys.signers, keys.count, &renewed, &lacking,
                              &err)) {
        return tool_fail(&err);
    }
    return report_renewal(&options, renewed, lacking);
}
