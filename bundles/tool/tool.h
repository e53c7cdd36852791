/* SPDX-License-Identifier: Apache-2.0
 *
 * Tool: what the subcommands of psw-bundle share. A subcommand is a function tool_NAME in its own file with
 * its own options; argv[0] is the subcommand's name and the result the exit status: 0, 2 for a wrong command
 * line, else that of the error's kind (docs/operating.md). Results go to standard output, messages to
 * standard error as "psw-bundle: ...".
 */
#ifndef BUNDLES_TOOL_TOOL_H
#define BUNDLES_TOOL_TOOL_H

#include "bundles/base/error.h"

int tool_make(int argc, char **argv);
int tool_diff(int argc, char **argv);
int tool_import(int argc, char **argv);
int tool_inspect(int argc, char **argv);
int tool_verify(int argc, char **argv);
int tool_unpack(int argc, char **argv);
int tool_repo(int argc, char **argv);
int tool_sim_platform(int argc, char **argv);
int tool_sim(int argc, char **argv);
int tool_sim_report(int argc, char **argv);

/* Prints the error and gives its exit status. */
int tool_fail(const Error *err);

/* Prints "psw-bundle: COMMAND: …" and where to read more; gives the exit status of a wrong command line. */
int tool_misuse(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for what getopt_long refused with '?' or ':'; opterr has to be 0. */
int tool_misuse_option(char **argv, int refusal);

/* Prints the text of --help and gives 0, or the failure to print it. */
int tool_help(const char *text);

/* Writes out what was printed; the exit status. A disk that is full behind `>` is a failure, too. */
int tool_finish(void);

#endif
