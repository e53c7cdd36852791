/* SPDX-License-Identifier: Apache-2.0
 *
 * Verifying a staged bundle again before it is started: every byte in a child, or, when nothing about the
 * files has changed since that was done last, by what stat() says. A changed file always has another ctime.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "manager/deployment_parts.h"
#include "manager/gatekeeper.h"

enum { VERIFY_TIMEOUT_MS = 10 * 60 * 1000 };

CLEANUP_DEFINE(DigestStream, digest_stream_free)

static bool add_file(DigestStream *stream, int dir_fd, const char *name, Error *err) {
    struct stat facts;
    if (fstatat(dir_fd, name, &facts, AT_SYMLINK_NOFOLLOW) != 0) {
        return error_set_errno(err, errno, "%s", name);
    }
    uint64_t looks[FILE_LOOKS + 1] = {[FILE_LOOKS] = facts.st_mode};
    file_looks(&facts, looks);
    return digest_stream_add(stream, looks, sizeof looks) || error_set(err, ERROR_MEMORY, "out of memory");
}

static bool look_at_files(const StoreEntry *entry, int dir_fd, Digest *ret_files, Error *err) {
    CLEANUP(digest_stream_freep) DigestStream *stream = digest_stream_new();
    if (stream == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    bool good = add_file(stream, dir_fd, MANIFEST_NAME, err);
    for (size_t i = 0; good && i < entry->manifest->files_count; i++) {
        good = add_file(stream, dir_fd, entry->manifest->files[i].path, err);
    }
    return good && (digest_stream_end(stream, ret_files) || error_set(err, ERROR_MEMORY, "out of memory"));
}

static bool look(const Deployment *deployment, const char *hex, Digest *ret_files, Error *err) {
    StoreEntry entry;
    if (!store_find(deployment->store, hex, &entry, err)) {
        return false;
    }
    AUTO_FREE char *path = store_bundle_path(deployment->store, &entry.digest);
    AUTO_CLOSE int dir_fd = path != NULL ? file_open_directory(AT_FDCWD, path, err) : -1;
    if (path == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
    }
    bool good = dir_fd >= 0 && look_at_files(&entry, dir_fd, ret_files, err);
    store_entry_done(&entry);
    return good;
}

static bool is_known(const Deployment *deployment, const Fingerprint *now) {
    for (size_t i = 0; i < DEPLOYMENT_FINGERPRINTS_MAX; i++) {
        const Fingerprint *known = &deployment->fingerprints[i];
        if (strcmp(known->digest, now->digest) == 0 && digest_equal(&known->files, &now->files)) {
            return true;
        }
    }
    return false;
}

static void on_done(void *context, const json_t *result, const Error *failure) {
    (void)result;
    Deployment *deployment = context;
    deployment->verifier = NULL;
    if (failure == NULL) {
        size_t at = deployment->fingerprints_next++ % DEPLOYMENT_FINGERPRINTS_MAX;
        deployment->fingerprints[at] = deployment->verifying;
    }
    deployment->verified(deployment, failure);
}

bool deployment_verify(Deployment *deployment, const char *digest, DeploymentVerifiedFn verified,
                       Error *err) {
    Fingerprint now = {0};
    if (deployment->verifier != NULL) {
        deployment_recall_cancel(deployment);
    }
    (void)memcpy(now.digest, digest, sizeof now.digest);
    if (!look(deployment, digest, &now.files, err)) {
        return false;
    }
    if (is_known(deployment, &now)) {
        verified(deployment, NULL);
        return true;
    }
    deployment->verified = verified;
    deployment->verifying = now;
    CLEANUP(json_freep)
    json_t *arguments =
        json_pack("{s:s, s:s, s:o}", "store", store_path(deployment->store), "digest", digest, "gate",
                  gatekeeper_arguments(deployment->config, deployment->journal->serving.digest));
    const HelperSpec spec = {.event = deployment->event,
                             .task = &helper_task_verify,
                             .arguments = arguments,
                             .fd = -1,
                             .timeout_ms = VERIFY_TIMEOUT_MS,
                             .done = on_done,
                             .context = deployment};
    if (arguments == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    deployment->verifier = helper_start(&spec, err);
    return deployment->verifier != NULL;
}
