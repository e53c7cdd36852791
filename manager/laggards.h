/* SPDX-License-Identifier: Apache-2.0
 *
 * Laggards: the applications that still live on a QE which does not serve any more, over all generations and
 * over restarts of the manager, so that an operator knows whom to restart.
 *
 * <runtime>/clients.json keeps them. A row is what one generation has seen of one process; who has ended is
 * dropped. Bounded: the one that was not seen for the longest time makes room.
 */
#ifndef MANAGER_LAGGARDS_H
#define MANAGER_LAGGARDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"

#define LAGGARDS_NAME "clients.json"
enum { LAGGARDS_ROWS_MAX = 1024 };

typedef struct Laggards Laggards;

/* dir_fd (the runtime directory) is borrowed. A file that cannot be read is begun anew. */
Laggards *laggards_open(int dir_fd, Error *err) __attribute__((warn_unused_result));
void laggards_close(Laggards *laggards);
CLEANUP_DEFINE(Laggards, laggards_close)

/* A page of CONTROL_CLIENTS from the generation of this number. What is not of its form is left out. */
void laggards_take(Laggards *laggards, uint32_t generation, const json_t *page);

/* Drops who has ended, or was last seen before `oldest` (wall clock); writes the file if anything changed. */
bool laggards_upkeep(Laggards *laggards, int64_t oldest, Error *err) __attribute__((warn_unused_result));

/* One object a process and QE, who was seen last first: pid, uid, command, cgroup, runtime, container, unit,
 * qe ("": its reports are refused), generation (that made its last quote), quotes, first_seen, last_seen. Of
 * `serving_qe`'s clients there are none. A new reference; NULL: out of memory. */
json_t *laggards_json(const Laggards *laggards, const char *serving_qe);

#endif
