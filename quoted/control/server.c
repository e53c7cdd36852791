/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/control/server.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "quoted/control/client.h"

enum { SEND_TIMEOUT_S = 5 };

struct ControlPeer {
    ControlServer *server;
    pthread_t thread;
    int fd;     /* -1: this place is free */
    bool ended; /* its thread waits to be joined */
    atomic_bool watches;
};

struct ControlServer {
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path];
    ControlHandler handler;
    void *context;
    int listener_fd;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* over places and their descriptors */
    ControlPeer peers[CONTROL_SERVER_PEERS_MAX];
};

CLEANUP_DEFINE(ControlServer, control_server_close)

void control_peer_reply(ControlPeer *peer, const ControlMessage *request, const void *payload, size_t size,
                        int fd) {
    (void)!control_message_send(peer->fd, (ControlType)request->header.type, request->header.request, 0,
                                payload, size, fd, NULL);
}

void control_peer_refuse(ControlPeer *peer, const ControlMessage *request, const Error *err) {
    (void)!control_message_send(peer->fd, (ControlType)request->header.type, request->header.request,
                                (uint32_t)err->kind, err->text, strlen(err->text), -1, NULL);
}

void control_peer_reply_json(ControlPeer *peer, const ControlMessage *request, const json_t *payload) {
    AUTO_FREE char *text = payload != NULL ? json_format(payload, false) : NULL;
    if (text == NULL) {
        Error err = ERROR_INIT;
        error_set(&err, ERROR_MEMORY, "out of memory for the reply");
        control_peer_refuse(peer, request, &err);
        return;
    }
    control_peer_reply(peer, request, text, strlen(text), -1);
}

void control_peer_watch(ControlPeer *peer) {
    atomic_store(&peer->watches, true);
}

static void *peer_run(void *context) {
    ControlPeer *peer = context;
    CLEANUP(control_message_done) ControlMessage message = CONTROL_MESSAGE_INIT;
    ControlReceived received = CONTROL_RECEIVED_NOTHING;
    while (control_message_receive(peer->fd, &message, &received, NULL) && received != CONTROL_RECEIVED_END) {
        if (received == CONTROL_RECEIVED) {
            peer->server->handler(peer->server->context, peer, &message);
        }
    }
    (void)pthread_mutex_lock(&peer->server->lock);
    peer->ended = true;
    atomic_store(&peer->watches, false);
    (void)shutdown(peer->fd, SHUT_RDWR);
    (void)pthread_mutex_unlock(&peer->server->lock);
    return NULL;
}

static void reap(ControlPeer *peer) {
    (void)pthread_join(peer->thread, NULL);
    cleanup_close(&peer->fd);
    peer->fd = -1;
    peer->ended = false;
}

/* A free place; those whose peers have gone are freed on the way. The lock is held. */
static ControlPeer *find_place(ControlServer *server) {
    ControlPeer *found = NULL;
    for (size_t i = 0; i < CONTROL_SERVER_PEERS_MAX; i++) {
        if (server->peers[i].fd >= 0 && server->peers[i].ended) {
            reap(&server->peers[i]);
        }
        if (found == NULL && server->peers[i].fd < 0) {
            found = &server->peers[i];
        }
    }
    return found;
}

static bool is_trusted(int fd) {
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static bool admit(ControlServer *server, int connection, bool watches) {
    AUTO_CLOSE int fd = connection;
    struct timeval limit = {.tv_sec = SEND_TIMEOUT_S};
    if (!is_trusted(fd) || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) {
        return false;
    }
    (void)pthread_mutex_lock(&server->lock);
    ControlPeer *peer = find_place(server);
    if (peer != NULL) {
        peer->fd = fd;
        atomic_store(&peer->watches, watches);
        if (pthread_create(&peer->thread, NULL, peer_run, peer) == 0) {
            (void)TAKE_FD(fd);
        } else {
            peer->fd = -1;
        }
    }
    (void)pthread_mutex_unlock(&server->lock);
    return fd < 0; /* its place has it */
}

static void *server_run(void *context) {
    ControlServer *server = context;
    for (;;) {
        int fd = accept4(server->listener_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            (void)admit(server, fd, false);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            (void)nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return NULL; /* the listener was shut down */
        }
    }
}

/* A socket of a process that is gone stands in the way; a living one is an answer. */
static bool clear_path(const char *path, Error *err) {
    AUTO_CLOSE int fd = control_client_connect(path, NULL, NULL);
    if (fd >= 0) {
        return error_set(err, ERROR_CONFLICT, "control socket '%s': another process listens there", path);
    }
    struct stat facts;
    if (lstat(path, &facts) != 0) {
        return true;
    }
    return (S_ISSOCK(facts.st_mode) && unlink(path) == 0) ||
           error_set(err, ERROR_CONFLICT, "control socket '%s': something else stands there", path);
}

static bool bind_path(ControlServer *server, Error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)text_copy(address.sun_path, sizeof address.sun_path, server->path);
    server->listener_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (server->listener_fd < 0 || fchmod(server->listener_fd, 0600) != 0) {
        return error_set_errno(err, errno, "control socket '%s'", server->path);
    }
    /* The mode of the socket before bind is the file's mode, less the umask. */
    if (bind(server->listener_fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->listener_fd, CONTROL_SERVER_PEERS_MAX) != 0) {
        return error_set_errno(err, errno, "control socket '%s': cannot listen", server->path);
    }
    return true;
}

ControlServer *control_server_open(const char *path, int first_fd, ControlHandler handler, void *context,
                                   Error *err) {
    CLEANUP(control_server_closep) ControlServer *server = calloc(1, sizeof *server);
    if (server == NULL) {
        error_set(err, ERROR_MEMORY, "control socket '%s': out of memory", path);
        return NULL;
    }
    server->handler = handler;
    server->context = context;
    server->listener_fd = -1;
    (void)pthread_mutex_init(&server->lock, NULL);
    for (size_t i = 0; i < CONTROL_SERVER_PEERS_MAX; i++) {
        server->peers[i] = (ControlPeer){.server = server, .fd = -1};
    }
    if (!text_copy(server->path, sizeof server->path, path)) {
        error_set(err, ERROR_USAGE, "control socket '%s': the path is longer than %zu bytes", path,
                  sizeof server->path - 1);
        return NULL;
    }
    if (!clear_path(path, err)) {
        return NULL;
    }
    if (!bind_path(server, err)) {
        return NULL;
    }
    server->started = pthread_create(&server->thread, NULL, server_run, server) == 0;
    if (!server->started) {
        error_set(err, ERROR_SYSTEM, "control socket '%s': cannot start a thread", path);
        return NULL;
    }
    if (first_fd >= 0 && !admit(server, fcntl(first_fd, F_DUPFD_CLOEXEC, 3), true)) {
        error_set(err, ERROR_SYSTEM, "control socket '%s': cannot serve the connection that is given", path);
        return NULL;
    }
    return TAKE(server);
}

void control_server_close(ControlServer *server) {
    if (server == NULL) {
        return;
    }
    if (server->started) {
        (void)shutdown(server->listener_fd, SHUT_RDWR);
        (void)pthread_join(server->thread, NULL);
    }
    for (size_t i = 0; i < CONTROL_SERVER_PEERS_MAX; i++) {
        if (server->peers[i].fd >= 0) {
            (void)shutdown(server->peers[i].fd, SHUT_RDWR);
            reap(&server->peers[i]);
        }
    }
    if (server->listener_fd >= 0) {
        (void)close(server->listener_fd);
        (void)unlink(server->path);
    }
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

void control_server_broadcast(ControlServer *server, ControlType type, const json_t *payload) {
    AUTO_FREE char *text = payload != NULL ? json_format(payload, false) : NULL;
    size_t size = text != NULL ? strlen(text) : 0;
    (void)pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < CONTROL_SERVER_PEERS_MAX; i++) {
        ControlPeer *peer = &server->peers[i];
        if (peer->fd >= 0 && !peer->ended && atomic_load(&peer->watches)) {
            (void)!control_message_send(peer->fd, type, 0, 0, text, size, -1, NULL);
        }
    }
    (void)pthread_mutex_unlock(&server->lock);
}
