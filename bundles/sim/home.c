/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/home.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/settings.h"
#include "bundles/base/text.h"

typedef struct HomeSetting {
    char *platform;
    SimFaultSetting *faults;
    unsigned faults_count;
} HomeSetting;

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_STRING_PTR("platform", CYAML_FLAG_POINTER, HomeSetting, platform, 1, PATH_MAX),
    CYAML_FIELD_SEQUENCE("faults", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, HomeSetting, faults,
                         &sim_fault_schema, 0, SIM_FAULTS_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, HomeSetting, fields)};

static char *own_directory(const void *symbol, Error *err) {
    Dl_info info;
    char *path = dladdr(symbol, &info) == 0 ? NULL : realpath(info.dli_fname, NULL);
    char *slash = path == NULL ? NULL : strrchr(path, '/');
    if (slash == NULL) {
        free(path);
        error_set(err, ERROR_SYSTEM, "the library cannot tell where it lies");
        return NULL;
    }
    *slash = 0;
    return path;
}

bool sim_home_parse(Bytes yaml, const char *name, SimHome *home, Error *err) {
    void *loaded = NULL;
    if (!settings_parse(yaml, name, &schema, ERROR_CONFIG, &loaded, err)) {
        return false;
    }
    HomeSetting *setting = loaded;
    bool done = sim_faults_add(&home->faults, setting->faults, setting->faults_count, name, err);
    if (done && home->platform == NULL) {
        home->platform = TAKE(setting->platform);
    }
    settings_free(&schema, setting);
    return done;
}

static bool read_settings(SimHome *home, const char *path, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(SETTINGS_SIZE_MAX);
    return file_read(AT_FDCWD, path, &yaml, err) && sim_home_parse(buffer_bytes(&yaml), path, home, err);
}

bool sim_home_find(const void *symbol, SimHome *ret_home, Error *err) {
    const char *variable = secure_getenv(SIM_HOME_PLATFORM_VARIABLE);
    CLEANUP(sim_home_done)
    SimHome home = {.directory = own_directory(symbol, err),
                    .platform = variable == NULL ? NULL : strdup(variable)};
    AUTO_FREE char *path =
        home.directory == NULL ? NULL : text_format("%s/../data/%s", home.directory, SIM_HOME_SETTINGS_NAME);
    if (path == NULL) {
        return home.directory != NULL && error_set(err, ERROR_MEMORY, "out of memory");
    }
    bool has_settings = access(path, F_OK) == 0;
    if (home.platform == NULL && !has_settings) {
        return error_set(err, ERROR_CONFIG, "no simulated platform: neither %s nor %s is there",
                         SIM_HOME_PLATFORM_VARIABLE, path);
    }
    if (has_settings && !read_settings(&home, path, err)) {
        return false;
    }
    *ret_home = home;
    home = (SimHome){0};
    return true;
}

void sim_home_done(SimHome *home) {
    free(home->directory);
    free(home->platform);
    *home = (SimHome){0};
}
