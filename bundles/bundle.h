/* SPDX-License-Identifier: Apache-2.0
 *
 * Bundle: a `.pswb` file (docs/bundle-format.md): the manifest, then exactly the files that it names, in its
 * order. Reading is one pass in bounded memory: what is not in the manifest, is out of order, or has another
 * size, mode or digest ends it. Invariant: bundle_read succeeds only if every byte of the file was vouched
 * for by the manifest and the seal.
 */
#ifndef BUNDLES_BUNDLE_H
#define BUNDLES_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"
#include "bundles/manifest.h"

enum { BUNDLE_RATIO_MAX = 200, BUNDLE_ENCLAVE_SIZE_MAX = 16 * 1024 * 1024 };
/* Below this much unpacked, the ratio of unpacked to packed size does not matter. */
#define BUNDLE_RATIO_FREE_SIZE (UINT64_C(64) * 1024 * 1024)

/* Writes the bundle of manifest->files, read beneath dir_fd, to out_fd, and sets manifest->digest. Sizes and
 * digests have to fit what is read (ERROR_VERIFY). `name` is for error texts. */
bool bundle_make(int dir_fd, Manifest *manifest, int out_fd, const char *name, Error *err)
    __attribute__((warn_unused_result));

typedef struct Bundle Bundle;

/* Reads the manifest; the descriptor stays the caller's and open as long as the bundle. */
Bundle *bundle_open(int fd, const char *name, Error *err) __attribute__((warn_unused_result));
const Manifest *bundle_manifest(const Bundle *bundle); /* borrowed */
void bundle_close(Bundle *bundle);

/* Gets an enclave's file as a whole, its digest compared; false ends the reading with its error. */
typedef bool (*BundleEnclaveFn)(void *context, const ManifestFile *file, Bytes content, Error *err);

typedef struct BundleReading {
    int into_fd; /* directory to unpack into, -1: only verify */
    void *context;
    /* May be NULL. Told bytes of the bundle file read, and its size. */
    void (*progress)(void *context, uint64_t done, uint64_t total);
    /* May be NULL. For each file of role qe3, id_enclave and pce; at most BUNDLE_ENCLAVE_SIZE_MAX bytes. */
    BundleEnclaveFn enclave;
} BundleReading;

/* Once, after bundle_open. With into_fd, files and directories are synced when it succeeds; on failure the
 * caller removes what is there. */
bool bundle_read(Bundle *bundle, const BundleReading *reading, Error *err)
    __attribute__((warn_unused_result));

/* An unpacked bundle: reads every file beneath dir_fd again and compares it with the manifest; no other file
 * may be there. ERROR_VERIFY names the first that differs. `enclave` may be NULL. */
bool bundle_check_directory(int dir_fd, const Manifest *manifest, BundleEnclaveFn enclave, void *context,
                            Error *err) __attribute__((warn_unused_result));

#endif
