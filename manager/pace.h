/* SPDX-License-Identifier: Apache-2.0
 *
 * Pace: how long to wait before something is tried or looked at again. Chance is in it wherever a whole fleet
 * would else come at the same moment.
 */
#ifndef MANAGER_PACE_H
#define MANAGER_PACE_H

#include <stdint.h>

/* `first` doubled so many times, but at most `most`. */
uint64_t pace_doubled(uint64_t first, uint64_t most, uint64_t times);

/* Below the limit by chance; 0 of 0. */
uint64_t pace_chance(uint64_t limit);

/* The next of regular looks: after the interval, a tenth more or less by chance. After so many failures in a
 * row sooner: a minute, then twice as much each time, up to the interval. */
uint64_t pace_next(uint64_t interval_ms, uint64_t failures);

#endif
