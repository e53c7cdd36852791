/* SPDX-License-Identifier: Apache-2.0
 *
 * Clock: monotonic time for deadlines and figures, wall time for people and certificates.
 */
#ifndef BUNDLES_BASE_CLOCK_H
#define BUNDLES_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { CLOCK_TIME_SIZE = 32 };

uint64_t clock_monotonic_ns(void);
uint64_t clock_monotonic_ms(void);
int64_t clock_wall_s(void); /* seconds since 1970, UTC */

/* Milliseconds from now to a monotonic deadline, 0 if it has passed, capped at INT_MAX; fit for poll(). */
int clock_left_ms(uint64_t deadline_ms);

/* "2026-11-21T03:45:00Z" in UTC, exactly this form. */
void clock_format(int64_t seconds, char text[CLOCK_TIME_SIZE]);
bool clock_parse(const char *text, int64_t *ret_seconds);

#endif
