/* SPDX-License-Identifier: Apache-2.0
 *
 * Draft: a directory like a bundle, in the making; it goes with whoever made it.
 */
#ifndef BUNDLES_TOOL_DRAFT_H
#define BUNDLES_TOOL_DRAFT_H

#include "bundles/base/error.h"

typedef struct Draft {
    char path[32];
    int dir_fd;
} Draft;

/* Close it whatever the result; usable with CLEANUP. What cannot be removed is told on standard error. */
bool draft_open(Draft *draft, Error *err) __attribute__((warn_unused_result));
void draft_close(Draft *draft);

#endif
