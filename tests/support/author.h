/* SPDX-License-Identifier: Apache-2.0
 *
 * Author: a TUF repository in the making with its keys, and a node that follows it. A test gets it as its
 * state from author_setup; author_teardown removes everything.
 */
#ifndef TESTS_SUPPORT_AUTHOR_H
#define TESTS_SUPPORT_AUTHOR_H

#include "bundles/base/buffer.h"
#include "bundles/tuf/client.h"
#include "bundles/tuf/directory.h"
#include "bundles/tuf/repository.h"

#define AUTHOR_NOW INT64_C(1800000000)
#define AUTHOR_DAY INT64_C(86400)
enum { AUTHOR_SIGNERS = 4 };

typedef struct Author {
    void *place;
    int dir_fd; /* of the place: "repository" and "client" are there */
    char *repository_path;
    TufRepository *repository;
    TufSigner *signers[AUTHOR_SIGNERS]; /* root, targets, online, a spare */
    int client_fd;                      /* what the node knows */
    TufDirectory directory;             /* what is published */
    int64_t now;
} Author;

int author_setup(void **state);
int author_teardown(void **state);

/* The assertion that something worked, with its error. */
void author_expect(bool worked, const Error *err);

void author_reopen(Author *author);
/* Every role that has a draft, with all keys. */
void author_sign_all(Author *author);
/* Signs so, and publishes with the online key. */
void author_publish(Author *author);
/* A delegation, of a pattern or of bins (`pattern` NULL), to the spare key. */
void author_delegate(Author *author, const char *from, const char *name, const char *pattern, unsigned bits);
/* targets delegates all of "vendor/" to the role "vendor", which publishes "vendor/x", "theirs". */
void author_publish_vendor(Author *author);
bool author_add_target(Author *author, const char *role, const char *path, const char *content, Error *err);

/* A node whose knowledge is in dir_fd; the caller closes. */
TufClient *author_node(Author *author, int dir_fd);
bool author_node_reads(Author *author, TufClient *node, const TufFetcher *fetcher, const char *path,
                       Buffer *content, Error *err);

/* A sink's write: appends to a Buffer. */
bool author_gather(void *buffer, const void *data, size_t size, Error *err);

#endif
