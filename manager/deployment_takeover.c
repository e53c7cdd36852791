/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking over from a daemon that is not ours: a swap whose former side is a foreign process.
 *
 * It knows no drain: it is stopped (SIGSTOP) and looked at; as long as it holds clients' connections it goes
 * on and is tried again a moment later, while ours accepts beside it. Stopped without clients it is the way
 * back of the soak; the end of the swap ends it, or lets it go on as if nothing had been.
 */
#include <signal.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/listener.h"
#include "bundles/base/log.h"
#include "bundles/base/process.h"
#include "bundles/base/text.h"
#include "manager/deployment_parts.h"
#include "manager/foreign_unit.h"
#include "manager/timer.h"

enum {
    LOOK_MS = 1,         /* until all threads have stopped */
    RUN_MAX_MS = 20,     /* between two attempts; the first ones follow each other faster */
    IDLE_MS = 10 * 1000, /* a connection that was there all the time has no request in the works */
    GIVE_UP_MS = 60 * 1000
};

/* What is known of the process while it is being stopped. */
struct Takeover {
    bool told_to_stop;
    bool held; /* stopped, without clients */
    unsigned tries;
    uint64_t since_ms;
    size_t count;
    ino_t connections[FOREIGN_CONNECTIONS_MAX];
    uint64_t seen_ms[FOREIGN_CONNECTIONS_MAX]; /* since when each was there at every look */
    ForeignLook look;
};

static ForeignId foreign_of(const Deployment *deployment) {
    const JournalSwap *swap = &deployment->journal->swap;
    return swap->state != SWAP_IDLE ? swap->foreign : (ForeignId){0};
}

bool deployment_foreign_lives(const Deployment *deployment) {
    AUTO_CLOSE int pidfd = foreign_open(foreign_of(deployment));
    return pidfd >= 0;
}

bool deployment_foreign_is_busy(const Deployment *deployment) {
    return deployment->takeover != NULL && !deployment->takeover->held;
}

/* False: it has ended. */
static bool send_signal(const Deployment *deployment, int number) {
    Error ignored = ERROR_INIT;
    AUTO_CLOSE int pidfd = foreign_open(foreign_of(deployment));
    return pidfd >= 0 && process_signal(pidfd, number, &ignored);
}

static void forget(Deployment *deployment) {
    timer_stop(&deployment->takeover_timer);
    free(TAKE(deployment->takeover));
}

bool deployment_foreign_listener(Deployment *deployment, Error *err) {
    const char *path = deployment->config->socket_path;
    deployment->listener = foreign_listener(foreign_of(deployment), path, err);
    if (deployment->listener < 0) {
        return false;
    }
    listener_keep_spare(path);
    deployment_path_watch(deployment);
    journal_note(deployment->journal, deployment->journal->swap.operation, deployment_itself, "socket-taken",
                 "from process %d", (int)foreign_of(deployment).pid);
    log_info("socket-taken", "path=%s pid=%d", path, (int)foreign_of(deployment).pid);
    return true;
}

static uint64_t seen_since(const Takeover *takeover, ino_t connection, uint64_t now) {
    for (size_t i = 0; i < takeover->count; i++) {
        if (takeover->connections[i] == connection) {
            return takeover->seen_ms[i];
        }
    }
    return now;
}

/* Remembers what it holds; how many of them may have a request in the works. */
static size_t count_busy(Takeover *takeover) {
    uint64_t now = clock_monotonic_ms();
    uint64_t seen_ms[FOREIGN_CONNECTIONS_MAX] = {0};
    size_t busy = 0;
    for (size_t i = 0; i < takeover->look.count; i++) {
        seen_ms[i] = seen_since(takeover, takeover->look.connections[i], now);
        busy += now - seen_ms[i] < IDLE_MS;
    }
    takeover->count = takeover->look.count;
    memcpy(takeover->connections, takeover->look.connections, takeover->count * sizeof(ino_t));
    memcpy(takeover->seen_ms, seen_ms, takeover->count * sizeof(uint64_t));
    return busy;
}

/* Silent connections go to ours, which waits for their requests as well. */
static void take_silent(Deployment *deployment) {
    const Takeover *takeover = deployment->takeover;
    for (size_t i = 0; i < takeover->count; i++) {
        int fd = foreign_socket(foreign_of(deployment), takeover->connections[i]);
        if (fd >= 0) {
            rescue_give(deployment->rescue, fd);
        }
    }
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context);

static void look_again(Deployment *deployment, uint64_t milliseconds) {
    Error err = ERROR_INIT;
    if (!timer_start(deployment->event, &deployment->takeover_timer, milliseconds, on_timer, deployment)) {
        error_set(&err, ERROR_MEMORY, "out of memory");
        (void)deployment_swap_event(deployment, SWAP_EVENT_BREACH, &err);
    }
}

static void hold(Deployment *deployment) {
    Takeover *takeover = deployment->takeover;
    takeover->held = true;
    take_silent(deployment);
    journal_note(deployment->journal, deployment->journal->swap.operation, deployment_itself,
                 "foreign-stopped", "process %d, %u %s, %zu silent %s taken along",
                 (int)foreign_of(deployment).pid, takeover->tries,
                 text_plural(takeover->tries, "attempt", "attempts"), takeover->count,
                 text_plural(takeover->count, "connection", "connections"));
    log_info("foreign-stopped", "pid=%d attempts=%u silent=%zu milliseconds=%llu",
             (int)foreign_of(deployment).pid, takeover->tries, takeover->count,
             (unsigned long long)(clock_monotonic_ms() - takeover->since_ms));
    deployment_save(deployment);
    deployment_soak_begin(deployment);
}

static void try_to_hold(Deployment *deployment) {
    Takeover *takeover = deployment->takeover;
    Error err = ERROR_INIT;
    if (!foreign_look(foreign_of(deployment), deployment->config->socket_path, &takeover->look)) {
        takeover->held = true; /* it has ended by itself */
        deployment_soak_begin(deployment);
        return;
    }
    if (!takeover->look.stopped) {
        look_again(deployment, LOOK_MS);
    } else if (count_busy(takeover) == 0) {
        hold(deployment);
    } else if (clock_monotonic_ms() - takeover->since_ms >= GIVE_UP_MS) {
        error_set(&err, ERROR_TIMEOUT,
                  "process %d has requests in the works whenever it is looked at: adopt when less is asked",
                  (int)foreign_of(deployment).pid);
        (void)deployment_swap_event(deployment, SWAP_EVENT_BREACH, &err);
    } else {
        takeover->told_to_stop = false;
        (void)send_signal(deployment, SIGCONT);
        unsigned run_ms = 1 + takeover->tries / 16;
        look_again(deployment, run_ms < RUN_MAX_MS ? run_ms : RUN_MAX_MS);
    }
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    Deployment *deployment = context;
    Takeover *takeover = deployment->takeover;
    timer_stop(&deployment->takeover_timer);
    if (takeover->told_to_stop) {
        try_to_hold(deployment);
        return 0;
    }
    takeover->told_to_stop = true;
    takeover->tries++;
    if (send_signal(deployment, SIGSTOP)) {
        look_again(deployment, LOOK_MS);
    } else {
        try_to_hold(deployment);
    }
    return 0;
}

void deployment_foreign_stop(Deployment *deployment) {
    Error err = ERROR_INIT;
    forget(deployment);
    deployment->takeover = calloc(1, sizeof *deployment->takeover);
    if (deployment->takeover == NULL) {
        error_set(&err, ERROR_MEMORY, "out of memory");
        (void)deployment_swap_event(deployment, SWAP_EVENT_BREACH, &err);
        return;
    }
    deployment->takeover->since_ms = clock_monotonic_ms();
    look_again(deployment, LOOK_MS);
}

void deployment_foreign_resume(Deployment *deployment) {
    forget(deployment);
    (void)send_signal(deployment, SIGCONT);
}

/* Its socket is not ours in the end. What the new generation has accepted it still answers. */
static void give_back(Deployment *deployment) {
    deployment_foreign_resume(deployment);
    cleanup_close(&deployment->listener);
    deployment->listener = -1;
    deployment->path_watch = sd_event_source_disable_unref(deployment->path_watch);
}

void deployment_foreign_settle(Deployment *deployment, bool ours) {
    ForeignId foreign = foreign_of(deployment);
    if (foreign.pid == 0) {
        return;
    }
    if (!ours && deployment_foreign_lives(deployment)) {
        give_back(deployment);
        return;
    }
    forget(deployment);
    if (send_signal(deployment, SIGKILL)) {
        journal_note(deployment->journal, deployment->journal->swap.operation, deployment_itself,
                     "foreign-ended", "process %d", (int)foreign.pid);
        log_info("foreign-ended", "pid=%d", (int)foreign.pid);
    }
    /* Reports made for its QE are about, and no generation of ours may have the same. */
    deployment->journal->qe_retired = true;
    deployment->path_error = ERROR_INIT;
    deployment_deposit(deployment);
}

Operation *deployment_takeover(Deployment *deployment, const char *what, uint64_t soak_ms, JournalWho who,
                               Error *err) {
    char name[FOREIGN_NAME_SIZE];
    const char *path = deployment->config->socket_path;
    ForeignId foreign = {0};
    if (deployment_is_busy(deployment, err)) {
        return NULL;
    }
    if (deployment->listener >= 0) {
        error_set(err, ERROR_CONFLICT, "%s is ours already: 'pswctl swap' is all that is needed", path);
        return NULL;
    }
    if (!foreign_find(path, &foreign, name, err) || !foreign_unit_check(foreign, err)) {
        return NULL;
    }
    /* Now, and not when both serve, is the time to learn that it is not allowed. */
    AUTO_CLOSE int listener = foreign_listener(foreign, path, err);
    if (listener < 0) {
        return NULL;
    }
    log_info("takeover", "pid=%d name=%s", (int)foreign.pid, name);
    return deployment_begin_takeover(deployment, what, soak_ms, foreign, who, err);
}
