/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/config_updates.h"

#include <string.h>

#include "bundles/base/text.h"

enum { CHANNEL_MAX = 64 };
#define INTERVAL_MIN_MS UINT64_C(1000)
#define INTERVAL_MAX_MS (UINT64_C(30) * 24 * 3600 * 1000)

static const cyaml_schema_value_t mirror_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CONFIG_URL_MAX)};
const cyaml_schema_field_t config_update_fields[] = {
    CYAML_FIELD_STRING_PTR("repository", CYAML_FLAG_OPTIONAL, ConfigUpdateKeys, repository, 0,
                           CONFIG_URL_MAX),
    CYAML_FIELD_SEQUENCE_COUNT("mirrors", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, ConfigUpdateKeys, mirrors,
                               mirrors_count, &mirror_schema, 0, CONFIG_MIRRORS_MAX),
    CYAML_FIELD_STRING_PTR("root", CYAML_FLAG_OPTIONAL, ConfigUpdateKeys, root, 0, CONFIG_URL_MAX),
    CYAML_FIELD_STRING_PTR("channel", CYAML_FLAG_OPTIONAL, ConfigUpdateKeys, channel, 0, CONFIG_URL_MAX),
    CYAML_FIELD_STRING_PTR("check_interval", CYAML_FLAG_OPTIONAL, ConfigUpdateKeys, check_interval, 0,
                           CONFIG_URL_MAX),
    CYAML_FIELD_STRING_PTR("automatic", CYAML_FLAG_OPTIONAL, ConfigUpdateKeys, automatic, 0, CONFIG_URL_MAX),
    CYAML_FIELD_END};

typedef struct Reader {
    const char *name;
    Config *config;
    Error *err;
} Reader;

/* Plain http is for a server on this host only: tests, and relays that do TLS themselves. */
static bool is_loopback(const char *host) {
    static const char *const names[] = {"127.0.0.1", "[::1]", "localhost"};
    size_t length = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == length && strncmp(host, names[i], length) == 0) {
            return true;
        }
    }
    return false;
}

bool config_check_url(const char *name, const char *key, const char *url, Error *err) {
    static const char https[] = "https://", http[] = "http://";
    const char *host = NULL;
    if (strncmp(url, https, sizeof https - 1) == 0) {
        host = url + sizeof https - 1;
    } else if (strncmp(url, http, sizeof http - 1) == 0 && is_loopback(url + sizeof http - 1)) {
        host = url + sizeof http - 1;
    } else {
        return error_set(err, ERROR_CONFIG,
                         "%s: %s: '%.200s' is not allowed: write an https:// URL, or file:///DIRECTORY", name,
                         key, url);
    }
    if (!text_is_printable(url, CONFIG_URL_MAX) || strpbrk(url, " ?#@\"'<>\\^`{|}") != NULL ||
        host[0] == '\0' || host[0] == '/') {
        return error_set(err, ERROR_CONFIG,
                         "%s: %s: '%.200s' is not the URL of a directory: write https://HOST/PATH, without "
                         "password, '?' or '#'",
                         name, key, url);
    }
    return true;
}

static bool add(const Reader *reader, const char *place) {
    Config *config = reader->config;
    char *copy = strdup(place);
    if (copy == NULL) {
        return error_set(reader->err, ERROR_MEMORY, "%s: out of memory", reader->name);
    }
    for (size_t length = strlen(copy); length > 1 && copy[length - 1] == '/'; length--) {
        copy[length - 1] = '\0';
    }
    config->repositories[config->repositories_count++] = copy;
    return true;
}

static bool read_repositories(const Reader *reader, const ConfigUpdateKeys *keys) {
    static const char file[] = "file://";
    if (strncmp(keys->repository, file, sizeof file - 1) == 0) {
        if (keys->repository[sizeof file - 1] != '/' || keys->mirrors_count > 0) {
            return error_set(reader->err, ERROR_CONFIG,
                             "%s: updates.repository: write file:///DIRECTORY, and no mirrors beside it",
                             reader->name);
        }
        reader->config->repository_is_local = true;
        return add(reader, keys->repository + sizeof file - 1);
    }
    if (!config_check_url(reader->name, "updates.repository", keys->repository, reader->err) ||
        !add(reader, keys->repository)) {
        return false;
    }
    for (uint32_t i = 0; i < keys->mirrors_count; i++) {
        if (!config_check_url(reader->name, "updates.mirrors", keys->mirrors[i], reader->err) ||
            !add(reader, keys->mirrors[i])) {
            return false;
        }
    }
    return true;
}

static bool read_channel(const Reader *reader, const char *channel) {
    if (strlen(channel) == 0 || strlen(channel) > CHANNEL_MAX ||
        strspn(channel, "abcdefghijklmnopqrstuvwxyz0123456789-_./") != strlen(channel) || channel[0] == '/' ||
        channel[strlen(channel) - 1] == '/') {
        return error_set(reader->err, ERROR_CONFIG,
                         "%s: updates.channel: '%.80s' is not allowed: write a name such as stable: a-z, "
                         "0-9, '-', '_', '.', '/', at most %d",
                         reader->name, channel, CHANNEL_MAX);
    }
    reader->config->updates_channel = strdup(channel);
    return reader->config->updates_channel != NULL ||
           error_set(reader->err, ERROR_MEMORY, "%s: out of memory", reader->name);
}

static bool read_root(const Reader *reader, const char *root) {
    if (root[0] != '/') {
        return error_set(reader->err, ERROR_CONFIG,
                         "%s: updates.root: '%.80s' is not allowed: write an absolute path", reader->name,
                         root);
    }
    reader->config->updates_root = strdup(root);
    return reader->config->updates_root != NULL ||
           error_set(reader->err, ERROR_MEMORY, "%s: out of memory", reader->name);
}

static bool read_interval(const Reader *reader, const char *text) {
    uint64_t *interval = &reader->config->check_interval_ms;
    if (text == NULL) {
        return true;
    }
    return (text_parse_duration(text, interval) &&
            (*interval == 0 || (*interval >= INTERVAL_MIN_MS && *interval <= INTERVAL_MAX_MS))) ||
           error_set(reader->err, ERROR_CONFIG,
                     "%s: updates.check_interval: '%.64s' is not allowed: write a duration from 1s to 30d, "
                     "or 0 to look only when asked",
                     reader->name, text);
}

static bool read_automatic(const Reader *reader, const char *text) {
    static const char *const words[] = {"off", "stage", "swap"};
    for (size_t i = 0; text != NULL && i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            reader->config->automatic = (ConfigAutomatic)i;
            return true;
        }
    }
    return text == NULL || error_set(reader->err, ERROR_CONFIG,
                                     "%s: updates.automatic: '%.64s' is not allowed: write off, stage or "
                                     "swap",
                                     reader->name, text);
}

bool config_read_updates(const ConfigUpdateKeys *keys, const char *name, Config *config, Error *err) {
    static const ConfigUpdateKeys none = {0};
    const ConfigUpdateKeys *given = keys != NULL ? keys : &none;
    const Reader reader = {name, config, err};
    if (given->repository == NULL && given->mirrors_count > 0) {
        return error_set(err, ERROR_CONFIG, "%s: updates.mirrors: there is no updates.repository", name);
    }
    return (given->repository == NULL || read_repositories(&reader, given)) &&
           read_root(&reader, given->root != NULL ? given->root : "/etc/psw-manager/root.json") &&
           read_channel(&reader, given->channel != NULL ? given->channel : "stable") &&
           read_interval(&reader, given->check_interval) && read_automatic(&reader, given->automatic);
}
