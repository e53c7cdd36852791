/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/relying_party.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"
#include "bundles/base/file.h"
#include "bundles/base/sandbox.h"
#include "bundles/base/text.h"
#include "bundles/dcap/encoding.h"
#include "bundles/dcap/quote_verify.h"
#include "bundles/dcap/root.h"

CLEANUP_DEFINE(X509, X509_free)

enum { TIMEOUT_MS = 20 * 1000, CHAIN_MAX = 64 * 1024, FILES_MAX = 64 };
#define MEMORY_MAX (UINT64_C(512) * 1024 * 1024)

typedef struct Question {
    const char *collateral, *certificates; /* paths */
    const char *root;                      /* path; NULL: Intel's */
    const char *quote;                     /* in hex; NULL: none was made */
    bool has_qe;                           /* the bundle says which it has */
    uint16_t qe_isv_svn;
    int64_t time;
    RelyingParty *found; /* in memory that the child shares */
} Question;

static bool enter_sandbox(const Question *question, Error *err) {
    Digest unused;
    SandboxReport report;
    const SandboxPlace places[] = {{.path = question->collateral, .optional = true},
                                   {.path = question->certificates, .optional = true},
                                   {.path = question->root, .optional = true}};
    const Sandbox sandbox = {
        .limits = {.memory = MEMORY_MAX, .file_size = 1, .files = FILES_MAX, .alone = true},
        .places = places,
        .places_count = question->root != NULL ? 3 : 2,
        .calls = SANDBOX_CALLS_BASE | SANDBOX_CALLS_READ};
    return (digest_of("", 0, &unused) ||
            error_set(err, ERROR_MEMORY, "out of memory")) && /* see helper_sandbox */
           sandbox_apply(&sandbox, &report, err);
}

static X509 *open_root(const char *path, Error *err) {
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(CHAIN_MAX);
    if (path == NULL) {
        return root_intel(err);
    }
    return file_read(AT_FDCWD, path, &content, err) ? root_read(buffer_bytes(&content), path, err) : NULL;
}

/* A certificate on a CRL is worse than anything that is only too old. */
static void take_problem(const QuoteVerdict *verdict, RelyingParty *found) {
    char at[CLOCK_TIME_SIZE] = "";
    const QuoteProblem *worst = verdict->problems_count > 0 ? &verdict->problems[0] : NULL;
    for (size_t i = 0; i < verdict->problems_count; i++) {
        worst = verdict->problems[i].kind == QUOTE_REVOKED ? &verdict->problems[i] : worst;
    }
    if (worst == NULL) {
        return;
    }
    if (worst->at != 0) {
        clock_format(worst->at, at);
    }
    found->revoked = worst->kind == QUOTE_REVOKED;
    (void)snprintf(found->problem, sizeof found->problem, "%s: %s%s%s", worst->what,
                   quote_problem_name(worst->kind), at[0] != '\0' ? ", " : "", at);
}

static bool judge_quote(const Question *question, const TrustedCollateral *trusted, RelyingParty *found,
                        Error *err) {
    Quote quote;
    QuoteVerdict verdict;
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(2 * QUOTE_SIZE_MAX);
    found->outcome = RELYING_PARTY_REFUSES;
    if (!encoding_decode_hex((Bytes){(const uint8_t *)question->quote, strlen(question->quote)}, &bytes)) {
        return error_set(err, ERROR_INPUT, "it is malformed");
    }
    if (!quote_parse(buffer_bytes(&bytes), &quote, err) ||
        !quote_verify(&quote, trusted, question->time, &verdict, err)) {
        return false;
    }
    found->status = verdict.status;
    found->platform = verdict.platform_status;
    found->qe = verdict.qe_status;
    found->by_quote = true;
    take_problem(&verdict, found);
    clock_format(quote_verdict_first_to_expire(&verdict)->until, found->expires);
    found->outcome = RELYING_PARTY_GRADES;
    return true;
}

static bool read_pck(const char *path, Pck *ret_pck, Error *err) {
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(CHAIN_MAX);
    CLEANUP(certificates_done) Certificates certificates = {0};
    if (!file_read(AT_FDCWD, path, &content, err) ||
        !certificates_add(&certificates, buffer_bytes(&content), NULL, path, err)) {
        return error_set(err, ERROR_NOT_FOUND, "no quote with a PCK certificate was seen here yet");
    }
    for (size_t i = 0; i < certificates.count; i++) {
        if (pck_is_in(certificates.items[i])) {
            return pck_read(certificates.items[i], ret_pck, err);
        }
    }
    return error_set(err, ERROR_NOT_FOUND, "%s has no PCK certificate", path);
}

static bool judge_certificate(const Question *question, const TrustedCollateral *trusted, RelyingParty *found,
                              Error *err) {
    Pck pck;
    if (!question->has_qe) {
        return error_set(err, ERROR_NOT_FOUND, "the manifest does not say which QE it means");
    }
    if (!read_pck(question->certificates, &pck, err)) {
        return false;
    }
    const TrustedTcbInfo *info = trusted_collateral_tcb_info(trusted, pck.fmspc);
    const TrustedQeIdentity *identity = trusted_collateral_qe_identity(trusted);
    if (info == NULL || identity == NULL) {
        return error_set(err, ERROR_NOT_FOUND, "the collateral has no %s",
                         info == NULL ? "TCB info for this kind of platform" : "QE identity");
    }
    const TcbLevel *level = tcb_info_match(info->info, &pck.tcb);
    const QeLevel *qe = qe_identity_match(identity->identity, question->qe_isv_svn);
    const int64_t until = info->info->next_update < identity->identity->next_update
                              ? info->info->next_update
                              : identity->identity->next_update;
    found->platform = level != NULL ? level->grade.status : TCB_NOT_SUPPORTED;
    found->qe = qe != NULL ? qe->grade.status : TCB_NOT_SUPPORTED;
    found->status = tcb_status_merge(found->platform, found->qe);
    clock_format(until, found->expires);
    if (question->time > until) {
        (void)snprintf(found->problem, sizeof found->problem, "TCB info or QE identity: expired, %s",
                       found->expires);
    }
    found->outcome = RELYING_PARTY_GRADES;
    return true;
}

static bool answer(const Question *question, Error *err) {
    if (!enter_sandbox(question, err)) {
        return false;
    }
    CLEANUP(X509_freep) X509 *root = open_root(question->root, err);
    CLEANUP(collateral_freep)
    Collateral *collateral = root != NULL ? collateral_load(question->collateral, err) : NULL;
    CLEANUP(trusted_collateral_freep)
    TrustedCollateral *trusted = collateral != NULL ? trusted_collateral_new(collateral, root, err) : NULL;
    return trusted != NULL &&
           (question->quote != NULL ? judge_quote(question, trusted, question->found, err)
                                    : judge_certificate(question, trusted, question->found, err));
}

static bool answer_in_child(void *context, char text[CHILD_TEXT_MAX]) {
    Error err = ERROR_INIT;
    bool good = answer(context, &err);
    (void)snprintf(text, CHILD_TEXT_MAX, "%.*s", CHILD_TEXT_MAX - 1, err.text);
    return good;
}

static bool is_status(TcbStatus status) {
    return (unsigned)status < TCB_STATUSES_COUNT;
}

/* Nothing that came from the child is believed to have the right form. */
static void take_answer(const ChildAnswer *child, const RelyingParty *found, RelyingParty *ret_judgement) {
    if (child->verdict != CHILD_ANSWERED || (!child->good && found->outcome != RELYING_PARTY_REFUSES)) {
        (void)snprintf(ret_judgement->text, sizeof ret_judgement->text, "it cannot be judged: %.370s",
                       child->text);
        return;
    }
    if (!child->good) {
        ret_judgement->outcome = RELYING_PARTY_REFUSES;
        (void)snprintf(ret_judgement->text, sizeof ret_judgement->text, "%s", child->text);
        return;
    }
    if (!is_status(found->status) || !is_status(found->platform) || !is_status(found->qe)) {
        return;
    }
    *ret_judgement = *found;
    ret_judgement->outcome = RELYING_PARTY_GRADES;
    ret_judgement->text[0] = '\0';
    ret_judgement->problem[sizeof ret_judgement->problem - 1] = '\0';
    ret_judgement->expires[sizeof ret_judgement->expires - 1] = '\0';
}

static void ask(Question *question, RelyingParty *ret_judgement) {
    ChildAnswer child;
    const size_t size = sizeof(RelyingParty);
    /* cppcheck-suppress invalidFunctionArg; an anonymous mapping has no descriptor */
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        (void)snprintf(ret_judgement->text, sizeof ret_judgement->text, "out of memory");
        return;
    }
    question->found = shared;
    child_run(answer_in_child, question, TIMEOUT_MS, &child);
    take_answer(&child, shared, ret_judgement);
    (void)munmap(shared, size);
}

void relying_party_judge(const CheckSubject *subject, const char *edition, RelyingParty *ret_judgement) {
    const CheckSettings *settings = subject->settings;
    const ManifestFile *qe =
        subject->bundle != NULL ? manifest_find(subject->bundle, MANIFEST_ROLE_QE3) : NULL;
    bool is_local = settings->collateral != NULL && settings->collateral[0] != '\0';
    AUTO_FREE char *cached = text_format("%s/collateral/%s", settings->state, edition);
    AUTO_FREE char *certificates = text_format("%s/collateral/certificates.pem", settings->state);
    *ret_judgement = (RelyingParty){.outcome = RELYING_PARTY_UNKNOWN};
    if (is_local && strcmp(edition, "standard") != 0) {
        (void)snprintf(ret_judgement->text, sizeof ret_judgement->text,
                       "a directory of collateral has no %s edition", edition);
        return;
    }
    if (cached == NULL || certificates == NULL ||
        access(is_local ? settings->collateral : cached, R_OK) != 0) {
        (void)snprintf(ret_judgement->text, sizeof ret_judgement->text,
                       "there is no collateral: name a service in collateral.urls, then pswctl tcb");
        return;
    }
    Question question = {
        .collateral = is_local ? settings->collateral : cached,
        .certificates = certificates,
        .root = settings->collateral_root != NULL && settings->collateral_root[0] != '\0'
                    ? settings->collateral_root
                    : NULL,
        .quote = json_string_value(json_object_get(json_object_get(subject->trial, "trial"), "quote")),
        .has_qe = qe != NULL && qe->has_identity,
        .qe_isv_svn = qe != NULL && qe->has_identity ? qe->isv_svn : 0,
        .time = subject->host->now};
    ask(&question, ret_judgement);
}
