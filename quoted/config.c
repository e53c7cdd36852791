/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/config.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/settings.h"
#include "bundles/base/text.h"

typedef struct Keys {
    char *threads, *engine_calls, *connections, *connections_per_uid, *queue, *request_size;
    char *idle_timeout, *queue_timeout, *drain_timeout, *provider, *engine_timeout, *engines, *log_level,
        *socket_mode, *socket_group;
    char *network, *sandbox;
    char **allow_uids, **allow_cgroups;
    unsigned allow_uids_count, allow_cgroups_count;
} Keys;

#define KEY(key) CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_OPTIONAL, Keys, key, 0, 64)
#define LIST_KEY(key)                                                                                        \
    CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, Keys, key, &entry_schema, 1,        \
                         ACCESS_ENTRIES_MAX)

static const cyaml_schema_value_t entry_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, ACCESS_CGROUP_MAX)};
static const cyaml_schema_field_t fields[] = {
    KEY(threads),      KEY(engine_calls), KEY(connections),     KEY(connections_per_uid), KEY(queue),
    KEY(request_size), KEY(idle_timeout), KEY(queue_timeout),   KEY(drain_timeout),       KEY(log_level),
    KEY(socket_mode),  KEY(socket_group), KEY(provider),        KEY(engine_timeout),      KEY(engines),
    KEY(network),      KEY(sandbox),      LIST_KEY(allow_uids), LIST_KEY(allow_cgroups),  CYAML_FIELD_END};
static const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, Keys, fields)};

enum { THREADS_MIN = 3, THREADS_BEYOND_CORES = 2, THREADS_BEYOND_CALLS = 2 };

void config_set_defaults(Config *config) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t threads = (uint32_t)(cores < 1 ? 1 : cores) + THREADS_BEYOND_CORES;
    *config = (Config){.threads = threads < CONFIG_THREADS_MAX ? threads : CONFIG_THREADS_MAX,
                       .engine_calls = 1,
                       .engines = 1,
                       .connections = 4096,
                       .connections_per_uid = 2048,
                       .queue = 4096,
                       .request_size = CONFIG_REQUEST_SIZE_MAX,
                       .idle_timeout_ms = 60 * 1000,
                       .queue_timeout_ms = 10 * 1000,
                       .drain_timeout_ms = 15 * 1000,
                       .sandbox = true,
                       .engine_timeout_ms = 120 * 1000,
                       .log_level = LOG_LEVEL_INFO,
                       .socket_mode = 0777};
}

typedef struct Reading {
    const char *name;
    Error *err;
} Reading;

static bool refuse(const Reading *reading, const char *key, const char *text, const char *wanted) {
    return error_set(reading->err, ERROR_CONFIG, "%s: %s: '%s' is not allowed: write %s", reading->name, key,
                     text, wanted);
}

static bool read_number(const Reading *reading, const char *key, const char *text, uint32_t min, uint32_t max,
                        uint32_t *number) {
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "a number from %u to %u", min, max);
    return text == NULL || text_parse_u32(text, min, max, number) || refuse(reading, key, text, wanted);
}

static bool read_duration(const Reading *reading, const char *key, const char *text, uint64_t *duration) {
    uint64_t value = 0;
    if (text == NULL) {
        return true;
    }
    if (!text_parse_duration(text, &value) || value < 100 || value > 3600 * 1000) {
        return refuse(reading, key, text, "a duration from 100ms to 1h");
    }
    *duration = value;
    return true;
}

static bool read_request_size(const Reading *reading, const char *text, uint32_t *size) {
    uint64_t value = 0;
    if (text == NULL) {
        return true;
    }
    if (!text_parse_size(text, &value) || value < 4096 || value > CONFIG_REQUEST_SIZE_MAX) {
        return refuse(reading, "request_size", text, "a size from 4KiB to 128KiB");
    }
    *size = (uint32_t)value;
    return true;
}

static bool read_provider(const Reading *reading, const char *text, bool *host_provider) {
    *host_provider = text != NULL && strcmp(text, "host") == 0;
    return text == NULL || *host_provider || strcmp(text, "bundle") == 0 ||
           refuse(reading, "provider", text, "bundle or host");
}

static bool read_network(const Reading *reading, const char *text, ConfigNetwork *network) {
    if (text != NULL) {
        *network = strcmp(text, "allow") == 0 ? CONFIG_NETWORK_ALLOW : CONFIG_NETWORK_REFUSE;
    }
    return text == NULL || *network == CONFIG_NETWORK_ALLOW || strcmp(text, "refuse") == 0 ||
           refuse(reading, "network", text, "allow or refuse");
}

static bool read_sandbox(const Reading *reading, const char *text, bool *sandbox) {
    *sandbox = text == NULL || strcmp(text, "on") == 0;
    return *sandbox || strcmp(text, "off") == 0 || refuse(reading, "sandbox", text, "on or off");
}

static bool read_access(const Keys *keys, const Reading *reading, Access *access) {
    for (unsigned i = 0; i < keys->allow_uids_count; i++) {
        if (!access_add_uids(access, keys->allow_uids[i])) {
            return refuse(reading, "allow_uids", keys->allow_uids[i],
                          "a uid, or a range of them as 1000-1999");
        }
    }
    for (unsigned i = 0; i < keys->allow_cgroups_count; i++) {
        if (!access_add_cgroup(access, keys->allow_cgroups[i])) {
            return refuse(reading, "allow_cgroups", keys->allow_cgroups[i],
                          "the path of a control group, as /kubepods.slice");
        }
    }
    return true;
}

static bool read_keys(const Keys *keys, const Reading *reading, Config *config) {
    return read_number(reading, "threads", keys->threads, THREADS_MIN, CONFIG_THREADS_MAX,
                       &config->threads) &&
           read_number(reading, "engine_calls", keys->engine_calls, 1, CONFIG_THREADS_MAX - 2,
                       &config->engine_calls) &&
           read_number(reading, "engines", keys->engines, 1, CONFIG_ENGINES_MAX, &config->engines) &&
           read_number(reading, "connections", keys->connections, 1, 1000000, &config->connections) &&
           read_number(reading, "connections_per_uid", keys->connections_per_uid, 1, 1000000,
                       &config->connections_per_uid) &&
           read_number(reading, "queue", keys->queue, 1, 1000000, &config->queue) &&
           read_request_size(reading, keys->request_size, &config->request_size) &&
           read_duration(reading, "idle_timeout", keys->idle_timeout, &config->idle_timeout_ms) &&
           read_duration(reading, "queue_timeout", keys->queue_timeout, &config->queue_timeout_ms) &&
           read_duration(reading, "drain_timeout", keys->drain_timeout, &config->drain_timeout_ms) &&
           read_duration(reading, "engine_timeout", keys->engine_timeout, &config->engine_timeout_ms) &&
           read_provider(reading, keys->provider, &config->host_provider) &&
           read_network(reading, keys->network, &config->network) &&
           read_sandbox(reading, keys->sandbox, &config->sandbox) &&
           read_access(keys, reading, &config->access) &&
           (keys->log_level == NULL || log_level_parse(keys->log_level, &config->log_level) ||
            refuse(reading, "log_level", keys->log_level, "error, warning, info or debug")) &&
           (keys->socket_mode == NULL || text_parse_mode(keys->socket_mode, &config->socket_mode) ||
            refuse(reading, "socket_mode", keys->socket_mode, "four octal digits")) &&
           (keys->socket_group == NULL ||
            text_copy(config->socket_group, sizeof config->socket_group, keys->socket_group) ||
            refuse(reading, "socket_group", keys->socket_group, "the name of a group"));
}

/* One thread is always left for what needs neither an engine nor a lame duck, and one for lame ducks. */
static bool check_threads(const Keys *keys, const Reading *reading, Config *config) {
    uint32_t calls = config->engine_calls + config->engines - 1;
    uint32_t wanted = calls + THREADS_BEYOND_CALLS;
    if (keys->threads == NULL && config->threads < wanted) {
        config->threads = wanted;
    }
    return wanted <= config->threads ||
           error_set(reading->err, ERROR_CONFIG,
                     "%s: engine_calls: %u of %u threads: at least 2 have to be left for other work: write "
                     "more threads, fewer engine_calls or fewer engines",
                     reading->name, calls, config->threads);
}

static void keys_freep(Keys **keys) {
    settings_free(&schema, *keys);
}

bool config_load(const char *path, Config *ret_config, Error *err) {
    Config config;
    config_set_defaults(&config);
    if (path == NULL) {
        *ret_config = config;
        return true;
    }
    void *value = NULL;
    if (!settings_load(AT_FDCWD, path, &schema, ERROR_CONFIG, &value, err)) {
        return false;
    }
    CLEANUP(keys_freep) Keys *keys = value;
    const Reading reading = {.name = path, .err = err};
    if (!read_keys(keys, &reading, &config) || !check_threads(keys, &reading, &config)) {
        return false;
    }
    *ret_config = config;
    return true;
}
