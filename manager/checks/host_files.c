/* SPDX-License-Identifier: Apache-2.0
 *
 * What the host's well-known text files say: names in a directory, users and groups, /proc/cpuinfo.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"
#include "manager/checks/host.h"

enum { CPU_TEXT_MAX = 16 * 1024 }; /* flags of all kinds take about 2 KiB */

static int compare_names(const void *a, const void *b) {
    return strcmp(a, b);
}

static bool add_name(HostNames *names, const char *name) {
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strlen(name) >= HOST_NAME_SIZE) {
        return true;
    }
    if (names->count == HOST_NAMES_MAX) {
        return false;
    }
    if ((names->count & (names->count - 1)) == 0) { /* full: its capacity is the next power of two */
        size_t capacity = names->count == 0 ? 1 : names->count * 2;
        void *larger = realloc(names->names, capacity * HOST_NAME_SIZE);
        if (larger == NULL) {
            return false;
        }
        names->names = larger;
    }
    (void)text_copy(names->names[names->count++], HOST_NAME_SIZE, name);
    return true;
}

void host_names(const Host *host, const char *path, HostNames *ret_names) {
    *ret_names = (HostNames){0};
    int fd = host_open_file(host, path, O_RDONLY | O_DIRECTORY);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (directory == NULL) {
        cleanup_close(&fd);
        return;
    }
    const struct dirent *entry = NULL;
    bool good = true;
    while (good && (entry = readdir(directory)) != NULL) {
        good = add_name(ret_names, entry->d_name);
    }
    (void)closedir(directory);
    if (ret_names->count > 0) {
        qsort(ret_names->names, ret_names->count, HOST_NAME_SIZE, compare_names);
    }
}

void host_names_done(HostNames *names) {
    free(names->names);
    *names = (HostNames){0};
}

/* Fields of one line of /etc/passwd or /etc/group, cut at ':' in place. */
typedef bool (*LineFn)(char *fields[3], const void *wanted, uint32_t *ret_id);

static bool fits_name(char *fields[3], const void *wanted, uint32_t *ret_id) {
    return strcmp(fields[0], wanted) == 0 && text_parse_u32(fields[2], 0, UINT32_MAX, ret_id);
}

static bool find_entry(const Host *host, const char *path, LineFn fits, const void *wanted, char *name,
                       size_t size, uint32_t *ret_id) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(HOST_FILE_MAX);
    Error ignored = ERROR_INIT;
    if (!host_read(host, path, &text, &ignored)) {
        return false;
    }
    char *rest = (char *)text.data, *line = NULL;
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *fields[3] = {strsep(&line, ":"), strsep(&line, ":"), strsep(&line, ":")};
        if (fields[2] != NULL && fits(fields, wanted, ret_id)) {
            (void)snprintf(name, size, "%s", fields[0]);
            return true;
        }
    }
    return false;
}

bool host_find_group(const Host *host, const char *name, gid_t *ret_gid) {
    char found[HOST_NAME_SIZE];
    return find_entry(host, "/etc/group", fits_name, name, found, sizeof found, ret_gid);
}

bool host_find_user(const Host *host, const char *name, uid_t *ret_uid) {
    char found[HOST_NAME_SIZE];
    return find_entry(host, "/etc/passwd", fits_name, name, found, sizeof found, ret_uid);
}

static bool fits_id(char *fields[3], const void *wanted, uint32_t *ret_id) {
    return text_parse_u32(fields[2], 0, UINT32_MAX, ret_id) && *ret_id == *(const uint32_t *)wanted;
}

const char *host_group_name(const Host *host, gid_t gid, char *buffer, size_t size) {
    uint32_t ignored = 0;
    if (!find_entry(host, "/etc/group", fits_id, &gid, buffer, size, &ignored)) {
        (void)snprintf(buffer, size, "gid %u", gid);
    }
    return buffer;
}

/* As far as the first processor goes: the kernel makes the text as it is read, processor by processor. */
static bool read_first_processor(const Host *host, char *text, size_t size) {
    AUTO_CLOSE int fd = host_open_file(host, "/proc/cpuinfo", O_RDONLY);
    size_t used = 0;
    ssize_t count = 1;
    text[0] = '\0';
    while (fd >= 0 && count > 0 && used < size - 1 && strstr(text, "\n\n") == NULL) {
        do {
            count = read(fd, text + used, size - 1 - used);
        } while (count < 0 && errno == EINTR);
        used += count > 0 ? (size_t)count : 0;
        text[used] = '\0';
    }
    return used > 0 && count >= 0;
}

bool host_cpu_field(const Host *host, const char *name, char *buffer, size_t size) {
    char text[CPU_TEXT_MAX];
    size_t length = strlen(name);
    if (!read_first_processor(host, text, sizeof text)) {
        return false;
    }
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        size_t key = strcspn(line, ":\n");
        size_t name_end = key;
        while (name_end > 0 && (line[name_end - 1] == '\t' || line[name_end - 1] == ' ')) {
            name_end--;
        }
        if (line[key] == ':' && name_end == length && strncmp(line, name, length) == 0) {
            const char *value = line + key + 1 + strspn(line + key + 1, " \t");
            (void)snprintf(buffer, size, "%.*s", (int)strcspn(value, "\n"), value);
            return true;
        }
        if (line[strcspn(line, "\n")] == '\0' || (key == 0 && line[0] == '\n')) {
            break; /* the first processor's part has ended */
        }
    }
    return false;
}

bool host_has_cpu_flag(const Host *host, const char *flag) {
    char flags[8192];
    size_t length = strlen(flag);
    if (!host_cpu_field(host, "flags", flags, sizeof flags)) {
        return false;
    }
    for (const char *at = flags; (at = strstr(at, flag)) != NULL; at += length) {
        if ((at == flags || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}
