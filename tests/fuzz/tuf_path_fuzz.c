/* SPDX-License-Identifier: Apache-2.0
 *
 * "PATTERN\nPATH": matching ends, a literal pattern matches itself, and what is encoded decodes to itself. */
/* link: psw-tuf */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bundles/tuf/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[1024], encoded[TUF_ENCODED_SIZE], decoded[1024];
    if (size >= sizeof text || memchr(data, 0, size) != NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    char *path = strchr(text, '\n');
    if (path == NULL) {
        return 0;
    }
    *path++ = '\0';
    bool matches = tuf_path_matches(text, path);
    assert(strpbrk(text, "*?[") != NULL || matches == (strcmp(text, path) == 0));
    assert(tuf_path_encode(path, false, encoded, sizeof encoded));
    assert(strchr(encoded, '/') == NULL);
    assert(tuf_path_decode(encoded, decoded, sizeof decoded) && strcmp(decoded, path) == 0);
    (void)tuf_path_decode(text, decoded, sizeof decoded);
    return 0;
}
