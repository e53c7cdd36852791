/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/flow.h"

#include "bundles/base/clock.h"

unsigned flow_requests(FlowKind kind, bool caches) {
    switch (kind) {
    case FLOW_FULL:
        return 3;
    case FLOW_QUOTE:
        return caches ? 1 : 2;
    case FLOW_INIT:
    case FLOW_SIZE:
    case FLOW_NUM:
        break;
    }
    return 1;
}

static bool run_full(Client *client, uint64_t due_ns) {
    SgxTargetInfo kept = client->target_info;
    if (!client_ask_init(client, due_ns)) {
        return false;
    }
    if (client->caches) {
        client->target_info = kept;
    }
    FrameAnswer size;
    if (!client_ask(client, FRAME_SIZE, clock_monotonic_ns(), &size)) {
        return false;
    }
    return client_ask_quote(client, clock_monotonic_ns(), size.number);
}

static bool run_quote(Client *client, uint64_t due_ns) {
    if (client->caches) {
        return client_ask_quote(client, due_ns, FLOW_BUFFER_SIZE);
    }
    return client_ask_init(client, due_ns) &&
           client_ask_quote(client, clock_monotonic_ns(), FLOW_BUFFER_SIZE);
}

static bool run_once(Flow *flow, uint64_t due_ns) {
    Client *client = &flow->client;
    FrameAnswer answer;
    switch (flow->kind) {
    case FLOW_FULL:
        return run_full(client, due_ns);
    case FLOW_QUOTE:
        return run_quote(client, due_ns);
    case FLOW_INIT:
        return client_ask(client, FRAME_INIT, due_ns, &answer);
    case FLOW_SIZE:
        return client_ask(client, FRAME_SIZE, due_ns, &answer);
    case FLOW_NUM:
        return client_ask(client, FRAME_NUM, due_ns, &answer);
    }
    return false;
}

void flow_run(Flow *flow) {
    Client *client = &flow->client;
    client->start_ns = flow->schedule->start_ns;
    client->target_info = client->plan->cached;
    uint64_t due_ns = 0;
    while (schedule_next(flow->schedule, &due_ns)) {
        if (run_once(flow, due_ns)) {
            histogram_add(&client->tally->flows, clock_monotonic_ns() - due_ns);
        }
    }
}
