/* SPDX-License-Identifier: Apache-2.0
 *
 * Http: requests over the Unix socket of the manager's API, as far as that API goes: HTTP/1.1 with
 * Content-Length (RFC 9112), one request after the other on one connection. Not for the servers of strangers:
 * those are libcurl's. It is here because loading libcurl and its 30 libraries takes longer than most calls.
 */
#ifndef MANAGER_CTL_HTTP_H
#define MANAGER_CTL_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"

typedef struct Http Http;

typedef struct HttpRequest {
    const char *method, *path;
    const char *body;                                               /* JSON; NULL: none, or the file */
    int fd;                                                         /* a file as the body; -1: none */
    uint64_t size;                                                  /* of the file */
    void (*progress)(void *context, uint64_t done, uint64_t total); /* of the file; may be NULL */
    void *context;
} HttpRequest;

/* Connects. ERROR_UNAVAILABLE if nobody listens, ERROR_PERMISSION if the socket is not for us. */
Http *http_open(const char *socket_path, Error *err) __attribute__((warn_unused_result));
void http_close(Http *http);
CLEANUP_DEFINE(Http, http_close)

/* One exchange; the answer's body is appended to `answer`. A connection that was kept and has been closed
 * meanwhile is made anew for a GET. ERROR_UNAVAILABLE if the manager goes away, ERROR_TIMEOUT if it says
 * nothing for two minutes. */
bool http_exchange(Http *http, const HttpRequest *request, Buffer *answer, unsigned *ret_status, Error *err)
    __attribute__((warn_unused_result));

#endif
