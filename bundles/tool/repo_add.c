/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/bundle.h"
#include "bundles/tool/repo.h"
#include "bundles/tool/tool.h"
#include "bundles/tuf/json.h"
#include "bundles/version.h"

enum { CUSTOM_SIZE_MAX = 64 * 1024 };

static const char add_help[] =
    "usage: psw-bundle repo add DIR FILE... [--as PATH] [--role ROLE] [--custom JSON|@FILE]\n"
    "\n"
    "Copies files into DIR/public/targets and lists them in a draft of the role. Nodes see them after sign "
    "and\n"
    "publish. A path that is listed already gets the new file. For a bundle, its name, version, digest and\n"
    "the ISVSVNs of its enclaves are noted in the target's custom data.\n"
    "\n"
    "      --as PATH       the target's path (one FILE only); otherwise the file's name\n"
    "  -r, --role ROLE     targets (default) or a delegated role\n"
    "      --custom JSON   an object to add to the custom data, or @FILE with one\n"
    "  -h, --help          this text\n";

static const char remove_help[] =
    "usage: psw-bundle repo remove DIR PATH... [--role ROLE]\n"
    "\n"
    "Takes targets out of a draft of the role. Their files stay, because nodes may\n"
    "still be reading metadata that lists them.\n"
    "\n"
    "  -r, --role ROLE  targets (default) or a delegated role\n"
    "  -h, --help       this text\n";

static void bundle_closep(Bundle **bundle) {
    bundle_close(*bundle);
}

static json_t *parse_custom(const char *text, Error *err) {
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(CUSTOM_SIZE_MAX);
    if (text == NULL) {
        return json_object();
    }
    if (text[0] == '@') {
        return file_read(AT_FDCWD, text + 1, &bytes, err)
                   ? tuf_json_parse(buffer_bytes(&bytes), text + 1, err)
                   : NULL;
    }
    return tuf_json_parse((Bytes){(const uint8_t *)text, strlen(text)}, "--custom", err);
}

/* {"qe3": 8, ...}: by it a node's advisor judges a bundle that it has not downloaded. */
static json_t *isv_svns_json(const Manifest *manifest) {
    CLEANUP(json_freep) json_t *numbers = json_object();
    for (size_t i = 0; i < manifest->files_count; i++) {
        const ManifestFile *file = &manifest->files[i];
        if (file->has_identity && manifest_role_is_enclave(file->role) &&
            !json_put(numbers, manifest_role_name(file->role), json_integer(file->isv_svn))) {
            return NULL;
        }
    }
    return TAKE(numbers);
}

static bool is_version(const json_t *value) {
    return json_is_string(value) && version_is_valid(json_string_value(value));
}

static bool is_word(const json_t *value, size_t max) {
    return value == NULL || (json_is_string(value) && text_is_printable(json_string_value(value), max));
}

/* Nodes take a bundle whose rules they cannot read for malformed (docs/updating.md). */
static bool check_rules(const json_t *custom, Error *err) {
    const json_t *floor = json_object_get(custom, "floor"), *bad = json_object_get(custom, "known_bad");
    size_t index;
    json_t *entry;
    Digest digest;
    if (floor != NULL && !is_version(floor)) {
        return error_set(err, ERROR_USAGE, "--custom: floor is not a version such as \"1.22\"");
    }
    if (bad != NULL && !json_is_array(bad)) {
        return error_set(err, ERROR_USAGE, "--custom: known_bad is not a list of versions and digests");
    }
    json_array_foreach(bad, index, entry) {
        const char *text = json_string_value(entry);
        if (text == NULL || (!version_is_valid(text) && !digest_parse(text, &digest))) {
            return error_set(err, ERROR_USAGE,
                             "--custom: known_bad: entry %zu is neither a version nor a digest", index + 1);
        }
    }
    return (is_word(json_object_get(custom, "urgency"), 32) &&
            is_word(json_object_get(custom, "notes"), 256)) ||
           error_set(err, ERROR_USAGE, "--custom: urgency is a text of at most 32 bytes, notes one of 256");
}

/* What the operator gave counts more than what the bundle says. */
static bool describe_bundle(int fd, const char *path, json_t *custom, Error *err) {
    char hex[DIGEST_HEX_SIZE];
    CLEANUP(bundle_closep) Bundle *bundle = bundle_open(fd, path, NULL);
    if (lseek(fd, 0, SEEK_SET) != 0) {
        return error_set(err, ERROR_INPUT, "%s: not a regular file", path);
    }
    if (bundle == NULL) {
        return true;
    }
    if (!check_rules(custom, err)) {
        return false;
    }
    const Manifest *manifest = bundle_manifest(bundle);
    digest_format(&manifest->digest, hex);
    CLEANUP(json_freep)
    json_t *facts = json_pack("{s:s, s:s, s:s, s:o}", "name", manifest->name, "version", manifest->version,
                              "bundle", hex, "isv_svn", isv_svns_json(manifest));
    if (manifest->simulated && !json_put(facts, "simulated", json_true())) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    return (facts != NULL && json_object_update_missing(custom, facts) == 0) ||
           error_set(err, ERROR_MEMORY, "out of memory");
}

static bool add_file(TufRepository *repository, const RepoOptions *options, const char *file, Error *err) {
    const char *role = options->roles_count > 0 ? options->roles[0] : "targets";
    const char *slash = strrchr(file, '/');
    const char *path = options->as != NULL ? options->as : slash != NULL ? slash + 1 : file;
    struct stat status;
    AUTO_CLOSE int fd = file_open_regular(AT_FDCWD, file, &status, err);
    CLEANUP(json_freep) json_t *custom = fd < 0 ? NULL : parse_custom(options->custom, err);
    if (custom == NULL || !describe_bundle(fd, file, custom, err)) {
        return false;
    }
    if (!tuf_repository_add_target(repository, role, path, fd, json_object_size(custom) > 0 ? custom : NULL,
                                   err)) {
        return error_wrap(err, "%s", file);
    }
    (void)printf("%s: target %s of role %s, in a draft\n", file, path, role);
    return true;
}

int repo_add(int argc, char **argv) {
    RepoOptions options;
    int status;
    Error err = ERROR_INIT;
    if (!repo_options_parse(argc, argv, "ArC", add_help, &options, &status)) {
        return status;
    }
    if (options.arguments_count == 0 || (options.as != NULL && options.arguments_count > 1) ||
        options.roles_count > 1) {
        return tool_misuse("repo add", "give files; with --as, one file; at most one --role");
    }
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options.directory, clock_wall_s(), &err);
    if (repository == NULL) {
        return tool_fail(&err);
    }
    for (size_t i = 0; i < options.arguments_count; i++) {
        if (!add_file(repository, &options, options.arguments[i], &err)) {
            return tool_fail(&err);
        }
    }
    return tool_finish();
}

int repo_remove(int argc, char **argv) {
    RepoOptions options;
    int status;
    Error err = ERROR_INIT;
    if (!repo_options_parse(argc, argv, "r", remove_help, &options, &status)) {
        return status;
    }
    if (options.arguments_count == 0 || options.roles_count > 1) {
        return tool_misuse("repo remove", "give the paths of targets; at most one --role");
    }
    const char *role = options.roles_count > 0 ? options.roles[0] : "targets";
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options.directory, clock_wall_s(), &err);
    if (repository == NULL) {
        return tool_fail(&err);
    }
    for (size_t i = 0; i < options.arguments_count; i++) {
        if (!tuf_repository_remove_target(repository, role, options.arguments[i], &err)) {
            return tool_fail(&err);
        }
    }
    (void)printf("role %s: changed in a draft; sign and publish it\n", role);
    return tool_finish();
}
