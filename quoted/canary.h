/* SPDX-License-Identifier: Apache-2.0
 *
 * Canary: the first client of a generation, before it may have others.
 *
 * The trial quote asks the engine; the canary goes the whole way of a client instead: connections of its own
 * to the pool, so that threads, queue, decoding, engine and answers have worked together once. It does what
 * an application does: target info, size, quote, and looks at the quote as a relying party would.
 */
#ifndef QUOTED_CANARY_H
#define QUOTED_CANARY_H

#include "bundles/base/error.h"
#include "quoted/engine.h"
#include "quoted/pool.h"

/* Blocks. ERROR_ENGINE says which answer was wrong; ERROR_TIMEOUT: there was none, and a thread of the pool
 * may hang in the library. */
bool canary_send(Pool *pool, Engine *engine, Error *err) __attribute__((warn_unused_result));

#endif
