/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/config.h"

#include <fcntl.h>
#include <string.h>

#include "bundles/base/settings.h"
#include "bundles/base/text.h"
#include "manager/config_collateral.h"
#include "manager/config_updates.h"
#include "manager/config_value.h"
#include "manager/config_waivers.h"

/* The document as libcyaml reads it: strings or NULL where a key is left out. */
typedef struct SocketKeys {
    char *path, *mode, *group;
} SocketKeys;
typedef struct ApiKeys {
    char *group;
} ApiKeys;
typedef struct MetricsKeys {
    char *listen;
} MetricsKeys;
typedef struct QuotedKeys {
    char *program, *config;
} QuotedKeys;
typedef struct SwapKeys {
    char *soak, *trial_interval, *trial_latency_max, *error_percent_max;
    char *warm_up_timeout, *drain_timeout, *epc, *epc_size;
} SwapKeys;
typedef struct DuckKeys {
    char *count, *keep, *reinit;
} DuckKeys;
typedef struct RestartKeys {
    char *delay, *delay_max, *settle, *spare;
} RestartKeys;
typedef struct FetchKeys {
    char *ca, *client_certificate, *client_key, *proxy, *size_max, *timeout, *speed_min, *stall_timeout;
    char *rate_max, *file;
} FetchKeys;
typedef struct Document {
    SocketKeys *socket;
    ApiKeys *api;
    MetricsKeys *metrics;
    QuotedKeys *quoted;
    SwapKeys *swap;
    DuckKeys *lame_ducks;
    RestartKeys *restart;
    FetchKeys *fetch;
    char **trust;
    unsigned trust_count;
    ConfigUpdateKeys *updates;
    ConfigWaiverKeys *waivers;
    unsigned waivers_count;
    ConfigCollateralKeys *collateral;
    char *store, *state, *runtime, *simulated, *log_level;
} Document;

enum { TEXT_MAX = 4096 };

static const cyaml_schema_field_t socket_fields[] = {
    CYAML_FIELD_STRING_PTR("path", CYAML_FLAG_OPTIONAL, SocketKeys, path, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("mode", CYAML_FLAG_OPTIONAL, SocketKeys, mode, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("group", CYAML_FLAG_OPTIONAL, SocketKeys, group, 0, TEXT_MAX), CYAML_FIELD_END};
static const cyaml_schema_field_t api_fields[] = {
    CYAML_FIELD_STRING_PTR("group", CYAML_FLAG_OPTIONAL, ApiKeys, group, 0, TEXT_MAX), CYAML_FIELD_END};
static const cyaml_schema_field_t metrics_fields[] = {
    CYAML_FIELD_STRING_PTR("listen", CYAML_FLAG_OPTIONAL, MetricsKeys, listen, 0, TEXT_MAX), CYAML_FIELD_END};
static const cyaml_schema_field_t quoted_fields[] = {
    CYAML_FIELD_STRING_PTR("program", CYAML_FLAG_OPTIONAL, QuotedKeys, program, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("config", CYAML_FLAG_OPTIONAL, QuotedKeys, config, 0, TEXT_MAX), CYAML_FIELD_END};
static const cyaml_schema_field_t swap_fields[] = {
    CYAML_FIELD_STRING_PTR("soak", CYAML_FLAG_OPTIONAL, SwapKeys, soak, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("trial_interval", CYAML_FLAG_OPTIONAL, SwapKeys, trial_interval, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("trial_latency_max", CYAML_FLAG_OPTIONAL, SwapKeys, trial_latency_max, 0,
                           TEXT_MAX),
    CYAML_FIELD_STRING_PTR("error_percent_max", CYAML_FLAG_OPTIONAL, SwapKeys, error_percent_max, 0,
                           TEXT_MAX),
    CYAML_FIELD_STRING_PTR("warm_up_timeout", CYAML_FLAG_OPTIONAL, SwapKeys, warm_up_timeout, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("drain_timeout", CYAML_FLAG_OPTIONAL, SwapKeys, drain_timeout, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("epc", CYAML_FLAG_OPTIONAL, SwapKeys, epc, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("epc_size", CYAML_FLAG_OPTIONAL, SwapKeys, epc_size, 0, TEXT_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_field_t duck_fields[] = {
    CYAML_FIELD_STRING_PTR("count", CYAML_FLAG_OPTIONAL, DuckKeys, count, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("keep", CYAML_FLAG_OPTIONAL, DuckKeys, keep, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("reinit", CYAML_FLAG_OPTIONAL, DuckKeys, reinit, 0, TEXT_MAX), CYAML_FIELD_END};
static const cyaml_schema_field_t restart_fields[] = {
    CYAML_FIELD_STRING_PTR("delay", CYAML_FLAG_OPTIONAL, RestartKeys, delay, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("delay_max", CYAML_FLAG_OPTIONAL, RestartKeys, delay_max, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("settle", CYAML_FLAG_OPTIONAL, RestartKeys, settle, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("spare", CYAML_FLAG_OPTIONAL, RestartKeys, spare, 0, TEXT_MAX), CYAML_FIELD_END};
static const cyaml_schema_field_t fetch_fields[] = {
    CYAML_FIELD_STRING_PTR("ca", CYAML_FLAG_OPTIONAL, FetchKeys, ca, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("client_certificate", CYAML_FLAG_OPTIONAL, FetchKeys, client_certificate, 0,
                           TEXT_MAX),
    CYAML_FIELD_STRING_PTR("client_key", CYAML_FLAG_OPTIONAL, FetchKeys, client_key, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("proxy", CYAML_FLAG_OPTIONAL, FetchKeys, proxy, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("size_max", CYAML_FLAG_OPTIONAL, FetchKeys, size_max, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("timeout", CYAML_FLAG_OPTIONAL, FetchKeys, timeout, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("speed_min", CYAML_FLAG_OPTIONAL, FetchKeys, speed_min, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("stall_timeout", CYAML_FLAG_OPTIONAL, FetchKeys, stall_timeout, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("rate_max", CYAML_FLAG_OPTIONAL, FetchKeys, rate_max, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("file", CYAML_FLAG_OPTIONAL, FetchKeys, file, 0, TEXT_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t path_schema = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, TEXT_MAX)};
static const cyaml_schema_field_t document_fields[] = {
    CYAML_FIELD_MAPPING_PTR("socket", CYAML_FLAG_OPTIONAL, Document, socket, socket_fields),
    CYAML_FIELD_MAPPING_PTR("api", CYAML_FLAG_OPTIONAL, Document, api, api_fields),
    CYAML_FIELD_MAPPING_PTR("metrics", CYAML_FLAG_OPTIONAL, Document, metrics, metrics_fields),
    CYAML_FIELD_MAPPING_PTR("quoted", CYAML_FLAG_OPTIONAL, Document, quoted, quoted_fields),
    CYAML_FIELD_MAPPING_PTR("swap", CYAML_FLAG_OPTIONAL, Document, swap, swap_fields),
    CYAML_FIELD_MAPPING_PTR("lame_ducks", CYAML_FLAG_OPTIONAL, Document, lame_ducks, duck_fields),
    CYAML_FIELD_MAPPING_PTR("restart", CYAML_FLAG_OPTIONAL, Document, restart, restart_fields),
    CYAML_FIELD_MAPPING_PTR("fetch", CYAML_FLAG_OPTIONAL, Document, fetch, fetch_fields),
    CYAML_FIELD_SEQUENCE("trust", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, Document, trust, &path_schema, 0,
                         CONFIG_TRUST_MAX),
    CYAML_FIELD_MAPPING_PTR("updates", CYAML_FLAG_OPTIONAL, Document, updates, config_update_fields),
    CYAML_FIELD_SEQUENCE("waivers", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, Document, waivers,
                         &config_waiver_schema, 0, CONFIG_WAIVERS_MAX),
    CYAML_FIELD_MAPPING_PTR("collateral", CYAML_FLAG_OPTIONAL, Document, collateral,
                            config_collateral_fields),
    CYAML_FIELD_STRING_PTR("store", CYAML_FLAG_OPTIONAL, Document, store, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("state", CYAML_FLAG_OPTIONAL, Document, state, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("runtime", CYAML_FLAG_OPTIONAL, Document, runtime, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("simulated", CYAML_FLAG_OPTIONAL, Document, simulated, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("log_level", CYAML_FLAG_OPTIONAL, Document, log_level, 0, TEXT_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t document_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, Document, document_fields)};

static bool read_trust(const ConfigReader *reader, const Document *document, Config *config) {
    config->trust = calloc(document->trust_count + 1, sizeof *config->trust);
    if (config->trust == NULL) {
        return error_set(reader->err, ERROR_MEMORY, "%s: out of memory", reader->name);
    }
    for (unsigned i = 0; i < document->trust_count; i++) {
        if (!config_value_path(reader, "trust", document->trust[i], NULL, TEXT_MAX,
                               &config->trust[config->trust_count++])) {
            return false;
        }
    }
    return true;
}

static const ConfigBounds soak_bounds = {0, UINT64_C(7) * 24 * 3600 * 1000};
static const ConfigBounds second_bounds = {10, UINT64_C(3600) * 1000};
static const ConfigBounds stall_bounds = {1000, UINT64_C(3600) * 1000};
static const ConfigBounds keep_bounds = {0, UINT64_C(3650) * 24 * 3600 * 1000};

static bool read_socket(const ConfigReader *reader, const Document *document, Config *config) {
    const SocketKeys none = {0}, *keys = document->socket ? document->socket : &none;
    if (keys->mode != NULL && !text_parse_mode(keys->mode, &config->socket_mode)) {
        return config_value_refuse(reader, "socket.mode", keys->mode,
                                   "four octal digits in quotes, such as \"0666\"");
    }
    return config_value_path(reader, "socket.path", keys->path, "/var/run/aesmd/aesm.socket",
                             CONFIG_SOCKET_PATH_MAX, &config->socket_path) &&
           config_value_group(reader, "socket.group", keys->group, &config->socket_group) &&
           (document->metrics == NULL ||
            config_value_listen(reader, "metrics.listen", document->metrics->listen, config)) &&
           (document->api == NULL ||
            config_value_group(reader, "api.group", document->api->group, &config->api_group));
}

static bool read_places(const ConfigReader *reader, const Document *document, Config *config) {
    const QuotedKeys none = {0}, *keys = document->quoted ? document->quoted : &none;
    return config_value_path(reader, "store", document->store, "/var/lib/psw-manager/store", TEXT_MAX,
                             &config->store) &&
           config_value_path(reader, "state", document->state, "/var/lib/psw-manager/state", TEXT_MAX,
                             &config->state) &&
           config_value_path(reader, "runtime", document->runtime, CONFIG_RUNTIME_DEFAULT,
                             CONFIG_RUNTIME_PATH_MAX, &config->runtime) &&
           config_value_path(reader, "quoted.program", keys->program, NULL, TEXT_MAX,
                             &config->quoted_program) &&
           config_value_path(reader, "quoted.config", keys->config, NULL, TEXT_MAX, &config->quoted_config);
}

static bool read_swap(const ConfigReader *reader, const Document *document, Config *config) {
    const SwapKeys none = {0}, *keys = document->swap ? document->swap : &none;
    uint64_t epc_bytes = 0;
    bool good =
        config_value_duration(reader, "swap.soak", keys->soak, soak_bounds, &config->soak_ms) &&
        config_value_duration(reader, "swap.trial_interval", keys->trial_interval, second_bounds,
                              &config->trial_interval_ms) &&
        config_value_duration(reader, "swap.trial_latency_max", keys->trial_latency_max, second_bounds,
                              &config->trial_latency_max_ms) &&
        config_value_number(reader, "swap.error_percent_max", keys->error_percent_max, (ConfigBounds){0, 100},
                            &config->error_percent_max) &&
        config_value_duration(reader, "swap.warm_up_timeout", keys->warm_up_timeout, second_bounds,
                              &config->warm_up_timeout_ms) &&
        config_value_duration(reader, "swap.drain_timeout", keys->drain_timeout, second_bounds,
                              &config->drain_timeout_ms) &&
        config_value_word(reader, "swap.epc", keys->epc, "refuse", "sequential", &config->epc_sequential) &&
        config_value_size(reader, "swap.epc_size", keys->epc_size, &epc_bytes);
    config->epc_kib = epc_bytes / 1024;
    return good;
}

static bool read_fetch(const ConfigReader *reader, const Document *document, Config *config) {
    const FetchKeys none = {0}, *fetch = document->fetch ? document->fetch : &none;
    if ((fetch->client_certificate == NULL) != (fetch->client_key == NULL)) {
        return error_set(reader->err, ERROR_CONFIG,
                         "%s: fetch.client_certificate and fetch.client_key: give both or neither",
                         reader->name);
    }
    return config_value_path(reader, "fetch.ca", fetch->ca, NULL, TEXT_MAX, &config->fetch_ca) &&
           config_value_path(reader, "fetch.client_certificate", fetch->client_certificate, NULL, TEXT_MAX,
                             &config->fetch_certificate) &&
           config_value_path(reader, "fetch.client_key", fetch->client_key, NULL, TEXT_MAX,
                             &config->fetch_key) &&
           config_value_text(reader, fetch->proxy, &config->fetch_proxy) &&
           config_value_size(reader, "fetch.size_max", fetch->size_max, &config->fetch_size_max) &&
           config_value_duration(reader, "fetch.timeout", fetch->timeout, keep_bounds,
                                 &config->fetch_timeout_ms) &&
           config_value_size(reader, "fetch.speed_min", fetch->speed_min, &config->fetch_speed_min) &&
           config_value_duration(reader, "fetch.stall_timeout", fetch->stall_timeout, stall_bounds,
                                 &config->fetch_stall_timeout_ms) &&
           config_value_size(reader, "fetch.rate_max", fetch->rate_max, &config->fetch_rate_max) &&
           config_value_bool(reader, "fetch.file", fetch->file, &config->fetch_file);
}

static bool read_rest(const ConfigReader *reader, const Document *document, Config *config) {
    const DuckKeys no_ducks = {0}, *ducks = document->lame_ducks ? document->lame_ducks : &no_ducks;
    const RestartKeys no_restart = {0}, *restart = document->restart ? document->restart : &no_restart;
    if (document->log_level != NULL && !log_level_parse(document->log_level, &config->log_level)) {
        return config_value_refuse(reader, "log_level", document->log_level, "error, warning, info or debug");
    }
    return config_value_number(reader, "lame_ducks.count", ducks->count, (ConfigBounds){0, CONFIG_DUCKS_MAX},
                               &config->ducks_count) &&
           config_value_duration(reader, "lame_ducks.keep", ducks->keep, keep_bounds,
                                 &config->ducks_keep_ms) &&
           config_value_bool(reader, "lame_ducks.reinit", ducks->reinit, &config->ducks_reinit) &&
           config_value_duration(reader, "restart.delay", restart->delay, second_bounds,
                                 &config->restart_delay_ms) &&
           config_value_duration(reader, "restart.delay_max", restart->delay_max, second_bounds,
                                 &config->restart_delay_max_ms) &&
           config_value_duration(reader, "restart.settle", restart->settle, second_bounds,
                                 &config->restart_settle_ms) &&
           config_value_bool(reader, "restart.spare", restart->spare, &config->restart_spare) &&
           read_fetch(reader, document, config) &&
           config_read_updates(document->updates, reader->name, config, reader->err) &&
           config_read_waivers(document->waivers, document->waivers_count, reader->name, config,
                               reader->err) &&
           config_read_collateral(document->collateral, reader->name, config, reader->err) &&
           config_value_word(reader, "simulated", document->simulated, "refuse", "allow",
                             &config->simulated_allowed);
}

static Config *config_of(const Document *document, const char *name, Error *err) {
    CLEANUP(config_freep) Config *config = malloc(sizeof *config);
    if (config == NULL) {
        error_set(err, ERROR_MEMORY, "%s: out of memory", name);
        return NULL;
    }
    *config = (Config){
        .socket_mode = 0666,
        .socket_group = CONFIG_NO_GROUP,
        .api_group = CONFIG_NO_GROUP,
        .soak_ms = UINT64_C(5) * 60 * 1000,
        .trial_interval_ms = 5000,
        .trial_latency_max_ms = 5000,
        .error_percent_max = 1,
        .warm_up_timeout_ms = 120 * 1000,
        .drain_timeout_ms = 60 * 1000,
        .ducks_count = 2,
        .ducks_keep_ms = UINT64_C(7) * 24 * 3600 * 1000,
        .ducks_reinit = true,
        .restart_delay_ms = 100,
        .restart_delay_max_ms = 10 * 1000,
        .restart_settle_ms = 60 * 1000,
        .fetch_size_max = UINT64_C(1) << 30,
        .fetch_timeout_ms = UINT64_C(3600) * 1000,
        .fetch_speed_min = 1024,
        .fetch_stall_timeout_ms = 30 * 1000,
        .fetch_file = true,
        .check_interval_ms = UINT64_C(6) * 3600 * 1000,
        .log_level = LOG_LEVEL_INFO,
    };
    const ConfigReader reader = {name, err};
    if (!read_socket(&reader, document, config) || !read_places(&reader, document, config) ||
        !read_trust(&reader, document, config) || !read_swap(&reader, document, config) ||
        !read_rest(&reader, document, config)) {
        return NULL;
    }
    return TAKE(config);
}

static Config *take_document(void *document, const char *name, Error *err) {
    Config *config = config_of(document, name, err);
    settings_free(&document_schema, document);
    return config;
}

Config *config_load(const char *path, Error *err) {
    void *document = NULL;
    if (!settings_load(AT_FDCWD, path, &document_schema, ERROR_CONFIG, &document, err)) {
        return NULL;
    }
    return take_document(document, path, err);
}

Config *config_parse(Bytes yaml, const char *name, Error *err) {
    void *document = NULL;
    if (!settings_parse(yaml, name, &document_schema, ERROR_CONFIG, &document, err)) {
        return NULL;
    }
    return take_document(document, name, err);
}

void config_free(Config *config) {
    if (config == NULL) {
        return;
    }
    free(config->socket_path);
    free(config->store);
    free(config->state);
    free(config->runtime);
    free(config->quoted_program);
    free(config->quoted_config);
    free(config->fetch_ca);
    for (size_t i = 0; i < config->trust_count; i++) {
        free(config->trust[i]);
    }
    free(config->trust);
    free(config->fetch_certificate);
    free(config->fetch_key);
    free(config->fetch_proxy);
    for (size_t i = 0; i < config->repositories_count; i++) {
        free(config->repositories[i]);
    }
    config_free_waivers(config);
    free(config->updates_root);
    free(config->updates_channel);
    for (size_t i = 0; i < config->collateral_urls_count; i++) {
        free(config->collateral_urls[i]);
    }
    free(config->collateral_directory);
    free(config->collateral_root);
    free(config);
}

char *config_api_path(const char *runtime) {
    return text_format("%s/api.sock", runtime);
}
