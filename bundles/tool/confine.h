/* SPDX-License-Identifier: Apache-2.0
 *
 * Confine: commands that look at foreign bytes do so in a sandbox. Who only reads goes into it itself; who
 * writes lets a child do the reading, which can write into one directory and nowhere else. Neither has the
 * network, starts a program, or takes more than 1 GiB. Where the system lacks Landlock or seccomp, the
 * command goes on with what there is.
 */
#ifndef BUNDLES_TOOL_CONFINE_H
#define BUNDLES_TOOL_CONFINE_H

#include "bundles/base/error.h"

/* This process, for the rest of its life: it reads any file and writes none. */
bool confine_reading(Error *err) __attribute__((warn_unused_result));

/* Does the work in a child that has what is open now and the directory `dir_fd`. What the work prints goes to
 * the same standard output; what it writes into `said` comes back. Its failure is the caller's, and so is its
 * sudden end. */
enum { CONFINE_SAID_SIZE = 512 };
typedef bool (*ConfineWorkFn)(void *context, char said[CONFINE_SAID_SIZE], Error *err);
bool confine_work(int dir_fd, ConfineWorkFn work, void *context, char ret_said[CONFINE_SAID_SIZE], Error *err)
    __attribute__((warn_unused_result));

#endif
