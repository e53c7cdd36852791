/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/tool/confine.h"
#include "bundles/tool/source.h"
#include "bundles/tool/tool.h"

static const char help[] =
    "usage: psw-bundle unpack FILE -C DIR\n"
    "\n"
    "Verifies a bundle while unpacking it. DIR must not exist or be empty; it appears with all files at\n"
    "once, after the last byte was found right, and not at all otherwise.\n"
    "\n"
    "  -C, --directory DIR  where to unpack\n"
    "  -h, --help           this text\n";

/* "DIR/" names the same directory as "DIR". The caller frees. */
static char *without_slashes(const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    return strndup(path, length);
}

typedef struct Work {
    Source *source;
    int into_fd;
} Work;

static bool unpack_into(void *context, char said[CONFINE_SAID_SIZE], Error *err) {
    const Work *work = context;
    const BundleReading reading = {.into_fd = work->into_fd};
    if (!source_read(work->source, err) || !bundle_read(work->source->bundle, &reading, err)) {
        return false;
    }
    const Manifest *manifest = bundle_manifest(work->source->bundle);
    (void)snprintf(said, CONFINE_SAID_SIZE, "%s %s, %zu %s", manifest->name, manifest->version,
                   manifest->files_count, text_plural(manifest->files_count, "file", "files"));
    return true;
}

static bool unpack_confined(Source *source, const char *directory, char ret_said[CONFINE_SAID_SIZE],
                            Error *err) {
    AUTO_CLOSE int fd = file_open_directory(AT_FDCWD, directory, err);
    Work work = {.source = source, .into_fd = fd};
    return fd >= 0 && confine_work(fd, unpack_into, &work, ret_said, err);
}

/* Beside its place first: what is under the final name is complete. */
static bool unpack(Source *source, const char *directory, char ret_said[CONFINE_SAID_SIZE], Error *err) {
    AUTO_FREE char *final = without_slashes(directory);
    AUTO_FREE char *temporary = final == NULL ? NULL : text_format("%s.tmp-XXXXXX", final);
    if (temporary == NULL) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", directory);
    }
    if (mkdtemp(temporary) == NULL) {
        return error_set_errno(err, errno, "cannot make a directory beside %s", directory);
    }
    bool good = unpack_confined(source, temporary, ret_said, err);
    if (good && (chmod(temporary, 0755) != 0 || rename(temporary, final) != 0)) {
        good = error_set_errno(err, errno, "cannot put the bundle at %s", directory);
    }
    if (!good && !file_remove_tree(AT_FDCWD, temporary, NULL)) {
        return error_wrap(err, "%s is left behind, remove it", temporary);
    }
    return good;
}

int tool_unpack(int argc, char **argv) {
    static const struct option options[] = {
        {"directory", required_argument, NULL, 'C'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    const char *directory = NULL;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":C:h", options, NULL)) != -1;) {
        switch (option) {
        case 'C':
            directory = optarg;
            break;
        case 'h':
            return tool_help(help);
        default:
            return tool_misuse_option(argv, option);
        }
    }
    if (optind + 1 != argc || directory == NULL) {
        return tool_misuse(argv[0], directory == NULL ? "where to? give -C DIR" : "give one file");
    }
    Error err = ERROR_INIT;
    char said[CONFINE_SAID_SIZE];
    CLEANUP(source_done) Source source = SOURCE_INIT;
    if (!source_open_file(&source, argv[optind], &err) || !unpack(&source, directory, said, &err)) {
        return tool_fail(&err);
    }
    (void)printf("%s: %s\n", directory, said);
    return tool_finish();
}
