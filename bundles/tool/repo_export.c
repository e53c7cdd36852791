/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/tool/output.h"
#include "bundles/tool/repo.h"
#include "bundles/tool/tool.h"
#include "bundles/tuf/client.h"
#include "bundles/tuf/directory.h"
#include "bundles/tuf/offline.h"

static const char help[] =
    "usage: psw-bundle repo export DIR -o FILE [TARGET]...\n"
    "\n"
    "Writes the published metadata and the given targets (all of them when none is given) into one file for\n"
    "nodes without a network: pswctl update --from FILE verifies it as it would a server. Everything is\n"
    "verified before it is written.\n"
    "\n"
    "  -o, --output FILE  where to write; replaced as a whole if it exists\n"
    "  -h, --help         this text\n";

CLEANUP_DEFINE(TufOfflineWriter, tuf_offline_writer_free)

/* A client's directory for the time of the export. */
typedef struct Scratch {
    char path[32];
    int fd;
} Scratch;

static void scratch_done(Scratch *scratch) {
    cleanup_close(&scratch->fd);
    Error err = ERROR_INIT;
    if (scratch->path[0] != '\0' && !file_remove_tree(AT_FDCWD, scratch->path, &err)) {
        (void)tool_fail(&err); /* the export itself does not depend on it */
    }
}

static bool scratch_make(Scratch *scratch, Error *err) {
    (void)snprintf(scratch->path, sizeof scratch->path, "/tmp/psw-export-XXXXXX");
    if (mkdtemp(scratch->path) == NULL) {
        scratch->path[0] = '\0';
        return error_set(err, ERROR_SYSTEM, "/tmp: cannot make a directory");
    }
    scratch->fd = file_open_directory(AT_FDCWD, scratch->path, err);
    return scratch->fd >= 0;
}

/* All roots: the nodes may be at any of them. */
static bool add_roots(TufRepository *repository, TufOfflineWriter *writer, Buffer *ret_first, Error *err) {
    int64_t newest = 0;
    if (!tuf_repository_version(repository, "root", &newest, err)) {
        return false;
    }
    if (newest == 0) {
        return error_set(err, ERROR_NOT_FOUND, "nothing is published");
    }
    for (int64_t version = 1; version <= newest; version++) {
        char name[48], entry[64];
        CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(TUF_LIMITS_DEFAULT.root_size);
        (void)snprintf(name, sizeof name, "%" PRId64 ".root.json", version);
        (void)snprintf(entry, sizeof entry, "metadata/%s", name);
        if (!file_read(tuf_repository_metadata_fd(repository), name, &bytes, err) ||
            !tuf_offline_writer_add(writer, entry, buffer_bytes(&bytes), err) ||
            (version == 1 && !buffer_append(ret_first, bytes.data, bytes.size))) {
            return false;
        }
    }
    return true;
}

static bool discard(void *context, const void *data, size_t size, Error *err) {
    (void)context, (void)data, (void)size, (void)err;
    return true;
}

typedef struct Export {
    TufClient *client;
    TufFetcher recorder;
    uint64_t bytes;
    size_t count;
} Export;

static bool export_target(void *context, const TufTarget *target, Error *err) {
    Export *exported = context;
    exported->bytes += target->length;
    exported->count++;
    return tuf_client_fetch_target(exported->client, &exported->recorder, target, &(TufSink){discard, NULL},
                                   err);
}

static bool export_named(Export *exported, const char *path, Error *err) {
    CLEANUP(tuf_target_done) TufTarget target = {0};
    return tuf_client_find_target(exported->client, &exported->recorder, path, &target, err) &&
           export_target(exported, &target, err);
}

static bool export_targets(Export *exported, const RepoOptions *options, Error *err) {
    if (options->arguments_count == 0) {
        return tuf_client_each_target(exported->client, &exported->recorder, NULL, export_target, exported,
                                      err);
    }
    for (size_t i = 0; i < options->arguments_count; i++) {
        if (!export_named(exported, options->arguments[i], err)) {
            return false;
        }
    }
    return true;
}

static bool write_export(TufRepository *repository, const RepoOptions *options, int fd, Export *exported,
                         Error *err) {
    TufDirectory directory = {tuf_repository_metadata_fd(repository), tuf_repository_targets_fd(repository)};
    TufFetcher from = tuf_directory_fetcher(&directory);
    CLEANUP(scratch_done) Scratch scratch = {.fd = -1};
    CLEANUP(buffer_done) Buffer first = BUFFER_INIT(TUF_LIMITS_DEFAULT.root_size);
    CLEANUP(tuf_offline_writer_freep) TufOfflineWriter *writer = tuf_offline_writer_new(fd, &from, err);
    if (writer == NULL || !scratch_make(&scratch, err) || !add_roots(repository, writer, &first, err)) {
        return false;
    }
    TufClientOptions client_options = {.anchor = buffer_bytes(&first), .limits = TUF_LIMITS_DEFAULT};
    client_options.limits.delegations = 2 * TUF_REPOSITORY_BINS_MAX; /* every role that there may be */
    CLEANUP(tuf_client_closep) TufClient *client = tuf_client_open(scratch.fd, &client_options, err);
    exported->client = client;
    exported->recorder = tuf_offline_recorder(writer);
    return client != NULL &&
           tuf_client_refresh(client, &exported->recorder, tuf_repository_now(repository), err) &&
           export_targets(exported, options, err) && tuf_offline_writer_end(writer, err);
}

int repo_export(int argc, char **argv) {
    RepoOptions options;
    int status;
    Error err = ERROR_INIT;
    Export exported = {0};
    if (!repo_options_parse(argc, argv, "o", help, &options, &status)) {
        return status;
    }
    if (options.output == NULL) {
        return tool_misuse("repo export", "where to? give -o FILE");
    }
    CLEANUP(tuf_repository_closep)
    TufRepository *repository = tuf_repository_open(options.directory, clock_wall_s(), &err);
    CLEANUP(output_closep) Output *output = repository == NULL ? NULL : output_open(options.output, &err);
    if (output == NULL || !write_export(repository, &options, output_fd(output), &exported, &err) ||
        !output_commit(output, &err)) {
        return tool_fail(&err);
    }
    (void)printf("%s: %zu %s, %" PRIu64 " bytes\n", options.output, exported.count,
                 text_plural(exported.count, "target", "targets"), exported.bytes);
    return tool_finish();
}
