/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/trial.h"

#include <stdlib.h>
#include <sys/random.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "quoted/refusal.h"

static bool failed(const char *what, Quote3Error code, Error *err) {
    return error_set(err, ERROR_ENGINE, "trial quote: %s: the quote library says 0x%x%s", what, code,
                     refusal_hint(code));
}

bool trial_check(const EngineFacts *facts, const SgxReport *report, Bytes bytes, Trial *trial, Error *err) {
    Quote quote;
    if (!quote_parse(bytes, &quote, err) || !quote_matches_report(&quote, &report->body, err) ||
        !quote_check_signatures(&quote, err)) {
        return error_wrap(err, "trial quote");
    }
    if (memcmp(quote.qe_report->mr_enclave, facts->target_info.mr_enclave, SGX_HASH_SIZE) != 0) {
        return error_set(err, ERROR_ENGINE, "trial quote: it is from another QE than the target info names");
    }
    trial->qe_isv_svn = quote.qe_isv_svn;
    trial->pce_isv_svn = quote.pce_isv_svn;
    trial->quote_size = (uint32_t)quote.size;
    memcpy(trial->quote, bytes.data, quote.size);
    return true;
}

static bool take_quote(Engine *engine, const EngineFacts *facts, const SgxReport *report, Trial *trial,
                       Error *err) {
    AUTO_FREE uint8_t *quote = malloc((size_t)facts->quote_size + ENGINE_GUARD_SIZE);
    if (quote == NULL) {
        return error_set(err, ERROR_MEMORY, "trial quote: out of memory");
    }
    Quote3Error code = engine_quote(engine, report, NULL, quote, facts->quote_size);
    if (trial->probe) {
        return code == QUOTE3_INVALID_REPORT || failed("a forged report is not refused as such", code, err);
    }
    return code == QUOTE3_SUCCESS ? trial_check(facts, report, (Bytes){quote, facts->quote_size}, trial, err)
                                  : failed("no quote", code, err);
}

bool trial_report(Engine *engine, const EngineFacts *facts, TrialReport *ret_report, Error *err) {
    TrialReport made = {0};
    uint8_t nonce[SGX_REPORT_DATA_SIZE] = {0};
    if (getrandom(nonce, sizeof nonce, 0) != sizeof nonce) {
        return error_set(err, ERROR_SYSTEM, "trial quote: no random bytes");
    }
    Quote3Error code = engine_trial_report(engine, &facts->target_info, nonce, &made.report);
    made.probe = code == QUOTE3_INTERFACE_UNAVAILABLE;
    if (code != QUOTE3_SUCCESS && !made.probe) {
        return failed("no report", code, err);
    }
    *ret_report = made;
    return true;
}

bool trial_take(Engine *engine, Trial *ret_trial, Error *err) {
    TrialReport made;
    EngineFacts facts;
    engine_facts(engine, &facts);
    if (!trial_report(engine, &facts, &made, err)) {
        return false;
    }
    Trial trial = {.probe = made.probe};
    uint64_t start = clock_monotonic_ns();
    if (!take_quote(engine, &facts, &made.report, &trial, err)) {
        return false;
    }
    trial.microseconds = (clock_monotonic_ns() - start) / 1000;
    *ret_trial = trial;
    return true;
}
