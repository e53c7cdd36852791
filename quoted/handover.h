/* SPDX-License-Identifier: Apache-2.0
 *
 * Handover: client connections on their way from a generation to the next one, through the manager.
 *
 * The channel is a SOCK_SEQPACKET pair; each message is one descriptor (quoted/control/protocol.h, "rescue").
 * Whatever ends this process, its connections survive: a keeper, a child that shares our table of
 * descriptors and does nothing else, outlives us for the moment that it takes to send them. Their requests
 * are still unread in them, so the next generation answers as if nothing had been. It also tells the manager
 * that the end has begun: the kernel takes a millisecond to finish it.
 */
#ifndef QUOTED_HANDOVER_H
#define QUOTED_HANDOVER_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "bundles/base/error.h"

typedef struct Handover {
    int send_fd;
    int receive_fd; /* copies of it go to the manager */
    pid_t keeper;   /* 0: none */
    int keeper_fd;  /* a pidfd: readable when the keeper has ended */
    int parent_fd;  /* a pidfd of this process, for the keeper */
    pthread_mutex_t
        *life; /* robust, shared with the keeper: whoever started it holds it as long as it lives */
} Handover;

#define HANDOVER_INIT ((Handover){.send_fd = -1, .receive_fd = -1, .keeper_fd = -1, .parent_fd = -1})

/* Makes the channel and starts the keeper. The calling thread lives as long as the process. */
bool handover_start(Handover *handover, Error *err) __attribute__((warn_unused_result));
/* The keeper was killed: starts another one, also while there are other threads. */
bool handover_restart(Handover *handover, Error *err) __attribute__((warn_unused_result));
/* Before an orderly end: the keeper has nothing to keep any more. */
void handover_stop(Handover *handover);

/* Sends a copy; false if the channel is full (EAGAIN, ETOOMANYREFS) or closed. */
bool handover_send(int channel, int connection);

#endif
