/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/sightings.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/process.h"
#include "bundles/base/text.h"

enum {
    COMMAND_MAX = 16,
    CGROUP_MAX = 256,
    SAME_PROCESS_MS = 1000, /* so long a pid is taken for the process that it was */
};

typedef struct Sighting {
    bool used;
    pid_t pid;
    uid_t uid;
    uint64_t start; /* in clock ticks since boot; 0: not known */
    uint8_t qe[SGX_HASH_SIZE];
    bool refused; /* nobody made its quotes; qe is 0 */
    uint32_t generation;
    uint64_t count;
    int64_t first, last;
    uint64_t seen_ms;
    uint64_t waited_ms; /* when it was last refused after a wait; 0: never */
    char command[COMMAND_MAX + 1];
    char cgroup[CGROUP_MAX];
} Sighting;

struct Sightings {
    pthread_mutex_t lock;
    Sighting entries[SIGHTINGS_MAX]; /* the second half: refused */
};

Sightings *sightings_new(void) {
    Sightings *sightings = calloc(1, sizeof *sightings);
    if (sightings != NULL) {
        (void)pthread_mutex_init(&sightings->lock, NULL);
    }
    return sightings;
}

void sightings_free(Sightings *sightings) {
    if (sightings != NULL) {
        (void)pthread_mutex_destroy(&sightings->lock);
        free(sightings);
    }
}

/* What stands in a file of /proc/PID, at most size - 1 bytes; "" if it cannot be read. */
static void read_process_file(pid_t pid, const char *name, char *text, size_t size) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, size - 1) : 0;
    text[got > 0 ? got : 0] = '\0';
}

/* Printable ASCII without what JSON would have to escape, so that the size of a message is known. */
static void take_plain(char *to, size_t size, const char *from) {
    size_t length = 0;
    for (; from[length] != '\0' && from[length] != '\n' && length < size - 1; length++) {
        char one = from[length];
        to[length] = (char)(one >= 0x20 && one < 0x7f && one != '"' && one != '\\' ? one : '?');
    }
    to[length] = '\0';
}

/* The unified hierarchy's line, "0::/…", or else the first one. */
static void read_cgroup(pid_t pid, char *cgroup) {
    char text[4096];
    read_process_file(pid, "cgroup", text, sizeof text);
    const char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    line = line != NULL ? line : text;
    const char *path = strchr(line, '/');
    take_plain(cgroup, CGROUP_MAX, path != NULL ? path : "");
}

static bool is_same(const Sighting *entry, const struct ucred *peer, const uint8_t *qe) {
    static const uint8_t nobody[SGX_HASH_SIZE];
    return entry->used && entry->pid == peer->pid && entry->uid == peer->uid &&
           entry->refused == (qe == NULL) && memcmp(entry->qe, qe != NULL ? qe : nobody, SGX_HASH_SIZE) == 0;
}

static void describe(Sighting *entry, const struct ucred *peer, const uint8_t *qe, uint64_t start) {
    char command[64];
    *entry = (Sighting){.used = true,
                        .pid = peer->pid,
                        .uid = peer->uid,
                        .start = start,
                        .refused = qe == NULL,
                        .first = clock_wall_s()};
    if (qe != NULL) {
        memcpy(entry->qe, qe, sizeof entry->qe);
    }
    read_process_file(peer->pid, "comm", command, sizeof command);
    take_plain(entry->command, sizeof entry->command, command);
    read_cgroup(peer->pid, entry->cgroup);
}

/* The entry of the process, or the one that makes room for it. The lock is held. */
static Sighting *find(Sightings *sightings, const struct ucred *peer, const uint8_t *qe, uint64_t now_ms) {
    Sighting *first = sightings->entries + (qe == NULL ? SIGHTINGS_MAX / 2 : 0), *oldest = first;
    uint64_t start = 0;
    bool known = false, gone = false;
    for (Sighting *entry = first; entry < first + SIGHTINGS_MAX / 2; entry++) {
        if (is_same(entry, peer, qe)) {
            if (now_ms - entry->seen_ms < SAME_PROCESS_MS) {
                return entry;
            }
            start = known ? start : process_start_ticks(peer->pid, &gone);
            known = true;
            if (entry->start == start) {
                return entry;
            }
        }
        if (!entry->used ? oldest->used : oldest->used && entry->seen_ms < oldest->seen_ms) {
            oldest = entry;
        }
    }
    describe(oldest, peer, qe, known ? start : process_start_ticks(peer->pid, &gone));
    return oldest;
}

static void note(Sightings *sightings, int fd, const uint8_t *qe, uint32_t generation, bool in_vain) {
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size = sizeof peer;
    uint64_t now_ms = clock_monotonic_ms();
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return;
    }
    (void)pthread_mutex_lock(&sightings->lock);
    Sighting *entry = find(sightings, &peer, qe, now_ms);
    entry->generation = generation;
    entry->count++;
    entry->last = clock_wall_s();
    entry->seen_ms = now_ms;
    entry->waited_ms = in_vain ? now_ms : entry->waited_ms;
    (void)pthread_mutex_unlock(&sightings->lock);
}

void sightings_note(Sightings *sightings, int fd, const uint8_t qe[SGX_HASH_SIZE], uint32_t generation) {
    note(sightings, fd, qe, generation, false);
}

void sightings_note_refused(Sightings *sightings, int fd, bool waited) {
    note(sightings, fd, NULL, 0, waited);
}

bool sightings_waited_in_vain(Sightings *sightings, int fd, uint64_t within_ms) {
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size = sizeof peer;
    uint64_t now_ms = clock_monotonic_ms();
    bool gone = false, found = false;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return true;
    }
    (void)pthread_mutex_lock(&sightings->lock);
    for (unsigned i = SIGHTINGS_MAX / 2; !found && i < SIGHTINGS_MAX; i++) {
        const Sighting *entry = &sightings->entries[i];
        found = is_same(entry, &peer, NULL) && entry->waited_ms != 0 &&
                now_ms - entry->waited_ms < within_ms && entry->start == process_start_ticks(peer.pid, &gone);
    }
    (void)pthread_mutex_unlock(&sightings->lock);
    return found;
}

static json_t *entry_json(const Sighting *entry) {
    char qe[2 * SGX_HASH_SIZE + 1] = "";
    if (!entry->refused) {
        text_format_hex(entry->qe, sizeof entry->qe, qe);
    }
    return json_pack("{s:I, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:s, s:s}", "pid", (json_int_t)entry->pid,
                     "uid", (json_int_t)entry->uid, "start", (json_int_t)entry->start, "qe", qe, "generation",
                     (json_int_t)entry->generation, "count", (json_int_t)entry->count, "first",
                     (json_int_t)entry->first, "last", (json_int_t)entry->last, "command", entry->command,
                     "cgroup", entry->cgroup);
}

json_t *sightings_json(Sightings *sightings, unsigned from) {
    CLEANUP(json_freep) json_t *list = json_array();
    bool good = list != NULL;
    unsigned at = from;
    (void)pthread_mutex_lock(&sightings->lock);
    for (; good && at < SIGHTINGS_MAX && json_array_size(list) < SIGHTINGS_PAGE; at++) {
        good = !sightings->entries[at].used ||
               json_array_append_new(list, entry_json(&sightings->entries[at])) == 0;
    }
    (void)pthread_mutex_unlock(&sightings->lock);
    return good ? json_pack("{s:O, s:o}", "clients", list, "next",
                            at < SIGHTINGS_MAX ? json_integer(at) : json_null())
                : NULL;
}
