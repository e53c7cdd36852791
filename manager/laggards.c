/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/laggards.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/buffer.h"
#include "bundles/base/digest.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/process.h"
#include "bundles/base/text.h"
#include "manager/cgroup.h"

enum { SIZE_MAX_BYTES = 4 * 1024 * 1024, COMMAND_MAX = 16, CGROUP_MAX = 256 };

typedef struct Row {
    uint32_t source; /* the generation that told */
    uint64_t pid, uid, start;
    char qe[DIGEST_HEX_SIZE];
    uint64_t generation, count, first, last;
    char command[COMMAND_MAX + 1], cgroup[CGROUP_MAX];
} Row;

struct Laggards {
    int dir_fd;
    bool changed;
    size_t count;
    Row rows[LAGGARDS_ROWS_MAX];
};

static bool take_text(const json_t *object, const char *key, char *text, size_t size) {
    const char *value = json_string_value(json_object_get(object, key));
    return value != NULL && text_is_printable(value, size - 1) && text_copy(text, size, value);
}

static bool take_row(const json_t *object, Row *row) {
    Error ignored = ERROR_INIT;
    Digest parsed;
    return json_is_object(object) && json_get_u64(object, "pid", &row->pid, &ignored) &&
           json_get_u64(object, "uid", &row->uid, &ignored) &&
           json_get_u64(object, "start", &row->start, &ignored) &&
           take_text(object, "qe", row->qe, sizeof row->qe) &&
           (row->qe[0] == '\0' || digest_parse(row->qe, &parsed)) &&
           json_get_u64(object, "generation", &row->generation, &ignored) &&
           json_get_u64(object, "count", &row->count, &ignored) &&
           json_get_u64(object, "first", &row->first, &ignored) &&
           json_get_u64(object, "last", &row->last, &ignored) &&
           take_text(object, "command", row->command, sizeof row->command) &&
           take_text(object, "cgroup", row->cgroup, sizeof row->cgroup);
}

static bool same_process(const Row *one, const Row *other) {
    return one->pid == other->pid && one->uid == other->uid && one->start == other->start &&
           strcmp(one->qe, other->qe) == 0;
}

static void put_row(Laggards *laggards, const Row *row) {
    Row *place = &laggards->rows[0];
    for (size_t i = 0; i < laggards->count; i++) {
        Row *other = &laggards->rows[i];
        if (other->source == row->source && same_process(other, row)) {
            laggards->changed |= other->count != row->count;
            *other = *row;
            return;
        }
        place = other->last < place->last ? other : place;
    }
    laggards->changed = true;
    *(laggards->count < LAGGARDS_ROWS_MAX ? &laggards->rows[laggards->count++] : place) = *row;
}

void laggards_take(Laggards *laggards, uint32_t generation, const json_t *page) {
    size_t index = 0;
    const json_t *object = NULL;
    json_array_foreach(json_object_get(page, "clients"), index, object) {
        Row row = {.source = generation};
        if (take_row(object, &row)) {
            put_row(laggards, &row);
        }
    }
}

/* A process of which nobody knew the start (another pid namespace, a hidden /proc) is only given up by time.
 */
static bool has_ended(const Row *row) {
    bool gone = false;
    if (row->pid == 0 || row->start == 0) {
        return false;
    }
    uint64_t start = process_start_ticks((pid_t)row->pid, &gone);
    return gone || (start != 0 && start != row->start);
}

static json_t *row_json(const Row *row) {
    return json_pack("{s:I, s:I, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:s, s:s}", "source",
                     (json_int_t)row->source, "pid", (json_int_t)row->pid, "uid", (json_int_t)row->uid,
                     "start", (json_int_t)row->start, "qe", row->qe, "generation",
                     (json_int_t)row->generation, "count", (json_int_t)row->count, "first",
                     (json_int_t)row->first, "last", (json_int_t)row->last, "command", row->command, "cgroup",
                     row->cgroup);
}

static bool save(const Laggards *laggards, Error *err) {
    CLEANUP(json_freep) json_t *list = json_array();
    for (size_t i = 0; i < laggards->count; i++) {
        if (json_array_append_new(list, row_json(&laggards->rows[i])) != 0) {
            return error_set(err, ERROR_MEMORY, "clients: out of memory");
        }
    }
    CLEANUP(json_freep) json_t *document = json_pack("{s:O}", "clients", list);
    AUTO_FREE char *text = document != NULL ? json_format(document, false) : NULL;
    if (text == NULL) {
        return error_set(err, ERROR_MEMORY, "clients: out of memory");
    }
    return file_replace_unsynced(laggards->dir_fd, LAGGARDS_NAME, text, strlen(text), 0600, err) ||
           error_wrap(err, "clients");
}

bool laggards_upkeep(Laggards *laggards, int64_t oldest, Error *err) {
    for (size_t i = 0; i < laggards->count;) {
        if ((int64_t)laggards->rows[i].last < oldest || has_ended(&laggards->rows[i])) {
            laggards->rows[i] = laggards->rows[--laggards->count];
            laggards->changed = true;
        } else {
            i++;
        }
    }
    if (!laggards->changed || !save(laggards, err)) {
        return !laggards->changed;
    }
    laggards->changed = false;
    return true;
}

/* What several generations have seen of the same process and QE, as one. */
static Row gather(const Laggards *laggards, const Row *first) {
    Row sum = *first;
    for (const Row *row = first + 1; row < laggards->rows + laggards->count; row++) {
        if (!same_process(row, first)) {
            continue;
        }
        sum.count += row->count;
        sum.first = row->first < sum.first ? row->first : sum.first;
        if (row->last > sum.last) {
            sum.last = row->last;
            sum.generation = row->generation;
        }
    }
    return sum;
}

static bool is_first(const Laggards *laggards, const Row *row) {
    for (const Row *other = laggards->rows; other < row; other++) {
        if (same_process(other, row)) {
            return false;
        }
    }
    return true;
}

static json_t *client_json(const Row *row) {
    CgroupPlace place;
    cgroup_place(row->cgroup, &place);
    return json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "pid",
                     (json_int_t)row->pid, "uid", (json_int_t)row->uid, "command", row->command, "cgroup",
                     row->cgroup, "runtime", place.runtime, "container", place.container, "unit", place.unit,
                     "qe", row->qe, "generation", (json_int_t)row->generation, "quotes",
                     (json_int_t)row->count, "first_seen", (json_int_t)row->first, "last_seen",
                     (json_int_t)row->last);
}

/* In its place by the time at which it was seen last. */
static bool insert(json_t *list, const Row *row) {
    size_t at = 0;
    while (at < json_array_size(list) &&
           json_integer_value(json_object_get(json_array_get(list, at), "last_seen")) >=
               (json_int_t)row->last) {
        at++;
    }
    return json_array_insert_new(list, at, client_json(row)) == 0;
}

json_t *laggards_json(const Laggards *laggards, const char *serving_qe) {
    CLEANUP(json_freep) json_t *list = json_array();
    bool good = list != NULL;
    for (size_t i = 0; good && i < laggards->count; i++) {
        const Row *row = &laggards->rows[i];
        if (is_first(laggards, row) && !has_ended(row) &&
            (row->qe[0] == '\0' || strcmp(row->qe, serving_qe) != 0)) {
            const Row sum = gather(laggards, row);
            good = insert(list, &sum);
        }
    }
    return good ? TAKE(list) : NULL;
}

static void load(Laggards *laggards) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(SIZE_MAX_BYTES);
    Error ignored = ERROR_INIT;
    if (!file_read(laggards->dir_fd, LAGGARDS_NAME, &text, &ignored)) {
        return;
    }
    CLEANUP(json_freep) json_t *document = json_parse(buffer_bytes(&text), LAGGARDS_NAME, &ignored);
    size_t index = 0;
    const json_t *object = NULL;
    json_array_foreach(json_object_get(document, "clients"), index, object) {
        uint64_t source = 0;
        Row row = {0};
        if (take_row(object, &row) && json_get_u64(object, "source", &source, &ignored) &&
            source <= UINT32_MAX) {
            row.source = (uint32_t)source;
            put_row(laggards, &row);
        }
    }
    laggards->changed = false;
}

Laggards *laggards_open(int dir_fd, Error *err) {
    Laggards *laggards = calloc(1, sizeof *laggards);
    if (laggards == NULL) {
        error_set(err, ERROR_MEMORY, "clients: out of memory");
        return NULL;
    }
    laggards->dir_fd = dir_fd;
    load(laggards);
    return laggards;
}

void laggards_close(Laggards *laggards) {
    free(laggards);
}
