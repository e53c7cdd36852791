/* SPDX-License-Identifier: Apache-2.0
 *
 * Foreign unit: the systemd unit of another daemon, which could start it again over our socket.
 */
#ifndef MANAGER_FOREIGN_UNIT_H
#define MANAGER_FOREIGN_UNIT_H

#include "manager/foreign.h"

/* ERROR_CONFLICT: its systemd unit would start it again, and how to prevent that. Nothing to say of a process
 * outside of any unit, or in ours. */
bool foreign_unit_check(ForeignId id, Error *err) __attribute__((warn_unused_result));

/* The service unit in the text of a /proc/PID/cgroup; false: there is none. For tests. */
bool foreign_unit_parse(const char *cgroup, char *ret_unit, size_t size);

#endif
