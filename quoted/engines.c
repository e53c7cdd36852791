/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/eventfd.h>

#include "bundles/base/cleanup.h"
#include "quoted/engines_private.h"

Engines *engines_start(const EnginesSpec *spec, Error *err) {
    Engines *engines = calloc(1, sizeof *engines);
    if (engines == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    engines->spec = *spec;
    engines->wanted = true;
    (void)pthread_mutex_init(&engines->lock, NULL);
    (void)pthread_cond_init(&engines->changed, NULL);
    while (engines->others_count + 1 < spec->count) {
        if (!engines_other_start(engines, err)) {
            engines_stop(engines);
            return NULL;
        }
    }
    return engines;
}

/* The lock is held. */
static void wake_all(Engines *engines) {
    for (unsigned i = 0; i < engines->others_count; i++) {
        (void)!eventfd_write(engines->others[i].wake_fd, 1);
    }
    (void)pthread_cond_broadcast(&engines->changed);
}

void engines_stop(Engines *engines) {
    if (engines == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&engines->lock);
    engines->stopping = true;
    wake_all(engines);
    (void)pthread_mutex_unlock(&engines->lock);
    for (unsigned i = 0; i < engines->others_count; i++) {
        if (engines->others[i].started) {
            (void)pthread_join(engines->others[i].thread, NULL);
        }
        cleanup_close(&engines->others[i].wake_fd);
    }
    (void)pthread_cond_destroy(&engines->changed);
    (void)pthread_mutex_destroy(&engines->lock);
    free(engines);
}

void engines_want(Engines *engines, bool wanted) {
    (void)pthread_mutex_lock(&engines->lock);
    if (engines->wanted != wanted) {
        engines->wanted = wanted;
        wake_all(engines);
    }
    (void)pthread_mutex_unlock(&engines->lock);
}

/* The lock is held. */
static unsigned count_warm(const Engines *engines) {
    unsigned warm = 0;
    for (unsigned i = 0; i < engines->others_count; i++) {
        warm += engines->others[i].state == OTHER_IDLE || engines->others[i].state == OTHER_BUSY;
    }
    return warm;
}

bool engines_wait(Engines *engines, Engine *own, Error *err) {
    bool good = true;
    EngineFacts facts;
    engine_facts(own, &facts);
    (void)pthread_mutex_lock(&engines->lock);
    while (!engines->failed && count_warm(engines) < engines->others_count) {
        (void)pthread_cond_wait(&engines->changed, &engines->lock);
    }
    if (engines->failed) {
        good = error_set(err, engines->failure.kind, "%s", engines->failure.text);
    }
    for (unsigned i = 0; good && i < engines->others_count; i++) {
        good = engines_other_matches(&engines->others[i], &facts, err);
    }
    engines->facts = facts;
    engines->own = own;
    (void)pthread_mutex_unlock(&engines->lock);
    return good;
}

bool engines_busy(Engines *engines) {
    (void)pthread_mutex_lock(&engines->lock);
    bool busy = engines->own_calls > 0;
    for (unsigned i = 0; i < engines->others_count; i++) {
        busy = busy || engines->others[i].state == OTHER_BUSY;
    }
    (void)pthread_mutex_unlock(&engines->lock);
    return busy;
}

/* Somebody else than our own engine, if that has its share. The lock is held. */
static Other *find_idle(Engines *engines) {
    for (unsigned i = 0; engines->own_calls >= engines->spec.own_calls && i < engines->others_count; i++) {
        if (engines->others[i].state == OTHER_IDLE) {
            return &engines->others[i];
        }
    }
    return NULL;
}

static Quote3Error ask_own(Engines *engines, const SgxReport *report, SgxQeReportInfo *info, uint8_t *quote,
                           uint32_t size) {
    Quote3Error code = engine_quote(engines->own, report, info, quote, size);
    (void)pthread_mutex_lock(&engines->lock);
    engines->own_calls--;
    (void)pthread_mutex_unlock(&engines->lock);
    return code;
}

Quote3Error engines_quote(Engines *engines, const SgxReport *report, SgxQeReportInfo *info, uint8_t *quote,
                          uint32_t size) {
    (void)pthread_mutex_lock(&engines->lock);
    Other *other = find_idle(engines);
    if (other != NULL) {
        other->state = OTHER_BUSY;
    } else {
        engines->own_calls++;
    }
    (void)pthread_mutex_unlock(&engines->lock);
    if (other == NULL) {
        return ask_own(engines, report, info, quote, size);
    }
    Quote3Error code = QUOTE3_ERROR_UNEXPECTED;
    bool good = engines_other_ask(other, report, info, quote, size, &code);
    engines_other_give_back(other, good);
    if (good && (code == QUOTE3_SUCCESS || code == QUOTE3_INVALID_REPORT)) {
        return code;
    }
    (void)pthread_mutex_lock(&engines->lock);
    engines->own_calls++;
    (void)pthread_mutex_unlock(&engines->lock);
    return ask_own(engines, report, info, quote, size);
}

json_t *engines_status(Engines *engines) {
    unsigned wanted = 0;
    unsigned ready = 0;
    if (engines != NULL) {
        (void)pthread_mutex_lock(&engines->lock);
        wanted = engines->wanted ? engines->others_count : 0;
        ready = count_warm(engines);
        (void)pthread_mutex_unlock(&engines->lock);
    }
    return json_pack("{s:i, s:i}", "wanted", (int)wanted + 1, "ready", (int)ready + 1);
}
