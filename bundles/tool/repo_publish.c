/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
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
    "Makes the drafts visible: checks every threshold first, then writes what is referred to before what "
    "refers\n"
    "to it, so that nodes never see half of it. Snapshot and timestamp are signed by the signers in "
    "repo.yaml\n"
    "and the given keys; when their keys were changed, give the former ones once more. Interrupted, it can\n"
    "simply be run again.\n"
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
    "Exit status 0: all is well. 1: something that expires within TIME (otherwise: within a third of its "
    "lifetime\n"
    "and 30 days) needs other keys.\n";

static bool is_wanted(const RepoOptions *options, const char *group, const char *role) {
    for (size_t i = 0; i < options->roles_count; i++) {
        if (strcmp(options->roles[i], group) == 0 || strcmp(options->roles[i], role) == 0) {
            return true;
        }
    }
    return options->roles_count == 0;
}

typedef struct Signing {
    TufRepository *repository;
    const RepoOptions *options;
    const RepoKeys *keys;
    size_t drafts, signatures;
} Signing;

/* What came of one group's drafts. */
typedef struct Outcome {
    size_t drafts, complete, signed_min;
    int64_t version;
    Error lack; /* of the last that is not complete */
} Outcome;

static bool sign_role(Signing *signing, const char *role, Outcome *outcome, Error *err) {
    size_t count = 0;
    Error inner = ERROR_INIT;
    CLEANUP(json_freep) json_t *draft = tuf_repository_draft(signing->repository, role, &inner);
    if (draft == NULL) {
        return inner.kind == ERROR_NOT_FOUND || error_set(err, inner.kind, "%s", inner.text);
    }
    if (!tuf_repository_sign(signing->repository, role, signing->keys->signers, signing->keys->count, &count,
                             &outcome->version, err)) {
        return false;
    }
    outcome->lack = ERROR_INIT;
    outcome->complete += tuf_repository_check_draft(signing->repository, role, &outcome->lack) ? 1 : 0;
    outcome->signed_min = outcome->drafts == 0 || count < outcome->signed_min ? count : outcome->signed_min;
    outcome->drafts++;
    signing->drafts++;
    signing->signatures += count;
    return true;
}

/* One line for each, but one for all bins of a delegation. */
static bool sign_group(Signing *signing, const json_t *group, Error *err) {
    const char *name = json_string_value(json_object_get(group, "name"));
    json_t *roles = json_object_get(group, "roles"), *role;
    size_t index;
    Outcome outcome = {.lack = ERROR_INIT};
    json_array_foreach(roles, index, role) {
        if (is_wanted(signing->options, name, json_string_value(role)) &&
            !sign_role(signing, json_string_value(role), &outcome, err)) {
            return false;
        }
    }
    if (outcome.drafts == 0) {
        return true;
    }
    if (json_array_size(roles) > 1) {
        (void)printf("bins %s: %zu %s, signed by %zu of the given keys; %zu complete\n", name, outcome.drafts,
                     text_plural(outcome.drafts, "draft", "drafts"), outcome.signed_min, outcome.complete);
    } else {
        (void)printf("role %s: version %" PRId64 ", signed by %zu of the given keys; %s%s\n", name,
                     outcome.version, outcome.signed_min,
                     outcome.complete > 0 ? "complete" : "not complete: ", outcome.lack.text);
    }
    return true;
}

static bool sign_drafts(Signing *signing, Error *err) {
    CLEANUP(json_freep) json_t *groups = tuf_repository_groups(signing->repository, true, err);
    size_t index;
    json_t *group;
    json_array_foreach(groups, index, group) {
        if (!sign_group(signing, group, err)) {
            return false;
        }
    }
    if (groups != NULL && signing->drafts == 0) {
        return error_set(err, ERROR_NOT_FOUND,
                         "there is no draft%s to sign (add, remove, key and delegate make them)",
                         signing->options->roles_count > 0 ? " of that role" : "");
    }
    if (groups != NULL && signing->signatures == 0) {
        return error_set(
            err, ERROR_USAGE, "nothing was signed: %s: psw-bundle repo key list shows whose signatures count",
            signing->keys->count == 0 ? "no key was given (--key)" : "none of the keys counts for a draft");
    }
    return groups != NULL;
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
        !sign_drafts(&(Signing){.repository = repository, .options = &options, .keys = &keys}, &err)) {
        return tool_fail(&err);
    }
    return tool_finish();
}

static void print_versions(const char *directory, const json_t *versions) {
    enum { SHOWN = 8 };
    const char *role;
    json_t *version;
    size_t count = json_object_size(versions), shown = 0;
    if (count == 1) {
        (void)printf("%s/public: there was no draft: only timestamp is new, version %lld\n", directory,
                     json_integer_value(json_object_get(versions, "timestamp")));
        return;
    }
    (void)printf("%s/public: published", directory);
    json_object_foreach((json_t *)(uintptr_t)versions, role, version) {
        if (shown++ < SHOWN) {
            (void)printf("%s %s %lld", shown == 1 ? "" : ",", role, json_integer_value(version));
        }
    }
    if (count > SHOWN) {
        (void)printf(" and %zu more", count - SHOWN);
    }
    (void)printf("\n");
}

int repo_publish(int argc, char **argv) {
    RepoOptions options;
    int status;
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *versions = NULL;
    CLEANUP(repo_keys_done) RepoKeys keys = {0};
    if (!repo_options_parse(argc, argv, "kP", publish_help, &options, &status)) {
        return status;
    }
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options.directory, clock_wall_s(), &err);
    if (repository == NULL || !repo_keys_load(&keys, &options, &err) ||
        !repo_keys_load_own(&keys, &options, repository, &err) ||
        !tuf_repository_publish(repository, keys.signers, keys.count, &versions, &err)) {
        return tool_fail(&err);
    }
    print_versions(options.directory, versions);
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
        print_names("expires soon, and needs other keys:", lacking);
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
