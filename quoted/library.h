/* SPDX-License-Identifier: Apache-2.0
 *
 * Library: the shared objects of one bundle, loaded into this process out of the bundle's directory alone.
 *
 * Intel's have no search path and name each other by soname, so the dynamic loader would complete them with
 * whatever the host has. Therefore each is opened by its path, and only after those of the bundle that it
 * names: these the loader then finds by their soname before it looks anywhere. Invariant of a success: no
 * object in the process has the soname of one of the bundle's and comes from elsewhere. Nothing is unloaded.
 */
#ifndef QUOTED_LIBRARY_H
#define QUOTED_LIBRARY_H

#include <stdbool.h>

#include "bundles/base/error.h"
#include "bundles/manifest.h"

typedef struct Libraries {
    void *quote; /* libsgx_dcap_ql.so.1 */
    void *logic; /* libsgx_qe3_logic.so; NULL: the bundle has none */
} Libraries;

/* Loads what drives the enclaves, and the bundle's certificate provider, or with `host_provider` the one
 * that the host has. What nobody needs may fail to load. */
bool libraries_load(const char *directory, const Manifest *manifest, bool host_provider,
                    Libraries *ret_libraries, Error *err) __attribute__((warn_unused_result));

/* The bundle's provider library proper, not what it needs itself; NULL if it has none. */
const ManifestFile *libraries_find_provider(const Manifest *manifest);

#endif
