/* SPDX-License-Identifier: Apache-2.0
 *
 * BundleLoading: loads a bundle's libraries into the calling process, in the order of their needs and each by
 * its path, and looks for the functions that quoted calls. For a child only: what is loaded stays.
 */
#ifndef MANAGER_CHECKS_BUNDLE_LOADING_H
#define MANAGER_CHECKS_BUNDLE_LOADING_H

#include <stdbool.h>

#include "bundles/manifest.h"

typedef struct BundleLoading {
    const Manifest *manifest;
    const char *directory;
} BundleLoading;

/* The functions without which quoted cannot use a quote library; ends in NULL. */
extern const char *const bundle_loading_functions[];

/* A ChildFn. */
bool bundle_loading_try(void *context, char *text);

#endif
