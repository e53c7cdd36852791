/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/signer.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/tuf/json.h"
#include "bundles/tuf/limits.h"
#include "bundles/tuf/token.h"

enum { RSA_BITS = 3072, ED25519_SIZE = 32, PSS_SALT_SIZE = 32 };

struct TufSigner {
    EVP_PKEY *pkey;
    TufScheme scheme;
    bool is_private;
    json_t *public_key;
    char keyid[TUF_KEYID_SIZE];
};

static void pkey_freep(EVP_PKEY **pkey) {
    EVP_PKEY_free(*pkey);
}

static void bio_freep(BIO **bio) {
    BIO_free(*bio);
}

static void digest_context_freep(EVP_MD_CTX **context) {
    EVP_MD_CTX_free(*context);
}

static void store_freep(OSSL_STORE_CTX **store) {
    OSSL_STORE_close(*store);
}

static void ui_method_freep(UI_METHOD **method) {
    UI_destroy_method(*method);
}

/* OpenSSL's own words for what failed last, its queue left empty. */
static bool openssl_error(Error *err, ErrorKind kind, const char *name, const char *what) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    error_set(err, kind, "key %s: %s%s%s", name, what, reason != NULL ? ": " : "",
              reason != NULL ? reason : "");
    ERR_clear_error();
    return false;
}

static TufScheme scheme_of(const EVP_PKEY *pkey) {
    char group[32];
    int bits = EVP_PKEY_get_bits(pkey);
    if (EVP_PKEY_is_a(pkey, "ED25519")) {
        return TUF_SCHEME_ED25519;
    }
    if (EVP_PKEY_is_a(pkey, "RSA") && bits >= TUF_RSA_BITS_MIN && bits <= TUF_RSA_BITS_MAX) {
        return TUF_SCHEME_RSA_PSS;
    }
    if (EVP_PKEY_is_a(pkey, "EC") &&
        EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) == 1 &&
        strcmp(group, "prime256v1") == 0) {
        return TUF_SCHEME_ECDSA;
    }
    return TUF_SCHEME_UNKNOWN;
}

static char *public_text(const EVP_PKEY *pkey, TufScheme scheme) {
    if (scheme == TUF_SCHEME_ED25519) {
        uint8_t raw[ED25519_SIZE];
        size_t size = sizeof raw;
        char hex[2 * ED25519_SIZE + 1];
        if (EVP_PKEY_get_raw_public_key(pkey, raw, &size) != 1 || size != sizeof raw) {
            return NULL;
        }
        text_format_hex(raw, sizeof raw, hex);
        return strdup(hex);
    }
    CLEANUP(bio_freep) BIO *bio = BIO_new(BIO_s_mem());
    char *pem = NULL;
    if (bio == NULL || PEM_write_bio_PUBKEY(bio, pkey) != 1) {
        return NULL;
    }
    long size = BIO_get_mem_data(bio, &pem);
    return size > 0 ? strndup(pem, (size_t)size) : NULL;
}

static bool make_public(TufSigner *signer) {
    static const char *const keytypes[] = {
        [TUF_SCHEME_ED25519] = "ed25519", [TUF_SCHEME_ECDSA] = "ecdsa", [TUF_SCHEME_RSA_PSS] = "rsa"};
    static const char *const schemes[] = {[TUF_SCHEME_ED25519] = "ed25519",
                                          [TUF_SCHEME_ECDSA] = "ecdsa-sha2-nistp256",
                                          [TUF_SCHEME_RSA_PSS] = "rsassa-pss-sha256"};
    AUTO_FREE char *text = public_text(signer->pkey, signer->scheme);
    CLEANUP(buffer_done) Buffer canonical = BUFFER_INIT(2 * TUF_PEM_MAX);
    Digest digest;
    if (text == NULL) {
        return false;
    }
    signer->public_key = json_pack("{s:s, s:s, s:{s:s}}", "keytype", keytypes[signer->scheme], "scheme",
                                   schemes[signer->scheme], "keyval", "public", text);
    if (signer->public_key == NULL || !tuf_json_canonical(signer->public_key, &canonical) ||
        !digest_of(canonical.data, canonical.size, &digest)) {
        return false;
    }
    digest_format(&digest, signer->keyid);
    return true;
}

/* Takes the key, also when it fails. */
static TufSigner *wrap(EVP_PKEY *given, bool is_private, const char *name, Error *err) {
    CLEANUP(pkey_freep) EVP_PKEY *pkey = given;
    CLEANUP(tuf_signer_freep) TufSigner *signer = calloc(1, sizeof *signer);
    if (signer == NULL) {
        error_set(err, ERROR_MEMORY, "key %s: out of memory", name);
        return NULL;
    }
    signer->scheme = scheme_of(pkey);
    if (signer->scheme == TUF_SCHEME_UNKNOWN) {
        error_set(err, ERROR_INPUT, "key %s: not an Ed25519, P-256 or RSA (2048 bits or more) key", name);
        return NULL;
    }
    signer->is_private = is_private;
    signer->pkey = TAKE(pkey);
    if (!make_public(signer)) {
        openssl_error(err, ERROR_SYSTEM, name, "its public part cannot be read");
        return NULL;
    }
    return TAKE(signer);
}

TufSigner *tuf_signer_generate(const char *type, Error *err) {
    EVP_PKEY *pkey = NULL;
    if (strcmp(type, "ed25519") == 0) {
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    } else if (strcmp(type, "ecdsa") == 0) {
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    } else if (strcmp(type, "rsa") == 0) {
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)RSA_BITS);
    } else {
        error_set(err, ERROR_USAGE, "key type '%s': give ed25519, ecdsa or rsa", type);
        return NULL;
    }
    if (pkey == NULL) {
        openssl_error(err, ERROR_SYSTEM, type, "cannot be made");
        return NULL;
    }
    return wrap(pkey, true, type, err);
}

/* One question for one key, however often OpenSSL asks. */
typedef struct Prompt {
    const TufPassphrase *passphrase;
    const char *name;
    bool asked;
    char text[TUF_PASSPHRASE_MAX]; /* "": there is none */
    Error err;                     /* why */
} Prompt;

static void prompt_done(Prompt *prompt) {
    bytes_cleanse(prompt->text, sizeof prompt->text);
}

static int answer_prompt(char *buffer, int size, int writing, void *context) {
    Prompt *prompt = context;
    (void)writing;
    if (!prompt->asked) {
        prompt->asked = true;
        if (prompt->passphrase == NULL) {
            error_set(&prompt->err, ERROR_USAGE, "no passphrase was given");
        } else if (!prompt->passphrase->ask(prompt->passphrase->context, prompt->name, prompt->text,
                                            sizeof prompt->text, &prompt->err)) {
            prompt->text[0] = '\0';
        }
    }
    size_t length = strlen(prompt->text);
    if (length == 0 || length > (size_t)size) {
        return -1;
    }
    memcpy(buffer, prompt->text, length);
    return (int)length;
}

static EVP_PKEY *load_from_store(OSSL_STORE_CTX *store, bool *ret_private) {
    EVP_PKEY *public_only = NULL;
    while (!OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        if (info == NULL) {
            break;
        }
        int type = OSSL_STORE_INFO_get_type(info);
        EVP_PKEY *found = type == OSSL_STORE_INFO_PKEY     ? OSSL_STORE_INFO_get1_PKEY(info)
                          : type == OSSL_STORE_INFO_PUBKEY ? OSSL_STORE_INFO_get1_PUBKEY(info)
                                                           : NULL;
        OSSL_STORE_INFO_free(info);
        if (found != NULL && type == OSSL_STORE_INFO_PKEY) {
            EVP_PKEY_free(public_only);
            *ret_private = true;
            return found;
        }
        if (found != NULL) {
            EVP_PKEY_free(public_only);
            public_only = found;
        }
    }
    *ret_private = false;
    return public_only;
}

/* OpenSSL's own reasons are about the last decoder that it tried. */
static void unreadable(const Prompt *prompt, Error *err) {
    ERR_clear_error();
    if (!prompt->asked) {
        error_set(err, ERROR_INPUT, "key %s: there is no key in it: a PKCS#8 or public key in PEM is needed",
                  prompt->name);
    } else if (prompt->text[0] == '\0') {
        error_set(err, prompt->err.kind != ERROR_NONE ? prompt->err.kind : ERROR_USAGE,
                  "key %s is encrypted: %s (--passphrase-file)", prompt->name,
                  prompt->err.kind != ERROR_NONE ? prompt->err.text : "no passphrase was given");
    } else {
        error_set(err, ERROR_INPUT, "key %s: the passphrase is wrong, or the key is damaged", prompt->name);
    }
}

/* OpenSSL takes a name for that of a file before it takes it for a URI, and would wait for a pipe's other
 * end.
 */
static bool check_file(const char *name, const char *shown, Error *err) {
    static const char scheme[] = "file:";
    const char *path = name;
    if (strncasecmp(name, scheme, sizeof scheme - 1) == 0 && access(name, F_OK) != 0) {
        path = name + sizeof scheme - 1;
        path += strncasecmp(path, "//localhost/", 12) == 0 ? 11 : strncmp(path, "///", 3) == 0 ? 2 : 0;
    }
    return file_check_regular(path, true, err) || error_wrap(err, "key %s", shown);
}

static EVP_PKEY *load(const char *name, UI_METHOD *method, Prompt *prompt, bool *ret_private, Error *err) {
    CLEANUP(store_freep) OSSL_STORE_CTX *store = OSSL_STORE_open(name, method, prompt, NULL, NULL);
    if (store == NULL && tuf_token_is_uri(name)) {
        return tuf_token_load(name, prompt->name, method, prompt, ret_private, err);
    }
    EVP_PKEY *pkey = store != NULL ? load_from_store(store, ret_private) : NULL;
    if (store == NULL && strchr(name, ':') == NULL && access(name, R_OK) != 0) {
        error_set_errno(err, errno, "key %s: cannot be opened", prompt->name);
        ERR_clear_error();
    } else if (store == NULL) {
        openssl_error(err, ERROR_NOT_FOUND, prompt->name, "cannot be opened");
    } else if (pkey == NULL) {
        unreadable(prompt, err);
    }
    return pkey;
}

TufSigner *tuf_signer_load(const char *name, const TufPassphrase *passphrase, Error *err) {
    char shown[256];
    CLEANUP(prompt_done) Prompt prompt = {.passphrase = passphrase, .name = shown};
    CLEANUP(ui_method_freep) UI_METHOD *method = UI_UTIL_wrap_read_pem_callback(answer_prompt, 0);
    tuf_token_format(shown, sizeof shown, name);
    bool is_private = false;
    ERR_clear_error();
    if (method == NULL) {
        error_set(err, ERROR_MEMORY, "key %s: out of memory", shown);
        return NULL;
    }
    if (!check_file(name, shown, err)) {
        return NULL;
    }
    EVP_PKEY *pkey = load(name, method, &prompt, &is_private, err);
    return pkey != NULL ? wrap(pkey, is_private, shown, err) : NULL;
}

static bool write_pem(const TufSigner *signer, BIO *bio, const char *path, const TufPassphrase *passphrase,
                      Error *err) {
    CLEANUP(prompt_done) Prompt prompt = {.passphrase = passphrase, .name = path};
    const EVP_CIPHER *cipher = passphrase != NULL ? EVP_aes_256_cbc() : NULL;
    if (PEM_write_bio_PKCS8PrivateKey(bio, signer->pkey, cipher, NULL, 0,
                                      cipher != NULL ? answer_prompt : NULL, &prompt) == 1) {
        return true;
    }
    if (prompt.err.kind != ERROR_NONE) {
        ERR_clear_error();
        return error_set(err, prompt.err.kind, "key %s: %s", path, prompt.err.text);
    }
    return openssl_error(err, ERROR_SYSTEM, path, "cannot be encoded");
}

bool tuf_signer_save(const TufSigner *signer, const char *path, const TufPassphrase *passphrase, Error *err) {
    CLEANUP(bio_freep) BIO *bio = BIO_new(BIO_s_secmem());
    char *pem = NULL;
    if (bio == NULL || !write_pem(signer, bio, path, passphrase, err)) {
        return bio == NULL ? error_set(err, ERROR_MEMORY, "out of memory") : false;
    }
    long size = BIO_get_mem_data(bio, &pem);
    AUTO_CLOSE int fd = file_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600, err);
    return fd >= 0 && file_write_fd(fd, path, pem, (size_t)size, err) &&
           (fsync(fd) == 0 || error_set_errno(err, errno, "key %s: fsync", path));
}

void tuf_signer_free(TufSigner *signer) {
    if (signer != NULL) {
        EVP_PKEY_free(signer->pkey);
        json_decref(signer->public_key);
        free(signer);
    }
}

const char *tuf_signer_keyid(const TufSigner *signer) {
    return signer->keyid;
}

json_t *tuf_signer_public(const TufSigner *signer) {
    return signer->public_key;
}

static bool sign(const TufSigner *signer, Bytes message, uint8_t *signature, size_t *size) {
    CLEANUP(digest_context_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *borrowed = NULL;
    const EVP_MD *algorithm = signer->scheme == TUF_SCHEME_ED25519 ? NULL : EVP_sha256();
    if (context == NULL || EVP_DigestSignInit(context, &borrowed, algorithm, NULL, signer->pkey) != 1) {
        return false;
    }
    if (signer->scheme == TUF_SCHEME_RSA_PSS &&
        (EVP_PKEY_CTX_set_rsa_padding(borrowed, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(borrowed, PSS_SALT_SIZE) != 1 ||
         EVP_PKEY_CTX_set_rsa_mgf1_md(borrowed, algorithm) != 1)) {
        return false;
    }
    return EVP_DigestSign(context, signature, size, message.data, message.size) == 1;
}

char *tuf_signer_sign(const TufSigner *signer, Bytes message, Error *err) {
    uint8_t signature[TUF_SIGNATURE_BYTES_MAX];
    size_t size = sizeof signature;
    if (!signer->is_private) {
        error_set(err, ERROR_USAGE, "key %s: only its public part is here: it cannot sign", signer->keyid);
        return NULL;
    }
    if (!sign(signer, message, signature, &size)) {
        openssl_error(err, ERROR_SYSTEM, signer->keyid, "signing failed");
        return NULL;
    }
    char *hex = malloc(2 * size + 1);
    if (hex == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    text_format_hex(signature, size, hex);
    return hex;
}
