/* SPDX-License-Identifier: Apache-2.0
 *
 * Driver access: checks of who may use the driver's nodes, by modes, groups, mounts and device policies.
 */
#ifndef MANAGER_CHECKS_DRIVER_ACCESS_H
#define MANAGER_CHECKS_DRIVER_ACCESS_H

#include "manager/checks/check.h"

void driver_access_enclave(const CheckSubject *subject, CheckResult *result);
void driver_access_provision(const CheckSubject *subject, CheckResult *result);
void driver_access_provision_open(const CheckSubject *subject, CheckResult *result);
void driver_access_group(const CheckSubject *subject, CheckResult *result);
void driver_access_group_provision(const CheckSubject *subject, CheckResult *result);
void driver_access_noexec(const CheckSubject *subject, CheckResult *result);
void driver_access_open(const CheckSubject *subject, CheckResult *result);
void driver_access_device_policy(const CheckSubject *subject, CheckResult *result);

#endif
