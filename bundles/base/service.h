/* SPDX-License-Identifier: Apache-2.0
 *
 * Service: what a service manager is told and what it passed, after sd_notify(3) and sd_listen_fds(3).
 *
 * Those two protocols are frozen and take a few lines. libsystemd, which has them too, brings six more
 * libraries into the process, whose loading would be a fifth of a generation's start.
 */
#ifndef BUNDLES_BASE_SERVICE_H
#define BUNDLES_BASE_SERVICE_H

#include <stdbool.h>

/* Sends a state ("READY=1") where somebody wants to know it; else, and on failure, nothing happens. */
void service_notify(const char *state);

/* How many descriptors were passed to this very process, from SERVICE_FDS_START on. */
enum { SERVICE_FDS_START = 3 };
int service_passed_fds(void);

#endif
