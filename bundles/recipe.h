/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipe: what an author writes to make a bundle: DIR/bundle.yaml, a manifest without sizes and digests.
 * The modes may be left out too (0644), and so may isvsvn and mrenclave of an enclave, which are taken from
 * its SIGSTRUCT. docs/bundle-format.md shows one.
 */
#ifndef BUNDLES_RECIPE_H
#define BUNDLES_RECIPE_H

#include "bundles/manifest.h"

#define RECIPE_NAME "bundle.yaml"

/* Reads it beneath dir_fd and measures the files that it names: size, digest and, of enclaves, the identity.
 * ERROR_VERIFY if a stated identity is another. The caller frees. */
Manifest *recipe_load(int dir_fd, Error *err) __attribute__((warn_unused_result));

#endif
