/* SPDX-License-Identifier: Apache-2.0
 *
 * Cleanup: one visible owner for memory and descriptors. A variable marked here releases what it owns when
 * its scope ends; TAKE and TAKE_FD give the ownership away. Everything unmarked borrows.
 */
#ifndef BUNDLES_BASE_CLEANUP_H
#define BUNDLES_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

/* CLEANUP(fn): fn gets a pointer to the variable when the scope ends. */
#define CLEANUP(function) __attribute__((cleanup(function)))
#define AUTO_FREE CLEANUP(cleanup_free)
#define AUTO_CLOSE CLEANUP(cleanup_close)

/* CLEANUP_DEFINE(Type, type_free) defines `type_freep(Type **)` for use with CLEANUP(type_freep). */
#define CLEANUP_DEFINE(type, free_function)                                                                  \
    static inline void free_function##p(type **owned) {                                                      \
        free_function(*owned);                                                                               \
    }

/* The pointer's value; the variable becomes NULL. */
#define TAKE(pointer)                                                                                        \
    __extension__({                                                                                          \
        __typeof__(pointer) taken_ = (pointer);                                                              \
        (pointer) = NULL;                                                                                    \
        taken_;                                                                                              \
    })

/* The descriptor's value; the variable becomes -1. */
#define TAKE_FD(fd)                                                                                          \
    __extension__({                                                                                          \
        int taken_ = (fd);                                                                                   \
        (fd) = -1;                                                                                           \
        taken_;                                                                                              \
    })

static inline void cleanup_free(void *owned) {
    free(*(void **)owned);
}

static inline void cleanup_close(int *fd) {
    if (*fd >= 0) {
        (void)close(*fd);
    }
}

#endif
