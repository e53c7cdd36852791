/* SPDX-License-Identifier: Apache-2.0
 *
 * Trouble: which of quoted's answers tell of trouble in its enclaves rather than of a client's mistake.
 */
#ifndef MANAGER_TROUBLE_H
#define MANAGER_TROUBLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

bool trouble_is(uint32_t aesm_code);

/* Sums up "counters.answers" of a status document (docs/protocol.md): all, and those that tell of trouble. */
void trouble_count(const json_t *status, uint64_t *ret_answers, uint64_t *ret_errors);

#endif
