/* SPDX-License-Identifier: Apache-2.0
 *
 * Server: the answering side of a control socket. One thread accepts, one thread a connection reads requests
 * and calls the handler, so a request may take its time without delaying others. Peers are of our own uid or
 * root. Whoever goes away is forgotten; nothing that a peer does ends the server.
 */
#ifndef QUOTED_CONTROL_SERVER_H
#define QUOTED_CONTROL_SERVER_H

#include "bundles/base/error.h"
#include "quoted/control/message.h"

enum { CONTROL_SERVER_PEERS_MAX = 128 };

typedef struct ControlServer ControlServer;
typedef struct ControlPeer ControlPeer;

/* Called on the peer's own thread. The message is the handler's to read and to take the descriptor from; it
 * answers with control_peer_reply or control_peer_refuse, once. */
typedef void (*ControlHandler)(void *context, ControlPeer *peer, ControlMessage *message);

/* Binds the path (0600), replacing a socket on which nobody listens; ERROR_CONFLICT if somebody does.
 * `first_fd`: a connection that is there already, and watches; borrowed, -1: none. */
ControlServer *control_server_open(const char *path, int first_fd, ControlHandler handler, void *context,
                                   Error *err) __attribute__((warn_unused_result));
/* Ends all threads and unlinks the path. */
void control_server_close(ControlServer *server);

/* Sends an event to every peer that watches. One that does not read loses it. */
void control_server_broadcast(ControlServer *server, ControlType type, const json_t *payload);

/* What a peer does not take is its loss. `fd` is borrowed; -1: none. */
void control_peer_reply(ControlPeer *peer, const ControlMessage *request, const void *payload, size_t size,
                        int fd);
void control_peer_reply_json(ControlPeer *peer, const ControlMessage *request, const json_t *payload);
void control_peer_refuse(ControlPeer *peer, const ControlMessage *request, const Error *err);
/* From now on it gets events. */
void control_peer_watch(ControlPeer *peer);

#endif
