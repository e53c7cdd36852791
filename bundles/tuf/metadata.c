/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/metadata.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/text.h"
#include "bundles/tuf/json.h"
#include "bundles/tuf/limits.h"

static const char *const type_names[TUF_TYPES_COUNT] = {"root", "timestamp", "snapshot", "targets"};

const char *tuf_type_name(TufType type) {
    return type_names[type];
}

static int compare_signatures(const void *a, const void *b) {
    return strcmp(((const TufSignature *)a)->keyid, ((const TufSignature *)b)->keyid);
}

static bool signatures_parse(TufMetadata *metadata, Error *err) {
    json_t *array;
    if (!tuf_json_array(metadata->document, "document", "signatures", &array, err)) {
        return false;
    }
    size_t count = json_array_size(array);
    if (count > TUF_SIGNATURES_MAX) {
        return error_set(err, ERROR_LIMIT, "signatures has %zu entries, at most %d are allowed", count,
                         TUF_SIGNATURES_MAX);
    }
    metadata->signatures = calloc(count + 1, sizeof *metadata->signatures);
    if (metadata->signatures == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(array, i);
        const json_t *hex = json_object_get(entry, "sig");
        TufSignature *signature = &metadata->signatures[i];
        if (!tuf_json_text(entry, "signatures[]", "keyid", &signature->keyid, err)) {
            return false;
        }
        if (!json_is_string(hex)) {
            return error_set(err, ERROR_INPUT, "signatures[].sig is missing or not a text");
        }
        signature->hex = json_string_value(hex);
        metadata->signatures_count++;
    }
    qsort(metadata->signatures, count, sizeof *metadata->signatures, compare_signatures);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(metadata->signatures[i - 1].keyid, metadata->signatures[i].keyid) == 0) {
            return error_set(err, ERROR_INPUT, "signatures has two entries of one key id");
        }
    }
    return true;
}

/* "1.x" or "1.x.y" of digits. */
static bool spec_version_is_known(const char *text) {
    size_t dots = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '.') {
            dots++;
            if (at[1] < '0' || at[1] > '9') {
                return false;
            }
        } else if (*at < '0' || *at > '9') {
            return false;
        }
    }
    return strncmp(text, "1.", 2) == 0 && dots <= 2;
}

static bool common_parse(TufMetadata *metadata, Error *err) {
    const char *type, *spec_version, *expires;
    json_t *body;
    if (!tuf_json_object(metadata->document, "document", "signed", &body, err) ||
        !tuf_json_text(body, "signed", "_type", &type, err) ||
        !tuf_json_text(body, "signed", "spec_version", &spec_version, err) ||
        !tuf_json_integer(body, "signed", "version", 1, &metadata->version, err) ||
        !tuf_json_text(body, "signed", "expires", &expires, err)) {
        return false;
    }
    metadata->body = body;
    if (strcmp(type, type_names[metadata->type]) != 0) {
        return error_set(err, ERROR_INPUT,
                         "signed._type is not '%s': one role's metadata is offered as another's",
                         type_names[metadata->type]);
    }
    if (!spec_version_is_known(spec_version)) {
        return error_set(err, ERROR_INPUT, "signed.spec_version is not 1.x: a newer program may be needed");
    }
    if (!clock_parse(expires, &metadata->expires)) {
        return error_set(err, ERROR_INPUT, "signed.expires is not a time of the form YYYY-MM-DDTHH:MM:SSZ");
    }
    return true;
}

static bool root_parse(TufMetadata *metadata, Error *err) {
    json_t *keys, *roles;
    if (!tuf_json_object(metadata->body, "signed", "keys", &keys, err) ||
        !tuf_json_object(metadata->body, "signed", "roles", &roles, err) ||
        !tuf_keyring_parse(keys, "signed.keys", &metadata->keyring, err)) {
        return false;
    }
    for (TufType type = TUF_TYPE_ROOT; type < TUF_TYPES_COUNT; type++) {
        json_t *role;
        char where[32];
        if (!tuf_json_object(roles, "signed.roles", type_names[type], &role, err)) {
            return false;
        }
        (void)snprintf(where, sizeof where, "signed.roles.%s", type_names[type]);
        if (!tuf_role_parse(role, type_names[type], where, &metadata->roles[type], err)) {
            return false;
        }
    }
    const json_t *consistent = json_object_get(metadata->body, "consistent_snapshot");
    if (consistent == NULL || json_is_null(consistent)) {
        return true;
    }
    return tuf_json_bool(metadata->body, "signed", "consistent_snapshot", &metadata->consistent_snapshot,
                         err);
}

static bool file_info_parse(const json_t *value, const char *where, TufFileInfo *ret_info, Error *err) {
    TufFileInfo info = {0};
    int64_t length = 0;
    if (!json_is_object(value)) {
        return error_set(err, ERROR_INPUT, "%s has an entry that is not an object", where);
    }
    info.has_length = json_object_get(value, "length") != NULL;
    info.has_hashes = json_object_get(value, "hashes") != NULL;
    if (!tuf_json_integer(value, where, "version", 1, &info.version, err) ||
        (info.has_length && !tuf_json_integer(value, where, "length", 0, &length, err)) ||
        (info.has_hashes && !tuf_hashes_parse(json_object_get(value, "hashes"), where, &info.hashes, err))) {
        return false;
    }
    info.length = (uint64_t)length;
    *ret_info = info;
    return true;
}

static bool meta_parse(TufMetadata *metadata, Error *err) {
    json_t *meta, *entry;
    const char *file;
    if (!tuf_json_object(metadata->body, "signed", "meta", &meta, err)) {
        return false;
    }
    json_object_foreach(meta, file, entry) {
        TufFileInfo ignored;
        if (!file_info_parse(entry, "signed.meta", &ignored, err)) {
            return false;
        }
    }
    const char *needed = metadata->type == TUF_TYPE_TIMESTAMP ? "snapshot.json" : "targets.json";
    if (json_object_get(meta, needed) == NULL) {
        return error_set(err, ERROR_INPUT, "signed.meta does not list %s", needed);
    }
    metadata->meta = meta;
    return true;
}

static bool target_parse(const json_t *value, uint64_t *ret_length, TufHashes *ret_hashes, Error *err) {
    static const char where[] = "signed.targets";
    int64_t length;
    if (!json_is_object(value)) {
        return error_set(err, ERROR_INPUT, "%s has an entry that is not an object", where);
    }
    const json_t *custom = json_object_get(value, "custom");
    if (custom != NULL && !json_is_object(custom)) {
        return error_set(err, ERROR_INPUT, "%s has a custom that is not an object", where);
    }
    if (!tuf_json_integer(value, where, "length", 0, &length, err) ||
        !tuf_hashes_parse(json_object_get(value, "hashes"), where, ret_hashes, err)) {
        return false;
    }
    *ret_length = (uint64_t)length;
    return true;
}

static bool targets_parse(TufMetadata *metadata, Error *err) {
    json_t *targets, *target;
    const char *path;
    if (!tuf_json_object(metadata->body, "signed", "targets", &targets, err)) {
        return false;
    }
    json_object_foreach(targets, path, target) {
        uint64_t length;
        TufHashes hashes;
        if (!target_parse(target, &length, &hashes, err)) {
            return false;
        }
    }
    metadata->targets = targets;
    if (json_object_get(metadata->body, "delegations") == NULL) {
        return true;
    }
    json_t *delegations;
    TufDelegations parsed;
    if (!tuf_json_object(metadata->body, "signed", "delegations", &delegations, err) ||
        !tuf_delegations_parse(delegations, &parsed, err)) {
        return false;
    }
    metadata->delegations = malloc(sizeof *metadata->delegations);
    if (metadata->delegations == NULL) {
        tuf_delegations_done(&parsed);
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    *metadata->delegations = parsed;
    return true;
}

static bool body_parse(TufMetadata *metadata, Error *err) {
    switch (metadata->type) {
    case TUF_TYPE_ROOT:
        return root_parse(metadata, err);
    case TUF_TYPE_TIMESTAMP:
    case TUF_TYPE_SNAPSHOT:
        return meta_parse(metadata, err);
    case TUF_TYPE_TARGETS:
        return targets_parse(metadata, err);
    case TUF_TYPES_COUNT:
        break;
    }
    return error_set(err, ERROR_USAGE, "no such type");
}

TufMetadata *tuf_metadata_parse(Bytes bytes, const char *name, TufType type, Error *err) {
    CLEANUP(tuf_metadata_freep) TufMetadata *metadata = calloc(1, sizeof *metadata);
    if (metadata == NULL) {
        error_set(err, ERROR_MEMORY, "%s: out of memory", name);
        return NULL;
    }
    metadata->type = type;
    metadata->document = tuf_json_parse(bytes, name, err);
    if (metadata->document == NULL) {
        return NULL;
    }
    if (!signatures_parse(metadata, err) || !common_parse(metadata, err) || !body_parse(metadata, err)) {
        error_wrap(err, "%s", name);
        return NULL;
    }
    return TAKE(metadata);
}

void tuf_metadata_free(TufMetadata *metadata) {
    if (metadata == NULL) {
        return;
    }
    if (metadata->delegations != NULL) {
        tuf_delegations_done(metadata->delegations);
        free(metadata->delegations);
    }
    for (size_t i = 0; i < TUF_TYPES_COUNT; i++) {
        tuf_role_done(&metadata->roles[i]);
    }
    tuf_keyring_done(&metadata->keyring);
    free(metadata->signatures);
    json_decref(metadata->document);
    free(metadata);
}

bool tuf_metadata_verify(const TufMetadata *metadata, const TufRole *role, const TufKeyring *keyring,
                         Error *err) {
    CLEANUP(buffer_done) Buffer message = BUFFER_INIT(2 * JSON_SIZE_MAX);
    if (!tuf_json_canonical(metadata->body, &message)) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    return tuf_role_verify(role, keyring, buffer_bytes(&message), metadata->signatures,
                           metadata->signatures_count, err);
}

bool tuf_metadata_file(const TufMetadata *metadata, const char *file, TufFileInfo *ret_info) {
    const json_t *entry = json_object_get(metadata->meta, file);
    return entry != NULL && file_info_parse(entry, "signed.meta", ret_info, NULL);
}

bool tuf_metadata_target(const TufMetadata *metadata, const char *path, uint64_t *ret_length,
                         TufHashes *ret_hashes, json_t **ret_custom) {
    const json_t *entry = json_object_get(metadata->targets, path);
    if (entry == NULL || !target_parse(entry, ret_length, ret_hashes, NULL)) {
        return false;
    }
    *ret_custom = json_object_get(entry, "custom");
    return true;
}
