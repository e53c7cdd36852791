/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything happens in forked children: a sandbox is for ever. A child's exit status is the errno of what it
 * tried, 0 for a success.
 */
#include "bundles/base/sandbox.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"

enum { NOBODY = 65534, FAILED_TO_APPLY = 200, DOES_NOT_FIT = 201 };
enum { FILES = SANDBOX_CALLS_BASE | SANDBOX_CALLS_WRITE };

static SandboxReport available;

typedef int (*Deed)(void *context);

/* The wait status of a child that applies the profile and does the deed. */
static int status_of(const Sandbox *profile, Deed deed, void *context) {
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        Error err = ERROR_INIT;
        SandboxReport report;
        if (!sandbox_apply(profile, &report, &err)) {
            (void)fprintf(stderr, "%s\n", err.text);
            _exit(FAILED_TO_APPLY);
        }
        _exit(deed(context));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int errno_of(const Sandbox *profile, Deed deed, void *context) {
    int status = status_of(profile, deed, context);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect_killed(const Sandbox *profile, Deed deed) {
    int status = status_of(profile, deed, NULL);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void needs_landlock(void) {
    if (available.landlock_abi == 0) {
        skip();
    }
}

static void needs_seccomp(void) {
    if (!available.seccomp) {
        skip();
    }
}

/* What a sanitizer needs is allowed in its builds. */
static void needs_strictness(void) {
    needs_seccomp();
    if (sandbox_is_relaxed()) {
        skip();
    }
}

static void needs_root(void) {
    if (geteuid() != 0) {
        skip();
    }
}

static int read_file(void *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? errno : 0;
}

static int write_file(void *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? errno : write(fd, "x", 1) == 1 ? 0 : errno;
}

static int make_directory(void *path) {
    return mkdir(path, 0700) == 0 ? 0 : errno;
}

static int remove_file(void *path) {
    return unlink(path) == 0 ? 0 : errno;
}

/* A directory with "inside/file" and "outside". */
typedef struct Scene {
    char *root, *inside, *file, *outside;
} Scene;

static char *join(const char *a, const char *b) {
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", a, b) > 0);
    return path;
}

static int set_up(void **state) {
    Scene *scene = calloc(1, sizeof *scene);
    scene->root = strdup("/tmp/psw-sandbox-XXXXXX");
    if (mkdtemp(scene->root) == NULL || chmod(scene->root, 0755) != 0) {
        return -1;
    }
    scene->inside = join(scene->root, "inside");
    scene->file = join(scene->inside, "file");
    scene->outside = join(scene->root, "outside");
    *state = scene;
    return mkdir(scene->inside, 0777) == 0 && chmod(scene->inside, 0777) == 0 &&
                   write_file(scene->file) == 0 && write_file(scene->outside) == 0
               ? 0
               : -1;
}

static int tear_down(void **state) {
    Scene *scene = *state;
    AUTO_FREE char *command = NULL;
    if (asprintf(&command, "rm -rf %s", scene->root) < 0 || system(command) != 0) {
        return -1;
    }
    free(scene->root);
    free(scene->inside);
    free(scene->file);
    free(scene->outside);
    free(scene);
    return 0;
}

static void a_place_to_read_can_be_read_and_nothing_else(void **state) {
    Scene *scene = *state;
    needs_landlock();
    const SandboxPlace place = {.path = scene->inside, .access = SANDBOX_READ};
    const Sandbox profile = {.places = &place, .places_count = 1, .calls = FILES};
    assert_int_equal(errno_of(&profile, read_file, scene->file), 0);
    assert_int_equal(errno_of(&profile, write_file, scene->file), EACCES);
    assert_int_equal(errno_of(&profile, remove_file, scene->file), EACCES);
    assert_int_equal(errno_of(&profile, read_file, scene->outside), EACCES);
    assert_int_equal(errno_of(&profile, read_file, "/etc/passwd"), EACCES);
}

static int rearrange(void *context) {
    const Scene *scene = context;
    AUTO_FREE char *below = join(scene->inside, "below");
    AUTO_FREE char *moved = join(below, "moved");
    AUTO_FREE char *beyond = join(scene->root, "beyond");
    if (mkdir(below, 0700) != 0 || rename(scene->file, moved) != 0 || truncate(moved, 0) != 0) {
        return errno;
    }
    if (rename(moved, beyond) == 0) {
        return DOES_NOT_FIT;
    }
    return unlink(moved) == 0 && rmdir(below) == 0 ? 0 : errno;
}

static void a_place_to_write_can_be_rearranged_and_not_left(void **state) {
    Scene *scene = *state;
    needs_landlock();
    const SandboxPlace place = {.path = scene->inside, .access = SANDBOX_WRITE};
    const Sandbox profile = {.places = &place, .places_count = 1, .calls = FILES};
    assert_int_equal(errno_of(&profile, rearrange, scene), 0);
    assert_int_equal(errno_of(&profile, write_file, scene->outside), EACCES);
    AUTO_FREE char *elsewhere = join(scene->root, "elsewhere");
    assert_int_equal(errno_of(&profile, make_directory, elsewhere), EACCES);
}

static int make_node(void *path) {
    return mkfifo(path, 0600) == 0 ? 0 : errno;
}

static int make_link(void *path) {
    return symlink("/etc/passwd", path) == 0 ? 0 : errno;
}

static void links_and_nodes_are_not_made_even_there(void **state) {
    Scene *scene = *state;
    needs_landlock();
    AUTO_FREE char *path = join(scene->inside, "node");
    const SandboxPlace place = {.path = scene->inside, .access = SANDBOX_WRITE};
    const Sandbox profile = {.places = &place, .places_count = 1};
    assert_int_equal(errno_of(&profile, make_node, path), EACCES);
    assert_int_equal(errno_of(&profile, make_link, path), EACCES);
}

static int read_through(void *context) {
    const int *fds = context;
    char byte = 0;
    int fd = openat(fds[0], "file", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, &byte, 1) == 1 && pread(fds[1], &byte, 1, 0) == 1 ? 0 : errno;
}

static void a_place_can_be_a_descriptor_and_what_is_open_stays_open(void **state) {
    Scene *scene = *state;
    needs_landlock();
    AUTO_CLOSE int directory = open(scene->inside, O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int outside = open(scene->outside, O_RDONLY | O_CLOEXEC);
    int fds[] = {directory, outside};
    const SandboxPlace place = {.fd = directory, .access = SANDBOX_READ};
    const Sandbox profile = {.places = &place, .places_count = 1, .calls = FILES};
    assert_int_equal(errno_of(&profile, read_through, fds), 0);
    assert_int_equal(errno_of(&profile, read_file, scene->outside), EACCES);
}

static void a_place_can_be_one_file(void **state) {
    Scene *scene = *state;
    needs_landlock();
    const SandboxPlace place = {.path = scene->outside, .access = SANDBOX_READ};
    const Sandbox profile = {.places = &place, .places_count = 1, .calls = FILES};
    assert_int_equal(errno_of(&profile, read_file, scene->outside), 0);
    assert_int_equal(errno_of(&profile, read_file, scene->file), EACCES);
}

static void reading_anywhere_is_no_writing(void **state) {
    Scene *scene = *state;
    needs_landlock();
    Sandbox profile = {.read_anywhere = true, .calls = FILES};
    AUTO_FREE char *fresh = join(scene->root, "fresh");
    assert_int_equal(errno_of(&profile, read_file, "/etc/passwd"), 0);
    assert_int_equal(errno_of(&profile, write_file, scene->outside), EACCES);
    profile.write_existing = true;
    assert_int_equal(errno_of(&profile, write_file, scene->outside), 0);
    assert_int_equal(errno_of(&profile, write_file, fresh), EACCES);
}

static int write_null(void *context) {
    (void)context;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return fd >= 0 && write(fd, "x", 1) == 1 ? 0 : errno;
}

static void a_device_is_allowed_by_name(void **state) {
    (void)state;
    needs_landlock();
    const SandboxPlace place = {.path = "/dev/null", .access = SANDBOX_DEVICE};
    Sandbox profile = {
        .read_anywhere = true, .places = &place, .places_count = 1, .calls = SANDBOX_CALLS_ANY};
    assert_int_equal(errno_of(&profile, write_null, NULL), 0);
    profile.places_count = 0;
    assert_int_equal(errno_of(&profile, write_null, NULL), EACCES);
}

static int make_socket(void *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", (const char *)path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    return fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 && unlink(path) == 0
               ? 0
               : errno;
}

static void a_directory_for_sockets_takes_sockets(void **state) {
    Scene *scene = *state;
    needs_landlock();
    const SandboxPlace place = {.path = scene->inside, .access = SANDBOX_SOCKETS};
    const Sandbox profile = {
        .read_anywhere = true, .places = &place, .places_count = 1, .calls = SANDBOX_CALLS_ANY};
    AUTO_FREE char *good = join(scene->inside, "socket");
    AUTO_FREE char *bad = join(scene->root, "socket");
    assert_int_equal(errno_of(&profile, make_socket, good), 0);
    assert_int_equal(errno_of(&profile, make_socket, bad), EACCES);
    assert_int_equal(errno_of(&profile, write_file, scene->file), EACCES);
}

static void a_place_that_is_missing_is_told(void **state) {
    Scene *scene = *state;
    needs_landlock();
    Error err = ERROR_INIT;
    SandboxReport report;
    AUTO_FREE char *path = join(scene->root, "missing");
    SandboxPlace place = {.path = path, .access = SANDBOX_READ};
    const Sandbox profile = {.places = &place, .places_count = 1, .calls = FILES};
    assert_false(sandbox_apply(&profile, &report, &err)); /* nothing is in force yet */
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
    place.optional = true;
    assert_int_equal(errno_of(&profile, read_file, path), ENOENT);
}

static int open_family(void *context) {
    const int *family = context;
    int fd = socket(*family, (*family == AF_NETLINK ? SOCK_RAW : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : 0;
}

static void sockets_are_of_the_families_that_were_asked_for(void **state) {
    (void)state;
    needs_seccomp();
    static const struct {
        unsigned calls;
        int family;
        int expected;
    } table[] = {
        {SANDBOX_CALLS_BASE, AF_INET, EPERM},
        {SANDBOX_CALLS_BASE, AF_INET6, EPERM},
        {SANDBOX_CALLS_BASE, AF_UNIX, EPERM},
        {FILES, AF_UNIX, EPERM},
        {SANDBOX_CALLS_BASE | SANDBOX_CALLS_NETWORK, AF_INET, 0},
        {SANDBOX_CALLS_BASE | SANDBOX_CALLS_NETWORK, AF_UNIX, EPERM},
        {SANDBOX_CALLS_BASE | SANDBOX_CALLS_NETWORK, AF_NETLINK, EPERM},
        {SANDBOX_CALLS_BASE | SANDBOX_CALLS_NETWORK, AF_PACKET, EPERM},
        {SANDBOX_CALLS_BASE | SANDBOX_CALLS_UNIX, AF_UNIX, 0},
        {SANDBOX_CALLS_BASE | SANDBOX_CALLS_UNIX, AF_INET, EPERM},
        {SANDBOX_CALLS_ANY, AF_UNIX, 0},
        {SANDBOX_CALLS_ANY, AF_INET, EAFNOSUPPORT},
        {SANDBOX_CALLS_ANY, AF_NETLINK, EAFNOSUPPORT},
        {SANDBOX_CALLS_ANY | SANDBOX_CALLS_NETWORK, AF_INET, 0},
        {SANDBOX_CALLS_ANY | SANDBOX_CALLS_NETWORK, AF_VSOCK, EAFNOSUPPORT},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const Sandbox profile = {.calls = table[i].calls};
        int family = table[i].family;
        assert_int_equal(errno_of(&profile, open_family, &family), table[i].expected);
    }
}

static int use_network(void *context) {
    const struct sockaddr_in *server = context;
    const struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)server, sizeof *server) != 0) {
        return errno;
    }
    return listen(other, 1) == 0 || (available.landlock_abi >= 4 &&
                                     bind(other, (const struct sockaddr *)&own, sizeof own) == 0)
               ? DOES_NOT_FIT
               : 0;
}

static void a_client_connects_and_does_not_serve(void **state) {
    (void)state;
    needs_seccomp();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    AUTO_CLOSE int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server, 8), 0);
    assert_int_equal(getsockname(server, (struct sockaddr *)&address, &size), 0);
    const Sandbox profile = {.calls = SANDBOX_CALLS_BASE | SANDBOX_CALLS_NETWORK};
    assert_int_equal(errno_of(&profile, use_network, &address), 0);
}

static int talk(void *context) {
    const int *fds = context;
    char text[4];
    return send(fds[0], "abc", 3, MSG_NOSIGNAL) == 3 && recv(fds[1], text, sizeof text, 0) == 3 ? 0 : errno;
}

static void sockets_that_are_open_stay_of_use(void **state) {
    (void)state;
    int fds[2];
    const Sandbox profile = {.calls = SANDBOX_CALLS_BASE};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(errno_of(&profile, talk, fds), 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static int run_program(void *context) {
    (void)context;
    char *const argv[] = {"true", NULL};
    (void)execve("/bin/true", argv, NULL);
    return errno;
}

static int trace_parent(void *context) {
    (void)context;
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0 ? 0 : errno;
}

static int mount_something(void *context) {
    (void)context;
    return (int)syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL) == 0 ? 0 : errno;
}

static int load_bpf(void *context) {
    (void)context;
    return (int)syscall(SYS_bpf, 0, NULL, 0) == 0 ? 0 : errno;
}

static int split(void *context) {
    (void)context;
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, NULL, NULL, 0);
    if (child == 0) {
        _exit(0);
    }
    return child < 0 ? errno : waitpid(child, NULL, 0) == child ? 0 : errno;
}

static void *set_flag(void *context) {
    *(int *)context = 1;
    return NULL;
}

static int use_thread(void *context) {
    (void)context;
    pthread_t thread;
    int flag = 0;
    int result = pthread_create(&thread, NULL, set_flag, &flag);
    if (result != 0) {
        return result;
    }
    (void)pthread_join(thread, NULL);
    return flag == 1 ? 0 : DOES_NOT_FIT;
}

static int make_namespace(void *context) {
    (void)context;
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, NULL, NULL, 0);
    if (child == 0) {
        _exit(0);
    }
    return child < 0 ? errno : 0;
}

static void hostile_calls_end_the_process(void **state) {
    (void)state;
    needs_seccomp();
    const Sandbox profile = {.calls = FILES};
    expect_killed(&profile, run_program);
    expect_killed(&profile, mount_something);
    expect_killed(&profile, load_bpf);
    if (!sandbox_is_relaxed()) {
        expect_killed(&profile, trace_parent);
    }
}

static void among_any_calls_hostile_ones_are_refused(void **state) {
    (void)state;
    needs_seccomp();
    const Sandbox profile = {.read_anywhere = true, .calls = SANDBOX_CALLS_ANY};
    assert_int_equal(errno_of(&profile, run_program, NULL), EPERM);
    assert_int_equal(errno_of(&profile, mount_something, NULL), EPERM);
    assert_int_equal(errno_of(&profile, load_bpf, NULL), EPERM);
    assert_int_equal(errno_of(&profile, make_namespace, NULL), EPERM);
    assert_int_equal(errno_of(&profile, split, NULL), 0);
    assert_int_equal(errno_of(&profile, use_thread, NULL), 0);
    if (!sandbox_is_relaxed()) {
        assert_int_equal(errno_of(&profile, trace_parent, NULL), EPERM);
    }
}

static void files_alone_forbid_programs(void **state) {
    (void)state;
    needs_landlock();
    const Sandbox profile = {.read_anywhere = true};
    assert_int_equal(errno_of(&profile, run_program, NULL), EACCES);
}

static void a_process_is_not_split(void **state) {
    (void)state;
    needs_strictness();
    const Sandbox profile = {.calls = SANDBOX_CALLS_BASE};
    const Sandbox threads = {.calls = SANDBOX_CALLS_BASE | SANDBOX_CALLS_THREADS};
    assert_int_equal(errno_of(&profile, split, NULL), EPERM);
    assert_int_equal(errno_of(&threads, split, NULL), EPERM);
}

static void alone_is_alone_also_without_a_filter(void **state) {
    (void)state;
    needs_root();
    const Sandbox profile = {.uid = NOBODY, .gid = NOBODY, .limits = {.alone = true}, .read_anywhere = true};
    if (!sandbox_is_relaxed()) {
        assert_int_equal(errno_of(&profile, split, NULL), EAGAIN);
    }
}

static void threads_are_had_for_the_asking(void **state) {
    (void)state;
    const Sandbox with = {.calls = SANDBOX_CALLS_BASE | SANDBOX_CALLS_THREADS};
    assert_int_equal(errno_of(&with, use_thread, NULL), 0);
    needs_strictness();
    const Sandbox without = {.calls = SANDBOX_CALLS_BASE};
    assert_int_equal(errno_of(&without, use_thread, NULL), EPERM);
}

static int map_code(void *context) {
    (void)context;
    void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? errno : 0;
}

static int load_library(void *context) {
    (void)context;
    return dlopen("libz.so.1", RTLD_NOW) != NULL ? 0 : EPERM;
}

static void code_is_mapped_for_the_asking(void **state) {
    (void)state;
    Sandbox profile = {.read_anywhere = true, .calls = FILES | SANDBOX_CALLS_LOAD};
    assert_int_equal(errno_of(&profile, map_code, NULL), 0);
    assert_int_equal(errno_of(&profile, load_library, NULL), 0);
    needs_strictness();
    profile.calls = FILES;
    assert_int_equal(errno_of(&profile, map_code, NULL), EPERM);
}

static int take_memory(void *context) {
    const size_t *size = context;
    void *at = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? errno : 0;
}

static int fill_file(void *path) {
    char block[4096] = {0};
    (void)signal(SIGXFSZ, SIG_IGN);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (fd >= 0 && write(fd, block, sizeof block) > 0) {
    }
    return errno;
}

static int dump_core(void *context) {
    (void)context;
    struct rlimit limit;
    return getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0 ? 0 : DOES_NOT_FIT;
}

static int open_many(void *context) {
    (void)context;
    while (dup(STDERR_FILENO) >= 0) {
    }
    return errno;
}

static void limits_hold(void **state) {
    Scene *scene = *state;
    const Sandbox profile = {.read_anywhere = true,
                             .write_existing = true,
                             .limits = {.memory = 1 << 30, .file_size = 16384, .files = 64},
                             .calls = FILES};
    size_t much = (size_t)2 << 30, little = 1 << 20;
    assert_int_equal(errno_of(&profile, fill_file, scene->file), EFBIG);
    assert_int_equal(errno_of(&profile, open_many, NULL), EMFILE);
    assert_int_equal(errno_of(&profile, dump_core, NULL), 0);
    assert_int_equal(errno_of(&profile, take_memory, &little), 0);
    if (!sandbox_is_relaxed()) {
        assert_int_equal(errno_of(&profile, take_memory, &much), ENOMEM);
    }
}

static int is_nobody(void *path) {
    int death = 0;
    (void)prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0);
    if (getuid() != NOBODY || geteuid() != NOBODY || getegid() != NOBODY || getgroups(0, NULL) != 0 ||
        setuid(0) == 0 || death != SIGKILL) {
        return DOES_NOT_FIT;
    }
    return read_file(path);
}

static void root_becomes_somebody_else_and_dies_with_its_parent_still(void **state) {
    Scene *scene = *state;
    needs_root();
    const Sandbox profile = {.uid = NOBODY, .gid = NOBODY, .read_anywhere = true};
    pid_t child = fork();
    if (child == 0) {
        Error err = ERROR_INIT;
        SandboxReport report;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        _exit(sandbox_apply(&profile, &report, &err) ? is_nobody(scene->file) : FAILED_TO_APPLY);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), EACCES); /* the file is root's and 0600 */
}

static void root_without_capabilities_is_somebody_with_the_number_0(void **state) {
    Scene *scene = *state;
    needs_root();
    assert_int_equal(chown(scene->outside, NOBODY, NOBODY), 0);
    Sandbox profile = {.read_anywhere = true};
    assert_int_equal(errno_of(&profile, read_file, scene->outside), EACCES);
    profile.capabilities = UINT64_C(1) << CAP_DAC_OVERRIDE;
    assert_int_equal(errno_of(&profile, read_file, scene->outside), 0);
}

static int apply_as_nobody(void *path) {
    const SandboxPlace place = {.path = path, .access = SANDBOX_WRITE};
    const Sandbox profile = {
        .uid = 1, .gid = 1, .limits = {.files = 64}, .places = &place, .places_count = 1, .calls = FILES};
    Error err = ERROR_INIT;
    SandboxReport report;
    AUTO_FREE char *own = join(path, "own");
    if (getuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)) {
        return errno;
    }
    if (!sandbox_apply(&profile, &report, &err)) {
        return FAILED_TO_APPLY;
    }
    return write_file(own) != 0 || (available.landlock_abi > 0 && read_file("/etc/passwd") != EACCES)
               ? DOES_NOT_FIT
               : 0;
}

static void an_ordinary_user_has_the_same_sandbox(void **state) {
    Scene *scene = *state;
    pid_t child = fork();
    if (child == 0) {
        _exit(apply_as_nobody(scene->inside));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* As in a container whose own filter knows neither. */
static int apply_in_container(const char *path) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    SandboxReport probed;
    Error err = ERROR_INIT;
    SandboxReport report;
    const Sandbox profile = {.limits = {.files = 64}, .calls = FILES};
    if (filter == NULL ||
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset), 0) != 0 ||
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 0) != 0 ||
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1,
                         SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP)) != 0 ||
        seccomp_load(filter) != 0) {
        return DOES_NOT_FIT;
    }
    seccomp_release(filter);
    sandbox_probe(&probed);
    if (!sandbox_apply(&profile, &report, &err)) {
        return FAILED_TO_APPLY;
    }
    bool told = strcmp(report.missing, "Landlock (ENOSYS), seccomp (EPERM)") == 0 &&
                strcmp(probed.missing, report.missing) == 0 && report.landlock_abi == 0 && !report.seccomp;
    return told && open(path, O_RDONLY | O_CLOEXEC) >= 0 ? 0 : DOES_NOT_FIT;
}

static void what_a_container_forbids_is_told(void **state) {
    Scene *scene = *state;
    needs_landlock();
    needs_seccomp();
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        _exit(apply_in_container(scene->file));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void the_probe_changes_nothing(void **state) {
    Scene *scene = *state;
    SandboxReport report;
    int before = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    sandbox_probe(&report);
    assert_int_equal(write_file(scene->file), 0);
    assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), before);
    assert_true((report.missing[0] == '\0') == (report.landlock_abi > 0 && report.seccomp));
}

int main(void) {
#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_place_to_read_can_be_read_and_nothing_else),
        SCENE_TEST(a_place_to_write_can_be_rearranged_and_not_left),
        SCENE_TEST(links_and_nodes_are_not_made_even_there),
        SCENE_TEST(a_place_can_be_a_descriptor_and_what_is_open_stays_open),
        SCENE_TEST(a_place_can_be_one_file),
        SCENE_TEST(reading_anywhere_is_no_writing),
        cmocka_unit_test(a_device_is_allowed_by_name),
        SCENE_TEST(a_directory_for_sockets_takes_sockets),
        SCENE_TEST(a_place_that_is_missing_is_told),
        cmocka_unit_test(sockets_are_of_the_families_that_were_asked_for),
        cmocka_unit_test(a_client_connects_and_does_not_serve),
        cmocka_unit_test(sockets_that_are_open_stay_of_use),
        cmocka_unit_test(hostile_calls_end_the_process),
        cmocka_unit_test(among_any_calls_hostile_ones_are_refused),
        cmocka_unit_test(files_alone_forbid_programs),
        cmocka_unit_test(a_process_is_not_split),
        cmocka_unit_test(alone_is_alone_also_without_a_filter),
        cmocka_unit_test(threads_are_had_for_the_asking),
        cmocka_unit_test(code_is_mapped_for_the_asking),
        SCENE_TEST(limits_hold),
        SCENE_TEST(root_becomes_somebody_else_and_dies_with_its_parent_still),
        SCENE_TEST(root_without_capabilities_is_somebody_with_the_number_0),
        SCENE_TEST(an_ordinary_user_has_the_same_sandbox),
        SCENE_TEST(what_a_container_forbids_is_told),
        SCENE_TEST(the_probe_changes_nothing),
    };
    sandbox_probe(&available);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
