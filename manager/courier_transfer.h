/* SPDX-License-Identifier: Apache-2.0
 *
 * CourierTransfer: one attempt to get one file from one mirror, with libcurl; only in the courier's child.
 */
#ifndef MANAGER_COURIER_TRANSFER_H
#define MANAGER_COURIER_TRANSFER_H

#include <curl/curl.h>

#include "bundles/base/buffer.h"
#include "manager/courier.h"

enum { CARRIAGE_MIRRORS_MAX = 8 };

/* What all attempts share; one connection is kept from one to the next. */
typedef struct Carriage {
    int socket; /* to the neighbour */
    const char *mirrors[CARRIAGE_MIRRORS_MAX];
    size_t mirrors_count;
    const char *proxy;                    /* NULL: none */
    Buffer authorities, certificate, key; /* PEM */
    uint64_t speed_min, stall_timeout_ms, rate_max;
    uint64_t deadline_ms;
    CURL *curl;
} Carriage;

typedef struct CarriageAttempt {
    const CourierRequest *request;
    unsigned mirror;
    bool conditional;
    bool whole;                 /* ask for no range: a server answered one wrongly */
    uint64_t reached;           /* bytes that the neighbour has, of this version */
    CourierValidator validator; /* of that version; of the answer once there is one */
    unsigned status;            /* HTTP, of the last answer */
} CarriageAttempt;

typedef enum CarriageResult {
    CARRIAGE_DONE,
    CARRIAGE_UNCHANGED,
    CARRIAGE_ABSENT,
    CARRIAGE_REFUSED,  /* asking this mirror again does not help; the error is set, as for the others */
    CARRIAGE_BROKEN,   /* it may help */
    CARRIAGE_CANCELLED /* the neighbour does not want it any more, or is gone */
} CarriageResult;

CarriageResult carriage_attempt(Carriage *carriage, CarriageAttempt *attempt, Error *err);

#endif
