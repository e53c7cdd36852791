/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/provider_config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"

enum { SIZE_MAX_BYTES = 64 * 1024, KEY_MAX = 64 };

/* Comments become blanks, so that lines and columns in messages stay right. */
static void blank_comments(char *text) {
    bool in_string = false;
    for (char *at = text; *at != '\0'; at++) {
        if (in_string && at[0] == '\\' && at[1] != '\0') {
            at++;
        } else if (*at == '"') {
            in_string = !in_string;
        } else if (!in_string && at[0] == '/' && at[1] == '/') {
            for (; *at != '\0' && *at != '\n'; at++) {
                *at = ' ';
            }
            at--;
        }
    }
}

static bool looks_like_json(const char *text) {
    return text[strspn(text, " \t\r\n")] == '{';
}

/* KEY=value, '#' comments. */
static json_t *parse_lines(char *text, const char *path, Error *err) {
    CLEANUP(json_freep) json_t *values = json_object();
    char *rest = text, *line = NULL;
    unsigned number = 0;
    while ((line = strsep(&rest, "\n")) != NULL) {
        char key[KEY_MAX];
        number++;
        line += strspn(line, " \t\r");
        line[strcspn(line, "#\r")] = '\0';
        size_t length = strcspn(line, "= \t");
        if (line[0] == '\0') {
            continue;
        }
        char *value = strchr(line, '=');
        if (value == NULL || length == 0 || length >= sizeof key) {
            error_set(err, ERROR_INPUT, "%s: line %u: neither JSON nor KEY=value", path, number);
            return NULL;
        }
        for (size_t i = 0; i < length; i++) {
            key[i] = (char)tolower((unsigned char)line[i]);
        }
        key[length] = '\0';
        value += 1 + strspn(value + 1, " \t\"");
        value[strcspn(value, " \t\"")] = '\0';
        if (!json_put(values, key, json_string(value))) {
            error_set(err, ERROR_INPUT, "%s: line %u: not UTF-8", path, number);
            return NULL;
        }
    }
    return TAKE(values);
}

bool provider_config_read(const Host *host, ProviderConfig *ret_config, Error *err) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(SIZE_MAX_BYTES);
    const char *path = host_environment(host, "QCNL_CONF_PATH");
    path = path != NULL && path[0] != '\0' ? path : PROVIDER_CONFIG_PATH;
    return host_read(host, path, &text, err) && provider_config_parse(&text, path, ret_config, err);
}

bool provider_config_parse(Buffer *text, const char *path, ProviderConfig *ret_config, Error *err) {
    ProviderConfig config = {0};
    (void)snprintf(config.path, sizeof config.path, "%s", path);
    if (text->size == 0 || memchr(text->data, '\0', text->size) != NULL) {
        return error_set(err, ERROR_INPUT, "%s: %s", config.path,
                         text->size == 0 ? "it is empty" : "it has a NUL byte");
    }
    config.old_form = !looks_like_json((const char *)text->data);
    if (config.old_form) {
        config.values = parse_lines((char *)text->data, config.path, err);
    } else {
        blank_comments((char *)text->data);
        config.values = json_parse(buffer_bytes(text), config.path, err);
    }
    if (config.values == NULL) {
        return false;
    }
    if (!json_is_object(config.values)) {
        json_decref(config.values);
        return error_set(err, ERROR_INPUT, "%s: it is not a JSON object", config.path);
    }
    *ret_config = config;
    return true;
}

void provider_config_done(ProviderConfig *config) {
    json_decref(config->values);
    config->values = NULL;
}

const char *provider_config_text(const ProviderConfig *config, const char *key) {
    return json_string_value(json_object_get(config->values, key));
}

int64_t provider_config_number(const ProviderConfig *config, const char *key, int64_t fallback) {
    const json_t *value = json_object_get(config->values, key);
    uint64_t number = 0;
    if (json_is_integer(value)) {
        return json_integer_value(value);
    }
    return json_is_string(value) && text_parse_u64(json_string_value(value), 0, INT64_MAX, &number)
               ? (int64_t)number
               : fallback;
}

bool provider_config_bool(const ProviderConfig *config, const char *key, bool fallback) {
    const json_t *value = json_object_get(config->values, key);
    if (json_is_string(value)) {
        return strcasecmp(json_string_value(value), "true") == 0;
    }
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

bool provider_url_parse(const char *url, ProviderUrl *ret_url) {
    ProviderUrl parsed = {.tls = strncmp(url, "https://", 8) == 0};
    if (!parsed.tls && strncmp(url, "http://", 7) != 0) {
        return false;
    }
    const char *at = url + (parsed.tls ? 8 : 7);
    size_t length = at[0] == '[' ? strcspn(at, "]") + 1 : strcspn(at, ":/");
    size_t skip = at[0] == '[' ? 1 : 0;
    if (skip != 0 && strchr(at, ']') == NULL) {
        return false;
    }
    if (length <= 2 * skip || length - 2 * skip >= sizeof parsed.host) {
        return false;
    }
    (void)snprintf(parsed.host, sizeof parsed.host, "%.*s", (int)(length - 2 * skip), at + skip);
    at += length;
    (void)snprintf(parsed.port, sizeof parsed.port, "%s", parsed.tls ? "443" : "80");
    if (at[0] == ':') {
        uint32_t port = 0;
        size_t digits = strcspn(at + 1, "/");
        (void)snprintf(parsed.port, sizeof parsed.port, "%.*s", (int)(digits < 7 ? digits : 7), at + 1);
        if (!text_parse_u32(parsed.port, 1, 65535, &port)) {
            return false;
        }
        at += 1 + digits;
    }
    if (at[0] != '\0' && at[0] != '/') {
        return false;
    }
    parsed.path = at;
    *ret_url = parsed;
    return strpbrk(parsed.host, " \t<>\"") == NULL;
}
