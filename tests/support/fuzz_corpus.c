/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a fuzzer's entry once on every file of its corpus, where libFuzzer is not at hand. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 16 * 1024 * 1024 };

static bool run_file(int dir_fd, const char *name) {
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer input = BUFFER_INIT(INPUT_MAX);
    if (!file_read(dir_fd, name, &input, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    LLVMFuzzerTestOneInput(buffer_bytes(&input).data, input.size);
    return true;
}

int main(int argc, char **argv) {
    DIR *corpus = argc == 2 ? opendir(argv[1]) : NULL;
    if (corpus == NULL) {
        fprintf(stderr, "usage: %s DIRECTORY of inputs\n", argv[0]);
        return 2;
    }
    size_t count = 0;
    const struct dirent *entry = NULL;
    while ((entry = readdir(corpus)) != NULL) {
        if (entry->d_name[0] != '.') {
            count++;
            if (!run_file(dirfd(corpus), entry->d_name)) {
                return 1;
            }
        }
    }
    (void)closedir(corpus);
    printf("%zu inputs\n", count);
    return count > 0 ? 0 : 1;
}
