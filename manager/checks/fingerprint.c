/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/fingerprint.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/checks/epc_facts.h"
#include "manager/checks/host_library.h"
#include "manager/checks/provider_config.h"

enum { VALUE_MAX = 192 };

static bool put(json_t *fingerprint, const char *name, const char *value) {
    return json_put(fingerprint, name, json_string(value));
}

static bool put_modules(json_t *fingerprint, const Host *host) {
    static const char *const modules[] = {"isgx", "intel_sgx", "sgx", "kvm_intel"};
    char path[64], name[64], version[VALUE_MAX];
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        (void)snprintf(path, sizeof path, "/sys/module/%s", modules[i]);
        (void)snprintf(name, sizeof name, "module %s", modules[i]);
        if (!host_has(host, path)) {
            continue;
        }
        (void)snprintf(path, sizeof path, "/sys/module/%s/srcversion", modules[i]);
        if (!host_read_line(host, path, version, sizeof version)) {
            (void)snprintf(path, sizeof path, "/sys/module/%s/version", modules[i]);
            if (!host_read_line(host, path, version, sizeof version)) {
                (void)snprintf(version, sizeof version, "loaded");
            }
        }
        if (!put(fingerprint, name, text_is_printable(version, sizeof version) ? version : "?")) {
            return false;
        }
    }
    return true;
}

static bool put_nodes(json_t *fingerprint, const Host *host) {
    static const char *const nodes[] = {"/dev/sgx_enclave",   "/dev/sgx_provision", "/dev/sgx/enclave",
                                        "/dev/sgx/provision", "/dev/isgx",          "/dev/sgx_vepc"};
    char name[64], value[VALUE_MAX];
    struct stat facts;
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        if (host_stat(host, nodes[i], &facts) != 0) {
            continue;
        }
        (void)snprintf(name, sizeof name, "node %s", nodes[i]);
        (void)snprintf(value, sizeof value, "%s %u:%u mode %04o owner %u:%u",
                       S_ISCHR(facts.st_mode) ? "device" : "file", major(facts.st_rdev), minor(facts.st_rdev),
                       facts.st_mode & 07777, facts.st_uid, facts.st_gid);
        if (!put(fingerprint, name, value)) {
            return false;
        }
    }
    return true;
}

static bool put_epc(json_t *fingerprint, const Host *host) {
    EpcFacts epc;
    char value[VALUE_MAX];
    epc_facts_read(host, &epc);
    (void)snprintf(value, sizeof value, "%llu KiB", (unsigned long long)epc.kib);
    return put(fingerprint, "EPC", value);
}

static bool put_provider(json_t *fingerprint, const Host *host) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(HOST_FILE_MAX);
    Error ignored = ERROR_INIT;
    Digest digest;
    char hex[DIGEST_HEX_SIZE];
    const char *path = host_environment(host, "QCNL_CONF_PATH");
    if (!host_read(host, path != NULL && path[0] != '\0' ? path : PROVIDER_CONFIG_PATH, &text, &ignored)) {
        return true;
    }
    if (!digest_of(buffer_text(&text), text.size, &digest)) {
        return false;
    }
    digest_format(&digest, hex);
    hex[16] = '\0';
    return put(fingerprint, "provider configuration", hex);
}

static const char *const sonames[] = {"libsgx_dcap_ql.so.1", "libsgx_urts.so.2", "libdcap_quoteprov.so.1",
                                      "libc.so.6",           "libcrypto.so.3",   "libcurl.so.4"};
enum { SONAMES_COUNT = sizeof sonames / sizeof sonames[0] };

typedef struct Libraries {
    json_t *fingerprint;
    const Host *host;
    bool found[SONAMES_COUNT];
    bool good;
} Libraries;

static bool put_library(Libraries *libraries, size_t which, const struct stat *facts) {
    char name[96], value[VALUE_MAX];
    (void)snprintf(name, sizeof name, "library %s", sonames[which]);
    (void)snprintf(value, sizeof value, "%lld bytes of %lld", (long long)facts->st_size,
                   (long long)facts->st_mtim.tv_sec);
    libraries->found[which] = true;
    return put(libraries->fingerprint, name, value);
}

/* All of them in one walk over the loader's directories. */
static bool look_in(void *context, const char *directory) {
    Libraries *libraries = context;
    char path[HOST_LIBRARY_PATH_MAX];
    struct stat facts;
    bool missing = false, there = host_has(libraries->host, directory);
    for (size_t i = 0; i < SONAMES_COUNT && libraries->good; i++) {
        int length = snprintf(path, sizeof path, "%s/%s", directory, sonames[i]);
        if (there && !libraries->found[i] && length > 0 && (size_t)length < sizeof path &&
            host_stat(libraries->host, path, &facts) == 0 && S_ISREG(facts.st_mode)) {
            libraries->good = put_library(libraries, i, &facts);
        }
        missing = missing || !libraries->found[i];
    }
    return missing && libraries->good;
}

static bool put_libraries(json_t *fingerprint, const Host *host) {
    Libraries libraries = {.fingerprint = fingerprint, .host = host, .good = true};
    host_library_directories(host, look_in, &libraries);
    return libraries.good;
}

json_t *fingerprint_read(const Host *host) {
    CLEANUP(json_freep) json_t *fingerprint = json_object();
    char microcode[64];
    bool good = put(fingerprint, "kernel",
                    text_is_printable(host->release, sizeof host->release) ? host->release : "?") &&
                put_modules(fingerprint, host) && put_nodes(fingerprint, host) &&
                put_epc(fingerprint, host) && put_provider(fingerprint, host) &&
                put_libraries(fingerprint, host);
    if (good && host_cpu_field(host, "microcode", microcode, sizeof microcode)) {
        good =
            put(fingerprint, "microcode", text_is_printable(microcode, sizeof microcode) ? microcode : "?");
    }
    return good ? TAKE(fingerprint) : NULL;
}

bool fingerprint_digest(const json_t *fingerprint, Digest *ret_digest) {
    AUTO_FREE char *text = json_dumps(fingerprint, JSON_COMPACT | JSON_SORT_KEYS);
    return text != NULL && digest_of(text, strlen(text), ret_digest);
}

bool fingerprint_compare(const json_t *was, const json_t *is, Buffer *ret_text) {
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)is, name, value) {
        const char *before = json_string_value(json_object_get(was, name)), *now = json_string_value(value);
        if (now != NULL && (before == NULL || strcmp(before, now) != 0) &&
            !buffer_append_format(ret_text, "%s%s: %s -> %s", ret_text->size > 0 ? "; " : "", name,
                                  before != NULL ? before : "none", now)) {
            return false;
        }
    }
    json_object_foreach((json_t *)(uintptr_t)was, name, value) {
        if (json_object_get(is, name) == NULL && json_is_string(value) &&
            !buffer_append_format(ret_text, "%s%s: gone, was %s", ret_text->size > 0 ? "; " : "", name,
                                  json_string_value(value))) {
            return false;
        }
    }
    return true;
}
