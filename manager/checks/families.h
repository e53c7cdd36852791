/* SPDX-License-Identifier: Apache-2.0
 *
 * Families: the tables of checks, one a file of this folder. A new family gets a line here and one in
 * table.c.
 */
#ifndef MANAGER_CHECKS_FAMILIES_H
#define MANAGER_CHECKS_FAMILIES_H

#include "manager/checks/check.h"

extern const CheckFamily family_cpu;
extern const CheckFamily family_load;

#define FAMILY(table) (table), sizeof(table) / sizeof(table)[0]

#endif
