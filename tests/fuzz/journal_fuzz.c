/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the manager's journal, as a crash of the file system or a hand leaves it: refused with a
 * reason, or read; and what was read is written to be read again as the same. */
/* link: psw-manager-core */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/file.h"
#include "manager/journal.h"

enum { SAVED_MAX = 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A directory in memory, to the end of the process. */
static char directory[] = "/dev/shm/psw-journal-fuzz-XXXXXX";

static void remove_directory(void) {
    if (!file_remove_tree(AT_FDCWD, directory, NULL)) {
        (void)fprintf(stderr, "%s stays\n", directory);
    }
}

static int open_directory(void) {
    static int fd = -1;
    if (fd < 0) {
        Error err = ERROR_INIT;
        const bool made = mkdtemp(directory) != NULL && atexit(remove_directory) == 0;
        fd = made ? file_open_directory(AT_FDCWD, directory, &err) : -1;
        assert(fd >= 0);
    }
    return fd;
}

static void check_generation(const JournalGeneration *generation) {
    const size_t sizes[] = {strlen(generation->digest), strlen(generation->qe), strlen(generation->origin)};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert(sizes[i] == 0 || sizes[i] == DIGEST_HEX_SIZE - 1);
    }
    assert(generation->since >= 0);
}

static void check(const Journal *journal) {
    check_generation(&journal->serving);
    check_generation(&journal->standby);
    check_generation(&journal->swap.next);
    check_generation(&journal->swap.former);
    assert(journal->ducks_count <= JOURNAL_DUCKS_MAX && journal->retired_count <= JOURNAL_RETIRED_MAX &&
           journal->history_count <= JOURNAL_HISTORY_MAX);
    for (size_t i = 0; i < journal->ducks_count; i++) {
        check_generation(&journal->ducks[i]);
    }
    for (size_t i = 0; i < journal->retired_count; i++) {
        check_generation(&journal->retired[i]);
    }
    assert(journal->swap.foreign.pid >= 0 && journal->swap.who.pid >= 0); /* a signal is for one process */
}

/* What stands in the file after the journal was written once more. */
static void save(int fd, Journal *journal, Buffer *text) {
    Error err = ERROR_INIT;
    bool saved = journal_save(journal, &err) && file_read(fd, JOURNAL_NAME, text, &err);
    if (!saved) {
        (void)fprintf(stderr, "%s\n", err.text);
    }
    assert(saved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Error err = ERROR_INIT;
    const int fd = open_directory();
    bool put = file_replace_unsynced(fd, JOURNAL_NAME, data, size, 0600, &err);
    assert(put);
    CLEANUP(journal_closep) Journal *journal = journal_open(fd, "state", &err);
    assert((journal == NULL) == (err.kind != ERROR_NONE));
    if (journal == NULL) {
        assert(strstr(err.text, "state/journal.json") != NULL);
        return 0;
    }
    check(journal);
    CLEANUP(buffer_done) Buffer first = BUFFER_INIT(SAVED_MAX);
    CLEANUP(buffer_done) Buffer second = BUFFER_INIT(SAVED_MAX);
    save(fd, journal, &first);
    CLEANUP(journal_closep) Journal *again = journal_open(fd, "state", &err);
    if (again == NULL) {
        (void)fprintf(stderr, "%s\n", err.text);
    }
    assert(again != NULL);
    save(fd, again, &second);
    assert(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    return 0;
}
