/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/duck.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "quoted/control/client.h"
#include "quoted/relay.h"

enum {
    STATUS_TIMEOUT_MS = 1000,
    QUOTE_TIMEOUT_MS = 10000
}; /* the latter for all of them together: clients wait 15 s */

typedef struct Duck {
    char path[108];
    uint32_t generation;
    uint32_t quote_size;
    uint8_t qe[SGX_HASH_SIZE];      /* MRENCLAVE */
    int idle[DUCK_CONNECTIONS_MAX]; /* connections that nobody uses now */
    unsigned idle_count;
} Duck;

/* One state of the set; callers hold a reference while they ask. */
typedef struct Flock {
    atomic_uint references;
    pthread_mutex_t lock; /* over the ducks' idle connections */
    bool reinit, recall;
    unsigned count;
    Duck ducks[DUCKS_MAX];
} Flock;

struct Ducks {
    pthread_mutex_t lock;
    Flock *flock;
    uint64_t version;
};

static void flock_release(Flock *flock) {
    if (atomic_fetch_sub(&flock->references, 1) > 1) {
        return;
    }
    for (unsigned i = 0; i < flock->count; i++) {
        for (unsigned j = 0; j < flock->ducks[i].idle_count; j++) {
            (void)close(flock->ducks[i].idle[j]);
        }
    }
    (void)pthread_mutex_destroy(&flock->lock);
    free(flock);
}

static void flock_releasep(Flock **flock) {
    if (*flock != NULL) {
        flock_release(*flock);
    }
}

static Flock *flock_new(void) {
    Flock *flock = calloc(1, sizeof *flock);
    if (flock != NULL) {
        atomic_init(&flock->references, 1);
        (void)pthread_mutex_init(&flock->lock, NULL);
    }
    return flock;
}

static Flock *flock_borrow(Ducks *ducks) {
    (void)pthread_mutex_lock(&ducks->lock);
    Flock *flock = ducks->flock;
    atomic_fetch_add(&flock->references, 1);
    (void)pthread_mutex_unlock(&ducks->lock);
    return flock;
}

Ducks *ducks_new(void) {
    AUTO_FREE Ducks *ducks = calloc(1, sizeof *ducks);
    if (ducks == NULL || (ducks->flock = flock_new()) == NULL) {
        return NULL;
    }
    (void)pthread_mutex_init(&ducks->lock, NULL);
    return TAKE(ducks);
}

void ducks_free(Ducks *ducks) {
    if (ducks != NULL) {
        flock_release(ducks->flock);
        (void)pthread_mutex_destroy(&ducks->lock);
        free(ducks);
    }
}

/* Connects and asks for the size of its quotes. */
static bool meet(Duck *duck, const char *path, Error *err) {
    if (!text_copy(duck->path, sizeof duck->path, path)) {
        return error_set(err, ERROR_LIMIT, "lame duck: the path '%.64s…' is too long", path);
    }
    AUTO_CLOSE int fd = control_client_connect(path, NULL, err);
    CLEANUP(control_message_done) ControlMessage reply = CONTROL_MESSAGE_INIT;
    if (fd < 0 || !control_client_call(fd, CONTROL_STATUS, NULL, -1, STATUS_TIMEOUT_MS, &reply, err)) {
        return false;
    }
    CLEANUP(json_freep) json_t *status = control_message_json(&reply, err);
    uint64_t quote_size = 0;
    const char *qe = NULL;
    if (status == NULL || !json_get_u64(status, "quote_size", &quote_size, err) ||
        !json_get_text(json_object_get(status, "qe"), "mrenclave", &qe, err)) {
        return false;
    }
    if (!text_parse_hex(qe, duck->qe, sizeof duck->qe)) {
        return error_set(err, ERROR_INPUT, "lame duck: '%.80s' is no MRENCLAVE", qe);
    }
    duck->quote_size = (uint32_t)quote_size;
    duck->idle[duck->idle_count++] = TAKE_FD(fd);
    return true;
}

static bool gather(Flock *flock, const json_t *arguments, unsigned *unreachable, Error *err) {
    const json_t *list = json_object_get(arguments, "ducks");
    size_t index;
    const json_t *entry;
    flock->reinit = json_is_true(json_object_get(arguments, "reinit"));
    flock->recall = json_is_true(json_object_get(arguments, "recall"));
    if (list != NULL && (!json_is_array(list) || json_array_size(list) > DUCKS_MAX)) {
        return error_set(err, ERROR_INPUT, "ducks: a list of at most %d is wanted", DUCKS_MAX);
    }
    json_array_foreach(list, index, entry) {
        const char *path = NULL;
        Error why = ERROR_INIT;
        Duck *duck = &flock->ducks[flock->count];
        if (!json_get_text(entry, "control", &path, err)) {
            return false;
        }
        /* One that does not answer now may do so when it is needed; if not, its clients are told to ask anew.
         */
        duck->generation = (uint32_t)json_integer_value(json_object_get(entry, "generation"));
        bool away = json_is_true(json_object_get(entry, "away"));
        *unreachable += away ? !text_copy(duck->path, sizeof duck->path, path) : !meet(duck, path, &why);
        flock->count++;
    }
    return true;
}

bool ducks_set(Ducks *ducks, const json_t *arguments, unsigned *ret_unreachable, Error *err) {
    CLEANUP(flock_releasep) Flock *flock = flock_new();
    unsigned unreachable = 0;
    if (flock == NULL) {
        return error_set(err, ERROR_MEMORY, "ducks: out of memory");
    }
    if (!gather(flock, arguments, &unreachable, err)) {
        return false;
    }
    (void)pthread_mutex_lock(&ducks->lock);
    Flock *former = ducks->flock;
    ducks->flock = TAKE(flock);
    ducks->version++;
    (void)pthread_mutex_unlock(&ducks->lock);
    flock_release(former);
    *ret_unreachable = unreachable;
    return true;
}

bool ducks_are_there(Ducks *ducks) {
    CLEANUP(flock_releasep) Flock *flock = flock_borrow(ducks);
    return flock->count > 0;
}

bool ducks_may_be_recalled(Ducks *ducks) {
    CLEANUP(flock_releasep) Flock *flock = flock_borrow(ducks);
    return flock->recall;
}

uint64_t ducks_version_of(Ducks *ducks) {
    (void)pthread_mutex_lock(&ducks->lock);
    uint64_t version = ducks->version;
    (void)pthread_mutex_unlock(&ducks->lock);
    return version;
}

uint32_t ducks_quote_size(Ducks *ducks) {
    CLEANUP(flock_releasep) Flock *flock = flock_borrow(ducks);
    uint32_t largest = 0;
    for (unsigned i = 0; i < flock->count; i++) {
        largest = flock->ducks[i].quote_size > largest ? flock->ducks[i].quote_size : largest;
    }
    return largest;
}

bool ducks_reinit(Ducks *ducks) {
    CLEANUP(flock_releasep) Flock *flock = flock_borrow(ducks);
    return flock->reinit;
}

static int connection_take(Flock *flock, Duck *duck) {
    (void)pthread_mutex_lock(&flock->lock);
    int fd = duck->idle_count > 0 ? duck->idle[--duck->idle_count] : -1;
    (void)pthread_mutex_unlock(&flock->lock);
    return fd >= 0 ? fd : control_client_connect(duck->path, NULL, NULL);
}

static void connection_give(Flock *flock, Duck *duck, int fd) {
    (void)pthread_mutex_lock(&flock->lock);
    bool kept = duck->idle_count < DUCK_CONNECTIONS_MAX;
    if (kept) {
        duck->idle[duck->idle_count++] = fd;
    }
    (void)pthread_mutex_unlock(&flock->lock);
    if (!kept) {
        (void)close(fd);
    }
}

static bool await(int fd, uint64_t deadline) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    int ready;
    do {
        ready = poll(&poller, 1, clock_left_ms(deadline));
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

/* One question and its answer. False: the connection is of no more use. */
static bool ask(int fd, const RelayQuestion *question, uint64_t deadline, ControlMessage *reply) {
    ControlReceived received = CONTROL_RECEIVED_NOTHING;
    if (!control_message_send(fd, CONTROL_QUOTE, 1, 0, question->bytes, question->size, -1, NULL)) {
        return false;
    }
    while (received == CONTROL_RECEIVED_NOTHING) {
        if (!await(fd, deadline) || !control_message_receive(fd, reply, &received, NULL)) {
            return false;
        }
    }
    return received == CONTROL_RECEIVED && reply->header.type == CONTROL_QUOTE;
}

static Quote3Error ask_duck(Flock *flock, Duck *duck, const RelayQuestion *question, uint64_t deadline,
                            SgxQeReportInfo *info, uint8_t *quote, uint32_t size, uint32_t *ret_size,
                            bool *ret_away) {
    CLEANUP(control_message_done) ControlMessage reply = CONTROL_MESSAGE_INIT;
    AUTO_CLOSE int fd = connection_take(flock, duck);
    if (fd < 0 || !ask(fd, question, deadline, &reply) || reply.header.status == ERROR_CONFLICT) {
        /* It is gone, or still warms up. If it does not come back, the client does best to ask for target
         * info anew. */
        *ret_away = true;
        return QUOTE3_ATT_KEY_NOT_INITIALIZED;
    }
    Quote3Error code = QUOTE3_ERROR_UNEXPECTED;
    if (!relay_answer_read(&reply, info, quote, size, &code, ret_size)) {
        return QUOTE3_ERROR_UNEXPECTED;
    }
    connection_give(flock, duck, TAKE_FD(fd));
    return code;
}

Quote3Error ducks_quote(Ducks *ducks, const uint8_t own_qe[SGX_HASH_SIZE], const SgxReport *report,
                        SgxQeReportInfo *info, uint8_t *quote, uint32_t size, uint32_t *ret_size,
                        DuckMaker *ret_maker) {
    CLEANUP(flock_releasep) Flock *flock = flock_borrow(ducks);
    RelayQuestion question;
    Quote3Error worst = QUOTE3_INVALID_REPORT;
    uint64_t deadline = clock_monotonic_ms() + QUOTE_TIMEOUT_MS;
    relay_question_write(&question, report, info, size);
    for (unsigned i = 0; i < flock->count; i++) {
        Duck *duck = &flock->ducks[i];
        if (memcmp(duck->qe, own_qe, sizeof duck->qe) == 0) {
            continue;
        }
        Quote3Error code =
            ask_duck(flock, duck, &question, deadline, info, quote, size, ret_size, &ret_maker->away);
        if (code == QUOTE3_SUCCESS) {
            ret_maker->generation = duck->generation;
            memcpy(ret_maker->qe, duck->qe, sizeof ret_maker->qe);
            return code;
        }
        worst = code != QUOTE3_INVALID_REPORT ? code : worst;
    }
    return worst;
}
