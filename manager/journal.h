/* SPDX-License-Identifier: Apache-2.0
 *
 * Journal: what the manager must know after a crash: <state>/journal.json, replaced as a whole before every
 * effect that it announces.
 *
 * It names the generation that serves and those that are lame ducks, the swap under way with its step, and
 * the last events with who asked for them. Numbers of generations and operations are taken from it and never
 * given twice. Invariant: what is on disk is what was in memory at the last successful journal_save.
 */
#ifndef MANAGER_JOURNAL_H
#define MANAGER_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"
#include "bundles/base/error.h"
#include "manager/foreign.h"
#include "manager/swap.h"

#define JOURNAL_NAME "journal.json"
enum { JOURNAL_HISTORY_MAX = 200, JOURNAL_DUCKS_MAX = 10, JOURNAL_RETIRED_MAX = 8, JOURNAL_TEXT_MAX = 512 };

/* A generation that clients may have met. */
typedef struct JournalGeneration {
    uint32_t number;              /* 0: none */
    char digest[DIGEST_HEX_SIZE]; /* of its bundle */
    char qe[DIGEST_HEX_SIZE];     /* MRENCLAVE of its QE; "" while not known */
    char origin[DIGEST_HEX_SIZE]; /* what it was started from (generation_origin); "" while not known */
    bool recalled;                /* a duck that was retired and is wanted again */
    int64_t since;                /* serving: since when it serves; duck: since when it does not */
} JournalGeneration;

typedef struct JournalWho {
    uid_t uid;
    pid_t pid; /* 0: the manager itself */
} JournalWho;

/* The swap under way; state SWAP_IDLE: none. */
typedef struct JournalSwap {
    SwapState state;
    uint64_t operation;
    bool rollback;
    bool resumes; /* the new one is a lame duck that serves again */
    JournalGeneration next;
    JournalGeneration former; /* number 0: nothing served before */
    ForeignId foreign;        /* the daemon of somebody else that serves before; pid 0: none */
    uint64_t soak_ms;
    int64_t started_at;
    JournalWho who;
} JournalSwap;

typedef struct JournalEvent {
    int64_t at;
    uint64_t operation; /* 0: none */
    JournalWho who;
    char event[32];
    char text[JOURNAL_TEXT_MAX];
    char *json; /* as it stands in the file, once it was written; the journal's */
} JournalEvent;

typedef struct Journal {
    int dir_fd;
    uint32_t next_generation;
    uint64_t next_operation;
    JournalGeneration serving;      /* digest set: what should serve, also while its generation is down */
    JournalGeneration standby;      /* the spare, which may serve at any time: number and origin */
    char previous[DIGEST_HEX_SIZE]; /* the bundle that a rollback goes to; "" if none */
    JournalGeneration ducks[JOURNAL_DUCKS_MAX]; /* newest first */
    size_t ducks_count;
    JournalGeneration retired[JOURNAL_RETIRED_MAX]; /* ducks that may be recalled, newest first */
    size_t retired_count;
    bool qe_retired; /* reports may be about for a QE that no generation holds any more */
    JournalSwap swap;
    JournalEvent history[JOURNAL_HISTORY_MAX]; /* oldest first */
    size_t history_count;
    Error failure; /* of the last journal_save, of any kind but none: memory is ahead of the file */
} Journal;

/* Reads <state>/journal.json; a file that is not there is an empty journal. dir_fd is borrowed. A journal
 * that cannot be read is refused (ERROR_INPUT): guessing could start a second generation beside a living one.
 */
Journal *journal_open(int dir_fd, const char *name, Error *err) __attribute__((warn_unused_result));
void journal_close(Journal *journal);
CLEANUP_DEFINE(Journal, journal_close)

bool journal_save(Journal *journal, Error *err) __attribute__((warn_unused_result));

/* What the journal has of this generation, wherever it stands; "": nothing. In memory, as everything here. */
const char *journal_origin(const Journal *journal, uint32_t number);
void journal_set_origin(Journal *journal, uint32_t number, const char *origin);

/* Adds to the history in memory; the next save writes it. The oldest goes. */
void journal_note(Journal *journal, uint64_t operation, JournalWho who, const char *event, const char *format,
                  ...) __attribute__((format(printf, 5, 6)));

/* When a swap last ended, by event: {"committed": 1795262400, …}. A new reference; NULL: out of memory. */
json_t *journal_swaps_json(const Journal *journal);

/* The last events, oldest first. The caller owns the reference; NULL: out of memory. */
json_t *journal_history_json(const Journal *journal);

#endif
