/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/advice_fetch.h"

#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/dcap/trusted_collateral.h"
#include "manager/courier.h"
#include "manager/helper_child.h"

enum { BODY_MAX = 2 * 1024 * 1024, ANSWER_MAX = BODY_MAX + COURIER_CHAIN_MAX + 64 };

typedef enum Piece { PIECE_TCB_INFO, PIECE_QE_IDENTITY, PIECE_PCK_CRL, PIECE_ROOT_CRL, PIECES_COUNT } Piece;

static const char *const names[PIECES_COUNT] = {"tcb", "qe-identity", "pck-crl", "root-crl"};

typedef struct Answer {
    Buffer body;
    char chain[COURIER_CHAIN_MAX];
} Answer;

static void answer_free(Answer *answer) {
    if (answer != NULL) {
        buffer_done(&answer->body);
        free(answer);
    }
}
CLEANUP_DEFINE(Answer, answer_free)

static bool on_begin(void *context, const CourierHead *head, Error *err) {
    (void)err;
    Answer *answer = context;
    buffer_clear(&answer->body);
    return text_copy(answer->chain, sizeof answer->chain, head->issuer_chain);
}

static bool on_data(void *context, const void *data, size_t size, Error *err) {
    Answer *answer = context;
    return buffer_append(&answer->body, data, size) || error_set(err, ERROR_MEMORY, "out of memory");
}

/* Appends the answer to `path` with its chain in a header before it. *ret_found false: no server has it. */
static bool ask(const char *path, Buffer *ret_answer, bool *ret_found, Error *err) {
    CLEANUP(answer_freep) Answer *answer = calloc(1, sizeof *answer);
    CourierEnd end = {0};
    if (answer == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    buffer_init(&answer->body, BODY_MAX);
    const CourierRequest request = {.path = path, .size_max = BODY_MAX};
    if (!courier_fetch(HELPER_DATA, &request, &(CourierSink){on_begin, on_data, answer}, &end, err)) {
        return false;
    }
    *ret_found = end.outcome == COURIER_ALL;
    return !*ret_found ||
           (buffer_append_text(ret_answer, "HTTP/1.1 200 OK\n") &&
            (answer->chain[0] == '\0' ||
             buffer_append_format(ret_answer, "Issuer-Chain: %s\n", answer->chain)) &&
            buffer_append_text(ret_answer, "\n") &&
            buffer_append(ret_answer, answer->body.data, answer->body.size)) ||
           error_set(err, ERROR_MEMORY, "out of memory");
}

static bool want(const char *path, Buffer *ret_answer, Error *err) {
    bool found = false;
    return path != NULL && ask(path, ret_answer, &found, err) &&
           (found || error_set(err, ERROR_NOT_FOUND, "no server has %s", path));
}

/* Intel's service has the root CRL elsewhere than caches have it. */
static bool fetch_crls(AdviceFetch *fetch, Error *err) {
    bool found = false;
    if (fetch->has_crls) {
        return true;
    }
    buffer_init(&fetch->crls[0], ANSWER_MAX);
    buffer_init(&fetch->crls[1], ANSWER_MAX);
    const char *authority = fetch->pck->is_multi_package ? "platform" : "processor";
    AUTO_FREE char *path = text_format("pckcrl?ca=%s&encoding=der", authority);
    fetch->has_crls = want(path, &fetch->crls[0], err) && ask("rootcacrl", &fetch->crls[1], &found, err) &&
                      (found || want("IntelSGXRootCA.der", &fetch->crls[1], err));
    return fetch->has_crls;
}

static bool fetch_documents(const AdviceFetch *fetch, const char *policy, Buffer *tcb_info, Buffer *identity,
                            Error *err) {
    char fmspc[2 * PCK_FMSPC_SIZE + 1];
    text_format_hex(fetch->pck->fmspc, PCK_FMSPC_SIZE, fmspc);
    AUTO_FREE char *tcb_path = text_format("tcb?fmspc=%s&update=%s", fmspc, policy);
    AUTO_FREE char *identity_path = text_format("qe/identity?update=%s", policy);
    return want(tcb_path, tcb_info, err) && want(identity_path, identity, err);
}

static bool check_time(const char *what, int64_t from, int64_t until, int64_t time, Error *err) {
    char text[CLOCK_TIME_SIZE];
    if (time >= from && time <= until) {
        return true;
    }
    clock_format(time > until ? until : from, text);
    return error_set(err, ERROR_VERIFY, "%s: %s %s: the server is behind, or this node's clock is wrong",
                     what, time > until ? "it expired at" : "it is valid from", text);
}

static bool check_not_older(const char *what, uint32_t number, int64_t issued, uint32_t old_number,
                            int64_t old_issued, Error *err) {
    return (number >= old_number && issued >= old_issued) ||
           error_set(err, ERROR_VERIFY,
                     "%s: evaluation %u is older than evaluation %u, which is cached: the server is behind",
                     what, number, old_number);
}

static X509 *find_pck(const Certificates *chain) {
    for (size_t at = 0; at < chain->count; at++) {
        if (pck_is_in(chain->items[at])) {
            return chain->items[at];
        }
    }
    return NULL;
}

/* The CRL of the authority that issued the node's PCK certificate; NULL if none is signed by it. */
static X509_CRL *find_pck_crl(const AdviceFetch *fetch, const TrustedCollateral *trusted) {
    const Certificates *const lists[] = {fetch->chain, &trusted->collateral->certificates};
    X509 *pck = find_pck(fetch->chain);
    for (size_t at = 0; pck != NULL && at < sizeof lists / sizeof lists[0]; at++) {
        size_t index = 0;
        for (X509 *next = NULL;
             (next = certificates_find(lists[at], X509_get_issuer_name(pck), &index)) != NULL;) {
            X509_CRL *crl = certificate_check(next, fetch->root, CERTIFICATE_PCK_CA, NULL)
                                ? trusted_collateral_crl(trusted, next)
                                : NULL;
            if (crl != NULL) {
                return crl;
            }
        }
    }
    return NULL;
}

static bool check_crl(const char *what, const X509_CRL *crl, const X509_CRL *old, int64_t time, Error *err) {
    int64_t from = 0, until = 0, old_from = 0;
    if (crl == NULL) {
        return error_set(err, ERROR_VERIFY, "%s: its authority did not sign it: fetch it anew", what);
    }
    if (!certificate_time(X509_CRL_get0_lastUpdate(crl), &from) ||
        !certificate_time(X509_CRL_get0_nextUpdate(crl), &until)) {
        return error_set(err, ERROR_INPUT, "%s: its times cannot be read", what);
    }
    if (old != NULL && certificate_time(X509_CRL_get0_lastUpdate(old), &old_from) && from < old_from) {
        return error_set(err, ERROR_VERIFY,
                         "%s: it is older than the one that is cached: the server is behind", what);
    }
    return check_time(what, from, until, time, err);
}

/* Against what is cached; a cache that cannot be read holds nothing back. */
static bool check_progress(const AdviceFetch *fetch, const char *path, const TrustedCollateral *trusted,
                           const TcbInfo *info, const QeIdentity *identity, Error *err) {
    CLEANUP(collateral_freep) Collateral *collateral = collateral_load(path, NULL);
    CLEANUP(trusted_collateral_freep)
    TrustedCollateral *cached =
        collateral != NULL ? trusted_collateral_new(collateral, fetch->root, NULL) : NULL;
    const TrustedTcbInfo *old_info =
        cached != NULL ? trusted_collateral_tcb_info(cached, fetch->pck->fmspc) : NULL;
    const TrustedQeIdentity *old_identity = cached != NULL ? trusted_collateral_qe_identity(cached) : NULL;
    return check_crl("PCK CRL", find_pck_crl(fetch, trusted),
                     cached != NULL ? find_pck_crl(fetch, cached) : NULL, fetch->time, err) &&
           check_crl("root CRL", trusted->root_crl, cached != NULL ? cached->root_crl : NULL, fetch->time,
                     err) &&
           (old_info == NULL ||
            check_not_older("TCB info", info->evaluation_number, info->issue_date,
                            old_info->info->evaluation_number, old_info->info->issue_date, err)) &&
           (old_identity == NULL ||
            check_not_older("QE identity", identity->evaluation_number, identity->issue_date,
                            old_identity->identity->evaluation_number, old_identity->identity->issue_date,
                            err));
}

static bool check(const AdviceFetch *fetch, const char *path, const Buffer *const pieces[PIECES_COUNT],
                  Error *err) {
    CLEANUP(collateral_freep) Collateral *collateral = collateral_new(err);
    for (size_t at = 0; at < PIECES_COUNT; at++) {
        if (collateral == NULL ||
            !collateral_add(collateral, buffer_bytes(pieces[at]), names[at], NULL, err)) {
            return false;
        }
    }
    CLEANUP(trusted_collateral_freep)
    TrustedCollateral *trusted = trusted_collateral_new(collateral, fetch->root, err);
    if (trusted == NULL) {
        return false;
    }
    const TrustedTcbInfo *info = trusted_collateral_tcb_info(trusted, fetch->pck->fmspc);
    const TrustedQeIdentity *identity = trusted_collateral_qe_identity(trusted);
    if (info == NULL || identity == NULL) {
        return error_set(err, ERROR_VERIFY, "%s",
                         info == NULL ? "TCB info: it is for another kind of platform (FMSPC)"
                                      : "QE identity: it is not that of the SGX QE");
    }
    return check_time("TCB info", info->info->issue_date, info->info->next_update, fetch->time, err) &&
           check_time("QE identity", identity->identity->issue_date, identity->identity->next_update,
                      fetch->time, err) &&
           check_progress(fetch, path, trusted, info->info, identity->identity, err);
}

static bool keep(const char *path, const Buffer *const pieces[PIECES_COUNT], Error *err) {
    if (!file_make_path(path, 0755, err)) {
        return false;
    }
    AUTO_CLOSE int fd = file_open_directory(AT_FDCWD, path, err);
    for (size_t at = 0; fd >= 0 && at < PIECES_COUNT; at++) {
        if (!file_replace(fd, names[at], pieces[at]->data, pieces[at]->size, 0644, err)) {
            return false;
        }
    }
    return fd >= 0;
}

bool advice_fetch_policy(AdviceFetch *fetch, const char *policy, const char *path, Error *err) {
    CLEANUP(buffer_done) Buffer tcb_info = BUFFER_INIT(ANSWER_MAX);
    CLEANUP(buffer_done) Buffer identity = BUFFER_INIT(ANSWER_MAX);
    const Buffer *const pieces[PIECES_COUNT] = {&tcb_info, &identity, &fetch->crls[0], &fetch->crls[1]};
    return fetch_documents(fetch, policy, &tcb_info, &identity, err) && fetch_crls(fetch, err) &&
           check(fetch, path, pieces, err) && keep(path, pieces, err);
}

void advice_fetch_done(AdviceFetch **fetch) {
    buffer_done(&(*fetch)->crls[0]);
    buffer_done(&(*fetch)->crls[1]);
}
