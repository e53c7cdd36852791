/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/author.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/digest.h"
#include "bundles/tuf/json.h"

static bool add_empty_root(json_t *body) {
    json_t *roles = json_object();
    bool made = json_put(body, "keys", json_object()) && json_put(body, "roles", roles) &&
                json_put(body, "consistent_snapshot", json_true());
    for (TufType type = TUF_TYPE_ROOT; made && type < TUF_TYPES_COUNT; type++) {
        made = json_put(roles, tuf_type_name(type), json_pack("{s:[], s:i}", "keyids", "threshold", 1));
    }
    return made;
}

json_t *tuf_author_new(TufType type, int64_t version, int64_t expires) {
    CLEANUP(json_freep) json_t *document = json_object();
    json_t *body = json_object();
    if (!json_put(document, "signed", body) || !json_put(body, "_type", json_string(tuf_type_name(type))) ||
        !json_put(body, "spec_version", json_string("1.0.34")) ||
        !tuf_author_revise(document, version, expires)) {
        return NULL;
    }
    bool made = type == TUF_TYPE_ROOT      ? add_empty_root(body)
                : type == TUF_TYPE_TARGETS ? json_put(body, "targets", json_object())
                                           : json_put(body, "meta", json_object());
    return made ? TAKE(document) : NULL;
}

json_t *tuf_author_body(const json_t *document) {
    return json_object_get(document, "signed");
}

int64_t tuf_author_version(const json_t *document) {
    return json_integer_value(json_object_get(tuf_author_body(document), "version"));
}

bool tuf_author_revise(json_t *document, int64_t version, int64_t expires) {
    char text[CLOCK_TIME_SIZE];
    json_t *body = tuf_author_body(document);
    clock_format(expires, text);
    return json_put(body, "version", json_integer(version)) && json_put(body, "expires", json_string(text)) &&
           json_put(document, "signatures", json_array());
}

bool tuf_author_sign(json_t *document, const TufSigner *signer, Error *err) {
    CLEANUP(buffer_done) Buffer message = BUFFER_INIT(2 * JSON_SIZE_MAX);
    if (!tuf_json_canonical(tuf_author_body(document), &message)) {
        return error_set(err, ERROR_LIMIT, "the metadata is too large, or has a number with a fraction");
    }
    AUTO_FREE char *hex = tuf_signer_sign(signer, buffer_bytes(&message), err);
    if (hex == NULL) {
        return false;
    }
    json_t *signatures = json_object_get(document, "signatures");
    for (size_t i = json_array_size(signatures); i-- > 0;) {
        const char *keyid = json_string_value(json_object_get(json_array_get(signatures, i), "keyid"));
        if (keyid != NULL && strcmp(keyid, tuf_signer_keyid(signer)) == 0) {
            (void)json_array_remove(signatures, i);
        }
    }
    json_t *entry = json_pack("{s:s, s:s}", "keyid", tuf_signer_keyid(signer), "sig", hex);
    return json_array_append_new(signatures, entry) == 0 || error_set(err, ERROR_MEMORY, "out of memory");
}

bool tuf_author_add_key(json_t *keys, json_t *role, const TufSigner *signer) {
    const char *keyid = tuf_signer_keyid(signer);
    json_t *keyids = json_object_get(role, "keyids");
    if (json_object_set(keys, keyid, tuf_signer_public(signer)) != 0) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(keyids); i++) {
        const char *listed = json_string_value(json_array_get(keyids, i));
        if (listed != NULL && strcmp(listed, keyid) == 0) {
            return true;
        }
    }
    return json_array_append_new(keyids, json_string(keyid)) == 0;
}

bool tuf_author_set_threshold(json_t *role, int64_t threshold, Error *err) {
    int64_t keys = (int64_t)json_array_size(json_object_get(role, "keyids"));
    int64_t wanted = threshold > 0 ? threshold : json_integer_value(json_object_get(role, "threshold"));
    if (wanted > keys) {
        return error_set(err, ERROR_USAGE, "threshold %" PRId64 " with %" PRId64 " keys can never be met",
                         wanted, keys);
    }
    return json_put(role, "threshold", json_integer(wanted)) || error_set(err, ERROR_MEMORY, "out of memory");
}

bool tuf_author_names_key(const json_t *role, const char *keyid) {
    const json_t *keyids = json_object_get(role, "keyids");
    for (size_t i = 0; i < json_array_size(keyids); i++) {
        if (strcmp(json_string_value(json_array_get(keyids, i)), keyid) == 0) {
            return true;
        }
    }
    return false;
}

static bool any_role_uses(const json_t *document, const char *keyid) {
    const json_t *body = tuf_author_body(document), *delegations = json_object_get(body, "delegations");
    const json_t *delegated = json_object_get(delegations, "roles");
    for (TufType type = TUF_TYPE_ROOT; type < TUF_TYPES_COUNT; type++) {
        if (tuf_author_names_key(json_object_get(json_object_get(body, "roles"), tuf_type_name(type)),
                                 keyid)) {
            return true;
        }
    }
    for (size_t i = 0; i < json_array_size(delegated); i++) {
        if (tuf_author_names_key(json_array_get(delegated, i), keyid)) {
            return true;
        }
    }
    return tuf_author_names_key(json_object_get(delegations, "succinct_roles"), keyid);
}

void tuf_author_drop_unused_keys(const json_t *document, json_t *keys) {
    const char *keyid;
    json_t *key;
    void *next;
    json_object_foreach_safe(keys, next, keyid, key) {
        if (!any_role_uses(document, keyid)) {
            (void)json_object_del(keys, keyid);
        }
    }
}

bool tuf_author_verify(const json_t *document, TufType type, const char *role, const json_t *keys,
                       const json_t *object, Error *err) {
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(JSON_SIZE_MAX);
    CLEANUP(tuf_role_done) TufRole parsed = {0};
    CLEANUP(tuf_keyring_done) TufKeyring keyring = {0};
    if (!tuf_author_format(document, &bytes)) {
        return error_set(err, ERROR_LIMIT, "its metadata is too large");
    }
    CLEANUP(tuf_metadata_freep)
    TufMetadata *metadata = tuf_metadata_parse(buffer_bytes(&bytes), role, type, err);
    return metadata != NULL && tuf_keyring_parse(keys, "keys", &keyring, err) &&
           tuf_role_parse(object, role, "role", &parsed, err) &&
           tuf_metadata_verify(metadata, &parsed, &keyring, err);
}

json_t *tuf_author_file_info(int64_t version, Bytes bytes) {
    Digest digest;
    char hex[DIGEST_HEX_SIZE];
    if (!digest_of(bytes.data, bytes.size, &digest)) {
        return NULL;
    }
    digest_format(&digest, hex);
    return json_pack("{s:I, s:I, s:{s:s}}", "version", (json_int_t)version, "length", (json_int_t)bytes.size,
                     "hashes", "sha256", hex);
}

bool tuf_author_format(const json_t *document, Buffer *ret_bytes) {
    AUTO_FREE char *text = json_dumps(document, JSON_INDENT(1) | JSON_SORT_KEYS);
    return text != NULL && buffer_append_text(ret_bytes, text) && buffer_append_text(ret_bytes, "\n");
}
