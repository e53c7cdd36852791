/* SPDX-License-Identifier: Apache-2.0
 *
 * Driver device: checks of what stands beneath /dev under the names of the driver's nodes.
 */
#ifndef MANAGER_CHECKS_DRIVER_DEVICE_H
#define MANAGER_CHECKS_DRIVER_DEVICE_H

#include "manager/checks/check.h"

void driver_device_plain_file(const CheckSubject *subject, CheckResult *result);
void driver_device_links(const CheckSubject *subject, CheckResult *result);
void driver_device_registered(const CheckSubject *subject, CheckResult *result);
void driver_device_number(const CheckSubject *subject, CheckResult *result);
void driver_device_other_names(const CheckSubject *subject, CheckResult *result);

#endif
