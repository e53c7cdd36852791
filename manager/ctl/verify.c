/* SPDX-License-Identifier: Apache-2.0
 *
 * verify: is this quote good? Needs no daemon.
 */
#include <string.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/dcap/quote_file.h"
#include "bundles/dcap/root.h"
#include "bundles/dcap/verdict.h"
#include "manager/ctl/ctl.h"

CLEANUP_DEFINE(X509, X509_free)

enum { ROOT_FILE_MAX = 64 * 1024 };

static bool parse_time(const Ctl *ctl, int64_t *ret_time, Error *err) {
    uint64_t seconds = 0;
    if (ctl->time == NULL) {
        *ret_time = clock_wall_s();
        return true;
    }
    if (text_parse_u64(ctl->time, 0, UINT32_MAX, &seconds)) {
        *ret_time = (int64_t)seconds;
        return true;
    }
    return clock_parse(ctl->time, ret_time) ||
           error_set(err, ERROR_USAGE,
                     "--time %s: neither a time such as 2026-11-21T03:45:00Z nor seconds since 1970",
                     ctl->time);
}

static X509 *load_root(const Ctl *ctl, Error *err) {
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(ROOT_FILE_MAX);
    if (ctl->root == NULL) {
        return root_intel(err);
    }
    return file_read(AT_FDCWD, ctl->root, &content, err) ? root_read(buffer_bytes(&content), ctl->root, err)
                                                         : NULL;
}

/* Reads the quote into the buffer, which the Quote then borrows. */
static bool load_quote(const char *path, Buffer *bytes, Quote *ret_quote, Error *err) {
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(QUOTE_FILE_MAX);
    bool read = strcmp(path, "-") == 0 ? file_read_fd(STDIN_FILENO, "standard input", &content, err)
                                       : file_read(AT_FDCWD, path, &content, err);
    return read && quote_file_decode(buffer_bytes(&content), path, bytes, err) &&
           (quote_parse(buffer_bytes(bytes), ret_quote, err) || error_wrap(err, "%s", path));
}

/* What to do about a problem. */
static const char *remedy(const QuoteProblem *problem) {
    bool is_leaf = strcmp(problem->what, certificate_role_name(CERTIFICATE_PCK)) == 0;
    switch (problem->kind) {
    case QUOTE_EXPIRED:
        return is_leaf ? "the node has to get a new one"
                       : "fetch it anew, or say with --time for when to judge";
    case QUOTE_NOT_YET_VALID:
        return "set the clock, or say with --time for when to judge";
    case QUOTE_MISSING:
        return "put it into what --collateral names";
    case QUOTE_REVOKED:
        return is_leaf ? "the platform is not to be trusted any more: its owner has to ask Intel"
                       : "fetch all collateral and take the quote anew";
    case QUOTE_PROBLEM_KINDS_COUNT:
        break;
    }
    return "";
}

/* Why relying parties refuse it; the kind makes the exit status. */
static bool refuse(const QuoteVerdict *verdict, Error *err) {
    if (verdict->problems_count > 0) {
        const QuoteProblem *first = &verdict->problems[0];
        char at[CLOCK_TIME_SIZE] = "";
        if (first->at != 0) {
            clock_format(first->at, at);
        }
        return error_set(err, ERROR_VERIFY, "not verifiable: %s: %s%s%s: %s", first->what,
                         quote_problem_name(first->kind),
                         first->kind == QUOTE_EXPIRED         ? " since "
                         : first->kind == QUOTE_NOT_YET_VALID ? " before "
                                                              : "",
                         at, remedy(first));
    }
    return error_set(err, ERROR_VERIFY, "not verifiable: the TCB is %s", tcb_status_name(verdict->status));
}

static bool verify(const Ctl *ctl, const Quote *quote, QuoteVerdict *ret_verdict, Collateral *collateral,
                   TrustedCollateral **ret_trusted, Error *err) {
    int64_t time = 0;
    CLEANUP(X509_freep) X509 *root = NULL;
    if (!parse_time(ctl, &time, err) || (root = load_root(ctl, err)) == NULL ||
        (*ret_trusted = trusted_collateral_new(collateral, root, err)) == NULL) {
        return false;
    }
    return quote_verify(quote, *ret_trusted, time, ret_verdict, err);
}

/* With --json also a quote that fails has its object on standard output. */
static bool report_failure(const Ctl *ctl, Error *err) {
    if (ctl->json && err->kind == ERROR_VERIFY) {
        CLEANUP(json_freep)
        json_t *json = json_pack("{s:s, s:s}", "result", "not-verifiable", "error", err->text);
        Error ignored = ERROR_INIT;
        (void)(json != NULL && ctl_print_json(json, &ignored));
    }
    return false;
}

bool ctl_verify(Ctl *ctl, Error *err) {
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(QUOTE_FILE_MAX);
    CLEANUP(collateral_freep) Collateral *collateral = NULL;
    CLEANUP(trusted_collateral_freep) TrustedCollateral *trusted = NULL;
    Quote quote;
    QuoteVerdict verdict;
    if (!load_quote(ctl->operand, &bytes, &quote, err)) {
        return false;
    }
    collateral = ctl->collateral != NULL ? collateral_load(ctl->collateral, err) : collateral_new(err);
    if (collateral == NULL) {
        return false;
    }
    if (!verify(ctl, &quote, &verdict, collateral, &trusted, err)) {
        return report_failure(ctl, err);
    }
    const char *result = verdict_result(&verdict);
    CLEANUP(json_freep) json_t *json = verdict_json(&quote, &verdict);
    if (json == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (ctl->json) {
        if (!ctl_print_json(json, err)) {
            return false;
        }
    } else {
        ctl_print_verdict(json);
    }
    ctl->answer = strcmp(result, "good") == 0 ? 0 : CTL_ANSWER_NO;
    return strcmp(result, "not-verifiable") != 0 || refuse(&verdict, err);
}
