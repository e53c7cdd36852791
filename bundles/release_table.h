/* SPDX-License-Identifier: Apache-2.0
 *
 * ReleaseTable: the bytes of config/trust/releases.yaml, made part of the program. For release.c only.
 */
#ifndef BUNDLES_RELEASE_TABLE_H
#define BUNDLES_RELEASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

extern const uint8_t release_table_yaml[];
extern const size_t release_table_yaml_size;

#endif
