/* SPDX-License-Identifier: Apache-2.0
 *
 * Transfer: two children that get something from a network together: the courier, which has the network, and
 * a worker, which has the files and the judgement (manager/courier.h). Invariant: `done` is called exactly
 * once, with the worker's outcome, unless transfer_cancel came first; neither child outlives the transfer.
 */
#ifndef MANAGER_TRANSFER_H
#define MANAGER_TRANSFER_H

#include "manager/config.h"
#include "manager/helper.h"

typedef struct Transfer Transfer;

typedef struct TransferSpec {
    sd_event *event;
    const Config *config;       /* fetch.* */
    const char *const *mirrors; /* URLs; borrowed for the call */
    size_t mirrors_count;       /* 0: no courier, the worker is given `fd` */
    int fd;                     /* borrowed; -1: none */
    const HelperTask *task;     /* the worker's */
    const json_t *arguments;    /* the worker's */
    uint64_t file_size_max;
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void (*done)(void *context, const json_t *result, const Error *failure);
    void *context;
} TransferSpec;

Transfer *transfer_start(const TransferSpec *spec, Error *err) __attribute__((warn_unused_result));
void transfer_cancel(Transfer *transfer); /* ends both and frees; `done` is not called; NULL is fine */

#endif
