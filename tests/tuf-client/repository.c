/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tuf-client/repository.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/digest.h"
#include "bundles/base/json.h"
#include "bundles/tuf/path.h"

static const char *const top_level[] = {"root", "timestamp", "snapshot", "targets"};

static bool is_top_level(const char *role) {
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(top_level[i], role) == 0) {
            return true;
        }
    }
    return false;
}

static TufType type_of(const char *role) {
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(top_level[i], role) == 0) {
            return (TufType)i;
        }
    }
    return TUF_TYPE_TARGETS;
}

static void must(bool worked) {
    if (!worked) {
        (void)fprintf(stderr, "test repository: a step failed\n");
        abort();
    }
}

json_t *repository_document(Repository *repository, const char *role) {
    return json_object_get(repository->roles, role);
}

json_t *repository_body(Repository *repository, const char *role) {
    return tuf_author_body(repository_document(repository, role));
}

size_t repository_add_key(Repository *repository, const char *type) {
    Error err = ERROR_INIT;
    must(repository->keys_count < REPOSITORY_KEYS_MAX);
    repository->keys[repository->keys_count] = tuf_signer_generate(type, &err);
    must(repository->keys[repository->keys_count] != NULL);
    return repository->keys_count++;
}

void repository_use_key(Repository *repository, const char *role, size_t key) {
    must(json_array_append_new(json_object_get(repository->signers, role), json_integer((json_int_t)key)) ==
         0);
    if (is_top_level(role)) {
        json_t *root = repository_body(repository, "root");
        must(tuf_author_add_key(json_object_get(root, "keys"),
                                json_object_get(json_object_get(root, "roles"), role),
                                repository->keys[key]));
    }
}

void repository_drop_keys(Repository *repository, const char *role) {
    must(json_array_clear(json_object_get(repository->signers, role)) == 0);
    json_t *roles = json_object_get(repository_body(repository, "root"), "roles");
    must(json_array_clear(json_object_get(json_object_get(roles, role), "keyids")) == 0);
}

void repository_set_version(Repository *repository, const char *role, int64_t version) {
    must(json_put(repository_body(repository, role), "version", json_integer(version)));
}

void repository_set_expires(Repository *repository, const char *role, int64_t expires) {
    char text[CLOCK_TIME_SIZE];
    clock_format(expires, text);
    must(json_put(repository_body(repository, role), "expires", json_string(text)));
}

int64_t repository_version(Repository *repository, const char *role) {
    return tuf_author_version(repository_document(repository, role));
}

void repository_serve_bytes(Repository *repository, const char *path, Bytes bytes) {
    must(json_put(repository->files, path, json_stringn_nocheck((const char *)bytes.data, bytes.size)));
}

Bytes repository_bytes(Repository *repository, const char *path) {
    const json_t *text = json_object_get(repository->files, path);
    return (Bytes){(const uint8_t *)json_string_value(text), json_string_length(text)};
}

static void request_path(Repository *repository, const char *role, char *path, size_t size) {
    char encoded[256];
    must(tuf_path_encode(role, false, encoded, sizeof encoded));
    bool numbered = strcmp(role, "timestamp") != 0 && (repository->consistent || strcmp(role, "root") == 0);
    if (numbered) {
        (void)snprintf(path, size, "%" PRId64 ".%s.json", repository_version(repository, role), encoded);
    } else {
        (void)snprintf(path, size, "%s.json", encoded);
    }
}

void repository_serve(Repository *repository, const char *role) {
    Error err = ERROR_INIT;
    char path[320];
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(8 * 1024 * 1024);
    json_t *document = repository_document(repository, role);
    must(json_put(document, "signatures", json_array()));
    size_t index;
    json_t *key;
    json_array_foreach(json_object_get(repository->signers, role), index, key) {
        must(tuf_author_sign(document, repository->keys[json_integer_value(key)], &err));
    }
    must(tuf_author_format(document, &bytes));
    request_path(repository, role, path, sizeof path);
    repository_serve_bytes(repository, path, buffer_bytes(&bytes));
}

void repository_list(Repository *repository, const char *role) {
    char path[320], file[256];
    const char *lister = strcmp(role, "snapshot") == 0 ? "timestamp" : "snapshot";
    request_path(repository, role, path, sizeof path);
    (void)snprintf(file, sizeof file, "%s.json", role);
    json_t *info =
        repository->with_hashes
            ? tuf_author_file_info(repository_version(repository, role), repository_bytes(repository, path))
            : json_pack("{s:I}", "version", (json_int_t)repository_version(repository, role));
    must(json_put(json_object_get(repository_body(repository, lister), "meta"), file, info));
}

void repository_publish(Repository *repository, const char *role) {
    repository_set_version(repository, role, repository_version(repository, role) + 1);
    repository_serve(repository, role);
    if (strcmp(role, "root") == 0 || strcmp(role, "timestamp") == 0) {
        return;
    }
    repository_list(repository, role);
    repository_publish(repository, strcmp(role, "snapshot") == 0 ? "timestamp" : "snapshot");
}

json_t *repository_delegate(Repository *repository, const char *from, const char *name, const char *pattern,
                            bool terminating) {
    json_t *body = repository_body(repository, from);
    json_t *delegations = json_object_get(body, "delegations");
    if (delegations == NULL) {
        delegations = json_pack("{s:{}, s:[]}", "keys", "roles");
        must(json_put(body, "delegations", delegations));
    }
    json_t *role = json_pack("{s:s, s:[], s:i, s:b, s:[s]}", "name", name, "keyids", "threshold", 1,
                             "terminating", terminating, "paths", pattern);
    must(role != NULL && json_array_append_new(json_object_get(delegations, "roles"), role) == 0);
    if (repository_document(repository, name) == NULL) {
        must(json_put(repository->signers, name, json_array()));
        must(json_put(repository->roles, name, tuf_author_new(TUF_TYPE_TARGETS, 0, REPOSITORY_EXPIRES)));
    }
    size_t key = repository_add_key(repository, "ed25519");
    must(tuf_author_add_key(json_object_get(delegations, "keys"), role, repository->keys[key]));
    repository_use_key(repository, name, key);
    return role;
}

void repository_add_target(Repository *repository, const char *role, const char *path, const char *content) {
    Digest digest;
    char hex[DIGEST_HEX_SIZE], encoded[1024], stored[2048];
    must(digest_of(content, strlen(content), &digest) &&
         tuf_path_encode(path, true, encoded, sizeof encoded));
    digest_format(&digest, hex);
    json_t *target =
        json_pack("{s:I, s:{s:s}}", "length", (json_int_t)strlen(content), "hashes", "sha256", hex);
    must(json_put(json_object_get(repository_body(repository, role), "targets"), path, target));
    const char *slash = strrchr(encoded, '/');
    size_t directory = slash == NULL ? 0 : (size_t)(slash + 1 - encoded);
    if (repository->consistent) {
        (void)snprintf(stored, sizeof stored, "%.*s%s.%s", (int)directory, encoded, hex, encoded + directory);
    } else {
        (void)snprintf(stored, sizeof stored, "%s", encoded);
    }
    repository_serve_bytes(repository, stored, (Bytes){(const uint8_t *)content, strlen(content)});
}

Repository *repository_new(void) {
    Repository *repository = calloc(1, sizeof *repository);
    must(repository != NULL);
    *repository = (Repository){.roles = json_object(),
                               .signers = json_object(),
                               .files = json_object(),
                               .consistent = true,
                               .with_hashes = true};
    for (size_t i = 0; i < 4; i++) {
        must(json_put(repository->roles, top_level[i],
                      tuf_author_new(type_of(top_level[i]), 1, REPOSITORY_EXPIRES)));
        must(json_put(repository->signers, top_level[i], json_array()));
    }
    for (size_t i = 0; i < 4; i++) {
        repository_use_key(repository, top_level[i], repository_add_key(repository, "ed25519"));
    }
    repository_serve(repository, "root");
    repository_serve(repository, "targets");
    repository_list(repository, "targets");
    repository_serve(repository, "snapshot");
    repository_list(repository, "snapshot");
    repository_serve(repository, "timestamp");
    return repository;
}

void repository_free(Repository *repository) {
    if (repository != NULL) {
        for (size_t i = 0; i < repository->keys_count; i++) {
            tuf_signer_free(repository->keys[i]);
        }
        json_decref(repository->roles);
        json_decref(repository->signers);
        json_decref(repository->files);
        free(repository);
    }
}

static TufFetched endless(Repository *repository, const TufSink *sink, Error *err) {
    char piece[4096];
    memset(piece, '[', sizeof piece);
    while (repository->endless_bytes < UINT64_C(64) * 1024 * 1024) {
        repository->endless_bytes += sizeof piece;
        if (!sink->write(sink->context, piece, sizeof piece, err)) {
            return TUF_FETCHED_FAILED;
        }
    }
    return TUF_FETCHED_ALL;
}

static TufFetched fetch(void *context, const TufRequest *request, const TufSink *sink, Error *err) {
    Repository *repository = context;
    size_t used = strlen(repository->log);
    (void)snprintf(repository->log + used, sizeof repository->log - used, "%s ", request->path);
    bool faulty = repository->fault_path == NULL || strcmp(repository->fault_path, request->path) == 0;
    switch (faulty ? repository->fault : REPOSITORY_HONEST) {
    case REPOSITORY_ENDLESS:
        return endless(repository, sink, err);
    case REPOSITORY_FAILS:
        error_set(err, ERROR_NETWORK, "the server answers 500");
        return TUF_FETCHED_FAILED;
    case REPOSITORY_ABSENT:
        return TUF_FETCHED_ABSENT;
    case REPOSITORY_HONEST:
        break;
    }
    if (json_object_get(repository->files, request->path) == NULL) {
        return TUF_FETCHED_ABSENT;
    }
    Bytes bytes = repository_bytes(repository, request->path);
    if (repository->answers_unchanged && request->cached.size > 0 && bytes_equal(bytes, request->cached)) {
        return TUF_FETCHED_UNCHANGED;
    }
    size_t half = bytes.size / 2; /* in two pieces, as a network would */
    return sink->write(sink->context, bytes.data, half, err) &&
                   sink->write(sink->context, bytes.data + half, bytes.size - half, err)
               ? TUF_FETCHED_ALL
               : TUF_FETCHED_FAILED;
}

TufFetcher repository_fetcher(Repository *repository) {
    return (TufFetcher){.fetch = fetch, .context = repository};
}
