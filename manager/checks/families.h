/* SPDX-License-Identifier: Apache-2.0
 *
 * Families: the tables of checks, one a file of this folder. A new family gets a line here and one in
 * table.c.
 */
#ifndef MANAGER_CHECKS_FAMILIES_H
#define MANAGER_CHECKS_FAMILIES_H

#include "manager/checks/check.h"

extern const CheckFamily family_bundle;
extern const CheckFamily family_collateral;
extern const CheckFamily family_cpu;
extern const CheckFamily family_driver;
extern const CheckFamily family_epc;
extern const CheckFamily family_libraries;
extern const CheckFamily family_load;
extern const CheckFamily family_node;
extern const CheckFamily family_provider;
extern const CheckFamily family_quote;
extern const CheckFamily family_socket;
extern const CheckFamily family_upgrade;

#define FAMILY(table) (table), sizeof(table) / sizeof(table)[0]

#endif
