/* SPDX-License-Identifier: Apache-2.0
 *
 * SandboxParts: between the sources of bundles/base/sandbox. Each part says by an errno what the system
 * refuses to give; 0 is success.
 */
#ifndef BUNDLES_BASE_SANDBOX_PARTS_H
#define BUNDLES_BASE_SANDBOX_PARTS_H

#include "bundles/base/sandbox.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_RELAXED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_RELAXED 1
#endif
#endif
#ifndef SANDBOX_RELAXED
#define SANDBOX_RELAXED 0
#endif

/* 0: the kernel has none, `errno` says why. */
int sandbox_files_abi(void);

/* The oldest Landlock that is of use: without its second edition, no file can be moved between directories.
 */
enum { SANDBOX_FILES_ABI_MIN = 2 };

/* Opens the places and makes the rules, while that is still allowed; -1 with the error set, or -1 and no
 * error if the kernel has no Landlock. */
int sandbox_files_prepare(const Sandbox *profile, int abi, Error *err);
int sandbox_files_apply(int ruleset);

/* Whether this process may filter its calls. */
int sandbox_calls_probe(void);
/* ENOTRECOVERABLE with the error set: it is not the system's fault. */
int sandbox_calls_apply(unsigned calls, Error *err);

#endif
