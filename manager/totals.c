/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/totals.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/buffer.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"

enum { SIZE_MAX_BYTES = 2 * 1024 * 1024, BOOT_MAX = 64, KEY_MAX = 16 };

struct Totals {
    int dir_fd;
    char boot[BOOT_MAX]; /* the kernel's id of this boot */
    json_t *ended;       /* counts of those that are gone, added up, and our own */
    json_t *living;      /* by number of the generation */
};

static json_int_t add_numbers(const json_t *one, const json_t *other) {
    json_int_t sum = 0;
    bool good = json_is_integer(other) && json_integer_value(other) >= 0;
    if (good && __builtin_add_overflow(json_integer_value(one), json_integer_value(other), &sum)) {
        return INT64_MAX;
    }
    return good ? sum : json_integer_value(one);
}

static bool add_arrays(json_t *into, const json_t *from) {
    if (json_array_size(into) != json_array_size(from)) {
        return true; /* of another version: left out */
    }
    for (size_t i = 0; i < json_array_size(into); i++) {
        json_t *sum = json_integer(add_numbers(json_array_get(into, i), json_array_get(from, i)));
        if (json_array_set_new(into, i, sum) != 0) {
            return false;
        }
    }
    return true;
}

static bool add_series(json_t *family, const char *key, const json_t *value) {
    json_t *had = json_object_get(family, key);
    if (json_is_array(value) && json_is_array(had)) {
        return add_arrays(had, value);
    }
    if (json_is_integer(value) && json_is_integer(had)) {
        return json_put(family, key, json_integer(add_numbers(had, value)));
    }
    return had != NULL || json_put(family, key, json_deep_copy(value));
}

/* Adds the numbers of one document to those of another. */
static bool add(json_t *into, const json_t *from) {
    const char *name = NULL, *key = NULL;
    json_t *family = NULL, *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)from, name, family) {
        if (!json_is_object(json_object_get(into, name)) && !json_put(into, name, json_object())) {
            return false;
        }
        json_object_foreach(family, key, value) {
            if (!add_series(json_object_get(into, name), key, value)) {
                return false;
            }
        }
    }
    return true;
}

static const char *key_of(uint32_t generation, char key[KEY_MAX]) {
    (void)snprintf(key, KEY_MAX, "%u", generation);
    return key;
}

/* Out of memory costs the numbers of one generation, and nothing else. */
void totals_take(Totals *totals, uint32_t generation, json_t *counts) {
    char key[KEY_MAX];
    CLEANUP(json_freep) json_t *owned = counts;
    if (json_is_object(owned)) {
        (void)json_object_set(totals->living, key_of(generation, key), owned);
    }
}

void totals_end(Totals *totals, uint32_t generation) {
    char key[KEY_MAX];
    const json_t *counts = json_object_get(totals->living, key_of(generation, key));
    Error ignored = ERROR_INIT;
    if (counts != NULL) {
        (void)add(totals->ended, counts);
        (void)json_object_del(totals->living, key);
        (void)!totals_save(totals, &ignored); /* the next scrape tries again */
    }
}

void totals_keep(Totals *totals, const uint32_t *generations, size_t count) {
    const char *key = NULL;
    json_t *counts = NULL;
    void *next = NULL;
    json_object_foreach_safe(totals->living, next, key, counts) {
        bool lives = false;
        for (size_t i = 0; i < count; i++) {
            char number[KEY_MAX];
            lives |= strcmp(key_of(generations[i], number), key) == 0;
        }
        if (!lives) {
            (void)add(totals->ended, counts);
            (void)json_object_del(totals->living, key);
        }
    }
}

void totals_add(Totals *totals, const char *family, const char *series, uint64_t value) {
    CLEANUP(json_freep) json_t *one = json_pack("{s:{s:I}}", family, series, (json_int_t)value);
    (void)(one != NULL && add(totals->ended, one));
}

json_t *totals_json(const Totals *totals) {
    CLEANUP(json_freep) json_t *sum = json_deep_copy(totals->ended);
    const char *key = NULL;
    json_t *counts = NULL;
    json_object_foreach(totals->living, key, counts) {
        if (sum == NULL || !add(sum, counts)) {
            return NULL;
        }
    }
    return TAKE(sum);
}

/* Without fsync: it has to outlive processes, not the kernel. */
bool totals_save(Totals *totals, Error *err) {
    CLEANUP(json_freep)
    json_t *document =
        json_pack("{s:s, s:O, s:O}", "boot", totals->boot, "ended", totals->ended, "living", totals->living);
    AUTO_FREE char *text = document != NULL ? json_format(document, false) : NULL;
    if (text == NULL) {
        return error_set(err, ERROR_MEMORY, "metrics: out of memory");
    }
    return file_replace_unsynced(totals->dir_fd, TOTALS_NAME, text, strlen(text), 0600, err) ||
           error_wrap(err, "metrics");
}

/* Of another boot, broken, or not there: the counting begins anew. */
static void load(Totals *totals) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(SIZE_MAX_BYTES);
    Error ignored = ERROR_INIT;
    if (!file_read(totals->dir_fd, TOTALS_NAME, &text, &ignored)) {
        return;
    }
    CLEANUP(json_freep) json_t *document = json_parse(buffer_bytes(&text), TOTALS_NAME, &ignored);
    const char *boot = json_string_value(json_object_get(document, "boot"));
    json_t *ended = json_object_get(document, "ended"), *living = json_object_get(document, "living");
    if (boot != NULL && strcmp(boot, totals->boot) == 0 && json_is_object(ended) && json_is_object(living)) {
        json_decref(totals->ended);
        json_decref(totals->living);
        totals->ended = json_incref(ended);
        totals->living = json_incref(living);
    }
}

static void read_boot(Totals *totals) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(BOOT_MAX - 1);
    Error ignored = ERROR_INIT;
    AUTO_CLOSE int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && file_read_fd(fd, "boot_id", &text, &ignored)) {
        (void)snprintf(totals->boot, sizeof totals->boot, "%.*s", (int)strcspn(buffer_text(&text), "\n"),
                       buffer_text(&text));
    }
}

Totals *totals_open(int dir_fd, Error *err) {
    CLEANUP(totals_closep) Totals *totals = calloc(1, sizeof *totals);
    if (totals == NULL || (totals->ended = json_object()) == NULL ||
        (totals->living = json_object()) == NULL) {
        error_set(err, ERROR_MEMORY, "metrics: out of memory");
        return NULL;
    }
    totals->dir_fd = dir_fd;
    read_boot(totals);
    load(totals);
    return TAKE(totals);
}

void totals_close(Totals *totals) {
    if (totals != NULL) {
        json_decref(totals->ended);
        json_decref(totals->living);
        free(totals);
    }
}
