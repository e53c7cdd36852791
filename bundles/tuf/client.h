/* SPDX-License-Identifier: Apache-2.0
 *
 * TufClient: the TUF client workflow over a directory of trusted metadata and a fetcher.
 *
 *   open (root chain from the shipped anchor) -> refresh (root, timestamp, snapshot, targets)
 *     -> find_target (delegations) -> fetch_target, or a TufTargetStream over bytes that came by another way
 *
 * It trusts nothing but the anchor and what that vouches for. Whatever fails, wherever it is interrupted, the
 * directory stays such that the next run succeeds against an honest repository, and trust never goes back.
 * One client at a time has a directory (a lock). Every refusal sets the error ("FILE: role ROLE: what: what
 * to look at") and tuf_client_problem. docs/tuf.md has the rules and the limits.
 */
#ifndef BUNDLES_TUF_CLIENT_H
#define BUNDLES_TUF_CLIENT_H

#include "bundles/tuf/fetcher.h"
#include "bundles/tuf/limits.h"
#include "bundles/tuf/metadata.h"
#include "bundles/tuf/problem.h"
#include "bundles/tuf/target.h"

typedef struct TufClient TufClient;

typedef struct TufClientOptions {
    Bytes anchor; /* the root file shipped with the program or given by the operator; borrowed for open */
    int64_t time_floor; /* it cannot be earlier than this, e.g. when the program was built; 0: not known */
    TufLimits limits;   /* TUF_LIMITS_DEFAULT */
    bool is_copy; /* what is read was carried here and is no mirror: only refusals differ, in their advice */
} TufClientOptions;

/* `dir_fd` is duplicated. ERROR_CONFLICT: another process has the directory. No request is made. */
TufClient *tuf_client_open(int dir_fd, const TufClientOptions *options, Error *err)
    __attribute__((warn_unused_result));
void tuf_client_close(TufClient *client);

static inline void tuf_client_closep(TufClient **client) {
    tuf_client_close(*client);
}

/* Brings the top-level roles up to date. `now` is the wall clock; when it is behind what it must be at least
 * (see TufClientStatus), that bound is used instead, so that a clock set back does not revive what expired.
 */
bool tuf_client_refresh(TufClient *client, const TufFetcher *fetcher, int64_t now, Error *err)
    __attribute__((warn_unused_result));

/* Searches targets and delegations after a refresh; ERROR_NOT_FOUND when no role that may speak for the path
 * lists it. A role on the way that cannot be fetched or verified ends the search with its problem. */
bool tuf_client_find_target(TufClient *client, const TufFetcher *fetcher, const char *path,
                            TufTarget *ret_target, Error *err) __attribute__((warn_unused_result));

/* Calls `each` for every target that find_target would find, or for those directly in a directory (without
 * the last '/'): only roles are visited that may speak for a path there. ERROR_LIMIT when they are more than
 * the limit. `each` returns false to stop with its error. The target is borrowed for the call. */
typedef bool (*TufTargetFn)(void *context, const TufTarget *target, Error *err);
bool tuf_client_each_target(TufClient *client, const TufFetcher *fetcher, const char *directory,
                            TufTargetFn each, void *context, Error *err) __attribute__((warn_unused_result));

/* Streams a target into the sink. The sink's bytes may be used only after this has returned true. */
bool tuf_client_fetch_target(TufClient *client, const TufFetcher *fetcher, const TufTarget *target,
                             const TufSink *sink, Error *err) __attribute__((warn_unused_result));

/* For bytes that come by another way: what was refused or did not come (the error, or "the repository does
 * not have it" without one), in the words and with the advice of a refusal. False. */
bool tuf_client_target_problem(TufClient *client, const TufTarget *target, TufRule rule, Error *err);

/* The path of a target beneath the repository's targets directory, as fetch_target asks for it. The caller
 * frees; NULL when out of memory. */
char *tuf_client_target_path(const TufClient *client, const TufTarget *target);

/* Of the last call that failed; rule NONE if it was none of TUF's. */
const TufProblem *tuf_client_problem(const TufClient *client);

typedef struct TufRoleStatus {
    int64_t version; /* 0: nothing trusted yet */
    int64_t expires;
} TufRoleStatus;

typedef struct TufClientStatus {
    TufRoleStatus roles[TUF_TYPES_COUNT];
    int64_t expires;      /* the earliest of them; 0: nothing trusted yet */
    int64_t refreshed_at; /* last complete refresh, over all runs; 0: never */
    int64_t time_bound;   /* it is at least this late: the greater of the floor and refreshed_at */
    bool consistent_snapshot;
} TufClientStatus;

void tuf_client_status(const TufClient *client, TufClientStatus *ret_status);

/* False with ERROR_VERIFY and a sentence: the clock says less than the bound. */
bool tuf_client_check_clock(const TufClient *client, int64_t now, Error *err);

#endif
