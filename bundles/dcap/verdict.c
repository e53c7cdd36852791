/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/verdict.h"

#include <ctype.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"

enum { HEX_MAX = 2 * 64 + 1 };

static json_t *hex(const uint8_t *bytes, size_t size) {
    char text[HEX_MAX];
    text_format_hex(bytes, size, text);
    return json_string(text);
}

/* As Intel writes FMSPCs. */
static json_t *hex_upper(const uint8_t *bytes, size_t size) {
    char text[HEX_MAX];
    text_format_hex(bytes, size, text);
    for (char *at = text; *at != '\0'; at++) {
        *at = (char)toupper((unsigned char)*at);
    }
    return json_string(text);
}

static json_t *time_json(int64_t seconds) {
    char text[CLOCK_TIME_SIZE];
    clock_format(seconds, text);
    return json_string(text);
}

json_t *verdict_grade_json(TcbStatus status, const TcbGrade *grade) {
    json_t *json = json_pack("{s:s}", "status", tcb_status_name(status));
    if (json != NULL && grade != NULL &&
        (!json_put(json, "tcb_date", time_json(grade->date)) ||
         !json_put(json, "advisories",
                   grade->advisories == NULL ? json_array() : json_deep_copy(grade->advisories)))) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static bool add_missing_advisories(json_t *list, const TcbGrade *grade) {
    size_t at = 0, seen = 0;
    json_t *advisory = NULL, *there = NULL;
    json_array_foreach((json_t *)grade->advisories, at, advisory) {
        bool found = false;
        json_array_foreach(list, seen, there) {
            found = found || json_equal(there, advisory);
        }
        if (!found && json_array_append(list, advisory) != 0) {
            return false;
        }
    }
    return true;
}

static json_t *advisories_json(const QuoteVerdict *verdict) {
    CLEANUP(json_freep) json_t *list = json_array();
    if (list == NULL ||
        (verdict->platform_level != NULL && !add_missing_advisories(list, &verdict->platform_level->grade)) ||
        (verdict->qe_level != NULL && !add_missing_advisories(list, &verdict->qe_level->grade))) {
        return NULL;
    }
    return TAKE(list);
}

static json_t *application_json(const SgxReportBody *body, bool is_debug) {
    return json_pack("{s:o, s:o, s:i, s:i, s:b, s:o}", "mrenclave", hex(body->mr_enclave, SGX_HASH_SIZE),
                     "mrsigner", hex(body->mr_signer, SGX_HASH_SIZE), "isv_prod_id", body->isv_prod_id,
                     "isv_svn", body->isv_svn, "debug", is_debug, "report_data",
                     hex(body->report_data, SGX_REPORT_DATA_SIZE));
}

static json_t *platform_json(const QuoteVerdict *verdict) {
    const Pck *pck = &verdict->pck;
    CLEANUP(json_freep)
    json_t *json = verdict_grade_json(
        verdict->platform_status, verdict->platform_level == NULL ? NULL : &verdict->platform_level->grade);
    bool done = json != NULL && json_put(json, "fmspc", hex_upper(pck->fmspc, sizeof pck->fmspc)) &&
                json_put(json, "pce_id", hex(pck->pce_id, sizeof pck->pce_id)) &&
                json_put(json, "components", hex(pck->tcb.components, sizeof pck->tcb.components)) &&
                json_put(json, "pce_svn", json_integer(pck->tcb.pce_svn)) &&
                json_put(json, "cpu_svn", hex(pck->cpu_svn, sizeof pck->cpu_svn)) &&
                json_put(json, "sgx_type", json_string(pck_type_name(pck->type)));
    if (done && pck->is_multi_package) {
        done = json_put(json, "dynamic_platform", json_boolean(pck->dynamic_platform)) &&
               json_put(json, "cached_keys", json_boolean(pck->cached_keys)) &&
               json_put(json, "smt_enabled", json_boolean(pck->smt_enabled));
    }
    return done ? TAKE(json) : NULL;
}

static json_t *qe_json(const Quote *quote, const QuoteVerdict *verdict) {
    CLEANUP(json_freep)
    json_t *json =
        verdict_grade_json(verdict->qe_status, verdict->qe_level == NULL ? NULL : &verdict->qe_level->grade);
    bool done = json != NULL && json_put(json, "isv_svn", json_integer(quote->qe_report->isv_svn)) &&
                json_put(json, "mrenclave", hex(quote->qe_report->mr_enclave, SGX_HASH_SIZE));
    return done ? TAKE(json) : NULL;
}

static json_t *spans_json(const QuoteVerdict *verdict) {
    CLEANUP(json_freep) json_t *list = json_array();
    for (size_t at = 0; list != NULL && at < verdict->spans_count; at++) {
        const QuoteSpan *span = &verdict->spans[at];
        if (json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "what", span->what, "from",
                                                  time_json(span->from), "until", time_json(span->until))) !=
            0) {
            return NULL;
        }
    }
    return TAKE(list);
}

static json_t *problems_json(const QuoteVerdict *verdict) {
    CLEANUP(json_freep) json_t *list = json_array();
    for (size_t at = 0; list != NULL && at < verdict->problems_count; at++) {
        const QuoteProblem *problem = &verdict->problems[at];
        json_t *json =
            json_pack("{s:s, s:s}", "what", problem->what, "problem", quote_problem_name(problem->kind));
        if (json_array_append_new(list, json) != 0 ||
            (problem->at != 0 && !json_put(json, "at", time_json(problem->at)))) {
            return NULL;
        }
    }
    return TAKE(list);
}

static bool put_collateral(json_t *json, const QuoteVerdict *verdict) {
    const QuoteSpan *first = quote_verdict_first_to_expire(verdict);
    CLEANUP(json_freep) json_t *collateral = json_object();
    if (collateral == NULL || !json_put(collateral, "valid", spans_json(verdict)) ||
        (first != NULL && (!json_put(collateral, "expires", time_json(first->until)) ||
                           !json_put(collateral, "expires_first", json_string(first->what)))) ||
        (verdict->tcb_info != NULL &&
         !json_put(collateral, "tcb_info_evaluation", json_integer(verdict->tcb_info->evaluation_number))) ||
        (verdict->qe_identity != NULL && !json_put(collateral, "qe_identity_evaluation",
                                                   json_integer(verdict->qe_identity->evaluation_number)))) {
        return false;
    }
    return json_put(json, "collateral", json_incref(collateral));
}

static json_t *advice_json(const Quote *quote, const QuoteVerdict *verdict) {
    CLEANUP(json_freep) json_t *list = json_array();
    if (list == NULL ||
        !verdict_advise_platform(verdict->tcb_info, &verdict->pck, verdict->platform_status, list) ||
        !verdict_advise_qe(verdict->qe_identity, quote->qe_report->isv_svn, verdict->qe_status, list)) {
        return NULL;
    }
    return TAKE(list);
}

/* "good", "not-current" or "not-verifiable": for scripts, as the exit status is. */
const char *verdict_result(const QuoteVerdict *verdict) {
    if (!quote_verdict_is_whole(verdict) || verdict->status == TCB_REVOKED ||
        verdict->status == TCB_NOT_SUPPORTED) {
        return "not-verifiable";
    }
    return verdict->status == TCB_UP_TO_DATE ? "good" : "not-current";
}

json_t *verdict_json(const Quote *quote, const QuoteVerdict *verdict) {
    CLEANUP(json_freep) json_t *json = json_object();
    bool done = json != NULL && json_put(json, "result", json_string(verdict_result(verdict))) &&
                json_put(json, "status", json_string(tcb_status_name(verdict->status))) &&
                json_put(json, "time", time_json(verdict->time)) &&
                json_put(json, "problems", problems_json(verdict)) &&
                json_put(json, "advisories", advisories_json(verdict)) &&
                json_put(json, "platform", platform_json(verdict)) &&
                json_put(json, "qe", qe_json(quote, verdict)) && put_collateral(json, verdict) &&
                json_put(json, "application", application_json(quote->body, verdict->is_debug)) &&
                json_put(json, "quote",
                         json_pack("{s:i, s:I, s:i, s:i, s:i}", "version", quote->version, "size",
                                   (json_int_t)quote->size, "qe_isv_svn", quote->qe_isv_svn, "pce_isv_svn",
                                   quote->pce_isv_svn, "certification_type", quote->certification_type)) &&
                json_put(json, "advice", advice_json(quote, verdict));
    return done ? TAKE(json) : NULL;
}
