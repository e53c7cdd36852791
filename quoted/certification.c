/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/certification.h"

#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/sgx/quote.h"

enum { INTERVAL_MS = 60 * 1000 };

void certification_note(Certification *certification, Bytes bytes) {
    uint64_t now = clock_monotonic_ms();
    uint64_t next = atomic_load_explicit(&certification->next_ms, memory_order_relaxed);
    Quote quote;
    if (now < next || !atomic_compare_exchange_strong(&certification->next_ms, &next, now + INTERVAL_MS) ||
        !quote_parse(bytes, &quote, NULL) || quote.certification_type != QUOTE_CERTIFICATION_PCK_CHAIN ||
        quote.certification_data.size > CERTIFICATION_MAX) {
        return;
    }
    (void)pthread_mutex_lock(&certification->lock);
    memcpy(certification->chain, quote.certification_data.data, quote.certification_data.size);
    certification->size = quote.certification_data.size;
    (void)pthread_mutex_unlock(&certification->lock);
}

size_t certification_read(Certification *certification, uint8_t chain[CERTIFICATION_MAX]) {
    (void)pthread_mutex_lock(&certification->lock);
    size_t size = certification->size;
    memcpy(chain, certification->chain, size);
    (void)pthread_mutex_unlock(&certification->lock);
    return size;
}
