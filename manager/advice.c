/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/advice.h"

#include "bundles/base/clock.h"
#include "bundles/base/json.h"

typedef struct Grounds {
    const TcbInfo *info;
    const QeIdentity *identity;
    const Pck *pck;
    const TcbLevel *level, *wanted; /* NULL: none */
    const QeLevel *qe_wanted;
    TcbStatus platform;
} Grounds;

static json_t *time_json(int64_t seconds) {
    char text[CLOCK_TIME_SIZE];
    clock_format(seconds, text);
    return json_string(text);
}

static bool microcode_is_short(const Grounds *grounds) {
    for (size_t at = 0; grounds->wanted != NULL && at < PCK_COMPONENTS_COUNT; at++) {
        if (grounds->pck->tcb.components[at] < grounds->wanted->tcb.components[at]) {
            return true;
        }
    }
    return false;
}

/* What has to be renewed, and since when fixes have been there. */
static json_t *short_json(const Grounds *grounds, TcbStatus qe, uint64_t pce_isv_svn, int64_t *ret_since) {
    CLEANUP(json_freep) json_t *list = json_array();
    bool platform_short = !tcb_status_is_current(grounds->platform);
    bool pce_short =
        platform_short && grounds->wanted != NULL && grounds->pck->tcb.pce_svn < grounds->wanted->tcb.pce_svn;
    bool old_pce = pce_short && pce_isv_svn < grounds->wanted->tcb.pce_svn;
    int64_t since = 0;
    bool good = list != NULL;
    if (qe != TCB_UP_TO_DATE || old_pce) {
        good = good && json_array_append_new(list, json_string("bundle")) == 0;
    }
    if (pce_short && !old_pce) {
        good = good && json_array_append_new(list, json_string("pck-certificate")) == 0;
    }
    if (platform_short && microcode_is_short(grounds)) {
        good = good && json_array_append_new(list, json_string("microcode")) == 0;
    }
    if (platform_short && grounds->wanted != NULL) {
        since = grounds->wanted->grade.date;
    }
    if (qe != TCB_UP_TO_DATE && grounds->qe_wanted != NULL && grounds->qe_wanted->grade.date > since) {
        since = grounds->qe_wanted->grade.date;
    }
    *ret_since = since;
    return good ? TAKE(list) : NULL;
}

/* Its publisher did not say what is in it. */
static json_t *judge_unknown(const json_t *bundle) {
    static const char advice[] =
        "which enclaves it has is unknown until it is downloaded: the repository's metadata "
        "does not say (psw-bundle repo add notes it)";
    json_t *judged = json_deep_copy(bundle);
    return json_put(judged, "status", json_string(tcb_status_name(TCB_UNKNOWN))) &&
                   json_put(judged, "short", json_array()) &&
                   json_put(judged, "advice", json_pack("[s]", advice))
               ? judged
               : NULL;
}

static json_t *judge_bundle(const Grounds *grounds, const json_t *bundle, Error *err) {
    uint64_t qe_isv_svn = 0, pce_isv_svn = 0;
    int64_t since = 0;
    if (!json_get_u64(bundle, "qe_isv_svn", &qe_isv_svn, err) ||
        !json_get_u64(bundle, "pce_isv_svn", &pce_isv_svn, err)) {
        return NULL;
    }
    const QeLevel *level = qe_identity_match(grounds->identity, (uint16_t)qe_isv_svn);
    TcbStatus qe = level == NULL ? TCB_NOT_SUPPORTED : level->grade.status;
    CLEANUP(json_freep) json_t *judged = json_deep_copy(bundle);
    CLEANUP(json_freep) json_t *advice = json_array();
    bool good =
        judged != NULL && advice != NULL &&
        json_put(judged, "status", json_string(tcb_status_name(tcb_status_merge(grounds->platform, qe)))) &&
        json_put(judged, "qe", verdict_grade_json(qe, level == NULL ? NULL : &level->grade)) &&
        json_put(judged, "short", short_json(grounds, qe, pce_isv_svn, &since)) &&
        (since == 0 || json_put(judged, "since", time_json(since))) &&
        verdict_advise_platform(grounds->info, grounds->pck, grounds->platform, advice) &&
        verdict_advise_qe(grounds->identity, (uint16_t)qe_isv_svn, qe, advice) &&
        json_put(judged, "advice", json_incref(advice));
    if (!good) {
        error_set(err, ERROR_MEMORY, "out of memory");
    }
    return good ? TAKE(judged) : NULL;
}

static json_t *judge_bundles(const Grounds *grounds, const json_t *bundles, Error *err) {
    CLEANUP(json_freep) json_t *list = json_array();
    const json_t *bundle = NULL;
    size_t at = 0;
    json_array_foreach(bundles, at, bundle) {
        bool known = json_object_get(bundle, "qe_isv_svn") != NULL;
        json_t *judged = known ? judge_bundle(grounds, bundle, err) : judge_unknown(bundle);
        if (judged == NULL || json_array_append_new(list, judged) != 0) {
            return NULL;
        }
    }
    return TAKE(list);
}

static bool add_problem(json_t *list, const char *what, int64_t from, int64_t until, int64_t time) {
    const char *problem = time > until ? "expired" : time < from ? "not yet valid" : NULL;
    return problem == NULL ||
           json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "what", what, "problem", problem, "at",
                                                 time_json(time > until ? until : from))) == 0;
}

json_t *advice_make(const char *policy, const TrustedCollateral *trusted, const Pck *pck,
                    const json_t *bundles, int64_t time, Error *err) {
    const TrustedTcbInfo *tcb_info = trusted_collateral_tcb_info(trusted, pck->fmspc);
    const TrustedQeIdentity *qe_identity = trusted_collateral_qe_identity(trusted);
    if (tcb_info == NULL || qe_identity == NULL) {
        error_set(err, ERROR_VERIFY, "%s: there is no %s", policy,
                  tcb_info == NULL ? "TCB info for this kind of platform" : "QE identity");
        return NULL;
    }
    const TcbInfo *info = tcb_info->info;
    const QeIdentity *identity = qe_identity->identity;
    const TcbLevel *level = tcb_info_match(info, &pck->tcb);
    const Grounds grounds = {.info = info,
                             .identity = identity,
                             .pck = pck,
                             .level = level,
                             .wanted = tcb_info_wanted(info),
                             .qe_wanted = qe_identity_wanted(identity),
                             .platform = level == NULL ? TCB_NOT_SUPPORTED : level->grade.status};
    int64_t expires = info->next_update < identity->next_update ? info->next_update : identity->next_update;
    CLEANUP(json_freep) json_t *problems = json_array();
    CLEANUP(json_freep) json_t *judged = judge_bundles(&grounds, bundles, err);
    if (judged == NULL) {
        return NULL;
    }
    json_t *advice =
        problems == NULL || !add_problem(problems, "TCB info", info->issue_date, info->next_update, time) ||
                !add_problem(problems, "QE identity", identity->issue_date, identity->next_update, time)
            ? NULL
            : json_pack("{s:s, s:i, s:i, s:o, s:o, s:o, s:O, s:O}", "policy", policy, "evaluation",
                        (int)info->evaluation_number, "qe_evaluation", (int)identity->evaluation_number,
                        "issued", time_json(info->issue_date), "expires", time_json(expires), "platform",
                        verdict_grade_json(grounds.platform, level == NULL ? NULL : &level->grade), "bundles",
                        judged, "problems", problems);
    if (advice == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
    }
    return advice;
}
