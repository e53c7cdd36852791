/* SPDX-License-Identifier: Apache-2.0
 *
 * Http: a fetcher over libcurl for the conformance client. No sandbox, no resume: the manager has its own.
 */
#ifndef TESTS_TUF_CLIENT_HTTP_H
#define TESTS_TUF_CLIENT_HTTP_H

#include "bundles/tuf/fetcher.h"

typedef struct Http Http;

/* Base URLs are borrowed; either may be NULL when nothing beneath it is asked for. */
Http *http_new(const char *metadata_url, const char *targets_url);
void http_free(Http *http);
TufFetched http_fetch(void *http, const TufRequest *request, const TufSink *sink, Error *err);

#endif
