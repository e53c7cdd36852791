/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/families.h"

/* In the order in which they are told: from the processor up. */
const CheckFamily *const check_families[] = {&family_cpu, &family_load};
const size_t check_families_count = sizeof check_families / sizeof check_families[0];
