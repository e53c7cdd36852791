/* SPDX-License-Identifier: Apache-2.0
 *
 * Landlock. The C library has no functions for it, and the kernel's header of the build may be older than
 * the kernel: what is used is declared here (linux/landlock.h, Documentation/userspace-api/landlock.rst).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/sandbox_parts.h"

enum {
    ABI_TRUNCATE = 3,
    ABI_NETWORK = 4,
    ABI_IOCTL = 5,
    ABI_SCOPES = 6,
};

#define RIGHT(bit) (UINT64_C(1) << (bit))
#define TRUNCATE RIGHT(14)
#define IOCTL_DEVICE RIGHT(15)
#define BIND_TCP RIGHT(0)
#define CONNECT_TCP RIGHT(1)
#define SCOPE_ABSTRACT_SOCKETS RIGHT(0)
#define SCOPE_SIGNALS RIGHT(1)

/* Trailing members that an older kernel does not know have to be 0. */
typedef struct Ruleset {
    uint64_t files, network, scopes;
} Ruleset;

static const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t making = LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                               LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                               LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER;
static const uint64_t never = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                              LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM;
static const uint64_t changing = LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE;
static const uint64_t of_a_file = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                  LANDLOCK_ACCESS_FS_EXECUTE | TRUNCATE | IOCTL_DEVICE;

int sandbox_files_abi(void) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? 0 : (int)abi;
}

static uint64_t known_to(int abi) {
    uint64_t rights = reading | making | never | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
    return rights | (abi >= ABI_TRUNCATE ? TRUNCATE : 0) | (abi >= ABI_IOCTL ? IOCTL_DEVICE : 0);
}

/* What is forbidden wherever no place allows it. */
static Ruleset handled(const Sandbox *profile, int abi) {
    Ruleset ruleset = {.files = known_to(abi)};
    bool network = (profile->calls & SANDBOX_CALLS_NETWORK) != 0;
    if (profile->read_anywhere) {
        ruleset.files &= ~reading;
    }
    if (profile->write_existing) {
        ruleset.files &= ~(changing | IOCTL_DEVICE);
    }
    if (abi >= ABI_NETWORK) {
        ruleset.network = BIND_TCP | (network ? 0 : CONNECT_TCP);
    }
    if (abi >= ABI_SCOPES && (profile->calls & SANDBOX_CALLS_ANY) == 0) {
        ruleset.scopes = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS;
    }
    return ruleset;
}

static uint64_t allowed(SandboxAccess access) {
    switch (access) {
    case SANDBOX_READ:
        return reading;
    case SANDBOX_WRITE:
        return reading | making | changing;
    case SANDBOX_DEVICE:
        return reading | LANDLOCK_ACCESS_FS_WRITE_FILE | IOCTL_DEVICE;
    case SANDBOX_SOCKETS:
        return LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE |
               LANDLOCK_ACCESS_FS_REFER;
    default:
        return 0;
    }
}

static bool add_place(int ruleset, const SandboxPlace *place, uint64_t known, Error *err) {
    struct stat facts;
    const char *name = place->path != NULL ? place->path : "a descriptor";
    AUTO_CLOSE int opened = place->path != NULL ? open(place->path, O_PATH | O_CLOEXEC) : -1;
    if (place->path != NULL && opened < 0) {
        return place->optional || error_set_errno(err, errno, "%s", name);
    }
    const int fd = place->path != NULL ? opened : place->fd;
    if (fstat(fd, &facts) != 0) {
        return error_set_errno(err, errno, "%s", name);
    }
    uint64_t rights = allowed(place->access) & known;
    if (!S_ISDIR(facts.st_mode)) {
        rights &= of_a_file;
    }
    const struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};
    return rights == 0 ||
           syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0 ||
           error_set_errno(err, errno, "%s: landlock_add_rule", name);
}

int sandbox_files_prepare(const Sandbox *profile, int abi, Error *err) {
    if (abi < SANDBOX_FILES_ABI_MIN) {
        return -1;
    }
    const Ruleset rules = handled(profile, abi);
    AUTO_CLOSE int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    if (ruleset < 0) {
        error_set_errno(err, errno, "landlock_create_ruleset");
        return -1;
    }
    for (size_t i = 0; i < profile->places_count; i++) {
        if (!add_place(ruleset, &profile->places[i], rules.files, err)) {
            return -1;
        }
    }
    /* The leak checker looks at its own process. */
    const SandboxPlace process = {.path = "/proc", .access = SANDBOX_READ};
    if (SANDBOX_RELAXED && !add_place(ruleset, &process, rules.files, err)) {
        return -1;
    }
    return TAKE_FD(ruleset);
}

int sandbox_files_apply(int ruleset) {
    return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : errno;
}
