/* SPDX-License-Identifier: Apache-2.0
 *
 * Description: what a bundle and what an enclave is, for people and for programs.
 */
#ifndef BUNDLES_TOOL_DESCRIPTION_H
#define BUNDLES_TOOL_DESCRIPTION_H

#include "bundles/base/json.h"
#include "bundles/manifest.h"
#include "bundles/sgx/enclave.h"

/* On standard output; file_size is that of the bundle file. */
void description_print_bundle(const Manifest *manifest, uint64_t file_size);
void description_print_enclave(const EnclaveReport *report, const char *path);

/* The document of `psw-bundle verify --json` (docs/bundle-format.md); NULL when out of memory. */
json_t *description_bundle_json(const Manifest *manifest, uint64_t file_size);

#endif
