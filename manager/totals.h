/* SPDX-License-Identifier: Apache-2.0
 *
 * Totals: what all generations have counted together, those that are gone included, and what the manager
 * counts itself.
 *
 * <runtime>/metrics.json is written before a number is shown, so that no number is ever seen to shrink while
 * the node is up, whoever is killed when; after a boot all begin at 0. What a generation counted between the
 * last look at it and a crash of it is lost; one that ends as told says its last counts.
 */
#ifndef MANAGER_TOTALS_H
#define MANAGER_TOTALS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"

#define TOTALS_NAME "metrics.json"

typedef struct Totals Totals;

/* dir_fd (the runtime directory) is borrowed. A file that cannot be read is begun anew. */
Totals *totals_open(int dir_fd, Error *err) __attribute__((warn_unused_result));
void totals_close(Totals *totals);
CLEANUP_DEFINE(Totals, totals_close)

/* What a generation has counted up to now, as quoted/control/counts.h has it; takes the reference. */
void totals_take(Totals *totals, uint32_t generation, json_t *counts);
/* It counts no more. */
void totals_end(Totals *totals, uint32_t generation);
/* None but these count any more. */
void totals_keep(Totals *totals, const uint32_t *generations, size_t count);

/* Counts something of the manager's own. */
void totals_add(Totals *totals, const char *family, const char *series, uint64_t value);

/* All together; a new reference, NULL: out of memory. */
json_t *totals_json(const Totals *totals);

bool totals_save(Totals *totals, Error *err) __attribute__((warn_unused_result));

#endif
