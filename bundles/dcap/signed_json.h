/* SPDX-License-Identifier: Apache-2.0
 *
 * SignedJson: an object of Intel's collateral with the signature over exactly its bytes.
 *
 * As served: {"tcbInfo":{...},"signature":"<128 hex digits>"}. The signature counts for the bytes of the
 * inner object as they stand in the answer; nothing is written anew to check it.
 */
#ifndef BUNDLES_DCAP_SIGNED_JSON_H
#define BUNDLES_DCAP_SIGNED_JSON_H

#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>

#include "bundles/base/bytes.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "bundles/sgx/ecdsa.h"

typedef struct SignedJson {
    char *text; /* the signed bytes, owned */
    size_t size;
    json_t *value; /* the same, parsed */
    char *source;  /* the file or answer that it is from, for messages; owned, NULL if nobody said */
    uint8_t signature[ECDSA_SIGNATURE_SIZE];
} SignedJson;

void signed_json_free(SignedJson *json);
CLEANUP_DEFINE(SignedJson, signed_json_free)

/* From an answer, whose parsed form is `envelope`: the member and its signature. NULL: ERROR_INPUT. */
SignedJson *signed_json_cut(Bytes answer, const json_t *envelope, const char *member, Error *err)
    __attribute__((warn_unused_result));

/* From the signed bytes and the signature in hex, as single-file collateral has them. */
SignedJson *signed_json_new(Bytes text, const char *signature, const char *name, Error *err)
    __attribute__((warn_unused_result));

bool signed_json_is_signed_by(const SignedJson *json, EVP_PKEY *key);

/* The bytes of the value of a member of the outermost object, in a text that json_parse has accepted. False
 * if no such member is written there literally. */
bool signed_json_find(Bytes text, const char *member, Bytes *ret_value);

#endif
