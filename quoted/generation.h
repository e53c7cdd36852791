/* SPDX-License-Identifier: Apache-2.0
 *
 * Generation: this process's one run on one bundle: its engine, its threads, its state, and the control
 * socket by which the manager leads it.
 *
 * warming -> ready -> serving -> draining -> lame duck, back to serving by RESUME or ACCEPT, and an end by
 * RETIRE, SIGTERM or a failed warm-up. A generation is `ready` only after it made a trial quote, so that no
 * client ever meets one that cannot.
 */
#ifndef QUOTED_GENERATION_H
#define QUOTED_GENERATION_H

#include "bundles/base/error.h"
#include "bundles/manifest.h"
#include "quoted/config.h"
#include "quoted/handover.h"
#include "quoted/nursery.h"

typedef struct GenerationSpec {
    const char *bundle;       /* directory of the unpacked bundle */
    const Manifest *manifest; /* of it */
    uint32_t number;          /* 0: runs alone */
    const char *control_path; /* NULL: runs alone */
    int control_fd;           /* a first connection to it, which gets all events; -1: none */
    int listener_fd;          /* to serve on once ready; -1: it comes by CONTROL_ACCEPT */
    const Config *config;
    Nursery *nursery;   /* of further engines; NULL: there are none */
    Handover *handover; /* NULL: runs alone */
} GenerationSpec;

/* Runs until it is told to end by the control socket or by a signal on signal_fd (a signalfd): drains, and
 * returns true. False: it could not start, or could not warm up. */
bool generation_run(const GenerationSpec *spec, int signal_fd, Error *err)
    __attribute__((warn_unused_result));

#endif
