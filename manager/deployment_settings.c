/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether quoted would take its settings: quoted itself is asked, at the manager's start and whenever the
 * file or the program looks changed, so that it is known before a swap or a restart fails by it.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/file.h"
#include "bundles/base/log.h"
#include "bundles/base/priority.h"
#include "bundles/base/process.h"
#include "bundles/base/text.h"
#include "manager/deployment_parts.h"
#include "manager/timer.h"

/* The sentence that it wrote before its end, without its name in front. */
static void read_words(int output, char *text, size_t size) {
    static const char name[] = "quoted: ";
    ssize_t length = read(output, text, size - 1);
    text[length > 0 ? length : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (strncmp(text, name, sizeof name - 1) == 0) {
        memmove(text, text + sizeof name - 1, strlen(text) - (sizeof name - 1) + 1);
    }
}

/* Only its own verdict counts: a quoted of another version may not know the question. */
static void judge(DeploymentSettings *settings, ProcessExit how) {
    Error error = ERROR_INIT;
    char text[ERROR_TEXT_MAX];
    read_words(settings->output, text, sizeof text);
    if (!how.signalled && (how.code == error_kind_exit_status(ERROR_CONFIG) ||
                           how.code == error_kind_exit_status(ERROR_NOT_FOUND) ||
                           how.code == error_kind_exit_status(ERROR_PERMISSION))) {
        error_set(&error, ERROR_CONFIG, "quoted does not take its settings: %s", text);
        log_warning("settings-refused", "error=\"%s\"", text);
    }
    settings->error = error;
}

void deployment_settings_done(Deployment *deployment) {
    DeploymentSettings *settings = &deployment->settings;
    Error gone = ERROR_INIT;
    timer_stop(&settings->deadline);
    if (settings->source != NULL) {
        (void)!process_signal(settings->pidfd, SIGKILL, &gone); /* unless it has ended */
        settings->source = sd_event_source_disable_unref(settings->source);
        cleanup_close(&settings->pidfd);
        cleanup_close(&settings->output);
    }
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *context) {
    (void)source, (void)events;
    Deployment *deployment = context;
    ProcessExit how = {0};
    Error err = ERROR_INIT;
    if (process_wait(fd, 0, &how, &err) && deployment->settings.deadline != NULL) {
        judge(&deployment->settings, how);
    }
    deployment_settings_done(deployment);
    return 0;
}

/* As long as it may take to warm up; what is not known is asked again at the next look. */
static int on_deadline(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    Deployment *deployment = context;
    DeploymentSettings *settings = &deployment->settings;
    char allowed[24];
    Error gone = ERROR_INIT;
    timer_stop(&settings->deadline);
    (void)!process_signal(settings->pidfd, SIGKILL, &gone); /* unless it has ended */
    settings->error = ERROR_INIT;
    error_set(&settings->error, ERROR_TIMEOUT,
              "'quoted --check-config' has not come to an end in %s (swap.warm_up_timeout)",
              text_format_duration(allowed, sizeof allowed, deployment->config->warm_up_timeout_ms));
    log_warning("settings-not-checked", "error=\"%s\"", settings->error.text);
    settings->looked = false;
    return 0;
}

static bool ask(Deployment *deployment, Error *err) {
    DeploymentSettings *settings = &deployment->settings;
    int ends[2];
    pid_t pid = 0;
    const char *argv[] = {"quoted", "--check-config", deployment->config->quoted_config, NULL};
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return error_set(err, ERROR_SYSTEM, "no pipe");
    }
    AUTO_CLOSE int output = ends[0], child_end = ends[1];
    AUTO_CLOSE int pidfd = -1;
    const ProcessFd fds[] = {{child_end, STDERR_FILENO}};
    const ProcessSpec process = {
        .path = deployment->quoted, .argv = argv, .fds = fds, .fds_count = 1, .new_group = true};
    if (!process_start(&process, &pid, &pidfd, err)) {
        return false;
    }
    priority_restore(pid);
    if (sd_event_add_io(deployment->event, &settings->source, pidfd, EPOLLIN, on_end, deployment) < 0) {
        return process_signal(pidfd, SIGKILL, err) && error_set(err, ERROR_MEMORY, "out of memory");
    }
    settings->pidfd = TAKE_FD(pidfd);
    settings->output = TAKE_FD(output);
    if (!timer_start(deployment->event, &settings->deadline, deployment->config->warm_up_timeout_ms,
                     on_deadline, deployment)) {
        deployment_settings_done(deployment);
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    return true;
}

void deployment_settings_look(Deployment *deployment) {
    DeploymentSettings *settings = &deployment->settings;
    const char *path = deployment->config->quoted_config;
    struct stat program = {0}, config = {0};
    Error err = ERROR_INIT;
    if (path == NULL || settings->source != NULL) {
        return; /* there are none, or it is being asked */
    }
    (void)stat(deployment->quoted, &program);
    (void)stat(path, &config); /* missing: like no other */
    if (settings->looked && file_is_same(&program, &settings->program) &&
        file_is_same(&config, &settings->config)) {
        return;
    }
    settings->looked = true;
    settings->program = program;
    settings->config = config;
    if (!ask(deployment, &err)) {
        log_warning("settings-not-checked", "error=\"%s\"", err.text);
    }
}
