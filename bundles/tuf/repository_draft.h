/* SPDX-License-Identifier: Apache-2.0
 *
 * Repository draft: signing a document that is not published yet, and what it has to be for that. For the
 * parts of the repository.
 */
#ifndef BUNDLES_TUF_REPOSITORY_DRAFT_H
#define BUNDLES_TUF_REPOSITORY_DRAFT_H

#include "bundles/tuf/repository.h"

/* A root must also satisfy the one before it. */
bool tuf_repository_draft_follows_root(TufRepository *repository, const json_t *root, Error *err)
    __attribute__((warn_unused_result));

/* Whether the document may be the next version of its role. */
bool tuf_repository_draft_is_next(TufRepository *repository, const char *role, const json_t *document,
                                  Error *err) __attribute__((warn_unused_result));

/* Signs with those of the signers that the role names: as it will be, and as the published root has it, so
 * that clients which know only that root take the document, too. */
bool tuf_repository_draft_sign(TufRepository *repository, const json_t *delegator, const char *role,
                               json_t *document, TufSigner *const *signers, size_t count,
                               size_t *signed_count, Error *err) __attribute__((warn_unused_result));

#endif
