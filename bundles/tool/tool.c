/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tool/tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"

int tool_fail(const Error *err) {
    AUTO_FREE char *shown = text_show(err->text); /* it may name a file that somebody else named */
    (void)fprintf(stderr, "psw-bundle: %s\n", shown != NULL ? shown : "out of memory");
    return error_kind_exit_status(err->kind);
}

int tool_misuse(const char *command, const char *format, ...) {
    va_list args;
    (void)fprintf(stderr, "psw-bundle: %s: ", command);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, " (see: psw-bundle %s --help)\n", command);
    return error_kind_exit_status(ERROR_USAGE);
}

int tool_misuse_option(char **argv, int refusal) {
    const char *what = refusal == ':' ? "needs a value" : "is not known or not used like this";
    /* A short option may stand in the middle of an argument, a long one is the whole of the last. */
    if (optopt > 0x20 && optopt < 0x7f) {
        return tool_misuse(argv[0], "option -%c %s", optopt, what);
    }
    return tool_misuse(argv[0], "option %s %s", argv[optind - 1], what);
}

int tool_help(const char *text) {
    (void)fputs(text, stdout);
    return tool_finish();
}

int tool_finish(void) {
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return 0;
    }
    Error err = ERROR_INIT;
    error_set_errno(&err, errno, "cannot write to standard output");
    return tool_fail(&err);
}
