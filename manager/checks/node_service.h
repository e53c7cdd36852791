/* SPDX-License-Identifier: Apache-2.0
 *
 * Node service: checks of the manager's systemd unit, where it has one.
 */
#ifndef MANAGER_CHECKS_NODE_SERVICE_H
#define MANAGER_CHECKS_NODE_SERVICE_H

#include "manager/checks/check.h"

void node_service_kill(const CheckSubject *subject, CheckResult *result);
void node_service_user(const CheckSubject *subject, CheckResult *result);
void node_service_devices(const CheckSubject *subject, CheckResult *result);

#endif
