/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/role.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"
#include "bundles/tuf/json.h"
#include "bundles/tuf/limits.h"

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool keyids_parse(const json_t *array, const char *where, TufRole *role, Error *err) {
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *keyid = json_string_value(json_array_get(array, i));
        if (keyid == NULL || keyid[0] == '\0') {
            return error_set(err, ERROR_INPUT, "%s.keyids has an entry that is not a text", where);
        }
        role->keyids[role->keyids_count++] = keyid;
    }
    qsort(role->keyids, role->keyids_count, sizeof *role->keyids, compare_texts);
    for (size_t i = 1; i < role->keyids_count; i++) {
        if (strcmp(role->keyids[i - 1], role->keyids[i]) == 0) {
            return error_set(err, ERROR_INPUT, "%s.keyids lists a key id twice", where);
        }
    }
    return true;
}

bool tuf_role_parse(const json_t *value, const char *name, const char *where, TufRole *ret_role, Error *err) {
    json_t *keyids;
    TufRole role = {.name = name};
    if (!tuf_json_array(value, where, "keyids", &keyids, err) ||
        !tuf_json_integer(value, where, "threshold", 1, &role.threshold, err)) {
        return false;
    }
    size_t count = json_array_size(keyids);
    if (count > TUF_KEYIDS_MAX) {
        return error_set(err, ERROR_LIMIT, "%s.keyids has %zu entries, at most %d are allowed", where, count,
                         TUF_KEYIDS_MAX);
    }
    role.keyids = calloc(count + 1, sizeof *role.keyids);
    if (role.keyids == NULL) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", where);
    }
    if (!keyids_parse(keyids, where, &role, err)) {
        tuf_role_done(&role);
        return false;
    }
    *ret_role = role;
    return true;
}

void tuf_role_done(TufRole *role) {
    free(role->keyids);
    *role = (TufRole){0};
}

static const TufSignature *signature_find(const TufSignature *signatures, size_t count, const char *keyid) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(signatures[i].keyid, keyid) == 0) {
            return &signatures[i];
        }
    }
    return NULL;
}

static bool signature_is_good(const TufKey *key, Bytes message, const TufSignature *signature) {
    uint8_t bytes[TUF_SIGNATURE_BYTES_MAX];
    size_t digits = strlen(signature->hex);
    if (digits == 0 || digits % 2 != 0 || digits / 2 > sizeof bytes ||
        !text_parse_hex(signature->hex, bytes, digits / 2)) {
        return false;
    }
    return tuf_key_verify(key, message, (Bytes){bytes, digits / 2});
}

static bool was_counted(const Digest *counted, size_t count, const Digest *fingerprint) {
    for (size_t i = 0; i < count; i++) {
        if (digest_equal(&counted[i], fingerprint)) {
            return true;
        }
    }
    return false;
}

bool tuf_role_verify(const TufRole *role, const TufKeyring *keyring, Bytes message,
                     const TufSignature *signatures, size_t signatures_count, Error *err) {
    AUTO_FREE Digest *counted = calloc(role->keyids_count + 1, sizeof *counted);
    if (counted == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    size_t count = 0;
    const char *unusable = NULL;
    for (size_t i = 0; i < role->keyids_count; i++) {
        const TufKey *key = tuf_keyring_find(keyring, role->keyids[i]);
        const TufSignature *signature = signature_find(signatures, signatures_count, role->keyids[i]);
        if (key == NULL || signature == NULL) {
            continue;
        }
        if (key->unusable != NULL) {
            unusable = key->unusable;
        } else if (!was_counted(counted, count, &key->fingerprint) &&
                   signature_is_good(key, message, signature)) {
            counted[count++] = key->fingerprint;
        }
    }
    if ((int64_t)count < role->threshold) {
        return error_set(err, ERROR_VERIFY, "signed by %zu of its keys, %" PRId64 " must sign%s%s%s", count,
                         role->threshold, unusable ? " (of one key, " : "", unusable ? unusable : "",
                         unusable ? ")" : "");
    }
    return true;
}
