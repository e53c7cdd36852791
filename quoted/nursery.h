/* SPDX-License-Identifier: Apache-2.0
 *
 * Nursery: a process with one thread from which engine processes (quoted/engine_process.h) are forked.
 *
 * A generation has threads, so it must not fork, and is confined, so it may start no program. Hence this one,
 * which is forked while there is one thread and does nothing else. It keeps no descriptor but its channel.
 * It dies with the generation, and the engines with it, by the kernel.
 */
#ifndef QUOTED_NURSERY_H
#define QUOTED_NURSERY_H

#include "bundles/base/error.h"
#include "bundles/manifest.h"
#include "quoted/config.h"

typedef struct Nursery Nursery;

typedef struct NurserySpec {
    const char *bundle;
    const Manifest *manifest;
    const Config *config;
    uint32_t generation; /* for the log; 0: runs alone */
} NurserySpec;

/* To be called while the process has one thread, and is confined. */
Nursery *nursery_start(const NurserySpec *spec, Error *err) __attribute__((warn_unused_result));
/* NULL is allowed. */
void nursery_stop(Nursery *nursery);

/* One more engine process. The caller owns its socket and its pidfd; it is not the caller's child. Any
 * thread. */
bool nursery_bear(Nursery *nursery, int *ret_socket, int *ret_pidfd, Error *err)
    __attribute__((warn_unused_result));

#endif
