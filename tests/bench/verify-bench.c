/* SPDX-License-Identifier: Apache-2.0
 *
 * Verify-bench: how long verifying a quote takes, with collateral at hand and with collateral as it comes.
 * One JSON object on standard output, microseconds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/dcap/quote_file.h"
#include "bundles/dcap/quote_verify.h"
#include "bundles/dcap/root.h"

enum { ROUNDS_MAX = 100000 };

typedef struct Subject {
    const char *quote_path;
    const char *collateral_path;
    const char *root_path; /* NULL: Intel's */
    int64_t time;
    Buffer bytes;
    Quote quote;
    X509 *root;
    Collateral *collateral;
    TrustedCollateral *trusted;
} Subject;

static bool load_collateral(Subject *subject, Error *err) {
    trusted_collateral_free(TAKE(subject->trusted));
    collateral_free(TAKE(subject->collateral));
    subject->collateral = collateral_load(subject->collateral_path, err);
    subject->trusted =
        subject->collateral == NULL ? NULL : trusted_collateral_new(subject->collateral, subject->root, err);
    return subject->trusted != NULL;
}

static bool load(Subject *subject, Error *err) {
    CLEANUP(buffer_done) Buffer root = BUFFER_INIT(64 * 1024);
    if (subject->root_path != NULL && !file_read(AT_FDCWD, subject->root_path, &root, err)) {
        return false;
    }
    subject->root = subject->root_path != NULL ? root_read(buffer_bytes(&root), subject->root_path, err)
                                               : root_intel(err);
    return subject->root != NULL && file_read(AT_FDCWD, subject->quote_path, &subject->bytes, err) &&
           load_collateral(subject, err);
}

static bool verify(Subject *subject, Error *err) {
    QuoteVerdict verdict;
    return quote_parse(buffer_bytes(&subject->bytes), &subject->quote, err) &&
           quote_verify(&subject->quote, subject->trusted, subject->time, &verdict, err) &&
           (verdict.status != TCB_UNKNOWN ||
            error_set(err, ERROR_INPUT, "the collateral gives this quote no status"));
}

static bool load_and_verify(Subject *subject, Error *err) {
    return load_collateral(subject, err) && verify(subject, err);
}

static int compare(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* The median of `rounds` calls. */
static bool measure(Subject *subject, bool (*call)(Subject *, Error *), uint32_t rounds, double *ret_us,
                    Error *err) {
    AUTO_FREE uint64_t *times = calloc(rounds, sizeof *times);
    if (times == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    for (uint32_t round = 0; round < rounds; round++) {
        uint64_t start = clock_monotonic_ns();
        if (!call(subject, err)) {
            return false;
        }
        times[round] = clock_monotonic_ns() - start;
    }
    qsort(times, rounds, sizeof *times, compare);
    uint64_t median = times[rounds / 2];
    *ret_us = (double)median / 1000;
    return true;
}

static void subject_done(Subject *subject) {
    trusted_collateral_free(subject->trusted);
    collateral_free(subject->collateral);
    X509_free(subject->root);
    buffer_done(&subject->bytes);
}

int main(int argc, char **argv) {
    Error err = ERROR_INIT;
    uint32_t rounds = 0;
    double cached_us = 0, whole_us = 0;
    CLEANUP(subject_done) Subject subject = {.bytes = BUFFER_INIT(QUOTE_FILE_MAX), .time = clock_wall_s()};
    if (argc < 4 || argc > 6 || !text_parse_u32(argv[3], 1, ROUNDS_MAX, &rounds) ||
        (argc > 4 && !clock_parse(argv[4], &subject.time))) {
        (void)fputs("usage: verify-bench QUOTE COLLATERAL ROUNDS [TIME [ROOT]]\n", stderr);
        return 2;
    }
    subject.quote_path = argv[1];
    subject.collateral_path = argv[2];
    subject.root_path = argc > 5 ? argv[5] : NULL;
    if (!load(&subject, &err) || !measure(&subject, verify, rounds, &cached_us, &err) ||
        !measure(&subject, load_and_verify, rounds, &whole_us, &err)) {
        (void)fprintf(stderr, "verify-bench: %s\n", err.text);
        return 1;
    }
    (void)printf("{\"cached_us\": %.1f, \"whole_us\": %.1f}\n", cached_us, whole_us);
    return 0;
}
