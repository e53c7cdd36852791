/* SPDX-License-Identifier: Apache-2.0
 *
 * TufRepository: the publisher's directory, from drafts to the static files that clients read.
 *
 *   repo.yaml          TufRepositoryConfig
 *   keys/              private keys that may live here: the online ones
 *   draft/ROLE.json    changes that are not published, with the signatures collected so far
 *   public/metadata/   N.ROLE.json and timestamp.json      } what a web server serves
 *   public/targets/    DIR/HASH.NAME                       }
 *
 * Invariant: public/ is a consistent repository at every moment. A numbered file never changes; files appear
 * in the order in which nothing refers to what is not there yet. A draft that was
 * changed has no signatures. Names keep to [A-Za-z0-9._+-], because servers and clients differ in encoding
 * others.
 */
#ifndef BUNDLES_TUF_REPOSITORY_H
#define BUNDLES_TUF_REPOSITORY_H

#include "bundles/tuf/author.h"
#include "bundles/tuf/limits.h"
#include "bundles/tuf/repository_config.h"
#include "bundles/tuf/signer.h"

enum { TUF_REPOSITORY_BITS_MAX = 10, TUF_REPOSITORY_BINS_MAX = 1 << TUF_REPOSITORY_BITS_MAX };

typedef struct TufRepository TufRepository;

/* Makes the directories, repo.yaml and empty drafts of root and targets. ERROR_CONFLICT when it is there. */
bool tuf_repository_create(const char *path, int64_t now, Error *err) __attribute__((warn_unused_result));

/* Locks it: ERROR_CONFLICT while another process has it. `now` is used for every expiry. */
TufRepository *tuf_repository_open(const char *path, int64_t now, Error *err)
    __attribute__((warn_unused_result));
void tuf_repository_close(TufRepository *repository);

static inline void tuf_repository_closep(TufRepository **repository) {
    tuf_repository_close(*repository);
}

const TufRepositoryConfig *tuf_repository_config(const TufRepository *repository);
const char *tuf_repository_path(const TufRepository *repository);
int tuf_repository_fd(const TufRepository *repository);          /* borrowed */
int tuf_repository_metadata_fd(const TufRepository *repository); /* public/metadata; borrowed */
int tuf_repository_targets_fd(const TufRepository *repository);  /* public/targets; borrowed */

/* Documents, the caller's. The draft of a role, or what is published; false with ERROR_NOT_FOUND: neither. */
json_t *tuf_repository_draft(TufRepository *repository, const char *role, Error *err);
json_t *tuf_repository_published(TufRepository *repository, const char *role, Error *err);
json_t *tuf_repository_published_version(TufRepository *repository, const char *role, int64_t version,
                                         Error *err);
json_t *tuf_repository_newest(TufRepository *repository, const char *role,
                              Error *err); /* draft, else published */

/* The newest as a new draft: next version, fresh expiry, no signatures. Not stored yet. */
json_t *tuf_repository_edit(TufRepository *repository, const char *role, Error *err);
bool tuf_repository_save_draft(TufRepository *repository, const char *role, const json_t *document,
                               Error *err) __attribute__((warn_unused_result));
/* Puts a document into public/metadata, whatever it says. */
bool tuf_repository_write(TufRepository *repository, const char *role, const json_t *document, Error *err)
    __attribute__((warn_unused_result));
/* `roles`: an array of names. One that has no draft is no failure. */
bool tuf_repository_drop_drafts(TufRepository *repository, const json_t *roles, Error *err)
    __attribute__((warn_unused_result));

/* Highest published version of a role, 0: none. */
bool tuf_repository_version(TufRepository *repository, const char *role, int64_t *ret_version, Error *err)
    __attribute__((warn_unused_result));

/* "12.targets.json" is version 12 of "targets"; false: not such a name. */
bool tuf_repository_parse_name(const char *file, char role[TUF_NAME_ENCODED_MAX + 1], int64_t *ret_version);

/* Every name in a directory, without "." and "..", in no order, until one fails. */
typedef bool (*TufRepositoryNameFn)(void *context, const char *name, Error *err);
bool tuf_repository_each_name(int dir_fd, const char *path, TufRepositoryNameFn visit, void *context,
                              Error *err) __attribute__((warn_unused_result));

/* ---- who delegates to whom (repository_roles.c) ---- */

/* Names of root, targets and all roles that targets delegates to, directly or not, in that order: a JSON
 * array, the caller's. `drafts`: as the drafts have it. */
json_t *tuf_repository_roles(TufRepository *repository, bool drafts, Error *err);

/* The same, with the succinct hash bins of one delegation together under the prefix of their names: an array
 * of {"name", "roles": [...]}. */
json_t *tuf_repository_groups(TufRepository *repository, bool drafts, Error *err);

/* The succinct delegation of a document; borrowed, NULL: none. The names of its bins; an array, the caller's.
 * Whether a name is one of them or their prefix. */
json_t *tuf_repository_bins(const json_t *document);
json_t *tuf_repository_bin_names(const json_t *bins, Error *err);
bool tuf_repository_is_bin_of(const json_t *bins, const char *role);

/* The role that delegates to `role` ("root" for the four). The caller frees; NULL with ERROR_NOT_FOUND. */
char *tuf_repository_delegator(TufRepository *repository, const char *role, bool drafts, Error *err);

/* The role that a target belongs into when `role` was named: the bin, when that is the prefix of bins. The
 * caller frees. */
char *tuf_repository_role_for(TufRepository *repository, const char *role, const char *path, Error *err);

/* ERROR_USAGE unless every delegation from targets down to the role covers the path: clients would not find
 * it. */
bool tuf_repository_check_path(TufRepository *repository, const char *role, const char *path, Error *err)
    __attribute__((warn_unused_result));

/* Within a delegator's document: its `keys` and the object with `keyids` and `threshold`, for bins also by
 * their prefix. Borrowed. */
bool tuf_repository_role_object(const json_t *delegator, const char *role, json_t **ret_keys,
                                json_t **ret_role, Error *err) __attribute__((warn_unused_result));

int64_t tuf_repository_now(const TufRepository *repository);
/* When metadata that is made now expires. */
int64_t tuf_repository_expiry(const TufRepository *repository, TufType type);
TufType tuf_repository_type(const char *role);

/* ---- changes (repository_edit.c): each makes or changes a draft ---- */

/* threshold 0: as it is. */
bool tuf_repository_add_keys(TufRepository *repository, const char *role, TufSigner *const *signers,
                             size_t count, int64_t threshold, Error *err) __attribute__((warn_unused_result));
bool tuf_repository_remove_key(TufRepository *repository, const char *role, const char *keyid, Error *err)
    __attribute__((warn_unused_result));

/* Copies the file that `fd` reads into public/targets and lists it; `custom` (borrowed) may be NULL. */
bool tuf_repository_add_target(TufRepository *repository, const char *role, const char *path, int fd,
                               json_t *custom, Error *err) __attribute__((warn_unused_result));
bool tuf_repository_remove_target(TufRepository *repository, const char *role, const char *path, Error *err)
    __attribute__((warn_unused_result));

typedef struct TufRepositoryDelegation {
    const char *from; /* "targets" or a delegated role */
    const char *name;
    bool terminating;
    const char *const *paths; /* patterns; or */
    const char *const *hash_prefixes;
    size_t paths_count, hash_prefixes_count;
    unsigned bit_length; /* or succinct hash bins (TAP 15), and `name` is the prefix of theirs */
    int64_t threshold;
} TufRepositoryDelegation;

/* A new delegation, or another form of an existing one (its keys stay). A role that is new gets an empty
 * draft. A role delegates either to bins or to roles by name, and a bin to nobody. */
bool tuf_repository_delegate(TufRepository *repository, const TufRepositoryDelegation *delegation,
                             TufSigner *const *signers, size_t count, Error *err)
    __attribute__((warn_unused_result));

/* Takes the delegation from `from` to `role` (or to the bins of this prefix) back. */
bool tuf_repository_undelegate(TufRepository *repository, const char *from, const char *role, Error *err)
    __attribute__((warn_unused_result));

/* Saves the draft of a delegator in which `role` was changed. What is published under that role, and does not
 * satisfy it any more, becomes a draft, too: it has to be signed anew and be published together with the
 * change. */
bool tuf_repository_save_delegator(TufRepository *repository, const char *name, const json_t *document,
                                   const char *role, Error *err) __attribute__((warn_unused_result));

/* ---- publishing (repository_publish.c) ---- */

/* Signs a draft with those of the signers that it needs; `ret_signed` counts them. A draft that expired, or
 * whose version was published meanwhile, is brought up to date before, which drops the signatures it had.
 * `ret_version`: of the draft. */
bool tuf_repository_sign(TufRepository *repository, const char *role, TufSigner *const *signers, size_t count,
                         size_t *ret_signed, int64_t *ret_version, Error *err)
    __attribute__((warn_unused_result));

/* Whether a draft has the signatures that it needs, a root's also those that the root before it demands; the
 * error says what is missing. */
bool tuf_repository_check_draft(TufRepository *repository, const char *role, Error *err)
    __attribute__((warn_unused_result));

/* Publishes all drafts, a new snapshot where one is needed, and a new timestamp; `ret_versions` ({role:
 * version}, the caller's) says which. Nothing is written unless every threshold is met. */
bool tuf_repository_publish(TufRepository *repository, TufSigner *const *signers, size_t count,
                            json_t **ret_versions, Error *err) __attribute__((warn_unused_result));

/* How long before its expiry a role deserves a warning: a third of its lifetime, at most 30 days. */
int64_t tuf_repository_warning(const TufRepository *repository, TufType type);

/* Publishes anew, with a later expiry, every role that expires within `within` seconds (-1: half its
 * lifetime) and for which the signers suffice; drafts are left alone. `ret_renewed` and `ret_short` (arrays
 * of names, the caller's) say which were renewed, and which lack signers and expire within `within` seconds
 * (-1: tuf_repository_warning). */
bool tuf_repository_renew(TufRepository *repository, int64_t within, TufSigner *const *signers, size_t count,
                          json_t **ret_renewed, json_t **ret_short, Error *err)
    __attribute__((warn_unused_result));

/* ---- removing what nobody asks for any more (repository_prune.c) ---- */

/* Removes old versions of snapshot and targets roles, and targets that nothing names any more; `ret_removed`
 * ([{"path", "bytes"}] beneath public/, the caller's) says which, also of what a dry run would remove. It
 * stays what the published timestamp leads to and what drafts name; what a snapshot leads to that another one
 * took the place of within the last `keep` seconds, since a node that read the timestamp before may be in the
 * middle of reading; every root; and whatever is not of this repository's making. ERROR_USAGE if `keep` is
 * shorter than a timestamp lives. */
bool tuf_repository_prune(TufRepository *repository, int64_t keep, bool dry_run, json_t **ret_removed,
                          Error *err) __attribute__((warn_unused_result));
/* What `keep` should be: as long as a timestamp lives, and a day for reading. */
int64_t tuf_repository_prune_keep(const TufRepository *repository);

#endif
