/* SPDX-License-Identifier: Apache-2.0
 *
 * Version: dotted numbers, "1.23.100.0". One to 8 parts of at most 9 digits, no leading zeros. Compared part
 * by part as numbers; a missing part counts as 0, so 1.23 and 1.23.0 are equal and 1.9 < 1.10.
 */
#ifndef BUNDLES_VERSION_H
#define BUNDLES_VERSION_H

#include <stdbool.h>

bool version_is_valid(const char *text);
int version_compare(const char *a, const char *b); /* both valid; <0, 0, >0 */

#endif
