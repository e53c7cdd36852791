/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tuf-client/http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"

struct Http {
    CURL *easy;
    const char *metadata_url;
    const char *targets_url;
};

typedef struct Transfer {
    const TufSink *sink;
    CURL *easy;
    Error *err;
} Transfer;

Http *http_new(const char *metadata_url, const char *targets_url) {
    Http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        return NULL;
    }
    *http = (Http){.easy = curl_easy_init(), .metadata_url = metadata_url, .targets_url = targets_url};
    if (http->easy == NULL) {
        free(http);
        return NULL;
    }
    return http;
}

void http_free(Http *http) {
    if (http != NULL) {
        curl_easy_cleanup(http->easy);
        free(http);
    }
}

/* The body of an error page is not passed on. */
static size_t take(char *data, size_t one, size_t count, void *context) {
    Transfer *transfer = context;
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        return one * count;
    }
    return transfer->sink->write(transfer->sink->context, data, one * count, transfer->err) ? one * count : 0;
}

static TufFetched perform(CURL *easy, const char *url, Transfer *transfer) {
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, 10L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    CURLcode code = curl_easy_perform(easy);
    if (transfer->err->kind != ERROR_NONE) {
        return TUF_FETCHED_FAILED;
    }
    if (code != CURLE_OK) {
        error_set(transfer->err, ERROR_NETWORK, "%s", curl_easy_strerror(code));
        return TUF_FETCHED_FAILED;
    }
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 404 || status == 403) {
        return TUF_FETCHED_ABSENT;
    }
    if (status != 200) {
        error_set(transfer->err, ERROR_NETWORK, "the server answers %ld", status);
        return TUF_FETCHED_FAILED;
    }
    return TUF_FETCHED_ALL;
}

TufFetched http_fetch(void *context, const TufRequest *request, const TufSink *sink, Error *err) {
    Http *http = context;
    Error inner = ERROR_INIT;
    const char *base = request->kind == TUF_FETCH_METADATA ? http->metadata_url : http->targets_url;
    size_t length = strlen(base);
    const char *slash = length > 0 && base[length - 1] == '/' ? "" : "/";
    AUTO_FREE char *url = text_format("%s%s%s", base, slash, request->path);
    if (url == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return TUF_FETCHED_FAILED;
    }
    Transfer transfer = {.sink = sink, .easy = http->easy, .err = &inner};
    TufFetched fetched = perform(http->easy, url, &transfer);
    if (fetched == TUF_FETCHED_FAILED) {
        error_set(err, inner.kind, "%s", inner.text);
    }
    return fetched;
}
