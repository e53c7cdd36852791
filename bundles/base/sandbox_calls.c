/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/sandbox_parts.h"

#define CALLS(...) ((const int[]){__VA_ARGS__, -1})
#define CALL(name) SCMP_SYS(name)

typedef struct Set {
    unsigned kind; /* of SandboxCalls */
    const int *calls;
} Set;

static const int base_calls[] = {CALL(read),
                                 CALL(write),
                                 CALL(readv),
                                 CALL(writev),
                                 CALL(pread64),
                                 CALL(pwrite64),
                                 CALL(preadv),
                                 CALL(pwritev),
                                 CALL(close),
                                 CALL(fstat),
                                 CALL(newfstatat),
                                 CALL(lseek),
                                 CALL(dup),
                                 CALL(dup2),
                                 CALL(dup3),
                                 CALL(fcntl),
                                 CALL(munmap),
                                 CALL(mremap),
                                 CALL(madvise),
                                 CALL(brk),
                                 CALL(rt_sigaction),
                                 CALL(rt_sigprocmask),
                                 CALL(rt_sigreturn),
                                 CALL(sigaltstack),
                                 CALL(poll),
                                 CALL(ppoll),
                                 CALL(select),
                                 CALL(pselect6),
                                 CALL(epoll_create1),
                                 CALL(epoll_ctl),
                                 CALL(epoll_wait),
                                 CALL(epoll_pwait),
                                 CALL(eventfd2),
                                 CALL(pipe2),
                                 CALL(clock_gettime),
                                 CALL(clock_getres),
                                 CALL(clock_nanosleep),
                                 CALL(nanosleep),
                                 CALL(gettimeofday),
                                 CALL(time),
                                 CALL(getpid),
                                 CALL(gettid),
                                 CALL(getppid),
                                 CALL(getuid),
                                 CALL(geteuid),
                                 CALL(getgid),
                                 CALL(getegid),
                                 CALL(futex),
                                 CALL(set_robust_list),
                                 CALL(rseq),
                                 CALL(restart_syscall),
                                 CALL(exit),
                                 CALL(exit_group),
                                 CALL(getrandom),
                                 CALL(sched_yield),
                                 CALL(sched_getaffinity),
                                 CALL(getrusage),
                                 CALL(getrlimit),
                                 CALL(sysinfo),
                                 CALL(uname),
                                 CALL(sendto),
                                 CALL(sendmsg),
                                 CALL(recvfrom),
                                 CALL(recvmsg),
                                 CALL(shutdown),
                                 CALL(getsockopt),
                                 CALL(setsockopt),
                                 CALL(getsockname),
                                 CALL(getpeername),
                                 -1};

static const int read_calls[] = {CALL(open),
                                 CALL(openat),
                                 CALL(openat2),
                                 CALL(getdents64),
                                 CALL(readlink),
                                 CALL(readlinkat),
                                 CALL(access),
                                 CALL(faccessat),
                                 CALL(faccessat2),
                                 CALL(stat),
                                 CALL(lstat),
                                 CALL(statx),
                                 CALL(statfs),
                                 CALL(fstatfs),
                                 CALL(getcwd),
                                 CALL(fadvise64),
                                 CALL(flock),
                                 CALL(umask),
                                 -1};

static const int write_calls[] = {
    CALL(mkdir),     CALL(mkdirat),         CALL(rmdir),           CALL(unlink),    CALL(unlinkat),
    CALL(rename),    CALL(renameat),        CALL(renameat2),       CALL(truncate),  CALL(ftruncate),
    CALL(fallocate), CALL(fchmod),          CALL(fchmodat),        CALL(chmod),     CALL(fsync),
    CALL(fdatasync), CALL(sync_file_range), CALL(copy_file_range), CALL(utimensat), -1};

static const int thread_calls[] = {CALL(membarrier),
                                   CALL(sched_getparam),
                                   CALL(sched_getscheduler),
                                   CALL(sched_get_priority_max),
                                   CALL(sched_get_priority_min),
                                   -1};

static const int network_calls[] = {CALL(connect),  CALL(bind),       CALL(sendmmsg),
                                    CALL(recvmmsg), CALL(socketpair), -1};

static const int unix_calls[] = {CALL(connect),    CALL(bind), CALL(listen), CALL(accept), CALL(accept4),
                                 CALL(socketpair), -1};

static const Set sets[] = {
    {SANDBOX_CALLS_BASE, base_calls},      {SANDBOX_CALLS_READ, read_calls},
    {SANDBOX_CALLS_WRITE, read_calls},     {SANDBOX_CALLS_WRITE, write_calls},
    {SANDBOX_CALLS_THREADS, thread_calls}, {SANDBOX_CALLS_NETWORK, network_calls},
    {SANDBOX_CALLS_UNIX, unix_calls},
};

/* No program of ours makes these after its start, whatever happens to it; an attacker's would. */
static const int hostile_calls[] = {CALL(execve),
                                    CALL(execveat),
                                    CALL(ptrace),
                                    CALL(process_vm_readv),
                                    CALL(process_vm_writev),
                                    CALL(process_madvise),
                                    CALL(kcmp),
                                    CALL(pidfd_getfd),
                                    CALL(mount),
                                    CALL(umount2),
                                    CALL(pivot_root),
                                    CALL(chroot),
                                    CALL(move_mount),
                                    CALL(open_tree),
                                    CALL(fsopen),
                                    CALL(fsconfig),
                                    CALL(fsmount),
                                    CALL(fspick),
                                    CALL(mount_setattr),
                                    CALL(setns),
                                    CALL(unshare),
                                    CALL(init_module),
                                    CALL(finit_module),
                                    CALL(delete_module),
                                    CALL(kexec_load),
                                    CALL(kexec_file_load),
                                    CALL(bpf),
                                    CALL(perf_event_open),
                                    CALL(userfaultfd),
                                    CALL(keyctl),
                                    CALL(add_key),
                                    CALL(request_key),
                                    CALL(io_uring_setup),
                                    CALL(io_uring_enter),
                                    CALL(io_uring_register),
                                    CALL(swapon),
                                    CALL(swapoff),
                                    CALL(reboot),
                                    CALL(acct),
                                    CALL(quotactl),
                                    CALL(quotactl_fd),
                                    CALL(settimeofday),
                                    CALL(clock_settime),
                                    CALL(clock_adjtime),
                                    CALL(adjtimex),
                                    CALL(sethostname),
                                    CALL(setdomainname),
                                    CALL(iopl),
                                    CALL(ioperm),
                                    CALL(syslog),
                                    CALL(vhangup),
                                    CALL(mknod),
                                    CALL(mknodat),
                                    CALL(name_to_handle_at),
                                    CALL(open_by_handle_at),
                                    CALL(fanotify_init),
                                    CALL(lookup_dcookie),
                                    CALL(nfsservctl),
                                    CALL(personality),
                                    CALL(modify_ldt),
                                    CALL(vmsplice),
                                    -1};

/* The leak checker of the sanitizers looks at its own process from a child of its own. */
static const int sanitizer_calls[] = {CALL(open),        CALL(openat),
                                      CALL(readlink),    CALL(readlinkat),
                                      CALL(getdents),    CALL(getdents64),
                                      CALL(access),      CALL(stat),
                                      CALL(ptrace),      CALL(clone),
                                      CALL(wait4),       CALL(waitid),
                                      CALL(prctl),       CALL(process_vm_readv),
                                      CALL(personality), CALL(mmap),
                                      CALL(mprotect),    CALL(prlimit64),
                                      CALL(arch_prctl),  CALL(kill),
                                      CALL(tgkill),      CALL(pipe),
                                      CALL(getpgrp),     CALL(membarrier),
                                      CALL(ioctl),       -1};

static int add_calls(scmp_filter_ctx filter, uint32_t action, const int *calls) {
    int result = 0;
    for (; result == 0 && *calls != -1; calls++) {
        result = seccomp_rule_add(filter, action, *calls, 0);
    }
    return result;
}

static bool is_of_the_sanitizer(int call) {
    for (const int *each = sanitizer_calls; *each != -1; each++) {
        if (*each == call) {
            return SANDBOX_RELAXED;
        }
    }
    return false;
}

static int add_hostile(scmp_filter_ctx filter, uint32_t action) {
    int result = 0;
    for (const int *call = hostile_calls; result == 0 && *call != -1; call++) {
        result = is_of_the_sanitizer(*call) ? 0 : seccomp_rule_add(filter, action, *call, 0);
    }
    return result;
}

/* Memory is either written or run. */
static int add_memory(scmp_filter_ctx filter, bool code) {
    const struct scmp_arg_cmp data = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    static const int calls[] = {CALL(mmap), CALL(mprotect)};
    int result = 0;
    for (size_t i = 0; result == 0 && i < 2; i++) {
        result = code || SANDBOX_RELAXED ? seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0)
                                         : seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 1, data);
    }
    return result;
}

/* Harmless requests about descriptors and about itself. */
static int add_own(scmp_filter_ctx filter) {
    static const unsigned long requests[] = {TCGETS, FIONREAD, FIONBIO};
    int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(tgkill), 1,
                                  SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    /* Reading its own limits, not setting them. */
    result = result != 0 ? result
                         : seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(prlimit64), 2,
                                            SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0));
    for (size_t i = 0; result == 0 && i < sizeof requests / sizeof *requests; i++) {
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, requests[i]));
    }
    return result;
}

/* As for refuse_namespaces. */
static int add_threads(scmp_filter_ctx filter) {
    int result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
    return result != 0 ? result
                       : seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(clone), 1,
                                          SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
}

static int allow_family(scmp_filter_ctx filter, int family) {
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(socket), 1,
                            SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
}

static int allow_sockets(scmp_filter_ctx filter, unsigned calls) {
    int result = (calls & SANDBOX_CALLS_UNIX) != 0 ? allow_family(filter, AF_UNIX) : 0;
    if (result == 0 && (calls & SANDBOX_CALLS_NETWORK) != 0) {
        result = allow_family(filter, AF_INET);
        result = result != 0 ? result : allow_family(filter, AF_INET6);
    }
    return result;
}

/* With the network, what lies between and beyond the three families is refused, one by one. */
static int refuse_sockets(scmp_filter_ctx filter, bool network) {
    const uint32_t refuse = SCMP_ACT_ERRNO(EAFNOSUPPORT);
    if (!network) {
        return seccomp_rule_add(filter, refuse, CALL(socket), 1, SCMP_A0(SCMP_CMP_NE, AF_UNIX));
    }
    int result = seccomp_rule_add(filter, refuse, CALL(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_INET6));
    for (scmp_datum_t family = 0; result == 0 && family < AF_INET6; family++) {
        if (family != AF_UNIX && family != AF_INET) {
            result = seccomp_rule_add(filter, refuse, CALL(socket), 1, SCMP_A0(SCMP_CMP_EQ, family));
        }
    }
    return result;
}

static int fill_strict(scmp_filter_ctx filter, unsigned calls) {
    int result = add_hostile(filter, SCMP_ACT_KILL_PROCESS);
    result = result != 0 ? result : allow_sockets(filter, calls);
    for (size_t i = 0; result == 0 && i < sizeof sets / sizeof *sets; i++) {
        result = (calls & sets[i].kind) != 0 ? add_calls(filter, SCMP_ACT_ALLOW, sets[i].calls) : 0;
    }
    result = result != 0 ? result : add_memory(filter, (calls & SANDBOX_CALLS_LOAD) != 0);
    if (result == 0 && SANDBOX_RELAXED) {
        result = add_calls(filter, SCMP_ACT_ALLOW, sanitizer_calls);
    }
    if (result == 0 && !SANDBOX_RELAXED) {
        result = add_own(filter);
        result = result == 0 && (calls & SANDBOX_CALLS_THREADS) != 0 ? add_threads(filter) : result;
    } else if (result == 0) {
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
    }
    return result;
}

/* A namespace of users would give it capabilities again. clone3 hides its flags from a filter; told that
 * there is none, the C library takes clone. */
static int refuse_namespaces(scmp_filter_ctx filter) {
    int result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
    return result != 0 ? result
                       : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), CALL(clone), 1,
                                          SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
}

/* Typing into the terminal that it was started from. */
static int refuse_terminals(scmp_filter_ctx filter) {
    const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    int result =
        seccomp_rule_add(filter, refuse, CALL(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCSTI));
    return result != 0 ? result
                       : seccomp_rule_add(filter, refuse, CALL(ioctl), 1,
                                          SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCLINUX));
}

static int fill(scmp_filter_ctx filter, unsigned calls) {
    /* Over all threads where the kernel can do it; there should be one. */
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    /* A tree instead of a list: faster to install, since the kernel walks it once for every call there is. */
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    int result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if ((calls & SANDBOX_CALLS_ANY) == 0) {
        return result != 0 ? result : fill_strict(filter, calls);
    }
    result = result != 0 ? result : refuse_sockets(filter, (calls & SANDBOX_CALLS_NETWORK) != 0);
    result = result != 0 ? result : refuse_terminals(filter);
    result = result != 0 ? result : refuse_namespaces(filter);
    return result != 0 ? result : add_hostile(filter, SCMP_ACT_ERRNO(EPERM));
}

static void filter_done(scmp_filter_ctx *filter) {
    if (*filter != NULL) {
        seccomp_release(*filter);
    }
}

/* A filter at address 0 is refused as such (EFAULT) by a system that takes filters at all. */
int sandbox_calls_probe(void) {
    return prctl(PR_SET_SECCOMP, 2 /* a filter */, NULL, 0, 0) != 0 && errno != EFAULT ? errno : 0;
}

int sandbox_calls_apply(unsigned calls, Error *err) {
    const bool any = (calls & SANDBOX_CALLS_ANY) != 0;
    CLEANUP(filter_done) scmp_filter_ctx filter = seccomp_init(any ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
    int result = filter != NULL ? fill(filter, calls) : -ENOMEM;
    if (result != 0) {
        error_set_errno(err, -result, "seccomp: the rules");
        return ENOTRECOVERABLE;
    }
    result = seccomp_load(filter);
    if (result == 0) {
        return 0;
    }
    error_set_errno(err, -result, "seccomp");
    int refused = sandbox_calls_probe(); /* the library does not keep the system's reason */
    return refused != 0 ? refused : ENOTRECOVERABLE;
}
