/* SPDX-License-Identifier: Apache-2.0
 *
 * ProviderConfig: the configuration of Intel's default certificate provider, sgx_default_qcnl.conf, in both
 * of its forms: JSON with // comments (since DCAP 1.14), and lines KEY=value (before).
 *
 * Keys and defaults: https://github.com/intel/SGXDataCenterAttestationPrimitives, QuoteGeneration/qcnl/linux.
 */
#ifndef MANAGER_CHECKS_PROVIDER_CONFIG_H
#define MANAGER_CHECKS_PROVIDER_CONFIG_H

#include <jansson.h>

#include "manager/checks/host.h"

#define PROVIDER_CONFIG_PATH "/etc/sgx_default_qcnl.conf"

typedef struct ProviderConfig {
    char path[512];
    bool old_form;
    json_t *values; /* an object; the old form's keys in lower case */
} ProviderConfig;

/* QCNL_CONF_PATH in the environment, else the usual path. ERROR_NOT_FOUND, ERROR_PERMISSION, or ERROR_INPUT
 * with the line. */
bool provider_config_read(const Host *host, ProviderConfig *ret_config, Error *err)
    __attribute__((warn_unused_result));
/* Of a file's text, which is changed; path is for messages. */
bool provider_config_parse(Buffer *text, const char *path, ProviderConfig *ret_config, Error *err)
    __attribute__((warn_unused_result));
void provider_config_done(ProviderConfig *config);

/* Strings; NULL: not set. */
const char *provider_config_text(const ProviderConfig *config, const char *key);
/* A number, also in a string; `fallback` if it is not set or none. */
int64_t provider_config_number(const ProviderConfig *config, const char *key, int64_t fallback);
/* true or "true"; `fallback` if it is not set. */
bool provider_config_bool(const ProviderConfig *config, const char *key, bool fallback);

/* scheme://host[:port]/path; false: not such a URL. The port is the scheme's where none is given. */
typedef struct ProviderUrl {
    bool tls;
    char host[256];
    char port[8];
    const char *path;
} ProviderUrl;
bool provider_url_parse(const char *url, ProviderUrl *ret_url);

#endif
