/* SPDX-License-Identifier: Apache-2.0
 *
 * Engine: a bundle's quote library, loaded into this process and called by Intel's published ABI.
 *
 * One process loads one bundle, because the library keeps process-wide state. Calls are thread-safe; the
 * library serialises them itself. The library is never unloaded. Results are quote3 codes; an Error is only
 * for what keeps the engine from starting.
 */
#ifndef QUOTED_ENGINE_H
#define QUOTED_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/error.h"
#include "bundles/manifest.h"
#include "bundles/sgx/quote_library.h"

/* So many bytes behind a quote's buffer are the caller's for us to see whether the library wrote too far. */
enum { ENGINE_PUB_KEY_ID_SIZE = 32, ENGINE_GUARD_SIZE = 16 };

/* What is the same for every client as long as the attestation key and its certificate are. */
typedef struct EngineFacts {
    SgxTargetInfo target_info;
    uint8_t pub_key_id[ENGINE_PUB_KEY_ID_SIZE];
    uint32_t quote_size;
} EngineFacts;

typedef struct Engine Engine;

typedef struct EngineSpec {
    const char *directory; /* of the unpacked bundle */
    const Manifest *manifest;
    bool host_provider; /* certificates by the host's provider library instead of the bundle's */
} EngineSpec;

/* Loads the libraries that the manifest names beneath the directory and points them to its enclaves. */
Engine *engine_open(const EngineSpec *spec, Error *err) __attribute__((warn_unused_result));

/* Loads the enclaves, makes or restores the attestation key, and asks for what follows from it. */
bool engine_init(Engine *engine, Error *err) __attribute__((warn_unused_result));

/* After engine_init. */
void engine_facts(Engine *engine, EngineFacts *ret_facts);

/* The process is about to end as it should. Until then exit() is taken for the library's doing, and ends it
 * at once with a line in the log. */
void engine_close(Engine *engine);

/* For how many milliseconds the longest call for a quote is in the library; 0: there is none. */
uint64_t engine_busy_ms(Engine *engine);

/* Takes a quote of `size` bytes, which is engine_facts' quote_size, into a buffer with ENGINE_GUARD_SIZE
 * bytes behind. `info` may be NULL, else it is filled in. If the key has to be certified again (E00F) or the
 * enclave was lost (E014), the engine is made ready anew once and asked again. The quote size may have
 * changed then: QUOTE3_ERROR_INVALID_PARAMETER says that `size` does not fit any more. A library that
 * writes further than it was told, or quotes another report, ends the process. */
Quote3Error engine_quote(Engine *engine, const SgxReport *report, SgxQeReportInfo *info, uint8_t *quote,
                         uint32_t size);

/* An application report for this QE; QUOTE3_INTERFACE_UNAVAILABLE if the library cannot make one. */
Quote3Error engine_trial_report(Engine *engine, const SgxTargetInfo *target,
                                const uint8_t report_data[SGX_REPORT_DATA_SIZE], SgxReport *ret_report);

/* Gives the enclaves' EPC back until the next call, which loads them again: for a lame duck that nobody asks.
 */
void engine_rest(Engine *engine);

#endif
