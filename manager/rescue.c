/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/rescue.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "bundles/base/bytes.h"
#include "bundles/base/cleanup.h"
#include "manager/timer.h"

enum {
    ADOPT_TIMEOUT_MS = 5000,
    RETRY_MS = 1,
    NO_DESCRIPTOR_MS = 100,
    ADOPTIONS_MAX = 3,    /* of one request: the fourth generation shall not die of it as well */
    REMEMBERED_MAX = 1024 /* connections that were adopted */
};

/* How often a connection was handed on with a whole request in it. */
typedef struct Adoption {
    ino_t inode;
    unsigned count;
} Adoption;

/* A connection that was offered to a generation, until its reply comes. */
typedef struct Offer {
    Rescue *rescue;
    int fd; /* -1: free */
    bool whole;
} Offer;

/* The receiving end of a generation's rescue channel. */
typedef struct Channel {
    struct Channel *next;
    Rescue *rescue;
    int fd;
    sd_event_source *source;
    uint32_t generation;
    bool seen; /* its first message: what came with it was kept, and is still in there too */
    RescueDyingFn dying;
    void *context;
} Channel;

typedef struct Held {
    int fd;
    ino_t inode;
    bool whole; /* the request: it may have been worked on, and be what a generation died of */
} Held;

struct Rescue {
    sd_event *event;
    Generation *target;
    Channel *channels;
    size_t first, count, max; /* of `waiting` */
    Offer offers[RESCUE_OFFERS_MAX];
    Adoption adoptions[REMEMBERED_MAX]; /* a ring */
    size_t next_adoption;
    sd_event_source *retry;
    RescueCounts counts;
    Held waiting[]; /* oldest first, from `first` on */
};

Rescue *rescue_new(sd_event *event, size_t max) {
    assert(max > 0 && max <= RESCUE_MAX);
    Rescue *rescue = calloc(1, sizeof *rescue + max * sizeof rescue->waiting[0]);
    if (rescue != NULL) {
        rescue->max = max;
        rescue->event = sd_event_ref(event);
        for (size_t i = 0; i < RESCUE_OFFERS_MAX; i++) {
            rescue->offers[i] = (Offer){.rescue = rescue, .fd = -1};
        }
    }
    return rescue;
}

static void close_channel(Channel *channel) {
    Channel **at = &channel->rescue->channels;
    while (*at != channel) {
        at = &(*at)->next;
    }
    *at = channel->next;
    sd_event_source_disable_unref(channel->source);
    (void)close(channel->fd);
    free(channel);
}

void rescue_free(Rescue *rescue) {
    if (rescue == NULL) {
        return;
    }
    timer_stop(&rescue->retry);
    while (rescue->channels != NULL) {
        close_channel(rescue->channels);
    }
    for (size_t i = 0; i < rescue->count; i++) {
        (void)close(rescue->waiting[(rescue->first + i) % rescue->max].fd);
    }
    for (size_t i = 0; i < RESCUE_OFFERS_MAX; i++) {
        cleanup_close(&rescue->offers[i].fd);
    }
    sd_event_unref(rescue->event);
    free(rescue);
}

static ino_t inode_of(int fd) {
    struct stat facts = {0};
    (void)fstat(fd, &facts);
    return facts.st_ino;
}

/* A generation that died between taking an offer and answering it leaves the connection in its own queue too.
 */
static bool is_held(const Rescue *rescue, ino_t inode) {
    for (size_t i = 0; i < rescue->count; i++) {
        if (rescue->waiting[(rescue->first + i) % rescue->max].inode == inode) {
            return true;
        }
    }
    return false;
}

static Adoption *adoption_of(Rescue *rescue, ino_t inode) {
    for (size_t i = 0; i < REMEMBERED_MAX; i++) {
        if (rescue->adoptions[i].inode == inode) {
            return &rescue->adoptions[i];
        }
    }
    return NULL;
}

static void note_adoption(Rescue *rescue, int fd) {
    ino_t inode = inode_of(fd);
    Adoption *adoption = adoption_of(rescue, inode);
    if (adoption == NULL) {
        adoption = &rescue->adoptions[rescue->next_adoption++ % REMEMBERED_MAX];
        *adoption = (Adoption){.inode = inode};
    }
    adoption->count++;
}

/* Its request may be what every generation dies of. */
static bool is_suspect(Rescue *rescue, ino_t inode) {
    const Adoption *adoption = adoption_of(rescue, inode);
    return adoption != NULL && adoption->count >= ADOPTIONS_MAX;
}

static bool peer_left(int fd) {
    /* POLLHUP only: a client that closed its sending side alone still waits for the answer. */
    struct pollfd state = {.fd = fd};
    return poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

/* Is a whole request unread in it? One that is not, nobody can have died of, however often it moves on. */
static bool is_whole(int fd) {
    uint8_t header[4];
    int available = 0;
    return recv(fd, header, sizeof header, MSG_PEEK | MSG_DONTWAIT) == (ssize_t)sizeof header &&
           ioctl(fd, FIONREAD, &available) == 0 &&
           (uint64_t)available >= sizeof header + (uint64_t)bytes_le32(header);
}

/* Takes the descriptor. */
static void keep(Rescue *rescue, int fd) {
    AUTO_CLOSE int owned = fd;
    const Held held = {.fd = fd, .inode = inode_of(fd), .whole = is_whole(fd)};
    if (peer_left(owned)) {
        rescue->counts.departed++;
    } else if (is_held(rescue, held.inode)) {
        return;
    } else if (rescue->count == rescue->max || (held.whole && is_suspect(rescue, held.inode))) {
        rescue->counts.lost++;
    } else {
        rescue->waiting[(rescue->first + rescue->count++) % rescue->max] = held;
        (void)TAKE_FD(owned);
    }
}

static void go_on(Rescue *rescue);

static int on_retry(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    Rescue *rescue = context;
    timer_stop(&rescue->retry);
    go_on(rescue);
    return 0;
}

static void go_on_later(Rescue *rescue, uint64_t milliseconds) {
    if (rescue->retry == NULL) {
        /* Without memory for it, the next reply or the next generation goes on. */
        (void)!timer_start(rescue->event, &rescue->retry, milliseconds, on_retry, rescue);
    }
}

/* The generation does not serve any more, or not yet: not the connection's fault. */
static bool is_passing(const Generation *generation, const Error *failure) {
    return !generation_is_alive(generation) || failure->kind == ERROR_UNAVAILABLE ||
           failure->kind == ERROR_CONFLICT;
}

static void on_adopted(void *context, Generation *generation, const ControlMessage *reply,
                       const Error *failure) {
    (void)reply;
    Offer *offer = context;
    Rescue *rescue = offer->rescue;
    AUTO_CLOSE int fd = TAKE_FD(offer->fd);
    if (failure == NULL) {
        rescue->counts.adopted++;
        if (offer->whole) {
            note_adoption(rescue, fd);
        }
    } else if (is_passing(generation, failure)) {
        keep(rescue, TAKE_FD(fd));
    } else {
        rescue->counts.lost++;
    }
    go_on_later(rescue, failure == NULL ? 0 : RETRY_MS);
}

static Offer *free_offer(Rescue *rescue) {
    for (size_t i = 0; i < RESCUE_OFFERS_MAX; i++) {
        if (rescue->offers[i].fd < 0) {
            return &rescue->offers[i];
        }
    }
    return NULL;
}

static bool has_target(const Rescue *rescue) {
    return rescue->target != NULL && generation_is_alive(rescue->target);
}

static void flush(Rescue *rescue) {
    while (rescue->count > 0 && has_target(rescue)) {
        Error err = ERROR_INIT;
        Offer *offer = free_offer(rescue);
        const Held *next = &rescue->waiting[rescue->first];
        if (offer == NULL) {
            return; /* a reply goes on */
        }
        if (!generation_call(rescue->target, CONTROL_ADOPT, NULL, next->fd, ADOPT_TIMEOUT_MS, on_adopted,
                             offer, &err)) {
            go_on_later(rescue, RETRY_MS);
            return;
        }
        offer->fd = next->fd;
        offer->whole = next->whole;
        rescue->first = (rescue->first + 1) % rescue->max;
        rescue->count--;
    }
}

static int take_descriptor(struct msghdr *message) {
    int fd = -1;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL; at = CMSG_NXTHDR(message, at)) {
        if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS &&
            at->cmsg_len == CMSG_LEN(sizeof fd)) {
            memcpy(&fd, CMSG_DATA(at), sizeof fd);
        }
    }
    return fd;
}

/* What somebody takes is offered before more is looked at, and before it is taken out, because what is in the
 * channel of a living generation outlives us. Where nobody does, it is taken out all the same: the channel is
 * short. */
static bool has_room(Rescue *rescue) {
    return has_target(rescue) ? rescue->count == 0 && free_offer(rescue) != NULL
                              : rescue->count < rescue->max;
}

typedef enum Received {
    RECEIVED_NOTHING,
    RECEIVED_CONNECTION,
    RECEIVED_DYING,
    RECEIVED_END,
    RECEIVED_IN_VAIN /* a connection, but there is no descriptor left for it */
} Received;

/* `flags`: MSG_PEEK leaves it in the channel. */
static Received receive(int channel, int flags, int *ret_connection) {
    char byte = 0;
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control;
    struct iovec data = {.iov_base = &byte, .iov_len = sizeof byte};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    ssize_t size;
    do {
        size = recvmsg(channel, &message, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size <= 0) {
        return size < 0 && errno == EAGAIN ? RECEIVED_NOTHING : RECEIVED_END;
    }
    *ret_connection = take_descriptor(&message);
    if (*ret_connection < 0 && (message.msg_flags & MSG_CTRUNC) != 0) {
        return RECEIVED_IN_VAIN;
    }
    return *ret_connection >= 0 ? RECEIVED_CONNECTION : RECEIVED_DYING;
}

/* What was seen, and handed on since. If we die before, the next manager hands it on once more: then a client
 * may be sent a second answer, which is better than none. */
static void take_out(Channel *channel) {
    AUTO_CLOSE int connection = -1;
    (void)receive(channel->fd, 0, &connection);
    channel->seen = false;
}

static int on_channel(sd_event_source *source, int fd, uint32_t events, void *context) {
    (void)events;
    Channel *channel = context;
    Rescue *rescue = channel->rescue;
    while (has_room(rescue)) {
        int connection = -1;
        if (channel->seen) {
            take_out(channel);
        }
        Received received = receive(fd, MSG_PEEK, &connection);
        if (received == RECEIVED_END) {
            close_channel(channel);
        }
        if (received == RECEIVED_END || received == RECEIVED_NOTHING) {
            return 0;
        }
        if (received == RECEIVED_IN_VAIN) {
            go_on_later(rescue, NO_DESCRIPTOR_MS);
            break;
        }
        channel->seen = true;
        if (received == RECEIVED_DYING) {
            take_out(channel);
            channel->dying(channel->context, channel->generation);
            continue;
        }
        rescue->counts.found++;
        keep(rescue, connection);
        flush(rescue);
    }
    (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
    return 0;
}

static void go_on(Rescue *rescue) {
    flush(rescue);
    if (has_room(rescue)) {
        for (const Channel *channel = rescue->channels; channel != NULL; channel = channel->next) {
            (void)sd_event_source_set_enabled(channel->source, SD_EVENT_ON);
        }
    }
}

bool rescue_watch(Rescue *rescue, int fd, uint32_t generation, RescueDyingFn dying, void *context) {
    AUTO_CLOSE int owned = fd;
    AUTO_FREE Channel *channel = calloc(1, sizeof *channel);
    if (channel == NULL ||
        sd_event_add_io(rescue->event, &channel->source, fd, EPOLLIN, on_channel, channel) < 0) {
        return false;
    }
    channel->rescue = rescue;
    channel->generation = generation;
    channel->dying = dying;
    channel->context = context;
    channel->fd = TAKE_FD(owned);
    channel->next = rescue->channels;
    rescue->channels = TAKE(channel);
    return true;
}

void rescue_give(Rescue *rescue, int fd) {
    rescue->counts.found++;
    keep(rescue, fd);
    flush(rescue);
}

void rescue_set_target(Rescue *rescue, Generation *target) {
    rescue->target = target;
    go_on(rescue);
}

size_t rescue_waiting(const Rescue *rescue) {
    return rescue->count;
}

RescueCounts rescue_counts(const Rescue *rescue) {
    return rescue->counts;
}
