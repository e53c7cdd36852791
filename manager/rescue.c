/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/rescue.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "bundles/base/clock.h"
#include "manager/timer.h"

enum {
    UNDER_WAY_MAX = 64,
    ADOPT_TIMEOUT_MS = 5000,
    RETRY_MS = 1,
    END_TIMEOUT_MS = 1000,
    ADOPTIONS_MAX = 3,    /* of one connection: the fourth generation shall not die of it as well */
    REMEMBERED_MAX = 1024 /* connections that were adopted */
};

/* How often a connection was handed on. */
typedef struct Adoption {
    ino_t inode;
    unsigned count;
} Adoption;

/* A connection that was offered to a generation, until its reply comes. */
typedef struct Offer {
    Rescue *rescue;
    int fd; /* -1: free */
} Offer;

struct Rescue {
    sd_event *event;
    Generation *target;
    int waiting[RESCUE_MAX]; /* oldest first, from `first` on */
    size_t first, count;
    Offer offers[UNDER_WAY_MAX];
    Adoption adoptions[REMEMBERED_MAX]; /* a ring */
    size_t next_adoption;
    sd_event_source *retry;
    RescueCounts counts;
};

Rescue *rescue_new(sd_event *event) {
    Rescue *rescue = calloc(1, sizeof *rescue);
    if (rescue != NULL) {
        rescue->event = sd_event_ref(event);
        for (size_t i = 0; i < UNDER_WAY_MAX; i++) {
            rescue->offers[i] = (Offer){.rescue = rescue, .fd = -1};
        }
    }
    return rescue;
}

void rescue_free(Rescue *rescue) {
    if (rescue == NULL) {
        return;
    }
    timer_stop(&rescue->retry);
    for (size_t i = 0; i < rescue->count; i++) {
        (void)close(rescue->waiting[(rescue->first + i) % RESCUE_MAX]);
    }
    for (size_t i = 0; i < UNDER_WAY_MAX; i++) {
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
static bool is_held(const Rescue *rescue, int fd, size_t held) {
    ino_t inode = inode_of(fd);
    for (size_t i = 0; i < held; i++) {
        if (inode_of(rescue->waiting[(rescue->first + i) % RESCUE_MAX]) == inode) {
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
static bool is_suspect(Rescue *rescue, int fd) {
    const Adoption *adoption = adoption_of(rescue, inode_of(fd));
    return adoption != NULL && adoption->count >= ADOPTIONS_MAX;
}

static bool peer_left(int fd) {
    /* POLLHUP only: a client that closed its sending side alone still waits for the answer. */
    struct pollfd state = {.fd = fd};
    return poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

/* Takes the descriptor. `held`: how many at the front may be the same connection. */
static void keep(Rescue *rescue, int fd, size_t held) {
    AUTO_CLOSE int owned = fd;
    if (peer_left(owned)) {
        rescue->counts.departed++;
    } else if (rescue->count == RESCUE_MAX || is_suspect(rescue, owned)) {
        rescue->counts.lost++;
    } else if (!is_held(rescue, owned, held)) {
        rescue->waiting[(rescue->first + rescue->count++) % RESCUE_MAX] = TAKE_FD(owned);
    }
}

static void flush(Rescue *rescue);

static int on_retry(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    Rescue *rescue = context;
    timer_stop(&rescue->retry);
    flush(rescue);
    return 0;
}

static void on_adopted(void *context, Generation *generation, const ControlMessage *reply,
                       const Error *failure) {
    (void)reply;
    Offer *offer = context;
    Rescue *rescue = offer->rescue;
    AUTO_CLOSE int fd = TAKE_FD(offer->fd);
    if (failure == NULL) {
        rescue->counts.adopted++;
        note_adoption(rescue, fd);
    } else if (!generation_is_alive(generation) || failure->kind == ERROR_UNAVAILABLE) {
        keep(rescue, TAKE_FD(fd), 0);
    } else {
        rescue->counts.lost++;
    }
    if (rescue->count > 0 && rescue->retry == NULL) {
        /* Without memory for it, the next reply or the next generation goes on. */
        (void)!timer_start(rescue->event, &rescue->retry, 0, on_retry, rescue);
    }
}

static Offer *free_offer(Rescue *rescue) {
    for (size_t i = 0; i < UNDER_WAY_MAX; i++) {
        if (rescue->offers[i].fd < 0) {
            return &rescue->offers[i];
        }
    }
    return NULL;
}

static void flush(Rescue *rescue) {
    while (rescue->count > 0 && rescue->target != NULL && generation_is_alive(rescue->target)) {
        Error err = ERROR_INIT;
        Offer *offer = free_offer(rescue);
        int fd = rescue->waiting[rescue->first];
        if (offer == NULL) {
            return; /* a reply goes on */
        }
        if (!generation_call(rescue->target, CONTROL_ADOPT, NULL, fd, ADOPT_TIMEOUT_MS, on_adopted, offer,
                             &err)) {
            (void)!timer_start(rescue->event, &rescue->retry, RETRY_MS, on_retry, rescue);
            return;
        }
        offer->fd = fd;
        rescue->first = (rescue->first + 1) % RESCUE_MAX;
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

/* The channel of a process that has ended reads as ended behind its last connection, a moment later. */
static bool await_more(int channel, uint64_t deadline_ms) {
    struct pollfd state = {.fd = channel, .events = POLLIN};
    return poll(&state, 1, clock_left_ms(deadline_ms)) > 0;
}

void rescue_collect(Rescue *rescue, Generation *generation, bool ended) {
    const size_t held = rescue->count;
    const uint64_t deadline_ms = clock_monotonic_ms() + (ended ? END_TIMEOUT_MS : 0);
    while (generation_rescue(generation) >= 0) {
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
        ssize_t size = recvmsg(generation_rescue(generation), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size < 0 && (errno == EINTR || (errno == EAGAIN && ended &&
                                            await_more(generation_rescue(generation), deadline_ms)))) {
            continue;
        }
        int fd = size > 0 ? take_descriptor(&message) : -1;
        if (fd < 0) {
            break;
        }
        rescue->counts.found++;
        keep(rescue, fd, held);
    }
    flush(rescue);
}

void rescue_set_target(Rescue *rescue, Generation *target) {
    rescue->target = target;
    flush(rescue);
}

size_t rescue_waiting(const Rescue *rescue) {
    return rescue->count;
}

RescueCounts rescue_counts(const Rescue *rescue) {
    return rescue->counts;
}
