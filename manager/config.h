/* SPDX-License-Identifier: Apache-2.0
 *
 * Config: manager.yaml, read strictly into values that need no further check (docs/configuration.md).
 *
 * Every key has a default, so an empty mapping is a valid file. Invariant of a loaded Config: paths are
 * absolute and short enough for what they are used for, times and counts are within the documented bounds.
 */
#ifndef MANAGER_CONFIG_H
#define MANAGER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "bundles/base/bytes.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "bundles/base/log.h"

#define CONFIG_PATH_DEFAULT "/etc/psw-manager/manager.yaml"
#define CONFIG_RUNTIME_DEFAULT "/run/psw-manager"

enum {
    CONFIG_SOCKET_PATH_MAX = 91,  /* sun_path, less the ".psw-XXXXXXXX" names made beside the socket */
    CONFIG_RUNTIME_PATH_MAX = 76, /* sun_path, less "/generation-4294967295.sock" */
    CONFIG_DUCKS_MAX = 8,
    CONFIG_TRUST_MAX = 16,
    CONFIG_WAIVERS_MAX = 64,
    CONFIG_MIRRORS_MAX = 7, /* besides the repository itself */
    CONFIG_URL_MAX = 1024,
    CONFIG_COLLATERAL_URLS_MAX = 4
};
#define CONFIG_NO_GROUP ((gid_t)-1)

typedef enum ConfigAutomatic {
    CONFIG_AUTOMATIC_OFF,   /* look, and say what is offered */
    CONFIG_AUTOMATIC_STAGE, /* download, verify and stage it */
    CONFIG_AUTOMATIC_SWAP   /* and swap to it */
} ConfigAutomatic;

typedef struct ConfigWaiver {
    char *check; /* id */
    char *reason;
    int64_t until; /* seconds since 1970 */
} ConfigWaiver;

typedef struct Config {
    char *socket_path;
    unsigned socket_mode;
    gid_t socket_group; /* CONFIG_NO_GROUP: as the process makes it */

    char *store;
    char *state;
    char *runtime;
    gid_t api_group; /* whose members may use the API besides root and our uid; or CONFIG_NO_GROUP */

    struct sockaddr_storage metrics_listen;
    socklen_t metrics_listen_size; /* 0: nowhere */

    char *quoted_program; /* NULL: beside our own program */
    char *quoted_config;  /* NULL: quoted's defaults */

    uint64_t soak_ms;
    uint64_t trial_interval_ms;
    uint64_t trial_latency_max_ms;
    unsigned error_percent_max;
    uint64_t warm_up_timeout_ms;
    uint64_t drain_timeout_ms;
    bool epc_sequential; /* when two sets do not fit: stop the old one first instead of refusing */
    uint64_t epc_kib;    /* what generations may use in all; 0: ask the platform */

    unsigned ducks_count;
    uint64_t ducks_keep_ms;
    bool ducks_reinit;

    uint64_t restart_delay_ms;
    uint64_t restart_delay_max_ms;
    uint64_t restart_settle_ms;
    bool restart_spare; /* a second, warm generation of the serving bundle */

    char *fetch_ca;          /* NULL: the system's */
    char *fetch_certificate; /* ours, for servers that ask; NULL: none */
    char *fetch_key;         /* NULL with fetch_certificate NULL */
    char *fetch_proxy;       /* URL; NULL: none */
    uint64_t fetch_size_max;
    uint64_t fetch_timeout_ms;
    uint64_t fetch_speed_min; /* bytes a second over fetch_stall_timeout_ms; less is given up */
    uint64_t fetch_stall_timeout_ms;
    uint64_t fetch_rate_max; /* bytes a second; 0: no limit */
    bool fetch_file;         /* file: URLs are allowed */

    /* [0] is updates.repository, the mirrors follow; none: there are no updates. All are URLs of http(s)
     * without a slash at the end, or [0] is the path of a local directory. */
    char *repositories[1 + CONFIG_MIRRORS_MAX];
    size_t repositories_count;
    bool repository_is_local;
    char *updates_root; /* the shipped root of trust */
    char *updates_channel;
    uint64_t check_interval_ms; /* 0: only when asked */
    ConfigAutomatic automatic;

    /* Where collateral comes from: URLs of a PCS or PCCS without a slash at the end, or a directory; none:
     * nothing is judged. */
    char *collateral_urls[CONFIG_COLLATERAL_URLS_MAX];
    size_t collateral_urls_count;
    char *collateral_directory;      /* NULL: none */
    char *collateral_root;           /* certificate that quotes lead to; NULL: Intel's */
    uint64_t collateral_interval_ms; /* 0: only when asked */

    char **trust; /* trust policies besides Intel's; paths */
    size_t trust_count;
    ConfigWaiver *waivers;
    size_t waivers_count;
    bool simulated_allowed;
    LogLevel log_level;
} Config;

/* ERROR_CONFIG names file, place or key, and what would be right. */
Config *config_load(const char *path, Error *err) __attribute__((warn_unused_result));
Config *config_parse(Bytes yaml, const char *name, Error *err) __attribute__((warn_unused_result));
void config_free(Config *config);
CLEANUP_DEFINE(Config, config_free)

/* <runtime>/api.sock; the caller frees. NULL: out of memory. */
char *config_api_path(const char *runtime);

#endif
