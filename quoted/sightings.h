/* SPDX-License-Identifier: Apache-2.0
 *
 * Sightings: the processes that still hold target info of a former QE: lame ducks make their quotes, or
 * nobody.
 *
 * Two bounded tables, of those who got quotes and of those who did not; who has not been seen for the longest
 * time makes room. A process is its pid and the time at which it was started, so that another one with the
 * same pid is another one. What /proc has to say about it is read while its client waits for the answer,
 * because it may be gone a moment later; where /proc says nothing, the entry says less. Thread-safe.
 */
#ifndef QUOTED_SIGHTINGS_H
#define QUOTED_SIGHTINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bundles/sgx/report.h"

enum { SIGHTINGS_MAX = 256, SIGHTINGS_PAGE = 40 };

typedef struct Sightings Sightings;

Sightings *sightings_new(void); /* NULL: out of memory */
void sightings_free(Sightings *sightings);

/* The client at the other end of `fd` got a quote of this QE by the lame duck of this number. */
void sightings_note(Sightings *sightings, int fd, const uint8_t qe[SGX_HASH_SIZE], uint32_t generation);

/* Its report was nobody's; `waited`: nor of one that may have been recalled for it. */
void sightings_note_refused(Sightings *sightings, int fd, bool waited);

/* The process at the other end of `fd` was refused after a wait within the last so many milliseconds. */
bool sightings_waited_in_vain(Sightings *sightings, int fd, uint64_t within_ms);

/* {"clients": […], "next": N}: those from place `from` on, as many as fit into a message; "next" is null at
 * the end. A new reference; NULL: out of memory. */
json_t *sightings_json(Sightings *sightings, unsigned from);

#endif
