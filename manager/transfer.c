/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"

enum { GRACE_MS = 5000 /* the courier's own deadline comes first and has the better words */ };

struct Transfer {
    TransferSpec spec;
    Helper *courier, *worker;
    Error courier_failure;
};

static void on_courier_done(void *context, const json_t *result, const Error *failure) {
    (void)result;
    Transfer *transfer = context;
    transfer->courier = NULL;
    if (failure != NULL) {
        transfer->courier_failure = *failure; /* the worker notices that it is gone, and ends */
    }
}

static void on_worker_progress(void *context, uint64_t done, uint64_t total) {
    const Transfer *transfer = context;
    if (transfer->spec.progress != NULL) {
        transfer->spec.progress(transfer->spec.context, done, total);
    }
}

/* Why the courier could not even begin says more than that the worker had nobody to ask. */
static void on_worker_done(void *context, const json_t *result, const Error *failure) {
    Transfer *transfer = context;
    const TransferSpec spec = transfer->spec;
    Error courier_failure = transfer->courier_failure;
    const Error *reported = transfer->courier != NULL ? helper_failure(transfer->courier) : NULL;
    if (reported != NULL) {
        courier_failure = *reported;
    }
    helper_dismiss(transfer->courier);
    free(transfer);
    if (failure != NULL && failure->kind == ERROR_NETWORK && courier_failure.kind != ERROR_NONE) {
        failure = &courier_failure;
    }
    spec.done(spec.context, result, failure);
}

static json_t *courier_arguments(const TransferSpec *spec) {
    const Config *config = spec->config;
    CLEANUP(json_freep) json_t *mirrors = json_array();
    for (size_t i = 0; i < spec->mirrors_count; i++) {
        if (json_array_append_new(mirrors, json_string(spec->mirrors[i])) != 0) {
            return NULL;
        }
    }
    return json_pack("{s:O, s:I, s:I, s:I, s:I, s:s?, s:s?, s:s?, s:s?}", "mirrors", mirrors, "timeout_ms",
                     (json_int_t)config->fetch_timeout_ms, "speed_min", (json_int_t)config->fetch_speed_min,
                     "stall_timeout_ms", (json_int_t)config->fetch_stall_timeout_ms, "rate_max",
                     (json_int_t)config->fetch_rate_max, "ca", config->fetch_ca, "client_certificate",
                     config->fetch_certificate, "client_key", config->fetch_key, "proxy",
                     config->fetch_proxy);
}

static bool start_courier(Transfer *transfer, int socket, Error *err) {
    const TransferSpec *spec = &transfer->spec;
    CLEANUP(json_freep) json_t *arguments = courier_arguments(spec);
    if (arguments == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    const HelperSpec helper = {.event = spec->event,
                               .task = &helper_task_courier,
                               .arguments = arguments,
                               .fd = socket,
                               .timeout_ms = spec->config->fetch_timeout_ms + 2 * GRACE_MS,
                               .done = on_courier_done,
                               .context = transfer};
    transfer->courier = helper_start(&helper, err);
    return transfer->courier != NULL;
}

static bool start_worker(Transfer *transfer, int fd, Error *err) {
    const TransferSpec *spec = &transfer->spec;
    const HelperSpec helper = {.event = spec->event,
                               .task = spec->task,
                               .arguments = spec->arguments,
                               .fd = fd,
                               .timeout_ms = spec->config->fetch_timeout_ms + GRACE_MS,
                               .file_size_max = spec->file_size_max,
                               .progress = on_worker_progress,
                               .done = on_worker_done,
                               .context = transfer};
    transfer->worker = helper_start(&helper, err);
    return transfer->worker != NULL;
}

Transfer *transfer_start(const TransferSpec *spec, Error *err) {
    int pair[2] = {-1, -1};
    Transfer *transfer = calloc(1, sizeof *transfer);
    if (transfer == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    transfer->spec = *spec;
    if (spec->mirrors_count > 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        error_set_errno(err, errno, "socketpair");
        free(transfer);
        return NULL;
    }
    AUTO_CLOSE int couriers = pair[0];
    AUTO_CLOSE int workers = pair[1];
    if ((couriers >= 0 && !start_courier(transfer, couriers, err)) ||
        !start_worker(transfer, workers >= 0 ? workers : spec->fd, err)) {
        transfer_cancel(transfer);
        return NULL;
    }
    transfer->spec.mirrors = NULL;
    transfer->spec.arguments = NULL;
    return transfer;
}

void transfer_cancel(Transfer *transfer) {
    if (transfer != NULL) {
        helper_cancel(transfer->courier);
        helper_cancel(transfer->worker);
        free(transfer);
    }
}
