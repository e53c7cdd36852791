/* SPDX-License-Identifier: Apache-2.0
 *
 * UpdateSource: where the update task gets a repository's files: the courier, a local directory, or an
 * offline file. Nothing that comes from here is trusted.
 */
#ifndef MANAGER_UPDATE_SOURCE_H
#define MANAGER_UPDATE_SOURCE_H

#include <jansson.h>

#include "bundles/tuf/fetcher.h"

typedef struct UpdateSource UpdateSource;

/* As the update task's arguments say. The validator of timestamp.json is kept beneath trust_fd (borrowed), so
 * that a look without news costs the server two small answers. */
UpdateSource *update_source_open(const json_t *arguments, int trust_fd, Error *err)
    __attribute__((warn_unused_result));
void update_source_close(UpdateSource *source);

/* Valid until the source is closed. */
TufFetcher update_source_fetcher(UpdateSource *source);

/* 1 where there is no choice. */
size_t update_source_mirrors(const UpdateSource *source);
void update_source_next_mirror(UpdateSource *source); /* asks that one first from now on */
unsigned update_source_mirror(const UpdateSource *source);
bool update_source_is_remote(const UpdateSource *source); /* the courier is to be asked */

#endif
