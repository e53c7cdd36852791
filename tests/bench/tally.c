/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const failure_names[TALLY_FAILURES_COUNT] = {
    [TALLY_CONNECT] = "connect",     [TALLY_RESET] = "reset",         [TALLY_END] = "end-of-file",
    [TALLY_TIMEOUT] = "timeout",     [TALLY_MALFORMED] = "malformed", [TALLY_CODE] = "code",
    [TALLY_BAD_QUOTE] = "bad-quote", [TALLY_WRONG_QE] = "wrong-qe",
};

/* 256 MiB of samples. */
static const size_t samples_max = (size_t)32 * 1024 * 1024;

const char *tally_failure_name(TallyFailure failure) {
    return failure_names[failure];
}

Tally *tally_new(bool sampling) {
    Tally *tally = calloc(1, sizeof *tally);
    if (tally != NULL) {
        tally->sampling = sampling;
    }
    return tally;
}

void tally_free(Tally *tally) {
    if (tally != NULL) {
        free(tally->samples);
        free(tally);
    }
}

static bool reserve_samples(Tally *tally, size_t more) {
    size_t wanted = tally->samples_count + more;
    if (wanted <= tally->samples_capacity) {
        return true;
    }
    size_t capacity = tally->samples_capacity * 2 > wanted ? tally->samples_capacity * 2 : wanted + 4096;
    TallySample *samples =
        capacity > samples_max ? NULL : realloc(tally->samples, capacity * sizeof *samples);
    if (samples == NULL) {
        return false;
    }
    tally->samples = samples;
    tally->samples_capacity = capacity;
    return true;
}

static void sample(Tally *tally, uint64_t due_ns, uint32_t latency_us) {
    if (!tally->sampling) {
        return;
    }
    if (!reserve_samples(tally, 1)) {
        tally->samples_lost++;
        return;
    }
    tally->samples[tally->samples_count++] =
        (TallySample){.at_ms = (uint32_t)(due_ns / 1000000), .latency_us = latency_us};
}

void tally_success(Tally *tally, FrameKind kind, uint64_t due_ns, uint64_t latency_ns) {
    histogram_add(&tally->latency[kind], latency_ns);
    uint64_t latency_us = latency_ns / 1000;
    sample(tally, due_ns, latency_us < UINT32_MAX ? (uint32_t)latency_us : UINT32_MAX - 1);
}

void tally_failure(Tally *tally, FrameKind kind, TallyFailure failure, uint64_t due_ns, const char *text) {
    tally->failed[kind]++;
    tally->failures[failure]++;
    sample(tally, due_ns, UINT32_MAX);
    if (tally->notes_count < TALLY_NOTES_MAX) {
        TallyNote *note = &tally->notes[tally->notes_count++];
        note->at_ns = due_ns;
        (void)snprintf(note->text, sizeof note->text, "%s: %s%s%s", frame_kind_name(kind),
                       tally_failure_name(failure), text == NULL ? "" : ": ", text == NULL ? "" : text);
    }
}

void tally_code(Tally *tally, FrameKind kind, uint32_t code, uint64_t due_ns) {
    tally->codes[code < TALLY_CODES_MAX ? code : TALLY_CODES_MAX - 1]++;
    char text[16];
    (void)snprintf(text, sizeof text, "%" PRIu32, code);
    tally_failure(tally, kind, TALLY_CODE, due_ns, text);
}

static void add_qe(Tally *tally, const uint8_t *mr_enclave, uint64_t quotes) {
    for (size_t i = 0; i < tally->qes_count; i++) {
        if (memcmp(tally->qes[i].mr_enclave, mr_enclave, SGX_HASH_SIZE) == 0) {
            tally->qes[i].quotes += quotes;
            return;
        }
    }
    if (tally->qes_count == TALLY_QES_MAX) {
        tally->qes_other += quotes;
        return;
    }
    TallyQe *qe = &tally->qes[tally->qes_count++];
    memcpy(qe->mr_enclave, mr_enclave, SGX_HASH_SIZE);
    qe->quotes = quotes;
}

void tally_qe(Tally *tally, const uint8_t mr_enclave[SGX_HASH_SIZE]) {
    add_qe(tally, mr_enclave, 1);
}

/* Keeps the earliest, in order. */
static void merge_notes(Tally *into, const Tally *from) {
    for (size_t i = 0; i < from->notes_count; i++) {
        size_t at = into->notes_count;
        while (at > 0 && into->notes[at - 1].at_ns > from->notes[i].at_ns) {
            at--;
        }
        if (at == TALLY_NOTES_MAX) {
            return;
        }
        size_t kept = into->notes_count < TALLY_NOTES_MAX ? into->notes_count : TALLY_NOTES_MAX - 1;
        memmove(&into->notes[at + 1], &into->notes[at], (kept - at) * sizeof into->notes[0]);
        into->notes[at] = from->notes[i];
        into->notes_count = kept + 1;
    }
}

bool tally_merge(Tally *into, Tally *from) {
    if (from->samples_count > 0) {
        if (!reserve_samples(into, from->samples_count)) {
            return false;
        }
        memcpy(into->samples + into->samples_count, from->samples,
               from->samples_count * sizeof *from->samples);
        into->samples_count += from->samples_count;
        from->samples_count = 0;
    }
    for (size_t i = 0; i < FRAME_KINDS_COUNT; i++) {
        histogram_merge(&into->latency[i], &from->latency[i]);
        into->failed[i] += from->failed[i];
    }
    histogram_merge(&into->flows, &from->flows);
    for (size_t i = 0; i < TALLY_FAILURES_COUNT; i++) {
        into->failures[i] += from->failures[i];
    }
    for (size_t i = 0; i < TALLY_CODES_MAX; i++) {
        into->codes[i] += from->codes[i];
    }
    for (size_t i = 0; i < from->qes_count; i++) {
        add_qe(into, from->qes[i].mr_enclave, from->qes[i].quotes);
    }
    merge_notes(into, from);
    into->qes_other += from->qes_other;
    into->retried += from->retried;
    into->signatures_checked += from->signatures_checked;
    into->samples_lost += from->samples_lost;
    return true;
}

uint64_t tally_requests(const Tally *tally) {
    uint64_t requests = 0;
    for (size_t i = 0; i < FRAME_KINDS_COUNT; i++) {
        requests += tally->latency[i].count + tally->failed[i];
    }
    return requests;
}

uint64_t tally_failed(const Tally *tally) {
    uint64_t failed = 0;
    for (size_t i = 0; i < FRAME_KINDS_COUNT; i++) {
        failed += tally->failed[i];
    }
    return failed;
}
