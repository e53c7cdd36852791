/* SPDX-License-Identifier: Apache-2.0
 *
 * Daemon: the manager's parts put together, from the configuration to the end of the event loop.
 */
#ifndef MANAGER_DAEMON_H
#define MANAGER_DAEMON_H

#include <stdbool.h>

#include "bundles/base/error.h"
#include "manager/config.h"

/* Is there what a start needs besides the configuration, the program quoted? Opens and makes nothing. */
bool daemon_check(const Config *config, Error *err) __attribute__((warn_unused_result));

/* Runs until SIGTERM or SIGINT. Generations of quoted live on. ERROR_CONFLICT if another manager runs with
 * the same state directory. */
bool daemon_run(const Config *config, Error *err) __attribute__((warn_unused_result));

#endif
