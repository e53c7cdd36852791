/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/mounts.h"

#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"

enum { FIELDS_MAX = 24 };

/* \040 for a blank, in place. */
static void decode(char *text) {
    char *to = text;
    for (const char *at = text; *at != '\0'; at++) {
        if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' && at[3] >= '0' &&
            at[3] <= '7') {
            *to++ = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
            at += 3;
        } else {
            *to++ = *at;
        }
    }
    *to = '\0';
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static bool parse(char *line, Mount *ret_mount) {
    char *fields[FIELDS_MAX] = {NULL};
    size_t count = 0, dash = 0;
    char *field = NULL;
    while ((field = strsep(&line, " ")) != NULL && count < FIELDS_MAX) {
        if (dash == 0 && count > 5 && strcmp(field, "-") == 0) {
            dash = count;
        }
        fields[count++] = field;
    }
    if (dash == 0 || dash + 1 >= count) {
        return false;
    }
    decode(fields[3]);
    decode(fields[4]);
    *ret_mount = (Mount){fields[3], fields[4], fields[5], fields[dash + 1]};
    return true;
}

bool mounts_each(const Host *host, const char *process, MountFn visit, void *context) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(HOST_FILE_MAX);
    Error ignored = ERROR_INIT;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%s/mountinfo", process);
    if (!host_read(host, path, &text, &ignored)) {
        return false;
    }
    mounts_each_in((char *)text.data, visit, context);
    return true;
}

void mounts_each_in(char *text, MountFn visit, void *context) {
    char *line = NULL;
    Mount mount;
    while ((line = strsep(&text, "\n")) != NULL) {
        if (parse(line, &mount) && !visit(context, &mount)) {
            break;
        }
    }
}

bool mount_has_option(const Mount *mount, const char *option) {
    size_t length = strlen(option);
    for (const char *at = mount->options; *at != '\0'; at += strcspn(at, ",")) {
        at += *at == ',' ? 1 : 0;
        if (strncmp(at, option, length) == 0 && (at[length] == ',' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

typedef struct Search {
    const char *path, *option;
    size_t best;
    MountAnswer answer;
} Search;

static bool consider(void *context, const Mount *mount) {
    Search *search = context;
    size_t length = strlen(mount->point);
    length = length == 1 ? 0 : length; /* "/" */
    if (strncmp(search->path, mount->point, length) == 0 &&
        (search->path[length] == '/' || search->path[length] == '\0') && length >= search->best) {
        search->best = length; /* the later of equals lies on top */
        search->answer = mount_has_option(mount, search->option) ? MOUNT_YES : MOUNT_NO;
    }
    return true;
}

MountAnswer mounts_path_has(const Host *host, const char *path, const char *option) {
    Search search = {.path = path, .option = option, .answer = MOUNT_UNKNOWN};
    return mounts_each(host, "self", consider, &search) ? search.answer : MOUNT_UNKNOWN;
}
