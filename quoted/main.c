/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/listener.h"
#include "bundles/base/log.h"
#include "bundles/base/priority.h"
#include "bundles/base/text.h"
#include "quoted/confine.h"
#include "quoted/control/message.h"
#include "quoted/generation.h"

CLEANUP_DEFINE(Manifest, manifest_free)

typedef struct Options {
    const char *bundle, *socket, *control, *config;
    bool check_config;
    uint32_t generation;
    int control_fd; /* -1: none */
} Options;

static const char help[] =
    "Usage: quoted --bundle DIR --socket PATH [--config FILE]\n"
    "       quoted --bundle DIR --generation N --control PATH [--control-fd FD] [--config FILE]\n"
    "       quoted --check-config FILE\n"
    "\n"
    "The quote daemon: answers AESM requests with the quoting enclave of one unpacked bundle.\n"
    "\n"
    "  --bundle DIR      directory of an unpacked bundle ('psw-bundle unpack', or one of a store's)\n"
    "  --socket PATH     serve there, alone: on a descriptor passed by a socket unit, or on a socket made "
    "now;\n"
    "                    the path is not removed at the end\n"
    "  --generation N    number of this run, given by the manager\n"
    "  --control PATH    control socket to make; the listener comes from the manager\n"
    "  --control-fd FD   the manager's first connection to it, inherited\n"
    "  --config FILE     quoted.yaml; without it every setting has its default\n"
    "  --check-config FILE\n"
    "                    only say what is wrong with it, if anything is\n"
    "  --help, --version\n"
    "\n"
    "SIGTERM: accept no more, finish what was accepted, end with status 0.\n"
    "Exit status: 0 ended as told, 2 usage, 3 configuration, 16 the bundle does not work; quoted(8) has "
    "all.\n";

static bool usage(Error *err, const char *what) {
    return error_set(err, ERROR_USAGE, "%s: 'quoted --help' shows how", what);
}

/* Inherited, so it has to be kept from programs that this one might start. */
static bool take_control_fd(const char *text, int *ret_fd) {
    uint32_t number = 0;
    if (!text_parse_u32(text, STDERR_FILENO + 1, INT32_MAX, &number) ||
        fcntl((int)number, F_SETFD, FD_CLOEXEC) != 0) {
        return false;
    }
    *ret_fd = (int)number;
    return true;
}

static bool parse_options(int argc, char **argv, Options *options, Error *err) {
    static const struct option names[] = {{"bundle", required_argument, NULL, 'b'},
                                          {"socket", required_argument, NULL, 's'},
                                          {"generation", required_argument, NULL, 'g'},
                                          {"control", required_argument, NULL, 'c'},
                                          {"control-fd", required_argument, NULL, 'd'},
                                          {"config", required_argument, NULL, 'f'},
                                          {"check-config", required_argument, NULL, 'k'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (option) {
        case 'b':
            options->bundle = optarg;
            break;
        case 's':
            options->socket = optarg;
            break;
        case 'c':
            options->control = optarg;
            break;
        case 'd':
            if (!take_control_fd(optarg, &options->control_fd)) {
                return usage(err, "--control-fd wants the number of a descriptor that is open");
            }
            break;
        case 'k':
            options->check_config = true;
            options->config = optarg;
            break;
        case 'f':
            options->config = optarg;
            break;
        case 'g':
            if (!text_parse_u32(optarg, 1, UINT32_MAX, &options->generation)) {
                return usage(err, "--generation wants a number above 0");
            }
            break;
        case 'h':
            (void)fputs(help, stdout);
            exit(0);
        case 'v':
            (void)puts("quoted " PSW_VERSION);
            exit(0);
        default:
            return usage(err, "unknown option");
        }
    }
    if (options->check_config && optind == argc && options->bundle == NULL && options->socket == NULL &&
        options->control == NULL) {
        return true;
    }
    if (optind < argc || options->check_config || options->bundle == NULL ||
        (options->socket == NULL) == (options->control == NULL) ||
        (options->control != NULL) != (options->generation != 0) ||
        (options->control == NULL && options->control_fd >= 0)) {
        return usage(err, "--bundle is needed, and either --socket or both --generation and --control");
    }
    return true;
}

static bool find_group(const char *name, gid_t *ret_group, Error *err) {
    *ret_group = (gid_t)-1;
    if (name[0] == 0) {
        return true;
    }
    /* cppcheck-suppress getgrnamCalled; there is one thread yet */
    const struct group *entry = getgrnam(name);
    if (entry == NULL) {
        return error_set(err, ERROR_CONFIG, "socket_group: there is no group '%s'", name);
    }
    *ret_group = entry->gr_gid;
    return true;
}

/* The listener that a socket unit passed, else one made now. */
static int open_listener(const char *path, const Config *config, Error *err) {
    int inherited = listener_inherited(path);
    if (inherited >= 0) {
        return inherited;
    }
    ListenerSpec spec = {.path = path, .mode = config->socket_mode};
    if (path[0] != '/') {
        (void)usage(err, "--socket wants an absolute path");
        return -1;
    }
    if (!find_group(config->socket_group, &spec.group, err) || !listener_check_directory(path, err) ||
        !listener_check_free(path, err)) {
        return -1;
    }
    return listener_make(&spec, err);
}

/* SIGTERM and SIGINT as something to poll; neither a client that leaves nor a terminal is a reason to die. */
static int open_signals(Error *err) {
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    int fd = sigprocmask(SIG_BLOCK, &signals, NULL) == 0 ? signalfd(-1, &signals, SFD_CLOEXEC) : -1;
    if (fd < 0) {
        (void)error_set(err, ERROR_SYSTEM, "cannot watch for signals");
    }
    return fd;
}

static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Whatever is made or opened with the rights that this process was started with. */
static bool prepare(const Options *options, const Config *config, GenerationSpec *spec,
                    Manifest **ret_manifest, Error *err) {
    raise_descriptor_limit();
    if (options->socket != NULL && (spec->listener_fd = open_listener(options->socket, config, err)) < 0) {
        return false;
    }
    AUTO_CLOSE int directory = file_open_directory(AT_FDCWD, options->bundle, err);
    *ret_manifest = directory < 0 ? NULL : manifest_load(directory, err);
    return *ret_manifest != NULL || error_wrap(err, "bundle directory '%s'", options->bundle);
}

/* Confined, because it starts what loads the bundle's libraries. */
static bool start_nursery(const Options *options, const Config *config, GenerationSpec *spec,
                          const Manifest *manifest, Error *err) {
    const NurserySpec nursery = {
        .bundle = options->bundle, .manifest = manifest, .config = config, .generation = options->generation};
    spec->nursery = config->engines > 1 ? nursery_start(&nursery, err) : NULL;
    return config->engines == 1 || spec->nursery != NULL;
}

/* The processes beside this one. */
static bool start_company(const Options *options, const Config *config, GenerationSpec *spec,
                          const Manifest *manifest, Handover *handover, Error *err) {
    if (options->control != NULL) {
        priority_restore(0); /* so far a manager may have had it begin lower; the warm-up will by itself */
    }
    return start_nursery(options, config, spec, manifest, err) &&
           (options->control == NULL || handover_start(handover, err));
}

static bool run(const Options *options, const Config *config, Error *err) {
    Handover handover = HANDOVER_INIT;
    CLEANUP(manifest_freep) Manifest *manifest = NULL;
    GenerationSpec spec = {.bundle = options->bundle,
                           .number = options->generation,
                           .control_path = options->control,
                           .control_fd = options->control_fd,
                           .listener_fd = -1,
                           .config = config};
    /* Before the socket can be seen: from then on SIGTERM is an end in order. */
    AUTO_CLOSE int signal_fd = open_signals(err);
    /* The others have to happen while there is one thread. */
    if (signal_fd < 0 || !prepare(options, config, &spec, &manifest, err) ||
        !confine_enter(config, manifest, options->control, err) ||
        !start_company(options, config, &spec, manifest, &handover, err)) {
        control_message_send_failed(options->control_fd, err); /* there is no generation to say it */
        return false;
    }
    spec.manifest = manifest;
    spec.handover = options->control != NULL ? &handover : NULL;
    bool good = generation_run(&spec, signal_fd, err);
    nursery_stop(spec.nursery);
    handover_stop(&handover);
    return good;
}

int main(int argc, char **argv) {
    Error err = ERROR_INIT;
    Options options = {.control_fd = -1};
    Config config;
    static char name[32] = "quoted";
    if (!parse_options(argc, argv, &options, &err) || !config_load(options.config, &config, &err)) {
        control_message_send_failed(options.control_fd, &err);
        (void)fprintf(stderr, "quoted: %s\n", err.text);
        return error_kind_exit_status(err.kind);
    }
    if (options.check_config) {
        return 0;
    }
    if (options.generation != 0) {
        (void)snprintf(name, sizeof name, "quoted[%u]", options.generation);
    }
    log_open(name, config.log_level);
    if (!run(&options, &config, &err)) {
        log_error("failed", "kind=%s error=\"%s\"", error_kind_name(err.kind), err.text);
        return error_kind_exit_status(err.kind);
    }
    return 0;
}
