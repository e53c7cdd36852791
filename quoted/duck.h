/* SPDX-License-Identifier: Apache-2.0
 *
 * Duck: the former generations that are asked when the serving QE refuses a report.
 *
 * A report does not name its QE, so the lame ducks are tried, newest first; only the one that the report was
 * made for accepts it. Connections to their control sockets are kept and reused; each carries one question at
 * a time. Thread-safe; the set is replaced as a whole and never changes under a caller.
 */
#ifndef QUOTED_DUCK_H
#define QUOTED_DUCK_H

#include <jansson.h>

#include "bundles/base/error.h"
#include "bundles/sgx/quote_library.h"

enum { DUCKS_MAX = 16, DUCK_CONNECTIONS_MAX = 64 };

typedef struct Ducks Ducks;

Ducks *ducks_new(void);
void ducks_free(Ducks *ducks);

/* From the arguments of CONTROL_ACCEPT, RESUME and DUCKS: {"ducks": [{"generation": N, "control": PATH,
 * "away": bool}], "reinit": bool, "recall": bool}. A duck that cannot be reached is asked all the same when
 * it is needed;
 * `*ret_unreachable` counts it. */
bool ducks_set(Ducks *ducks, const json_t *arguments, unsigned *ret_unreachable, Error *err)
    __attribute__((warn_unused_result));

bool ducks_are_there(Ducks *ducks);
/* There are generations that are gone and that the manager may start again for who needs them. */
bool ducks_may_be_recalled(Ducks *ducks);
/* Another number whenever the set was replaced. */
uint64_t ducks_version_of(Ducks *ducks);
/* The largest quote that one of them makes; 0 if there are none. */
uint32_t ducks_quote_size(Ducks *ducks);
/* Reports for QEs that are gone are out there: answer that the key has to be asked for anew. */
bool ducks_reinit(Ducks *ducks);

typedef struct DuckMaker {
    uint32_t generation;
    uint8_t qe[SGX_HASH_SIZE]; /* MRENCLAVE */
    bool away; /* nobody made it, but one could not be asked, or not yet: it may be worth asking again */
} DuckMaker;

/* Asks one after the other but those whose QE has our MRENCLAVE, which know no better. The last code if none
 * makes the quote: QUOTE3_INVALID_REPORT if the report is nobody's. `size` is what `quote` has room for,
 * *ret_size what was made, *ret_maker by whom. */
Quote3Error ducks_quote(Ducks *ducks, const uint8_t own_qe[SGX_HASH_SIZE], const SgxReport *report,
                        SgxQeReportInfo *info, uint8_t *quote, uint32_t size, uint32_t *ret_size,
                        DuckMaker *ret_maker);

#endif
