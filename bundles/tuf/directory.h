/* SPDX-License-Identifier: Apache-2.0
 *
 * Directory: a fetcher over a repository in a local directory, for nodes without a network and for the
 * publisher's own checks. It never leaves the directories it was given.
 */
#ifndef BUNDLES_TUF_DIRECTORY_H
#define BUNDLES_TUF_DIRECTORY_H

#include "bundles/tuf/fetcher.h"

typedef struct TufDirectory {
    int metadata_fd; /* borrowed */
    int targets_fd;  /* borrowed; -1: no targets are asked for */
} TufDirectory;

/* The directory must outlive the fetcher. */
TufFetcher tuf_directory_fetcher(TufDirectory *directory);

#endif
