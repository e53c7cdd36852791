/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/canary.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "bundles/base/cleanup.h"
#include "quoted/answer.h"
#include "quoted/trial.h"
#include "quoted/wire/client.h"

enum { TIMEOUT_MS = 15 * 1000 }; /* as long as clients wait */

static int connect_to_pool(void *context, Error *err) {
    Pool *pool = context;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        error_set_errno(err, errno, "socketpair");
        return -1;
    }
    AUTO_CLOSE int client = pair[0];
    (void)fcntl(pair[1], F_SETFL, O_RDWR | O_NONBLOCK);
    if (!pool_adopt(pool, pair[1])) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return -1;
    }
    return TAKE_FD(client);
}

static bool wrong(const char *what, AesmCode code, Error *err) {
    return error_set(err, ERROR_ENGINE, "its first client would be answered %u (%s) to %s", (unsigned)code,
                     aesm_code_name(code), what);
}

static bool ask_target_info(const AesmClient *client, const EngineFacts *facts, Error *err) {
    AesmCode code = 0;
    SgxTargetInfo target_info;
    if (!aesm_client_init_quote(client, &code, &target_info, NULL, err)) {
        return false;
    }
    if (code != AESM_SUCCESS) {
        return wrong("a request for target info", code, err);
    }
    return memcmp(&target_info, &facts->target_info, sizeof target_info) == 0 ||
           error_set(err, ERROR_ENGINE, "its first client would get another QE's target info");
}

static bool ask_size(const AesmClient *client, uint32_t *ret_size, Error *err) {
    AesmCode code = 0;
    if (!aesm_client_quote_size(client, &code, ret_size, err)) {
        return false;
    }
    return code == AESM_SUCCESS || wrong("a request for the size of a quote", code, err);
}

static bool ask_quote(const AesmClient *client, const EngineFacts *facts, const TrialReport *report,
                      uint32_t size, Error *err) {
    AesmCode code = 0;
    Trial seen = {0};
    CLEANUP(buffer_done) Buffer quote = BUFFER_INIT(ANSWER_SIZE_MAX);
    if (!aesm_client_quote(client, &report->report, size, NULL, &code, &quote, err)) {
        return false;
    }
    if (report->probe) {
        return code == AESM_INVALID_REPORT || wrong("a forged report", code, err);
    }
    return code == AESM_SUCCESS ? trial_check(facts, &report->report, buffer_bytes(&quote), &seen, err)
                                : wrong("a request for a quote", code, err);
}

static bool ask(const AesmClient *client, Engine *engine, Error *err) {
    EngineFacts facts;
    TrialReport report;
    uint32_t size = 0;
    engine_facts(engine, &facts);
    return trial_report(engine, &facts, &report, err) && ask_target_info(client, &facts, err) &&
           ask_size(client, &size, err) && ask_quote(client, &facts, &report, size, err);
}

bool canary_send(Pool *pool, Engine *engine, Error *err) {
    const AesmClient client = {
        .path = "canary", .timeout_ms = TIMEOUT_MS, .connect = connect_to_pool, .context = pool};
    return ask(&client, engine, err) || error_wrap(err, "canary");
}
