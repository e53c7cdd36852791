/* SPDX-License-Identifier: Apache-2.0
 *
 * BundleRules: what holds for making, reading and unpacked bundles alike. For bundle*.c only.
 */
#ifndef BUNDLES_BUNDLE_RULES_H
#define BUNDLES_BUNDLE_RULES_H

#include "bundles/base/digest.h"
#include "bundles/bundle.h"

/* The limits of bundle.h, for a bundle file of that size: ERROR_LIMIT. */
bool bundle_check_limits(const Manifest *manifest, uint64_t packed_size, Error *err)
    __attribute__((warn_unused_result));

/* Ends the stream, which has seen the file's contents: ERROR_VERIFY if they are not the manifest's. */
bool bundle_check_digest(DigestStream *stream, const ManifestFile *file, Error *err)
    __attribute__((warn_unused_result));

#endif
