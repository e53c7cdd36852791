/* SPDX-License-Identifier: Apache-2.0
 *
 * Stub: what each stand-in for one of Intel's libraries does: it tells who calls it and from which file it
 * was loaded, and does what a test wants.
 *
 * The environment's PSW_STUB names a directory. Lines are appended to the file `record` there: "load SONAME
 * PATH", "call SONAME FUNCTION ARGUMENTS". A file of the name of a call (init, size, quote, certificate) says
 * what that call does: "0xe012" (ends with this code), "sleep MILLISECONDS", "wait" (until there is a file
 * `go`), "hang", "crash", "abort", "exit", "overflow", "foreign"; if its name ends in ".once" it is crossed
 * out by the first call ("-"). It is read anew at each call.
 */
#ifndef TESTS_STUB_STUB_H
#define TESTS_STUB_STUB_H

#include <stdint.h>

enum { STUB_OVERFLOW = 1, STUB_FOREIGN = 2 }; /* effects that the call itself has to bring about */

extern const char stub_soname[]; /* defined by each library */

void stub_call(const char *function, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* 0, a code to end with, or one of the effects above. May not return at all. */
uint32_t stub_effect(const char *call);

#endif
