/* SPDX-License-Identifier: Apache-2.0
 *
 * The advice task: fetches collateral through the courier, keeps what is good, and judges bundles by it.
 *
 * Arguments: "directory" (the cache), "root" (PEM file of the root, null: Intel's), "local" (a directory of
 * collateral in place of servers, or null), "fetch" (whether the courier is on HELPER_DATA), "quote" (the
 * last trial quote in hex, or null), "certificates" (a PCK certificate chain in hex, or null), "bundles"
 * (manager/advice.h), "time". Result: "policies" (of manager/advice.h), "failures" (per policy, why it could
 * not be renewed or judged), "trial" (what relying parties make of the trial quote; null without one),
 * "fmspc" (null when not known). A failure of the servers is a result: what is cached serves on.
 */
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/dcap/encoding.h"
#include "bundles/dcap/root.h"
#include "manager/advice.h"
#include "manager/advice_fetch.h"
#include "manager/helper_child.h"
#include "manager/operation.h"

CLEANUP_DEFINE(X509, X509_free)

#define CERTIFICATES_NAME "certificates.pem"

enum { QUOTE_MAX = 64 * 1024, ROOT_MAX = 64 * 1024 };

typedef struct Advice {
    const json_t *arguments;
    int directory_fd;
    X509 *root;
    Buffer quote_bytes;
    Quote quote;
    bool has_quote;
    Certificates certificates; /* the node's PCK chain */
    Pck pck;
    bool has_pck;
    int64_t time;
    json_t *policies, *failures, *trial;
} Advice;

static void advice_done(Advice *advice) {
    cleanup_close(&advice->directory_fd);
    X509_free(advice->root);
    buffer_done(&advice->quote_bytes);
    certificates_done(&advice->certificates);
    json_decref(advice->policies);
    json_decref(advice->failures);
    json_decref(advice->trial);
}

static bool open_root(Advice *advice, Error *err) {
    const char *path = json_string_value(json_object_get(advice->arguments, "root"));
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(ROOT_MAX);
    if (path == NULL) {
        advice->root = root_intel(err);
    } else if (file_read(AT_FDCWD, path, &content, err)) {
        advice->root = root_read(buffer_bytes(&content), path, err);
    }
    return advice->root != NULL || error_wrap(err, "collateral.root");
}

/* Keeps the chain for the time when no trial quote is at hand. */
static bool take_chain(Advice *advice, Bytes chain, bool keep, Error *err) {
    if (!certificates_add(&advice->certificates, chain, NULL, "the node's PCK certificate", err)) {
        return false;
    }
    for (size_t at = 0; at < advice->certificates.count && !advice->has_pck; at++) {
        advice->has_pck = pck_is_in(advice->certificates.items[at]) &&
                          pck_read(advice->certificates.items[at], &advice->pck, err);
    }
    return advice->has_pck &&
           (!keep || file_replace(advice->directory_fd, CERTIFICATES_NAME, chain.data,
                                  strnlen((const char *)chain.data, chain.size), 0644, err));
}

static bool read_platform(Advice *advice, Error *err) {
    const char *hex = json_string_value(json_object_get(advice->arguments, "quote"));
    const char *chain = json_string_value(json_object_get(advice->arguments, "certificates"));
    CLEANUP(buffer_done) Buffer stored = BUFFER_INIT(ROOT_MAX);
    Error ignored = ERROR_INIT;
    if (hex != NULL) {
        if (!encoding_decode_hex((Bytes){(const uint8_t *)hex, strlen(hex)}, &advice->quote_bytes) ||
            !quote_parse(buffer_bytes(&advice->quote_bytes), &advice->quote, err)) {
            return error_set(err, ERROR_INPUT, "the trial quote is malformed");
        }
        advice->has_quote = true;
        return advice->quote.certification_type != QUOTE_CERTIFICATION_PCK_CHAIN ||
               take_chain(advice, advice->quote.certification_data, true, err);
    }
    if (chain != NULL) {
        return (encoding_decode_hex((Bytes){(const uint8_t *)chain, strlen(chain)}, &stored) &&
                take_chain(advice, buffer_bytes(&stored), true, err)) ||
               error_set(err, ERROR_INPUT, "the certificates in clients' quotes are malformed");
    }
    return !file_read(advice->directory_fd, CERTIFICATES_NAME, &stored, &ignored) ||
           take_chain(advice, buffer_bytes(&stored), false, err);
}

static bool note_failure(Advice *advice, const char *policy, const Error *failure) {
    return json_put(advice->failures, policy, operation_text_json(failure->text));
}

static bool judge_trial(Advice *advice, const TrustedCollateral *trusted, const char *policy, Error *err) {
    QuoteVerdict verdict;
    if (!advice->has_quote || !advice->has_pck || advice->trial != NULL) {
        return true;
    }
    Error failure = ERROR_INIT;
    if (!quote_verify(&advice->quote, trusted, advice->time, &verdict, &failure)) {
        advice->trial = json_pack("{s:s, s:o}", "policy", policy, "error", operation_text_json(failure.text));
    } else {
        advice->trial = verdict_json(&advice->quote, &verdict);
        if (advice->trial != NULL && !json_put(advice->trial, "policy", json_string(policy))) {
            return error_set(err, ERROR_MEMORY, "out of memory");
        }
    }
    return advice->trial != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

/* By what is in the directory now. What cannot be judged is a failure of the policy, not of the task. */
static bool judge(Advice *advice, const char *policy, const char *path, Error *err) {
    Error failure = ERROR_INIT;
    CLEANUP(collateral_freep) Collateral *collateral = collateral_load(path, &failure);
    CLEANUP(trusted_collateral_freep)
    TrustedCollateral *trusted =
        collateral != NULL ? trusted_collateral_new(collateral, advice->root, &failure) : NULL;
    json_t *judged = trusted != NULL
                         ? advice_make(policy, trusted, &advice->pck,
                                       json_object_get(advice->arguments, "bundles"), advice->time, &failure)
                         : NULL;
    if (judged == NULL) {
        bool known = json_object_get(advice->failures, policy) != NULL;
        return known || note_failure(advice, policy, &failure) ||
               error_set(err, ERROR_MEMORY, "out of memory");
    }
    return (json_array_append_new(advice->policies, judged) == 0 ||
            error_set(err, ERROR_MEMORY, "out of memory")) &&
           judge_trial(advice, trusted, policy, err);
}

static bool work(Advice *advice, const char *directory, Error *err) {
    static const char *const policies[] = {"standard", "early"};
    const char *local = json_string_value(json_object_get(advice->arguments, "local"));
    if (local != NULL) {
        return judge(advice, "standard", local, err);
    }
    AdviceFetch fetch = {.directory_fd = advice->directory_fd,
                         .root = advice->root,
                         .pck = &advice->pck,
                         .chain = &advice->certificates,
                         .time = advice->time};
    CLEANUP(advice_fetch_done) AdviceFetch *owned = &fetch;
    for (size_t at = 0; at < sizeof policies / sizeof policies[0]; at++) {
        Error failure = ERROR_INIT;
        AUTO_FREE char *path = text_format("%s/%s", directory, policies[at]);
        if (path == NULL) {
            return error_set(err, ERROR_MEMORY, "out of memory");
        }
        if (json_is_true(json_object_get(advice->arguments, "fetch")) &&
            !advice_fetch_policy(owned, policies[at], path, &failure) &&
            !note_failure(advice, policies[at], &failure)) {
            return error_set(err, ERROR_MEMORY, "out of memory");
        }
        if (!judge(advice, policies[at], path, err)) {
            return false;
        }
    }
    return true;
}

static json_t *result_of(Advice *advice) {
    char fmspc[2 * PCK_FMSPC_SIZE + 1] = "";
    if (advice->has_pck) {
        text_format_hex(advice->pck.fmspc, PCK_FMSPC_SIZE, fmspc);
    }
    return json_pack("{s:O, s:O, s:o, s:s?}", "policies", advice->policies, "failures", advice->failures,
                     "trial", advice->trial != NULL ? json_incref(advice->trial) : json_null(), "fmspc",
                     advice->has_pck ? fmspc : NULL);
}

static bool run(const json_t *arguments, void *prepared, json_t **ret_result, Error *err) {
    (void)prepared;
    const char *directory = NULL;
    uint64_t time = 0;
    CLEANUP(advice_done)
    Advice advice = {.arguments = arguments,
                     .directory_fd = -1,
                     .quote_bytes = BUFFER_INIT(QUOTE_MAX),
                     .policies = json_array(),
                     .failures = json_object()};
    if (!json_get_text(arguments, "directory", &directory, err) ||
        !json_get_u64(arguments, "time", &time, err) ||
        (advice.directory_fd = file_open_directory(AT_FDCWD, directory, err)) < 0 ||
        !open_root(&advice, err) || !read_platform(&advice, err)) {
        return false;
    }
    advice.time = (int64_t)time;
    if (!advice.has_pck) {
        return error_set(err, ERROR_NOT_FOUND,
                         "the node's PCK certificate is not known: no quote that carries one was made yet");
    }
    if (!work(&advice, directory, err)) {
        return false;
    }
    *ret_result = result_of(&advice);
    return *ret_result != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

const HelperTask helper_task_advice = {.name = "advice", .run = run};
