/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/courier_transfer.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/text.h"
#include "manager/courier_message.h"

enum {
    CONNECT_TIMEOUT_MS = 15 * 1000,
    REDIRECTS_MAX = 3,
    VALIDATOR_AGE_S = 5,
    ERROR_PAGE_MAX = 64 * 1024, /* read and thrown away, so that the connection can be kept */
    HTTP_OK = 200,
    HTTP_PARTIAL = 206,
    HTTP_NOT_MODIFIED = 304,
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
    HTTP_REQUEST_TIMEOUT = 408,
    HTTP_RANGE = 416,
    HTTP_TOO_MANY = 429
};

/* One exchange with a server. */
typedef struct Exchange {
    Carriage *carriage;
    CarriageAttempt *attempt;
    const char *url;
    uint64_t asked;             /* offset of the range, 0: none */
    CourierValidator validator; /* of this answer */
    char content_range[128];
    char date[64];
    char issuer_chain[COURIER_CHAIN_MAX]; /* of collateral (Intel PCS API v4) */
    bool begun;                           /* its first bytes came */
    uint64_t begun_ms;                    /* when, and */
    uint64_t passed;                      /* how many were passed on since */
    uint64_t thrown;                      /* bytes of an error page */
    CarriageResult verdict;               /* with the error, when a callback ends it */
    Error error;
} Exchange;

static void freep_list(struct curl_slist **list) {
    curl_slist_free_all(*list);
}

static bool end_with(Exchange *exchange, CarriageResult verdict) {
    exchange->verdict = verdict;
    return false;
}

static bool is_cancelled(const Carriage *carriage) {
    char message[16];
    return recv(carriage->socket, message, sizeof message, MSG_DONTWAIT) >= 0;
}

/* "bytes FIRST-LAST/TOTAL" (RFC 9110, 14.4) that is the rest of the file, as it was asked for. */
static bool range_is_right(const Exchange *exchange, uint64_t *ret_total) {
    char copy[sizeof exchange->content_range], *save = NULL;
    uint64_t first = 0, last = 0, total = 0;
    (void)text_copy(copy, sizeof copy, exchange->content_range);
    const char *unit = strtok_r(copy, " ", &save), *from = strtok_r(NULL, "-", &save);
    const char *to = strtok_r(NULL, "/", &save), *all = strtok_r(NULL, " \r\n", &save);
    if (unit == NULL || strcasecmp(unit, "bytes") != 0 || from == NULL || to == NULL || all == NULL ||
        !text_parse_u64(from, 0, UINT64_MAX, &first) || !text_parse_u64(to, 0, UINT64_MAX - 1, &last) ||
        !text_parse_u64(all, 0, UINT64_MAX, &total)) {
        return false;
    }
    *ret_total = total;
    return first == exchange->asked && last + 1 == total &&
           (exchange->attempt->request->size == 0 || total == exchange->attempt->request->size);
}

static bool find_place(Exchange *exchange, uint64_t *ret_total) {
    const CourierRequest *request = exchange->attempt->request;
    curl_off_t length = -1;
    if (exchange->attempt->status == HTTP_PARTIAL) {
        if (exchange->asked == 0 || !range_is_right(exchange, ret_total)) {
            exchange->attempt->whole = true;
            error_set(&exchange->error, ERROR_NETWORK,
                      "%s: the server answers another range than was asked for", exchange->url);
            return end_with(exchange, CARRIAGE_BROKEN);
        }
    } else {
        (void)curl_easy_getinfo(exchange->carriage->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        *ret_total = length > 0 ? (uint64_t)length : 0;
        exchange->attempt->reached = 0;
        if (request->size != 0 && length >= 0 && (uint64_t)length != request->size) {
            error_set(&exchange->error, ERROR_LIMIT, "%s: it has %llu bytes, it must have %llu",
                      exchange->url, (unsigned long long)length, (unsigned long long)request->size);
            return end_with(exchange, CARRIAGE_REFUSED);
        }
    }
    if (*ret_total > request->size_max) {
        error_set(&exchange->error, ERROR_LIMIT, "%s: larger than the %llu bytes that are allowed",
                  exchange->url, (unsigned long long)request->size_max);
        return end_with(exchange, CARRIAGE_REFUSED);
    }
    return true;
}

/* Servers make validators of a file's time in seconds: what was written just now may be written again under
 * the same one (RFC 9110, 8.8.2.2). */
static void drop_young_validator(Exchange *exchange) {
    const time_t modified = curl_getdate(exchange->validator.modified, NULL);
    const time_t date = curl_getdate(exchange->date, NULL);
    if (modified >= 0 && (date < 0 || date - modified < VALIDATOR_AGE_S)) {
        exchange->validator = (CourierValidator){0};
    }
}

static bool begin_answer(Exchange *exchange) {
    CarriageAttempt *attempt = exchange->attempt;
    uint64_t total = 0;
    exchange->begun = true;
    exchange->begun_ms = clock_monotonic_ms();
    if (!find_place(exchange, &total)) {
        return false;
    }
    drop_young_validator(exchange);
    attempt->validator = exchange->validator;
    return courier_send(exchange->carriage->socket, COURIER_HEAD,
                        json_pack("{s:I, s:I, s:o, s:s}", "offset", (json_int_t)attempt->reached, "total",
                                  (json_int_t)total, "validator", courier_validator_json(&attempt->validator),
                                  "issuer_chain", exchange->issuer_chain),
                        &exchange->error) ||
           end_with(exchange, CARRIAGE_CANCELLED);
}

/* Waits until as much may have come as has: libcurl's own limit lets megabytes pass before it first waits. */
static void keep_pace(const Exchange *exchange) {
    const Carriage *carriage = exchange->carriage;
    struct pollfd neighbour = {.fd = carriage->socket, .events = POLLIN};
    if (carriage->rate_max == 0) {
        return;
    }
    const double due_ms = (double)exchange->passed * 1000 / (double)carriage->rate_max;
    const double early_ms = due_ms - (double)(clock_monotonic_ms() - exchange->begun_ms);
    const int left = clock_left_ms(carriage->deadline_ms);
    if (early_ms >= 1) {
        (void)poll(&neighbour, 1, early_ms < (double)left ? (int)early_ms : left);
    }
}

static bool pass_on(Exchange *exchange, const char *data, size_t size) {
    CarriageAttempt *attempt = exchange->attempt;
    if (!exchange->begun && !begin_answer(exchange)) {
        return false;
    }
    if (size > attempt->request->size_max - attempt->reached) {
        error_set(&exchange->error, ERROR_LIMIT, "%s: larger than the %llu bytes that are allowed",
                  exchange->url, (unsigned long long)attempt->request->size_max);
        return end_with(exchange, CARRIAGE_REFUSED);
    }
    if (is_cancelled(exchange->carriage) ||
        !courier_send_bytes(exchange->carriage->socket, COURIER_DATA, data, size, &exchange->error)) {
        error_set(&exchange->error, ERROR_NETWORK, "%s: cut short", exchange->url);
        return end_with(exchange, CARRIAGE_CANCELLED);
    }
    attempt->reached += size;
    exchange->passed += size;
    keep_pace(exchange);
    return true;
}

static size_t on_body(char *data, size_t one, size_t size, void *context) {
    (void)one;
    Exchange *exchange = context;
    long status = 0;
    (void)curl_easy_getinfo(exchange->carriage->curl, CURLINFO_RESPONSE_CODE, &status);
    exchange->attempt->status = (unsigned)status;
    if (status != HTTP_OK && status != HTTP_PARTIAL) {
        exchange->thrown += size;
        return exchange->thrown <= ERROR_PAGE_MAX ? size : 0;
    }
    for (size_t at = 0; at < size; at += COURIER_PIECE_MAX) {
        size_t piece = size - at < COURIER_PIECE_MAX ? size - at : COURIER_PIECE_MAX;
        if (!pass_on(exchange, data + at, piece)) {
            return 0;
        }
    }
    return size;
}

static void keep_header(const char *value, size_t size, char *buffer, size_t buffer_size) {
    while (size > 0 && *value == ' ') {
        value++;
        size--;
    }
    while (size > 0 && (value[size - 1] == '\r' || value[size - 1] == '\n' || value[size - 1] == ' ')) {
        size--;
    }
    if (size >= buffer_size) {
        return; /* what is too long is as if it were not there */
    }
    memcpy(buffer, value, size);
    buffer[size] = '\0';
    if (!text_is_printable(buffer, buffer_size)) {
        buffer[0] = '\0';
    }
}

/* Each kind of collateral has a header of its own for the certificates of its signer. */
static void keep_chain(Exchange *exchange, const char *data, size_t size) {
    static const char end[] = "-issuer-chain:";
    const size_t length = sizeof end - 1;
    const char *colon = memchr(data, ':', size);
    size_t name = colon != NULL ? (size_t)(colon - data) + 1 : 0;
    if (name > length && strncasecmp(data + name - length, end, length) == 0) {
        keep_header(data + name, size - name, exchange->issuer_chain, sizeof exchange->issuer_chain);
    }
}

static size_t on_header(char *data, size_t one, size_t size, void *context) {
    (void)one;
    Exchange *exchange = context;
    const struct {
        const char *name;
        char *buffer;
        size_t size;
    } known[] = {
        {"etag:", exchange->validator.etag, sizeof exchange->validator.etag},
        {"last-modified:", exchange->validator.modified, sizeof exchange->validator.modified},
        {"content-range:", exchange->content_range, sizeof exchange->content_range},
        {"date:", exchange->date, sizeof exchange->date},
    };
    if (size > 5 && strncmp(data, "HTTP/", 5) == 0) { /* a new answer, after a redirect */
        exchange->validator = (CourierValidator){0};
        exchange->content_range[0] = exchange->date[0] = exchange->issuer_chain[0] = '\0';
    }
    keep_chain(exchange, data, size);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t length = strlen(known[i].name);
        if (size > length && strncasecmp(data, known[i].name, length) == 0) {
            keep_header(data + length, size - length, known[i].buffer, known[i].size);
        }
    }
    return size;
}

static bool add_header(struct curl_slist **headers, const char *name, const char *value) {
    if (value[0] == '\0') {
        return true;
    }
    AUTO_FREE char *line = text_format("%s: %s", name, value);
    struct curl_slist *longer = line != NULL ? curl_slist_append(*headers, line) : NULL;
    *headers = longer != NULL ? longer : *headers;
    return longer != NULL;
}

/* A rest is asked for if the whole will be checked against a known size and hash, or if the server can tell
 * by a strong ETag that it still has the same version (RFC 9110, 13.1.5). */
static bool plan_headers(Exchange *exchange, struct curl_slist **headers) {
    const CarriageAttempt *attempt = exchange->attempt;
    const CourierRequest *request = attempt->request;
    const char *etag = attempt->validator.etag;
    bool strong = etag[0] == '"';
    if (attempt->reached > 0 && !attempt->whole && (request->size != 0 || strong)) {
        exchange->asked = attempt->reached;
        return request->size != 0 || add_header(headers, "If-Range", etag);
    }
    if (!attempt->conditional) {
        return true;
    }
    return add_header(headers, "If-None-Match", etag) &&
           add_header(headers, "If-Modified-Since", attempt->validator.modified);
}

static bool set_pem(CURL *curl, CURLoption option, const Buffer *pem) {
    struct curl_blob blob = {.data = pem->data, .len = pem->size, .flags = CURL_BLOB_NOCOPY};
    return pem->size == 0 || curl_easy_setopt(curl, option, &blob) == CURLE_OK;
}

static bool set_limits(const Carriage *carriage) {
    CURL *curl = carriage->curl;
    /* libcurl refuses another size after a name that could not be resolved. Smaller pieces do no harm. */
    (void)curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)COURIER_PIECE_MAX);
    return curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)carriage->speed_min) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)(carriage->stall_timeout_ms / 1000)) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)clock_left_ms(carriage->deadline_ms)) == CURLE_OK;
}

/* Redirects never leave TLS. HTTP/2 brings nothing for one file after the other. What was read as authorities
 * is all there are. */
static bool set_protocol(const Carriage *carriage, const Exchange *exchange) {
    CURL *curl = carriage->curl;
    bool tls = strncmp(exchange->url, "https:", 6) == 0;
    return curl_easy_setopt(curl, CURLOPT_URL, exchange->url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, tls ? "https" : "http") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, carriage->proxy != NULL ? carriage->proxy : "") ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "psw-manager/" PSW_VERSION) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK &&
           set_pem(curl, CURLOPT_CAINFO_BLOB, &carriage->authorities) &&
           set_pem(curl, CURLOPT_SSLCERT_BLOB, &carriage->certificate) &&
           set_pem(curl, CURLOPT_SSLKEY_BLOB, &carriage->key);
}

static bool set_callbacks(Exchange *exchange, const struct curl_slist *headers, char *reason) {
    CURL *curl = exchange->carriage->curl;
    char range[32];
    (void)snprintf(range, sizeof range, "%llu-", (unsigned long long)exchange->asked);
    return curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           (exchange->asked == 0 || curl_easy_setopt(curl, CURLOPT_RANGE, range) == CURLE_OK) &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange) == CURLE_OK;
}

static CarriageResult explain_failure(const Exchange *exchange, CURLcode code, const char *reason,
                                      Error *err) {
    const char *words = reason[0] != '\0' ? reason : curl_easy_strerror(code);
    switch ((int)code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        error_set(err, ERROR_VERIFY, "%s: %s: if the server has a private CA, name it in fetch.ca",
                  exchange->url, words);
        return CARRIAGE_REFUSED;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_URL_MALFORMAT:
        error_set(err, ERROR_NETWORK, "%s: %s", exchange->url, words);
        return CARRIAGE_REFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        error_set(err, ERROR_TIMEOUT, "%s: %s", exchange->url, words);
        return CARRIAGE_BROKEN;
    default:
        error_set(err, ERROR_NETWORK, "%s: %s", exchange->url, words);
        return CARRIAGE_BROKEN;
    }
}

static CarriageResult judge_status(Exchange *exchange, Error *err) {
    CarriageAttempt *attempt = exchange->attempt;
    switch (attempt->status) {
    case HTTP_OK:
    case HTTP_PARTIAL:
        if (!exchange->begun && !begin_answer(exchange)) {
            *err = exchange->error;
            return exchange->verdict;
        }
        if (attempt->request->size != 0 && attempt->reached < attempt->request->size) {
            error_set(err, ERROR_NETWORK, "%s: the server stopped after %llu of %llu bytes", exchange->url,
                      (unsigned long long)attempt->reached, (unsigned long long)attempt->request->size);
            return CARRIAGE_BROKEN;
        }
        return CARRIAGE_DONE;
    case HTTP_NOT_MODIFIED:
        if (attempt->conditional) {
            return CARRIAGE_UNCHANGED;
        }
        break;
    case HTTP_FORBIDDEN: /* object stores say so of what is not there */
    case HTTP_NOT_FOUND:
        return CARRIAGE_ABSENT;
    case HTTP_RANGE:
        attempt->whole = true;
        break;
    default:
        break;
    }
    error_set(err, ERROR_NETWORK, "%s: the server says %u", exchange->url, attempt->status);
    bool passing = attempt->status >= 500 || attempt->status == HTTP_REQUEST_TIMEOUT ||
                   attempt->status == HTTP_TOO_MANY || attempt->status == HTTP_RANGE;
    return passing ? CARRIAGE_BROKEN : CARRIAGE_REFUSED;
}

CarriageResult carriage_attempt(Carriage *carriage, CarriageAttempt *attempt, Error *err) {
    const char *base = carriage->mirrors[attempt->mirror];
    const char *path = attempt->request->path;
    char reason[CURL_ERROR_SIZE] = "";
    long status = 0;
    AUTO_FREE char *url = text_format("%s%s%s", base, path[0] != '\0' ? "/" : "", path);
    CLEANUP(freep_list) struct curl_slist *headers = NULL;
    Exchange exchange = {
        .carriage = carriage, .attempt = attempt, .url = url, .verdict = CARRIAGE_DONE, .error = ERROR_INIT};
    if (clock_left_ms(carriage->deadline_ms) == 0) {
        error_set(err, ERROR_TIMEOUT, "%s: no time is left", base);
        return CARRIAGE_BROKEN;
    }
    curl_easy_reset(carriage->curl);
    if (url == NULL || !plan_headers(&exchange, &headers) || !set_limits(carriage) ||
        !set_protocol(carriage, &exchange) || !set_callbacks(&exchange, headers, reason)) {
        error_set(err, ERROR_MEMORY, "%s: libcurl does not take the options", base);
        return CARRIAGE_CANCELLED;
    }
    CURLcode code = curl_easy_perform(carriage->curl);
    (void)curl_easy_getinfo(carriage->curl, CURLINFO_RESPONSE_CODE, &status);
    attempt->status = (unsigned)status;
    if (exchange.verdict != CARRIAGE_DONE) {
        *err = exchange.error;
        return exchange.verdict;
    }
    bool error_page = exchange.thrown > ERROR_PAGE_MAX; /* cut off by us; its status is what counts */
    return code != CURLE_OK && !error_page ? explain_failure(&exchange, code, reason, err)
                                           : judge_status(&exchange, err);
}
