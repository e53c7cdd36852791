/* SPDX-License-Identifier: Apache-2.0
 *
 * TufTrusted: the metadata that is trusted at present, and the rules by which other metadata takes its place
 * (TUF specification 1.0.34, section 5). No file and no network here.
 *
 * Each accept function takes bytes that were offered, checks every rule in the specification's order and
 * returns the new metadata without installing it: the caller stores the bytes first and installs it then.
 * Invariant: what is installed was verified against the root of that moment; after a new root,
 * tuf_trusted_recheck drops what that root does not vouch for, which is how a repository recovers from a
 * fast-forward attack.
 */
#ifndef BUNDLES_TUF_TRUSTED_H
#define BUNDLES_TUF_TRUSTED_H

#include "bundles/tuf/metadata.h"
#include "bundles/tuf/problem.h"

typedef struct TufTrusted {
    TufMetadata *root;
    TufMetadata *timestamp; /* may be expired: it is the base of rollback checks all the same */
    TufMetadata *snapshot;  /* the last one trusted, not necessarily the one timestamp lists */
    TufMetadata *targets;
    TufProblem problem; /* of the last refusal */
} TufTrusted;

void tuf_trusted_done(TufTrusted *trusted);

/* Takes the place of `*slot`, which is freed. */
void tuf_trusted_install(TufMetadata **slot, TufMetadata *metadata);

/* The shipped root: only its own signatures count, neither its expiry nor its version. */
TufMetadata *tuf_trusted_anchor(TufTrusted *trusted, Bytes bytes, Error *err);

/* The successor of the trusted root. */
TufMetadata *tuf_trusted_accept_root(TufTrusted *trusted, Bytes bytes, Error *err);

/* Metadata that was stored before: signatures only. NULL without an error: it does not count any more. */
TufMetadata *tuf_trusted_recall(TufTrusted *trusted, Bytes bytes, TufType type);
void tuf_trusted_recheck(TufTrusted *trusted);

/* `ret_same`: it has the trusted one's version; the trusted one stays, NULL is returned without an error. */
TufMetadata *tuf_trusted_accept_timestamp(TufTrusted *trusted, Bytes bytes, int64_t now, bool *ret_same,
                                          Error *err);

/* The snapshot that the trusted timestamp lists. */
TufMetadata *tuf_trusted_accept_snapshot(TufTrusted *trusted, Bytes bytes, int64_t now, Error *err);

/* Targets of the role, as the trusted snapshot lists them, signed as the delegator demands: targets.json and
 * every delegated role go through here. */
TufMetadata *tuf_trusted_accept_targets(TufTrusted *trusted, Bytes bytes, const TufRole *role,
                                        const TufKeyring *keyring, int64_t now, Error *err);

/* False with the problem set: metadata has expired at `now`. */
bool tuf_trusted_check_expiry(TufTrusted *trusted, const TufMetadata *metadata, const char *role, int64_t now,
                              Error *err) __attribute__((warn_unused_result));

/* What the trusted snapshot lists about a role; false with the problem set. */
bool tuf_trusted_listed(TufTrusted *trusted, const char *role, TufFileInfo *ret_info, Error *err)
    __attribute__((warn_unused_result));

#endif
