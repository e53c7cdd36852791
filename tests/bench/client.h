/* SPDX-License-Identifier: Apache-2.0
 *
 * Client: one application that asks for quotes: its single requests, each on a connection of its own, and the
 * judgement of the answers. What it asks in which order is its flow's business.
 *
 * A client with cached target info behaves like a Gramine application: it took target info once and keeps it
 * over every swap. Every request is counted once in the client's tally, as a success or as a failure.
 */
#ifndef TESTS_BENCH_CLIENT_H
#define TESTS_BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/error.h"
#include "bundles/sgx/report.h"
#include "bundles/sim/report.h"
#include "tests/bench/exchange.h"
#include "tests/bench/frame.h"
#include "tests/bench/tally.h"

enum {
    CLIENT_QES_MAX = 32,
    CLIENT_QUOTE_TRIES = 5 /* in all, with retry_42; Gramine's number */
};

/* What all clients of a run have in common. */
typedef struct ClientPlan {
    ExchangeServer server;
    const SimReporter *reporter; /* NULL for flows without a quote */
    bool verify;                 /* the quote's structure, its report and its QE */
    uint32_t signatures_every;   /* also the signatures of every Nth quote; 0: none */
    bool retry_42;
    uint8_t expected_qes[CLIENT_QES_MAX][SGX_HASH_SIZE];
    size_t expected_qes_count; /* 0: any */
    SgxTargetInfo cached;      /* what the clients that cache start with */
} ClientPlan;

typedef struct Client {
    const ClientPlan *plan;
    Tally *tally;
    bool caches;
    uint32_t number;   /* of this client */
    uint64_t quotes;   /* asked for by it; makes every report another one */
    uint64_t start_ns; /* of the run */
    SgxTargetInfo target_info;
    uint8_t buffer[FRAME_QUOTE_BUFFER_MAX + 4096]; /* of answers */
} Client;

/* One request that was due at due_ns. False: it failed and is counted. */
bool client_ask(Client *client, FrameKind kind, uint64_t due_ns, FrameAnswer *ret_answer);
/* The same for target info, which becomes the client's. */
bool client_ask_init(Client *client, uint64_t due_ns);
/* A quote of a new report for the client's target info, with the retries of the plan. */
bool client_ask_quote(Client *client, uint64_t due_ns, uint32_t buffer_size);

/* Asks for target info once, uncounted, for the clients that cache. ERROR_UNAVAILABLE, ERROR_INPUT or
 * ERROR_ENGINE. */
bool client_take_target_info(const ExchangeServer *server, SgxTargetInfo *ret_target_info, Error *err)
    __attribute__((warn_unused_result));

#endif
