/* SPDX-License-Identifier: Apache-2.0
 *
 * Repository config: repo.yaml of a repository in the making: how long each role's metadata lives, and the
 * keys that `publish` and `renew` use by themselves. docs/tuf.md describes it.
 */
#ifndef BUNDLES_TUF_REPOSITORY_CONFIG_H
#define BUNDLES_TUF_REPOSITORY_CONFIG_H

#include "bundles/base/error.h"
#include "bundles/tuf/metadata.h"

#define TUF_REPOSITORY_CONFIG_NAME "repo.yaml"

enum { TUF_REPOSITORY_SIGNERS_MAX = 16 };

typedef struct TufRepositoryConfig {
    int64_t lifetime[TUF_TYPES_COUNT];         /* seconds; delegated roles live as long as targets */
    char *signers[TUF_REPOSITORY_SIGNERS_MAX]; /* files (relative to the repository) or store URIs */
    size_t signers_count;
} TufRepositoryConfig;

/* What `repo init` writes. */
extern const char tuf_repository_config_default[];

bool tuf_repository_config_load(int dir_fd, TufRepositoryConfig *ret_config, Error *err)
    __attribute__((warn_unused_result));
void tuf_repository_config_done(TufRepositoryConfig *config);

#endif
