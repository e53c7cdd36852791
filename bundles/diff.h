/* SPDX-License-Identifier: Apache-2.0
 *
 * Diff: what an update changes: from one bundle to another, by what their manifests say.
 *
 * One document serves people and programs: it is made on one side of the manager's socket and put into words
 * on the other. Only what differs is in it, but every enclave is.
 */
#ifndef BUNDLES_DIFF_H
#define BUNDLES_DIFF_H

#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/buffer.h"
#include "bundles/base/json.h"
#include "bundles/manifest.h"
#include "bundles/release.h"

typedef struct DiffSide {
    const Manifest *manifest;
    uint64_t epc_kib[RELEASE_ENCLAVES_COUNT]; /* of each enclave, by release_roles; 0: not known */
} DiffSide;

/* docs/enclaves.md lists the members. NULL when out of memory. */
json_t *diff_json(const DiffSide *from, const DiffSide *to);

/* The same in words, a line for each thing. False if the buffer is full. */
bool diff_format(const json_t *diff, Buffer *text) __attribute__((warn_unused_result));

#endif
