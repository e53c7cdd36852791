/* SPDX-License-Identifier: Apache-2.0
 *
 * Options: the command line of aesm-load.
 */
#ifndef TESTS_BENCH_OPTIONS_H
#define TESTS_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/error.h"
#include "tests/bench/flow.h"

enum { OPTIONS_CLIENTS_MAX = 4096 };

typedef struct Options {
    const char *socket;
    const char *platform;         /* directory of the simulated platform; NULL: no quotes */
    const char *target_info_file; /* 512 bytes for the clients that cache; NULL: asked for at the start */
    const char *timeline;         /* NULL: none */
    FlowKind flow;
    uint32_t cached_percent; /* of the clients */
    uint32_t clients;
    uint32_t rate; /* requests a second; 0: flat out */
    uint64_t duration_ms;
    uint64_t requests;
    uint64_t timeout_ms;
    bool verify;
    uint32_t signatures_every;
    bool retry_42;
    bool json;
    bool help;
    bool version;
    uint8_t expected_qes[CLIENT_QES_MAX][SGX_HASH_SIZE];
    size_t expected_qes_count;
} Options;

/* ERROR_USAGE. The texts borrow from argv. */
bool options_parse(int argc, char **argv, Options *ret_options, Error *err)
    __attribute__((warn_unused_result));
const char *options_help(void);
const char *options_flow_name(FlowKind flow);
/* "fresh", "cached" or "mixed:30"; returns buffer. */
const char *options_target_name(const Options *options, char *buffer, size_t size);

#endif
