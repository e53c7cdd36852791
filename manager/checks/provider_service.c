/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/provider_service.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/digest.h"
#include "bundles/base/file.h"
#include "bundles/base/sandbox.h"
#include "bundles/base/text.h"
#include "bundles/dcap/collateral.h"
#include "manager/checks/curl_library.h"

enum {
    CONNECT_MS = 3000,
    ANSWER_MS = 5000, /* one request, its connection included */
    SPARE_MS = 2000,  /* of PROVIDER_SERVICE_MS, to say what came of it */
    BODY_MAX = 1024 * 1024,
    PEM_MAX = 4 * 1024 * 1024,
    FILES_MAX = 256,
    NOBODY = 65534,
    HTTP_OK = 200,
    HTTP_NOT_FOUND = 404
};
#define MEMORY_MAX (UINT64_C(1) << 30)

typedef struct Service {
    const char *url;
    bool verify;
    uint64_t deadline_ms;
    CurlLibrary library;
    CURL *curl;
    Buffer authorities, body;
    bool too_large;
    char reason[CURL_ERROR_SIZE];
} Service;

/* False, for the caller to return. */
static bool __attribute__((format(printf, 3, 4)))
complain(const Service *service, char *text, const char *format, ...) {
    va_list args;
    int length = snprintf(text, CHILD_TEXT_MAX, "%.160s ", service->url);
    va_start(args, format);
    (void)vsnprintf(text + length, CHILD_TEXT_MAX - (size_t)length, format, args);
    va_end(args);
    return false;
}

static size_t on_body(char *data, size_t one, size_t size, void *context) {
    (void)one;
    Service *service = context;
    service->too_large = !buffer_append(&service->body, data, size);
    return service->too_large ? 0 : size;
}

/* What needs files, before the sandbox closes. */
static bool prepare(Service *service, Error *err) {
    buffer_init(&service->authorities, PEM_MAX);
    buffer_init(&service->body, BODY_MAX);
    if (!curl_library_load(&service->library, err)) {
        return false;
    }
    const char *path = service->library.version_info(CURLVERSION_NOW)->cainfo;
    if (service->verify && !file_read(AT_FDCWD, path != NULL ? path : "/etc/ssl/certs/ca-certificates.crt",
                                      &service->authorities, err)) {
        return error_wrap(err, "the system's certificate authorities");
    }
    return (service->library.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK &&
            (service->curl = service->library.init()) != NULL) ||
           error_set(err, ERROR_MEMORY, "libcurl does not start");
}

static bool enter_sandbox(Error *err) {
    Digest unused;
    SandboxReport report;
    SandboxPlace places[SANDBOX_PLACES_MAX];
    size_t count = 0;
    for (; count < SANDBOX_PLACES_MAX && sandbox_name_service[count] != NULL; count++) {
        places[count] = (SandboxPlace){.path = sandbox_name_service[count], .optional = true};
    }
    const Sandbox sandbox = {.uid = NOBODY,
                             .gid = NOBODY,
                             .limits = {.memory = MEMORY_MAX, .file_size = 1, .files = FILES_MAX},
                             .places = places,
                             .places_count = count,
                             .calls = SANDBOX_CALLS_BASE | SANDBOX_CALLS_READ | SANDBOX_CALLS_NETWORK |
                                      SANDBOX_CALLS_THREADS | SANDBOX_CALLS_LOAD};
    return (digest_of("", 0, &unused) || error_set(err, ERROR_MEMORY, "out of memory")) &&
           sandbox_apply(&sandbox, &report, err);
}

static bool set_options(Service *service, const char *url) {
    const __typeof__(service->library.setopt) set = service->library.setopt;
    CURL *curl = service->curl;
    struct curl_blob pem = {
        .data = service->authorities.data, .len = service->authorities.size, .flags = CURL_BLOB_NOCOPY};
    int left = clock_left_ms(service->deadline_ms);
    return set(curl, CURLOPT_URL, url) == CURLE_OK &&
           set(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           set(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           set(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) == CURLE_OK &&
           set(curl, CURLOPT_TIMEOUT_MS, (long)(left < ANSWER_MS ? left + 1 : ANSWER_MS)) == CURLE_OK &&
           set(curl, CURLOPT_SSL_VERIFYPEER, service->verify ? 1L : 0L) == CURLE_OK &&
           set(curl, CURLOPT_SSL_VERIFYHOST, service->verify ? 2L : 0L) == CURLE_OK &&
           set(curl, CURLOPT_CAPATH, (char *)NULL) == CURLE_OK &&
           (!service->verify || set(curl, CURLOPT_CAINFO_BLOB, &pem) == CURLE_OK) &&
           set(curl, CURLOPT_USERAGENT, "psw-manager/" PSW_VERSION) == CURLE_OK &&
           set(curl, CURLOPT_ERRORBUFFER, service->reason) == CURLE_OK &&
           set(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           set(curl, CURLOPT_WRITEDATA, service) == CURLE_OK;
}

static bool explain_connection(const Service *service, char *text) {
    long number = 0;
    (void)service->library.getinfo(service->curl, CURLINFO_OS_ERRNO, &number);
    return number == ECONNREFUSED
               ? complain(service, text, "refuses connections: nothing listens there")
               : complain(service, text, "takes no connections: %s", strerrordesc_np((int)number));
}

static bool explain_silence(const Service *service, char *text) {
    curl_off_t connected = 0;
    (void)service->library.getinfo(service->curl, CURLINFO_CONNECT_TIME_T, &connected);
    return connected > 0 ? complain(service, text, "takes connections and answers nothing within %d s",
                                    ANSWER_MS / 1000)
                         : complain(service, text, "takes no connections within %d s: is a firewall between?",
                                    CONNECT_MS / 1000);
}

static bool explain(const Service *service, CURLcode code, char *text) {
    const char *words = service->reason[0] != '\0' ? service->reason : service->library.strerror(code);
    switch ((int)code) {
    case CURLE_COULDNT_CONNECT:
        return explain_connection(service, text);
    case CURLE_OPERATION_TIMEDOUT:
        return explain_silence(service, text);
    case CURLE_COULDNT_RESOLVE_HOST:
        return complain(service, text, "cannot be found: %s", words);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CIPHER:
        return complain(service, text, "fails in TLS: %s", words);
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* of an answer: HTTP/0.9 */
        return complain(service, text, "answers without HTTP: %s: are http and https mixed up?", words);
    case CURLE_WRITE_ERROR:
        return complain(service, text, "answers with more than %d bytes where a CRL should be", BODY_MAX);
    default:
        return complain(service, text, "fails: %s", words);
    }
}

static bool judge_body(const Service *service, char *text) {
    CLEANUP(collateral_freep) Collateral *collateral = collateral_new(NULL);
    const char *start = buffer_text(&service->body);
    start += strspn(start, " \t\r\n");
    if (collateral != NULL && collateral_add_crl(collateral, buffer_bytes(&service->body), "", NULL)) {
        (void)snprintf(text, CHILD_TEXT_MAX, "%.160s answers with a CRL", service->url);
        return true;
    }
    return complain(service, text,
                    start[0] == '<' ? "answers with a web page where a CRL should be: is another server or a "
                                      "proxy's login page there?"
                                    : "answers with something that is no CRL: is it a PCCS?");
}

/* *ret_absent: the service does not have this; another path may be tried. */
static bool ask(Service *service, const char *path, char *text, bool *ret_absent) {
    long status = 0;
    AUTO_FREE char *url = text_format("%s%s", service->url, path);
    *ret_absent = false;
    buffer_clear(&service->body);
    if (url == NULL || !set_options(service, url)) {
        return complain(service, text, "is no URL that libcurl takes");
    }
    CURLcode code = service->library.perform(service->curl);
    if (code != CURLE_OK) {
        return explain(service, code, text);
    }
    (void)service->library.getinfo(service->curl, CURLINFO_RESPONSE_CODE, &status);
    *ret_absent = status == HTTP_NOT_FOUND;
    if (*ret_absent) {
        return complain(service, text,
                        "has no CRL at all (status 404): the path is wrong, or its cache is empty");
    }
    return status == HTTP_OK ? judge_body(service, text)
                             : complain(service, text, "answers with status %ld", status);
}

static bool ask_in_child(void *context, char text[CHILD_TEXT_MAX]) {
    /* Not every service has each: Intel's own has the first elsewhere, a cache what it was asked for. */
    static const char *const paths[] = {"rootcacrl", "pckcrl?ca=platform&encoding=der",
                                        "pckcrl?ca=processor&encoding=der"};
    Service *service = context;
    Error err = ERROR_INIT;
    bool good = false, absent = true;
    if (!prepare(service, &err) || !enter_sandbox(&err)) {
        return complain(service, text, "cannot be asked: %.200s", err.text);
    }
    for (size_t i = 0; i < sizeof paths / sizeof paths[0] && absent; i++) {
        good = ask(service, paths[i], text, &absent);
    }
    return good;
}

void provider_service_ask(const char *url, bool verify, ChildAnswer *ret_answer) {
    Service service = {.url = url,
                       .verify = verify && strncmp(url, "https:", 6) == 0,
                       .deadline_ms = clock_monotonic_ms() + PROVIDER_SERVICE_MS - SPARE_MS};
    child_run(ask_in_child, &service, PROVIDER_SERVICE_MS, ret_answer);
}
