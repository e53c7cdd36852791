/* SPDX-License-Identifier: Apache-2.0
 *
 * Gatekeeper: the manager's gate for bundles: its configuration, carried into the child that stages or
 * verifies.
 */
#ifndef MANAGER_GATEKEEPER_H
#define MANAGER_GATEKEEPER_H

#include <jansson.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "bundles/gate.h"
#include "bundles/store.h"
#include "manager/config.h"

/* Can the trust policies be read? ERROR_CONFIG; for the start, where it is told best. */
bool gatekeeper_check(const Config *config, Error *err) __attribute__((warn_unused_result));

/* For a task's arguments: {"trust", "simulated", "epc_kib", "installed"}; `installed` is the digest of the
 * bundle that serves, "" for none. NULL when out of memory. */
json_t *gatekeeper_arguments(const Config *config, const char *installed);

typedef struct Gatekeeper Gatekeeper;

/* In the child, from those arguments. What serves is looked up in the store; a bundle that is no longer there
 * cannot be compared with. */
Gatekeeper *gatekeeper_open(const json_t *arguments, Store *store, Error *err)
    __attribute__((warn_unused_result));
Gate *gatekeeper_gate(Gatekeeper *keeper); /* for one bundle; borrowed */
void gatekeeper_close(Gatekeeper *keeper);
CLEANUP_DEFINE(Gatekeeper, gatekeeper_close)

#endif
