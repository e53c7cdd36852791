/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/path.h"

#include <string.h>

#include "bundles/base/digest.h"
#include "bundles/base/text.h"

static const char *next_character(const char *at) {
    at++;
    while (((unsigned char)*at & 0xc0) == 0x80) {
        at++;
    }
    return at;
}

/* Matches one '[...]' against a character. NULL: the bracket is not closed within its part, so that it is a
 * plain '['. Sets `ret_after` to what follows the bracket. */
static bool bracket_parse(const char *pattern, char character, bool *ret_matches, const char **ret_after) {
    const char *at = pattern + 1;
    bool negated = *at == '!';
    bool found = false;
    at += negated ? 1 : 0;
    for (const char *first = at; at == first || *at != ']'; at++) {
        if (*at == '\0' || *at == '/') {
            return false;
        }
        unsigned char low = (unsigned char)*at, high = low;
        if (at[1] == '-' && at[2] != ']' && at[2] != '\0' && at[2] != '/') {
            high = (unsigned char)at[2];
            at += 2;
        }
        found = found || ((unsigned char)character >= low && (unsigned char)character <= high);
    }
    *ret_matches = found != negated;
    *ret_after = at + 1;
    return true;
}

static bool character_matches(const char **pattern, const char **path) {
    if (**path == '\0') {
        return false;
    }
    bool matches;
    const char *after;
    if (**pattern == '?' && **path != '/') {
        *pattern += 1;
        *path = next_character(*path);
        return true;
    }
    if (**pattern == '[' && bracket_parse(*pattern, **path, &matches, &after)) {
        *pattern = after;
        *path += 1;
        return matches && (*path)[-1] != '/';
    }
    if (**pattern != **path || **pattern == '?') {
        return false;
    }
    *pattern += 1;
    *path += 1;
    return true;
}

bool tuf_path_matches(const char *pattern, const char *path) {
    /* Going back to the last star alone is enough, and keeps a hostile pattern from costing more than the
     * product of the lengths. */
    const char *star = NULL, *resume = NULL;
    while (*path != '\0' || *pattern != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            resume = path;
        } else if (!character_matches(&pattern, &path)) {
            if (star == NULL || *resume == '\0' || *resume == '/') {
                return false;
            }
            resume = next_character(resume);
            pattern = star;
            path = resume;
        }
    }
    return true;
}

bool tuf_path_has_prefix(const char *path, const char *prefix) {
    Digest digest;
    char hex[DIGEST_HEX_SIZE];
    if (!digest_of(path, strlen(path), &digest)) {
        return false;
    }
    digest_format(&digest, hex);
    return strncmp(hex, prefix, strlen(prefix)) == 0;
}

bool tuf_path_bin(const char *path, unsigned bit_length, unsigned long *ret_bin) {
    Digest digest;
    if (bit_length < 1 || bit_length > 32 || !digest_of(path, strlen(path), &digest)) {
        return false;
    }
    unsigned long top = ((unsigned long)digest.bytes[0] << 24) | ((unsigned long)digest.bytes[1] << 16) |
                        ((unsigned long)digest.bytes[2] << 8) | digest.bytes[3];
    *ret_bin = top >> (32 - bit_length);
    return true;
}

static bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

bool tuf_path_encode(const char *name, bool keep_slash, char *buffer, size_t size) {
    static const char digits[] = "0123456789ABCDEF";
    size_t needed = 1;
    for (const char *at = name; *at != '\0'; at++) {
        needed += is_plain(*at) || (keep_slash && *at == '/') ? 1 : 3;
    }
    if (needed > size) {
        return false;
    }
    for (const char *at = name; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (is_plain(*at) || (keep_slash && *at == '/')) {
            *buffer++ = *at;
        } else {
            *buffer++ = '%';
            *buffer++ = digits[c >> 4];
            *buffer++ = digits[c & 15];
        }
    }
    *buffer = '\0';
    return true;
}

bool tuf_path_decode(const char *encoded, char *buffer, size_t size) {
    size_t filled = 0;
    for (const char *at = encoded; *at != '\0'; at++) {
        uint8_t byte = (uint8_t)*at;
        if (*at == '%') {
            char hex[3] = {at[1], at[1] == '\0' ? '\0' : at[2], '\0'};
            if (!text_parse_hex(hex, &byte, 1) || byte == 0) {
                return false;
            }
            at += 2;
        }
        if (filled + 1 >= size) {
            return false;
        }
        buffer[filled++] = (char)byte;
    }
    buffer[filled] = '\0';
    return true;
}
