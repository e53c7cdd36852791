/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of the certificate provider's configuration and of the service that it asks.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/version.h"
#include "manager/checks/child.h"
#include "manager/checks/families.h"
#include "manager/checks/provider_config.h"
#include "manager/checks/provider_service.h"

enum { RETRY_MAX_S = 60 };

static bool open_config(const CheckSubject *subject, CheckResult *result, ProviderConfig *ret_config) {
    Error err = ERROR_INIT;
    if (provider_config_read(subject->host, ret_config, &err)) {
        return true;
    }
    check_skip(result, "the provider's configuration cannot be read: see provider.config");
    return false;
}

static void check_config(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(provider_config_done) ProviderConfig config = {0};
    Error err = ERROR_INIT;
    if (provider_config_read(subject->host, &config, &err)) {
        check_pass(result, "%s can be read", config.path);
    } else if (err.kind == ERROR_NOT_FOUND) {
        check_warn(result, "there is no %s: the provider asks https://localhost:8081", PROVIDER_CONFIG_PATH);
    } else {
        check_bad(result, "%s", err.text);
    }
}

static void check_form(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(provider_config_done) ProviderConfig config = {0};
    if (!open_config(subject, result, &config)) {
        return;
    }
    if (config.old_form) {
        check_bad(result, "%s has the form of DCAP 1.13 and before (KEY=value)", config.path);
    } else {
        check_pass(result, "%s is JSON", config.path);
    }
}

static void check_keys(const CheckSubject *subject, CheckResult *result) {
    static const char *const known[] = {"pccs_url",
                                        "use_secure_cert",
                                        "collateral_service",
                                        "tcb_update_type",
                                        "pccs_api_version",
                                        "retry_times",
                                        "retry_delay",
                                        "local_pck_url",
                                        "pck_cache_expire_hours",
                                        "verify_collateral_cache_expire_hours",
                                        "local_cache_only",
                                        "custom_request_options"};
    CLEANUP(provider_config_done) ProviderConfig config = {0};
    const char *key = NULL;
    json_t *value = NULL;
    if (!open_config(subject, result, &config)) {
        return;
    }
    json_object_foreach(config.values, key, value) {
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            is_known = is_known || strcmp(known[i], key) == 0;
        }
        if (!is_known) {
            check_bad(result, "the key '%.64s' means nothing to the provider", key);
            return;
        }
    }
    check_pass(result, "the provider knows every key");
}

static void check_url(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(provider_config_done) ProviderConfig config = {0};
    ProviderUrl url;
    if (!open_config(subject, result, &config)) {
        return;
    }
    const char *text = provider_config_text(&config, "pccs_url");
    const char *local = provider_config_text(&config, "local_pck_url");
    if (text == NULL && local == NULL) {
        check_bad(result, "pccs_url is not set");
    } else if (text != NULL && !provider_url_parse(text, &url)) {
        check_bad(result, "pccs_url '%.128s' is not a URL", text);
    } else {
        check_pass(result, "certificates come from %.128s", local != NULL ? local : text);
    }
}

static void check_version(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(provider_config_done) ProviderConfig config = {0};
    if (!open_config(subject, result, &config)) {
        return;
    }
    const char *url = provider_config_text(&config, "pccs_url");
    if (url == NULL) {
        check_skip(result, "pccs_url is not set");
    } else if (strstr(url, "/v2") != NULL || strstr(url, "/v1") != NULL ||
               (strstr(url, "api.trustedservices.intel.com") != NULL && strstr(url, "/v3") != NULL)) {
        check_bad(result, "pccs_url names a version of the service that ended: %.128s", url);
    } else if (strstr(url, "/v3") == NULL && strstr(url, "/v4") == NULL) {
        check_warn(result, "pccs_url names no version of the service (.../sgx/certification/v4/): %.128s",
                   url);
    } else {
        check_pass(result, "pccs_url names a version of the service that is in use");
    }
}

static void check_slash(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(provider_config_done) ProviderConfig config = {0};
    if (!open_config(subject, result, &config)) {
        return;
    }
    const char *url = provider_config_text(&config, "pccs_url");
    if (url == NULL || url[0] == '\0') {
        check_skip(result, "pccs_url is not set");
    } else if (url[strlen(url) - 1] != '/') {
        check_bad(result,
                  "pccs_url does not end in '/': the provider appends the request's name to it as it is");
    } else {
        check_pass(result, "pccs_url ends in '/'");
    }
}

static void check_secure(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(provider_config_done) ProviderConfig config = {0};
    ProviderUrl url;
    if (!open_config(subject, result, &config)) {
        return;
    }
    const char *text = provider_config_text(&config, "pccs_url");
    if (text == NULL || !provider_url_parse(text, &url)) {
        check_skip(result, "pccs_url is not set, or no URL");
    } else if (!url.tls && strcmp(url.host, "localhost") != 0 && strncmp(url.host, "127.", 4) != 0 &&
               strcmp(url.host, "169.254.169.254") != 0) {
        check_bad(result, "pccs_url is http: whoever is on the way can withhold or exchange certificates");
    } else if (url.tls && !provider_config_bool(&config, "use_secure_cert", true)) {
        check_bad(result, "use_secure_cert is false: any certificate is taken for the service's");
    } else {
        check_pass(result, "the service is asked over a connection that is verified, or local");
    }
}

static void check_update_type(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(provider_config_done) ProviderConfig config = {0};
    if (!open_config(subject, result, &config)) {
        return;
    }
    const char *type = provider_config_text(&config, "tcb_update_type");
    if (type == NULL || strcmp(type, "standard") == 0 || strcmp(type, "early") == 0) {
        check_pass(result, "tcb_update_type is %s", type != NULL ? type : "the default");
    } else {
        check_bad(result, "tcb_update_type '%.32s' is neither standard nor early", type);
    }
}

static void check_api(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(provider_config_done) ProviderConfig config = {0};
    if (!open_config(subject, result, &config)) {
        return;
    }
    const char *version = provider_config_text(&config, "pccs_api_version");
    if (version == NULL || strcmp(version, "3.0") == 0 || strcmp(version, "3.1") == 0) {
        check_pass(result, "pccs_api_version is %s", version != NULL ? version : "the default");
    } else {
        check_bad(result, "pccs_api_version '%.32s' is neither 3.0 nor 3.1", version);
    }
}

static void check_retry(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(provider_config_done) ProviderConfig config = {0};
    if (!open_config(subject, result, &config)) {
        return;
    }
    int64_t times = provider_config_number(&config, "retry_times", 6);
    int64_t delay = provider_config_number(&config, "retry_delay", 10);
    times = times < 0 ? 0 : times > 1000 ? 1000 : times;
    delay = delay < 0 ? 0 : delay > 86400 ? 86400 : delay;
    const int64_t all = times * delay;
    if (all > RETRY_MAX_S) {
        check_bad(result,
                  "a service that is down costs %lld s (retry_times %lld, retry_delay %lld): a warm-up "
                  "waits as long",
                  (long long)all, (long long)times, (long long)delay);
    } else {
        check_pass(result, "a service that is down costs %lld s", (long long)all);
    }
}

static void check_local_only(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(provider_config_done) ProviderConfig config = {0};
    if (!open_config(subject, result, &config)) {
        return;
    }
    if (provider_config_bool(&config, "local_cache_only", false)) {
        check_bad(
            result,
            "local_cache_only is true: certificates come from the cache alone, also after a TCB recovery");
    } else {
        check_pass(result, "certificates may be fetched");
    }
}

/* The first of these that is set is taken, even if nothing can be made there. */
static const char *cache_directory(const Host *host, const char **ret_variable) {
    static const char *const variables[] = {"AZDCAP_CACHE", "XDG_CACHE_HOME", "HOME", "TMPDIR"};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        const char *value = host_environment(host, variables[i]);
        if (value != NULL && value[0] != '\0') {
            *ret_variable = variables[i];
            return value;
        }
    }
    *ret_variable = "no variable";
    return "/tmp";
}

static void check_cache(const CheckSubject *subject, CheckResult *result) {
    struct stat facts;
    const char *variable = NULL;
    if (subject->host->environment == NULL) {
        check_skip(result, "the environment behind this root is not known");
        return;
    }
    const char *directory = cache_directory(subject->host, &variable);
    if (host_stat(subject->host, directory, &facts) != 0 || !S_ISDIR(facts.st_mode)) {
        check_bad(result,
                  "the provider keeps its cache in %s (%s), which is no directory: it has no cache on disk",
                  directory, variable);
    } else if (!host_may(subject->host, &facts, W_OK | X_OK)) {
        check_bad(result, "the provider keeps its cache in %s (%s), where uid %u may not write", directory,
                  variable, subject->host->uid);
    } else {
        check_pass(result, "the provider keeps its cache in %s/.dcap-qcnl (%s)", directory, variable);
    }
}

static void check_cache_owner(const CheckSubject *subject, CheckResult *result) {
    struct stat facts;
    const char *variable = NULL;
    char path[PATH_MAX];
    if (subject->host->environment == NULL) {
        check_skip(result, "the environment behind this root is not known");
        return;
    }
    (void)snprintf(path, sizeof path, "%s/.dcap-qcnl", cache_directory(subject->host, &variable));
    if (host_stat(subject->host, path, &facts) != 0) {
        check_pass(result, "there is no cache yet");
    } else if (facts.st_uid != subject->host->uid || (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        check_bad(result,
                  "%s belongs to uid %u, mode %04o: another user decides which certificates are found", path,
                  facts.st_uid, facts.st_mode & 07777);
    } else {
        check_pass(result, "%s is ours", path);
    }
}

/* Releases of the provider that are known for a fault. */
static void check_release(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(provider_config_done) ProviderConfig config = {0};
    Error ignored = ERROR_INIT;
    const ManifestFile *provider = manifest_find(subject->bundle, MANIFEST_ROLE_PROVIDER);
    const char *version = provider != NULL ? provider->version : NULL;
    if (version == NULL || !version_is_valid(version)) {
        check_skip(result, "the manifest does not say which release the provider is of");
        return;
    }
    bool local = provider_config_read(subject->host, &config, &ignored) &&
                 provider_config_text(&config, "local_pck_url") != NULL;
    bool is_1_20 = version_compare(version, "1.20") >= 0 && version_compare(version, "1.21") < 0;
    if (is_1_20 && local) {
        check_bad(result, "the provider of %s crashes with local_pck_url", version);
    } else if (version_compare(version, "1.9") < 0) {
        check_bad(result, "the provider of %s does not understand collateral of today", version);
    } else {
        check_pass(result, "the provider of %s is not known for a fault", version);
    }
}

static void check_reach(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(provider_config_done) ProviderConfig config = {0};
    ProviderUrl url;
    ChildAnswer answer;
    if (!open_config(subject, result, &config)) {
        return;
    }
    const char *text = provider_config_text(&config, "pccs_url");
    if (text == NULL || !provider_url_parse(text, &url)) {
        check_skip(result, "pccs_url is not set, or no URL");
        return;
    }
    provider_service_ask(text, provider_config_bool(&config, "use_secure_cert", true), &answer);
    if (answer.verdict == CHILD_ANSWERED && answer.good) {
        check_pass(result, "%s", answer.text);
    } else if (answer.verdict == CHILD_HANGS) {
        check_bad(result, "%s does not answer within %d s", url.host, PROVIDER_SERVICE_MS / 1000);
    } else {
        check_bad(result, "%s", answer.text);
    }
}

#define ISSUES "https://github.com/intel/SGXDataCenterAttestationPrimitives/issues/"

static const Check checks[] = {
    {"provider.config", "the provider's configuration can be read",
     "SGX_QL_NETWORK_ERROR for a missing comma", ISSUES "318", CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_config,
     "correct /etc/sgx_default_qcnl.conf; the message names the place"},
    {"provider.form", "it has the form of today", "settings that a newer provider ignores", ISSUES "219",
     CHECK_NEEDS_HARDWARE, CHECK_WARN, check_form,
     "write it as JSON: {\"pccs_url\": \"https://.../sgx/certification/v4/\"}"},
    {"provider.keys", "the provider knows every key", "a setting that is misspelt and so not in force",
     ISSUES "265", CHECK_NEEDS_HARDWARE, CHECK_WARN, check_keys, "remove or correct the key"},
    {"provider.url", "it says where certificates come from", "SGX_QL_NETWORK_ERROR on every warm-up",
     ISSUES "250", CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_url,
     "set pccs_url to https://HOST:PORT/sgx/certification/v4/"},
    {"provider.url-slash", "pccs_url ends in a slash", "requests for paths that do not exist", ISSUES "345",
     CHECK_NEEDS_HARDWARE, CHECK_WARN, check_slash, "add the slash"},
    {"provider.version", "pccs_url names a version of the service that is in use",
     "collateral in a form the library cannot read", "https://github.com/openenclave/openenclave/issues/4268",
     CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_version, "use .../sgx/certification/v4/"},
    {"provider.secure", "the connection to the service is verified",
     "certificates that somebody on the way withholds", ISSUES "219", CHECK_NEEDS_HARDWARE, CHECK_WARN,
     check_secure, "use https and \"use_secure_cert\": true with the service's CA installed"},
    {"provider.update-type", "tcb_update_type is one that exists",
     "collateral of another moment than was meant",
     "https://github.com/microsoft/Azure-DCAP-Client/issues/154", CHECK_NEEDS_HARDWARE, CHECK_WARN,
     check_update_type, "write standard or early"},
    {"provider.api-version", "pccs_api_version is one that exists", "SGX_QL_COLLATERAL_VERSION_NOT_SUPPORTED",
     "https://github.com/microsoft/Azure-DCAP-Client/issues/142", CHECK_NEEDS_HARDWARE, CHECK_WARN, check_api,
     "write 3.0 or 3.1"},
    {"provider.retry", "a service that is down does not hold up a warm-up", "a warm-up of many minutes",
     ISSUES "345", CHECK_NEEDS_HARDWARE, CHECK_WARN, check_retry, "lower retry_times or retry_delay"},
    {"provider.cache-only", "certificates may be fetched",
     "SGX_QL_NO_PLATFORM_CERT_DATA after the next update", ISSUES "261", CHECK_NEEDS_HARDWARE, CHECK_WARN,
     check_local_only, "set local_cache_only to false, or fill the cache before the swap"},
    {"provider.cache", "the provider can keep its cache",
     "a service that is asked at every start and is down at one", ISSUES "150", CHECK_NEEDS_HARDWARE,
     CHECK_INFO, check_cache,
     "Environment=AZDCAP_CACHE=/var/cache/psw-manager in the unit, and make the directory"},
    {"provider.cache-owner", "the provider's cache is ours",
     "certificates of an older TCB, or another user's, that are found first", ISSUES "150",
     CHECK_NEEDS_HARDWARE, CHECK_WARN, check_cache_owner, "remove the directory; the provider makes it anew"},
    {"provider.release", "the bundle's provider is not of a release with a known fault",
     "SIGSEGV with local_pck_url", ISSUES "366", CHECK_NEEDS_BUNDLE | CHECK_NEEDS_HARDWARE, CHECK_FAIL,
     check_release, "use another release"},
    {"provider.reach", "the service answers as a PCCS or Intel's PCS does",
     "SGX_QL_NETWORK_ERROR, SGX_QL_SERVICE_TIMEOUT", ISSUES "318",
     CHECK_NEEDS_HARDWARE | CHECK_NEEDS_LIVE | CHECK_NEEDS_TIME, CHECK_WARN, check_reach,
     "start or repair the PCCS, or correct pccs_url, use_secure_cert or the firewall"},
};

const CheckFamily family_provider = {"provider", FAMILY(checks)};
