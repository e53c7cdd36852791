/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/counters.h"

#include "bundles/base/clock.h"
#include "bundles/base/log.h"

enum { QUOTE3_BASE = 0xe000, REFUSAL_PAUSE_MS = 10 * 1000 };

static unsigned refusal_index(Quote3Error code) {
    uint32_t index = code - QUOTE3_BASE;
    return index < COUNTERS_REFUSALS ? index : 0; /* 0xe000 itself is no code: it stands for the others */
}

void counters_refuse(Counters *counters, Quote3Error code) {
    if (code == QUOTE3_SUCCESS) {
        return;
    }
    unsigned index = refusal_index(code);
    counters_add(&counters->refusals[index], 1);
    /* A report that is not ours is an application's affair. */
    if (code == QUOTE3_INVALID_REPORT) {
        return;
    }
    uint64_t now = clock_monotonic_ms();
    uint64_t last = atomic_load(&counters->refusal_logged_ms[index]);
    if ((last == 0 || now - last >= REFUSAL_PAUSE_MS) &&
        atomic_compare_exchange_strong(&counters->refusal_logged_ms[index], &last, now)) {
        log_warning("engine-refused", "code=0x%x aesm=%u times=%llu", code, aesm_code_of_quote3(code),
                    (unsigned long long)counters_get(&counters->refusals[index]));
    }
}
