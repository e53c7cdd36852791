/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/platform.h"

#include <errno.h>
#include <string.h>

#include "bundles/base/bytes.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/settings.h"
#include "bundles/base/text.h"

CLEANUP_DEFINE(SimPlatform, sim_platform_close)

const char sim_platform_default_knobs[] =
    "# The simulated platform's knobs; docs/simulation.md explains each. Running quote libraries notice\n"
    "# a change at their next call.\n"
    "format: 1\n"
    "cpu_svn: 0e0e0303ffff01000000000000000000\n"
    "epc_kib: 0\n"
    "tcs: 1\n"
    "delays_us:\n"
    "  load: 0\n"
    "  init: 0\n"
    "  quote: 0\n"
    "provider: chain\n"
    "cached_pce_svn: 0\n"
    "faults: []\n";

typedef struct DelaysSetting {
    char *load;
    char *init;
    char *quote;
} DelaysSetting;

typedef struct KnobsSetting {
    char *format;
    char *cpu_svn;
    char *epc_kib;
    char *tcs;
    DelaysSetting delays;
    int provider;
    char *cached_pce_svn;
    SimFaultSetting *faults;
    unsigned faults_count;
} KnobsSetting;

enum { PROVIDER_NONE, PROVIDER_CHAIN };
static const cyaml_strval_t providers[] = {{"none", PROVIDER_NONE}, {"chain", PROVIDER_CHAIN}};

static const cyaml_schema_field_t delay_fields[] = {
    CYAML_FIELD_STRING_PTR("load", CYAML_FLAG_POINTER, DelaysSetting, load, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("init", CYAML_FLAG_POINTER, DelaysSetting, init, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("quote", CYAML_FLAG_POINTER, DelaysSetting, quote, 0, CYAML_UNLIMITED),
    CYAML_FIELD_END};

static const cyaml_schema_field_t knob_fields[] = {
    CYAML_FIELD_STRING_PTR("format", CYAML_FLAG_POINTER, KnobsSetting, format, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("cpu_svn", CYAML_FLAG_POINTER, KnobsSetting, cpu_svn, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("epc_kib", CYAML_FLAG_POINTER, KnobsSetting, epc_kib, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("tcs", CYAML_FLAG_POINTER, KnobsSetting, tcs, 0, CYAML_UNLIMITED),
    CYAML_FIELD_MAPPING("delays_us", CYAML_FLAG_DEFAULT, KnobsSetting, delays, delay_fields),
    CYAML_FIELD_ENUM("provider", CYAML_FLAG_STRICT, KnobsSetting, provider, providers,
                     CYAML_ARRAY_LEN(providers)),
    CYAML_FIELD_STRING_PTR("cached_pce_svn", CYAML_FLAG_POINTER, KnobsSetting, cached_pce_svn, 0,
                           CYAML_UNLIMITED),
    CYAML_FIELD_SEQUENCE("faults", CYAML_FLAG_POINTER, KnobsSetting, faults, &sim_fault_schema, 0,
                         SIM_FAULTS_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_value_t knobs_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, KnobsSetting, knob_fields)};

enum { DELAY_MAX_US = 600 * 1000 * 1000 };

static bool number(const char *key, const char *text, uint64_t min, uint64_t max, uint64_t *ret_value,
                   Error *err) {
    return text_parse_u64(text, min, max, ret_value) ||
           error_set(err, ERROR_CONFIG,
                     SIM_PLATFORM_KNOBS_NAME ": %s: '%s' is not a number from %llu to %llu", key, text,
                     (unsigned long long)min, (unsigned long long)max);
}

static bool knobs_of(const KnobsSetting *setting, SimKnobs *ret_knobs, Error *err) {
    SimKnobs knobs = {.provider_chain = setting->provider == PROVIDER_CHAIN};
    uint64_t format = 0;
    uint64_t tcs = 0;
    uint64_t cached = 0;
    if (!number("format", setting->format, 1, 1, &format, err) ||
        !number("epc_kib", setting->epc_kib, 0, UINT32_MAX, &knobs.epc_kib, err) ||
        !number("tcs", setting->tcs, 1, SIM_TCS_MAX, &tcs, err) ||
        !number("delays_us: load", setting->delays.load, 0, DELAY_MAX_US, &knobs.load_us, err) ||
        !number("delays_us: init", setting->delays.init, 0, DELAY_MAX_US, &knobs.init_us, err) ||
        !number("delays_us: quote", setting->delays.quote, 0, DELAY_MAX_US, &knobs.quote_us, err) ||
        !number("cached_pce_svn", setting->cached_pce_svn, 0, UINT16_MAX, &cached, err)) {
        return false;
    }
    if (!text_parse_hex(setting->cpu_svn, knobs.cpu_svn, sizeof knobs.cpu_svn)) {
        return error_set(err, ERROR_CONFIG, SIM_PLATFORM_KNOBS_NAME ": cpu_svn: not 32 hex digits");
    }
    knobs.tcs = (uint32_t)tcs;
    knobs.cached_pce_svn = (uint32_t)cached;
    if (!sim_faults_add(&knobs.faults, setting->faults, setting->faults_count, SIM_PLATFORM_KNOBS_NAME,
                        err)) {
        return false;
    }
    *ret_knobs = knobs;
    return true;
}

static bool load_knobs(SimPlatform *platform, Error *err) {
    void *setting = NULL;
    if (!settings_load(platform->dir_fd, SIM_PLATFORM_KNOBS_NAME, &knobs_schema, ERROR_CONFIG, &setting,
                       err)) {
        return false;
    }
    bool done = knobs_of(setting, &platform->knobs, err);
    settings_free(&knobs_schema, setting);
    platform->revision += done;
    return done;
}

bool sim_platform_is_current(const SimPlatform *platform) {
    struct stat now;
    return fstatat(platform->dir_fd, SIM_PLATFORM_KNOBS_NAME, &now, 0) == 0 &&
           file_is_same(&now, &platform->knobs_stat);
}

bool sim_platform_refresh(SimPlatform *platform, Error *err) {
    struct stat now;
    if (fstatat(platform->dir_fd, SIM_PLATFORM_KNOBS_NAME, &now, 0) != 0) {
        return error_set_errno(err, errno, "%s/%s", platform->path, SIM_PLATFORM_KNOBS_NAME);
    }
    if (file_is_same(&now, &platform->knobs_stat)) {
        return true;
    }
    if (!load_knobs(platform, err)) {
        return error_wrap(err, "simulated platform %s", platform->path);
    }
    platform->knobs_stat = now;
    return true;
}

static bool load_seed(SimPlatform *platform, Error *err) {
    CLEANUP(buffer_done) Buffer seed = BUFFER_INIT(SIM_SEED_SIZE);
    if (!file_read(platform->dir_fd, SIM_PLATFORM_SEED_NAME, &seed, err)) {
        return error_wrap(err, "simulated platform %s", platform->path);
    }
    if (seed.size != SIM_SEED_SIZE) {
        return error_set(err, ERROR_CONFIG, "simulated platform %s: the seed is not %d bytes long",
                         platform->path, SIM_SEED_SIZE);
    }
    memcpy(platform->seed, seed.data, SIM_SEED_SIZE);
    bytes_cleanse(seed.data, seed.size);
    return true;
}

SimPlatform *sim_platform_open(const char *path, Error *err) {
    CLEANUP(sim_platform_closep) SimPlatform *platform = calloc(1, sizeof *platform);
    if (platform == NULL) {
        error_set(err, ERROR_MEMORY, "simulated platform: out of memory");
        return NULL;
    }
    platform->dir_fd = -1;
    platform->path = realpath(path, NULL);
    if (platform->path == NULL) {
        error_set_errno(err, errno, "simulated platform %s", path);
        return NULL;
    }
    platform->dir_fd = file_open_directory(AT_FDCWD, platform->path, err);
    if (platform->dir_fd < 0 || !load_seed(platform, err) || !sim_platform_refresh(platform, err)) {
        return NULL;
    }
    return TAKE(platform);
}

void sim_platform_close(SimPlatform *platform) {
    if (platform == NULL) {
        return;
    }
    cleanup_close(&platform->dir_fd);
    bytes_cleanse(platform->seed, sizeof platform->seed);
    free(platform->path);
    free(platform);
}
