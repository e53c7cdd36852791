/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/control/counts.h"

const MetricsFamily counts_families[COUNTS_FAMILIES_COUNT] = {
    [COUNTS_REQUESTS] = {"psw_requests_total", METRICS_COUNTER, "type,code",
                         "Requests answered, by name of the request and AESM code of the answer."},
    [COUNTS_REQUEST_DURATION] = {"psw_request_duration_seconds", METRICS_HISTOGRAM, "type",
                                 "Time from having the whole request to having written the answer."},
    [COUNTS_QUEUE_WAIT] = {"psw_queue_wait_seconds", METRICS_HISTOGRAM, "",
                           "Time that quotes waited for their turn in the engine."},
    [COUNTS_ENGINE_CALLS] = {"psw_engine_calls_total", METRICS_COUNTER, "code",
                             "Calls of the quote library for quotes, by quote3 code of the outcome."},
    [COUNTS_ENGINE_DURATION] = {"psw_engine_duration_seconds", METRICS_HISTOGRAM, "",
                                "Time of the calls of the quote library for quotes."},
    [COUNTS_CONNECTIONS] = {"psw_connections_total", METRICS_COUNTER, "",
                            "Connections taken in, those handed on between generations each time."},
    [COUNTS_CONNECTIONS_ADOPTED] = {"psw_connections_adopted_total", METRICS_COUNTER, "",
                                    "Connections that came from another generation."},
    [COUNTS_CONNECTIONS_LOST] = {"psw_connections_unanswered_total", METRICS_COUNTER, "reason",
                                 "Connections that ended without an answer, or left for another generation."},
    [COUNTS_BUSY] = {"psw_busy_total", METRICS_COUNTER, "reason",
                     "Requests answered with AESM 18 because of a limit."},
    [COUNTS_LAME_DUCK_ANSWERS] =
        {"psw_former_qe_requests_total", METRICS_COUNTER, "result",
         "Quote requests whose report the serving QE refused, by what came of them."},
    [COUNTS_RELAYED] = {"psw_relayed_quotes_total", METRICS_COUNTER, "",
                        "Quotes made by lame ducks for the serving generation."},
};
