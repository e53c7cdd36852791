/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of pswctl's subcommands, with what each says about itself.
 */
#ifndef MANAGER_CTL_COMMANDS_H
#define MANAGER_CTL_COMMANDS_H

#include <stddef.h>

#include "manager/ctl/ctl.h"

typedef struct Command {
    const char *name;
    const char *operand; /* what it wants, for people; NULL: nothing */
    const char *options; /* of its own */
    CtlCommandFn run;
    const char *summary;
    const char *help;
} Command;

extern const Command commands[];
extern const size_t commands_count;

#endif
