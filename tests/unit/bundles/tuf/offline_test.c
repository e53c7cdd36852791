/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/offline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "tests/support/tar_header.h"

static TufFetched have_nothing(void *context, const TufRequest *request, const TufSink *sink, Error *err) {
    (void)context, (void)request, (void)sink, (void)err;
    return TUF_FETCHED_ABSENT;
}

static const TufFetcher nowhere = {.fetch = have_nothing};

static bool gather(void *context, const void *data, size_t size, Error *err) {
    (void)err;
    return buffer_append(context, data, size);
}

static TufFetched fetch(int fd, const char *path, Buffer *content, Error *err) {
    TufOffline offline = {.fd = fd};
    const TufFetcher fetcher = tuf_offline_fetcher(&offline);
    const TufRequest request = {.kind = TUF_FETCH_METADATA, .path = path, .size_max = 100};
    return fetcher.fetch(fetcher.context, &request, &(TufSink){gather, content}, err);
}

static void add(TufOfflineWriter *writer, int number, bool taken) {
    Error err = ERROR_INIT;
    char name[32], text[16];
    (void)snprintf(name, sizeof name, "metadata/%d", number);
    int size = snprintf(text, sizeof text, "%d", number);
    assert_int_equal(tuf_offline_writer_add(writer, name, (Bytes){(const uint8_t *)text, (size_t)size}, &err),
                     taken);
    assert_int_equal(err.kind, taken ? ERROR_NONE : ERROR_LIMIT);
}

static void a_file_is_written_with_so_many_entries_and_no_more(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    AUTO_CLOSE int fd = memfd_create("offline", MFD_CLOEXEC);
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(100);
    TufOfflineWriter *writer = tuf_offline_writer_new(fd, &nowhere, &err);
    assert_non_null(writer);
    for (int i = 1; i <= TUF_OFFLINE_ENTRIES_MAX; i++) {
        add(writer, i, true);
    }
    add(writer, TUF_OFFLINE_ENTRIES_MAX + 1, false);
    add(writer, 1, true); /* is there already */
    assert_true(tuf_offline_writer_end(writer, &err));
    tuf_offline_writer_free(writer);
    assert_int_equal(fetch(fd, "8192", &content, &err), TUF_FETCHED_ALL);
    assert_string_equal(buffer_text(&content), "8192");
    assert_int_equal(fetch(fd, "8193", &content, &err), TUF_FETCHED_ABSENT);
}

static void of_a_file_so_many_members_are_read_and_no_more(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        CLEANUP(buffer_done) Buffer content = BUFFER_INIT(100);
        AUTO_CLOSE int fd = tar_header_many("directory", (size_t)(TUF_OFFLINE_MEMBERS_MAX + over));
        assert_int_equal(fetch(fd, "1.root.json", &content, &err),
                         over <= 0 ? TUF_FETCHED_ABSENT : TUF_FETCHED_FAILED);
        assert_int_equal(err.kind, over <= 0 ? ERROR_NONE : ERROR_LIMIT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_written_with_so_many_entries_and_no_more),
        cmocka_unit_test(of_a_file_so_many_members_are_read_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
