/* SPDX-License-Identifier: Apache-2.0
 *
 * Ducks: which former generations stay as lame ducks. Pure: journal entries in, a choice out.
 */
#ifndef MANAGER_DUCKS_H
#define MANAGER_DUCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manager/journal.h"

typedef struct DucksPolicy {
    unsigned count;
    int64_t keep_s; /* since it stopped serving */
    int64_t now;
} DucksPolicy;

/* ducks: newest first. One is kept if it can answer what nobody newer can (its QE differs from the serving
 * one's and from every kept one's), while it is young enough, up to `count`; those that were recalled are not
 * counted. */
void ducks_select(const JournalGeneration *ducks, size_t count, const char *serving_qe,
                  const DucksPolicy *policy, bool *ret_keep);

/* Of those that are kept: as many as `room_kib` of EPC holds together, the newest first. With `recalled_stay`
 * those that were recalled come before them, because they are in use, and stay in any case. */
void ducks_fit(const JournalGeneration *ducks, size_t count, const uint64_t *epc_kib, uint64_t room_kib,
               bool recalled_stay, bool *keep);

#endif
