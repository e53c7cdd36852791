/* SPDX-License-Identifier: Apache-2.0
 *
 * Courier: the child with the network, and how the child beside it asks it for files.
 *
 * The courier carries bytes and understands none of them: it has connections and no file, its neighbour has
 * files and no connection. Whoever takes the courier over is therefore no more than a hostile mirror, which
 * the neighbour does not trust anyway. They talk over a SOCK_SEQPACKET pair, one request at a time:
 *   'Q' request (JSON) -> any number of { 'H' head (JSON), 'D' bytes ... }, then 'E' end (JSON) or
 *   'F' failure (JSON); the asking side may send 'C' to have the answer cut short.
 * A head says at which offset the bytes behind it belong; one that comes again starts over from there.
 */
#ifndef MANAGER_COURIER_H
#define MANAGER_COURIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/error.h"

enum {
    COURIER_MESSAGE_MAX = 96 * 1024,
    COURIER_PIECE_MAX = 64 * 1024,
    COURIER_VALIDATOR_MAX = 256,
    COURIER_PATH_MAX = 4096,
    COURIER_CHAIN_MAX = 8192
};

/* What a server said by which it will know a version of a file again; "" where it said nothing. */
typedef struct CourierValidator {
    char etag[COURIER_VALIDATOR_MAX];
    char modified[COURIER_VALIDATOR_MAX];
} CourierValidator;

typedef struct CourierRequest {
    const char *path;  /* put behind the mirror's URL */
    unsigned mirror;   /* which to ask first; the others follow */
    uint64_t offset;   /* bytes at hand: the rest is asked for, with the validator's ETag if it has one */
    uint64_t size;     /* of the whole file; 0: not known. Known: a rest is good from any mirror */
    uint64_t size_max; /* of the whole file */
    bool conditional;  /* UNCHANGED is a legal answer if the validator fits */
    bool optional;     /* one mirror that does not have it is enough for ABSENT */
    CourierValidator validator;
} CourierRequest;

typedef struct CourierHead {
    uint64_t offset; /* where the next bytes belong: 0 or what was asked for or reached */
    uint64_t total;  /* size of the whole file as the server says; 0: not known */
    CourierValidator validator;
    const char
        *issuer_chain; /* a header "...-Issuer-Chain" as it came; "" if there was none; for begin only */
} CourierHead;

/* Either may refuse: the fetch then fails with its error. */
typedef struct CourierSink {
    bool (*begin)(void *context, const CourierHead *head, Error *err);
    bool (*data)(void *context, const void *data, size_t size, Error *err);
    void *context;
} CourierSink;

typedef enum CourierOutcome { COURIER_ALL, COURIER_ABSENT, COURIER_UNCHANGED } CourierOutcome;

typedef struct CourierEnd {
    CourierOutcome outcome;
    unsigned mirror; /* that gave the answer */
    unsigned status; /* HTTP */
    CourierValidator validator;
} CourierEnd;

/* `socket` is the neighbour's end. Every byte that arrives is checked for form; a courier that breaks the
 * rules is a failed transfer. */
bool courier_fetch(int socket, const CourierRequest *request, const CourierSink *sink, CourierEnd *ret_end,
                   Error *err) __attribute__((warn_unused_result));

#endif
