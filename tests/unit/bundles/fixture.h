/* SPDX-License-Identifier: Apache-2.0
 *
 * Fixture: a small bundle to test with: five files in src/ of a place and the bundle x.pswb made from them.
 */
#ifndef TESTS_UNIT_BUNDLES_FIXTURE_H
#define TESTS_UNIT_BUNDLES_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/bundle.h"
#include "bundles/recipe.h"
#include "tests/support/place.h"

#define FIXTURE_HEAD(version)                                                                                \
    "format: 1\nname: psw\nversion: \"" version "\"\nvendor: Tests\ndescription: A bundle to test with\n"
#define FIXTURE_FILES                                                                                        \
    "files:\n"                                                                                               \
    "  - {path: lib/libsgx_dcap_ql.so.1, role: quote_library, mode: \"0755\"}\n"                             \
    "  - {path: lib/qe3.signed.so, role: qe3}\n"                                                             \
    "  - {path: lib/id_enclave.signed.so, role: id_enclave}\n"                                               \
    "  - {path: lib/pce.signed.so, role: pce}\n"                                                             \
    "  - {path: data/notes, role: data}\n"

CLEANUP_DEFINE(Manifest, manifest_free)
CLEANUP_DEFINE(Bundle, bundle_close)

static inline void fixture_put_files(const Place *place) {
    assert_int_equal(mkdirat(place->fd, "src", 0755), 0);
    assert_int_equal(mkdirat(place->fd, "src/lib", 0755), 0);
    assert_int_equal(mkdirat(place->fd, "src/data", 0755), 0);
    place_put(place, "src/lib/libsgx_dcap_ql.so.1", "a quote library");
    place_put(place, "src/lib/qe3.signed.so", "a quoting enclave");
    place_put(place, "src/lib/id_enclave.signed.so", "an id enclave");
    place_put(place, "src/lib/pce.signed.so", "a provisioning enclave");
    place_put(place, "src/data/notes", "");
}

/* src/bundle.yaml and the file `name` made by it. */
static inline void fixture_make(const Place *place, const char *recipe, const char *name) {
    Error err = ERROR_INIT;
    place_put(place, "src/" RECIPE_NAME, recipe);
    AUTO_CLOSE int dir_fd = file_open_directory(place->fd, "src", &err);
    CLEANUP(manifest_freep) Manifest *manifest = recipe_load(dir_fd, &err);
    AUTO_CLOSE int fd = file_open(place->fd, name, O_RDWR | O_CREAT | O_TRUNC, 0644, &err);
    if (manifest == NULL || !bundle_make(dir_fd, manifest, fd, name, &err)) {
        fail_msg("%s", err.text);
    }
}

static inline int fixture_setup(void **state) {
    (void)place_setup(state);
    fixture_put_files(*state);
    fixture_make(*state, FIXTURE_HEAD("1.2") FIXTURE_FILES, "x.pswb");
    return 0;
}

/* The bytes of a file in the place. */
static inline void fixture_read(const Place *place, const char *name, Buffer *buffer) {
    Error err = ERROR_INIT;
    buffer_clear(buffer);
    if (!file_read(place->fd, name, buffer, &err)) {
        fail_msg("%s", err.text);
    }
}

static inline int fixture_open(const Place *place, const char *name) {
    Error err = ERROR_INIT;
    int fd = file_open(place->fd, name, O_RDONLY, 0, &err);
    if (fd < 0) {
        fail_msg("%s", err.text);
    }
    return fd;
}

/* Opens and reads the bundle; into a directory of the place, NULL: only verifies. */
static inline bool fixture_try(const Place *place, const char *name, const char *into, Error *err) {
    AUTO_CLOSE int fd = fixture_open(place, name);
    AUTO_CLOSE int into_fd = into != NULL ? file_open_directory(place->fd, into, err) : -1;
    CLEANUP(bundle_closep) Bundle *bundle = bundle_open(fd, name, err);
    BundleReading reading = {.into_fd = into_fd};
    return bundle != NULL && bundle_read(bundle, &reading, err);
}

#endif
