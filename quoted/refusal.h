/* SPDX-License-Identifier: Apache-2.0
 *
 * Refusal: what a code of the quote library usually means on a node, for those who have to mend it
 * (docs/hardware.md has the same as a table).
 */
#ifndef QUOTED_REFUSAL_H
#define QUOTED_REFUSAL_H

#include "bundles/sgx/quote_library.h"

/* ": …" to stand behind the code, or "" if there is nothing to say. */
const char *refusal_hint(Quote3Error code);

#endif
