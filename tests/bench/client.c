/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/client.h"

#include <inttypes.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/sgx/quote.h"

enum { CODE_KEY_NOT_INITIALIZED = 42 };

/* One request: when it was due, and its answer. */
typedef struct Request {
    FrameKind kind;
    uint64_t due_ns;
    uint64_t answered_ns;
    uint32_t buffer_size; /* FRAME_QUOTE */
    FrameAnswer answer;
} Request;

static TallyFailure failure_of(ExchangeOutcome outcome) {
    switch (outcome) {
    case EXCHANGE_NO_CONNECTION:
        return TALLY_CONNECT;
    case EXCHANGE_RESET:
        return TALLY_RESET;
    case EXCHANGE_END:
        return TALLY_END;
    case EXCHANGE_TIMEOUT:
        return TALLY_TIMEOUT;
    case EXCHANGE_ANSWERED:
    case EXCHANGE_TOO_LARGE:
        break;
    }
    return TALLY_MALFORMED;
}

static uint64_t since_start(const Client *client, uint64_t due_ns) {
    return due_ns - client->start_ns;
}

static void fail(Client *client, const Request *request, TallyFailure failure, const char *text) {
    tally_failure(client->tally, request->kind, failure, since_start(client, request->due_ns), text);
}

static void succeed(Client *client, const Request *request) {
    tally_success(client->tally, request->kind, since_start(client, request->due_ns),
                  request->answered_ns - request->due_ns);
}

/* False: no answer that can be read, and that is counted. The answer's code is the caller's business. */
static bool exchange(Client *client, const Frame *frame, Request *request) {
    Bytes body;
    ExchangeOutcome outcome =
        exchange_run(&client->plan->server, frame_bytes(frame), client->buffer, sizeof client->buffer, &body);
    request->answered_ns = clock_monotonic_ns();
    if (outcome != EXCHANGE_ANSWERED) {
        fail(client, request, failure_of(outcome), NULL);
        return false;
    }
    if (!frame_read(body, request->kind, request->buffer_size, &request->answer)) {
        fail(client, request, TALLY_MALFORMED, NULL);
        return false;
    }
    return true;
}

bool client_ask(Client *client, FrameKind kind, uint64_t due_ns, FrameAnswer *ret_answer) {
    Frame frame;
    frame_make(&frame, kind, NULL, 0);
    Request request = {.kind = kind, .due_ns = due_ns};
    if (!exchange(client, &frame, &request)) {
        return false;
    }
    if (request.answer.code != 0) {
        tally_code(client->tally, kind, request.answer.code, since_start(client, due_ns));
        return false;
    }
    succeed(client, &request);
    *ret_answer = request.answer;
    return true;
}

bool client_ask_init(Client *client, uint64_t due_ns) {
    FrameAnswer answer;
    if (!client_ask(client, FRAME_INIT, due_ns, &answer)) {
        return false;
    }
    memcpy(&client->target_info, answer.target_info.data, sizeof client->target_info);
    return true;
}

static bool is_expected(const ClientPlan *plan, const uint8_t *mr_enclave) {
    for (size_t i = 0; i < plan->expected_qes_count; i++) {
        if (memcmp(plan->expected_qes[i], mr_enclave, SGX_HASH_SIZE) == 0) {
            return true;
        }
    }
    return plan->expected_qes_count == 0;
}

/* False: counted as a failure. */
static bool judge(Client *client, const Request *request, const SgxReport *report) {
    const ClientPlan *plan = client->plan;
    Error err = ERROR_INIT;
    Quote quote;
    if (!quote_parse(request->answer.quote, &quote, &err) ||
        !quote_matches_report(&quote, &report->body, &err)) {
        fail(client, request, TALLY_BAD_QUOTE, err.text);
        return false;
    }
    if (plan->signatures_every > 0 && client->quotes % plan->signatures_every == 0) {
        client->tally->signatures_checked++;
        if (!quote_check_signatures(&quote, &err)) {
            fail(client, request, TALLY_BAD_QUOTE, err.text);
            return false;
        }
    }
    const uint8_t *mr_enclave = quote.qe_report->mr_enclave;
    if (memcmp(mr_enclave, client->target_info.mr_enclave, SGX_HASH_SIZE) != 0) {
        fail(client, request, TALLY_WRONG_QE, "not the one that the target info named");
        return false;
    }
    if (!is_expected(plan, mr_enclave)) {
        fail(client, request, TALLY_WRONG_QE, "not an expected one");
        return false;
    }
    tally_qe(client->tally, mr_enclave);
    return true;
}

static bool make_report(Client *client, SgxReport *ret_report, Error *err) {
    uint8_t report_data[SGX_REPORT_DATA_SIZE] = {0};
    client->quotes++;
    memcpy(report_data, &client->number, sizeof client->number);
    memcpy(report_data + 8, &client->quotes, sizeof client->quotes);
    return sim_reporter_make(client->plan->reporter, &client->target_info, report_data, ret_report, err);
}

/* One try; `ret_again`: refused with 42 and not counted, because the client will try again. */
static bool try_quote(Client *client, uint64_t due_ns, uint32_t buffer_size, bool last, bool *ret_again) {
    Request request = {.kind = FRAME_QUOTE, .due_ns = due_ns, .buffer_size = buffer_size};
    SgxReport report;
    Error err = ERROR_INIT;
    *ret_again = false;
    if (!make_report(client, &report, &err)) {
        fail(client, &request, TALLY_BAD_QUOTE, err.text);
        return false;
    }
    Frame frame;
    frame_make(&frame, FRAME_QUOTE, &report, buffer_size);
    if (!exchange(client, &frame, &request)) {
        return false;
    }
    if (request.answer.code == CODE_KEY_NOT_INITIALIZED && !last) {
        client->tally->retried++;
        *ret_again = true;
        return false;
    }
    if (request.answer.code != 0) {
        tally_code(client->tally, FRAME_QUOTE, request.answer.code, since_start(client, due_ns));
        return false;
    }
    if (client->plan->verify && !judge(client, &request, &report)) {
        return false;
    }
    succeed(client, &request);
    return true;
}

bool client_ask_quote(Client *client, uint64_t due_ns, uint32_t buffer_size) {
    unsigned tries = client->plan->retry_42 ? CLIENT_QUOTE_TRIES : 1;
    for (unsigned i = 1; i <= tries; i++) {
        bool again = false;
        bool done = try_quote(client, due_ns, buffer_size, i == tries, &again);
        if (!again) {
            return done;
        }
        if (!client_ask_init(client, clock_monotonic_ns())) {
            return false;
        }
    }
    return false;
}

bool client_take_target_info(const ExchangeServer *server, SgxTargetInfo *ret_target_info, Error *err) {
    Frame frame;
    frame_make(&frame, FRAME_INIT, NULL, 0);
    uint8_t buffer[4096];
    Bytes body;
    if (exchange_run(server, frame_bytes(&frame), buffer, sizeof buffer, &body) != EXCHANGE_ANSWERED) {
        return error_set(err, ERROR_UNAVAILABLE,
                         "no answer to a request for target info: is the daemon running?");
    }
    FrameAnswer answer;
    if (!frame_read(body, FRAME_INIT, 0, &answer)) {
        return error_set(err, ERROR_INPUT, "the answer to a request for target info is malformed");
    }
    if (answer.code != 0) {
        return error_set(err, ERROR_ENGINE, "target info was refused with AESM code %" PRIu32, answer.code);
    }
    memcpy(ret_target_info, answer.target_info.data, sizeof *ret_target_info);
    return true;
}
