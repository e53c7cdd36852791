/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tool/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"

bool draft_open(Draft *draft, Error *err) {
    *draft = (Draft){.path = "/tmp/psw-bundle-XXXXXX", .dir_fd = -1};
    if (mkdtemp(draft->path) == NULL) {
        draft->path[0] = 0;
        return error_set_errno(err, errno, "cannot make a directory in /tmp");
    }
    draft->dir_fd = file_open_directory(AT_FDCWD, draft->path, err);
    return draft->dir_fd >= 0;
}

void draft_close(Draft *draft) {
    cleanup_close(&draft->dir_fd);
    if (draft->path[0] != 0 && !file_remove_tree(AT_FDCWD, draft->path, NULL)) {
        (void)fprintf(stderr, "psw-bundle: %s could not be removed\n", draft->path);
    }
}
