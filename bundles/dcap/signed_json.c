/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/signed_json.h"

#include <string.h>

#include "bundles/base/json.h"
#include "bundles/base/text.h"

void signed_json_free(SignedJson *json) {
    if (json == NULL) {
        return;
    }
    free(json->text);
    free(json->source);
    json_decref(json->value);
    free(json);
}

/* Takes a reference to the value. */
static SignedJson *build(Bytes text, json_t *value, const char *signature, const char *name, Error *err) {
    CLEANUP(signed_json_freep) SignedJson *json = calloc(1, sizeof *json);
    if (json == NULL || (json->text = malloc(text.size + 1)) == NULL) {
        error_set(err, ERROR_MEMORY, "%s: out of memory", name);
        return NULL;
    }
    memcpy(json->text, text.data, text.size);
    json->text[text.size] = '\0';
    json->size = text.size;
    json->value = json_incref(value);
    if (!text_parse_hex(signature, json->signature, sizeof json->signature)) {
        error_set(err, ERROR_INPUT, "%s: the signature is not %d hex digits", name, 2 * ECDSA_SIGNATURE_SIZE);
        return NULL;
    }
    return TAKE(json);
}

SignedJson *signed_json_cut(Bytes answer, const json_t *envelope, const char *member, Error *err) {
    const char *signature = NULL;
    json_t *value = json_object_get(envelope, member);
    Bytes text;
    if (!json_get_text(envelope, "signature", &signature, err)) {
        error_wrap(err, "%s", member);
        return NULL;
    }
    if (!json_is_object(value) || !signed_json_find(answer, member, &text)) {
        error_set(err, ERROR_INPUT, "%s: it is not an object as Intel's service writes it", member);
        return NULL;
    }
    return build(text, value, signature, member, err);
}

SignedJson *signed_json_new(Bytes text, const char *signature, const char *name, Error *err) {
    CLEANUP(json_freep) json_t *value = json_parse(text, name, err);
    if (value == NULL) {
        return NULL;
    }
    if (!json_is_object(value)) {
        error_set(err, ERROR_INPUT, "%s: not a JSON object", name);
        return NULL;
    }
    return build(text, value, signature, name, err);
}

bool signed_json_is_signed_by(const SignedJson *json, EVP_PKEY *key) {
    return ecdsa_verify(key, (Bytes){(const uint8_t *)json->text, json->size}, json->signature);
}

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(Bytes text, size_t *at) {
    while (*at < text.size && is_blank(text.data[*at])) {
        ++*at;
    }
}

/* Moves behind the string that begins at *at. */
static void skip_string(Bytes text, size_t *at) {
    for (++*at; *at < text.size && text.data[*at] != '"'; ++*at) {
        if (text.data[*at] == '\\') {
            ++*at;
        }
    }
    ++*at;
}

/* Moves to the comma or bracket behind the value that begins at *at. */
static void skip_value(Bytes text, size_t *at) {
    int depth = 0;
    while (*at < text.size) {
        uint8_t c = text.data[*at];
        if (c == '"') {
            skip_string(text, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            return;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        ++*at;
    }
}

bool signed_json_find(Bytes text, const char *member, Bytes *ret_value) {
    size_t at = 0, length = strlen(member);
    skip_blanks(text, &at);
    while (++at < text.size) { /* over '{' or ',' */
        skip_blanks(text, &at);
        size_t key = at + 1;
        skip_string(text, &at);
        bool found =
            at <= text.size && at - key == length + 1 && memcmp(text.data + key, member, length) == 0;
        skip_blanks(text, &at);
        ++at; /* ':' */
        skip_blanks(text, &at);
        size_t value = at;
        skip_value(text, &at);
        if (at >= text.size) {
            return false;
        }
        if (found) {
            while (at > value && is_blank(text.data[at - 1])) {
                at--;
            }
            *ret_value = (Bytes){text.data + value, at - value};
            return at > value;
        }
    }
    return false;
}
