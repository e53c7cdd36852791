/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/families.h"

/* In the order in which they are told: from the processor up. */
/* clang-format off */
const CheckFamily *const check_families[] = {
    &family_cpu,
    &family_driver,
    &family_epc,
    &family_bundle,
    &family_libraries,
    &family_load,
    &family_quote,
    &family_collateral,
    &family_upgrade,
    &family_socket,
    &family_provider,
    &family_node,
};
/* clang-format on */
const size_t check_families_count = sizeof check_families / sizeof check_families[0];
