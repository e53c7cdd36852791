/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/sandbox_parts.h"

bool sandbox_is_relaxed(void) {
    return SANDBOX_RELAXED != 0;
}

const char *const sandbox_name_service[] = {"/etc/resolv.conf",
                                            "/etc/hosts",
                                            "/etc/host.conf",
                                            "/etc/nsswitch.conf",
                                            "/etc/gai.conf",
                                            "/etc/services",
                                            "/etc/protocols",
                                            "/etc/ld.so.cache",
                                            "/lib",
                                            "/lib64",
                                            "/usr/lib",
                                            "/usr/lib64",
                                            "/run/systemd/resolve",
                                            "/run/resolvconf",
                                            "/run/NetworkManager",
                                            "/etc/resolvconf",
                                            NULL};

/* Whatever else is missing is told, too, as long as there is room. */
static void miss(SandboxReport *report, const char *what, int reason) {
    size_t used = strlen(report->missing);
    const char *name = strerrorname_np(reason);
    (void)snprintf(report->missing + used, sizeof report->missing - used, "%s%s%s%s%s", used > 0 ? ", " : "",
                   what, name != NULL ? " (" : "", name != NULL ? name : "", name != NULL ? ")" : "");
}

/* Never above what it has already. */
static bool limit(int resource, uint64_t most, Error *err) {
    struct rlimit value;
    if (getrlimit((__rlimit_resource_t)resource, &value) != 0) {
        return error_set_errno(err, errno, "getrlimit");
    }
    if (value.rlim_max == RLIM_INFINITY || value.rlim_max > most) {
        value.rlim_max = most;
    }
    value.rlim_cur = value.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &value) == 0 || error_set_errno(err, errno, "setrlimit");
}

static bool set_limits(const SandboxLimits *limits, Error *err) {
    return limit(RLIMIT_CORE, 0, err) &&
           (limits->file_size == 0 || limit(RLIMIT_FSIZE, limits->file_size, err)) &&
           (limits->files == 0 || limit(RLIMIT_NOFILE, limits->files, err)) &&
           (!limits->alone || SANDBOX_RELAXED || limit(RLIMIT_NPROC, 0, err)) &&
           (limits->memory == 0 || SANDBOX_RELAXED || limit(RLIMIT_AS, limits->memory, err));
}

/* Where only some ids exist (a user namespace), it stays who it is: root of a container at most. The signal
 * for the parent's death does not survive a change of identity. */
static bool change_identity(const Sandbox *profile, SandboxReport *report, Error *err) {
    int signal_number = 0;
    if (profile->uid == 0 || geteuid() != 0) {
        return true;
    }
    (void)prctl(PR_GET_PDEATHSIG, &signal_number, 0, 0, 0);
    if (setgroups(0, NULL) != 0 || setresgid(profile->gid, profile->gid, profile->gid) != 0 ||
        setresuid(profile->uid, profile->uid, profile->uid) != 0) {
        if (errno != EPERM && errno != EINVAL) {
            return error_set_errno(err, errno, "cannot become uid %u", profile->uid);
        }
        miss(report, "another identity", errno);
    }
    (void)prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0);
    return true;
}

/* Who has none asks for nothing: a service manager may have forbidden even that. */
static bool drop_capabilities(uint64_t keep, Error *err) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{0}, {0}};
    bool more = false;
    if (syscall(SYS_capget, &header, sets) != 0) {
        return error_set_errno(err, errno, "cannot look at capabilities");
    }
    for (unsigned i = 0; i < 2; i++) {
        const uint32_t kept = sets[i].permitted & (uint32_t)(keep >> (32 * i));
        more = more || kept != sets[i].permitted || sets[i].inheritable != 0;
        sets[i] = (struct __user_cap_data_struct){.permitted = kept, .effective = sets[i].effective & kept};
    }
    return !more || syscall(SYS_capset, &header, sets) == 0 ||
           error_set_errno(err, errno, "cannot give up capabilities");
}

static bool apply_files(int ruleset, SandboxReport *report, Error *err) {
    int refused = sandbox_files_apply(ruleset);
    if (refused == EPERM || refused == E2BIG) { /* a container's filter, or too many sandboxes around this */
        report->landlock_abi = 0;
        miss(report, "Landlock", refused);
        return true;
    }
    return refused == 0 || error_set_errno(err, refused, "landlock_restrict_self");
}

static bool apply_calls(unsigned calls, SandboxReport *report, Error *err) {
    Error failure = ERROR_INIT;
    int refused = sandbox_calls_apply(calls, &failure);
    if (refused == 0) {
        report->seccomp = true;
        return true;
    }
    if (refused == ENOTRECOVERABLE) {
        *err = failure;
        return false;
    }
    miss(report, "seccomp", refused);
    return true;
}

/* What needs rights comes first, what takes them last. */
static bool apply(const Sandbox *profile, SandboxReport *report, Error *err) {
    Error failure = ERROR_INIT;
    errno = 0;
    report->landlock_abi = sandbox_files_abi();
    if (report->landlock_abi < SANDBOX_FILES_ABI_MIN) {
        miss(report, "Landlock", report->landlock_abi == 0 ? errno : 0);
        report->landlock_abi = 0;
    }
    AUTO_CLOSE int ruleset = sandbox_files_prepare(profile, report->landlock_abi, &failure);
    if (failure.kind != ERROR_NONE) {
        *err = failure;
        return false;
    }
    if (!set_limits(&profile->limits, err) || !change_identity(profile, report, err) ||
        !drop_capabilities(profile->capabilities, err)) {
        return false;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ((profile->calls & SANDBOX_CALLS_ANY) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)) {
        return error_set_errno(err, errno, "prctl");
    }
    return (ruleset < 0 || apply_files(ruleset, report, err)) &&
           (profile->calls == 0 || apply_calls(profile->calls, report, err));
}

bool sandbox_apply(const Sandbox *profile, SandboxReport *ret_report, Error *err) {
    SandboxReport report = {0};
    assert(profile->places_count <= SANDBOX_PLACES_MAX);
    if (!apply(profile, &report, err)) {
        return error_wrap(err, "the sandbox cannot be set up");
    }
    *ret_report = report;
    return true;
}

void sandbox_probe(SandboxReport *ret_report) {
    SandboxReport report = {0};
    errno = 0;
    report.landlock_abi = sandbox_files_abi();
    if (report.landlock_abi < SANDBOX_FILES_ABI_MIN) {
        miss(&report, "Landlock", report.landlock_abi == 0 ? errno : 0);
        report.landlock_abi = 0;
    }
    int refused = sandbox_calls_probe();
    report.seccomp = refused == 0;
    if (refused != 0) {
        miss(&report, "seccomp", refused);
    }
    *ret_report = report;
}
