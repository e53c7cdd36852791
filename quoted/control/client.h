/* SPDX-License-Identifier: Apache-2.0
 *
 * Client: the asking side of a control socket. Blocking calls with a deadline; who has an event loop uses
 * control_client_connect and bundles' message functions on the descriptor itself.
 */
#ifndef QUOTED_CONTROL_CLIENT_H
#define QUOTED_CONTROL_CLIENT_H

#include <sys/types.h>

#include "bundles/base/error.h"
#include "quoted/control/message.h"

/* A non-blocking SOCK_SEQPACKET descriptor, connected; -1 with ERROR_UNAVAILABLE if nobody listens there.
 * ret_pid (may be NULL): the process at the other end, by SO_PEERCRED. */
int control_client_connect(const char *path, pid_t *ret_pid, Error *err) __attribute__((warn_unused_result));

/* One request and its reply on a connected descriptor, events in between are dropped. `fd` is borrowed (-1:
 * none). Fails also when the reply's status is not 0: then kind and text are the other side's. */
bool control_client_call(int socket, ControlType type, const json_t *arguments, int fd, int timeout_ms,
                         ControlMessage *ret_reply, Error *err) __attribute__((warn_unused_result));

#endif
