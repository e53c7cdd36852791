/* SPDX-License-Identifier: Apache-2.0
 *
 * ApiPeer: who is at the other end of an API connection, and whether they may use it.
 */
#ifndef MANAGER_API_PEER_H
#define MANAGER_API_PEER_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "bundles/base/error.h"
#include "manager/journal.h"

/* ERROR_PERMISSION unless the peer is root, has our own uid, or belongs to the group (CONFIG_NO_GROUP: none).
 */
bool api_peer_check(int fd, gid_t group, JournalWho *ret_who, Error *err) __attribute__((warn_unused_result));

/* <runtime>/api.sock, bound under a temporary name with its final mode and renamed into place. */
int api_peer_listen(const char *path, gid_t group, Error *err) __attribute__((warn_unused_result));

/* A listener for everybody who can reach the address. */
int api_peer_listen_tcp(const struct sockaddr *address, socklen_t size, Error *err)
    __attribute__((warn_unused_result));

#endif
