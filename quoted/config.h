/* SPDX-License-Identifier: Apache-2.0
 *
 * Config: quoted.yaml (docs/configuration.md). Every key has a default, so that no file is needed.
 */
#ifndef QUOTED_CONFIG_H
#define QUOTED_CONFIG_H

#include <stdint.h>

#include "bundles/base/error.h"
#include "bundles/base/log.h"
#include "quoted/access.h"

enum { CONFIG_THREADS_MAX = 64, CONFIG_ENGINES_MAX = 16, CONFIG_REQUEST_SIZE_MAX = 128 * 1024 };

typedef enum ConfigNetwork {
    CONFIG_NETWORK_BY_BUNDLE, /* as quoted/confine.h says */
    CONFIG_NETWORK_ALLOW,
    CONFIG_NETWORK_REFUSE
} ConfigNetwork;

typedef struct Config {
    uint32_t threads;             /* equal threads that take in and answer; resolved, at least 3 */
    uint32_t engine_calls;        /* quotes under way in the library at once; Intel's serialise them */
    uint32_t engines;             /* processes with a QE of their own, this one included */
    uint32_t connections;         /* open at once */
    uint32_t connections_per_uid; /* of them by one uid */
    uint32_t queue;               /* whole requests that wait for the engine */
    uint32_t request_size;        /* longest request body, bytes */
    uint64_t idle_timeout_ms;     /* for a request to arrive whole */
    uint64_t drain_timeout_ms;    /* for clients and engine to finish at the end */
    uint64_t queue_timeout_ms;    /* after which a waiting request is answered busy */
    uint64_t engine_timeout_ms;   /* after which a call of the library is taken for lost */
    bool host_provider;           /* certificates by the host's provider library, not the bundle's */
    ConfigNetwork network;        /* of the bundle's libraries */
    bool sandbox;
    Access access;
    LogLevel log_level;
    unsigned socket_mode;  /* of a socket that quoted makes itself */
    char socket_group[64]; /* "": as it comes */
} Config;

void config_set_defaults(Config *config);
/* `path` NULL: the defaults. ERROR_CONFIG with line and column. */
bool config_load(const char *path, Config *ret_config, Error *err) __attribute__((warn_unused_result));

#endif
