/* SPDX-License-Identifier: Apache-2.0
 *
 * Glance: whether a file has a section of some name, without reading more of it than its headers.
 *
 * Invariant: at most ELF_SECTIONS_MAX names are looked at, however large the file is and whatever is in it.
 * It decides what is worth reading, nothing else: bundles/sgx/elf is who judges. Layout: System V ABI,
 * chapter 4.
 */
#ifndef BUNDLES_TOOL_GLANCE_H
#define BUNDLES_TOOL_GLANCE_H

#include <stdbool.h>

/* False also for what is no ELF file, or has its sections elsewhere than it says. */
bool glance_has_section(int fd, const char *name);

#endif
