/* SPDX-License-Identifier: Apache-2.0
 *
 * Certification: the PCK certificate chain that quotes of this generation carry, for who judges the platform.
 *
 * A library that makes no trial quotes shows its certificates only in the quotes of clients. Of those nothing
 * else is kept. Threads may note and read at any time.
 */
#ifndef QUOTED_CERTIFICATION_H
#define QUOTED_CERTIFICATION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "bundles/base/bytes.h"

enum { CERTIFICATION_MAX = 12294 /* the longest chain that Intel's quote library takes */ };

typedef struct Certification {
    pthread_mutex_t lock;
    _Atomic uint64_t next_ms; /* monotonic: before that, quotes are not looked at */
    size_t size;
    uint8_t chain[CERTIFICATION_MAX];
} Certification;

#define CERTIFICATION_INIT ((Certification){.lock = PTHREAD_MUTEX_INITIALIZER})

/* Takes the chain out of a quote that was made; cheap, for it looks at one a minute. */
void certification_note(Certification *certification, Bytes quote);

/* Copies the chain to `chain`; 0 if there is none. */
size_t certification_read(Certification *certification, uint8_t chain[CERTIFICATION_MAX]);

#endif
