/* SPDX-License-Identifier: Apache-2.0
 *
 * Release: which enclaves their vendor released together, as data.
 *
 * A table is read from YAML; config/trust/releases.yaml is built in and shows the format. QE3, ID enclave and
 * PCE belong together if some release has all three. Invariant of a table: it has at least one release.
 */
#ifndef BUNDLES_RELEASE_H
#define BUNDLES_RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "bundles/manifest.h"

enum { RELEASES_MAX = 256, RELEASE_VERSION_MAX = 80, RELEASE_PSW_MAX = 8, RELEASE_DRIVERS_MAX = 4 };

/* QE3, ID enclave and PCE, in this order, wherever there are three of something. */
enum { RELEASE_ENCLAVES_COUNT = 3 };
extern const ManifestRole release_roles[RELEASE_ENCLAVES_COUNT];

typedef struct ReleaseEnclave {
    uint16_t svn;
    char version[RELEASE_VERSION_MAX + 1]; /* of the file; "" where it is not known */
} ReleaseEnclave;

typedef struct ReleaseDriver {
    char flavour[RELEASE_VERSION_MAX + 1];
    char min_version[RELEASE_VERSION_MAX + 1]; /* "": any */
} ReleaseDriver;

typedef struct Release {
    char version[RELEASE_VERSION_MAX + 1];
    char date[RELEASE_VERSION_MAX + 1];
    char psw[RELEASE_PSW_MAX][RELEASE_VERSION_MAX + 1];
    size_t psw_count;
    ReleaseEnclave enclaves[RELEASE_ENCLAVES_COUNT];
    ReleaseDriver drivers[RELEASE_DRIVERS_MAX];
    size_t drivers_count;
} Release;

typedef struct Releases {
    size_t count;
    Release list[]; /* in the order of the file */
} Releases;

/* The built-in table; NULL only when out of memory. */
Releases *releases_new(Error *err) __attribute__((warn_unused_result));
/* ERROR_CONFIG with line and column, ERROR_LIMIT. `name` is for error texts. */
Releases *releases_parse(Bytes yaml, const char *name, Error *err) __attribute__((warn_unused_result));
Releases *releases_load(int dir_fd, const char *path, Error *err) __attribute__((warn_unused_result));
void releases_free(Releases *releases);
CLEANUP_DEFINE(Releases, releases_free)

/* Three enclaves that are to be one set. */
typedef struct ReleaseSet {
    uint16_t svn[RELEASE_ENCLAVES_COUNT];
    const char *version[RELEASE_ENCLAVES_COUNT]; /* of the files; NULL: not known */
    const char
        *packages; /* version of the packages; only releases with the same first two numbers fit; or NULL */
} ReleaseSet;

typedef enum ReleaseVerdict {
    RELEASE_FITS,  /* *ret_release is the first in the table that has it */
    RELEASE_MIXED, /* parts of different releases */
    RELEASE_NEWER  /* an ISVSVN is above all in the table: it cannot tell */
} ReleaseVerdict;

ReleaseVerdict releases_judge(const Releases *releases, const ReleaseSet *set, const Release **ret_release);

#endif
