/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"

enum { READ_SIZE = 32 * 1024 };

struct DigestStream {
    EVP_MD_CTX *context;
};

CLEANUP_DEFINE(DigestStream, digest_stream_free)

/* Fetched once and kept: an implicit fetch at every digest would cost more than a short digest itself. */
static const EVP_MD *sha256(void) {
    static _Atomic(EVP_MD *) cached;
    EVP_MD *md = atomic_load_explicit(&cached, memory_order_acquire);
    if (md != NULL) {
        return md;
    }
    EVP_MD *fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (fetched != NULL && !atomic_compare_exchange_strong(&cached, &md, fetched)) {
        EVP_MD_free(fetched);
        return md;
    }
    return fetched;
}

bool digest_of(const void *data, size_t size, Digest *ret_digest) {
    const EVP_MD *md = sha256();
    Digest digest;
    if (md == NULL || EVP_Digest(data, size, digest.bytes, NULL, md, NULL) != 1) {
        return false;
    }
    *ret_digest = digest;
    return true;
}

bool digest_of_fd(int fd, Digest *ret_digest, Error *err) {
    CLEANUP(digest_stream_freep) DigestStream *stream = digest_stream_new();
    if (stream == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory for a digest");
    }
    uint8_t chunk[READ_SIZE];
    for (;;) {
        ssize_t size = read(fd, chunk, sizeof chunk);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return error_set_errno(err, errno, "cannot read what is to be digested");
        }
        if (size == 0) {
            break;
        }
        if (!digest_stream_add(stream, chunk, (size_t)size)) {
            return error_set(err, ERROR_SYSTEM, "SHA-256 failed in the crypto library");
        }
    }
    if (!digest_stream_end(stream, ret_digest)) {
        return error_set(err, ERROR_SYSTEM, "SHA-256 failed in the crypto library");
    }
    return true;
}

bool digest_equal(const Digest *a, const Digest *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool digest_parse(const char *hex, Digest *ret_digest) {
    return text_parse_hex(hex, ret_digest->bytes, sizeof ret_digest->bytes);
}

void digest_format(const Digest *digest, char hex[DIGEST_HEX_SIZE]) {
    text_format_hex(digest->bytes, sizeof digest->bytes, hex);
}

DigestStream *digest_stream_new(void) {
    CLEANUP(digest_stream_freep) DigestStream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        return NULL;
    }
    stream->context = EVP_MD_CTX_new();
    const EVP_MD *md = sha256();
    if (stream->context == NULL || md == NULL || EVP_DigestInit_ex2(stream->context, md, NULL) != 1) {
        return NULL;
    }
    return TAKE(stream);
}

void digest_stream_free(DigestStream *stream) {
    if (stream != NULL) {
        EVP_MD_CTX_free(stream->context);
        free(stream);
    }
}

bool digest_stream_add(DigestStream *stream, const void *data, size_t size) {
    return EVP_DigestUpdate(stream->context, data, size) == 1;
}

bool digest_stream_end(DigestStream *stream, Digest *ret_digest) {
    Digest digest;
    if (EVP_DigestFinal_ex(stream->context, digest.bytes, NULL) != 1 ||
        EVP_DigestInit_ex2(stream->context, NULL, NULL) != 1) {
        return false;
    }
    *ret_digest = digest;
    return true;
}
