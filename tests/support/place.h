/* SPDX-License-Identifier: Apache-2.0
 *
 * Place: a temporary directory for one test. cmocka_unit_test_setup_teardown(test, place_setup,
 * place_teardown) gives the test a `const Place *` as its state and removes everything afterwards; the
 * teardown fails if that cannot be done.
 */
#ifndef TESTS_SUPPORT_PLACE_H
#define TESTS_SUPPORT_PLACE_H

#include <stdbool.h>

typedef struct Place {
    char path[64];
    int fd; /* of the directory */
} Place;

int place_setup(void **state);
int place_teardown(void **state);

/* Empties it: the directory is removed and made anew. */
void place_reset(Place *place);

/* A file with this text; and the assertion that a file has this text. Names are relative to the place. */
void place_put(const Place *place, const char *name, const char *text);
void place_expect(const Place *place, const char *name, const char *text);
/* A file that was replaced has the new text; one of which that is not sure has the new or the old. */
void place_expect_replaced(const Place *place, const char *name, const char *before, const char *after,
                           bool surely);

#endif
