/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/pace.h"

#include <sys/random.h>

enum { RETRY_MS = 60 * 1000 };

uint64_t pace_doubled(uint64_t first, uint64_t most, uint64_t times) {
    while (times > 0 && first > 0 && first < most) {
        first = first > most / 2 ? most : first * 2;
        times--;
    }
    return first < most ? first : most;
}

uint64_t pace_chance(uint64_t limit) {
    uint64_t dice = 0;
    (void)!getrandom(&dice, sizeof dice, GRND_NONBLOCK); /* without it: no chance for once */
    return limit > 0 ? dice % limit : 0;
}

uint64_t pace_next(uint64_t interval_ms, uint64_t failures) {
    uint64_t delay = failures > 0 ? pace_doubled(RETRY_MS, interval_ms, failures - 1) : interval_ms;
    return delay - delay / 10 + pace_chance(delay / 5);
}
