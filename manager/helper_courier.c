/* SPDX-License-Identifier: Apache-2.0
 *
 * The courier task: answers the requests of the child beside it until that hangs up.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "manager/courier_message.h"
#include "manager/courier_transfer.h"
#include "manager/helper_child.h"
#include "manager/operation.h"
#include "manager/pace.h"

enum {
    ROUNDS_MAX = 3,    /* over all mirrors, without a new byte */
    ATTEMPTS_MAX = 64, /* however much comes */
    PAUSE_MS = 400,    /* before the second round; twice that before the third */
    PEM_MAX = 4 * 1024 * 1024
};

static bool read_pem(const json_t *arguments, const char *key, const char *fallback, Buffer *pem,
                     Error *err) {
    const char *path = json_string_value(json_object_get(arguments, key));
    path = path != NULL ? path : fallback;
    buffer_init(pem, PEM_MAX);
    return path == NULL || file_read(AT_FDCWD, path, pem, err) || error_wrap(err, "fetch.%s", key);
}

static const char *system_authorities(void) {
    const char *path = curl_version_info(CURLVERSION_NOW)->cainfo;
    return path != NULL ? path : "/etc/ssl/certs/ca-certificates.crt";
}

static bool take_mirrors(Carriage *carriage, const json_t *arguments, bool *ret_tls, Error *err) {
    const json_t *list = json_object_get(arguments, "mirrors"), *mirror = NULL;
    size_t index = 0;
    *ret_tls = false;
    json_array_foreach(list, index, mirror) {
        const char *url = json_string_value(mirror);
        if (url == NULL || index >= CARRIAGE_MIRRORS_MAX) {
            return error_set(err, ERROR_USAGE, "the mirrors are not a list of 1 to %d URLs",
                             CARRIAGE_MIRRORS_MAX);
        }
        *ret_tls = *ret_tls || strncmp(url, "https:", 6) == 0;
        carriage->mirrors[carriage->mirrors_count++] = url;
    }
    return carriage->mirrors_count > 0 || error_set(err, ERROR_USAGE, "there is no mirror");
}

/* Everything that needs files, before the sandbox closes. */
static bool prepare(const json_t *arguments, void **ret_prepared, Error *err) {
    bool tls = false;
    uint64_t timeout_ms = 0;
    Carriage *carriage = calloc(1, sizeof *carriage);
    if (carriage == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    *ret_prepared = carriage; /* lives as long as the process */
    carriage->proxy = json_string_value(json_object_get(arguments, "proxy"));
    if (!take_mirrors(carriage, arguments, &tls, err) ||
        !json_get_u64(arguments, "timeout_ms", &timeout_ms, err) ||
        !json_get_u64(arguments, "speed_min", &carriage->speed_min, err) ||
        !json_get_u64(arguments, "stall_timeout_ms", &carriage->stall_timeout_ms, err) ||
        !json_get_u64(arguments, "rate_max", &carriage->rate_max, err) ||
        !read_pem(arguments, "ca", tls ? system_authorities() : NULL, &carriage->authorities, err) ||
        !read_pem(arguments, "client_certificate", NULL, &carriage->certificate, err) ||
        !read_pem(arguments, "client_key", NULL, &carriage->key, err)) {
        return false;
    }
    carriage->deadline_ms = clock_monotonic_ms() + timeout_ms;
    carriage->socket = HELPER_DATA;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (carriage->curl = curl_easy_init()) == NULL) {
        return error_set(err, ERROR_MEMORY, "libcurl does not start");
    }
    return true;
}

/* With jitter, so that a fleet does not come back all at once. False: nobody waits any more. */
static bool rest(const Carriage *carriage, unsigned round) {
    struct pollfd neighbour = {.fd = carriage->socket, .events = POLLIN};
    int pause = PAUSE_MS << round;
    pause = pause / 2 + (int)pace_chance((uint64_t)pause);
    int left = clock_left_ms(carriage->deadline_ms);
    return poll(&neighbour, 1, pause < left ? pause : left) == 0;
}

static bool send_end(const Carriage *carriage, const CarriageAttempt *attempt, CourierOutcome outcome,
                     Error *err) {
    return courier_send(carriage->socket, COURIER_END,
                        json_pack("{s:i, s:i, s:i, s:o}", "outcome", (int)outcome, "mirror",
                                  (int)attempt->mirror, "status", (int)attempt->status, "validator",
                                  courier_validator_json(&attempt->validator)),
                        err);
}

static bool send_failure(const Carriage *carriage, const Error *failure, Error *err) {
    return courier_send(carriage->socket, COURIER_FAILURE,
                        json_pack("{s:s, s:o}", "kind", error_kind_name(failure->kind), "error",
                                  operation_text_json(failure->text)),
                        err);
}

/* The course of one request over mirrors and rounds. */
typedef struct Course {
    CarriageAttempt attempt;
    uint64_t useless; /* bit per mirror that asking again does not help */
    bool absent;      /* some mirror does not have it */
    CarriageAttempt absent_attempt;
    Error failure; /* the last */
} Course;

typedef enum Leg { LEG_GO_ON, LEG_ENDED, LEG_GIVE_UP } Leg;

static Leg try_mirror(Carriage *carriage, Course *course, unsigned mirror, bool first, Error *err) {
    CarriageAttempt *attempt = &course->attempt;
    Error failure = ERROR_INIT;
    attempt->mirror = mirror;
    attempt->conditional = first && attempt->request->conditional;
    switch (carriage_attempt(carriage, attempt, &failure)) {
    case CARRIAGE_DONE:
        return send_end(carriage, attempt, COURIER_ALL, err) ? LEG_ENDED : LEG_GIVE_UP;
    case CARRIAGE_UNCHANGED:
        return send_end(carriage, attempt, COURIER_UNCHANGED, err) ? LEG_ENDED : LEG_GIVE_UP;
    case CARRIAGE_ABSENT:
        if (attempt->request->optional) {
            return send_end(carriage, attempt, COURIER_ABSENT, err) ? LEG_ENDED : LEG_GIVE_UP;
        }
        course->absent = true;
        course->absent_attempt = *attempt;
        course->useless |= UINT64_C(1) << mirror;
        return LEG_GO_ON;
    case CARRIAGE_REFUSED:
        course->useless |= UINT64_C(1) << mirror;
        course->failure = failure;
        return LEG_GO_ON;
    case CARRIAGE_BROKEN:
        course->failure = failure;
        return LEG_GO_ON;
    case CARRIAGE_CANCELLED:
        break;
    }
    course->failure = failure;
    return send_failure(carriage, &course->failure, err) ? LEG_ENDED : LEG_GIVE_UP;
}

static bool finish(Carriage *carriage, const Course *course, Error *err) {
    Error failure = course->failure;
    if (clock_left_ms(carriage->deadline_ms) == 0) {
        error_set(&failure, ERROR_TIMEOUT, "it took longer than fetch.timeout allows%s%s",
                  course->failure.kind != ERROR_NONE ? ": " : "", course->failure.text);
    } else if (course->failure.kind == ERROR_NONE && course->absent) {
        return send_end(carriage, &course->absent_attempt, COURIER_ABSENT, err);
    }
    return send_failure(carriage, &failure, err);
}

static bool serve(Carriage *carriage, const CourierRequest *request, Error *err) {
    Course course = {
        .attempt = {.request = request, .reached = request->offset, .validator = request->validator}};
    const size_t count = carriage->mirrors_count;
    unsigned attempts = 0;
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        uint64_t reached = course.attempt.reached;
        for (size_t i = 0; i < count; i++) {
            unsigned mirror = (unsigned)((request->mirror + i) % count);
            if ((course.useless & (UINT64_C(1) << mirror)) != 0) {
                continue;
            }
            Leg leg = try_mirror(carriage, &course, mirror, round == 0 && i == 0, err);
            if (leg != LEG_GO_ON) {
                return leg == LEG_ENDED;
            }
        }
        if (course.useless == (UINT64_C(1) << count) - 1 || clock_left_ms(carriage->deadline_ms) == 0 ||
            ++attempts >= ATTEMPTS_MAX) {
            break;
        }
        if (course.attempt.reached > reached) {
            round = 0; /* it comes, if slowly */
        }
        if (round + 1 < ROUNDS_MAX && !rest(carriage, round)) {
            break;
        }
    }
    return finish(carriage, &course, err);
}

static bool take_request(const json_t *object, CourierRequest *request, Error *err) {
    uint64_t mirror = 0;
    if (!json_get_text(object, "path", &request->path, err) ||
        !json_get_u64(object, "mirror", &mirror, err) ||
        !json_get_u64(object, "offset", &request->offset, err) ||
        !json_get_u64(object, "size", &request->size, err) ||
        !json_get_u64(object, "size_max", &request->size_max, err) ||
        !json_get_bool(object, "conditional", &request->conditional, err) ||
        !json_get_bool(object, "optional", &request->optional, err)) {
        return false;
    }
    request->mirror = (unsigned)(mirror % CARRIAGE_MIRRORS_MAX);
    return (courier_validator_read(json_object_get(object, "validator"), &request->validator) &&
            strlen(request->path) <= COURIER_PATH_MAX && request->offset <= request->size_max) ||
           error_set(err, ERROR_USAGE, "the request is malformed");
}

static bool run(const json_t *arguments, void *prepared, json_t **ret_result, Error *err) {
    (void)arguments;
    Carriage *carriage = prepared;
    AUTO_FREE uint8_t *message = malloc(COURIER_MESSAGE_MAX);
    ssize_t size = 0;
    if (message == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    while ((size = TEMP_FAILURE_RETRY(recv(carriage->socket, message, COURIER_MESSAGE_MAX, 0))) > 0) {
        CourierRequest request = {0};
        if (message[0] == COURIER_CANCEL) {
            continue; /* it crossed the end of an answer */
        }
        CLEANUP(json_freep)
        json_t *object = json_parse((Bytes){message + 1, (size_t)size - 1}, "request", err);
        if (object == NULL || !take_request(object, &request, err) || !serve(carriage, &request, err)) {
            return false;
        }
    }
    *ret_result = json_object();
    return *ret_result != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

const HelperTask helper_task_courier = {.name = "courier", .run = run, .prepare = prepare};
