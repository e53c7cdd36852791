/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL 3.0 calls engines deprecated and has nothing else for tokens. */
#define OPENSSL_API_COMPAT 10100

#include "bundles/tuf/token.h"

#include <openssl/engine.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

bool tuf_token_is_uri(const char *name) {
    static const char scheme[] = "pkcs11:";
    return strncmp(name, scheme, sizeof scheme - 1) == 0;
}

void tuf_token_format(char *text, size_t size, const char *name) {
    static const char attribute[] = "pin-value=";
    const char *pin = tuf_token_is_uri(name) ? strstr(name, attribute) : NULL;
    if (pin == NULL) {
        (void)snprintf(text, size, "%s", name);
        return;
    }
    pin += sizeof attribute - 1;
    (void)snprintf(text, size, "%.*s...%s", (int)(pin - name), name, pin + strcspn(pin, ";?&"));
}

/* With ENGINE_finish and ENGINE_free to come. */
static ENGINE *start(void) {
    ENGINE_load_dynamic();
    ENGINE *engine = ENGINE_by_id("pkcs11");
    /* It writes URIs to standard error, and a PIN with them. */
    if (engine != NULL &&
        (ENGINE_ctrl_cmd_string(engine, "QUIET", NULL, 0) != 1 || ENGINE_init(engine) != 1)) {
        ENGINE_free(engine);
        engine = NULL;
    }
    return engine;
}

EVP_PKEY *tuf_token_load(const char *uri, const char *shown, UI_METHOD *method, void *context,
                         bool *ret_private, Error *err) {
    ENGINE *engine = start();
    if (engine == NULL) {
        ERR_clear_error();
        error_set(err, ERROR_NOT_FOUND,
                  "key %s: OpenSSL has no way to tokens here: install libengine-pkcs11-openssl, and set "
                  "PKCS11_MODULE_PATH to the token's own library",
                  shown);
        return NULL;
    }
    EVP_PKEY *key = ENGINE_load_private_key(engine, uri, method, context);
    *ret_private = key != NULL;
    if (key == NULL) {
        key = ENGINE_load_public_key(engine, uri, method, context);
    }
    (void)ENGINE_finish(engine);
    (void)ENGINE_free(engine);
    if (key == NULL) {
        error_set(
            err, ERROR_INPUT,
            "key %s: the token does not give it: is the token there, PKCS11_MODULE_PATH its own library, "
            "and the PIN right?",
            shown);
    }
    ERR_clear_error();
    return key;
}
