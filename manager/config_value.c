/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/config_value.h"

#include <grp.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bundles/base/text.h"

enum { GROUP_ENTRY_MAX = 64 * 1024 };

bool config_value_refuse(const ConfigReader *reader, const char *key, const char *text, const char *wanted) {
    return error_set(reader->err, ERROR_CONFIG, "%s: %s: '%.64s' is not allowed: write %s", reader->name, key,
                     text, wanted);
}

bool config_value_path(const ConfigReader *reader, const char *key, const char *text, const char *fallback,
                       size_t max, char **ret_path) {
    const char *path = text != NULL ? text : fallback;
    if (path == NULL) {
        return true; /* stays NULL: what the key's absence means is the reader's business */
    }
    if (path[0] != '/') {
        return config_value_refuse(reader, key, path, "an absolute path");
    }
    if (strpbrk(path, "\n\r\t\x1b") != NULL) {
        return config_value_refuse(reader, key, "...", "a path without control characters");
    }
    if (strlen(path) > max) {
        return error_set(reader->err, ERROR_CONFIG,
                         "%s: %s: the path has %zu bytes, %zu are possible: choose a "
                         "shorter one",
                         reader->name, key, strlen(path), max);
    }
    *ret_path = strdup(path);
    return *ret_path != NULL || error_set(reader->err, ERROR_MEMORY, "%s: out of memory", reader->name);
}

bool config_value_text(const ConfigReader *reader, const char *text, char **ret_text) {
    if (text == NULL) {
        return true;
    }
    *ret_text = strdup(text);
    return *ret_text != NULL || error_set(reader->err, ERROR_MEMORY, "%s: out of memory", reader->name);
}

bool config_value_duration(const ConfigReader *reader, const char *key, const char *text, ConfigBounds ms,
                           uint64_t *value) {
    uint64_t parsed = 0;
    if (text == NULL) {
        return true;
    }
    if (!text_parse_duration(text, &parsed)) {
        return config_value_refuse(reader, key, text, "a duration such as 250ms, 30s, 15m, 12h or 7d");
    }
    if (parsed < ms.min || parsed > ms.max) {
        char low[24], high[24];
        return error_set(reader->err, ERROR_CONFIG, "%s: %s: '%.64s' is out of bounds: write %s to %s",
                         reader->name, key, text, text_format_duration(low, sizeof low, ms.min),
                         text_format_duration(high, sizeof high, ms.max));
    }
    *value = parsed;
    return true;
}

bool config_value_number(const ConfigReader *reader, const char *key, const char *text, ConfigBounds bounds,
                         unsigned *value) {
    uint64_t parsed = 0;
    if (text == NULL) {
        return true;
    }
    if (!text_parse_u64(text, bounds.min, bounds.max, &parsed)) {
        return error_set(reader->err, ERROR_CONFIG,
                         "%s: %s: '%.64s' is not allowed: write a number from %llu to %llu", reader->name,
                         key, text, (unsigned long long)bounds.min, (unsigned long long)bounds.max);
    }
    *value = (unsigned)parsed;
    return true;
}

bool config_value_size(const ConfigReader *reader, const char *key, const char *text, uint64_t *value) {
    return text == NULL || text_parse_size(text, value) ||
           config_value_refuse(reader, key, text, "a size such as 4096, 64KiB, 16MiB or 2GiB");
}

bool config_value_bool(const ConfigReader *reader, const char *key, const char *text, bool *value) {
    return text == NULL || text_parse_bool(text, value) ||
           config_value_refuse(reader, key, text, "true or false");
}

bool config_value_word(const ConfigReader *reader, const char *key, const char *text, const char *no,
                       const char *yes, bool *value) {
    if (text == NULL) {
        return true;
    }
    if (strcmp(text, yes) == 0 || strcmp(text, no) == 0) {
        *value = strcmp(text, yes) == 0;
        return true;
    }
    return error_set(reader->err, ERROR_CONFIG, "%s: %s: '%.64s' is not allowed: write %s or %s",
                     reader->name, key, text, no, yes);
}

bool config_value_group(const ConfigReader *reader, const char *key, const char *text, gid_t *group) {
    uint32_t number = 0;
    if (text == NULL || text[0] == '\0') {
        return true;
    }
    if (text_parse_u32(text, 0, UINT32_MAX - 1, &number)) {
        *group = number;
        return true;
    }
    struct group entry, *found = NULL;
    char members[GROUP_ENTRY_MAX];
    if (getgrnam_r(text, &entry, members, sizeof members, &found) != 0 || found == NULL) {
        return error_set(reader->err, ERROR_CONFIG,
                         "%s: %s: there is no group '%.64s': make it with groupadd, or name another",
                         reader->name, key, text);
    }
    *group = found->gr_gid;
    return true;
}

/* "127.0.0.1:9469" or "[::1]:9469": addresses, so that starting never waits for names. */
bool config_value_listen(const ConfigReader *reader, const char *key, const char *text, Config *config) {
    char host[64] = "";
    const char *port = text != NULL ? strrchr(text, ':') : NULL;
    if (text == NULL || text[0] == '\0') {
        return true;
    }
    size_t length = port != NULL ? (size_t)(port - text) : 0;
    bool bracketed = length > 2 && text[0] == '[' && text[length - 1] == ']';
    uint32_t number = 0;
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_family = bracketed ? AF_INET6 : AF_INET,
                                   .ai_socktype = SOCK_STREAM};
    if (length < sizeof host) {
        (void)snprintf(host, sizeof host, "%.*s", (int)(length - (bracketed ? 2 : 0)), text + bracketed);
    }
    if (host[0] == '\0' || !text_parse_u32(port + 1, 1, 65535, &number) ||
        getaddrinfo(host, port + 1, &hints, &found) != 0) {
        return config_value_refuse(reader, key, text,
                                   "an address and a port, such as 127.0.0.1:9469 or [::1]:9469");
    }
    memcpy(&config->metrics_listen, found->ai_addr, found->ai_addrlen);
    config->metrics_listen_size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}
