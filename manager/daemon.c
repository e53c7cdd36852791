/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "bundles/base/file.h"
#include "bundles/base/log.h"
#include "bundles/base/process.h"
#include "bundles/base/sandbox.h"
#include "bundles/base/text.h"
#include "manager/advisor.h"
#include "manager/api.h"
#include "manager/deployment.h"
#include "manager/jobs.h"
#include "manager/update.h"

CLEANUP_DEFINE(Store, store_close)

/* What lives as long as the loop; set up in this order, taken down in the reverse. */
typedef struct Daemon {
    const Config *config;
    sd_event *event;
    int state_fd;
    int lock;
    int runtime_fd;
    Totals *totals;
    Laggards *laggards;
    char *quoted;
    Store *store;
    Journal *journal;
    Operations *operations;
    Deployment *deployment;
    Jobs *jobs;
    Updates *updates;
    Advisor *advisor;
    Api *api;
} Daemon;

static void daemon_done(Daemon *daemon) {
    api_free(daemon->api);
    advisor_free(TAKE(daemon->advisor));
    updates_free(daemon->updates);
    jobs_free(daemon->jobs);
    deployment_free(daemon->deployment);
    operations_free(daemon->operations);
    journal_close(daemon->journal);
    totals_close(daemon->totals);
    laggards_close(daemon->laggards);
    store_close(daemon->store);
    free(daemon->quoted);
    cleanup_close(&daemon->lock);
    cleanup_close(&daemon->runtime_fd);
    cleanup_close(&daemon->state_fd);
    sd_event_unref(daemon->event);
}

static void on_operation_changed(void *context, const Operation *operation) {
    const Daemon *daemon = context;
    updates_operation_changed(daemon->updates, operation);
    advisor_operation_changed(daemon->advisor, operation);
    api_operation_changed(daemon->api, operation);
}

static bool make_directory(const char *key, const char *path, mode_t mode, Error *err) {
    struct stat facts;
    if (!file_make_path(path, mode, err)) {
        return error_wrap(err, "%s", key);
    }
    if (stat(path, &facts) != 0) {
        return error_set_errno(err, errno, "%s: %s", key, path);
    }
    if (facts.st_uid != geteuid() || (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return error_set(
            err, ERROR_PERMISSION,
            "%s: %s must belong to uid %u and be writable by nobody else (it has owner uid %u, mode "
            "%04o)",
            key, path, geteuid(), facts.st_uid, facts.st_mode & 07777);
    }
    return true;
}

static bool open_state(Daemon *daemon, Error *err) {
    const Config *config = daemon->config;
    if (!make_directory("state", config->state, 0700, err) ||
        !make_directory("runtime", config->runtime, 0755, err)) {
        return false;
    }
    daemon->state_fd = file_open_directory(AT_FDCWD, config->state, err);
    if (daemon->state_fd < 0) {
        return false;
    }
    daemon->lock = file_lock(daemon->state_fd, "lock", err);
    if (daemon->lock < 0) {
        return error_wrap(err, "another psw-manager runs with the state directory %s", config->state);
    }
    daemon->journal = journal_open(daemon->state_fd, config->state, err);
    if (daemon->journal == NULL) {
        return false;
    }
    daemon->runtime_fd = file_open_directory(AT_FDCWD, config->runtime, err);
    daemon->totals = daemon->runtime_fd >= 0 ? totals_open(daemon->runtime_fd, err) : NULL;
    daemon->laggards = daemon->totals != NULL ? laggards_open(daemon->runtime_fd, err) : NULL;
    return daemon->laggards != NULL;
}

/* Opened once for writing, so that what a crash left in it is removed; after that children write. */
static bool open_store(Daemon *daemon, Error *err) {
    if (!make_directory("store", daemon->config->store, 0755, err)) {
        return false;
    }
    CLEANUP(store_closep) Store *writable = store_open(daemon->config->store, true, err);
    if (writable == NULL) {
        return false;
    }
    store_close(TAKE(writable));
    daemon->store = store_open(daemon->config->store, false, err);
    return daemon->store != NULL;
}

/* The path of what generations run. The caller frees. */
static char *find_quoted(const Config *config, Error *err) {
    struct stat facts;
    AUTO_FREE char *directory = NULL;
    if (config->quoted_program == NULL && (directory = process_own_directory(err)) == NULL) {
        return NULL;
    }
    AUTO_FREE char *quoted =
        directory != NULL ? text_format("%s/quoted", directory) : text_format("%s", config->quoted_program);
    if (quoted == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    if (stat(quoted, &facts) != 0 || access(quoted, X_OK) != 0) {
        error_set_errno(err, errno, "quoted.program: %s cannot be run", quoted);
        return NULL;
    }
    if (!S_ISREG(facts.st_mode)) { /* a directory passes access() */
        error_set(err, ERROR_CONFIG, "quoted.program: %s cannot be run: it is not a regular file", quoted);
        return NULL;
    }
    return TAKE(quoted);
}

bool daemon_check(const Config *config, Error *err) {
    AUTO_FREE char *quoted = find_quoted(config, err);
    return quoted != NULL;
}

/* Every client of a generation that died may be held here for a moment. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool watch_signals(Daemon *daemon, Error *err) {
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
        sd_event_add_signal(daemon->event, NULL, SIGTERM, NULL, NULL) < 0 ||
        sd_event_add_signal(daemon->event, NULL, SIGINT, NULL, NULL) < 0) {
        return error_set(err, ERROR_SYSTEM, "cannot watch signals");
    }
    (void)sd_event_set_watchdog(daemon->event, true);
    return true;
}

static bool start_parts(Daemon *daemon, Error *err) {
    daemon->operations = operations_new(on_operation_changed, daemon);
    if (daemon->operations == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    const DeploymentSpec deployment = {daemon->event,      daemon->config, daemon->store,  daemon->journal,
                                       daemon->operations, daemon->quoted, daemon->totals, daemon->laggards};
    daemon->deployment = deployment_new(&deployment, err);
    if (daemon->deployment == NULL) {
        return false;
    }
    const JobsSpec jobs = {daemon->event,   daemon->config,     daemon->store,
                           daemon->journal, daemon->operations, daemon->deployment};
    daemon->jobs = jobs_new(&jobs, err);
    if (daemon->jobs == NULL || !deployment_recover(daemon->deployment, err)) {
        return false;
    }
    const UpdatesSpec updates = {.event = daemon->event,
                                 .config = daemon->config,
                                 .state_fd = daemon->state_fd,
                                 .store = daemon->store,
                                 .journal = daemon->journal,
                                 .operations = daemon->operations,
                                 .deployment = daemon->deployment,
                                 .jobs = daemon->jobs};
    daemon->updates = updates_new(&updates, err);
    if (daemon->updates == NULL) {
        return false;
    }
    const AdvisorSpec advisor = {.event = daemon->event,
                                 .config = daemon->config,
                                 .state_fd = daemon->state_fd,
                                 .store = daemon->store,
                                 .journal = daemon->journal,
                                 .operations = daemon->operations,
                                 .deployment = daemon->deployment,
                                 .updates = daemon->updates};
    daemon->advisor = advisor_new(&advisor, err);
    if (daemon->advisor == NULL) {
        return false;
    }
    const ApiSpec api = {daemon->event,      daemon->config,     daemon->store, daemon->journal,
                         daemon->operations, daemon->deployment, daemon->jobs,  daemon->updates,
                         daemon->totals,     daemon->advisor};
    daemon->api = api_new(&api, err);
    return daemon->api != NULL;
}

/* Children that look at outside bytes go on without what the system does not give. */
static void look_at_sandbox(void) {
    SandboxReport report;
    sandbox_probe(&report);
    if (report.missing[0] != '\0') {
        log_warning(
            "sandbox-incomplete",
            "missing=\"%s\" advice=\"a kernel with Landlock (5.19 or newer, lsm=landlock) and a container "
            "runtime that allows it and seccomp\"",
            report.missing);
    }
}

static bool run(Daemon *daemon, Error *err) {
    look_at_sandbox();
    raise_descriptor_limit();
    if (sd_event_default(&daemon->event) < 0) {
        return error_set(err, ERROR_SYSTEM, "cannot make an event loop");
    }
    if (!watch_signals(daemon, err) || !open_state(daemon, err) || !open_store(daemon, err) ||
        (daemon->quoted = find_quoted(daemon->config, err)) == NULL || !start_parts(daemon, err)) {
        return false;
    }
    log_info("started", "version=%s socket=%s", PSW_VERSION, daemon->config->socket_path);
    (void)sd_notify(false, "READY=1");
    int status = sd_event_loop(daemon->event);
    (void)sd_notify(false, "STOPPING=1");
    log_info("stopped", "generations=left-running");
    return status >= 0 || error_set_errno(err, -status, "the event loop failed");
}

bool daemon_run(const Config *config, Error *err) {
    Daemon daemon = {.config = config, .state_fd = -1, .lock = -1, .runtime_fd = -1};
    bool good = run(&daemon, err);
    daemon_done(&daemon);
    return good;
}
