/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/author.h"

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
