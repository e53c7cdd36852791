/* SPDX-License-Identifier: Apache-2.0
 *
 * Faults: every call into the system can fail, and so can the memory; a sweep tries them one by one.
 *
 * The linker sends the calls that faults.c lists (allocations, and the system calls of files, processes and
 * sockets) through here; it counts them while armed. Only calls from our own code are seen, not those that a
 * library makes inside itself. A sweep runs an operation again and again: in run N the Nth call fails, until
 * a run ends without reaching its fault. Every unit test is linked with this; unarmed it does nothing.
 */
#ifndef TESTS_SUPPORT_FAULTS_H
#define TESTS_SUPPORT_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/error.h"

typedef enum FaultMode {
    FAULT_FAIL,      /* the call fails: out of memory, disk full, I/O error … */
    FAULT_INTERRUPT, /* a call that signals can interrupt fails once with EINTR, or reads or writes less */
    FAULT_CRASH      /* the process ends at once, before the call */
} FaultMode;

enum { FAULT_CRASH_STATUS = 99, FAULT_POINTS_MAX = 20000 };

/* From here on the nth call that the mode concerns (counted from 1) is hit. */
void faults_arm(FaultMode mode, uint64_t nth);
/* The same for the nth call of one function ("fsync"), which fails. */
void faults_arm_call(const char *call, uint64_t nth);
/* Back to normal; true if the fault was reached. */
bool faults_disarm(void);

typedef enum FaultOutcome {
    FAULT_SUCCEEDED, /* run said true: perhaps the failed call did not matter */
    FAULT_FAILED,    /* run said false, with an error set */
    FAULT_CRASHED    /* the process that ran it is gone */
} FaultOutcome;

typedef struct FaultSweep {
    void *context;
    const char *const *calls;                   /* only these, NULL-terminated; NULL: every call */
    void (*prepare)(void *context);             /* the state before; may be NULL */
    bool (*run)(void *context, Error *err);     /* the operation; must not assert */
    void (*check)(void *context, FaultOutcome); /* asserts that the state is the old or the new one, that
                                                   it is the new one after a success, and cleans up */
} FaultSweep;

/* Each asserts by itself that the last, undisturbed run succeeds, that a failure sets an error, and that no
 * descriptor is left open (memory: run under the preset asan). faults_sweep_interrupts asserts that every run
 * succeeds. faults_sweep_crashes runs the operation in a child. */
void faults_sweep_failures(const FaultSweep *sweep);
void faults_sweep_interrupts(const FaultSweep *sweep);
void faults_sweep_crashes(const FaultSweep *sweep);
/* All three. */
void faults_sweep(const FaultSweep *sweep);

/* Descriptors that this process has open. */
size_t faults_count_fds(void);

#endif
