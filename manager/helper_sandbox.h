/* SPDX-License-Identifier: Apache-2.0
 *
 * HelperSandbox: what each task of a child may do, and nothing else. One table, by the task's name: its
 * system calls, and which of its arguments name what it may read or change. Workers have files and no
 * network, the courier the network and no files but those by which the C library finds hosts.
 */
#ifndef MANAGER_HELPER_SANDBOX_H
#define MANAGER_HELPER_SANDBOX_H

#include <jansson.h>
#include <stdint.h>

#include "bundles/base/error.h"

/* What outside bytes can make a child use: hostile archives and enclaves ask for more. */
#define HELPER_MEMORY_MAX (UINT64_C(1) << 30)

/* For ever, over this process. `file_size_max` 0: no limit. A system that lacks Landlock or seccomp is no
 * failure here: the manager has told of it at its start. */
bool helper_sandbox_enter(const char *task, const json_t *arguments, uint64_t file_size_max, Error *err)
    __attribute__((warn_unused_result));

#endif
