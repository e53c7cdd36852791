/* SPDX-License-Identifier: Apache-2.0
 *
 * Daemon: the manager's parts put together, from the configuration to the end of the event loop.
 */
#ifndef MANAGER_DAEMON_H
#define MANAGER_DAEMON_H

#include <stdbool.h>

#include "bundles/base/error.h"
#include "manager/config.h"

/* Runs until SIGTERM or SIGINT. Generations of quoted live on. ERROR_CONFLICT if another manager runs with
 * the same state directory. */
bool daemon_run(const Config *config, Error *err) __attribute__((warn_unused_result));

#endif
