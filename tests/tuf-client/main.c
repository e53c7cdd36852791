/* SPDX-License-Identifier: Apache-2.0
 *
 * tuf-client: bundles/tuf behind the command line of the public TUF conformance suite:
 *
 *   tuf-client --metadata-dir D init ROOT
 *   tuf-client --metadata-dir D --metadata-url U refresh
 *   tuf-client --metadata-dir D --metadata-url U --target-name P... --target-dir X --target-base-url T
 * download
 *
 * Exit status 0 or 1. `init` keeps the root as D/anchor: every run starts from it.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/tuf/client.h"
#include "bundles/tuf/path.h"
#include "tests/tuf-client/http.h"

enum { NAMES_MAX = 64, ROOT_MAX = 512000 };

typedef struct Options {
    const char *metadata_dir, *metadata_url, *target_dir, *target_url;
    const char *names[NAMES_MAX];
    size_t names_count;
    const char *command, *root;
} Options;

static void http_freep(Http **http) {
    http_free(*http);
}

static bool options_parse(int argc, char **argv, Options *options) {
    static const struct option longs[] = {
        {"metadata-dir", required_argument, NULL, 'd'}, {"metadata-url", required_argument, NULL, 'u'},
        {"target-dir", required_argument, NULL, 'x'},   {"target-base-url", required_argument, NULL, 't'},
        {"target-name", required_argument, NULL, 'n'},  {0}};
    int option;
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (option) {
        case 'd':
            options->metadata_dir = optarg;
            break;
        case 'u':
            options->metadata_url = optarg;
            break;
        case 'x':
            options->target_dir = optarg;
            break;
        case 't':
            options->target_url = optarg;
            break;
        case 'n':
            if (options->names_count == NAMES_MAX) {
                return false;
            }
            options->names[options->names_count++] = optarg;
            break;
        default:
            return false;
        }
    }
    options->command = optind < argc ? argv[optind] : NULL;
    options->root = optind + 1 < argc ? argv[optind + 1] : NULL;
    return options->metadata_dir != NULL && options->command != NULL;
}

static bool run_init(const Options *options, int dir_fd, Error *err) {
    CLEANUP(buffer_done) Buffer root = BUFFER_INIT(ROOT_MAX);
    if (options->root == NULL) {
        return error_set(err, ERROR_USAGE, "init needs a root file");
    }
    return file_read(AT_FDCWD, options->root, &root, err) &&
           file_replace(dir_fd, "anchor", root.data, root.size, 0644, err) &&
           file_replace(dir_fd, "root.json", root.data, root.size, 0644, err);
}

/* Collects a target beneath the directory under a temporary name. */
typedef struct Output {
    int fd;
    const char *name;
} Output;

static bool output_write(void *context, const void *data, size_t size, Error *err) {
    const Output *output = context;
    return file_write_fd(output->fd, output->name, data, size, err);
}

static bool is_kept(int dir_fd, const char *name, const TufTarget *target) {
    AUTO_CLOSE int fd = file_open(dir_fd, name, O_RDONLY, 0, NULL);
    return fd >= 0 && tuf_target_is_file(target, fd, NULL);
}

static bool store_target(TufClient *client, const TufFetcher *fetcher, const TufTarget *target, int dir_fd,
                         const char *name, Error *err) {
    static const char temporary[] = ".incoming";
    AUTO_CLOSE int fd = file_open(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644, err);
    Output output = {.fd = fd, .name = name};
    bool stored = fd >= 0 &&
                  tuf_client_fetch_target(client, fetcher, target, &(TufSink){output_write, &output}, err) &&
                  (fsync(fd) == 0 || error_set(err, ERROR_SYSTEM, "%s: cannot be synced", name)) &&
                  (renameat(dir_fd, temporary, dir_fd, name) == 0 ||
                   error_set(err, ERROR_SYSTEM, "%s: cannot be renamed", name)) &&
                  file_sync_directory(dir_fd, ".", err);
    if (!stored) {
        (void)unlinkat(dir_fd, temporary, 0);
    }
    return stored;
}

static bool download(TufClient *client, const TufFetcher *fetcher, const char *path, int dir_fd, Error *err) {
    char name[256];
    CLEANUP(tuf_target_done) TufTarget target = {0};
    if (!tuf_path_encode(path, false, name, sizeof name)) {
        return error_set(err, ERROR_LIMIT, "the target's name is too long for a file");
    }
    return tuf_client_find_target(client, fetcher, path, &target, err) &&
           (is_kept(dir_fd, name, &target) || store_target(client, fetcher, &target, dir_fd, name, err));
}

static bool run_update(const Options *options, int dir_fd, bool with_targets, Error *err) {
    CLEANUP(buffer_done) Buffer anchor = BUFFER_INIT(ROOT_MAX);
    if (options->metadata_url == NULL ||
        (with_targets && (options->target_dir == NULL || options->target_url == NULL))) {
        return error_set(err, ERROR_USAGE, "%s: an option is missing", options->command);
    }
    if (!file_read(dir_fd, "anchor", &anchor, err)) {
        return false;
    }
    TufClientOptions client_options = {.anchor = buffer_bytes(&anchor), .limits = TUF_LIMITS_DEFAULT};
    CLEANUP(tuf_client_closep) TufClient *client = tuf_client_open(dir_fd, &client_options, err);
    CLEANUP(http_freep) Http *http = http_new(options->metadata_url, options->target_url);
    TufFetcher fetcher = {.fetch = http_fetch, .context = http};
    if (client == NULL || http == NULL || !tuf_client_refresh(client, &fetcher, clock_wall_s(), err)) {
        return false;
    }
    if (!with_targets) {
        return true;
    }
    AUTO_CLOSE int targets_fd = file_open_directory(AT_FDCWD, options->target_dir, err);
    if (targets_fd < 0) {
        return false;
    }
    for (size_t i = 0; i < options->names_count; i++) {
        if (!download(client, &fetcher, options->names[i], targets_fd, err)) {
            return error_wrap(err, "target %zu", i + 1);
        }
    }
    return true;
}

static bool run(const Options *options, Error *err) {
    AUTO_CLOSE int dir_fd = file_open_directory(AT_FDCWD, options->metadata_dir, err);
    if (dir_fd < 0) {
        return false;
    }
    if (strcmp(options->command, "init") == 0) {
        return run_init(options, dir_fd, err);
    }
    if (strcmp(options->command, "refresh") == 0 || strcmp(options->command, "download") == 0) {
        return run_update(options, dir_fd, strcmp(options->command, "download") == 0, err);
    }
    return error_set(err, ERROR_USAGE, "no command '%s': init, refresh or download", options->command);
}

int main(int argc, char **argv) {
    Options options = {0};
    Error err = ERROR_INIT;
    if (!options_parse(argc, argv, &options)) {
        (void)fprintf(stderr, "tuf-client: wrong options\n");
        return 1;
    }
    if (!run(&options, &err)) {
        (void)fprintf(stderr, "tuf-client: %s\n", err.text);
        return 1;
    }
    return 0;
}
