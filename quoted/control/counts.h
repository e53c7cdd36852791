/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts: what a generation counts, as it tells the manager (CONTROL_COUNTS) and as the manager shows it.
 *
 * The document is {"psw_requests_total": {"quote,0": 17, …}, …}: families of this table, in them series as
 * metrics_family_json takes them; what is 0 may be left out. Every number only grows while the generation
 * lives, so that those of several generations, living and gone, can be added up. docs/metrics.md has them
 * all.
 */
#ifndef QUOTED_CONTROL_COUNTS_H
#define QUOTED_CONTROL_COUNTS_H

#include "bundles/base/metrics.h"

typedef enum CountsFamily {
    COUNTS_REQUESTS,
    COUNTS_REQUEST_DURATION,
    COUNTS_QUEUE_WAIT,
    COUNTS_ENGINE_CALLS,
    COUNTS_ENGINE_DURATION,
    COUNTS_CONNECTIONS,
    COUNTS_CONNECTIONS_ADOPTED,
    COUNTS_CONNECTIONS_LOST,
    COUNTS_BUSY,
    COUNTS_LAME_DUCK_ANSWERS,
    COUNTS_RELAYED,
    COUNTS_FAMILIES_COUNT
} CountsFamily;

extern const MetricsFamily counts_families[COUNTS_FAMILIES_COUNT];

#endif
