/* SPDX-License-Identifier: Apache-2.0
 *
 * Engines: more than one quoting enclave in a generation, each in a process of its own.
 *
 * A QE serves one call at a time, and a process can load a bundle's libraries once. So where there is EPC to
 * spare, a generation has further processes that do nothing but quote (quoted/engine_process.h) beside the
 * engine of its own. Invariant: all have the same QE and the same key, so that it does not matter which one
 * answers. What any of them cannot do is asked of the own one, and one that ended is started again.
 */
#ifndef QUOTED_ENGINES_H
#define QUOTED_ENGINES_H

#include <jansson.h>

#include "quoted/config.h"
#include "quoted/engine.h"
#include "quoted/nursery.h"

typedef struct Engines Engines;

typedef struct EnginesSpec {
    Nursery *nursery;
    unsigned count;      /* with the own one, at least 2 */
    uint32_t own_calls;  /* that the own engine is given at once */
    uint64_t timeout_ms; /* after which a call is given up, and who was asked is killed */
} EnginesSpec;

/* Starts the others; they warm up from now on. */
Engines *engines_start(const EnginesSpec *spec, Error *err) __attribute__((warn_unused_result));
/* Ends them. NULL is allowed. Nobody may be in engines_quote later. */
void engines_stop(Engines *engines);

/* Blocks until all are warm. ERROR_ENGINE: one is not, or has another QE or key than ours. */
bool engines_wait(Engines *engines, Engine *own, Error *err) __attribute__((warn_unused_result));

/* Whether the others are needed: a lame duck does with its own engine. */
void engines_want(Engines *engines, bool wanted);

/* Somebody is in engines_quote. */
bool engines_busy(Engines *engines);

/* As engine_quote, by whoever is free. After engines_wait. */
Quote3Error engines_quote(Engines *engines, const SgxReport *report, SgxQeReportInfo *info, uint8_t *quote,
                          uint32_t size);

/* {"wanted": N, "ready": N}; NULL engines: there is the own one alone. NULL: out of memory. */
json_t *engines_status(Engines *engines);

#endif
