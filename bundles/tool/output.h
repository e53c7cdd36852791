/* SPDX-License-Identifier: Apache-2.0
 *
 * Output: a large file that a subcommand writes: under its name it is whole or not there. It is written
 * beside its place under a temporary name, ".NAME.tmp-XXXXXX", and takes its name when it is complete and
 * synced; what stood there before stays until then.
 */
#ifndef BUNDLES_TOOL_OUTPUT_H
#define BUNDLES_TOOL_OUTPUT_H

#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"

typedef struct Output Output;

Output *output_open(const char *path, Error *err) __attribute__((warn_unused_result));
int output_fd(const Output *output); /* borrowed */
bool output_commit(Output *output, Error *err) __attribute__((warn_unused_result));
/* Frees; without a commit before it, removes the temporary file. */
void output_close(Output *output);

CLEANUP_DEFINE(Output, output_close)

#endif
