/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/author.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "tests/support/place.h"

void author_expect(bool worked, const Error *err) {
    if (!worked) {
        fail_msg("%s", err->text);
    }
}

void author_reopen(Author *author) {
    Error err = ERROR_INIT;
    tuf_repository_close(author->repository);
    author->repository = tuf_repository_open(author->repository_path, author->now, &err);
    author_expect(author->repository != NULL, &err);
    author->directory = (TufDirectory){tuf_repository_metadata_fd(author->repository),
                                       tuf_repository_targets_fd(author->repository)};
}

int author_setup(void **state) {
    static const char *const roles[AUTHOR_SIGNERS] = {"root", "targets", "snapshot"};
    static Author author;
    Error err = ERROR_INIT;
    author = (Author){.now = AUTHOR_NOW};
    if (place_setup(&author.place) != 0) {
        return -1;
    }
    const Place *place = author.place;
    author.dir_fd = place->fd;
    author.repository_path = text_format("%s/repository", place->path);
    assert_int_equal(mkdirat(author.dir_fd, "client", 0755), 0);
    author.client_fd = file_open_directory(author.dir_fd, "client", &err);
    author_expect(tuf_repository_create(author.repository_path, AUTHOR_NOW, &err), &err);
    author_reopen(&author);
    for (size_t i = 0; i < AUTHOR_SIGNERS; i++) {
        author.signers[i] = tuf_signer_generate("ed25519", &err);
        author_expect(roles[i] == NULL || tuf_repository_add_keys(author.repository, roles[i],
                                                                  &author.signers[i], 1, 1, &err),
                      &err);
    }
    author_expect(tuf_repository_add_keys(author.repository, "timestamp", &author.signers[2], 1, 1, &err),
                  &err);
    *state = &author;
    return 0;
}

int author_teardown(void **state) {
    Author *author = *state;
    tuf_repository_close(author->repository);
    for (size_t i = 0; i < AUTHOR_SIGNERS; i++) {
        tuf_signer_free(author->signers[i]);
    }
    (void)close(author->client_fd);
    free(author->repository_path);
    return place_teardown(&author->place);
}

void author_sign_all(Author *author) {
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *roles = tuf_repository_roles(author->repository, true, &err);
    author_expect(roles != NULL, &err);
    for (size_t i = 0; i < json_array_size(roles); i++) {
        size_t count;
        int64_t version;
        err = ERROR_INIT;
        bool good = tuf_repository_sign(author->repository, json_string_value(json_array_get(roles, i)),
                                        author->signers, AUTHOR_SIGNERS, &count, &version, &err);
        author_expect(good || err.kind == ERROR_NOT_FOUND, &err);
    }
}

void author_publish(Author *author) {
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *versions = NULL;
    author_sign_all(author);
    author_expect(tuf_repository_publish(author->repository, &author->signers[2], 1, &versions, &err), &err);
}

void author_delegate(Author *author, const char *from, const char *name, const char *pattern, unsigned bits) {
    Error err = ERROR_INIT;
    TufRepositoryDelegation delegation = {.from = from,
                                          .name = name,
                                          .paths = &pattern,
                                          .paths_count = pattern != NULL ? 1 : 0,
                                          .bit_length = bits,
                                          .threshold = 1};
    author_expect(tuf_repository_delegate(author->repository, &delegation, &author->signers[3], 1, &err),
                  &err);
}

void author_publish_vendor(Author *author) {
    Error err = ERROR_INIT;
    author_delegate(author, "targets", "vendor", "vendor/*", 0);
    author_expect(author_add_target(author, "vendor", "vendor/x", "theirs", &err), &err);
    author_publish(author);
}

bool author_add_target(Author *author, const char *role, const char *path, const char *content, Error *err) {
    AUTO_CLOSE int fd = memfd_create("content", MFD_CLOEXEC);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return tuf_repository_add_target(author->repository, role, path, fd, NULL, err);
}

TufClient *author_node(Author *author, int dir_fd) {
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer anchor = BUFFER_INIT(512000);
    author_expect(file_read(author->directory.metadata_fd, "1.root.json", &anchor, &err), &err);
    const TufClientOptions options = {.anchor = buffer_bytes(&anchor), .limits = TUF_LIMITS_DEFAULT};
    TufClient *node = tuf_client_open(dir_fd, &options, &err);
    author_expect(node != NULL, &err);
    return node;
}

bool author_gather(void *buffer, const void *data, size_t size, Error *err) {
    (void)err;
    return buffer_append(buffer, data, size);
}

bool author_node_reads(Author *author, TufClient *node, const TufFetcher *fetcher, const char *path,
                       Buffer *content, Error *err) {
    CLEANUP(tuf_target_done) TufTarget target = {0};
    return tuf_client_refresh(node, fetcher, author->now, err) &&
           tuf_client_find_target(node, fetcher, path, &target, err) &&
           tuf_client_fetch_target(node, fetcher, &target, &(TufSink){author_gather, content}, err);
}
