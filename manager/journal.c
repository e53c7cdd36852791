/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/journal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/buffer.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"

enum { FORMAT = 1, SIZE_MAX_BYTES = 1024 * 1024 };

static json_t *generation_json(const JournalGeneration *generation) {
    return json_pack("{s:I, s:s, s:s, s:s, s:I, s:b}", "number", (json_int_t)generation->number, "bundle",
                     generation->digest, "qe", generation->qe, "origin", generation->origin, "since",
                     (json_int_t)generation->since, "recalled", generation->recalled);
}

static json_t *who_json(JournalWho who) {
    return json_pack("{s:I, s:I}", "uid", (json_int_t)who.uid, "pid", (json_int_t)who.pid);
}

static json_t *swap_json(const JournalSwap *swap) {
    if (swap->state == SWAP_IDLE) {
        return json_null();
    }
    return json_pack("{s:s, s:I, s:b, s:b, s:o, s:o, s:{s:I, s:I}, s:I, s:I, s:o}", "step",
                     swap_state_name(swap->state), "operation", (json_int_t)swap->operation, "rollback",
                     swap->rollback, "resumes", swap->resumes, "next", generation_json(&swap->next), "former",
                     generation_json(&swap->former), "foreign", "pid", (json_int_t)swap->foreign.pid,
                     "started", (json_int_t)swap->foreign.started, "soak_ms", (json_int_t)swap->soak_ms,
                     "started_at", (json_int_t)swap->started_at, "who", who_json(swap->who));
}

static json_t *event_json(const JournalEvent *event) {
    return json_pack("{s:I, s:I, s:o, s:s, s:s}", "at", (json_int_t)event->at, "operation",
                     (json_int_t)event->operation, "who", who_json(event->who), "event", event->event, "text",
                     event->text);
}

json_t *journal_history_json(const Journal *journal) {
    CLEANUP(json_freep) json_t *list = json_array();
    for (size_t i = 0; i < journal->history_count; i++) {
        json_t *object = event_json(&journal->history[i]);
        if (object == NULL || json_array_append_new(list, object) != 0) {
            return NULL;
        }
    }
    return TAKE(list);
}

json_t *journal_swaps_json(const Journal *journal) {
    static const char *const outcomes[] = {"committed", "undone", "failed"};
    CLEANUP(json_freep) json_t *swaps = json_object();
    for (size_t i = 0; i < journal->history_count; i++) {
        const JournalEvent *event = &journal->history[i];
        for (size_t j = 0; j < sizeof outcomes / sizeof *outcomes; j++) {
            if (strcmp(event->event, outcomes[j]) == 0 &&
                !json_put(swaps, outcomes[j], json_integer((json_int_t)event->at))) {
                return NULL;
            }
        }
    }
    return TAKE(swaps);
}

/* Events never change, and every step of a swap writes them all: each is put into words once. */
static bool write_event(JournalEvent *event, Buffer *text) {
    if (event->json == NULL) {
        CLEANUP(json_freep) json_t *object = event_json(event);
        event->json = object != NULL ? json_format(object, false) : NULL;
    }
    return event->json != NULL && buffer_append_text(text, event->json);
}

static json_t *generations_json(const JournalGeneration *generations, size_t count) {
    CLEANUP(json_freep) json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *object = generation_json(&generations[i]);
        if (object == NULL || json_array_append_new(list, object) != 0) {
            return NULL;
        }
    }
    return TAKE(list);
}

static json_t *journal_json(const Journal *journal) {
    return json_pack("{s:i, s:I, s:I, s:o, s:I, s:s, s:s, s:o, s:o, s:b, s:o}", "format", FORMAT,
                     "next_generation", (json_int_t)journal->next_generation, "next_operation",
                     (json_int_t)journal->next_operation, "serving", generation_json(&journal->serving),
                     "standby", (json_int_t)journal->standby.number, "standby_origin",
                     journal->standby.origin, "previous", journal->previous, "ducks",
                     generations_json(journal->ducks, journal->ducks_count), "retired",
                     generations_json(journal->retired, journal->retired_count), "qe_retired",
                     journal->qe_retired, "swap", swap_json(&journal->swap));
}

static bool write_journal(Journal *journal, Buffer *text) {
    CLEANUP(json_freep) json_t *document = journal_json(journal);
    AUTO_FREE char *head = document != NULL ? json_format(document, false) : NULL;
    /* The history is the document's last member, in the place of its closing brace. */
    bool good = head != NULL && buffer_append(text, head, strlen(head) - 1) &&
                buffer_append_text(text, ", \"history\": [");
    for (size_t i = 0; good && i < journal->history_count; i++) {
        good = (i == 0 || buffer_append_text(text, ", ")) && write_event(&journal->history[i], text);
    }
    return good && buffer_append_text(text, "]}");
}

bool journal_save(Journal *journal, Error *err) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(SIZE_MAX_BYTES);
    Error failure = ERROR_INIT;
    if (!write_journal(journal, &text)) {
        error_set(&failure, ERROR_MEMORY, "journal: out of memory");
    } else if (!file_exchange(journal->dir_fd, JOURNAL_NAME, text.data, text.size, 0600, &failure)) {
        error_wrap(&failure, "journal");
    }
    journal->failure = failure;
    return failure.kind == ERROR_NONE || error_set(err, failure.kind, "%s", failure.text);
}

static bool take_digest(const json_t *object, const char *key, char digest[DIGEST_HEX_SIZE], Error *err) {
    const char *text = NULL;
    Digest parsed;
    if (!json_get_text(object, key, &text, err)) {
        return false;
    }
    if (text[0] != '\0' && !digest_parse(text, &parsed)) {
        return error_set(err, ERROR_INPUT, "member '%s' is not a SHA-256", key);
    }
    return text_copy(digest, DIGEST_HEX_SIZE, text);
}

static bool take_time(const json_t *object, const char *key, int64_t *value, Error *err) {
    uint64_t number = 0;
    if (!json_get_u64(object, key, &number, err) || number > INT64_MAX) {
        return false;
    }
    *value = (int64_t)number;
    return true;
}

static bool take_u32(const json_t *object, const char *key, uint32_t *value, Error *err) {
    uint64_t number = 0;
    if (!json_get_u64(object, key, &number, err)) {
        return false;
    }
    if (number > UINT32_MAX) {
        return error_set(err, ERROR_INPUT, "member '%s' is too large", key);
    }
    *value = (uint32_t)number;
    return true;
}

/* 0: none. What is no pid of a process would be written as another number, and a signal is for one process.
 */
static bool take_pid(const json_t *object, pid_t *pid, Error *err) {
    uint64_t number = 0;
    if (!json_get_u64(object, "pid", &number, err)) {
        return false;
    }
    if (number > INT_MAX) {
        return error_set(err, ERROR_INPUT, "member 'pid' is too large");
    }
    *pid = (pid_t)number;
    return true;
}

/* Journals of before have none. */
static bool take_origin(const json_t *object, const char *key, JournalGeneration *generation, Error *err) {
    return json_object_get(object, key) == NULL || take_digest(object, key, generation->origin, err);
}

static bool take_generation(const json_t *object, JournalGeneration *generation, Error *err) {
    generation->recalled = json_is_true(json_object_get(object, "recalled"));
    return take_u32(object, "number", &generation->number, err) &&
           take_digest(object, "bundle", generation->digest, err) &&
           take_digest(object, "qe", generation->qe, err) && take_origin(object, "origin", generation, err) &&
           take_time(object, "since", &generation->since, err);
}

static bool take_who(const json_t *object, JournalWho *who, Error *err) {
    uint32_t uid = 0;
    if (!take_u32(object, "uid", &uid, err) || !take_pid(object, &who->pid, err)) {
        return false;
    }
    who->uid = uid;
    return true;
}

/* Journals of the version before have none. */
static bool take_foreign(const json_t *object, ForeignId *foreign, Error *err) {
    return object == NULL ||
           (take_pid(object, &foreign->pid, err) && json_get_u64(object, "started", &foreign->started, err));
}

static bool take_swap(const json_t *object, JournalSwap *swap, Error *err) {
    const char *step = NULL;
    if (json_is_null(object)) {
        return true;
    }
    if (!json_get_text(object, "step", &step, err)) {
        return false;
    }
    if (!swap_state_parse(step, &swap->state)) {
        return error_set(err, ERROR_INPUT, "swap: there is no step '%.32s'", step);
    }
    return json_get_u64(object, "operation", &swap->operation, err) &&
           json_get_bool(object, "rollback", &swap->rollback, err) &&
           json_get_bool(object, "resumes", &swap->resumes, err) &&
           take_generation(json_object_get(object, "next"), &swap->next, err) &&
           take_generation(json_object_get(object, "former"), &swap->former, err) &&
           take_foreign(json_object_get(object, "foreign"), &swap->foreign, err) &&
           json_get_u64(object, "soak_ms", &swap->soak_ms, err) &&
           take_time(object, "started_at", &swap->started_at, err) &&
           take_who(json_object_get(object, "who"), &swap->who, err);
}

static bool take_event(const json_t *object, JournalEvent *event, Error *err) {
    const char *name = NULL, *text = NULL;
    return take_time(object, "at", &event->at, err) &&
           json_get_u64(object, "operation", &event->operation, err) &&
           take_who(json_object_get(object, "who"), &event->who, err) &&
           json_get_text(object, "event", &name, err) && json_get_text(object, "text", &text, err) &&
           ((text_copy(event->event, sizeof event->event, name) &&
             text_copy(event->text, sizeof event->text, text)) ||
            error_set(err, ERROR_INPUT, "history: an event is too long"));
}

/* Journals of before have none. */
static bool take_retired(const json_t *list, Journal *journal, Error *err) {
    if (list != NULL && (!json_is_array(list) || json_array_size(list) > JOURNAL_RETIRED_MAX)) {
        return error_set(err, ERROR_INPUT, "'retired' is no list or too long");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!take_generation(json_array_get(list, i), &journal->retired[i], err)) {
            return false;
        }
    }
    journal->retired_count = json_array_size(list);
    return true;
}

static bool take_lists(const json_t *document, Journal *journal, Error *err) {
    const json_t *ducks = json_object_get(document, "ducks"), *history = json_object_get(document, "history");
    if (!json_is_array(ducks) || json_array_size(ducks) > JOURNAL_DUCKS_MAX || !json_is_array(history) ||
        json_array_size(history) > JOURNAL_HISTORY_MAX) {
        return error_set(err, ERROR_INPUT, "'ducks' or 'history' is missing or too long");
    }
    for (size_t i = 0; i < json_array_size(ducks); i++) {
        if (!take_generation(json_array_get(ducks, i), &journal->ducks[i], err)) {
            return false;
        }
    }
    journal->ducks_count = json_array_size(ducks);
    for (size_t i = 0; i < json_array_size(history); i++) {
        if (!take_event(json_array_get(history, i), &journal->history[i], err)) {
            return false;
        }
    }
    journal->history_count = json_array_size(history);
    return true;
}

/* Journals of before have none. */
static bool take_standby(const json_t *document, Journal *journal, Error *err) {
    return json_object_get(document, "standby") == NULL ||
           (take_u32(document, "standby", &journal->standby.number, err) &&
            take_origin(document, "standby_origin", &journal->standby, err));
}

static bool journal_take(const json_t *document, Journal *journal, Error *err) {
    uint64_t format = 0;
    if (!json_get_u64(document, "format", &format, err)) {
        return false;
    }
    if (format != FORMAT) {
        return error_set(err, ERROR_INPUT, "format %llu is not known to this version",
                         (unsigned long long)format);
    }
    return take_u32(document, "next_generation", &journal->next_generation, err) &&
           json_get_u64(document, "next_operation", &journal->next_operation, err) &&
           take_generation(json_object_get(document, "serving"), &journal->serving, err) &&
           take_standby(document, journal, err) &&
           take_digest(document, "previous", journal->previous, err) &&
           json_get_bool(document, "qe_retired", &journal->qe_retired, err) &&
           take_swap(json_object_get(document, "swap"), &journal->swap, err) &&
           take_retired(json_object_get(document, "retired"), journal, err) &&
           take_lists(document, journal, err);
}

static bool journal_read(Journal *journal, const char *name, Error *err) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(SIZE_MAX_BYTES);
    Error missing = ERROR_INIT;
    if (!file_read(journal->dir_fd, JOURNAL_NAME, &text, &missing)) {
        if (missing.kind == ERROR_NOT_FOUND) {
            return true;
        }
        *err = missing;
        return error_wrap(err, "%s", name);
    }
    CLEANUP(json_freep) json_t *document = json_parse(buffer_bytes(&text), JOURNAL_NAME, err);
    if (document == NULL || !journal_take(document, journal, err)) {
        error_wrap(err, "%s/%s", name, JOURNAL_NAME);
        size_t length = strlen(err->text);
        (void)snprintf(err->text + length, sizeof err->text - length,
                       ": restore it, or move it away once no quoted runs any more");
        return false;
    }
    return true;
}

Journal *journal_open(int dir_fd, const char *name, Error *err) {
    CLEANUP(journal_closep) Journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) {
        error_set(err, ERROR_MEMORY, "journal: out of memory");
        return NULL;
    }
    journal->dir_fd = dir_fd;
    journal->next_generation = 1;
    journal->next_operation = 1;
    if (!journal_read(journal, name, err)) {
        return NULL;
    }
    return TAKE(journal);
}

void journal_close(Journal *journal) {
    for (size_t i = 0; journal != NULL && i < journal->history_count; i++) {
        free(journal->history[i].json);
    }
    free(journal);
}

/* Where generations that run are named; a place may be empty, and two may name the same one. NULL: no more.
 */
static JournalGeneration *place(Journal *journal, size_t index) {
    enum { OTHERS = 4 };
    JournalGeneration *const others[OTHERS] = {&journal->serving, &journal->swap.next, &journal->swap.former,
                                               &journal->standby};
    if (index < OTHERS) {
        return others[index];
    }
    return index - OTHERS < journal->ducks_count ? &journal->ducks[index - OTHERS] : NULL;
}

const char *journal_origin(const Journal *journal, uint32_t number) {
    const JournalGeneration *at = NULL;
    for (size_t i = 0; (at = place((Journal *)journal, i)) != NULL; i++) { /* it is only read */
        if (at->number == number) {
            return at->origin;
        }
    }
    return "";
}

void journal_set_origin(Journal *journal, uint32_t number, const char *origin) {
    JournalGeneration *at = NULL;
    for (size_t i = 0; (at = place(journal, i)) != NULL; i++) {
        if (at->number == number) {
            (void)text_copy(at->origin, sizeof at->origin, origin);
        }
    }
}

void journal_note(Journal *journal, uint64_t operation, JournalWho who, const char *event, const char *format,
                  ...) {
    if (journal->history_count == JOURNAL_HISTORY_MAX) {
        free(journal->history[0].json);
        memmove(&journal->history[0], &journal->history[1],
                (JOURNAL_HISTORY_MAX - 1) * sizeof journal->history[0]);
        journal->history_count--;
    }
    JournalEvent *entry = &journal->history[journal->history_count++];
    *entry = (JournalEvent){.at = clock_wall_s(), .operation = operation, .who = who};
    (void)snprintf(entry->event, sizeof entry->event, "%s", event);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(entry->text, sizeof entry->text, format, args);
    va_end(args);
    for (char *at = entry->text; *at != '\0'; at++) {
        if (*at < 0x20 || *at == 0x7f) { /* also what a cut left of a UTF-8 sequence: JSON would refuse it */
            *at = '?';
        }
    }
}
