/* SPDX-License-Identifier: Apache-2.0
 *
 * ApiRequest: one HTTP request on its way through the API: what was asked, by whom, and what is answered.
 */
#ifndef MANAGER_API_REQUEST_H
#define MANAGER_API_REQUEST_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/buffer.h"
#include "manager/api.h"

enum { API_BODY_MAX = 64 * 1024, API_WAIT_MAX_S = 60, API_CONNECTIONS_MAX = 64, API_IDLE_S = 60 };

typedef struct ApiServer ApiServer;

typedef struct ApiRequest {
    ApiServer *owner;
    const ApiSpec *api;
    struct MHD_Connection *connection;
    struct ApiRequest *next; /* in the API's list of those that wait */
    JournalWho who;
    const char *method; /* borrowed while the request lives */
    char path[256];
    bool wants_upload; /* the body is a bundle, not JSON */
    Buffer body;
    int upload; /* -1, or the spooled body */
    uint64_t upload_size;
    Error error; /* found before the request was whole */

    bool suspended;
    bool answered;
    unsigned status;
    json_t *answer;
    char *text;               /* the answer, if it is not JSON */
    const char *content_type; /* of the text */
    bool open;                /* it came by a door that is open to everybody */

    uint64_t wait_operation,
        wait_revision; /* waits until that operation changes; 0: waits for no operation */
    sd_event_source *wait_timer;
} ApiRequest;

/* Handles a whole request: answers it, or leaves it unanswered to wait for what api_request_answer gets. */
void api_route(ApiRequest *request);

/* Gives the answer; takes the reference (NULL: out of memory, 500). Resumes the connection if it waits. */
void api_request_answer(ApiRequest *request, unsigned status, json_t *answer);
/* The same with text, which it takes (NULL: out of memory). */
void api_request_answer_text(ApiRequest *request, const char *content_type, char *text);
void api_request_refuse(ApiRequest *request, const Error *error);

#endif
