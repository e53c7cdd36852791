/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/service.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"

enum { PASSED_MAX = 1024 };

void service_notify(const char *state) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        !text_copy(address.sun_path, sizeof address.sun_path, path)) {
        return;
    }
    size_t size = offsetof(struct sockaddr_un, sun_path) + strlen(path);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address, (socklen_t)size);
}

int service_passed_fds(void) {
    const char *whose = getenv("LISTEN_PID");
    const char *number = getenv("LISTEN_FDS");
    uint32_t pid = 0;
    uint32_t count = 0;
    bool ours = whose != NULL && number != NULL && text_parse_u32(whose, 1, INT32_MAX, &pid) &&
                (pid_t)pid == getpid() && text_parse_u32(number, 0, PASSED_MAX, &count);
    return ours ? (int)count : 0;
}
