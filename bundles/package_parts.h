/* SPDX-License-Identifier: Apache-2.0
 *
 * PackageParts: what package.c (what all kinds have in common) and package_rpm.c (headers of RPM) share.
 */
#ifndef BUNDLES_PACKAGE_PARTS_H
#define BUNDLES_PACKAGE_PARTS_H

#include "bundles/package.h"

/* A text that a package says of itself; ERROR_INPUT if it is too long or not printable. */
bool package_take_text(const char *what, const char *text, size_t size, char ret_text[PACKAGE_TEXT_MAX + 1],
                       Error *err) __attribute__((warn_unused_result));

/* Name, version, release and architecture from the headers. */
bool package_rpm_info(int fd, PackageInfo *ret_info, Error *err) __attribute__((warn_unused_result));

#endif
